"""The demo ERP's books and open documents, computed from its raw rows without SQL: what the financial reports come to.

`small_company` is a company with a year and more behind it, and with the stragglers that a real one has: customers who
have not paid for months, invoices paid in part, voided documents.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import ROUND_HALF_UP, Decimal

from demo import documents as docs
from demo import generate
from demo.documents import Entry

UNTIL = date(2026, 11, 22)
CASH = "1.1.01."


def small_company():
    data = generate.build(11, UNTIL, 0.05, days=450)
    stragglers(data)
    return data


def stragglers(data):
    """Documents with their entries, as the ERP would have them."""
    customer = next(party["id"] for party in data.rows["parties"] if party["is_customer"])
    supplier = next(party["id"] for party in data.rows["parties"] if party["is_supplier"] and party["language"] == "en")
    for days, total in ((1, 110_000), (2, 11_000), (32, 220_000), (62, 330_000), (92, 440_000), (200, 5_500_000)):
        credit_sale(data, customer, UNTIL - timedelta(days=days + 30), UNTIL - timedelta(days=days), total)
    paid = credit_sale(data, customer, UNTIL - timedelta(days=150), UNTIL - timedelta(days=120), 9_900_000)
    received(data, paid, UNTIL - timedelta(days=90), 900_000)
    received(data, paid, UNTIL - timedelta(days=20), 4_000_000)
    void(data, "sales", credit_sale(data, customer, UNTIL - timedelta(days=50), UNTIL - timedelta(days=40), 777_777))
    invoice = invoiced(data, supplier, UNTIL - timedelta(days=140), UNTIL - timedelta(days=110), Decimal("1000.00"))
    handed(data, invoice, UNTIL - timedelta(days=60), Decimal("333.33"))
    void(data, "supplier_invoices", invoiced(data, supplier, UNTIL - timedelta(days=9), UNTIL, Decimal("55.50")))


def post(data, day, text, sums, source, source_id):
    number = len(data.rows["journal_entries"]) + 1
    at = datetime.combine(day, time(12))
    entry = data.add(
        "journal_entries", number=number, booked_on=day, description=text, source=source, source_id=source_id,
        changed_at=at,
    )  # fmt: skip
    for line in Entry(day, text, sums, source, source_id).rows(entry["id"]):
        data.add("journal_lines", **line)


def document(data, table, number, day, **values):
    at = datetime.combine(day, time(12))
    return data.add(table, number=number, changed_at=at, revision=1, silent=False, saved_by="Libros", **values)


def credit_sale(data, customer, day, due, total):
    like = data.rows["sales"][0]
    tax = docs.contained(total, 10)
    more = {"subtotal": total - tax, "tax_10": tax, "tax_5": 0, "exempt": 0, "total": total, "balance": total}
    keep = {name: like[name] for name in ("branch_id", "cashier_id", "currency", "exchange_rate", "driver")}
    number = f"900-001-{len(data.rows['sales']):07d}"
    sale = document(
        data, "sales", number, day, status="valid", customer_id=customer, sold_on=day, due_on=due, cost=0,
        payment_method="credit", **keep, **more,
    )  # fmt: skip
    sums = ((docs.CUSTOMERS, total, customer), (docs.TAX_OWED, -tax, None), ("4.1.01.06", tax - total, None))
    post(data, day, f"Venta {number}", sums, "sales", sale["id"])
    return sale


def received(data, sale, day, amount):
    sale["balance"] -= amount
    like, number = data.rows["receipts"][0], f"900-{len(data.rows['receipts'])}"
    keep = {name: like[name] for name in ("branch_id", "cashier_id", "currency", "reference")}
    receipt = document(
        data, "receipts", number, day, status="valid", customer_id=sale["customer_id"], received_on=day, method="cash",
        total=amount, still_open=sale["balance"], **keep,
    )  # fmt: skip
    data.add(
        "receipt_lines", receipt_id=receipt["id"], line=1, sale_id=sale["id"], amount=amount, still_open=sale["balance"]
    )
    sums = ((docs.BANK, amount, None), (docs.CUSTOMERS, -amount, sale["customer_id"]))
    post(data, day, f"Cobro {number}", sums, "receipts", receipt["id"])


def invoiced(data, supplier, day, due, dollars):
    like, rate = data.rows["supplier_invoices"][0], 7_000
    number = f"FP-9{len(data.rows['supplier_invoices'])}"
    owed = int(dollars * rate)
    invoice = document(
        data, "supplier_invoices", number, day, status="valid", supplier_id=supplier, purchase_order_id=None,
        branch_id=like["branch_id"], description="Servicios", invoiced_on=day, due_on=due, currency="USD",
        exchange_rate=rate, subtotal=dollars, tax_10=0, tax_5=0, exempt=dollars, total=dollars, total_pyg=owed,
        balance=dollars,
    )  # fmt: skip
    post(data, day, number, ((docs.SUNDRIES, owed, None), (docs.SUPPLIERS, -owed, supplier)),
         "supplier_invoices", invoice["id"])  # fmt: skip
    return invoice


def handed(data, invoice, day, dollars):
    """A part of an invoice in dollars is paid, at another rate."""
    invoice["balance"] -= dollars
    like, number = data.rows["payment_orders"][0], f"900-{len(data.rows['payment_orders'])}"
    order = document(
        data, "payment_orders", number, day, status="paid", supplier_id=invoice["supplier_id"], ordered_on=day,
        pay_on=day, method="transfer", currency="USD", exchange_rate=7_100, total=dollars, withheld=0, net=dollars,
        notes=like["notes"],
    )  # fmt: skip
    data.add(
        "payment_order_lines", payment_order_id=order["id"], line=1, supplier_invoice_id=invoice["id"], amount=dollars,
        withheld=0,
    )  # fmt: skip
    cleared = invoice["total_pyg"] - whole(invoice["total_pyg"] * invoice["balance"] / invoice["total"])
    paid = whole(dollars * 7_100)
    sums = (
        (docs.SUPPLIERS, cleared, invoice["supplier_id"]), (docs.BANK, -paid, None),
        ("6.2.01.03", paid - cleared, None),
    )  # fmt: skip
    post(data, day, f"Orden de pago {number}", sums, "payment_orders", order["id"])


def void(data, table, row):
    """A document is voided, and its entry is taken back on the same day."""
    row["status"] = "void"
    entries = {each["id"]: each for each in data.rows["journal_entries"]}
    [entry] = [each for each in entries.values() if each["source"] == table and each["source_id"] == row["id"]]
    codes = {number: code for code, number in docs.ACCOUNT_IDS.items()}
    sums = tuple(
        (codes[line["account_id"]], line["credit"] - line["debit"], line["party_id"])
        for line in data.rows["journal_lines"] if line["entry_id"] == entry["id"]
    )  # fmt: skip
    post(data, entry["booked_on"], "Anulación", sums, None, None)


def whole(amount):
    return int(Decimal(amount).quantize(Decimal(1), ROUND_HALF_UP))


class Books:
    """The journal, and the documents that stand open at the end of a day before `day`."""

    def __init__(self, data):
        self.rows = data.rows
        codes = {account["id"]: account["code"] for account in self.rows["accounts"]}
        self.names = {account["code"]: account["name"] for account in self.rows["accounts"]}
        self.kinds = {account["code"]: account["kind"] for account in self.rows["accounts"]}
        entries = {entry["id"]: entry for entry in self.rows["journal_entries"]}
        self.postings = [
            (entries[line["entry_id"]], codes[line["account_id"]], line["debit"] - line["credit"])
            for line in self.rows["journal_lines"]
        ]

    def moved(self, start, end):
        """Debits less credits by account."""
        sums = Counter()
        for entry, code, amount in self.postings:
            if start <= entry["booked_on"] < end:
                sums[code] += amount
        return sums

    def held(self, day):
        """The balances with which a day begins."""
        return self.moved(date.min, day)

    def result(self, start, end):
        return -sum(amount for code, amount in self.moved(start, end).items() if code[0] in "456")

    def receivable(self, day):
        """What is open of each valid sale on credit as a day begins: by sale."""
        valid = {row["id"]: row["received_on"] for row in self.rows["receipts"] if row["status"] == "valid"}
        open_sales = {
            sale["id"]: [sale, sale["total"]]
            for sale in self.rows["sales"]
            if sale["sold_on"] < day and sale["status"] == "valid" and sale["payment_method"] == "credit"
        }
        for line in self.rows["receipt_lines"]:
            if valid.get(line["receipt_id"], day) < day:
                open_sales[line["sale_id"]][1] -= line["amount"]
        return [(sale, amount) for sale, amount in open_sales.values() if amount]

    def payable(self, day):
        """What is open of each valid invoice as a day begins: in its currency, and in guaraníes."""
        booked = {
            entry["source_id"]: entry["booked_on"]
            for entry in self.rows["journal_entries"]
            if entry["source"] == "payment_orders"
        }
        paid = defaultdict(Decimal)
        for line in self.rows["payment_order_lines"]:
            if booked.get(line["payment_order_id"], day) < day:
                paid[line["supplier_invoice_id"]] += line["amount"]
        found = []
        for invoice in self.rows["supplier_invoices"]:
            rest = invoice["total"] - paid[invoice["id"]]
            if invoice["invoiced_on"] < day and invoice["status"] == "valid" and rest:
                share = Decimal(invoice["total_pyg"]) * Decimal(rest) / Decimal(invoice["total"])
                found.append((invoice, rest, whole(share)))
        return found


def age(due, last):
    """The age of what was due, on a period's last day."""
    late = (last - due).days
    steps: tuple[tuple[int, str], ...] = ((0, "not_due"), (30, "days_1_30"), (60, "days_31_60"), (90, "days_61_90"))
    return next((name for most, name in steps if late <= most), "days_over_90")


def percent(part, base):
    return None if not base else Decimal(100) * part / abs(base)


def by(rows, key: Callable, amount: Callable):
    sums = Counter()
    for row in rows:
        sums[key(row)] += amount(row)
    return {name: value for name, value in sums.items() if value}
