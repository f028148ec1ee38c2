"""Operators at work: documents saved live, each in a transaction of its own, as the ERP's screens would.

`python -m demo.simulate URL` goes on saving; `Simulator` does the same one call at a time.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cached_property
from random import Random
from typing import Any, TypedDict, Unpack

import click
import sqlalchemy as sa
from sqlalchemy import Connection, Engine, Table

from demo import database, history, schema, words
from demo import documents as docs
from demo.documents import Entry, Line, money
from demo.masters import EXPORT, mobile

Record = dict[str, Any]
_GOOD_EMAIL = re.compile(r"[^@\s;,]+@[^@\s;,]+\.[^@\s;,.]+")
_PARTS = {code: part for code, _, _, part, *_ in words.GROUPS}
_CORRECTED = {"purchase_orders": ("confirmed",), "quotations": ("open",)}
_KNOWN_BY = ("number", "name", "plate", "description", "id")
_SCREENS = {
    "purchase_orders": "órdenes de compra",
    "quotations": "presupuestos",
    "payment_orders": "órdenes de pago",
    "receipts": "cobros",
    "sales": "ventas",
    "cash_closings": "cierre de caja",
    "sales_closings": "cierre de ventas",
    "parties": "clientes y proveedores",
    "products": "productos",
    "prices": "lista de precios",
}
_KM_PER_LITRE = {(make, model): distance for make, model, _, distance, _ in words.VEHICLES}


def has_mail(party: Record) -> bool:
    """Whether the ERP has a usable e-mail address for somebody."""
    return bool(_GOOD_EMAIL.fullmatch(party["email"] or ""))


def is_reachable(party: Record) -> bool:
    """Whether somebody can be reached by mail and by a mobile phone's message."""
    return has_mail(party) and str(party["phone"]).startswith("+595 9")


@dataclass(frozen=True, slots=True)
class Saved:
    """A document after COMMIT: its number, when COMMIT had returned (UTC), and the e-mail it concerns, or ''."""

    document: str
    committed_at: datetime
    address: str
    table: str = ""
    version: str = "1"
    action: str = "saved"  # saved, corrected, changed, deleted


class Abandoned(Exception):
    """The operator gave up: the transaction was rolled back and nothing of it is in the database."""


class NothingOpen(Exception):
    """There is no open document of the kind that was asked for."""


class How(TypedDict, total=False):
    """How a document is saved: COMMIT comes `late_s` seconds after the writes; `silent` as an import; or not at all.

    `at` is an aware time that the document carries instead of the present.
    """

    late_s: float
    silent: bool
    roll_back: bool
    at: datetime


@dataclass(frozen=True, slots=True)
class Work:
    """An operator's transaction under way; `began` is company-local and becomes the documents' changed_at."""

    connection: Connection
    began: datetime
    operator: str
    silent: bool

    def insert(self, table: Table, **values: Any) -> int:
        """A new row; returns its id."""
        key = self.connection.execute(sa.insert(table).values(**values)).inserted_primary_key
        assert key is not None
        return int(key[0])

    def document(self, table: Table, **values: Any) -> int:
        """A new document with what every document carries; returns its id."""
        signed = {"changed_at": self.began, "saved_by": self.operator, "silent": self.silent, "revision": 1}
        return self.insert(table, **signed | values)


@dataclass(frozen=True, slots=True)
class Sale:
    """What is sold to whom (None: an unnamed consumer), where and by whom, before it is saved; in guaraníes."""

    customer: Record | None
    seller: Record
    lines: list[Line]
    method: str
    driver: str | None = None

    def costs(self) -> list[int]:
        """At average cost, by line."""
        return [round(line.product["average_cost"] * line.milli / 1000) for line in self.lines]


class Simulator:
    """Saves documents in an ERP that `demo.generate` filled. The same seed makes the same choices.

    `clock` gives the present as an aware datetime, `wait` lets seconds pass before a late COMMIT.
    """

    def __init__(
        self,
        engine: Engine,
        seed: int = 1,
        *,
        clock: Callable[[], datetime] = database.utc_now,
        wait: Callable[[float], object] = time.sleep,
    ) -> None:
        self.engine, self.rng, self.clock, self.wait = engine, Random(seed), clock, wait

    # ------------------------------------------------------------------------------------ documents

    def save_purchase_order(
        self, supplier: int | None = None, *, lines: int | None = None, currency: str = "", **how: Unpack[How]
    ) -> Saved:
        """A confirmed order to a supplier (his id), by default to one with a usable e-mail address."""
        party = self._party(supplier, "is_supplier")
        currency = currency or ("USD" if party["language"] == "en" else "PYG")
        goods = [self._ordered(product, currency) for product in self._goods_of(party["id"], lines)]
        buyer, number = self._employee("compras"), self._number("purchase_orders")
        branch = self.rng.choice(self.branches)

        def write(work: Work) -> str:
            day = work.began.date()
            order = work.document(
                schema.purchase_orders,
                number=number,
                status="confirmed",
                supplier_id=party["id"],
                branch_id=branch["id"],
                buyer_id=buyer["id"],
                ordered_on=day,
                deliver_on=day + timedelta(days=self.rng.randrange(2, 9)),
                deliver_to=history.address_of(branch),
                payment_terms=history.terms(party["payment_days"], party["language"]),
                notes=self.rng.choice(words.DRIVERS_NOTE) or None,
                **docs.amounts_of(docs.line_totals(goods), currency, self._rate()),
            )
            self._write_lines(work, schema.purchase_order_lines, {"purchase_order_id": order}, goods, currency)
            return number

        return self._save("purchase_orders", buyer["name"], party["email"], write, **how)

    def save_quotation(
        self, customer: int | None = None, *, lines: int | None = None, currency: str = "", **how: Unpack[How]
    ) -> Saved:
        """An open quotation to a customer (his id)."""
        party = self._party(customer, "is_customer")
        currency = currency or ("USD" if party["language"] == "en" and party["is_company"] else "PYG")
        goods = [self._offered(product, currency) for product in self._sample(self.stocked, lines)]
        seller, number = self._employee("encargado"), self._number("quotations")

        def write(work: Work) -> str:
            day = work.began.date()
            quotation = work.document(
                schema.quotations,
                number=number,
                status="open",
                customer_id=party["id"],
                branch_id=seller["branch_id"],
                seller_id=seller["id"],
                quoted_on=day,
                valid_until=day + timedelta(days=self.rng.choice((7, 15, 30))),
                payment_terms=history.terms(party["payment_days"], party["language"]),
                **docs.amounts_of(docs.line_totals(goods), currency, self._rate()),
            )
            self._write_lines(work, schema.quotation_lines, {"quotation_id": quotation}, goods, currency)
            return number

        return self._save("quotations", seller["name"], party["email"], write, **how)

    def save_payment_order(self, supplier: int | None = None, **how: Unpack[How]) -> Saved:
        """An order, issued and still to be signed, to pay open invoices of a supplier (his id) in one currency.

        By default it is one with a usable e-mail address. Raises NothingOpen when no invoice waits for payment.
        """
        invoices = self._unpaid(supplier)
        party, number = self._by_id(schema.parties, invoices[0]["supplier_id"]), f"001-{self._number('payment_orders')}"
        clerk, withheld = self._employee("contadora"), [history.withholding(invoice) for invoice in invoices]
        total = sum(invoice["balance"] for invoice in invoices)

        def write(work: Work) -> str:
            day, currency = work.began.date(), invoices[0]["currency"]
            order = work.document(
                schema.payment_orders,
                number=number,
                status="issued",
                supplier_id=party["id"],
                ordered_on=day,
                pay_on=day + timedelta(days=3),
                method=self.rng.choice(("transfer", "cheque")),
                currency=currency,
                exchange_rate=self._rate() if currency == "USD" else 1,
                total=total,
                withheld=sum(withheld),
                net=total - sum(withheld),
            )
            for line, (invoice, part) in enumerate(zip(invoices, withheld, strict=True), start=1):
                keys = {"payment_order_id": order, "supplier_invoice_id": invoice["id"]}
                amounts = {"amount": invoice["balance"], "withheld": part}
                work.insert(schema.payment_order_lines, line=line, **keys, **amounts)
            return number

        return self._save("payment_orders", clerk["name"], party["email"], write, **how)

    def save_receipt(self, customer: int | None = None, **how: Unpack[How]) -> Saved:
        """A customer (his id) pays his oldest open sales, the last of them perhaps in part.

        Raises NothingOpen when nobody owes anything.
        """
        owed = self._owed(customer)
        paid = owed[: self.rng.randrange(1, 5)]
        amounts = [int(sale["balance"]) for sale in paid]
        if self.rng.random() < 0.3 and amounts[-1] > 1:
            amounts[-1] //= 2
        party, cashier = self._by_id(schema.parties, paid[0]["customer_id"]), self._employee("cajero")
        number, entry, total = f"001-{self._number('receipts')}", self._number("journal_entries"), sum(amounts)
        method = self.rng.choice(history.OPEN_METHODS)

        def write(work: Work) -> str:
            receipt = work.document(
                schema.receipts,
                number=number,
                status="valid",
                customer_id=party["id"],
                branch_id=cashier["branch_id"],
                cashier_id=cashier["id"],
                received_on=work.began.date(),
                method=method,
                reference=None if method == "cash" else f"{method[:2].upper()}-{self.rng.randrange(10**6, 10**7)}",
                currency="PYG",
                total=total,
                still_open=sum(sale["balance"] for sale in owed) - total,
            )
            for line, (sale, amount) in enumerate(zip(paid, amounts, strict=True), start=1):
                self._pay_off(work, receipt, line, sale, amount)
            sums = ((docs.PAID_INTO[method], total, None), (docs.CUSTOMERS, -total, party["id"]))
            self._post(work, entry, Entry(work.began.date(), f"Cobro {number}", sums, "receipts", receipt))
            return number

        return self._save("receipts", cashier["name"], party["email"], write, **how)

    def save_fuelling(self, vehicle: int | None = None, **how: Unpack[How]) -> Saved:
        """A customer's vehicle (its id) is fuelled, after as many kilometres as such a vehicle drives with that much.

        The sale names plate, litres and odometer.
        """
        car = self._by_id(schema.vehicles, vehicle) if vehicle else self._any(schema.vehicles)
        party, seller = self._by_id(schema.parties, car["owner_id"]), self._seller(self.rng.randrange(1, 7))
        fuel = next(product for product in self.products if product["id"] == car["fuel_id"])
        milli = self.rng.randrange(car["tank"] * 250, car["tank"] * 930, 10)
        distance = milli / 1000 * _KM_PER_LITRE.get((car["make"], car["model"]), 8) * self.rng.uniform(0.85, 1.15)
        odometer = car["last_odometer"] + max(1, round(distance))
        extra = {"vehicle_id": car["id"], "litres": docs.quantity(milli), "odometer": odometer}
        method = "credit" if party["payment_days"] else self.rng.choice(("cash", "card"))
        driver = f"{self.rng.choice(words.GIVEN)} {self.rng.choice(words.FAMILY)}"
        sale = Sale(party, seller, [Line(fuel, milli, self._price(fuel["id"]), extra)], method, driver)

        def drive(work: Work) -> None:
            driven = {"last_odometer": odometer, "changed_at": work.began}
            work.connection.execute(sa.update(schema.vehicles).filter_by(id=car["id"]).values(driven))

        return self._sell(sale, drive, **how)

    def save_sale(self, branch: int | None = None, **how: Unpack[How]) -> Saved:
        """Somebody who leaves no name buys at a branch (its id) what there is: fuel, or a few goods and services."""
        seller = self._seller(branch)
        there = self._available(seller["branch_id"])
        fuels, others = ([good for good in there if (good["unit"] == "l") is liquid] for liquid in (True, False))
        if fuels and self.rng.random() < 0.55:
            lines = [self._poured(self.rng.choice(fuels))]
        else:
            lines = [
                self._bought(good) for good in self.rng.sample(others, min(len(others), self.rng.choice((1, 1, 2, 3))))
            ]
        method = self.rng.choice(("cash", "cash", "cash", "card", "card", "transfer"))
        return self._sell(Sale(None, seller, lines, method), lambda _: None, **how)

    def _sell(self, sale: Sale, also: Callable[[Work], None], **how: Unpack[How]) -> Saved:
        """Save a sale with what goes with it in the same transaction."""
        party, seller, method = sale.customer, sale.seller, sale.method
        number, entry = self._sale_number(seller["branch_id"]), self._number("journal_entries")
        days = party["payment_days"] if party and method == "credit" else 0

        def write(work: Work) -> str:
            sums, costs, day = docs.line_totals(sale.lines), sale.costs(), work.began.date()
            key = work.document(
                schema.sales,
                number=number,
                status="valid",
                customer_id=party["id"] if party else None,
                branch_id=seller["branch_id"],
                cashier_id=seller["id"],
                sold_on=day,
                payment_method=method,
                due_on=day + timedelta(days=days),
                balance=sums.total if method == "credit" else 0,
                cost=sum(costs),
                driver=sale.driver,
                **docs.amounts_of(sums, "PYG", 1),
            )
            self._write_lines(work, schema.sale_lines, {"sale_id": key}, sale.lines, "PYG")
            for line in sale.lines:
                self._take_from_stock(work, seller["branch_id"], line)
            also(work)
            posted = docs.sale_sums(sale.lines, costs, method, party["id"] if party else None)
            self._post(work, entry, Entry(day, f"Venta {number}", posted, "sales", key))
            return number

        return self._save("sales", seller["name"], party["email"] if party else "", write, **how)

    def save_cash_closing(
        self, branch: int | None = None, *, difference: int | None = None, **how: Unpack[How]
    ) -> Saved:
        """A branch (its id) counts its till: what came in since its last closing, by method of payment.

        `difference` is what was counted too much or too little; by default it is mostly none.
        """
        cashier = self._employee("cajero", branch)
        branch_id, table = cashier["branch_id"], schema.cash_closings
        since = self._last(table.c.changed_at, branch_id)
        taken = self._taken(branch_id, since)
        cash, off = taken.pop("cash", 0), self.rng.choice((0, 0, 0, 0, 0, -10_000, 5_000))
        off = off if difference is None else difference
        spent = self.rng.choice((0, 35_000, 60_000)) if cash > 100_000 else 0
        rows = [history.till_row("cash", history.TILL, cash, spent, off)]
        rows += [history.till_row(method, 0, amount, 0, 0) for method, amount in sorted(taken.items())]
        number = f"{branch_id:03d}-{self._number('cash_closings')}"
        entry = self._number("journal_entries")

        def write(work: Work) -> str:
            names = ("opening", "income", "outgoings", "expected", "counted", "difference")
            closing = work.document(
                table,
                number=number,
                status="closed",
                branch_id=branch_id,
                cashier_id=cashier["id"],
                closed_on=work.began.date(),
                opened_at=self._opened(branch_id, since),
                closed_at=work.began,
                **{name: sum(row[name] for row in rows) for name in names},
                notes="Diferencia de arqueo." if off else None,
            )
            for line, row in enumerate(rows, start=1):
                work.insert(schema.cash_closing_lines, cash_closing_id=closing, line=line, **row)
            difference = "4.2.01.02" if off > 0 else "6.1.02.04"
            deposit = ((docs.BANK, cash - spent + off, None), (docs.SUNDRIES, spent, None))
            sums = (*deposit, (difference, -off, None), (docs.CASH, -cash, None))
            if cash or off:
                text = f"Cierre de caja {number}"
                self._post(work, entry, Entry(work.began.date(), text, sums, "cash_closings", closing))
            return number

        return self._save("cash_closings", cashier["name"], "", write, **how)

    def save_sales_closing(self, branch: int | None = None, **how: Unpack[How]) -> Saved:
        """A branch (its id) sums up what it sold since its last closing, by group of goods."""
        cashier = self._employee("cajero", branch)
        branch_id, table = cashier["branch_id"], schema.sales_closings
        sums, methods, groups = self._sold(branch_id, self._last(table.c.changed_at, branch_id))
        number = f"{branch_id:03d}-{self._number('sales_closings')}"

        def write(work: Work) -> str:
            closing = work.document(
                table,
                number=number,
                status="closed",
                branch_id=branch_id,
                cashier_id=cashier["id"],
                closed_on=work.began.date(),
                **sums,
                **{method: methods.get(method, 0) for method in ("cash", "card", "transfer", "credit")},
            )
            for line, group in enumerate(groups, start=1):
                work.insert(schema.sales_closing_lines, sales_closing_id=closing, line=line, **group)
            return number

        return self._save("sales_closings", cashier["name"], "", write, **how)

    # ------------------------------------------------------------------------------------ afterwards

    def correct(self, table: str, document: str = "", **how: Unpack[How]) -> Saved:
        """A purchase order or quotation (its number; by default a recent one) is saved again with its revision raised.

        Raises NothingOpen when there is none that may still be corrected.
        """
        head, lines = schema.metadata.tables[table], schema.metadata.tables[f"{table.removesuffix('s')}_lines"]
        row = self._correctable(head, document)
        key = {f"{table.removesuffix('s')}_id": row["id"]}
        party = self._by_id(schema.parties, row.get("supplier_id") or row["customer_id"])
        staff = self._by_id(schema.employees, row.get("buyer_id") or row["seller_id"])

        def write(work: Work) -> str:
            first = work.connection.execute(sa.select(lines).filter_by(**key).order_by(lines.c.line).limit(1)).one()
            one_more = Line({}, int(first.quantity * 1000) + 1000, docs.minor(first.unit_price, row["currency"]))
            more = {"quantity": first.quantity + 1, "amount": money(one_more.amount, row["currency"])}
            work.connection.execute(sa.update(lines).filter_by(id=first.id).values(more))
            goods = work.connection.execute(sa.select(lines).filter_by(**key))
            sums = docs.totals((line.tax_rate, docs.minor(line.amount, row["currency"])) for line in goods)
            changed = docs.amounts_of(sums, row["currency"], row["exchange_rate"])
            self._sign(work, head, row, changed)
            return str(row["number"])

        version = str(row["revision"] + 1)
        return self._save(table, staff["name"], party["email"], write, version=version, action="corrected", **how)

    def change_record(self, table: str = "", record: int | None = None, **values: Any) -> Saved:
        """A record (table, id) is changed to `values`; without any, somebody's phone, a price or a product's name.

        The audit log keeps both images.
        """
        if not values:
            table = table or self.rng.choice(("parties", "prices", "products"))
        target = schema.metadata.tables[table]
        row = self._by_id(target, record) if record else self._any(target)
        values = values or self._small_change(table, row)
        known = row if table != "prices" else self._by_id(schema.products, row["product_id"])
        label = str(next(known[name] for name in _KNOWN_BY if known.get(name)))

        def write(work: Work) -> str:
            self._sign(work, target, row, values)
            return label

        version = str(row.get("revision", 0) + 1)
        return self._save(table, self._employee("encargado")["name"], "", write, version=version, action="changed")

    def delete_record(self, table: str = "", document: str = "") -> Saved:
        """A purchase order or quotation (its number; by default a recent one) is deleted with its lines.

        Posted documents cannot be deleted. Raises NothingOpen when there is none.
        """
        table = table or self.rng.choice(("quotations", "purchase_orders"))
        head = schema.metadata.tables[table]
        row = self._correctable(head, document)

        def write(work: Work) -> str:
            work.connection.execute(sa.delete(head).filter_by(id=row["id"]))
            return str(row["number"])

        version = str(row["revision"])
        return self._save(table, self._employee("encargado")["name"], "", write, version=version, action="deleted")

    def step(self) -> Saved | None:
        """Something happens, chosen by weight; a few transactions commit late, and None is one that was rolled back."""
        actions: Mapping[str, tuple[int, Callable[..., Saved]]] = {
            "purchase_order": (24, self.save_purchase_order),
            "quotation": (14, self.save_quotation),
            "payment_order": (9, self.save_payment_order),
            "receipt": (12, self.save_receipt),
            "fuelling": (22, self.save_fuelling),
            "sale": (12, self.save_sale),
            "cash_closing": (3, self.save_cash_closing),
            "sales_closing": (3, self.save_sales_closing),
        }
        chance = self.rng.random()
        if chance < 0.13:
            return self._afterwards(chance)
        names, weights = list(actions), [weight for weight, _ in actions.values()]
        save, how = actions[self.rng.choices(names, weights)[0]][1], self._manner()
        try:
            return save(**how)
        except Abandoned:
            return None
        except NothingOpen:
            return self.save_fuelling()

    def _afterwards(self, chance: float) -> Saved:
        try:
            if chance < 0.05:
                return self.correct(self.rng.choice(list(_CORRECTED)))
            if chance < 0.08:
                return self.delete_record()
        except NothingOpen:
            pass
        return self.change_record()

    def _manner(self) -> How:
        chance = self.rng.random()
        if chance < 0.05:
            return {"late_s": self.rng.uniform(0.5, 6.0)}
        return {"roll_back": True} if chance < 0.08 else {}

    # ------------------------------------------------------------------------------------ transactions

    def _save(
        self,
        table: str,
        operator: str,
        address: str | None,
        write: Callable[[Work], str],
        *,
        version: str = "1",
        action: str = "saved",
        **how: Unpack[How],
    ) -> Saved:
        began = database.local(how.get("at") or self.clock())
        with database.transaction(self.engine, operator, f"pantalla {_SCREENS.get(table, table)}", began) as connection:
            document = write(Work(connection, began, operator, how.get("silent", False)))
            if how.get("late_s"):
                self.wait(how["late_s"])
            if how.get("roll_back"):
                raise Abandoned(f"{table} {document} was not saved")
        return Saved(document, self.clock(), address or "", table, version, action)

    def _number(self, series: str) -> str:
        """The next number, taken in a transaction of its own: whoever gives up leaves a gap, and nobody waits."""
        numbers = schema.numbers
        with self.engine.begin() as connection:
            raised = sa.update(numbers).filter_by(series=series).values(last=numbers.c.last + 1)
            if not connection.execute(raised).rowcount:
                connection.execute(sa.insert(numbers).values(series=series, last=1))
            return str(connection.execute(sa.select(numbers.c.last).filter_by(series=series)).scalar_one())

    def _sale_number(self, branch_id: int) -> str:
        return f"{branch_id:03d}-001-{int(self._number(f'sales {branch_id:03d}')):07d}"

    def _post(self, work: Work, number: str, entry: Entry) -> None:
        entry_id = work.insert(
            schema.journal_entries,
            number=int(number),
            booked_on=entry.booked_on,
            description=entry.description,
            source=entry.source,
            source_id=entry.source_id,
            changed_at=work.began,
        )
        work.connection.execute(sa.insert(schema.journal_lines), entry.rows(entry_id))

    def _sign(self, work: Work, table: Table, row: Record, values: Record) -> None:
        signed: Record = {"changed_at": work.began} if "changed_at" in table.c else {}
        if "revision" in table.c:
            signed |= {"revision": row["revision"] + 1, "saved_by": work.operator, "silent": work.silent}
        work.connection.execute(sa.update(table).filter_by(id=row["id"]).values(**signed | values))

    def _write_lines(self, work: Work, table: Table, key: Record, goods: list[Line], currency: str) -> None:
        rows = [{**key, **docs.line_row(number, line, currency)} for number, line in enumerate(goods, start=1)]
        work.connection.execute(sa.insert(table), rows)

    def _pay_off(self, work: Work, receipt: int, line: int, sale: Record, amount: int) -> None:
        rest = sale["balance"] - amount
        values = {"line": line, "sale_id": sale["id"], "amount": amount, "still_open": rest}
        work.insert(schema.receipt_lines, receipt_id=receipt, **values)
        work.connection.execute(sa.update(schema.sales).filter_by(id=sale["id"]).values(balance=rest))

    def _take_from_stock(self, work: Work, branch_id: int, line: Line) -> None:
        shelf = sa.update(schema.stock).filter_by(branch_id=branch_id, product_id=line.product["id"])
        left = schema.stock.c.quantity - sa.literal(docs.quantity(line.milli), schema.QUANTITY)
        work.connection.execute(shelf.values(quantity=left))

    # ------------------------------------------------------------------------------------ what there is

    def _rows(self, query: sa.Select[Any]) -> list[Record]:
        with self.engine.connect() as connection:
            return [dict(row) for row in connection.execute(query).mappings()]

    @cached_property
    def products(self) -> list[Record]:
        """All products, with the last part of their accounts."""
        groups = {group["id"]: group for group in self._rows(sa.select(schema.product_groups))}
        rows = self._rows(sa.select(schema.products).order_by(schema.products.c.id))
        return [{**row, "part": _PARTS[groups[row["group_id"]]["code"]]} for row in rows]

    @cached_property
    def stocked(self) -> list[Record]:
        """The products that are bought, but for fuels."""
        return [product for product in self.products if product["supplier_id"] and product["unit"] != "l"]

    @cached_property
    def branches(self) -> list[Record]:
        """All branches."""
        return self._rows(sa.select(schema.branches).order_by(schema.branches.c.id))

    @cached_property
    def parties(self) -> list[Record]:
        """All customers and suppliers as they were when first looked at."""
        return self._rows(sa.select(schema.parties).order_by(schema.parties.c.id))

    @cached_property
    def employees(self) -> list[Record]:
        """All staff."""
        return self._rows(sa.select(schema.employees).order_by(schema.employees.c.id))

    def _by_id(self, table: Table, number: int) -> Record:
        rows = self._rows(sa.select(table).filter_by(id=number))
        if not rows:
            raise LookupError(f"There is no row {number} in {table.name}")
        return rows[0]

    def _any(self, table: Table) -> Record:
        with self.engine.connect() as connection:
            last = connection.execute(sa.select(sa.func.max(table.c.id))).scalar_one()
        nearest = sa.select(table).where(table.c.id >= self.rng.randrange(last) + 1).order_by(table.c.id).limit(1)
        return self._rows(nearest)[0]

    def _party(self, number: int | None, role: str) -> Record:
        if number:
            return self._by_id(schema.parties, number)
        return self.rng.choice([party for party in self.parties if party[role] and has_mail(party)])

    def _employee(self, role: str, branch: int | None = None) -> Record:
        return self.rng.choice([e for e in self.employees if e["role"] == role and branch in {None, e["branch_id"]}])

    def _seller(self, branch: int | None) -> Record:
        """Who sells at a branch (its id), by default at any: at the counter or, most of the time, at the pump."""
        return self._employee(self.rng.choice(("cajero", "playero", "playero")), branch)

    def _sample(self, products: list[Record], count: int | None) -> list[Record]:
        count = count or self.rng.randrange(1, 9)
        more = self.rng.choices(self.stocked, k=max(0, count - len(products)))
        return [*self.rng.sample(products, min(count, len(products))), *more]

    def _goods_of(self, supplier_id: int, count: int | None) -> list[Record]:
        own = [product for product in self.products if product["supplier_id"] == supplier_id]
        return self._sample(own or self.stocked, count or self.rng.randrange(1, min(8, len(own) + 1) + 1))

    def _ordered(self, product: Record, currency: str) -> Line:
        price = round(product["average_cost"] * (100 + product["tax_rate"]) / 100)
        units = 5_000 * self.rng.randrange(1, 5) if product["unit"] == "l" else self.rng.randrange(2, 60)
        return Line(product, units * 1000, self._in(currency, price))

    def _offered(self, product: Record, currency: str) -> Line:
        return Line(product, self.rng.randrange(1, 25) * 1000, self._in(currency, self._price(product["id"])))

    def _available(self, branch: int) -> list[Record]:
        """The services, and what lies in stock at a branch: enough to fill a tank, three of other goods."""
        stock = schema.stock.c
        shelf = self._rows(sa.select(stock.product_id, stock.quantity).filter_by(branch_id=branch))
        left = {row["product_id"]: row["quantity"] for row in shelf}
        least = {product["id"]: 50 if product["unit"] == "l" else 3 for product in self.products}
        return [
            product
            for product in self.products
            if product["supplier_id"] is None or left.get(product["id"], 0) >= least[product["id"]]
        ]

    def _poured(self, fuel: Record) -> Line:
        return Line(fuel, self.rng.randrange(3_000, 48_000, 10), self._price(fuel["id"]))

    def _bought(self, product: Record) -> Line:
        return Line(product, self.rng.randrange(1, 4) * 1000, self._price(product["id"]))

    def _in(self, currency: str, guaranies: int) -> int:
        return max(1, round(guaranies * 100 / self._rate()) if currency == "USD" else guaranies)

    def _price(self, product_id: int) -> int:
        general = sa.select(schema.prices.c.price).filter_by(product_id=product_id, price_list_id=1)
        with self.engine.connect() as connection:
            return int(connection.execute(general).scalar_one())

    def _rate(self) -> int:
        rates = schema.exchange_rates
        with self.engine.connect() as connection:
            newest = sa.select(rates.c.pyg_per_usd).order_by(rates.c.day.desc()).limit(1)
            return int(connection.execute(newest).scalar_one())

    def _unpaid(self, supplier: int | None) -> list[Record]:
        invoices, lines, orders = schema.supplier_invoices, schema.payment_order_lines, schema.payment_orders
        waiting = sa.select(lines.c.supplier_invoice_id).join(orders).where(orders.c.status.in_(("issued", "signed")))
        still = (invoices.c.balance > 0, invoices.c.id.not_in(waiting))
        rows = self._rows(sa.select(invoices).where(*still).order_by(invoices.c.due_on, invoices.c.id))
        payees = {supplier} if supplier else {party["id"] for party in self.parties if has_mail(party)}
        rows = [row for row in rows if row["supplier_id"] in payees]
        if not rows:
            raise NothingOpen("No supplier's invoice waits for payment")
        first = self.rng.choice(rows)
        same = ("supplier_id", "currency")
        return [row for row in rows if all(row[name] == first[name] for name in same)][:12]

    def _owed(self, customer: int | None) -> list[Record]:
        sales = schema.sales
        rows = self._rows(sa.select(sales).where(sales.c.balance > 0).order_by(sales.c.sold_on, sales.c.id))
        who = customer or (self.rng.choice(rows)["customer_id"] if rows else None)
        owed = [row for row in rows if row["customer_id"] == who]
        if not owed:
            raise NothingOpen("No customer owes anything")
        return owed

    def _correctable(self, table: Table, document: str) -> Record:
        query = sa.select(table).where(table.c.status.in_(_CORRECTED[table.name]))
        if document:
            query = query.where(table.c.number == document)
        if table is schema.purchase_orders:  # what is posted stays
            query = query.where(table.c.id.not_in(_received_orders()))
        rows = self._rows(query.order_by(table.c.id.desc()).limit(10))
        if not rows:
            raise NothingOpen(f"No document {document} in {table.name} may still be changed")
        return self.rng.choice(rows)

    def _small_change(self, table: str, row: Record) -> Record:
        if table == "parties":
            return {"phone": mobile(self.rng)}
        if table == "prices":
            step = Decimal("0.05") if row["price_list_id"] == EXPORT else Decimal(50)
            return {"price": row["price"] + step * max(1, round(row["price"] * self.rng.randrange(2, 8) / step / 100))}
        return {"description": f"{row['description']} *"[:200]}

    def _last(self, column: sa.Column[Any], branch_id: int) -> datetime:
        """When the branch last closed; never before today, so that a long pause does not come to one enormous day."""
        midnight = datetime.combine(database.local(self.clock()).date(), datetime.min.time())
        with self.engine.connect() as connection:
            newest = sa.select(sa.func.max(column)).where(column.table.c.branch_id == branch_id)
            return max(midnight, connection.execute(newest).scalar() or midnight)

    def _opened(self, branch_id: int, since: datetime) -> datetime:
        """When the till was opened: at the first sale since the last closing."""
        sales = schema.sales.c
        mine = (sales.branch_id == branch_id, sales.changed_at > since)
        with self.engine.connect() as connection:
            return connection.execute(sa.select(sa.func.min(sales.changed_at)).where(*mine)).scalar() or since

    def _taken(self, branch_id: int, since: datetime) -> dict[str, int]:
        taken: dict[str, int] = {}
        for table, method in ((schema.sales, "payment_method"), (schema.receipts, "method")):
            column = table.c[method]
            query = sa.select(column.label("method"), sa.func.sum(table.c.total).label("total"))
            mine = (table.c.branch_id == branch_id, table.c.changed_at > since, column != "credit")
            for row in self._rows(query.where(*mine).group_by(column)):
                taken[row["method"]] = taken.get(row["method"], 0) + int(row["total"])
        return taken

    def _sold(self, branch_id: int, since: datetime) -> tuple[Record, dict[str, int], list[Record]]:
        sales, lines, products = schema.sales, schema.sale_lines, schema.products
        mine = (sales.c.branch_id == branch_id, sales.c.changed_at > since)
        sold = self._rows(sa.select(sales).where(*mine))
        names = ("subtotal", "tax_10", "tax_5", "exempt", "total", "cost")
        sums: Record = {name: sum(int(sale[name]) for sale in sold) for name in names}
        methods: dict[str, int] = {}
        for sale in sold:
            methods[sale["payment_method"]] = methods.get(sale["payment_method"], 0) + int(sale["total"])
        amounts = (sa.func.sum(lines.c.quantity).label("quantity"), sa.func.sum(lines.c.amount).label("amount"))
        joined = sa.select(products.c.group_id, *amounts).join_from(lines, sales).join(products)
        groups = self._rows(joined.where(*mine).group_by(products.c.group_id).order_by(products.c.group_id))
        return {"tickets": len(sold), **sums}, methods, groups


def _received_orders() -> sa.Select[Any]:
    invoices = schema.supplier_invoices
    return sa.select(invoices.c.purchase_order_id).where(invoices.c.purchase_order_id.is_not(None))


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("url")
@click.option("--every", default=3.0, show_default=True, help="Seconds between two documents.")
@click.option("--count", type=int, help="End after so many; without it, never.")
@click.option("--seed", default=1, show_default=True, help="The same seed makes the same choices.")
def main(url: str, every: float, count: int | None, seed: int) -> None:
    """Operators go on saving documents in the demo ERP at URL (a SQLAlchemy URL), and a line tells of each.

    Some transactions commit late, some are rolled back, some documents are corrected or deleted afterwards.
    """
    simulator, done = Simulator(database.open_engine(url), seed), 0
    while count is None or done < count:
        if done:
            time.sleep(every)
        click.echo(_told(simulator.step()))
        done += 1


def _told(saved: Saved | None) -> str:
    if saved is None:
        return "rolled back"
    at = saved.committed_at.astimezone(database.ZONE)
    return f"{at:%H:%M:%S} {saved.action:9} {saved.table:16} {saved.document} {saved.address}".rstrip()


if __name__ == "__main__":
    main()
