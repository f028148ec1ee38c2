"""The company's past, day by day: it sells, orders, receives, pays, is paid, closes its tills and keeps its books.

Goods are valued at their moving average cost, so that the accounts of inventory equal the stock; customers' and
suppliers' open documents equal the accounts of receivables and payables. Result accounts are never closed: equity is
capital plus all income less all costs and expenses so far.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from itertools import accumulate
from typing import Any

from demo import documents as docs
from demo import words
from demo.documents import Entry, Line, quantity
from demo.masters import EXPORT, FLEETS, RATE_AT_START, WHOLESALE, Data, Row

TILL = 1_500_000  # guaraníes that stay in each till overnight
RENT, ENERGY = 2_000_000, 1_250_000  # a month and branch, IVA included
OPENING_BANK, EQUIPMENT, LOAN = 620_000_000, 1_080_000_000, 480_000_000
FUEL_SUPPLIERS, LANDLORD, UTILITY = (1, 2), 3, 4
BULK = frozenset({"LUB", "REP", "NEU"})  # what firms buy by the dozen
OPEN_METHODS = ("transfer", "transfer", "cheque", "cash")


@dataclass
class Stock:
    """What lies in store of a product: thousandths of its unit, their value in guaraníes, what is on its way."""

    milli: int
    value: int
    reorder: int
    coming: int = 0

    def take(self, milli: int) -> int:
        """Take goods out; returns their value at average cost."""
        assert milli <= self.milli, "more is sold than there is"
        cost = self.value * milli // self.milli if self.milli > milli else self.value
        self.milli -= milli
        self.value -= cost
        return cost


@dataclass
class Day:
    """What a branch's till and sales closing will sum up."""

    taken: dict[str, int] = field(default_factory=lambda: defaultdict(int))  # by method, sales and receipts
    sold: dict[str, int] = field(default_factory=lambda: defaultdict(int))  # by method, sales only
    lines: list[Line] = field(default_factory=list)
    sums: list[docs.Totals] = field(default_factory=list)
    cost: int = 0


@dataclass
class Book:
    """What stands open between documents while time goes on."""

    stock: dict[int, Stock] = field(default_factory=dict)
    arriving: dict[date, list[Row]] = field(default_factory=lambda: defaultdict(list))
    owed: dict[int, deque[Row]] = field(default_factory=lambda: defaultdict(deque))  # sales by customer
    owing: dict[int, list[Row]] = field(default_factory=lambda: defaultdict(list))  # invoices by supplier
    balance: dict[str, int] = field(default_factory=lambda: defaultdict(int))  # by account
    tills: dict[int, Day] = field(default_factory=lambda: defaultdict(Day))


class History:
    """Fills `data` with documents of the days from its start until `end`, exclusive."""

    def __init__(self, data: Data, end: date, sales: int) -> None:
        self.data, self.rng, self.end = data, data.rng, end
        self.days = [data.start + timedelta(days=n) for n in range((end - data.start).days)]
        self.sales_per_day = dict(zip(self.days, _shares(self.days, sales), strict=True))
        self.book = Book()
        self.rate = RATE_AT_START
        self.sale_numbers: dict[int, int] = defaultdict(int)
        self.staff = {
            (e["branch_id"], e["role"]): e for e in data.rows["employees"] if e["role"] not in {"compras", "gerente"}
        }
        self.buyers = [e for e in data.rows["employees"] if e["role"] == "compras"]
        self.shelf = [p for p in data.rows["products"] if "diesel" not in p]
        self.shelf_weights = list(accumulate(p["popularity"] ** 0.5 for p in self.shelf))
        self.bulk = [p for p in self.shelf if p["code"][:3] in BULK]
        self.fuels = [p for p in data.rows["products"] if "diesel" in p]
        customers = [p for p in data.rows["parties"] if p["is_customer"]]
        self.customers, self.firms = customers, [p for p in customers if p["is_company"]]
        self.homes = {p["id"]: self.rng.randrange(1, 7) for p in customers}
        self.supplied: dict[int, list[Row]] = defaultdict(list)
        for product in data.rows["products"]:
            if product["stocked"]:
                self.supplied[product["supplier_id"]].append(product)

    def run(self) -> None:
        """Live through all days."""
        self._opening()
        for day in self.days:
            self._day(day)
        self._settle_masters()

    # -------------------------------------------------------------------------------------------- books

    def _post(self, entry: Entry, at: datetime) -> None:
        row = self.data.add(
            "journal_entries",
            number=len(self.data.rows["journal_entries"]) + 1,
            booked_on=entry.booked_on,
            description=entry.description,
            source=entry.source,
            source_id=entry.source_id,
            changed_at=at,
        )
        for account, amount, _ in entry.sums:
            self.book.balance[account] += amount
        for line in entry.rows(row["id"]):
            self.data.add("journal_lines", **line)

    def _book(self, day: date, description: str, *sums: tuple[str, int]) -> None:
        """An entry without a document of its own."""
        if any(amount for _, amount in sums):
            entry = Entry(day, description, tuple((account, amount, None) for account, amount in sums))
            self._post(entry, self.data.at(day, 8, 18))

    def _document(self, table: str, number: str, at: datetime, saved_by: str, **values: Any) -> Row:
        revision = 1
        if table in {"purchase_orders", "quotations"} and self.rng.random() < 0.05:
            revision = self.rng.choice((2, 2, 3))
        imported = (at.date() - self.data.start).days < 7  # taken over from the former system
        return self.data.add(
            table, number=number, changed_at=at, saved_by=saved_by, revision=revision, silent=imported, **values
        )

    def _next(self, table: str) -> int:
        return len(self.data.rows[table]) + 1

    # -------------------------------------------------------------------------------------------- days

    def _opening(self) -> None:
        sold_daily = sum(self.sales_per_day.values()) / len(self.days)
        values: dict[str, int] = defaultdict(int)
        for product in self.data.rows["products"]:
            if product["stocked"]:
                reorder = self._reorder_point(product, sold_daily)
                milli = round(reorder * self.rng.uniform(1.2, 2.6)) // 1000 * 1000
                value = product["cost"] * milli // 1000
                self.book.stock[product["id"]] = Stock(milli, value, reorder)
                values[docs.INVENTORY + product["part"]] += value
        assets = [
            *values.items(),
            (docs.CASH, TILL * len(self.data.rows["branches"])),
            (docs.BANK, OPENING_BANK),
            ("1.2.01.01", EQUIPMENT),
        ]
        total = sum(amount for _, amount in assets)
        capital = 1_500_000_000
        funds = (("2.2.01.01", -LOAN), ("3.1.01.01", -capital), ("3.1.01.02", LOAN + capital - total))
        self._book(self.data.start, "Asiento de apertura", *assets, *funds)

    def _reorder_point(self, product: Row, sold_daily: float) -> int:
        """In thousandths: about a week of fuel, three weeks of anything else."""
        if "diesel" in product:
            return round(sold_daily * 90 * 7) * (1000 if product["diesel"] else 333)
        weekly: float = sold_daily * 7 * product["popularity"] ** 0.5 / self.shelf_weights[-1]
        if product["code"][:3] in BULK:
            weekly += sold_daily * 0.7 * 5.5 / len(self.bulk) * (4 if is_dear(product) else 17)
        return max(3 if is_dear(product) else 12, round(weekly * 3.5)) * 1000

    def _day(self, day: date) -> None:
        self.book.tills = defaultdict(Day)
        self.rate = max(6_900, min(8_100, self.rate + self.rng.randrange(-18, 19)))
        self.data.add("exchange_rates", day=day, pyg_per_usd=self.rate)
        for order in self.book.arriving.pop(day, []):
            self._receive(order, day)
        self._calendar(day)
        moments = sorted(self.data.at(day, 6, 21.2) for _ in range(self.sales_per_day[day]))
        for at in moments:
            self._sell(at)
        if day.weekday() < 6:
            self._collect(day)
            self._quote(day)
            self._replenish(day)
        if day.weekday() == 4:
            self._pay(day)
        for branch in self.data.rows["branches"]:
            self._close(branch, day)

    def _calendar(self, day: date) -> None:
        """What comes with the days of the month."""
        tomorrow = day + timedelta(days=1)
        if day.day == 3:
            self._fuel_prices()
            self._monthly_bills(day)
        if day.day == 10:
            self._book(day, "Pago de aportes al IPS", *self._settle(docs.SOCIAL))
        if day.day == 20:
            self._taxes(day)
        if tomorrow.day == 1:
            self._month_end(day)
        if day.weekday() == 0:
            cards = self.book.balance[docs.CARDS]
            fee = cards * 3 // 100
            sums = ((docs.BANK, cards - fee), ("6.2.01.02", fee), (docs.CARDS, -cards))
            self._book(day, "Acreditación de tarjetas", *sums)

    def _settle(self, account: str) -> tuple[tuple[str, int], tuple[str, int]]:
        balance = self.book.balance[account]
        return (account, -balance), (docs.BANK, balance)

    def _fuel_prices(self) -> None:
        for fuel in self.fuels:
            factor = self.rng.uniform(0.985, 1.018)
            fuel["price"] = round(fuel["price"] * factor / 10) * 10
            fuel["cost"] = round(fuel["cost"] * factor)

    def _monthly_bills(self, day: date) -> None:
        for branch in self.data.rows["branches"]:
            rent, energy = f"Alquiler {branch['name']}", f"Energía y agua {branch['name']}"
            self._bill(LANDLORD, branch, day, rent, ("6.1.02.01", RENT))
            used = round(ENERGY * self.rng.uniform(0.8, 1.25))
            self._bill(UTILITY, branch, day, energy, ("6.1.02.02", used))

    def _bill(self, supplier_id: int, branch: Row, day: date, description: str, cost: tuple[str, int]) -> None:
        account, amount = cost
        sums = docs.totals([(10, amount)])
        invoice = self._invoice(supplier_id, branch["id"], day, description, (sums, "PYG", amount))
        posted = (
            (account, sums.subtotal, None),
            (docs.TAX_PAID, sums.tax_10, None),
            (docs.SUPPLIERS, -amount, supplier_id),
        )
        self._post(Entry(day, description, posted, "supplier_invoices", invoice["id"]), invoice["changed_at"])

    def _taxes(self, day: date) -> None:
        owed, paid = -self.book.balance[docs.TAX_OWED], self.book.balance[docs.TAX_PAID]
        offset = min(owed, paid)
        sums = ((docs.TAX_OWED, owed), (docs.TAX_PAID, -offset), (docs.BANK, offset - owed))
        self._book(day, "Liquidación de IVA", *sums)
        self._book(day, "Pago de retenciones de IVA", *self._settle(docs.WITHHELD))

    def _month_end(self, day: date) -> None:
        wages = sum(employee["salary"] for employee in self.data.rows["employees"])
        own, employer = wages * 9 // 100, wages * 165 // 1000
        self._book(
            day,
            "Sueldos y aportes del mes",
            ("6.1.01.01", wages),
            ("6.1.01.02", employer),
            ("6.1.01.03", wages // 12),
            (docs.SOCIAL, -own - employer),
            (docs.BONUS, -(wages // 12)),
            (docs.BANK, own - wages),
        )
        if day.month == 12:
            self._book(day, "Pago de aguinaldos", *self._settle(docs.BONUS))
        wear = EQUIPMENT // 120
        self._book(day, "Depreciación del mes", ("6.1.02.05", wear), ("1.2.01.02", -wear))
        interest, repaid = -self.book.balance["2.2.01.01"] * 9 // 1200, LOAN // 60
        loan = (("6.2.01.01", interest), ("2.2.01.01", repaid), (docs.BANK, -interest - repaid))
        self._book(day, "Cuota del préstamo", *loan)

    # -------------------------------------------------------------------------------------------- selling

    def _sell(self, at: datetime) -> None:
        chance = self.rng.random()
        if chance < 0.47:
            self._sell_fuel(at, self.rng.choice(self.data.rows["vehicles"]))
        elif chance < 0.62:
            fuel, branch = self.rng.choice(self.fuels), self.rng.randrange(1, 7)
            line = self._fuel_line(fuel, self.rng.randrange(3_000, 48_000, 10), 1.0)
            self._sold(at, branch, None, [line])
        elif chance < 0.9:
            branch = self.rng.choice((1, 1, 2, 3, 4, 5, 6, 7, 7, 8))
            chosen = self.rng.choices(self.shelf, cum_weights=self.shelf_weights, k=self.rng.choice((1, 1, 2, 3, 5)))
            customer = self.rng.choice(self.customers) if self.rng.random() < 0.3 else None
            different = {product["id"]: product for product in chosen}.values()
            self._sold(at, branch, customer, [self._goods_line(p, self.rng.randrange(1, 4)) for p in different])
        else:
            chosen = self.rng.sample(self.bulk, k=min(len(self.bulk), self.rng.randrange(3, 9)))
            lines = [self._goods_line(p, self.rng.randrange(2, 6 if is_dear(p) else 34), 0.96) for p in chosen]
            self._sold(at, self.rng.choice((1, 7, 8, 8)), self.rng.choice(self.firms), lines)

    def _sell_fuel(self, at: datetime, vehicle: Row) -> None:
        milli = round(vehicle["tank"] * self.rng.uniform(0.25, 0.93), 2) * 1000
        vehicle["last_odometer"] += round(milli / 1000 * vehicle["km_per_litre"] * self.rng.uniform(0.85, 1.15))
        owner = self.data.by_id("parties", vehicle["owner_id"])
        fuel = self.data.by_id("products", vehicle["fuel_id"])
        line = self._fuel_line(fuel, int(milli), 0.975 if owner["price_list_id"] == FLEETS else 1.0)
        line.more.update(vehicle_id=vehicle["id"], odometer=vehicle["last_odometer"])
        home = self.homes[owner["id"]]
        self._sold(at, home if self.rng.random() < 0.8 else self.rng.randrange(1, 7), owner, [line])

    def _fuel_line(self, fuel: Row, milli: int, discount: float) -> Line:
        return Line(fuel, milli, round(fuel["price"] * discount / 10) * 10, {"litres": quantity(milli)})

    def _goods_line(self, product: Row, units: int, discount: float = 1.0) -> Line:
        return Line(product, units * 1000, round(product["price"] * discount / 100) * 100)

    def _sold(self, at: datetime, branch_id: int, customer: Row | None, wanted: Sequence[Line]) -> None:
        lines = [line for line in wanted if self._at_hand(line)]
        if not lines:  # sold out: the customer takes a car wash
            service = self.rng.choice([p for p in self.shelf if not p["stocked"]])
            lines = [self._goods_line(service, 1)]
        costs = [self.book.stock[x.product["id"]].take(x.milli) if x.product["stocked"] else 0 for x in lines]
        method = self._method(customer)
        sale = self._sale_row(at, branch_id, customer, method, (lines, sum(costs)))
        for number, line in enumerate(lines, start=1):
            extra = {"vehicle_id": None, "litres": None, "odometer": None}
            self.data.add("sale_lines", **{"sale_id": sale["id"], **extra, **docs.line_row(number, line, "PYG")})
        payer = customer["id"] if customer else None
        entry = Entry(
            at.date(), f"Venta {sale['number']}", docs.sale_sums(lines, costs, method, payer), "sales", sale["id"]
        )
        self._post(entry, at)
        self._count(branch_id, method, lines, sum(costs))
        if method == "credit" and customer:
            self.book.owed[customer["id"]].append(sale)

    def _at_hand(self, line: Line) -> bool:
        stock = self.book.stock.get(line.product["id"])
        if stock is None:
            return True
        return stock.milli >= line.milli

    def _method(self, customer: Row | None) -> str:
        if customer and customer["payment_days"]:
            return "credit" if self.rng.random() < 0.85 else "transfer"
        return self.rng.choice(("cash", "cash", "cash", "card", "card", "transfer"))

    def _sale_row(
        self, at: datetime, branch_id: int, customer: Row | None, method: str, goods: tuple[list[Line], int]
    ) -> Row:
        lines, cost = goods
        self.sale_numbers[branch_id] += 1
        cashier, sums = self.staff[branch_id, "cajero"], docs.line_totals(lines)
        days = customer["payment_days"] if customer and method == "credit" else 0
        fleet = any("vehicle_id" in line.more for line in lines) and customer and customer["is_company"]
        return self._document(
            "sales",
            f"{branch_id:03d}-001-{self.sale_numbers[branch_id]:07d}",
            at,
            cashier["name"],
            status="valid",
            customer_id=customer["id"] if customer else None,
            branch_id=branch_id,
            cashier_id=cashier["id"],
            sold_on=at.date(),
            payment_method=method,
            due_on=at.date() + timedelta(days=days),
            **docs.amounts_of(sums, "PYG", self.rate),
            balance=sums.total if method == "credit" else 0,
            cost=cost,
            driver=f"{self.rng.choice(words.GIVEN)} {self.rng.choice(words.FAMILY)}" if fleet else None,
        )

    def _count(self, branch_id: int, method: str, lines: list[Line], cost: int) -> None:
        till, sums = self.book.tills[branch_id], docs.line_totals(lines)
        till.sold[method] += sums.total
        till.taken[method] += sums.total
        till.lines += lines
        till.sums.append(sums)
        till.cost += cost

    def _collect(self, day: date) -> None:
        for customer_id, owed in self.book.owed.items():
            due = [sale for sale in owed if sale["due_on"] <= day]
            if due and self.rng.random() < 0.13:
                self._receipt(self.data.by_id("parties", customer_id), due, day)

    def _receipt(self, customer: Row, due: list[Row], day: date) -> None:
        branch_id, at = self.homes[customer["id"]], self.data.at(day, 8, 18)
        method, owed = self.rng.choice(OPEN_METHODS), self.book.owed[customer["id"]]
        amounts = [sale["balance"] for sale in due]
        if self.rng.random() < 0.12 and amounts[-1] > 500_000:
            amounts[-1] = amounts[-1] // 2
        total = sum(amounts)
        receipt = self._document(
            "receipts",
            f"001-{self._next('receipts')}",
            at,
            self.staff[branch_id, "cajero"]["name"],
            status="valid",
            customer_id=customer["id"],
            branch_id=branch_id,
            cashier_id=self.staff[branch_id, "cajero"]["id"],
            received_on=day,
            method=method,
            reference=None if method == "cash" else f"{method[:2].upper()}-{self.rng.randrange(10**6, 10**7)}",
            currency="PYG",
            total=total,
            still_open=sum(sale["balance"] for sale in owed) - total,
        )
        for number, (sale, amount) in enumerate(zip(due, amounts, strict=True), start=1):
            sale["balance"] -= amount
            values = {"line": number, "sale_id": sale["id"], "amount": amount, "still_open": sale["balance"]}
            self.data.add("receipt_lines", receipt_id=receipt["id"], **values)
        self.book.owed[customer["id"]] = deque(sale for sale in owed if sale["balance"])
        posted = ((docs.PAID_INTO[method], total, None), (docs.CUSTOMERS, -total, customer["id"]))
        self._post(Entry(day, f"Cobro {receipt['number']}", posted, "receipts", receipt["id"]), at)
        self.book.tills[branch_id].taken[method] += total

    def _quote(self, day: date) -> None:
        for _ in range(self.rng.choice((1, 2, 3, 4))):
            customer, at = self.rng.choice(self.customers), self.data.at(day, 8, 18)
            currency = "USD" if customer["price_list_id"] == EXPORT else "PYG"
            chosen = self.rng.sample(self.bulk, k=min(len(self.bulk), self.rng.randrange(1, 8)))
            discount = 0.94 if customer["price_list_id"] == WHOLESALE else 1.0
            lines = [self._offered(p, currency, discount) for p in chosen]
            self._quotation(customer, at, currency, lines)

    def _offered(self, product: Row, currency: str, discount: float) -> Line:
        price = round(product["price"] * discount / 100) * 100
        price = max(50, round(price * 100 / self.rate)) if currency == "USD" else price
        return Line(product, self.rng.randrange(1, 25) * 1000, price)

    def _quotation(self, customer: Row, at: datetime, currency: str, lines: list[Line]) -> None:
        seller, age = self.staff[self.rng.randrange(1, 9), "encargado"], (self.end - at.date()).days
        row = self._document(
            "quotations",
            str(self._next("quotations")),
            at,
            seller["name"],
            status="open" if age < 20 else self.rng.choice(("accepted", "rejected", "open")),
            customer_id=customer["id"],
            branch_id=seller["branch_id"],
            seller_id=seller["id"],
            quoted_on=at.date(),
            valid_until=at.date() + timedelta(days=self.rng.choice((7, 15, 30))),
            payment_terms=terms(customer["payment_days"], customer["language"]),
            **docs.amounts_of(docs.line_totals(lines), currency, self.rate),
            notes=None,
        )
        for number, line in enumerate(lines, start=1):
            self.data.add("quotation_lines", quotation_id=row["id"], **docs.line_row(number, line, currency))

    # -------------------------------------------------------------------------------------------- buying

    def _replenish(self, day: date) -> None:
        """Order what runs low: fuel every day, each other supplier on his day once in two weeks."""
        for supplier_id, products in self.supplied.items():
            if supplier_id in FUEL_SUPPLIERS or day.toordinal() % 14 == supplier_id % 14:
                low = [p for p in products if self._is_low(self.book.stock[p["id"]])]
                if low:
                    self._order(self.data.by_id("parties", supplier_id), low, day)

    def _is_low(self, stock: Stock) -> bool:
        return stock.milli + stock.coming <= stock.reorder

    def _order(self, supplier: Row, products: list[Row], day: date) -> None:
        currency = "USD" if supplier["language"] == "en" else "PYG"
        lines = [self._ordered_line(product, currency) for product in products]
        at, buyer = self.data.at(day, 8, 17.5), self.rng.choice(self.buyers)
        wait = 1 if supplier["id"] in FUEL_SUPPLIERS else self.rng.randrange(2, 9)
        arrives, branch_id = day + timedelta(days=wait), self.rng.randrange(1, 9)
        cancelled = self.rng.random() < 0.01
        order = self._document(
            "purchase_orders",
            str(self._next("purchase_orders")),
            at,
            buyer["name"],
            status="cancelled" if cancelled else "received" if arrives < self.end else "confirmed",
            supplier_id=supplier["id"],
            branch_id=branch_id,
            buyer_id=buyer["id"],
            ordered_on=day,
            deliver_on=arrives,
            deliver_to=address_of(self.data.by_id("branches", branch_id)),
            payment_terms=terms(supplier["payment_days"], supplier["language"]),
            **docs.amounts_of(docs.line_totals(lines), currency, self.rate),
            notes=self.rng.choice(words.DRIVERS_NOTE) or None,
        )
        for number, line in enumerate(lines, start=1):
            values = docs.line_row(number, line, currency)
            self.data.add("purchase_order_lines", purchase_order_id=order["id"], **values)
        if not cancelled:
            self.book.arriving[arrives].append({"order": order, "lines": lines})
            for line in lines:
                self.book.stock[line.product["id"]].coming += line.milli

    def _ordered_line(self, product: Row, currency: str) -> Line:
        stock = self.book.stock[product["id"]]
        milli = round(stock.reorder * self.rng.uniform(1.0, 1.6)) // 1000 * 1000
        price = round(product["cost"] * self.rng.uniform(0.985, 1.015) * (100 + product["tax_rate"]) / 100)
        return Line(product, milli, max(1, round(price * 100 / self.rate)) if currency == "USD" else price)

    def _receive(self, arrival: Row, day: date) -> None:
        """The goods of an order come with the supplier's invoice."""
        order, lines = arrival["order"], arrival["lines"]
        currency = order["currency"]
        worth = [docs.in_guaranies(line.amount, currency, self.rate) for line in lines]
        taxes = [docs.contained(pyg, line.product["tax_rate"]) for line, pyg in zip(lines, worth, strict=True)]
        description = f"Compra, orden {order['number']}"
        goods = (docs.line_totals(lines), currency, sum(worth))
        invoice = self._invoice(order["supplier_id"], order["branch_id"], day, description, goods)
        invoice["purchase_order_id"] = order["id"]
        posted: list[tuple[str, int, int | None]] = [(docs.SUPPLIERS, -sum(worth), order["supplier_id"])]
        for line, pyg, tax in zip(lines, worth, taxes, strict=True):
            stock = self.book.stock[line.product["id"]]
            stock.milli, stock.coming = stock.milli + line.milli, stock.coming - line.milli
            stock.value += pyg - tax
            posted += [(docs.INVENTORY + line.product["part"], pyg - tax, None), (docs.TAX_PAID, tax, None)]
        entry = Entry(day, description, tuple(posted), "supplier_invoices", invoice["id"])
        self._post(entry, invoice["changed_at"])

    def _invoice(
        self, supplier_id: int, branch_id: int, day: date, description: str, goods: tuple[docs.Totals, str, int]
    ) -> Row:
        sums, currency, total_pyg = goods
        days = self.data.by_id("parties", supplier_id)["payment_days"]
        amounts = docs.amounts_of(sums, currency, self.rate)
        invoice = self._document(
            "supplier_invoices",
            f"FP-{self._next('supplier_invoices')}",
            self.data.at(day, 7.5, 17),
            self.staff[1, "contadora"]["name"],
            status="valid",
            supplier_id=supplier_id,
            purchase_order_id=None,
            branch_id=branch_id,
            description=description,
            invoiced_on=day,
            due_on=day + timedelta(days=days),
            **amounts,
            total_pyg=total_pyg,
            balance=amounts["total"],
        )
        self.book.owing[supplier_id].append(invoice)
        return invoice

    def _pay(self, day: date) -> None:
        """Fridays: every supplier is paid what falls due before the next one, one order for each currency."""
        next_friday = day + timedelta(days=7)
        for supplier_id, invoices in self.book.owing.items():
            for currency in currencies(invoices):
                due = [x for x in invoices if x["currency"] == currency and x["due_on"] < next_friday]
                if due:
                    self._payment_order(supplier_id, due, day)
            if invoices:
                self.book.owing[supplier_id] = [x for x in invoices if x["balance"]]

    def _payment_order(self, supplier_id: int, due: list[Row], day: date) -> None:
        at, currency = self.data.at(day, 9, 16), due[0]["currency"]
        paid = (self.end - day).days > 3  # the last ones still wait for the supplier's signature
        withheld = [withholding(invoice) for invoice in due]
        order = self._document(
            "payment_orders",
            f"001-{self._next('payment_orders')}",
            at,
            self.staff[1, "contadora"]["name"],
            status="paid" if paid else "issued",
            supplier_id=supplier_id,
            ordered_on=day,
            pay_on=day + timedelta(days=3),
            method=self.rng.choice(("transfer", "cheque")),
            currency=currency,
            exchange_rate=self.rate if currency == "USD" else 1,
            total=sum(x["balance"] for x in due),
            withheld=sum(withheld),
            net=sum(x["balance"] for x in due) - sum(withheld),
            notes=None,
        )
        for number, (invoice, part) in enumerate(zip(due, withheld, strict=True), start=1):
            values = {"line": number, "amount": invoice["balance"], "withheld": part}
            self.data.add(
                "payment_order_lines",
                payment_order_id=order["id"],
                supplier_invoice_id=invoice["id"],
                **values,
            )
        if paid:
            self._paid(order, due, at)

    def _paid(self, order: Row, due: list[Row], at: datetime) -> None:
        currency = order["currency"]
        owed = sum(invoice["total_pyg"] for invoice in due)
        handed, withheld = (
            docs.in_guaranies(docs.minor(order[name], currency), currency, self.rate) for name in ("net", "withheld")
        )
        gain = owed - handed - withheld
        posted = (
            (docs.SUPPLIERS, owed, order["supplier_id"]),
            (docs.BANK, -handed, None),
            (docs.WITHHELD, -withheld, None),
            ("4.2.01.01" if gain > 0 else "6.2.01.03", -gain, None),
        )
        entry = Entry(at.date(), f"Orden de pago {order['number']}", posted, "payment_orders", order["id"])
        self._post(entry, at)
        for invoice in due:
            invoice["balance"] = 0

    # -------------------------------------------------------------------------------------------- closings

    def _close(self, branch: Row, day: date) -> None:
        till, cashier = self.book.tills[branch["id"]], self.staff[branch["id"], "cajero"]
        self._close_sales(branch, day, till, cashier)
        spent = self.rng.choice((0, 0, 0, 35_000, 60_000, 120_000))
        cash = till.taken["cash"]
        spent = spent if cash > spent else 0
        off = self.rng.choice((-20_000, -5_000, 5_000, 10_000)) if self.rng.random() < 0.06 and cash > 50_000 else 0
        deposit = cash - spent
        flows = {"cash": (TILL, cash, spent, off)}
        flows |= {m: (0, till.taken[m], 0, 0) for m in ("card", "transfer", "cheque") if till.taken[m]}
        closing = self._cash_closing(branch, day, cashier, flows)
        what = f"Cierre de caja {closing['number']}"
        account, over = ("4.2.01.02" if off > 0 else "6.1.02.04"), off
        # After the count all goes to the bank but what the till starts with; a difference stays with the deposit.
        sums = (
            (docs.BANK, deposit + over, None),
            (docs.SUNDRIES, spent, None),
            (account, -over, None),
            (docs.CASH, -cash, None),
        )
        if cash:
            self._post(Entry(day, what, sums, "cash_closings", closing["id"]), closing["changed_at"])

    def _cash_closing(self, branch: Row, day: date, cashier: Row, flows: dict[str, tuple[int, int, int, int]]) -> Row:
        at = self.data.at(day, 21.5, 22.5)
        rows = [till_row(method, *flow) for method, flow in flows.items()]
        names = ("opening", "income", "outgoings", "expected", "counted", "difference")
        closing = self._document(
            "cash_closings",
            f"{branch['code']}-{self._next('cash_closings')}",
            at,
            cashier["name"],
            status="closed",
            branch_id=branch["id"],
            cashier_id=cashier["id"],
            closed_on=day,
            opened_at=self.data.at(day, 5.6, 6.0),
            closed_at=at,
            **{name: sum(row[name] for row in rows) for name in names},
            notes="Diferencia de arqueo." if flows["cash"][3] else None,
        )
        for number, row in enumerate(rows, start=1):
            self.data.add("cash_closing_lines", cash_closing_id=closing["id"], line=number, **row)
        return closing

    def _close_sales(self, branch: Row, day: date, till: Day, cashier: Row) -> None:
        if not till.sums:
            return
        names = ("subtotal", "tax_10", "tax_5", "exempt", "total")
        closing = self._document(
            "sales_closings",
            f"{branch['code']}-{self._next('sales_closings')}",
            self.data.at(day, 21.4, 22.4),
            cashier["name"],
            status="closed",
            branch_id=branch["id"],
            cashier_id=cashier["id"],
            closed_on=day,
            tickets=len(till.sums),
            **{method: till.sold[method] for method in ("cash", "card", "transfer", "credit")},
            **{name: sum(getattr(sums, name) for sums in till.sums) for name in names},
            cost=till.cost,
        )
        for number, (group_id, (milli, amount)) in enumerate(sorted(by_group(till.lines).items()), start=1):
            values = {"line": number, "group_id": group_id, "quantity": quantity(milli), "amount": amount}
            self.data.add("sales_closing_lines", sales_closing_id=closing["id"], **values)

    # -------------------------------------------------------------------------------------------- the end

    def _settle_masters(self) -> None:
        """Costs, stock by branch, and the last number of each series."""
        for product in self.data.rows["products"]:
            stock = self.book.stock.get(product["id"])
            if stock and stock.milli:
                product["average_cost"] = (stock.value * 1000 + stock.milli // 2) // stock.milli
            if stock:
                self._spread(product, stock)
        self._current_fuel_prices()
        for table in ("purchase_orders", "quotations", "payment_orders", "receipts", "cash_closings", "sales_closings"):
            self.data.rows["numbers"].append({"series": table, "last": len(self.data.rows[table])})
        for branch_id in range(1, len(self.data.rows["branches"]) + 1):
            last = self.sale_numbers[branch_id]
            self.data.rows["numbers"].append({"series": f"sales {branch_id:03d}", "last": last})
        entries = len(self.data.rows["journal_entries"])
        self.data.rows["numbers"].append({"series": "journal_entries", "last": entries})

    def _spread(self, product: Row, stock: Stock) -> None:
        branches = range(1, 7) if "diesel" in product else (1, 2, 6, 7, 8)
        rest = stock.milli
        for branch_id in branches:
            part = rest if branch_id == branches[-1] else round(rest * self.rng.uniform(0.1, 0.3)) // 1000 * 1000
            rest -= part
            values = {"quantity": quantity(part), "reorder_at": quantity(stock.reorder // len(branches))}
            self.data.add("stock", branch_id=branch_id, product_id=product["id"], **values)

    def _current_fuel_prices(self) -> None:
        first = max(day for day in self.days if day.day == 3)
        for price in self.data.rows["prices"]:
            product = self.data.by_id("products", price["product_id"])
            if "diesel" in product:
                factor = 0.975 if price["price_list_id"] == FLEETS else 1.0
                price["price"] = round(product["price"] * factor / 10) * 10
                price["valid_from"], price["changed_at"] = first, self.data.at(first, 6, 7)


def _shares(days: Sequence[date], total: int) -> list[int]:
    """`total` sales spread over the days: more on Fridays and in December, a few more every year."""
    weekday = (1.0, 0.95, 0.98, 1.05, 1.25, 1.1, 0.68)
    weights = [
        weekday[day.weekday()] * (1.22 if day.month == 12 else 1.0) * (1 + n / len(days) * 0.12)
        for n, day in enumerate(days)
    ]
    ends = [round(total * part / sum(weights)) for part in accumulate(weights)]
    return [end - start for start, end in zip([0, *ends], ends, strict=False)]


def is_dear(product: Row) -> bool:
    """Whether nobody buys it by the dozen."""
    return bool(product["price"] > 400_000)


def currencies(invoices: Sequence[Row]) -> list[str]:
    """The currencies of some invoices, in order."""
    return sorted({invoice["currency"] for invoice in invoices})


def withholding(invoice: Row) -> Any:
    """What is kept back of an invoice and paid to the state: 30 % of its IVA, on larger ones in guaraníes."""
    if invoice["currency"] != "PYG" or invoice["total"] < 5_000_000:
        return 0
    return (invoice["tax_10"] + invoice["tax_5"]) * 30 // 100


def terms(days: int, language: str) -> str:
    """Payment terms in words."""
    if language == "en":
        return f"{days} days net" if days else "Cash on delivery"
    return f"Crédito a {days} días" if days else "Contado"


def address_of(branch: Row) -> str:
    """Where goods for a branch are delivered."""
    return f"{branch['name']}, {branch['address']}, {branch['city']}"


def till_row(method: str, opening: int, income: int, outgoings: int, difference: int) -> Row:
    """A line of a cash closing, in guaraníes."""
    expected = opening + income - outgoings
    return {
        "payment_method": method,
        "opening": opening,
        "income": income,
        "outgoings": outgoings,
        "expected": expected,
        "counted": expected + difference,
        "difference": difference,
    }


def by_group(lines: Sequence[Line]) -> dict[int, tuple[int, int]]:
    """Quantity in thousandths and amount by group of goods."""
    sums: dict[int, tuple[int, int]] = {}
    for line in lines:
        milli, amount = sums.get(line.product["group_id"], (0, 0))
        sums[line.product["group_id"]] = (milli + line.milli, amount + line.amount)
    return sums
