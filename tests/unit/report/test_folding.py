"""Rows of parts that a reader may see become one, quotients are reckoned, and what is largest stands first."""

import io
from datetime import UTC, datetime
from decimal import Decimal

import openpyxl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emailketing.errors import DeclarationError
from emailketing.report import defaults
from emailketing.report.charts import Chart
from emailketing.report.frame import Layout, Style, table
from emailketing.report.kinds import Money, Number, Percent, Ratio, Text
from emailketing.report.report import Section, SectionText
from emailketing.report.workbook import Properties, Sheet, workbook
from tests.unit.report.readers import ASUNCION, EN, ES

GS = Money("PYG")
ROWS = [
    {"branch_code": "001", "product": "Nafta", "unit": "l", "price": 7450, "sales": 100, "before": 80, "margin": 20},
    {"branch_code": "001", "product": "Aceite", "unit": "un", "price": 50000, "sales": 900, "before": 0, "margin": 90},
    {"branch_code": "002", "product": "Nafta", "unit": "l", "price": 7500, "sales": 300, "before": 320, "margin": 40},
    {"branch_code": "002", "product": "Aceite", "unit": "un", "price": 50000, "sales": 50, "before": 10, "margin": 5},
]
KINDS = {"price": Money("PYG", sums=False), "sales": GS, "before": GS, "margin": GS}
MARGIN = Percent(of=("margin", "sales"))


def cells(whole):
    return [line.cells for line in whole.lines]


def test_rows_that_show_the_same_words_are_added_up():
    whole = table(ROWS, Layout(KINDS, hide=("branch_code",), fold=True))
    assert [column.name for column in whole.columns] == ["product", "unit", "price", "sales", "before", "margin"]
    assert cells(whole) == [("Nafta", "l", None, 400, 400, 60), ("Aceite", "un", 50000, 950, 10, 95)]
    assert whole.total.cells == (None, None, None, 1350, 410, 155)


def test_what_is_shown_is_not_added_up():
    assert len(table(ROWS, Layout(KINDS, fold=True)).lines) == 4


def test_a_quotient_that_the_query_does_not_give_is_reckoned_behind_what_it_is_made_of():
    whole = table(ROWS, Layout({**KINDS, "margin_pct": MARGIN}, hide=("branch_code", "price", "unit")))
    assert [column.name for column in whole.columns] == ["product", "sales", "before", "margin", "margin_pct"]
    assert [line.cells[-1] for line in whole.lines] == [20, 10, Decimal("13.33333333"), 10]
    assert whole.total.cells[-1] == Decimal("11.48148148")


def test_a_quotient_is_one_of_sums_and_may_be_of_hidden_columns():
    change = Percent(of=("sales", "before"), good="up")  # a variance is no figure of its own
    kinds = {**KINDS, "margin_pct": MARGIN, "change": change}
    layout = Layout(kinds, hide=("branch_code", "price", "before", "margin", "unit"), fold=True)
    whole = table(ROWS, layout)
    assert cells(whole) == [("Nafta", 400, 100, 15), ("Aceite", 950, 9500, 10)]
    assert whole.total.cells == (None, 1350, Decimal("329.26829268"), Decimal("11.48148148"))
    assert [(each.label, each.value) for each in defaults.figures(whole)] == [
        ("Sales", 1350),
        ("Margin pct", Decimal("11.48148148")),
    ]


def test_what_the_query_says_stands_where_nothing_is_added_up():
    rows = [{"margin": 1, "sales": 2, "margin_pct": 49}]
    assert table(rows, Layout({"margin_pct": MARGIN})).lines[0].cells == (1, 2, 49)
    assert table(rows, Layout({"margin_pct": MARGIN}, fold=True)).lines[0].cells == (1, 2, 50)


def test_a_variance_of_a_loss_has_the_sign_of_its_difference():
    change = Percent(of=("difference", "before"), good="up")
    assert change.quotient(15, -10) == 150
    assert Percent(of=("difference", "before")).quotient(15, -10) == -150
    assert change.quotient(15, 0) is change.quotient(None, 3) is change.quotient(3, None) is None


def test_so_much_for_so_much_has_its_measure():
    kind = Ratio(of=("litres", "km"), times=100, measure="l/100 km")
    assert kind.quotient(Decimal("30.5"), 400) == Decimal("7.625")
    assert kind.quotient(3, 0) is None
    assert (kind.written(Decimal("7.625"), ES), kind.told(7, EN)) == ("7,6", "7.0\u00a0l/100 km")


def test_a_quotient_of_a_column_that_is_not_there_is_told():
    with pytest.raises(DeclarationError) as caught:
        table(ROWS, Layout({**KINDS, "margin_pct": Percent(of=("margen", "sales"))}))
    assert "'margen'" in str(caught.value)
    assert "margin" in caught.value.hint


def test_a_quotient_is_of_numbers():
    with pytest.raises(
        DeclarationError, match="'change' is reckoned from 'year_before', which is read as Text"
    ) as caught:
        table([{"year_before": 3, "sales": 4}], Layout({"change": Percent(of=("sales", "year_before"))}))
    assert caught.value.hint == "Declare 'year_before' as Number or Money."


def test_a_declared_column_that_is_no_quotient_must_be_given():
    with pytest.raises(DeclarationError, match="'sale'"):
        table(ROWS, Layout({"sale": GS}))


def test_without_rows_the_columns_are_those_of_the_query_and_the_quotients():
    whole = table([], Layout({"margin_pct": MARGIN}, fold=True, largest="sales"), ["product", "sales", "margin"])
    assert [column.name for column in whole.columns] == ["product", "sales", "margin", "margin_pct"]


def test_the_largest_stand_first_and_what_is_empty_last():
    rows = [{"what": "a", "sales": 3}, {"what": "b", "sales": None}, {"what": "c", "sales": 9}]
    assert [line.cells[0] for line in table(rows, Layout(largest="sales")).lines] == ["c", "a", "b"]


def test_groups_stand_by_what_they_come_to():
    layout = Layout(KINDS, hide=("price",), group_by=("unit",), largest="sales")
    whole = table(ROWS[2:3] + ROWS[:2] + ROWS[3:], layout)
    assert [(line.cells[1], line.cells[3]) for line in whole.lines] == [
        ("Aceite", 900), ("Aceite", 50), (None, 950), ("Nafta", 300), ("Nafta", 100), (None, 400),
    ]  # fmt: skip


def test_an_unknown_column_to_sort_by_is_told():
    with pytest.raises(DeclarationError) as caught:
        table(ROWS, Layout(largest="sale"))
    assert "sales" in caught.value.hint


def listed(most, count, **more):
    rows = [{"what": f"n{number}", "sales": number, "km": 2} for number in range(count, 0, -1)]
    kinds = {"sales": GS, "each": Ratio(of=("sales", "km"), decimals=2)}
    return SectionText(Section("", table(rows, Layout(kinds, most=most, hide=("km",), **more))), EN)


def test_paper_shows_so_many_rows_and_the_others_as_one():
    section = listed(2, 1204)
    texts = [line.texts for line in section.lines()]
    assert texts == [
        ("n1204", "1,204", "602.00"), ("n1203", "1,203", "601.50"), ("Others (1,202)", "723,003", "300.75"),
    ]  # fmt: skip
    assert (section.count, section.printed) == (1204, 3)
    assert section.foot.texts[1] == "725,410"
    assert section.brief(3)[-1].what == "n1202"


def test_one_row_more_than_paper_shows_stands_itself():
    assert [line.what for line in listed(2, 3).lines()] == ["n3", "n2", "n1"]
    assert listed(2, 3).printed == 3
    assert listed(None, 3).printed == 3


def test_groups_are_printed_whole():
    assert len(list(listed(2, 5, group_by=("what",)).lines())) == 10


def test_a_workbook_has_all_rows_and_numbers_for_quotients():
    whole = listed(2, 30).table
    properties = Properties("Sales", "Company", datetime(2026, 11, 2, 10, tzinfo=UTC), ASUNCION)
    book = openpyxl.load_workbook(io.BytesIO(workbook([Sheet("All", whole)], properties, EN, "a.xlsx").data))
    rows = list(book.active.iter_rows(values_only=True))
    assert len(rows) == 1 + 30 + 1
    assert rows[1] == ("n30", 30, 15)
    assert book.active["C2"].number_format == "#,##0.00"


def test_a_chart_is_of_what_was_added_up():
    whole = table(ROWS, Layout(KINDS, hide=("branch_code", "before"), fold=True))
    plot = Chart("bar", x="product", y="sales", previous="before").plot(whole)
    assert [(each.role.value, each.values) for each in plot.series] == [("actual", (950, 400)), ("previous", (10, 400))]


AMOUNTS = st.one_of(st.none(), st.integers(-(10**20), 10**20), st.decimals(-(10**12), 10**12, places=3))
SOME = st.lists(st.fixed_dictionaries({"code": st.sampled_from("ab"), "what": st.sampled_from("xyz"), "n": AMOUNTS}))


@given(SOME)
def test_adding_up_loses_nothing(rows):
    kinds = {"n": Number(), "what": Text(), "code": Text()}
    folded = table(rows, Layout(kinds, hide=("code",), fold=True, largest="n"), ["code", "what", "n"])
    plain = table(rows, Layout(kinds), ["code", "what", "n"])
    assert folded.sum("n") == plain.sum("n")
    assert len(folded.lines) == len({row["what"] for row in rows})
    sizes = [line.cells[1] or 0 for line in folded.lines]
    assert sizes == sorted(sizes, reverse=True)
    assert all(line.style is Style.ROW for line in folded.lines)
