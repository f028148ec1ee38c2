"""The demo ERP's tables, for SQLite, PostgreSQL and MariaDB alike.

Words: a *document* is a row that an operator saves and that has lines (purchase order, sale, receipt, closing …).
Every document carries `changed_at` (the company's local time, without a zone, at which the saving transaction began),
`revision` (1 when first saved, one more with each correction), `silent` (bulk import: nobody is told) and `saved_by`.
Amounts of documents are NUMERIC in the document's currency, IVA included; the books (journal_lines, total_pyg) are
whole guaraníes. Who changed or deleted what stands in audit_log, filled by triggers (demo.triggers).
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    Date,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Numeric,
    String,
    Table,
    Text,
)
from sqlalchemy.dialects import mysql
from sqlalchemy.engine import Dialect
from sqlalchemy.schema import SchemaItem
from sqlalchemy.types import TypeDecorator, TypeEngine, UserDefinedType

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


class _SqliteNumeric(UserDefinedType[Any]):
    cache_ok = True

    def __init__(self, precision: int, scale: int) -> None:
        self.precision, self.scale = precision, scale

    def get_col_spec(self, **_: Any) -> str:
        """The DDL; NUMERIC affinity keeps whole numbers as 64-bit integers."""
        return f"NUMERIC({self.precision}, {self.scale})"


class Exact(TypeDecorator[Decimal]):
    """NUMERIC that is a Decimal in Python and never a float, on SQLite too (which has no decimal type of its own)."""

    impl = Numeric
    cache_ok = True

    def __init__(self, precision: int, scale: int) -> None:
        super().__init__(precision, scale)
        self.precision, self.scale = precision, scale

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """NUMERIC everywhere; on SQLite without SQLAlchemy's detour over float."""
        if dialect.name == "sqlite":
            return _SqliteNumeric(self.precision, self.scale)
        return dialect.type_descriptor(Numeric(self.precision, self.scale))

    def process_bind_param(self, value: Decimal | int | None, dialect: Dialect) -> Any:
        """Text to SQLite, which then chooses integer or the nearest number of 15 digits by itself."""
        return str(value) if dialect.name == "sqlite" and isinstance(value, Decimal) else value

    def process_result_value(self, value: Any, dialect: Dialect) -> Decimal | None:  # noqa: ARG002
        """Always a Decimal with the column's decimals."""
        return None if value is None else Decimal(str(value)).quantize(Decimal(1).scaleb(-self.scale))


# MariaDB's plain DATETIME cuts off the fractions of a second, and two saves of one second would be one.
Moment = sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")
Long = Text().with_variant(mysql.LONGTEXT(), "mysql", "mariadb")
MONEY = Exact(18, 2)
QUANTITY = Exact(14, 3)
PYG = sa.BigInteger()
CURRENCIES = ("PYG", "USD")


def _table(name: str, *items: SchemaItem) -> Table:
    return Table(
        name, metadata, Column("id", Integer, primary_key=True), *items, mysql_engine="InnoDB", mysql_charset="utf8mb4"
    )


def _to(target: str, *, optional: bool = False, index: bool = False, cascade: bool = False) -> Any:
    name = {"parties": "party", "branches": "branch"}.get(target, target.removesuffix("s"))
    return _as(f"{name}_id", target, optional=optional, index=index, cascade=cascade)


def _as(column: str, target: str, *, optional: bool = False, index: bool = False, cascade: bool = False) -> Any:
    key = ForeignKey(f"{target}.id", ondelete="CASCADE" if cascade else None)
    return Column(column, Integer, key, nullable=optional, index=index)


def _need(name: str, kind: Any, **more: Any) -> Any:
    return Column(name, kind, nullable=False, **more)


def _flag(name: str) -> Any:
    return _need(name, Boolean, server_default=sa.false(), default=False)


def _document(name: str, statuses: tuple[str, ...], *items: SchemaItem) -> Table:
    return _table(
        name,
        _need("number", String(20), unique=True),
        _need("status", String(12)),
        *items,
        _need("changed_at", Moment, index=True),
        _need("revision", Integer, server_default="1", default=1),
        _flag("silent"),
        _need("saved_by", String(60)),
        CheckConstraint(f"status IN ({', '.join(map(repr, statuses))})", name="status"),
    )


def _amounts() -> list[SchemaItem]:
    """Totals of a document: subtotal is without IVA, tax_10 and tax_5 are the IVA contained, exempt bears none."""
    return [
        _need("currency", String(3)),
        _need("exchange_rate", MONEY),  # guaraníes for one unit of the currency
        *(_need(name, MONEY) for name in ("subtotal", "tax_10", "tax_5", "exempt", "total")),
        CheckConstraint(f"currency IN ({', '.join(map(repr, CURRENCIES))})", name="currency"),
    ]


def _priced_line(document: str, *items: SchemaItem) -> Table:
    key = document.removesuffix("s")
    return _table(
        f"{key}_lines",
        _as(f"{key}_id", document, index=True, cascade=True),
        _need("line", Integer),
        _to("products", index=True),
        _need("description", String(200)),
        _need("quantity", QUANTITY),
        _need("unit", String(10)),
        _need("unit_price", MONEY),
        _need("tax_rate", Integer),
        _need("amount", MONEY),
        *items,
    )


# ------------------------------------------------------------------------------------------------ master data

branches = _table(
    "branches",
    _need("code", String(3), unique=True),
    _need("name", String(80)),
    _need("kind", String(10)),  # station or shop
    _need("address", String(160)),
    _need("city", String(60)),
    _need("phone", String(30)),
    CheckConstraint("kind IN ('station', 'shop')", name="kind"),
)
employees = _table(
    "employees",
    _need("name", String(120)),
    _need("role", String(30)),
    _to("branches"),
    Column("email", String(160)),
    Column("phone", String(30)),
    _need("language", String(5)),
    _need("birthday", Date),
    _need("hired_on", Date),
    _need("salary", PYG),
    _need("active", Boolean),
)
parties = _table(
    "parties",
    _need("name", String(200), index=True),
    _need("is_company", Boolean),
    _need("is_customer", Boolean),
    _need("is_supplier", Boolean),
    Column("tax_id", String(20)),  # RUC with its check digit
    Column("email", String(160)),
    Column("phone", String(30)),
    _need("language", String(5)),
    Column("birthday", Date),  # of a company, the day on which it was founded
    _need("consent", Boolean),  # may be sent advertising
    Column("consent_at", Moment),
    _need("address", String(160)),
    _need("city", String(60)),
    _need("payment_days", Integer),  # 0: pays or is paid at once
    Column("price_list_id", Integer, ForeignKey("price_lists.id")),
    Column("price_list_cadence", String(10)),  # daily, weekly or monthly; nobody asked him, where it is NULL
    _need("active", Boolean),
    _need("changed_at", Moment, index=True),
)
vehicles = _table(
    "vehicles",
    _need("plate", String(10), unique=True),
    _need("make", String(30)),
    _need("model", String(40)),
    _as("owner_id", "parties", index=True),
    _as("fuel_id", "products"),
    _need("tank", Integer),  # litres
    _need("last_odometer", Integer),  # kilometres
    _need("changed_at", Moment),
)
product_groups = _table(
    "product_groups",
    _need("code", String(3), unique=True),
    _need("name", String(80)),
    _need("stocked", Boolean),  # services are not
    Column("picture", String(120)),  # a file of the company's pictures
)
products = _table(
    "products",
    _need("code", String(20), unique=True),
    _need("description", String(200)),
    _as("group_id", "product_groups", index=True),
    _need("unit", String(10)),
    _need("tax_rate", Integer),
    _as("supplier_id", "parties", optional=True),
    _need("average_cost", MONEY),  # guaraníes a unit, without IVA
    _need("active", Boolean),
    _need("changed_at", Moment, index=True),
    CheckConstraint("tax_rate IN (10, 5, 0)", name="tax_rate"),
)
price_lists = _table(
    "price_lists", _need("code", String(10), unique=True), _need("name", String(80)), _need("currency", String(3))
)
prices = _table(
    "prices",
    _to("price_lists"),
    _to("products", index=True),
    _need("price", MONEY),  # IVA included
    _need("valid_from", Date),
    _need("changed_at", Moment, index=True),
    sa.UniqueConstraint("price_list_id", "product_id"),
)
discounts = _table(  # of a price list, on all goods of a group
    "discounts",
    _to("price_lists"),
    _to("product_groups"),
    _need("percent", Exact(5, 2)),
    _need("valid_from", Date),
    _need("valid_until", Date),
    sa.UniqueConstraint("price_list_id", "product_group_id", "valid_from"),
)
offers = _table(  # promotions: a product at a lower price, for a segment of the customers
    "offers",
    _need("segment", String(20)),
    _to("products"),
    _need("currency", String(3)),
    _need("price", MONEY),  # IVA included
    _need("valid_from", Date),
    _need("valid_until", Date),
    Column("conditions", String(200)),
    CheckConstraint("segment IN ('recent', 'missed', 'fleet')", name="segment"),
)
stock = _table(
    "stock",
    _to("branches"),
    _to("products", index=True),
    _need("quantity", QUANTITY),
    _need("reorder_at", QUANTITY),
    sa.UniqueConstraint("branch_id", "product_id"),
)
exchange_rates = _table("exchange_rates", _need("day", Date, unique=True), _need("pyg_per_usd", Integer))

# ------------------------------------------------------------------------------------------------ buying

purchase_orders = _document(
    "purchase_orders",
    ("draft", "confirmed", "received", "cancelled"),
    _as("supplier_id", "parties", index=True),
    _to("branches"),
    _as("buyer_id", "employees"),
    _need("ordered_on", Date),
    _need("deliver_on", Date),
    _need("deliver_to", String(240)),
    _need("payment_terms", String(80)),
    *_amounts(),
    Column("notes", Text),
)
purchase_order_lines = _priced_line("purchase_orders")
supplier_invoices = _document(
    "supplier_invoices",
    ("valid", "void"),
    _as("supplier_id", "parties", index=True),
    _to("purchase_orders", optional=True, index=True),
    _to("branches"),
    _need("description", String(120)),
    _need("invoiced_on", Date),
    _need("due_on", Date, index=True),
    *_amounts(),
    _need("total_pyg", PYG),  # what the books owe
    _need("balance", MONEY),  # still to be paid
)
payment_orders = _document(
    "payment_orders",
    ("issued", "signed", "paid", "void"),
    _as("supplier_id", "parties", index=True),
    _need("ordered_on", Date),
    _need("pay_on", Date),
    _need("method", String(12)),
    _need("currency", String(3)),
    _need("exchange_rate", MONEY),
    _need("total", MONEY),  # of the documents paid
    _need("withheld", MONEY),
    _need("net", MONEY),  # what the supplier is handed
    Column("notes", Text),
)
payment_order_lines = _table(
    "payment_order_lines",
    _to("payment_orders", index=True, cascade=True),
    _need("line", Integer),
    _to("supplier_invoices", index=True),
    _need("amount", MONEY),
    _need("withheld", MONEY),  # part of the IVA that is paid to the state in the supplier's name
)

# ------------------------------------------------------------------------------------------------ selling

quotations = _document(
    "quotations",
    ("draft", "open", "accepted", "rejected"),
    _as("customer_id", "parties", index=True),
    _to("branches"),
    _as("seller_id", "employees"),
    _need("quoted_on", Date),
    _need("valid_until", Date),
    _need("payment_terms", String(80)),
    *_amounts(),
    Column("notes", Text),
)
quotation_lines = _priced_line("quotations")
sales = _document(
    "sales",
    ("valid", "void"),
    _as("customer_id", "parties", optional=True, index=True),  # none: an unnamed consumer
    _to("branches"),
    _as("cashier_id", "employees"),
    _need("sold_on", Date, index=True),
    _need("payment_method", String(12)),
    _need("due_on", Date),
    *_amounts(),
    _need("balance", MONEY),  # still open
    _need("cost", PYG),  # of the goods, at average cost
    Column("driver", String(120)),
)
sale_lines = _priced_line(
    "sales",
    _to("vehicles", optional=True, index=True),
    Column("litres", QUANTITY),
    Column("odometer", Integer),  # kilometres
)
receipts = _document(
    "receipts",
    ("valid", "void"),
    _as("customer_id", "parties", index=True),
    _to("branches"),
    _as("cashier_id", "employees"),
    _need("received_on", Date),
    _need("method", String(12)),
    Column("reference", String(40)),
    _need("currency", String(3)),
    _need("total", MONEY),
    _need("still_open", MONEY),  # what the customer owes after this payment, overall
)
receipt_lines = _table(
    "receipt_lines",
    _to("receipts", index=True, cascade=True),
    _need("line", Integer),
    _to("sales", index=True),
    _need("amount", MONEY),
    _need("still_open", MONEY),  # of this sale after this payment
)

# ------------------------------------------------------------------------------------------------ closings

cash_closings = _document(
    "cash_closings",
    ("closed", "reopened"),
    _to("branches"),
    _as("cashier_id", "employees"),
    _need("closed_on", Date, index=True),
    _need("opened_at", Moment),
    _need("closed_at", Moment),
    *(_need(name, MONEY) for name in ("opening", "income", "outgoings", "expected", "counted", "difference")),
    Column("notes", Text),
)
cash_closing_lines = _table(
    "cash_closing_lines",
    _to("cash_closings", index=True, cascade=True),
    _need("line", Integer),
    _need("payment_method", String(12)),
    *(_need(name, MONEY) for name in ("opening", "income", "outgoings", "expected", "counted", "difference")),
)
sales_closings = _document(
    "sales_closings",
    ("closed", "reopened"),
    _to("branches"),
    _as("cashier_id", "employees"),
    _need("closed_on", Date, index=True),
    _need("tickets", Integer),
    *(_need(name, MONEY) for name in ("cash", "card", "transfer", "credit")),
    *(_need(name, MONEY) for name in ("subtotal", "tax_10", "tax_5", "exempt", "total")),
    _need("cost", PYG),
)
sales_closing_lines = _table(
    "sales_closing_lines",
    _to("sales_closings", index=True, cascade=True),
    _need("line", Integer),
    _as("group_id", "product_groups"),
    _need("quantity", QUANTITY),
    _need("amount", MONEY),
)

# ------------------------------------------------------------------------------------------------ the books

accounts = _table(
    "accounts",
    _need("code", String(12), unique=True),
    _need("name", String(80)),
    Column("parent_id", Integer, ForeignKey("accounts.id")),
    _need("level", Integer),
    _need("kind", String(10)),
    _need("postable", Boolean),
    CheckConstraint("kind IN ('asset', 'liability', 'equity', 'income', 'expense')", name="kind"),
)
journal_entries = _table(
    "journal_entries",
    _need("number", Integer, unique=True),
    _need("booked_on", Date, index=True),
    _need("description", String(160)),
    Column("source", String(30)),  # the table whose document caused it
    Column("source_id", Integer),
    _need("changed_at", Moment, index=True),
    Index("ix_journal_entries_source", "source", "source_id"),
)
journal_lines = _table(
    "journal_lines",
    _as("entry_id", "journal_entries", index=True, cascade=True),
    _need("line", Integer),
    _to("accounts", index=True),
    _to("parties", optional=True),
    _need("debit", PYG),
    _need("credit", PYG),
    CheckConstraint("debit >= 0 AND credit >= 0 AND (debit = 0 OR credit = 0)", name="sides"),
)

# ------------------------------------------------------------------------------------------------ housekeeping

numbers = Table(
    "numbers",
    metadata,
    Column("series", String(30), primary_key=True),
    _need("last", Integer),
    mysql_engine="InnoDB",
    mysql_charset="utf8mb4",
)
audit_log = _table(
    "audit_log",
    _need("table_name", String(40)),
    _need("record_id", Integer),
    _need("record", String(200)),  # its number, name or plate
    _need("operation", String(6)),
    _need("before_image", Long),  # JSON
    Column("after_image", Long),  # JSON; none for a deletion
    _need("changed_at", Moment, index=True),
    _need("changed_by", String(60)),
    _need("origin", String(60)),
    CheckConstraint("operation IN ('UPDATE', 'DELETE')", name="operation"),
)

DOCUMENTS = (
    purchase_orders,
    supplier_invoices,
    payment_orders,
    quotations,
    sales,
    receipts,
    cash_closings,
    sales_closings,
)
