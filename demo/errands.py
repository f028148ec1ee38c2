"""What the demonstration's operators do: an errand at the ERP's screen for every notification."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from demo import database, schema
from demo.catcher import REFUSED, is_refused
from demo.masters import GENERAL, mobile
from demo.simulate import NothingOpen, Record, Saved, Simulator, has_mail, is_reachable

#: The branch whose till and day are closed: a station with a shop.
BRANCH = 1


@dataclass(frozen=True)
class Errand:
    """Something that an operator does at the ERP's screen, and the mailing that must tell of it, by which channels.

    What `act` gives is named by the document that the mailing will be about. Where its mail is `refused`, the reader is
    told by phone when a sweep has seen to it, so it pays to do other errands meanwhile.
    """

    mailing: str
    what: str  # what the operator did
    act: Callable[[Simulator], Saved]
    channels: tuple[str, ...] = ("email",)
    refused: bool = False


def errands(orders: int) -> list[Errand]:
    """One errand for every notification, two for changed records; of purchase orders as many as are asked for.

    One payment order goes to a supplier whose mail server refuses him.
    """
    buying = Errand("purchase_order", "saved a purchase order", _buy)
    both = ("email", "phone")
    return [
        *[buying] * orders,
        Errand("quotation", "saved a quotation", _quote),
        Errand("payment_order", "issued a payment order", _pay),
        Errand("payment_order", "issued a payment order to somebody without a mailbox", _pay_by_phone, both, True),
        Errand("receipt", "received a customer's payment", _receive, both),
        Errand("vehicle_fuelling", "fuelled a customer's vehicle", _fuel, both),
        Errand("cash_closing", "counted and closed a till", _count),
        Errand("sales_closing", "closed a branch's sales", lambda operator: operator.save_sales_closing(BRANCH)),
        Errand("record_change", "changed a price; line of the audit log", _change),
        Errand("record_change", "deleted a quotation; line of the audit log", _delete),
    ]


def morning(operator: Simulator, sales: int = 60) -> None:
    """What the branch sold today before anybody watches, so that its closings have something to sum up."""
    now = operator.clock()
    midnight = datetime.combine(now.astimezone(database.ZONE), datetime.min.time(), database.ZONE)
    opened = midnight + timedelta(hours=6)
    opened = opened if now - opened > timedelta(hours=1) else midnight
    for share in sorted(operator.rng.random() for _ in range(sales)):
        operator.save_sale(BRANCH, at=opened + share * (now - opened))


def lose_mailbox(operator: Simulator) -> None:
    """A supplier to whom much is owed has left his provider, before anybody watches; the ERP has his old address."""
    number = _creditor(operator, "with an address", has_mail)
    domain = next(party["email"].partition("@")[2] for party in operator.parties if party["id"] == number)
    operator.change_record("parties", number, email=f"{REFUSED}@{domain}", phone=mobile(operator.rng))


def _buy(operator: Simulator) -> Saved:
    suppliers = sa.select(schema.parties.c.id).filter_by(is_supplier=True)
    return operator.save_purchase_order(_somebody(operator, suppliers, _takes_mail))


def _quote(operator: Simulator) -> Saved:
    customers = sa.select(schema.parties.c.id).filter_by(is_customer=True, language="es")
    return operator.save_quotation(_somebody(operator, customers, has_mail), lines=6)


def _pay(operator: Simulator) -> Saved:
    return operator.save_payment_order(_creditor(operator, "with a mailbox", _takes_mail))


def _pay_by_phone(operator: Simulator) -> Saved:
    lost = _creditor(operator, f"{REFUSED}@…", lambda party: is_refused(party["email"] or ""))
    return operator.save_payment_order(lost)


def _takes_mail(party: Record) -> bool:
    return has_mail(party) and not is_refused(party["email"])


def _creditor(operator: Simulator, who: str, fits: Callable[[Record], bool]) -> int:
    """A supplier to be paid several invoices at once; on some days a small company has none but with a single one."""
    for least in (2, 1):
        number = _somebody(operator, _owed(least), fits)
        if number is not None:
            return number
    raise NothingOpen(f"There is no supplier {who} with invoices to be paid.")


def _owed(least: int) -> sa.Select[Any]:
    """Suppliers with so many invoices, so large that a part of their IVA is withheld, and none waiting."""
    invoices, orders = schema.supplier_invoices.c, schema.payment_orders.c
    waiting = sa.select(orders.supplier_id).where(orders.status.in_(("issued", "signed")))
    large = sa.select(invoices.supplier_id).where(
        invoices.balance > 5_000_000, invoices.currency == "PYG", invoices.supplier_id.not_in(waiting)
    )
    return large.group_by(invoices.supplier_id).having(sa.func.count() >= least)


def _receive(operator: Simulator) -> Saved:
    """From a customer with several open sales, so that something may stay open."""
    sales = schema.sales.c
    owing = sa.select(sales.customer_id).where(sales.balance > 0)
    several = owing.group_by(sales.customer_id).having(sa.func.count() > 2)
    return operator.save_receipt(_somebody(operator, several, is_reachable))


def _fuel(operator: Simulator) -> Saved:
    """A vehicle that was fuelled before, so that its consumption is known."""
    vehicles = schema.vehicles.c
    before = sa.select(vehicles.owner_id).join(schema.sale_lines)
    owner = _somebody(operator, before, lambda party: bool(party["is_company"]) and is_reachable(party))
    own = sa.select(schema.sale_lines.c.vehicle_id).join(schema.vehicles).where(vehicles.owner_id == owner)
    with operator.engine.connect() as connection:
        return operator.save_fuelling(connection.execute(own.order_by(vehicles.id)).scalars().first())


def _count(operator: Simulator) -> Saved:
    return operator.save_cash_closing(BRANCH, difference=-20_000)


def _change(operator: Simulator) -> Saved:
    fuel = sa.select(schema.prices.c.id).filter_by(price_list_id=GENERAL).order_by(schema.prices.c.id).limit(1)
    with operator.engine.connect() as connection:
        return _logged(operator, operator.change_record("prices", connection.execute(fuel).scalar()))


def _delete(operator: Simulator) -> Saved:
    return _logged(operator, operator.delete_record("quotations"))


def _logged(operator: Simulator, saved: Saved) -> Saved:
    """Changes are told by their lines in the audit log."""
    with operator.engine.connect() as connection:
        newest = connection.execute(sa.select(sa.func.max(schema.audit_log.c.id))).scalar_one()
    return replace(saved, document=str(newest))


def _somebody(operator: Simulator, wanted: sa.Select[Any], fit: Callable[[Record], bool]) -> int | None:
    """One of the parties with the ids of `wanted` that fits; None where nobody does, and the simulator chooses."""
    with operator.engine.connect() as connection:
        ids = set(connection.execute(wanted).scalars())
    found = [party["id"] for party in operator.parties if party["id"] in ids and fit(party)]
    return operator.rng.choice(found) if found else None
