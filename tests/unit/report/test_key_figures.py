"""Key figures and their courses: rows of one figure are added up, so that a reader has those of his rows."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from emailketing.model import Kind
from emailketing.report.checking import faults, misnamed
from emailketing.report.composing import FIGURES, TREND, Listing, Material, Voice, compose
from emailketing.report.declaration import Part, ReportMailing
from emailketing.report.kinds import Money, Number, Percent, Ratio
from emailketing.report.naming import Words
from emailketing.report.periods import Cadence, containing
from tests.unit.report.readers import EN

OCTOBER = containing(Cadence.MONTHLY, date(2026, 10, 5))
MADE = datetime(2026, 11, 2, 10, tzinfo=UTC)
GS = Money("PYG")


def listing(*rows):
    return Listing(tuple(rows[0]) if rows else (), rows)


def told(branch, **values):
    """Rows of figures: a number, or a pair of what is divided by what."""
    return [
        {"branch_code": branch, "figure": name, "value": each[0], "per": each[1], "kind": each[2], "unit": "l"}
        for name, each in values.items()
    ]


NOW = [
    *told("001", sales=(100, None, "money"), margin=(20, 100, "percent"), ticket=(100, 4, "money"), use=(900, 33, "")),
    *told(
        "002", sales=(300, None, "money"), margin=(90, 300, "percent"), ticket=(300, 1, "money"), use=(None, None, "")
    ),
]
BEFORE = told("001", sales=(50, None, "money"), margin=(5, 50, "percent"), ticket=(50, 0, "money"))
COURSE = [
    {"figure": "sales", "at": day, "value": value, "branch_code": branch}
    for day, branch, value in (("10-02", "002", 9), ("10-01", "001", 1), ("10-01", "002", 2), ("10-02", "001", None))
]


def material(**more):
    now = {"": listing({"branch_code": "001", "sales": 1}), FIGURES: listing(*NOW), TREND: listing(*COURSE)}
    return Material(OCTOBER, MADE, {**now, **more}, {FIGURES: listing(*BEFORE)}, {FIGURES: Listing()})


def composed(given=None, words=None, *parts):
    mailing = ReportMailing("sales", kind=Kind.REPORT, parts=parts or (Part(),))
    return compose(mailing, given or material(), Voice(words or Words(), EN, "PYG"))


def figures(report):
    return {each.label: (each.value, each.previous, each.kind) for each in report.figures}


def test_rows_of_a_figure_are_added_up_and_quotients_are_those_of_the_sums():
    found = figures(composed())
    assert found["Sales"] == (400, 50, GS)
    assert found["Margin"] == (Decimal("27.5"), 10, Percent())
    assert found["Ticket"] == (80, None, GS)  # nothing was sold before, so there was no ticket
    value, previous, kind = found["Use"]
    assert (round(value, 4), previous, kind) == (Decimal("27.2727"), None, Ratio(measure="l"))


def test_a_reader_of_some_rows_has_their_figures_and_course():
    mine = composed(material().only(lambda row: row.get("branch_code") == "001"))
    assert figures(mine)["Margin"][:2] == (20, 10)
    assert mine.figures[0].trend == (1, None)
    assert composed().figures[0].trend == (3, 9)


def test_where_no_figure_is_for_the_reader_the_sums_of_his_rows_are():
    main = listing({"area": "x", "sales": 7}, {"area": "y", "sales": 8})
    report = composed(material(**{"": main}).only(lambda row: row.get("area") == "x"))
    assert figures(report) == {"Sales": (7, None, GS)}


def test_a_query_of_figures_without_a_row_says_that_there_are_none():
    assert composed(material(**{FIGURES: Listing(("figure", "value"))})).figures == ()


def test_figures_that_bring_what_they_are_compared_with_are_added_up_too():
    rows = [{"figure": "stock", "value": 1, "previous": 3, "year_ago": None} for _ in range(2)]
    [figure] = composed(material(**{FIGURES: listing(*rows)})).figures
    assert (figure.value, figure.previous, figure.year_ago) == (2, 6, None)


@pytest.mark.parametrize(
    ("value", "kind"),
    [(Decimal("999.5"), Number(measure="l")), (Decimal("1000.5"), Number(0, measure="l")), (None, Number(measure="l"))],
)
def test_of_a_large_figure_nobody_reads_the_decimals(value, kind):
    [figure] = composed(material(**{FIGURES: listing({"figure": "litres", "value": value, "unit": "l"})})).figures
    assert figure.kind == kind


def test_a_column_that_is_reckoned_has_its_head():
    part = Part(columns={"sales": GS, "rate": Percent(of=("sales", "sales"))}, hide=("branch_code",))
    [section] = composed(None, Words(columns={"rate": "Of all"}), part).sections
    assert [column.label for column in section.table.columns] == ["Sales", "Of all"]
    assert section.table.lines[0].cells == (1, 100)


def test_a_part_says_how_its_rows_are_added_up_and_sorted():
    rows = [{"branch_code": each, "group": "a", "sales": 1} for each in "12"] + [
        {"branch_code": "1", "group": "b", "sales": 5}
    ]
    part = Part(hide=("branch_code",), fold=True, largest="sales", most=1)
    [section] = composed(material(**{"": listing(*rows)}), None, part).sections
    assert [line.cells for line in section.table.lines] == [("b", 5), ("a", 2)]
    assert section.table.most == 1


def test_a_check_knows_what_is_reckoned_and_what_that_needs():
    part = Part(columns={"rate": Percent(of=("sale", "sales")), "sum": GS}, brief=("rat",), largest="sale")
    mailing = ReportMailing("sales", kind=Kind.REPORT, parts=(part,))
    found = [error.args[0] for error in faults(mailing, material().now)]
    assert found == [f"sales.sql gives no column {name!r}." for name in ("sum", "sale", "rat")]
    words = Words(columns={"rate": "Of all", "ratio": "?"})
    assert [error.args[0] for error in misnamed(mailing, words, material().now)] == ["No query gives a column 'ratio'."]
