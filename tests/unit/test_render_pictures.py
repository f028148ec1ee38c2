"""Pictures in price lists on paper: beside headings or rows, each kept once, light, and never in the way."""

import io
import logging
from datetime import UTC, datetime

import pypdf
import pytest
from PIL import Image

from emailketing.model import Recipient
from emailketing.render import Renderer, mail
from emailketing.report.catalogue import Look, catalogue
from emailketing.report.report import Report
from emailketing.settings import PROJECT, load

TITLE = Report("Lista", "hoy", datetime(2026, 11, 25, 12, tzinfo=UTC))
OIL, TYRE = "assets/products/lub.png", "assets/products/neu.png"


@pytest.fixture(scope="module")
def renderer():
    return Renderer(PROJECT / "include", company=load().company.model_dump())


def item(number, picture, group="Aceites", **more):
    about = {"code": f"C-{number}", "description": f"Producto {number}", "price": 1000 * number, "currency": "PYG"}
    return {"content_group": 1, "product_group": group, **about, "picture": picture, "change": "", **more}


def sheet(renderer, items, sections="product_group"):
    report = catalogue(items, Look(lambda name: "", sections), TITLE)
    content = renderer.render("some_list", {"report": report}, Recipient("a@b.example", "", "es"))
    return pypdf.PdfReader(io.BytesIO(content.attachments[-1].data))


def pictures(document):
    """The distinct pictures of a document, and how often they are drawn; the logo is a drawing of lines."""
    found = {}
    for page in document.pages:
        names = page["/Resources"].get("/XObject", {})
        for name, value in names.items():
            if value.get_object()["/Subtype"] == "/Image":
                key = names.raw_get(name).idnum
                found[key] = found.get(key, 0) + page.get_contents().get_data().count(f"{name} Do".encode())
    return found


def alts(document):
    """The alternative texts of a tagged document."""
    found, left = [], [document.trailer["/Root"]["/StructTreeRoot"]]
    while left:
        node = left.pop()
        node = node.get_object() if hasattr(node, "get_object") else node
        if isinstance(node, list):
            left += node
        elif isinstance(node, dict):
            found += [node["/Alt"]] if "/Alt" in node else []
            left += [node["/K"]] if "/K" in node else []
    return found


def places(document):
    """How far from the left each row's code and name begin."""
    found = {}

    def seen(text, _, matrix, *__):
        found.setdefault(text.strip(), round(float(matrix[4])))

    for page in document.pages:
        page.extract_text(visitor_text=seen)
    return found


def photograph(number, size=(300, 200)):
    image = Image.effect_noise(size, 60).convert("RGB")
    image.putpixel((0, 0), (number % 256, number // 256, 0))
    file = io.BytesIO()
    image.save(file, "JPEG")
    return file.getvalue()


def test_a_picture_that_a_section_shares_stands_once_beside_its_heading(renderer):
    items = [*(item(n, OIL) for n in range(1, 4)), *(item(n, TYRE, "Neumáticos & más") for n in range(4, 9))]
    document = sheet(renderer, items)
    assert sorted(pictures(document).values()) == [1, 1]
    assert {"Aceites", "Neumáticos & más"} <= set(alts(document))


@pytest.mark.parametrize("count", [12, 160])
def test_items_have_their_own_pictures_each_kept_once_and_rows_are_aligned_with_and_without(renderer, count):
    sources = [OIL, TYRE, None, photograph(1)]
    items = [item(n, sources[n % 4], picture_alt="Lata de aceite" if n == 4 else None) for n in range(count)]
    document = sheet(renderer, items)
    assert sorted(pictures(document).values()) == [count // 4] * 3
    assert {"Producto 0", "Lata de aceite", "Producto 3"} <= set(alts(document))
    assert "Producto 2" not in alts(document)
    begin = {place for text, place in places(document).items() if text.startswith("C-")}
    assert len(begin) == 1, begin


def test_a_list_without_headings_shows_what_its_items_share_beside_them(renderer):
    document = sheet(renderer, [item(n, OIL) for n in range(1, 4)], sections="")
    assert list(pictures(document).values()) == [3]


@pytest.mark.parametrize(
    "source",
    ["assets/products/none.png", "../settings.yaml", "https://x.example/a.png", "a\0b", "x" * 5000, b"", b"%PDF-1.7"],
)
def test_what_cannot_be_shown_is_left_out_and_told_once(renderer, source, caplog):
    items = [item(1, OIL), item(2, source), item(3, source), item(4, TYRE)]
    with caplog.at_level(logging.WARNING, logger="emailketing.render"):
        document = sheet(renderer, items)
    assert list(pictures(document).values()) == [1, 1]
    assert "Producto 3" in document.pages[0].extract_text()
    assert [record.message.startswith("some_list: the sheet goes without 1 ") for record in caplog.records] == (
        [True] if source else []
    )
    assert not mail.Pictures(PROJECT / "include").there(source)


def test_pictures_are_light_and_beyond_the_limit_the_last_ones_are_left_out(renderer, monkeypatch, caplog):
    monkeypatch.setattr(mail, "SHEET_LIMIT", 20_000)
    document = sheet(renderer, [item(n, photograph(n)) for n in range(40)])
    count = len(pictures(document))
    assert 4 < count < 40
    assert set(alts(document)) >= {f"Producto {n}" for n in range(count)}
    (told,) = [record.getMessage() for record in caplog.records if "goes without" in record.getMessage()]
    assert f"goes without {40 - count} pictures: all pictures weigh more than 20,000 bytes" in told


def test_a_drawing_is_printed_as_such_and_a_photograph_as_one():
    from emailketing.model import Attachment
    from emailketing.render.photos import printed

    drawing = Attachment("lub.png", "image/png", (PROJECT / "include" / OIL).read_bytes())
    assert printed(drawing, 34).media_type == "image/png"
    photo = printed(Attachment("x", "image/png", photograph(7, (1600, 900))), 34)
    assert (photo.media_type, Image.open(io.BytesIO(photo.data)).size) == ("image/jpeg", (68, 38))
    assert len(photo.data) < 5_000
