"""Another company's ERP, a flat table of signed movements: its income statement takes SQL, words and a DAG alone."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa

from emailketing import road, tasks
from emailketing.erp import Erp
from emailketing.render import Renderer
from emailketing.report.calendar import BusinessCalendar
from emailketing.report.periods import named
from emailketing.road.gathering import gather
from emailketing.road.making import Made
from emailketing.road.reporter import About
from emailketing.settings import PROJECT, load

MADE = datetime(2026, 11, 2, 10, tzinfo=UTC)
PLAN = {
    "1000": "Kasse", "4000": "Product sales", "4100": "Freight invoiced", "4900": "Discounts given",
    "5000": "Goods sold", "5100": "Freight paid", "6000": "Wages", "6100": "Rent", "7000": "Interest",
}  # fmt: skip

SQL = """
WITH booked AS (
    SELECT
        b.konto, k.bezeichnung,
        SUM(CASE WHEN b.datum >= :start AND b.datum < :end THEN -b.betrag ELSE 0 END) AS amount,
        SUM(CASE WHEN b.datum >= :previous_start AND b.datum < :previous_end THEN -b.betrag ELSE 0 END) AS previous
    FROM buchungen b
    JOIN konten k ON k.konto = b.konto
    WHERE b.konto >= '4000' AND (b.datum >= :previous_start AND b.datum < :end)
    GROUP BY b.konto, k.bezeichnung
),
heads AS (
    SELECT '4' AS head, 'sales' AS name UNION ALL SELECT '5', 'cost' UNION ALL SELECT '6', 'overhead'
    UNION ALL SELECT '7', 'finance' UNION ALL SELECT '9', 'profit'
),
lines_ AS (
    SELECT SUBSTR(konto, 1, 1) AS head, konto, bezeichnung AS account, 1 AS level, 0 AS is_sum, amount, previous
    FROM booked
    UNION ALL
    SELECT heads.head, '', heads.name, 0, 1, SUM(booked.amount), SUM(booked.previous)
    FROM heads
    JOIN booked ON SUBSTR(booked.konto, 1, 1) = heads.head OR heads.head = '9'
    GROUP BY heads.head, heads.name
)
SELECT account, level, is_sum,
       ROUND(amount, 2) AS amount, ROUND(previous, 2) AS previous, ROUND(amount - previous, 2) AS difference,
       CASE WHEN level = 0 THEN ROUND(amount, 2) END AS step, CASE WHEN head IN ('4', '9') THEN 1 ELSE 0 END AS is_total
FROM lines_
ORDER BY head, konto
"""

WORDS = """
title: Profit and loss
unit: in euros
columns: {account: Account, amount: "{period}", previous: "{previous}", difference: Change}
values: {account: {sales: Sales, cost: Cost of sales, overhead: Overhead, finance: Finance, profit: Profit}}
chart: From sales to profit
"""

DAG = '''
"""Profit and loss of the month."""
from airflow.sdk import DAG

from emailketing.report.charts import Chart
from emailketing.report.kinds import Account, Money
from emailketing.tasks import mail_report

EURO = Money("EUR")

with DAG("profit", schedule="0 6 * * *", doc_md=__doc__, tags=["report"], default_args={"owner": "books"}):
    mail_report(
        "profit",
        to="board",
        cadence="monthly",
        columns={
            "account": Account(level="level", sum="is_sum"), "amount": EURO, "previous": EURO,
            "difference": Money("EUR", good="up"), "step": EURO,
        },
        hide=["step", "is_total"],
        chart=Chart("waterfall", x="account", y="step", sums="is_total"),
    )
'''


@pytest.fixture(params=["sqlite", "postgres", "mariadb"])
def ledger(request):
    engine = sa.create_engine(request.getfixturevalue(f"{request.param}_url"))
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE konten (konto VARCHAR(4) PRIMARY KEY, bezeichnung VARCHAR(60))")
        connection.exec_driver_sql("CREATE TABLE buchungen (datum DATE, konto VARCHAR(4), betrag NUMERIC(14, 2))")
        plan = [{"konto": code, "name": name} for code, name in PLAN.items()]
        connection.execute(sa.text("INSERT INTO konten VALUES (:konto, :name)"), plan)
        connection.execute(
            sa.text("INSERT INTO buchungen VALUES (:datum, :konto, :betrag)"),
            [{"datum": day, "konto": code, "betrag": str(amount)} for day, code, amount in movements()],
        )
    yield engine
    engine.dispose()


def movements():
    """Days, accounts, and debits as positive and credits as negative amounts, each entry's sum nothing."""
    rng = random.Random(4)
    for number in range(400):
        day = date(2026, 8, 1) + timedelta(days=number % 92)
        code = rng.choice(sorted(PLAN)[1:])
        amount = Decimal(rng.randrange(1, 200_000)) / 100 * (-5 if code in {"4000", "4100"} else 1)
        yield day, code, amount
        yield day, "1000", -amount


def expected(start, end):
    sums = dict.fromkeys(PLAN, Decimal(0))
    for day, code, amount in movements():
        if start <= day < end:
            sums[code] -= amount
    return sums


def test_a_foreign_ledger_is_connected_by_sql_words_and_a_dag_alone(ledger, tmp_path, monkeypatch, request):
    include, dags = tmp_path / "include", tmp_path / "dags"
    for name, text in {
        "sql/profit.sql": SQL,
        "templates/profit/words.en.yaml": WORDS,
        "subscriptions.yaml": "audiences: {board: [{name: Board, email: board@firm.example, language: en}]}\n",
    }.items():
        (include / name).parent.mkdir(parents=True, exist_ok=True)
        (include / name).write_text(text, encoding="utf-8")
    dags.mkdir()
    (dags / "profit.py").write_text(DAG, encoding="utf-8")
    monkeypatch.setenv("EMAILKETING_INCLUDE", str(include))
    load.cache_clear()
    request.addfinalizer(load.cache_clear)
    mailing = tasks.declared(dags)["profit"]
    zone = ZoneInfo("Europe/Berlin")
    company = load().company.model_dump()
    reporter = road.Reporter(
        erp=Erp(ledger, include / "sql", zone),
        outbox=None,
        renderer=Renderer(include, company=company, shared=PROJECT / "include"),
        channels={},
        sender=None,
        house=road.House("Firm", zone, "EUR", BusinessCalendar("PY")),
        clock=lambda: MADE,
    )
    material = gather(reporter, mailing, About(named("2026-10")), MADE)
    made = Made.of(reporter, mailing, material, "en", ("pdf", "xlsx"))
    [section] = made.report.sections
    now, before = expected(date(2026, 10, 1), date(2026, 11, 1)), expected(date(2026, 9, 1), date(2026, 10, 1))
    heads = {"Sales": "4", "Cost of sales": "5", "Overhead": "6", "Finance": "7", "Profit": "4567"}
    cells = {line.cells[0]: line.cells[1:] for line in section.table.lines}
    for head, digits in heads.items():
        amounts = [sum(each[code] for code in PLAN if code[0] in digits) for each in (now, before)]
        assert list(cells[head]) == [*amounts, amounts[0] - amounts[1]]
    for code, name in PLAN.items():
        if code != "1000":
            assert list(cells[name]) == [now[code], before[code], now[code] - before[code]]
    assert section.chart.labels == tuple(heads)
    assert section.chart.sums == (True, False, False, False, True)
    assert section.chart.actual.values[-1] == sum(section.chart.actual.values[:-1])
    content = made.content("email")
    assert "Profit and loss" in content.text
    assert [each.media_type for each in content.attachments if not each.content_id] == [
        "application/pdf",
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    ]
