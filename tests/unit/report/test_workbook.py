import csv
import io
import subprocess
import sys
import zipfile
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emailketing.errors import DeclarationError
from emailketing.report import workbook as module
from emailketing.report.frame import Layout, Style, table
from emailketing.report.kinds import Account, Date, DateTime, Flag, Money, Number, Percent, Text
from emailketing.report.workbook import Dialect, Properties, Sheet, csv_file, sheet_names, workbook
from tests.unit.report.readers import ASUNCION, EN, ES

PROJECT = Path(__file__).resolve().parents[3]
ABOUT = Properties(
    "Ventas por sucursal & canal", "Petrolera del Este S.A.", datetime(2026, 11, 1, 10, tzinfo=UTC), ASUNCION
)

ROWS = [
    {"branch": "Central", "sold_on": date(2026, 10, 1), "litres": Decimal("1200.50"), "amount": 9424000, "share": 12.5},
    {"branch": "=HYPERLINK(1)", "sold_on": date(2026, 10, 2), "litres": None, "amount": -12, "share": None},
    {"branch": "Central", "sold_on": None, "litres": Decimal("10"), "amount": 1, "share": Decimal("0.5")},
]
DECLARED = Layout(columns={"share": Percent(1)}, currency="PYG", labels={"amount": "Importe", "branch": "Sucursal"})


def read(attachment, **more):
    return openpyxl.load_workbook(io.BytesIO(attachment.data), **more)


def made(*tables, about=ABOUT, writer=ES):
    return workbook([Sheet(f"Hoja {number}", each) for number, each in enumerate(tables, 1)], about, writer, "v.xlsx")


def test_numbers_and_dates_are_real_and_have_the_formats_of_their_kinds():
    sheet = read(made(table(ROWS, DECLARED)))["Hoja 1"]
    assert [cell.value for cell in sheet[1]] == ["Sucursal", "Sold on", "Litres", "Importe, Gs.", "Share"]
    assert [cell.value for cell in sheet[2]] == ["Central", datetime(2026, 10, 1), 1200.5, 9424000, 0.125]  # noqa: DTZ001
    assert [cell.number_format for cell in sheet[2]] == ["General", "dd/mm/yyyy", "#,##0.0", "#,##0", "#,##0.0%"]
    assert [cell.value for cell in sheet[3]] == ["=HYPERLINK(1)", datetime(2026, 10, 2), None, -12, None]  # noqa: DTZ001
    english = read(made(table(ROWS, DECLARED), writer=EN))["Hoja 1"]
    assert english["B2"].number_format == "yyyy-mm-dd"


def test_dollars_have_cents():
    sheet = read(made(table([{"amount": Decimal("1234.5")}], Layout(columns={"amount": Money("USD")}))))["Hoja 1"]
    assert (sheet["A2"].value, sheet["A2"].number_format, sheet["A1"].value) == (1234.5, "#,##0.00", "Amount, US$")


@pytest.mark.parametrize(
    "text", ["=1+1", "+595 61 500", "-x", "@SUM(A1)", "=cmd|'/c calc'!A1", "http://x.example", "{=1}"]
)
def test_text_stays_text_whatever_it_begins_with(text):
    sheet = read(made(table([{"name": text}], Layout(columns={"name": Text()}))))["Hoja 1"]
    assert (sheet["A2"].value, sheet["A2"].data_type) == (text, "s")
    assert sheet["A2"].hyperlink is None
    assert bool(sheet["A2"].quotePrefix) == (text[0] in "=+-@")


def test_totals_are_formulas_that_carry_their_values():
    file = made(table(ROWS, DECLARED))
    formulas, values = read(file)["Hoja 1"], read(file, data_only=True)["Hoja 1"]
    assert [cell.value for cell in formulas[5]] == ["Total", None, "=SUBTOTAL(109,C2:C4)", "=SUBTOTAL(109,D2:D4)", None]
    assert [cell.value for cell in values[5]] == ["Total", None, 1210.5, 9423989, None]


def test_each_group_s_formula_sums_its_own_rows_and_the_total_leaves_them_out():
    rows = [{"a": a, "b": b, "n": n} for a, b, n in [("x", "p", 1), ("x", "p", 2), ("x", "q", 4), ("y", "p", 8)]]
    file = made(table(rows, Layout(group_by=("a", "b"))))
    formulas, values = read(file)["Hoja 1"], read(file, data_only=True)["Hoja 1"]
    assert [(cell.value, values[cell.coordinate].value) for cell in formulas["C"][1:]] == [
        (1, 1),
        (2, 2),
        ("=SUBTOTAL(109,C2:C3)", 3),
        (4, 4),
        ("=SUBTOTAL(109,C5:C5)", 4),
        ("=SUBTOTAL(109,C2:C6)", 7),
        (8, 8),
        ("=SUBTOTAL(109,C8:C8)", 8),
        ("=SUBTOTAL(109,C8:C9)", 8),
        ("=SUBTOTAL(109,C2:C10)", 15),
    ]


GROUPED = st.tuples(st.sampled_from("ab"), st.sampled_from("pqr"), st.integers(-1000, 1000))


@settings(max_examples=20, deadline=None)
@given(st.lists(GROUPED, min_size=1, max_size=25))
def test_every_formula_gives_the_value_that_it_carries(rows):
    whole = table([{"a": a, "b": b, "n": n} for a, b, n in rows], Layout(group_by=("a", "b")))
    file = made(whole)
    formulas, values = read(file)["Hoja 1"], read(file, data_only=True)["Hoja 1"]
    plain = {cell.row: cell.value for cell in formulas["C"][1:] if isinstance(cell.value, int)}
    for cell in formulas["C"][1:]:
        if cell.row not in plain:
            first, last = (int(each[1:]) for each in cell.value.removeprefix("=SUBTOTAL(109,").rstrip(")").split(":"))
            nested = sum(value for row, value in plain.items() if first <= row <= last)
            assert values[cell.coordinate].value == nested


def test_the_head_is_frozen_filtered_repeated_in_print_and_columns_have_sensible_widths():
    sheet = read(made(table(ROWS, DECLARED)))["Hoja 1"]
    assert sheet.freeze_panes == "A2"
    assert sheet.auto_filter.ref == "A1:E4"
    assert sheet.print_title_rows == "$1:$1"
    assert sheet.page_setup.paperSize == 9
    assert sheet.page_setup.fitToHeight == 0
    assert "&P / &N" in sheet.oddFooter.right.text or "&P" in str(sheet.oddFooter.right.text)
    assert all(8 <= sheet.column_dimensions[letter].width <= 62 for letter in "ABCDE")


def test_a_long_text_does_not_make_a_column_endless():
    sheet = read(made(table([{"note": "x" * 40_000}])))["Hoja 1"]
    assert sheet.column_dimensions["A"].width <= 62
    assert len(sheet["A2"].value) == 32_767


def test_accounts_are_indented_and_sums_bold():
    rows = [{"account": "Ingresos", "level": 1, "amount": 3}, {"account": "Ventas", "level": 2, "amount": 3}]
    sheet = read(made(table(rows, Layout(columns={"account": Account(level="level")}))))["Hoja 1"]
    assert (sheet["A2"].font.bold, sheet["A3"].font.bold) == (True, False)
    assert (sheet["A2"].alignment.indent, sheet["A3"].alignment.indent) == (0, 1)
    assert sheet["A2"].border.top.style == "thin"


def test_a_number_with_more_digits_than_excel_keeps_is_written_as_text():
    rows = [{"n": 12345678901234567890}, {"n": 123456789012345}]
    sheet = read(made(table(rows, Layout(columns={"n": Number(0)}))))["Hoja 1"]
    assert (sheet["A2"].value, sheet["A3"].value) == ("12345678901234567890", 123456789012345)
    assert sheet["A4"].value == str(12345678901234567890 + 123456789012345)


def test_moments_are_shown_in_the_company_s_zone_and_old_dates_as_text():
    rows = [{"at": datetime(2026, 11, 3, 1, 5, tzinfo=UTC), "born": date(1850, 1, 2), "open": True}]
    kinds = {"at": DateTime(), "born": Date(), "open": Flag()}
    sheet = read(made(table(rows, Layout(columns=kinds))))["Hoja 1"]
    assert [cell.value for cell in sheet[2]] == [datetime(2026, 11, 2, 22, 5), "1850-01-02", True]  # noqa: DTZ001


def test_the_workbook_says_what_it_is_and_is_the_same_each_time():
    file = made(table(ROWS, DECLARED), table(ROWS, DECLARED))
    assert file.data == made(table(ROWS, DECLARED), table(ROWS, DECLARED)).data
    book = read(file)
    assert (book.properties.title, book.properties.creator) == (ABOUT.title, ABOUT.author)
    assert book.sheetnames == ["Hoja 1", "Hoja 2"]
    assert "&&" in zipfile.ZipFile(io.BytesIO(file.data)).read("xl/worksheets/sheet1.xml").decode().replace(
        "&amp;", "&"
    )


def test_a_sheet_of_words_comes_last():
    about = Properties("V", "P", ABOUT.made_at, ASUNCION, ["Ventas 8 % sobre octubre"], {"Ventas": "=1"})
    book = read(made(table(ROWS, DECLARED), about=about))
    assert book.sheetnames == ["Hoja 1", "Resumen"]
    assert book["Resumen"]["A1"].value == "Ventas 8 % sobre octubre"
    assert (book["Resumen"]["B3"].value, book["Resumen"]["B3"].data_type) == ("=1", "s")


def test_an_empty_table_is_a_sheet_with_a_head():
    sheet = read(made(table([], Layout(columns={"branch": Text(), "amount": Money("PYG")}))))["Hoja 1"]
    assert [[cell.value for cell in row] for row in sheet.rows] == [["Branch", "Amount, Gs."]]
    assert read(made(table([])))["Hoja 1"].max_row == 1


@given(st.lists(st.text(max_size=40), max_size=12))
def test_sheet_names_are_valid_and_unique(wanted):
    names = sheet_names(wanted)
    assert len({name.lower() for name in names}) == len(names) == len(wanted)
    for name in names:
        assert 1 <= len(name) <= 31
        assert not set(name) & set("[]:*?/\\")
        assert name.strip("'") == name
        assert name.lower() != "history"


def test_sheet_names_that_are_alike_are_numbered():
    long = "Ventas por sucursal y por producto, octubre"
    assert sheet_names([long, long, "a/b", "A B", ""]) == [
        "Ventas por sucursal y por produ",
        "Ventas por sucursal y por p (2)",
        "a b",
        "A B (2)",
        "-",
    ]


def test_more_rows_than_a_sheet_holds_are_told(monkeypatch):
    monkeypatch.setattr(module, "MOST_ROWS", 4)
    with pytest.raises(DeclarationError, match="A sheet holds 2 rows, and this table has 3"):
        made(table(ROWS, DECLARED))


MEMORY = """
import re, resource, sys
from tests.unit.report.test_workbook import *
numbers = range(int(sys.argv[1]))
rows = [{"n": n, "name": f"cliente {n}", "amount": Decimal(n) / 4, "day": date(2026, 1, 1)} for n in numbers]
whole = table(rows, Layout(columns={"amount": Money("USD"), "n": Text()}))
del rows
made(table([{"amount": 1}]))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
file = made(whole)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024, len(file.data))
with zipfile.ZipFile(io.BytesIO(file.data)) as book:  # a reader of workbooks takes as long as the writer
    sheet = book.read("xl/worksheets/sheet1.xml")
last = sheet[sheet.rindex(b"<row "):]
print(sheet.count(b"<row "), re.search(rb'<c r="C30002"[^>]*><f>(.*?)</f>', last)[1].decode())
"""


def test_thirty_thousand_rows_are_all_there_and_take_little_memory():
    command = [sys.executable, "-c", MEMORY, "30000"]
    env = {"PYTHONPATH": f"{PROJECT / 'plugins'}:{PROJECT}", "PATH": ""}
    done = subprocess.run(command, cwd=PROJECT, env=env, capture_output=True, text=True, check=True)
    grown, size, count, total = done.stdout.split()
    assert (count, total) == ("30002", "SUBTOTAL(109,C2:C30001)")
    assert float(grown) < 5  # MB: the file itself, and what packs it; twice as much if all cells were kept
    assert int(size) > 500_000


def rows_of(file):
    return list(csv.reader(io.StringIO(file.data.decode("utf-8-sig"), newline="")))


def test_a_csv_has_all_rows_and_neither_subtotals_nor_total():
    whole = table(ROWS, Layout(group_by=("branch",), currency="PYG"))
    assert any(line.style is Style.SUBTOTAL for line in whole.lines)
    file = csv_file(whole, "v.csv")
    assert file.data.startswith(b"\xef\xbb\xbf")
    assert file.data.endswith(b"\r\n")
    assert rows_of(file) == [
        ["Branch", "Sold on", "Litres", "Amount", "Share"],
        ["Central", "2026-10-01", "1200.50", "9424000", "12.5"],
        ["Central", "", "10", "1", "0.5"],
        ["'=HYPERLINK(1)", "2026-10-02", "", "-12", ""],
    ]


def test_separator_decimal_sign_byte_order_mark_and_safety_can_be_chosen():
    file = csv_file(table(ROWS, DECLARED), "v.csv", Dialect(";", ",", bom=False, safe=False))
    assert file.data.decode().splitlines()[1:3] == [
        "Central;2026-10-01;1200,50;9424000;12,5",
        "=HYPERLINK(1);2026-10-02;;-12;",
    ]
    with pytest.raises(DeclarationError, match="cannot part"):
        Dialect(separator=";;")
    with pytest.raises(DeclarationError, match="decimal sign"):
        Dialect(separator=",", decimal=",")


@given(st.lists(st.text(st.characters(blacklist_categories=["Cs"]), max_size=20), min_size=1, max_size=8))
def test_a_csv_read_back_is_what_was_written(texts):
    whole = table([{"n": place, "text": text} for place, text in enumerate(texts)], Layout(columns={"text": Text()}))
    back = rows_of(csv_file(whole, "v.csv", Dialect(safe=False)))
    assert [row[1] for row in back[1:]] == [value or "" for value in whole.values("text")]
