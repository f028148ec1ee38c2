import io
import os
import subprocess
import sys
from pathlib import Path

import pypdf
import pytest

from emailketing.errors import TemplateError
from emailketing.model import Attachment, Recipient
from emailketing.render import Renderer
from emailketing.settings import PROJECT, load

PNG = (PROJECT / "include/assets/logo.png").read_bytes()
ANA = Recipient("ana@example.com", "Ana", "es")


@pytest.fixture
def write(tmp_path):
    def write(**files):
        for name, text in files.items():
            path = tmp_path / "templates" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        return Renderer(tmp_path, company=load().company.model_dump())

    return lambda files: write(**files)


@pytest.fixture
def order(write):
    """A renderer for a mailing 'order' with the given parts; a subject is there by default."""
    return lambda **parts: write(
        {f"order/{name.replace('__', '.')}.j2": text for name, text in {"subject__txt": "S", **parts}.items()}
    )


def test_rendering_does_not_import_the_printer_before_the_first_sheet():
    code = "import sys, emailketing.render; sys.exit('weasyprint' in sys.modules)"
    env = {**os.environ, "PYTHONPATH": str(PROJECT / "plugins")}
    assert subprocess.run([sys.executable, "-c", code], env=env, check=False).returncode == 0


def test_a_subject_is_one_line_whatever_the_value_holds(order):
    subject = (
        order(subject__txt="Orden\n {{ name }}").render("order", {"name": "x\r\nBcc: a@b\x0b\x85\u2028y"}, ANA).subject
    )
    assert subject == "Orden x Bcc: a@by"
    assert subject.splitlines() == [subject]


def test_values_are_escaped_in_html_and_left_alone_in_text(order):
    content = order(body__html="<p>{{ x }}</p>", text__txt="{{ x }}").render("order", {"x": "<b>&{{ 1 }}"}, ANA)
    assert "&lt;b&gt;&amp;{{ 1 }}" in content.html
    assert content.text == "<b>&{{ 1 }}\n"


def test_a_macro_of_a_file_of_any_name_is_escaped_in_html(write):
    macro = "{% macro shown(x) %}{{ x }}{% endmacro %}"
    body = "<p>{% from 'order/macros.j2' import shown %}{{ shown(x) }}</p>"
    files = {"order/macros.j2": macro, "order/body.html.j2": body, "order/subject.txt.j2": "S"}
    content = write(files).render("order", {"x": "<b>"}, ANA)
    assert "<p>&lt;b&gt;</p>" in content.html


def test_the_check_refuses_text_that_would_stand_in_html_without_being_escaped(order):
    body = "\n{% from 'order/subject.txt.j2' import shown %}{{ shown('x') }}"
    (error,) = order(body__html=body, subject__txt="{% macro shown(x) %}{{ x }}{% endmacro %}S").check("order")
    assert (Path(error.path).name, error.line) == ("body.html.j2", 2)
    assert "without being escaped" in str(error)


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ("es_PY", "es_PY"),
        ("es-py", "es_PY"),
        ("es", "es_PY"),
        ("en-US", "en"),
        ("EN", "en"),
        ("pt", "es_PY"),
        ("", "es_PY"),
    ],
)
def test_the_language_is_the_recipient_s_then_the_company_s(order, wanted, expected):
    renderer = order(text__es_PY__txt="py", text__es__txt="es", text__en__txt="en", text__txt="none")
    assert renderer.language("order", wanted) == expected
    text = renderer.render("order", {}, Recipient("a@b", "", wanted)).text
    assert text == {"es_PY": "py\n", "en": "en\n"}[expected]


def test_a_language_that_is_no_language_is_the_company_s(order):
    renderer = order(text__es__txt="{{ 1234.5 | number }}", text__en__txt="{{ 1234.5 | number }}")
    assert renderer.render("order", {}, Recipient("a@b", "", "../../etc")).text == "1.234,5\n"
    assert renderer.render("order", {}, Recipient("a@b", "", "en")).text == "1,234.5\n"


def test_any_language_serves_when_there_is_no_other(order):
    assert order(text__de__txt="Guten Tag").render("order", {}, ANA).text == "Guten Tag\n"


def test_words_come_from_the_layout_and_from_the_mailing_over_it(write):
    renderer = write(
        {
            "order/subject.txt.j2": "{{ t.items }} {{ t.page }}",
            "order/text.txt.j2": "x",
            "order/words.es.yaml": "items: Artículos",
            "_layout/words.es.yaml": "items: Otro\npage: Página",
        }
    )
    assert renderer.render("order", {}, ANA).subject == "Artículos Página"


def test_an_unknown_variable_is_told_with_file_line_and_nearest_name(order, tmp_path):
    with pytest.raises(TemplateError) as caught:
        order(text__txt="one\ntwo {{ totl }}").render("order", {"total": 1}, ANA)
    assert caught.value.path == tmp_path / "templates/order/text.txt.j2"
    assert caught.value.line == 2
    assert "'totl' is undefined" in str(caught.value)
    assert "Did you mean 'total'?" in str(caught.value)


def test_an_unknown_column_of_a_line_is_told_with_the_nearest_one(order):
    with pytest.raises(TemplateError, match="There is no 'descripton' here") as caught:
        order(text__txt="{% for l in lines %}{{ l.descripton }}{% endfor %}").render(
            "order", {"lines": [{"description": 1}]}, ANA
        )
    assert "Did you mean 'description'?" in str(caught.value)


def test_an_unknown_word_is_told(order):
    with pytest.raises(TemplateError, match=r"no word 'totl' in words"):
        order(text__txt="{{ t.totl }}").render("order", {}, ANA)


def test_a_null_given_to_a_filter_is_told_with_line_and_variable(order):
    with pytest.raises(TemplateError) as caught:
        order(text__txt="\n\n{{ total | money('PYG') }}").render("order", {"total": None}, ANA)
    assert caught.value.line == 3
    assert "NULL was given where a number is needed (total is NULL)" in str(caught.value)


def test_a_null_is_never_printed_as_none(order):
    with pytest.raises(TemplateError, match="NULL would be printed here"):
        order(text__txt="{{ notes }}").render("order", {"notes": None}, ANA)
    assert order(text__txt="{{ notes | or_dash }}").render("order", {"notes": None}, ANA).text == "–\n"


def test_an_error_in_a_macro_names_the_macro_and_its_caller(write):
    renderer = write(
        {
            "_layout/m.txt.j2": "{% macro m(x) %}\n{{ x | money('PYG') }}{% endmacro %}",
            "order/subject.txt.j2": "{% from '_layout/m.txt.j2' import m %}\n\n{{ m(none) }}",
        }
    )
    with pytest.raises(TemplateError, match=r"m\.txt\.j2:2") as caught:
        renderer.render("order", {}, ANA)
    assert "Called from order/subject.txt.j2:3." in str(caught.value)


def test_any_other_error_of_a_template_is_its_author_s_too(order):
    with pytest.raises(TemplateError, match=r"text\.txt\.j2:1: ZeroDivisionError"):
        order(text__txt="{{ 1 / 0 }}").render("order", {}, ANA)


@pytest.mark.parametrize("mailing", ["ordr", "../order", "", "Order", "_layout"])
def test_an_unknown_mailing_is_told(order, mailing):
    with pytest.raises(TemplateError, match="no template folder"):
        order().render(mailing, {}, ANA)


def test_the_text_part_is_derived_from_the_html_without_what_is_hidden(order):
    html = (
        "<body><div style='display:none'>hidden</div><h1>Hola</h1><table><tr><td>Total</td><td>Gs. 5</td></tr></table>"
    )
    text = order(body__html=html).render("order", {}, ANA).text
    assert text.splitlines() == ["Hola", "", "Total  Gs. 5"]


def test_small_print_stands_in_brackets_in_the_derived_text(order):
    row = '<td>Mesa<br><span class="lines-detail">1 un × 5</span></td><td>1.100.000</td>'
    text = order(body__html=f"<table><tr>{row}</tr></table>").render("order", {}, ANA).text
    assert text.splitlines() == ["Mesa (1 un × 5)  1.100.000"]


def test_no_line_parts_a_number_from_its_unit_or_ends_with_a_middle_dot(order):
    html = "<p style='margin: 0 0 1px'>Aceite 10W-40 5 l, 2,5 kg · 3 latas, 4 lunas, 36,7 l/100 km</p>"
    page = order(body__html=html).render("order", {}, ANA).html
    assert ">Aceite 10W-40 5\u00a0l, 2,5\u00a0kg ·\u00a03 latas, 4 lunas, 36,7 l/100\u00a0km<" in page
    html = '<p class="c1 t" title="x">2 t</p>'
    assert '<p class="c1 t" title="x">2\u00a0t</p>' in order(body__html=html).render("order", {}, ANA).html


def test_styles_go_into_attributes_and_only_media_queries_stay(order):
    html = "<html><head><style>p{color:#111}@media (max-width:1px){p{color:red!important}}</style></head><body><p>x</p>"
    page = order(body__html=html).render("order", {}, ANA).html
    assert '<p style="color: #111;">' in page
    assert "@media" in page
    assert page.count("#111") == 1


def test_a_picture_travels_once_with_its_content_id(order, tmp_path):
    (tmp_path / "assets").mkdir()
    (tmp_path / "assets/a.png").write_bytes(PNG)
    (tmp_path / "assets/a.svg").write_text("<svg/>")
    body = "{{ picture('assets/a.png') }} {{ picture('assets/a.svg') }} {{ picture(chart) }}"
    content = order(body__html=body).render("order", {"chart": Attachment("c.png", "image/png", PNG + b"x")}, ANA)
    assert [each.filename for each in content.attachments] == ["a.png", "c.png"]
    first, second = (each.content_id for each in content.attachments)
    assert content.html.count(f"cid:{first}") == 2
    assert content.html.count(f"cid:{second}") == 1


@pytest.mark.parametrize(
    "name", ["../secret.png", "/etc/hostname", "assets/none.png", "assets/link.png", "templates/order/body.html.j2"]
)
def test_a_picture_outside_include_or_missing_is_refused_with_its_line(order, tmp_path, name):
    (tmp_path / "assets").mkdir(exist_ok=True)
    outside = tmp_path.parent / "secret.png"
    outside.write_bytes(PNG)
    (tmp_path / "assets/link.png").symlink_to(outside)
    with pytest.raises(TemplateError):
        order(body__html=f"<img src=\"{{{{ picture('{name}') }}}}\">").render("order", {}, ANA)


def test_a_mail_that_clients_would_cut_is_refused(order):
    with pytest.raises(TemplateError, match="mail clients cut it"):
        order(body__html="{{ 'x' * 101000 }}").render("order", {}, ANA)


# Sheets


def printed(renderer, *, proof):
    (renderer.proof if proof else renderer).render("order", {}, Recipient("a@x.example"))


def sheet_of(renderer, **row):
    return renderer.render("order", row, ANA).attachments[-1]


def test_a_sheet_is_named_by_its_title_and_says_who_wrote_it_in_which_language(order):
    head = "<title>Orden {{ n }}</title><meta name='author' content='{{ company.name }}'>"
    html = f"<html lang='{{{{ language }}}}'><head>{head}</head>x"
    sheet = sheet_of(order(sheet__html=html), n='../../4512\r\n\u202e"x"' + "y" * 300)
    assert sheet.filename.startswith("Orden ..-..-4512 -x-y")
    assert len(sheet.filename) <= 124
    assert sheet.filename.endswith(".pdf")
    reader = pypdf.PdfReader(io.BytesIO(sheet.data))
    assert reader.metadata.author == "Petrolera del Este S.A."
    assert reader.metadata.title.startswith("Orden ../../4512")
    root = reader.trailer["/Root"]
    assert root["/Lang"] == "es"
    assert root["/MarkInfo"]["/Marked"]


def test_a_sheet_for_several_recipients_is_written_once_and_always_alike(order):
    renderer = order(sheet__html="<title>x</title>{{ n }}")
    assert sheet_of(renderer, n=1) is sheet_of(renderer, n=1)
    assert sheet_of(renderer, n=1) is not sheet_of(renderer, n=2)
    assert sheet_of(order(sheet__html="<title>x</title>{{ n }}"), n=1) == sheet_of(renderer, n=1)


@pytest.mark.parametrize(
    "address",
    [
        "http://127.0.0.1:1/x.png",
        "https://example.com/x.png",
        "file:///etc/hostname",
        "file://server/x.png",
        "../outside.png",
        "assets/%2e%2e/%2e%2e/outside.png",
        "assets/link.png",
        "data:image/png;base64,iVBORw0KGgo=",
        "ftp://example.com/x",
        "picture:0000",
    ],
)
@pytest.mark.parametrize("proof", [False, True])
def test_a_sheet_fetches_nothing_from_outside(order, tmp_path, address, proof):
    (tmp_path.parent / "outside.png").write_bytes(PNG)
    (tmp_path / "assets").mkdir()
    (tmp_path / "assets/link.png").symlink_to(tmp_path.parent / "outside.png")
    with pytest.raises(TemplateError, match=r"sheet\.html\.j2") as caught:
        printed(order(sheet__html=f"<title>x</title><img src='{address}'>"), proof=proof)
    assert any(word in str(caught.value) for word in ("nothing is fetched", "outside the include folder", "no file"))


@pytest.mark.parametrize("proof", [False, True])
@pytest.mark.parametrize(
    "style",
    [
        "@import url(https://example.com/a.css);",
        "@import 'https://example.com/a.css';",
        "body{background:url(file:///etc/hostname)}",
        "body{background:url('file:///etc/hostname')}",
    ],
)
def test_a_sheet_s_style_cannot_fetch_from_outside_either(order, style, proof):
    with pytest.raises(TemplateError):
        printed(order(sheet__html=f"<title>x</title><style>{style}</style>x"), proof=proof)


@pytest.mark.parametrize("proof", [False, True])
def test_a_style_in_a_tag_cannot_either(order, proof):
    html = "<title>x</title><p style='background: url(&quot;file:///etc/hostname&quot;)'>x</p>"
    with pytest.raises(TemplateError):
        printed(order(sheet__html=html), proof=proof)


def test_a_picture_in_a_sheet_cannot_fetch_from_outside(order, tmp_path):
    (tmp_path / "assets").mkdir()
    (tmp_path / "assets/a.svg").write_text(
        '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9">'
        '<image href="file:///etc/hostname" width="9" height="9"/></svg>'
    )
    with pytest.raises(TemplateError):
        sheet_of(order(sheet__html="<title>x</title><img src=\"{{ picture('assets/a.svg') }}\">"))


def test_a_sheet_shows_files_and_pictures_of_include(order, tmp_path):
    (tmp_path / "assets").mkdir()
    (tmp_path / "assets/a b.png").write_bytes(PNG)
    html = "<title>x</title><img src='assets/a b.png'><img src=\"{{ picture('assets/a b.png') }}\">"
    page = pypdf.PdfReader(io.BytesIO(sheet_of(order(sheet__html=html)).data)).pages[0]
    assert len(page.images) >= 1


def test_a_proof_writes_no_pdf_and_lays_a_template_s_short_sheet_out_once(order, tmp_path):
    (tmp_path / "assets").mkdir()
    (tmp_path / "assets/a b.png").write_bytes(PNG)
    style = "<style>p{background:url('assets/a b.png')} q{filter:url(#x)}</style>"
    html = f"<title>x</title>{style}<img src=\"{{{{ picture('assets/a b.png') }}}}\">{{{{ text }}}}"
    renderer = order(sheet__html=html)
    for text in ("x" * 50_000, "short", "another"):
        content = renderer.proof.render("order", {"text": text}, Recipient("a@x.example"))
        assert [each.media_type for each in content.attachments] == []
    assert [each.media_type for each in renderer.proof._printer._written.values()] == ["application/pdf"]
    assert sheet_of(renderer, text="short").media_type == "application/pdf"
    with pytest.raises(TemplateError, match=r"sheet\.html\.j2:1"):
        order(sheet__html="{{ nothing }}").proof.render("order", {}, Recipient("a@x.example"))


# The check, without data


def told(renderer, mailing="order", **more):
    return [str(error) for error in renderer.check(mailing, **more)]


def test_of_a_null_it_is_said_what_to_write_and_a_caller_in_the_same_file_is_not_told(order):
    macro = "{% macro m(x) %}\n{{ x | long_date | or_dash }}\n{% endmacro %}\n{{ m(due_on) }}"
    with pytest.raises(TemplateError) as caught:
        order(text__txt=macro).render("order", {"due_on": None}, ANA)
    assert "{{ x | long_date if x is not none else '–' }}; or_dash behind a filter comes too late." in str(caught.value)
    assert "Called from" not in str(caught.value)
    written = order(text__txt="{{ due_on | long_date if due_on is not none else '–' }}")
    assert written.render("order", {"due_on": None}, ANA).text == "–\n"


def test_a_word_with_too_few_places_is_named_with_its_file(write):
    files = {"order/subject.txt.j2": "S", "order/words.es.yaml": 'hello: "Hola, %s"\nbye: "Adiós"'}
    renderer = write({**files, "order/text.txt.j2": "{{ t.hello | format(name) }}\n{{ t.bye | format(name) }}"})
    with pytest.raises(TemplateError) as caught:
        renderer.render("order", {"name": "Ana"}, ANA)
    assert "text.txt.j2:2: not all arguments converted during string formatting" in str(caught.value)
    assert "see the places (%s) in words.es.yaml, bye: 'Adiós'." in str(caught.value)


def test_a_macro_that_is_not_there_is_told_with_the_nearest_one(write):
    macros = "{% set sign = 1 %}{% macro facts(x) %}{{ x }}{% endmacro %}"
    text = "{% from '_layout/m.txt.j2' import fact, sign as s %}\n{{ fact(1) }}"
    renderer = write({"_layout/m.txt.j2": macros, "order/subject.txt.j2": "S", "order/text.txt.j2": text})
    (error,) = renderer.check("order")
    assert str(error).endswith("text.txt.j2:1: There is no macro 'fact' in _layout/m.txt.j2.\n  Did you mean 'facts'?")
    with pytest.raises(TemplateError, match=r"text.txt.j2:2: There is no macro 'fact' in _layout/m.txt.j2"):
        renderer.render("order", {}, ANA)


def test_the_shipped_mailings_pass_the_check():
    renderer = Renderer(PROJECT / "include", company=load().company.model_dump())
    folder = PROJECT / "include" / "templates"
    reports = [name for name in renderer.mailings() if not (folder / name / "subject.txt.j2").exists()]
    assert {mailing: told(renderer, mailing, whole=mailing in reports) for mailing in renderer.mailings()} == {
        mailing: [] for mailing in renderer.mailings()
    }
    assert "purchase_order" in renderer.mailings()
    assert "income_statement" in reports


@pytest.mark.parametrize(
    ("template", "line", "said"),
    [
        ("a\n{% if x %}", 2, "Unexpected end of template"),
        ("a\n{{ x | mony }}", 2, "Did you mean 'money'?"),
        ("{% extends 'order/subjct.txt.j2' %}", 1, "Did you mean 'order/subject.txt.j2'?"),
        ("\n{{ picture('assets/none.png') }}", 2, "There is no file 'assets/none.png'"),
        ("{{ t.totl }}", 1, "There is no word 'totl' in words.es.yaml"),
    ],
)
def test_the_check_tells_file_and_line_of_what_is_wrong(order, template, line, said):
    errors = order(text__txt=template).check("order")
    assert [error.line for error in errors] == [line]
    assert Path(errors[0].path).name == "text.txt.j2"
    assert said in str(errors[0])


def test_the_check_tells_which_part_is_missing(write):
    assert any("has no subject" in each for each in told(write({"order/text.txt.j2": "x"})))
    assert any("nothing to read" in each for each in told(write({"empty/subject.txt.j2": "x"}), "empty"))
    assert any("no template folder" in each for each in told(write({"order/text.txt.j2": "x"}), "ordr"))


def test_the_check_tells_the_line_of_words_that_cannot_be_read(write):
    errors = write(
        {"order/text.txt.j2": "x", "order/subject.txt.j2": "x", "order/words.es.yaml": 'a: "b"\nc: [d\n'}
    ).check("order")
    assert [(Path(error.path).name, error.line) for error in errors] == [("words.es.yaml", 3)]


def test_the_check_names_what_is_wrong_in_words(write):
    (error,) = write({"order/text.txt.j2": "x", "order/subject.txt.j2": "x", "order/words.es.yaml": "a: *b\n"}).check(
        "order"
    )
    assert "found undefined alias 'b'" in str(error)


def test_only_what_a_channel_carries_is_rendered(order):
    parts = {"body__html": "<p>mail</p>", "phone__txt": "\n text \n", "sheet__html": "{{ 1 / 0 }}"}
    renderer = order(**parts)
    to_phone = renderer.render("order", {}, ANA, "phone")
    assert (to_phone.phone, to_phone.subject, to_phone.html, to_phone.text) == ("text", "", "", "")
    with pytest.raises(TemplateError, match="sheet"):
        renderer.render("order", {}, ANA, "email")
    mail = order(**{**parts, "sheet__html": "", "phone__txt": "{{ 1 / 0 }}"}).render("order", {}, ANA, "email")
    assert (mail.phone, mail.subject) == ("", "S")
    assert "mail" in mail.html
    whole = order(**{**parts, "sheet__html": ""}).render("order", {}, ANA)
    assert (whole.phone, whole.subject) == ("text", "S")


def test_a_mailing_for_the_phone_alone_needs_no_subject(write):
    renderer = write({"order/phone.txt.j2": "Hola"})
    assert renderer.render("order", {}, ANA).phone == "Hola"
    assert renderer.check("order", ["phone"]) == []
    with pytest.raises(TemplateError, match="subject"):
        renderer.render("order", {}, ANA, "email")


def test_a_channel_to_which_a_mailing_says_nothing_is_found(write):
    (error,) = write({"order/subject.txt.j2": "S", "order/text.txt.j2": "x"}).check("order", ["email", "phone"])
    assert "has no text for the phone" in str(error)
    assert "phone.txt.j2" in str(error)
    (error,) = write({"sms/phone.txt.j2": "x"}).check("sms", ["email", "phone"])
    assert "nothing to read in an e-mail" in str(error)


def test_without_a_text_for_the_phone_there_is_nothing_to_render(order):
    with pytest.raises(TemplateError, match=r"has no phone(.|\n)*phone\.txt\.j2"):
        order(text__txt="x").render("order", {}, ANA, "phone")


LEAVE = "mailto:leave@company.example?subject=unsubscribe%20abc.def"
OFFER = {
    "offer/subject.txt.j2": "S",
    "offer/words.es.yaml": 'a: "b"',
    "offer/words.en.yaml": 'a: "b"',
    "offer/body.html.j2": '{% extends "_layout/advertising.html.j2" %}{% block content %}<p>Diesel</p>{% endblock %}',
}
KNOWN = {"why": "compró diésel <b>en marzo</b>", "leave": LEAVE}


@pytest.fixture
def offer(tmp_path):
    def offer(**files):
        for name, text in {**OFFER, **files}.items():
            path = tmp_path / "templates" / name.replace("__", ".")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        return Renderer(tmp_path, company=load().company.model_dump() | {"logo": ""}, shared=PROJECT / "include")

    return offer


@pytest.mark.parametrize("language", ["es", "en"])
def test_an_advertisement_says_why_one_gets_it_how_to_leave_and_who_sends_it(offer, language):
    text = "Diesel\n\n{% include '_layout/advertising.txt.j2' %}"
    content = offer(**{"offer/text.txt.j2": text}).render("offer", KNOWN, Recipient("a@b.example", "", language))
    assert f'href="{LEAVE}"' in content.html
    assert "compró diésel &lt;b&gt;en marzo&lt;/b&gt;" in content.html
    for part in (content.html, content.text):
        assert load().company.name in part
        assert load().company.address.splitlines()[0] in part
        assert {"es": "No quiero recibir más", "en": "No more messages like this"}[language] in part
    assert f": {LEAVE}\n" in content.text
    assert "compró diésel <b>en marzo</b>\n" in content.text


def test_a_text_that_is_derived_tells_the_address_for_leaving(offer):
    content = offer().render("offer", KNOWN, ANA)
    assert content.text.endswith(f"No quiero recibir más mensajes así: {LEAVE}\n")


def test_without_a_reason_the_consent_is_the_reason(offer):
    assert "usted aceptó recibir nuestros mensajes." in offer().render("offer", {**KNOWN, "why": ""}, ANA).html


@pytest.mark.parametrize(
    ("files", "told"),
    [
        ({"offer/body.html.j2": "<p>Diesel</p>"}, r"The mail does not say how to leave(.|\n)*advertising\.html\.j2"),
        ({"offer/text.txt.j2": "Diesel"}, r"The text part does not say how to leave(.|\n)*advertising\.txt\.j2"),
    ],
)
def test_an_advertisement_that_hides_the_way_out_is_not_rendered(offer, files, told):
    with pytest.raises(TemplateError, match=told):
        offer(**files).render("offer", KNOWN, ANA)


def test_a_template_that_says_how_to_leave_is_told_nothing_of_it_for_a_document(offer):
    with pytest.raises(TemplateError, match=r"leave|why"):
        offer().render("offer", {}, ANA)
