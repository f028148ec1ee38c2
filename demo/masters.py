"""Master data of the demo ERP: branches, people, vehicles, goods and their prices, all drawn from one seed."""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from random import Random
from typing import Any

from demo import words
from demo.documents import check_digit, money

Row = dict[str, Any]
RATE_AT_START = 7_350  # guaraníes a dollar
PRICE_LISTS = (
    ("GENERAL", "Lista general", "PYG"),
    ("MAYORISTA", "Lista mayorista", "PYG"),
    ("FLOTAS", "Lista de flotas", "PYG"),
    ("EXPORT", "Export list", "USD"),
)
GENERAL, WHOLESALE, FLEETS, EXPORT = 1, 2, 3, 4


@dataclass
class Data:
    """Rows by table, in memory until they are stored. Ids are given here, so that a seed always gives the same."""

    rng: Random
    start: date
    rows: defaultdict[str, list[Row]] = field(default_factory=lambda: defaultdict(list))
    known: set[str] = field(default_factory=set)  # descriptions in use

    def add(self, table: str, **values: Any) -> Row:
        """A new row with the table's next id."""
        rows = self.rows[table]
        row = {"id": len(rows) + 1, **values}
        rows.append(row)
        return row

    def at(self, day: date, earliest: float = 7.0, latest: float = 19.0) -> datetime:
        """A time of the day between two hours, with microseconds as a clock gives them."""
        return datetime.combine(day, time()) + timedelta(seconds=self.rng.uniform(earliest, latest) * 3600)

    def by_id(self, table: str, number: int) -> Row:
        """The row with an id."""
        return self.rows[table][number - 1]


def build(data: Data, parties: int, products: int) -> None:
    """Add all master data: so many parties (a fifth of them suppliers) and products."""
    for number, (code, name, currency) in enumerate(PRICE_LISTS, start=1):
        data.rows["price_lists"].append({"id": number, "code": code, "name": name, "currency": currency})
    _branches(data)
    _employees(data)
    _suppliers(data, max(12, parties // 5))
    _customers(data, parties - len(data.rows["parties"]))
    _blemishes(data)
    _products(data, products)
    _prices(data)
    _vehicles(data)


def ascii_name(name: str) -> str:
    """A name as it stands in an e-mail address: lower case letters and digits, words joined by dots."""
    plain = unicodedata.normalize("NFKD", name.replace("'", "").replace("&", " ")).encode("ascii", "ignore").decode()
    parts = "".join(letter if letter.isalnum() else " " for letter in plain.lower()).split()
    return ".".join(parts[:4])


def mobile(rng: Random) -> str:
    """A number that gateways take for a mobile phone's; beginning with 00 behind its prefix it is hardly anybody's."""
    return f"+595 9{rng.choice('6789')}1 00{rng.randrange(10_000):04d}"


def _branches(data: Data) -> None:
    for code, name, kind, address, city in words.BRANCHES:
        phone = f"+595 900 {500_000 + int(code):06d}"
        data.add("branches", code=code, name=name, kind=kind, address=address, city=city, phone=phone)


def _employees(data: Data) -> None:
    for role, salary in words.OFFICE:
        _employee(data, role, 1, salary)
    for branch in data.rows["branches"]:
        for role, salary in words.BRANCH_STAFF:
            _employee(data, role, branch["id"], salary)


def _employee(data: Data, role: str, branch_id: int, salary: int) -> None:
    name = _person(data.rng)
    data.add(
        "employees",
        name=name,
        role=role,
        branch_id=branch_id,
        email=f"{ascii_name(name)}.{len(data.rows['employees']) + 1}@petroleradeleste.example",
        phone=mobile(data.rng),
        language="es",
        birthday=_birthday(data.rng),
        hired_on=data.start - timedelta(days=data.rng.randrange(200, 4000)),
        salary=salary,
        active=True,
    )


def _person(rng: Random) -> str:
    return f"{rng.choice(words.GIVEN)} {rng.choice(words.FAMILY)} {rng.choice(words.FAMILY)}"


def _firm(rng: Random, trades: tuple[str, ...]) -> str:
    return f"{rng.choice(trades)} {rng.choice(words.FIRM_NAMES)} {rng.choice(words.LEGAL_FORMS)}"


def _birthday(rng: Random) -> date:
    return date(1948, 1, 1) + timedelta(days=rng.randrange(57 * 365))


def _founded(number: int) -> date | None:
    """The day on which a company was founded; of every third nobody has noted it."""
    return None if number % 3 == 0 else date(1950 + number * 7 % 70, 1 + number % 12, 1 + number * 5 % 28)


def _cadence(number: int) -> str | None:
    """How often a party wants his price list; most have not said."""
    return {1: "daily", 3: "monthly", 5: "weekly"}.get(number % 8)


def _party(data: Data, name: str, **values: Any) -> Row:
    rng, number = data.rng, len(data.rows["parties"]) + 1
    company, consent = values["is_company"], rng.random() < 0.62
    domain = f"{''.join(ascii_name(name).split('.')[:2])}{number}.example"
    mailbox = rng.choice(("compras", "ventas", "administracion")) if company else f"{ascii_name(name)}{number}"
    since = data.at(data.start - timedelta(days=rng.randrange(1, 1500)))
    tax_number = (80_000_000 if company else 1_000_000) + rng.randrange(100_000, 4_900_000) // (50 if company else 1)
    row: Row = {
        "tax_id": f"{tax_number}-{check_digit(tax_number)}",
        "email": f"{mailbox}@{domain if company else rng.choice(('correo.example', 'buzon.example'))}",
        "phone": mobile(rng),
        "language": "es",
        "birthday": _founded(number) if company else _birthday(rng),
        "consent": consent,
        "consent_at": since + timedelta(hours=rng.randrange(1, 900)) if consent else None,
        "address": f"{rng.choice(words.STREETS)} {rng.randrange(1, 4800)}",
        "city": rng.choice(words.CITIES),
        "payment_days": 0,
        "price_list_id": GENERAL,
        "price_list_cadence": _cadence(number),
        "active": True,
        "changed_at": since,
        "is_customer": False,
        "is_supplier": False,
    }
    return data.add("parties", name=name, **row | values)


def _suppliers(data: Data, count: int) -> None:
    terms = (15, 30, 30, 30, 45)
    _party(data, "Petróleos Paraguayos del Chaco S.A.", is_company=True, is_supplier=True, payment_days=15)
    _party(data, "Combustibles Itá Ybaté S.A.", is_company=True, is_supplier=True, payment_days=15)
    _party(data, "Inmobiliaria Los Yvyrapytã S.A.", is_company=True, is_supplier=True, payment_days=10)
    _party(data, "Energía y Agua del Paraná S.A.", is_company=True, is_supplier=True, payment_days=20)
    for number in range(count - 4):
        english = number % 14 == 5
        name = data.rng.choice(words.ENGLISH_FIRMS) if english else _firm(data.rng, words.SUPPLIES)
        both = data.rng.random() < 0.1
        days, language = data.rng.choice(terms), "en" if english else "es"
        _party(data, name, is_company=True, is_supplier=True, is_customer=both, payment_days=days, language=language)


def _customers(data: Data, count: int) -> None:
    special = [*words.LONG_NAMES, *words.ODD_NAMES]
    for number in range(count):
        if number < len(special):
            _party(data, special[number], is_company=True, is_customer=True, payment_days=30, price_list_id=FLEETS)
        elif number % 24 == 7:
            name = words.ENGLISH_PEOPLE[number // 24 % len(words.ENGLISH_PEOPLE)]
            _party(data, name, is_company=False, is_customer=True, language="en")
        elif number % 24 == 8:
            name = data.rng.choice(words.ENGLISH_FIRMS)
            more = {"language": "en", "price_list_id": EXPORT, "payment_days": 30}
            _party(data, name, is_company=True, is_customer=True, **more)
        elif data.rng.random() < 0.5:
            days, price_list = data.rng.choice((0, 15, 30, 30)), data.rng.choice((GENERAL, WHOLESALE, FLEETS))
            name = _firm(data.rng, words.TRADES)
            _party(data, name, is_company=True, is_customer=True, payment_days=days, price_list_id=price_list)
        else:
            _party(data, _person(data.rng), is_company=False, is_customer=True)


def _blemishes(data: Data) -> None:
    """What every ERP has: people without an address, and addresses that are none."""
    # The first four suppliers and everybody special keep what they have.
    parties = [party for party in data.rows["parties"] if party["id"] > 4]
    malformed = (
        "ventas.proveedor.example",
        "compras@",
        "dos@uno.example; tres@uno.example",
        "sin arroba en correo.example",
    )
    chosen = data.rng.sample(parties, min(len(parties) // 2, 30))
    for party, email in zip(chosen, malformed, strict=False):
        party["email"] = email
    suppliers = [party for party in parties if party["is_supplier"]]
    suppliers[1]["email"], suppliers[2]["email"] = "ventas.proveedor.example", None
    for party in chosen[4 : 4 + max(2, len(parties) // 33)]:
        party["email"] = None
    for party in chosen[-4:-2]:
        party["phone"] = None
    people = [party for party in parties if not party["is_company"]]
    people[0]["birthday"] = date(1988, 2, 29)
    for party in [person for person in people if person["phone"]][1:4]:
        party["phone"] = party["phone"].replace("+595 ", "0").replace(" ", "-")


def _products(data: Data, count: int) -> None:
    for code, name, stocked, *_ in words.GROUPS:
        picture = f"assets/products/{code.lower()}.png"
        data.add("product_groups", code=code, name=name, stocked=stocked, picture=picture)
    makers = [p["id"] for p in data.rows["parties"] if p["is_supplier"]][4:]
    shares = [(group, round((count - len(words.FUELS)) * group[5] / 0.995)) for group in words.GROUPS[1:]]
    shares[4] = (shares[4][0], shares[4][1] + count - len(words.FUELS) - sum(share for _, share in shares))
    for number, (description, price, diesel) in enumerate(words.FUELS):
        product = _product(data, words.GROUPS[0], description, price, 1 + number % 2)
        product["diesel"], product["unit"] = diesel, "l"
    for group, share in shares:
        own = data.rng.sample(makers, max(2, len(makers) // 7))
        for _ in range(share):
            _good(data, group, data.rng.choice(own))


def _good(data: Data, group: tuple[Any, ...], supplier_id: int) -> None:
    nouns, makers, sizes, (low, high), unit = words.GOODS[group[0]]
    noun = data.rng.choice(nouns.split("|"))
    maker, drawn = data.rng.choice(makers.split("|")), data.rng.choice(sizes.split("|"))
    place = sizes.split("|").index(drawn)
    sizes, (low, high) = words.TYRES.get(noun, (sizes, (low, high)))
    size, share = _sized(sizes.split("|"), place, data.rng.betavariate(1.4, 2.4), by_size=group[0] in words.BY_SIZE)
    description = f"{noun} {maker} {size}"
    if description in data.known:
        description += f", ref. {len(data.rows['products']) + 1}"
    data.known.add(description)
    price = round(low * (high / low) ** share / 500) * 500
    product = _product(data, group, description, price, supplier_id)
    product["unit"] = unit
    product["tax_rate"] = 0 if group[0] == "DIA" else 5 if noun in words.FIVE_PERCENT else 10


def _sized(sizes: Sequence[str], place: int, luck: float, *, by_size: bool) -> tuple[str, float]:
    """A size, and where its price lies between lowest (0) and highest (1): no larger size is cheaper than a smaller."""
    place %= len(sizes)
    return sizes[place], 0.7 * place / (len(sizes) - 1) + 0.1 * luck if by_size else luck


def _product(data: Data, group: tuple[Any, ...], description: str, price: int, supplier_id: int) -> Row:
    """A product; the keys beyond the table's columns (part, cost, price …) serve the history and are not stored."""
    number = next(n for n, known in enumerate(words.GROUPS, start=1) if known[0] == group[0])
    cost = round(price / 1.1 * (1 - group[4]))
    return data.add(
        "products",
        code=f"{group[0]}-{len(data.rows['products']) + 1:04d}",
        description=description,
        group_id=number,
        unit="un",
        tax_rate=10,
        supplier_id=supplier_id if group[2] else None,
        average_cost=cost if group[2] else 0,
        active=True,
        changed_at=data.at(data.start - timedelta(days=data.rng.randrange(1, 400))),
        part=group[3],
        stocked=group[2],
        cost=cost,
        price=price,
        popularity=data.rng.paretovariate(0.9),
    )


def _prices(data: Data) -> None:
    for product in data.rows["products"]:
        code = product["code"][:3]
        _price(data, GENERAL, product, product["price"])
        if code in {"LUB", "REP", "NEU", "BEB", "ALI", "LIM"}:
            _price(data, WHOLESALE, product, round(product["price"] * 0.94 / 100) * 100)
        if code in {"COM", "LUB", "REP", "NEU", "SER"}:
            _price(data, FLEETS, product, round(product["price"] * 0.975 / 10) * 10)
        if code in {"LUB", "REP", "NEU", "ACC"}:
            _price(data, EXPORT, product, max(50, round(product["price"] * 95 / RATE_AT_START)))


def _price(data: Data, price_list: int, product: Row, minor: int) -> None:
    currency = PRICE_LISTS[price_list - 1][2]
    since = max(product["changed_at"].date(), data.start - timedelta(days=200))
    data.add(
        "prices",
        price_list_id=price_list,
        product_id=product["id"],
        price=money(minor, currency),
        valid_from=since,
        changed_at=data.at(since),
    )


#: Discounts of price lists: list, group of goods, per cent.
DISCOUNTS = ((WHOLESALE, "LUB", "5"), (WHOLESALE, "BEB", "3"), (FLEETS, "NEU", "7.5"), (FLEETS, "LUB", "4"))

#: What is offered to which segment: groups of goods, how many of each, per cent off.
OFFERS = (
    ("recent", ("LUB", "REP"), 3, 15),
    ("missed", ("BEB", "ACC", "LIM"), 2, 20),
    ("fleet", ("NEU", "LUB"), 3, 12),
)
#: Conditions of offers, by group of goods; promotion/words.<language>.yaml has their words.
CONDITIONS = {"REP": "stocks", "BEB": "one", "ACC": "one", "LIM": "one", "NEU": "fitted"}


def offers(data: Data, until: date) -> None:
    """Discounts and promotions of the present, added last: they draw nothing from the seed."""
    groups = {group["code"]: group["id"] for group in data.rows["product_groups"]}
    for price_list, group, percent in DISCOUNTS:
        span = {"valid_from": until - timedelta(days=90), "valid_until": until + timedelta(days=90)}
        data.add(
            "discounts", price_list_id=price_list, product_group_id=groups[group], percent=Decimal(percent), **span
        )
    span = {"valid_from": until - timedelta(days=5), "valid_until": until + timedelta(days=30)}
    for segment, chosen, count, off in OFFERS:
        for group in chosen:
            goods = [product for product in data.rows["products"] if product["group_id"] == groups[group]]
            for product in goods[:count]:
                price = money(round(product["price"] * (100 - off) / 100 / 500) * 500, "PYG")
                about = {"currency": "PYG", "price": price, "conditions": CONDITIONS.get(group)}
                data.add("offers", segment=segment, product_id=product["id"], **about, **span)


def _vehicles(data: Data) -> None:
    rng, fuels = data.rng, [p for p in data.rows["products"] if "diesel" in p]
    plates: set[str] = set()
    for party in data.rows["parties"]:
        if not party["is_customer"]:
            continue
        fleet = party["is_company"] and party["payment_days"]
        for _ in range(rng.randrange(2, 9) if fleet else rng.random() < 0.45):
            models = words.VEHICLES if party["is_company"] else words.VEHICLES[4:9]
            make, model, tank, km_per_litre, diesel = rng.choice(models)
            plate = _plate(rng, plates)
            data.add(
                "vehicles",
                plate=plate,
                make=make,
                model=model,
                owner_id=party["id"],
                fuel_id=rng.choice([fuel["id"] for fuel in fuels if fuel["diesel"] == diesel]),
                tank=tank,
                last_odometer=rng.randrange(3_000, 420_000),
                changed_at=party["changed_at"],
                km_per_litre=km_per_litre,
            )


def _plate(rng: Random, taken: set[str]) -> str:
    while True:
        plate = "".join(rng.choices("ABCDEFGHJKLMNPRSTUVWXYZ", k=4)) + f" {rng.randrange(100, 1000)}"
        if plate not in taken:
            taken.add(plate)
            return plate
