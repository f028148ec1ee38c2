"""Catalogues: items against those of the last edition, on paper and in files."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from babel import Locale

from emailketing.errors import DeclarationError
from emailketing.render.formats import Formats
from emailketing.report.catalogue import Look, catalogue, compared, snapshot, whole
from emailketing.report.periods import ZoneInfo
from emailketing.report.report import Report

MARKS = ("code", "price")
LABELS = {"column_code": "Código", "change_new": "nuevo", "change_up": "sube", "change_down": "baja"}
LOOK = Look(lambda name: LABELS.get(name, ""), "product_group")
WRITER = Formats(Locale("es", "PY"), ZoneInfo("America/Asuncion"))
TITLE = Report("Lista", "hoy", datetime(2026, 11, 25, 12, tzinfo=UTC))


def item(code, price, group="Aceites", **more):
    return {"content_group": 1, "product_group": group, "code": code, "price": price, "currency": "PYG", **more}


def test_what_is_new_or_changed_is_marked_whatever_type_a_database_gives():
    before = snapshot([item("a", 100), item("b", Decimal("7.50")), item("c", 5), item("d", 9)], MARKS)
    now = [item("a", 100.0), item("b", Decimal("7.5000")), item("c", Decimal(6)), item("e", 1)]
    told = compared(now, MARKS, before)
    assert [each["change"] for each in told.items] == ["", "", "up", "new"]
    assert [each["code"] for each in told.changed] == ["c", "e"]
    assert told.items[2]["before"] == 5
    assert told.gone == ("d",)
    assert [each["change"] for each in compared([item("c", 4)], MARKS, before).items] == ["down"]


def test_nothing_is_marked_for_who_was_sent_nothing_before():
    assert compared([item("a", 1)], MARKS, None).changed == []


def test_a_column_that_is_not_there_is_told():
    with pytest.raises(DeclarationError, match="Did you mean 'price'"):
        compared([item("a", 1)], ("code", "prize"), {})


def test_paper_has_a_section_for_each_group_and_a_file_one_table_for_all():
    items = compared([item("a", 100), item("b", 5, "Filtros")], MARKS, {"a": "90"}).items
    paper = catalogue(items, LOOK, TITLE)
    assert [(section.title, len(section.table.lines)) for section in paper.sections] == [("Aceites", 1), ("Filtros", 1)]
    heads = [head.full for head in paper.written(WRITER).sections[0].heads]
    assert heads == ["Código", "Price, Gs.", "Before, Gs.", "What changed"]
    (line,) = paper.written(WRITER).sections[0].lines()
    assert line.texts == ("a", "100", "90", "sube")
    (sheet,) = whole(items, LOOK, TITLE).sections
    assert [column.name for column in sheet.table.columns] == [
        "product_group",
        "code",
        "price",
        "before",
        "what_changed",
    ]
    assert paper.sections[0].table.total is None


def test_all_sections_have_their_columns_at_the_same_places():
    items = compared([item("a", 1), item("b" * 12, 1_593_000_000, "Filtros")], None, None).items
    first, second = catalogue(items, LOOK, TITLE).written(WRITER).sections
    assert [head.width for head in first.heads] == [head.width for head in second.heads]


def test_a_picture_stands_beside_the_heading_where_all_items_share_it_and_else_beside_each():
    items = [item("a", 1, picture="x.png"), item("b", 2, picture=memoryview(b"y")), item("c", 3, "B", picture="x.png")]
    told = compared([*items, item("d", 3, "B", picture=None)], None, None).items
    first, second = catalogue(told, LOOK, TITLE).sections
    assert (first.picture, [each.source for each in first.pictures]) == (None, ["x.png", b"y"])
    assert (second.picture.source, second.picture.alt, second.pictures) == ("x.png", "B", (None, None))
    shared, *_ = catalogue(told[2:], LOOK, TITLE).sections
    assert (shared.picture.source, shared.pictures) == ("x.png", ())
