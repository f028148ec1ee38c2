"""The demo ERP's sales, stock and fuel, computed from its raw rows without SQL: what the reports of trade come to.

`trading_company` is a company with a year and more behind it, and with what a real one has: voided sales, one in
dollars, an odometer that was read wrongly, a closing that was opened again, shelves that are empty.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import date, datetime, time, timedelta
from decimal import ROUND_HALF_UP, Decimal

from demo import generate
from demo.documents import Line, amounts_of, line_row, line_totals

UNTIL = date(2026, 11, 22)
EXTRA = "Comercio"  # who saved what history did not


def trading_company():
    data = generate.build(7, UNTIL, 0.05, days=450)
    day = UNTIL - timedelta(days=12)
    goods = {rate: next(p for p in data.rows["products"] if p["tax_rate"] == rate) for rate in (10, 5, 0)}
    three = [Line(goods[10], 3_000, 1_050), Line(goods[5], 2_500, 333), Line(goods[0], 1_000, 77)]
    sold(data, day, three, "USD", payment_method="credit")
    sold(data, day, three[::-1], "PYG", payment_method="card")
    sold(data, UNTIL - timedelta(days=1), three, "USD", payment_method="cash")
    sold(data, day, [Line(goods[10], 5_000, 99_000)], "PYG", payment_method="credit", status="void")
    vehicle = data.rows["sale_lines"][[bool(x["vehicle_id"]) for x in data.rows["sale_lines"]].index(True)]
    read = {"vehicle_id": vehicle["vehicle_id"], "litres": Decimal("40.125"), "odometer": 10}
    fuel = next(p for p in data.rows["products"] if "diesel" in p)
    sold(data, day, [Line(fuel, 40_125, 7_777, read)], "PYG", payment_method="cash")
    again = read | {"odometer": 410, "litres": Decimal("30.5")}
    sold(data, day, [Line(fuel, 30_500, 7_777, again)], "PYG", payment_method="cash")
    other = data.add(
        "vehicles", **{**data.rows["vehicles"][-1], "id": len(data.rows["vehicles"]) + 1, "plate": "AÑOS 365"}
    )
    for days, odometer, litres in ((366, 1000, 10_000), (365, 1200, 20_000), (0, 1500, 30_000)):
        read = {"vehicle_id": other["id"], "litres": Decimal(litres) / 1000, "odometer": odometer}
        sold(data, day - timedelta(days=days), [Line(fuel, litres, 7_777, read)], "PYG", payment_method="cash")
    data.rows["receipts"][-1]["status"] = "void"
    closings = [each for each in data.rows["cash_closings"] if each["difference"]]
    closings[-1]["status"], closings[-2]["closed_on"] = "reopened", day
    shelf = data.rows["stock"]
    shelf[0]["quantity"], shelf[1]["quantity"], shelf[2]["quantity"] = 0, shelf[1]["reorder_at"], Decimal("-2.5")
    data.by_id("products", shelf[3]["product_id"])["active"] = False
    return data


def sold(data, day, lines, currency, **values):
    rate = 7_351 if currency == "USD" else 1
    like, sums = data.rows["sales"][0], line_totals(lines)
    sale = data.add(
        "sales", number=f"900-001-{len(data.rows['sales']):07d}", changed_at=datetime.combine(day, time(12)),
        revision=1, silent=False, saved_by=EXTRA, sold_on=day, due_on=day, balance=0, cost=1_234, driver=None,
        **{"status": "valid", "customer_id": None, **values},
        **{name: like[name] for name in ("branch_id", "cashier_id")}, **amounts_of(sums, currency, rate),
    )  # fmt: skip
    for number, line in enumerate(lines, start=1):
        none = {"vehicle_id": None, "litres": None, "odometer": None}
        data.add("sale_lines", **{"sale_id": sale["id"], **none, **line_row(number, line, currency)})
    return sale


def whole(amount):
    return int(Decimal(amount).quantize(Decimal(1), ROUND_HALF_UP))


class Shop:
    """Valid sales with their lines, receipts, closings, the shelf; periods are pairs of days, the end exclusive."""

    def __init__(self, data):
        self.rows, self.by_id = data.rows, data.by_id
        self.sales = [sale for sale in self.rows["sales"] if sale["status"] == "valid"]
        self.lines = defaultdict(list)
        for line in self.rows["sale_lines"]:
            self.lines[line["sale_id"]].append(line)
        for lines in self.lines.values():
            lines.sort(key=lambda line: line["line"])
        self.branches = {branch["id"]: branch["code"] for branch in self.rows["branches"]}

    def within(self, span):
        return [sale for sale in self.sales if span.start <= sale["sold_on"] < span.end]

    def net(self, sale):
        return whole(sale["subtotal"] * sale["exchange_rate"])

    def nets(self, sale):
        """Each line with what it earns without IVA; what rounding leaves is the last line's."""
        rest, found = self.net(sale), []
        for line in self.lines[sale["id"]][:-1]:
            gross = whole(line["amount"] * sale["exchange_rate"])
            rest -= (net := gross - whole(Decimal(gross) * line["tax_rate"] / (100 + line["tax_rate"])))
            found.append((line, net))
        return [*found, (self.lines[sale["id"]][-1], rest)]

    def receipts(self, start, end):
        """Of valid receipts: the receipt, the sale it pays, the amount in guaraníes."""
        valid = {row["id"]: row for row in self.rows["receipts"] if row["status"] == "valid"}
        for line in self.rows["receipt_lines"]:
            receipt = valid.get(line["receipt_id"])
            if receipt and start <= receipt["received_on"] < end:
                sale = self.by_id("sales", line["sale_id"])
                yield receipt, sale, whole(line["amount"] * sale["exchange_rate"])

    def figures(self, span):
        """The executive summary's figures by branch."""
        found = {
            name: Counter() for name in ("sales", "margin", "litres", "collected", "receivables", "cash_difference")
        }
        for sale in self.within(span):
            code = self.branches[sale["branch_id"]]
            found["sales"][code] += self.net(sale)
            found["margin"][code] += self.net(sale) - sale["cost"]
            for line in self.lines[sale["id"]]:
                found["litres"][code] += Decimal(line["litres"] or 0)
            if sale["payment_method"] != "credit":
                found["collected"][code] += whole(sale["total"] * sale["exchange_rate"])
        for receipt, _, amount in self.receipts(span.start, span.end):
            found["collected"][self.branches[receipt["branch_id"]]] += amount
        found["receivables"] = self.owed(span.end)
        for closing in self.rows["cash_closings"]:
            if closing["status"] == "closed" and span.start <= closing["closed_on"] < span.end:
                found["cash_difference"][self.branches[closing["branch_id"]]] += closing["difference"]
        return found

    def owed(self, day):
        """What customers owe as a day begins, by the branch that sold."""
        owed = Counter()
        for sale in self.sales:
            if sale["payment_method"] == "credit" and sale["sold_on"] < day:
                owed[self.branches[sale["branch_id"]]] += whole(sale["total"] * sale["exchange_rate"])
        for _, sale, amount in self.receipts(date.min, day):
            owed[self.branches[sale["branch_id"]]] -= amount
        return owed

    def sold_by(self, span, key):
        """Net sales of whole sales by a key of the sale."""
        sums = Counter()
        for sale in self.within(span):
            sums[key(sale)] += self.net(sale)
        return sums

    def lines_by(self, span, key):
        """Net sales of lines by a key of the sale and the product."""
        sums = Counter()
        for sale in self.within(span):
            for line, net in self.nets(sale):
                sums[key(sale, self.by_id("products", line["product_id"]))] += net
        return sums

    def fuellings(self, end):
        """Every fuelling of a vehicle before a day, with kilometres and litres burnt where they are known."""
        last, found = {}, []
        for sale in sorted(self.sales, key=lambda sale: (sale["sold_on"], sale["id"])):
            for line in self.lines[sale["id"]]:
                if line["vehicle_id"] and line["litres"] and sale["sold_on"] < end:
                    before = last.get(line["vehicle_id"])
                    km = None if before is None or line["odometer"] <= before else line["odometer"] - before
                    last[line["vehicle_id"]] = line["odometer"]
                    owner = self.by_id("parties", self.by_id("vehicles", line["vehicle_id"])["owner_id"])
                    found.append(
                        {
                            "owner": owner, "vehicle": line["vehicle_id"], "day": sale["sold_on"], "km": km,
                            "litres": Decimal(line["litres"]), "burnt": Decimal(line["litres"]) if km else None,
                            "amount": whole(line["amount"] * sale["exchange_rate"]), "number": sale["number"],
                        }
                    )  # fmt: skip
        return found

    def shelf(self):
        """Stock with its product, branch code and value."""
        for row in self.rows["stock"]:
            product = self.by_id("products", row["product_id"])
            yield (
                row,
                product,
                self.branches[row["branch_id"]],
                whole(Decimal(row["quantity"]) * product["average_cost"]),
            )

    def booked(self, prefix, start, end):
        """Debits less credits of accounts."""
        accounts = {each["id"] for each in self.rows["accounts"] if each["code"].startswith(prefix)}
        days = {entry["id"]: entry["booked_on"] for entry in self.rows["journal_entries"]}
        return sum(
            line["debit"] - line["credit"]
            for line in self.rows["journal_lines"]
            if line["account_id"] in accounts and start <= days[line["entry_id"]] < end
        )
