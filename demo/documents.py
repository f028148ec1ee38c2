"""What the ERP computes on its documents: amounts, the IVA contained in them, the books' entries.

Inside, amounts are whole numbers of the currency's smallest unit (guaraníes, US cents) and quantities whole
thousandths, so that nothing is ever rounded twice; `money` and `quantity` turn them into what is stored.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any

_MINOR = {"PYG": 1, "USD": 100}


@dataclass(frozen=True, slots=True)
class Line:
    """A line of goods: `milli` thousandths of the unit at `price` smallest currency units, IVA included."""

    product: dict[str, Any]
    milli: int
    price: int
    more: dict[str, Any] = field(default_factory=dict)

    @property
    def amount(self) -> int:
        """In the smallest currency unit."""
        return (self.milli * self.price + 500) // 1000


@dataclass(frozen=True, slots=True)
class Totals:
    """Of a document, in the smallest unit: `subtotal` without IVA; `tax_10`, `tax_5` contained in `total`."""

    subtotal: int
    tax_10: int
    tax_5: int
    exempt: int
    total: int


def totals(amounts: Iterable[tuple[int, int]]) -> Totals:
    """The totals of lines given as (IVA rate, amount with IVA): a tenth lies in 11 parts, a twentieth in 21."""
    by_rate = {10: 0, 5: 0, 0: 0}
    for rate, amount in amounts:
        by_rate[rate] += amount
    tax_10, tax_5 = contained(by_rate[10], 10), contained(by_rate[5], 5)
    total = sum(by_rate.values())
    return Totals(total - tax_10 - tax_5, tax_10, tax_5, by_rate[0], total)


def contained(amount: int, rate: int) -> int:
    """The IVA contained in an amount, rounded half up."""
    return (2 * amount * rate + 100 + rate) // (2 * (100 + rate)) if rate else 0


def money(minor: int, currency: str) -> int | Decimal:
    """An amount as it is stored: whole guaraníes, or dollars with two decimals."""
    return minor if currency == "PYG" else Decimal(minor).scaleb(-2)


def minor(amount: Decimal | int, currency: str) -> int:
    """The reverse of `money`."""
    return int(amount * _MINOR[currency])


def quantity(milli: int) -> int | Decimal:
    """A quantity as it is stored, from thousandths."""
    whole, rest = divmod(milli, 1000)
    return Decimal(milli).scaleb(-3) if rest else whole


def in_guaranies(amount: int, currency: str, rate: int) -> int:
    """An amount in its smallest unit as guaraníes, at `rate` guaraníes a dollar, rounded half up."""
    return amount if currency == "PYG" else (amount * rate + 50) // 100


def amounts_of(sums: Totals, currency: str, rate: int) -> dict[str, Any]:
    """The columns that every priced document has."""
    names = ("subtotal", "tax_10", "tax_5", "exempt", "total")
    stored = {name: money(getattr(sums, name), currency) for name in names}
    return {"currency": currency, "exchange_rate": rate if currency == "USD" else 1, **stored}


def line_row(number: int, line: Line, currency: str) -> dict[str, Any]:
    """The columns of a priced line."""
    return {
        "line": number,
        "product_id": line.product["id"],
        "description": line.product["description"],
        "quantity": quantity(line.milli),
        "unit": line.product["unit"],
        "unit_price": money(line.price, currency),
        "tax_rate": line.product["tax_rate"],
        "amount": money(line.amount, currency),
        **line.more,
    }


def line_totals(lines: Sequence[Line]) -> Totals:
    """The totals of a document's lines."""
    return totals((line.product["tax_rate"], line.amount) for line in lines)


def check_digit(number: int) -> int:
    """The last digit of a RUC: modulo 11 with weights from 2 to 11 from the right."""
    weights = (2 + position % 10 for position in range(20))
    rest = sum(int(digit) * weight for digit, weight in zip(reversed(str(number)), weights, strict=False)) % 11
    return 11 - rest if rest > 1 else 0


# ---------------------------------------------------------------------------------------------------- the books

#: Code and name of every account; the code's dots are its place in the tree. Only those of four parts are posted to.
CHART = (
    ("1", "ACTIVO"),
    ("1.1", "Activo corriente"),
    ("1.1.01", "Disponibilidades"),
    ("1.1.01.01", "Caja de estaciones y tiendas"),
    ("1.1.01.02", "Banco, cuenta corriente"),
    ("1.1.02", "Créditos"),
    ("1.1.02.01", "Clientes"),
    ("1.1.02.02", "Tarjetas a cobrar"),
    ("1.1.02.03", "IVA crédito fiscal"),
    ("1.1.03", "Inventarios"),
    ("1.1.03.01", "Combustibles"),
    ("1.1.03.02", "Lubricantes"),
    ("1.1.03.03", "Filtros y repuestos"),
    ("1.1.03.04", "Neumáticos"),
    ("1.1.03.05", "Mercaderías de tienda"),
    ("1.2", "Activo no corriente"),
    ("1.2.01", "Bienes de uso"),
    ("1.2.01.01", "Surtidores, tanques y equipos"),
    ("1.2.01.02", "Depreciación acumulada"),
    ("2", "PASIVO"),
    ("2.1", "Pasivo corriente"),
    ("2.1.01", "Deudas comerciales"),
    ("2.1.01.01", "Proveedores"),
    ("2.1.02", "Deudas fiscales y sociales"),
    ("2.1.02.01", "IVA débito fiscal"),
    ("2.1.02.02", "Retenciones de IVA a pagar"),
    ("2.1.02.03", "IPS a pagar"),
    ("2.1.02.04", "Aguinaldos a pagar"),
    ("2.2", "Pasivo no corriente"),
    ("2.2.01", "Deudas financieras"),
    ("2.2.01.01", "Préstamos bancarios"),
    ("3", "PATRIMONIO NETO"),
    ("3.1", "Capital y resultados"),
    ("3.1.01", "Capital y reservas"),
    ("3.1.01.01", "Capital integrado"),
    ("3.1.01.02", "Resultados acumulados"),
    ("4", "INGRESOS"),
    ("4.1", "Ingresos operativos"),
    ("4.1.01", "Ventas"),
    ("4.1.01.01", "Ventas de combustibles"),
    ("4.1.01.02", "Ventas de lubricantes"),
    ("4.1.01.03", "Ventas de filtros y repuestos"),
    ("4.1.01.04", "Ventas de neumáticos"),
    ("4.1.01.05", "Ventas de tienda"),
    ("4.1.01.06", "Servicios prestados"),
    ("4.2", "Otros ingresos"),
    ("4.2.01", "Ingresos financieros y diversos"),
    ("4.2.01.01", "Diferencias de cambio ganadas"),
    ("4.2.01.02", "Sobrantes de caja"),
    ("5", "COSTOS"),
    ("5.1", "Costo de ventas"),
    ("5.1.01", "Costo de mercaderías vendidas"),
    ("5.1.01.01", "Costo de combustibles"),
    ("5.1.01.02", "Costo de lubricantes"),
    ("5.1.01.03", "Costo de filtros y repuestos"),
    ("5.1.01.04", "Costo de neumáticos"),
    ("5.1.01.05", "Costo de tienda"),
    ("6", "GASTOS"),
    ("6.1", "Gastos operativos"),
    ("6.1.01", "Gastos de personal"),
    ("6.1.01.01", "Sueldos y jornales"),
    ("6.1.01.02", "Aporte patronal IPS"),
    ("6.1.01.03", "Aguinaldos"),
    ("6.1.02", "Gastos generales"),
    ("6.1.02.01", "Alquileres"),
    ("6.1.02.02", "Energía, agua y comunicaciones"),
    ("6.1.02.03", "Gastos menores"),
    ("6.1.02.04", "Faltantes de caja"),
    ("6.1.02.05", "Depreciaciones"),
    ("6.2", "Gastos financieros"),
    ("6.2.01", "Gastos financieros"),
    ("6.2.01.01", "Intereses pagados"),
    ("6.2.01.02", "Comisiones de tarjetas"),
    ("6.2.01.03", "Diferencias de cambio perdidas"),
)
_KINDS = {"1": "asset", "2": "liability", "3": "equity", "4": "income", "5": "expense", "6": "expense"}

CASH, BANK, CUSTOMERS, CARDS, TAX_PAID = "1.1.01.01", "1.1.01.02", "1.1.02.01", "1.1.02.02", "1.1.02.03"
SUPPLIERS, TAX_OWED, WITHHELD, SOCIAL, BONUS = "2.1.01.01", "2.1.02.01", "2.1.02.02", "2.1.02.03", "2.1.02.04"
SUNDRIES = "6.1.02.03"
INVENTORY, INCOME, COST = "1.1.03.", "4.1.01.", "5.1.01."
PAID_INTO = {"cash": CASH, "card": CARDS, "transfer": BANK, "cheque": BANK, "credit": CUSTOMERS}


def chart() -> list[dict[str, Any]]:
    """The rows of the table of accounts, parents before children."""
    ids = {code: number for number, (code, _) in enumerate(CHART, start=1)}
    return [
        {
            "id": ids[code],
            "code": code,
            "name": name,
            "parent_id": ids.get(code.rpartition(".")[0]),
            "level": code.count(".") + 1,
            "kind": _KINDS[code[0]],
            "postable": code.count(".") == 3,
        }
        for code, name in CHART
    ]


ACCOUNT_IDS = {code: number for number, (code, _) in enumerate(CHART, start=1)}


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry of the journal: `sums` by account and party in guaraníes, debits positive, credits negative."""

    booked_on: date
    description: str
    sums: tuple[tuple[str, int, int | None], ...]
    source: str | None = None
    source_id: int | None = None
    at: datetime | None = None

    def __post_init__(self) -> None:
        if sum(amount for _, amount, _ in self.sums):
            raise ValueError(f"Debits and credits differ in {self.description!r}: {self.sums}")

    def rows(self, entry_id: int) -> list[dict[str, Any]]:
        """The entry's lines, debits first, accounts with nothing to post left out."""
        merged: dict[tuple[str, int | None], int] = {}
        for account, amount, party in self.sums:
            merged[account, party] = merged.get((account, party), 0) + amount
        posted = sorted((item for item in merged.items() if item[1]), key=lambda item: item[1] < 0)
        return [
            {
                "entry_id": entry_id,
                "line": number,
                "account_id": ACCOUNT_IDS[account],
                "party_id": party,
                "debit": max(amount, 0),
                "credit": max(-amount, 0),
            }
            for number, ((account, party), amount) in enumerate(posted, start=1)
        ]


def sale_sums(
    lines: Sequence[Line], costs: Sequence[int], method: str, customer: int | None
) -> tuple[tuple[str, int, int | None], ...]:
    """What a sale in guaraníes does to the books: money in, sales and IVA out, goods at cost out."""
    sums = line_totals(lines)
    posted: list[tuple[str, int, int | None]] = [
        (PAID_INTO[method], sums.total, customer if method == "credit" else None),
        (TAX_OWED, -sums.tax_10 - sums.tax_5, None),
        *income_of(lines, sums.subtotal),
    ]
    for line, cost in zip(lines, costs, strict=True):
        part = line.product["part"]
        posted += [(COST + part, cost, None), (INVENTORY + part, -cost, None)] if cost else []
    return tuple(posted)


def income_of(lines: Sequence[Line], subtotal: int) -> list[tuple[str, int, int | None]]:
    """Credits by kind of goods that add up to `subtotal`; rounding stays with the last line."""
    credits, rest = [], subtotal
    for line in lines[:-1]:
        net = line.amount - contained(line.amount, line.product["tax_rate"])
        rest -= net
        credits.append((INCOME + line.product["part"], -net, None))
    return [*credits, (INCOME + lines[-1].product["part"], -rest, None)]
