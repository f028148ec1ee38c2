import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emailketing.model import Recipient
from emailketing.render import Renderer
from emailketing.render.listing import Listing, Ruler
from emailketing.report.report import HeadText
from emailketing.settings import PROJECT, load
from tests import paper
from tests.cases import report

HEADS = [HeadText("a", "", False, 50), HeadText("b", "", True, 25), HeadText("c", "", True, 25)]
MM = 96 / 25.4
RULER = Ruler('9pt/1.4 Inter, "Liberation Sans", sans-serif')
SPACES = "\u2003\u2002\u2004\u2009\u200a"


@pytest.fixture(scope="module")
def run():
    listing = Listing(RULER, width_mm=176, gap_mm=2)

    def run(*texts):
        RULER.learn(texts)
        return listing.run(HEADS, texts)

    return run


def ends(line, *texts):
    """Where each text ends, in millimetres from the left margin."""
    found, place = [], 0
    for text in texts:
        place = line.index(text, place) + len(text)
        found.append(RULER.width(line[:place]) / MM)
    return found


def test_numbers_end_where_their_columns_end(run):
    for numbers in (("1", "2"), ("1.234.567.890", "−12,5"), ("0", "999.999.999.999")):
        line = run("Cliente número 1 S.A.", *numbers)
        assert ends(line, "S.A.", *numbers)[1:] == pytest.approx([132, 176], abs=0.15)


def test_words_begin_where_their_columns_begin():
    heads = [HeadText("a", "", False, 50), HeadText("b", "", False, 50)]
    RULER.learn(["Ñandutí", "x" * 9, "Itauguá"])
    for first in ("Ñandutí", "x" * 9, ""):
        line = Listing(RULER, 176, 2).run(heads, (first, "Itauguá"))
        assert (RULER.width(line) - RULER.width("Itauguá")) / MM == pytest.approx(90, abs=0.15)


@pytest.mark.parametrize("text", ["x" * 200, "مرحبا", "e\u0301", "שלום"])
def test_what_does_not_fit_or_joins_is_left_to_boxes(run, text):
    assert run(text, "1", "2") == ""


@settings(max_examples=25, deadline=None)
@given(st.text(max_size=12), st.integers(-(10**9), 10**9), st.integers(-(10**9), 10**9))
def test_no_sign_of_a_cell_is_lost(text, first, second):
    words = " ".join(text.split())
    RULER.learn([words, str(first), str(second)])
    line = Listing(RULER, 176, 2).run(HEADS, (words, str(first), str(second)))
    kept = [sign for sign in line if sign not in SPACES]
    assert line == "" or kept == [sign for sign in f"{words}{first}{second}" if sign not in SPACES]


def test_a_long_table_has_all_its_rows_its_head_on_every_page_and_its_total_in_company():
    renderer = Renderer(PROJECT / "include", company=load().company.model_dump())
    rows = [{"name": f"Cliente {n}", "note": "x", "balance": n} for n in range(1, 401)]
    rows[200]["name"] = "Compañía de nombre muy largo que no cabe en su columna de ninguna manera, " * 2
    rows[201]["name"] = "شركة"
    given = {
        "what": "Saldos",
        "cadence": "daily",
        "moment": "2026-11-19T10:00:00+00:00",
        "sections": [
            {"title": "Primera", "rows": rows, "layout": {"currency": "PYG"}},
            {"title": "Segunda", "rows": [{"other": "y", "amount": 5}]},
        ],
    }
    content = renderer.render("balances", {"report": report(given, "es")}, Recipient("a@b.example", "", "es"))
    texts = [" ".join(page.split()) for page in paper.pages(content.attachments[-1].data)]
    whole = " ".join(texts)
    assert [n for n in range(1, 401) if f"Cliente {n} " not in whole] == [201, 202]
    assert "ninguna manera" in whole
    last = next(place for place, text in enumerate(texts) if "Cliente 400 " in text)
    assert all("Balance, Gs." in text for text in texts[: last + 1])
    assert "Cliente 399 " in texts[last]
    assert "Total 80.200" in texts[last]
    assert all("Balance, Gs." not in text for text in texts[last + 1 :])
