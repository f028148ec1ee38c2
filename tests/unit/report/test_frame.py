from datetime import UTC, date, datetime
from decimal import Decimal, localcontext

import pandas
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emailketing.errors import DeclarationError
from emailketing.report.frame import Layout, Style, dataframe, inferred, readable, split, table
from emailketing.report.kinds import Account, Date, DateTime, Flag, Money, Number, Percent, Text
from emailketing.report.variance import Mood
from tests.unit.report.readers import ES

SALES = [
    {"branch": "Central", "product": "Diésel", "litres": Decimal("1200.5"), "amount": 9424000, "currency": "PYG"},
    {"branch": "Este", "product": "Diésel", "litres": Decimal("10"), "amount": 78500, "currency": "PYG"},
    {"branch": "Central", "product": "Nafta", "litres": None, "amount": 12, "currency": "PYG"},
]


def test_kinds_are_inferred_from_values_and_names():
    found = {column.name: column.kind for column in table(SALES).columns}
    assert found == {"branch": Text(), "product": Text(), "litres": Number(1), "amount": Money("PYG")}


@pytest.mark.parametrize(
    ("name", "values", "kind"),
    [
        ("amount", [1], Number()),
        ("invoice_number", [4512], Text()),
        ("year", [2026], Text()),
        ("margin_pct", [Decimal("12.5")], Percent()),
        ("sold_on", [date(2026, 1, 31)], Date()),
        ("sold_on", ["2026-01-31", None], Date()),
        ("sold_at", [datetime(2026, 1, 31, 0, 0)], Date()),  # noqa: DTZ001
        ("sold_at", ["2026-01-31 14:05:00"], DateTime()),
        ("sold_at", [datetime(2026, 1, 31, tzinfo=UTC)], DateTime()),
        ("open", [True, None], Flag()),
        ("note", ["2026-01-31", "later"], Text()),
        ("nothing", [None, float("nan"), ""], Text()),
        ("mixed", [1, "x"], Text()),
    ],
)
def test_a_column_without_a_currency(name, values, kind):
    assert inferred(name, values) == kind


def test_money_needs_a_currency_and_prices_are_not_added():
    assert inferred("sales", [1], "PYG") == Money("PYG")
    assert inferred("unit_price", [1], "PYG") == Money("PYG", sums=False)
    assert inferred("sales_count", [1], "PYG") == Number()
    assert inferred("costo", [Decimal("1.5")], "USD") == Money("USD")


def test_the_total_is_the_exact_sum_and_what_cannot_be_added_stays_empty():
    whole = table(SALES)
    assert whole.total.cells == (None, None, Decimal("1210.5"), 9502512)
    assert whole.sum("amount") == 9502512


def test_groups_are_brought_together_each_with_its_subtotal():
    whole = table(SALES, Layout(group_by=("branch",)))
    assert [(line.style.value, line.cells[0], line.cells[3]) for line in whole.lines] == [
        ("row", "Central", 9424000),
        ("row", "Central", 12),
        ("subtotal", "Central", 9424012),
        ("row", "Este", 78500),
        ("subtotal", "Este", 78500),
    ]
    assert whole.total.cells[3] == 9502512
    assert len(whole.rows()) == 3


def test_groups_within_groups():
    whole = table(SALES, Layout(group_by=("branch", "product")))
    assert [(line.level, line.cells[1]) for line in whole.lines if line.style is Style.SUBTOTAL] == [
        (1, "Diésel"),
        (1, "Nafta"),
        (0, None),
        (1, "Diésel"),
        (0, None),
    ]


AMOUNTS = st.one_of(st.integers(-(10**18), 10**18), st.decimals(-(10**15), 10**15, places=4), st.none())


@given(st.lists(st.tuples(st.sampled_from("abc"), AMOUNTS), min_size=1, max_size=30))
def test_subtotals_and_total_are_exact_whatever_the_amounts(rows):
    whole = table([{"group": group, "sales": amount} for group, amount in rows], Layout(
        columns={"sales": Money("PYG")}, group_by=("group",)
    ))  # fmt: skip
    with localcontext(prec=200):
        there = [Decimal(amount) for _, amount in rows if amount is not None]
        expected = sum(there) if there else None
        subtotals = [
            line.cells[1] for line in whole.lines if line.style is Style.SUBTOTAL and line.cells[1] is not None
        ]
        assert whole.total.cells[1] == expected
        assert sum(Decimal(each) for each in subtotals if each is not None) == (expected or 0)


def test_a_guarani_beyond_what_a_float_can_hold_survives_a_dataframe():
    rows = [{"amount": 9007199254740993}, {"amount": None}, {"amount": Decimal("0.1")}]
    assert table(dataframe(rows)).total.cells == (Decimal("9007199254740993.1"),)
    assert table(rows).total.cells == (Decimal("9007199254740993.1"),)


def test_a_plain_dataframe_is_read_too():
    frame = pandas.DataFrame(
        {"day": pandas.to_datetime(["2026-01-31", None]), "amount": [0.1, None], "count": [1, 2], "open": [True, False]}
    )
    whole = table(frame)
    assert [type(column.kind) for column in whole.columns] == [Date, Number, Number, Flag]
    assert [line.cells for line in whole.lines] == [
        (date(2026, 1, 31), Decimal("0.1"), 1, True),
        (None, None, 2, False),
    ]


def test_a_ratio_s_total_is_the_ratio_of_the_sums():
    rows = [
        {"seller": "a", "margin": 10, "sales": 100, "margin_pct": 10},
        {"seller": "b", "margin": 90, "sales": 300, "margin_pct": 30},
    ]
    declared = Layout(columns={"margin_pct": Percent(of=("margin", "sales"))}, group_by=("seller",))
    assert table(rows, declared).total.cells[-1] == 25
    assert [line.cells[-1] for line in table(rows, declared).lines if line.style is Style.SUBTOTAL] == [10, 30]
    assert table(rows).total.cells[-1] is None
    nothing = table([{**row, "sales": 0} for row in rows], declared)
    assert nothing.total.cells[-1] is None


CHART_OF_ACCOUNTS = [
    {"code": "4", "parent": None, "account": "Ingresos", "amount": None},
    {"code": "5.1", "parent": "5", "account": "Costo de ventas", "amount": -700},
    {"code": "4.1", "parent": "4", "account": "Combustibles", "amount": 1000},
    {"code": "5", "parent": "", "account": "Egresos", "amount": None},
    {"code": "4.2", "parent": "4", "account": "Tienda", "amount": 200},
]


def test_accounts_stand_below_their_parents_and_empty_sums_are_filled():
    whole = table(CHART_OF_ACCOUNTS, Layout(columns={"account": Account(code="code", parent="parent")}, currency="PYG"))
    assert [(line.cells, line.style.value, line.level) for line in whole.lines] == [
        (("4", "Ingresos", 1200), "sum", 0),
        (("4.1", "Combustibles", 1000), "row", 1),
        (("4.2", "Tienda", 200), "row", 1),
        (("5", "Egresos", -700), "sum", 0),
        (("5.1", "Costo de ventas", -700), "row", 1),
    ]
    assert whole.total is None
    assert whole.sum("amount") == 500


def test_accounts_by_level_and_a_column_that_names_sums():
    rows = [
        {"account": "Ventas", "depth": 2, "result": 0, "amount": 10},
        {"account": "Costo", "depth": 2, "result": 0, "amount": -4},
        {"account": "Utilidad bruta", "depth": 1, "result": 1, "amount": 6},
    ]
    whole = table(rows, Layout(columns={"account": Account(level="depth", sum="result")}))
    assert [column.name for column in whole.columns] == ["account", "amount"]
    assert [(line.style.value, line.level) for line in whole.lines] == [("row", 1), ("row", 1), ("sum", 0)]


def test_accounts_in_a_circle_or_twice_are_told():
    declared = Layout(columns={"account": Account(code="code", parent="parent")})
    with pytest.raises(DeclarationError, match=r"Account 'a' stands below itself by the column 'parent'"):
        table([{"code": "a", "parent": "b", "account": "A"}, {"code": "b", "parent": "a", "account": "B"}], declared)
    with pytest.raises(DeclarationError, match="'a' comes twice"):
        table([{"code": "a", "parent": "", "account": "A"}] * 2, declared)


@pytest.mark.parametrize(
    "layout",
    [
        Layout(columns={"amuont": Money("PYG")}),
        Layout(labels={"amuont": "Importe"}),
        Layout(group_by=("amuont",)),
        Layout(hide=("amuont",)),
        Layout(columns={"product": Percent(of=("litres", "amuont"))}),
        Layout(columns={"product": Account(level="amuont")}),
    ],
)
def test_an_unknown_column_is_told_with_the_nearest(layout):
    with pytest.raises(DeclarationError, match=r"no column 'amuont'\.\n  Did you mean 'amount'\?"):
        table(SALES, layout)


def test_a_value_of_another_kind_is_told_with_row_and_column():
    rows = [{"amount": 1}, {"amount": "doce\x00 mil"}]
    with pytest.raises(DeclarationError, match=r"Row 2, column 'amount': 'doce mil' is not a number.*\n.*declared as"):
        table(rows, Layout(columns={"amount": Money("PYG")}))


@pytest.mark.parametrize("value", ["NaN", "Infinity", "1e400", "1E-90", True, date(2026, 1, 1)])
def test_what_is_no_number_of_a_company_is_refused(value):
    with pytest.raises(DeclarationError, match="number"):
        table([{"amount": value}], Layout(columns={"amount": Number()}))


def test_currencies_are_never_added_and_rows_can_be_parted_by_them():
    rows = [*SALES, {**SALES[0], "amount": 45, "currency": "USD"}]
    with pytest.raises(DeclarationError, match="PYG and USD"):
        table(rows)
    parts = split(rows, "currency")
    assert {currency: table(part).total.cells[-1] for currency, part in parts.items()} == {"PYG": 9502512, "USD": 45}


def test_hostile_text_is_made_harmless_and_kept_on_one_line():
    whole = table([{"name": "a\x00b\u202e\nc", "amount": "12"}], Layout(columns={"amount": Money("PYG")}))
    assert whole.lines[0].cells == ("ab c", Decimal(12))


def test_nothing_to_show():
    assert not table([])
    assert table([]).total is None
    assert not table(iter(()), Layout(columns={"amount": Money("PYG")}))
    assert [column.label for column in table(iter(SALES)).columns] == ["Branch", "Product", "Litres", "Amount"]


def test_names_as_heads():
    assert [readable(name) for name in ("branch_name", "Importe neto", "RUC")] == ["Branch name", "Importe neto", "RUC"]


def test_variances_carry_their_sign_and_what_they_mean_for_the_business():
    rows = [
        {"account": "Ventas", "amount": 120, "difference": 20, "pct": 20, "good": "up"},
        {"account": "Gastos", "amount": 50, "difference": 10, "pct": 25, "good": "down"},
        {"account": "Stock", "amount": 10, "difference": -5, "pct": None, "good": None},
    ]
    kinds = {"difference": Money("PYG", good="good"), "pct": Percent(good="good")}
    whole = table(rows, Layout(columns=kinds))
    assert [column.name for column in whole.columns] == ["account", "amount", "difference", "pct"]
    assert [line.moods for line in whole.lines] == [
        (None, None, Mood.GOOD, Mood.GOOD),
        (None, None, Mood.BAD, Mood.BAD),
        (None, None, Mood.EVEN, None),
    ]
    assert [whole.columns[2].kind.written(value, ES) for value in (20, -5, 0)] == ["+20", "−5", "0"]
    assert [whole.columns[3].kind.written(value, ES).replace("\xa0", " ") for value in (20, -5, 1200)] == [
        "+20,0 %", "−5,0 %", "> +999 %",
    ]  # fmt: skip


def test_a_column_of_variances_may_say_itself_which_way_is_good():
    whole = table([{"cost": 10, "change": 3}], Layout(columns={"change": Money("PYG", good="down")}))
    assert whole.lines[0].moods == (None, Mood.BAD)
    assert whole.total.moods == (None, Mood.BAD)
    assert table([{"cost": 10}]).lines[0].moods == ()


def test_a_wrong_word_for_which_way_is_good_names_the_right_one():
    with pytest.raises(DeclarationError, match="Column 'good' says 'upp'"):
        table([{"change": 3, "good": "upp"}], Layout(columns={"change": Money("PYG", good="good")}))
    with pytest.raises(DeclarationError, match="no column 'godo'"):
        table([{"change": 3, "good": "up"}], Layout(columns={"change": Money("PYG", good="godo")}))


def test_columns_that_are_not_shown_can_still_be_asked_for():
    whole = table([{"name": "a", "amount": 5, "step": 7}], Layout(hide=("step",)))
    assert [column.name for column in whole.columns] == ["name", "amount"]
    assert [whole.cell(name)(whole.lines[0]) for name in ("amount", "step")] == [5, 7]
    with pytest.raises(DeclarationError, match="no column 'stepp'"):
        whole.cell("stepp")
