"""What the shipped mailings must keep, whatever the ERP gives: where a page breaks, what fits a phone."""

import pytest
import yaml

from emailketing.model import Recipient
from emailketing.render import Renderer
from emailketing.settings import PROJECT, load
from tests import cases, paper

GOLDEN = PROJECT / "tests" / "golden"

#: GSM 03.38, the basic alphabet; whatever else costs a text twice its room.
GSM = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿"
    "abcdefghijklmnopqrstuvwxyzäöñüà"
)


@pytest.fixture(scope="module")
def renderer():
    return Renderer(PROJECT / "include", company=load().company.model_dump())


def given(case):
    told = cases.read(GOLDEN / case)
    return told["row"], told["lines"], Recipient(**told["recipient"])


def pages_of(renderer, case, count):
    """The words of the PDF's pages when the document has `count` lines."""
    row, lines, recipient = given(case)
    many = [{**lines[at % len(lines)], "number": f"F-{at:04d}", "code": f"F-{at:04d}"} for at in range(count)]
    content = renderer.render(case.split("/")[0], {**row, "lines": many}, recipient)
    (pdf,) = [each for each in content.attachments if each.media_type == "application/pdf"]
    return paper.pages(pdf.data)


@pytest.mark.parametrize("count", [1, 2, 3, *range(5, 13), 20, 25, 30, 31, 32, 60])
def test_the_place_to_sign_is_with_the_total_and_the_last_invoices_in_each_copy(renderer, count):
    pages = pages_of(renderer, "payment_order/es", count)
    each = len(pages) // 2
    assert len(pages) == 2 * each
    for label, copy in (("Original – traer firmado", pages[:each]), ("Copia – para el proveedor", pages[each:])):
        assert label in copy[0]
        assert all(f"Página {at} de {each}" in " ".join(page.split()) for at, page in enumerate(copy, 1))
        (signed,) = [page for page in copy if "C.I. N.º" in page]
        assert signed is copy[-1]
        for beside in ("Neto a cobrar", "Son:", "Lugar y fecha", f"F-{count - 1:04d}", f"F-{max(0, count - 2):04d}"):
            assert beside in signed
        assert [f"F-{at:04d}" in " ".join(copy) for at in range(count)] == [True] * count


@pytest.mark.parametrize("count", [1, 2, 15, 16, 17, 18, 19, 20, 50])
def test_the_taxes_and_the_total_of_a_quotation_are_with_its_last_lines(renderer, count):
    pages = pages_of(renderer, "quotation/es", count)
    (summed,) = [page for page in pages if "Base sin IVA" in page]
    assert summed is next(page for page in pages if "Gs. 19.874.500" in page.replace("\xa0", " "))
    assert f"F-{count - 1:04d}" in summed
    assert all("Código" in page for page in pages if "F-0" in page)


@pytest.mark.parametrize("case", sorted(path.parent.name for path in GOLDEN.glob("receipt/*/input.yaml")))
def test_a_phone_text_is_plain_begins_with_the_sender_and_is_one_piece(renderer, case):
    row, lines, recipient = given(f"receipt/{case}")
    phone = renderer.render("receipt", {**row, "lines": lines}, recipient).phone
    assert phone.startswith(load().company.name)
    assert set(phone) <= GSM
    assert len(phone) <= 160 or case == "long_words"


def test_a_reminder_says_what_it_does_not_say_otherwise_as_the_payment_order_does():
    otherwise = {"title", "revised_title", "happened", "revised", "phone"}
    for language in ("es", "en"):
        order, reminder = (
            yaml.safe_load((PROJECT / "include/templates" / name / f"words.{language}.yaml").read_text())
            for name in ("payment_order", "payment_order_reminder")
        )
        assert {name for name in order if reminder.get(name) != order[name]} == otherwise
        assert reminder.keys() == order.keys()
