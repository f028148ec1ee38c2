"""One rendering for many readers: what is each one's own, filled in and escaped as each part needs."""

from datetime import date
from decimal import Decimal
from urllib.parse import quote

import pytest

from emailketing.errors import TemplateError
from emailketing.render import Renderer
from emailketing.settings import load

OWN = ("name", "coupon", "balance", "seen_on", "leave", "why")
ANA = {
    "name": "Ana",
    "coupon": "AB-1",
    "balance": Decimal("1234567"),
    "seen_on": date(2026, 11, 3),
    "leave": "https://x.example/leave/a?b&c",
    "why": "compró",
}
LEAVING = '<a href="{{ leave }}">{{ why }}</a>'


@pytest.fixture
def shared(tmp_path):
    def render(language="es", **parts):
        folder = tmp_path / "templates" / "offer"
        folder.mkdir(parents=True, exist_ok=True)
        defaults = {"subject__txt": "S", "text__txt": "x {{ leave }}"}
        for name, text in {**defaults, **parts}.items():
            (folder / f"{name.replace('__', '.')}.j2").write_text(text)
        (folder / "words.es.yaml").write_text('hello: "Hola, %s:"\nwhy_plain: "x"\nleave: "x"\n')
        renderer = Renderer(tmp_path, company=load().company.model_dump())
        return renderer.shared("offer", {"items": [1, 2], "title": "T\ue000aZ0\ue001"}, OWN, language)

    return render


def filled(shared, **values):
    return shared.filled({**ANA, **values})


def test_each_part_is_filled_as_it_needs(shared):
    body = f"<p>{{{{ recipient.name }}}} {{{{ items | length }}}}</p>{LEAVING}"
    made = shared(
        body__html=body,
        subject__txt="{{ recipient.name }} · {{ items[0] }}",
        text__txt="{{ recipient.name }} {{ leave }}",
    )
    content = filled(made, name='<b>"Ñ" & Co\r\nBcc: x')
    assert "<p>&lt;b&gt;&quot;Ñ&quot; &amp; Co Bcc: x 2</p>" in content.html
    assert '<a href="https://x.example/leave/a?b&amp;c">compró</a>' in content.html
    assert content.subject == '<b>"Ñ" & Co Bcc: x · 1'
    assert content.text.splitlines()[0] == '<b>"Ñ" & Co Bcc: x https://x.example/leave/a?b&c'


def test_two_readers_differ_in_what_is_their_own_alone(shared):
    made = shared(body__html=f"<p>{{{{ recipient.name }}}}</p>{LEAVING}")
    assert filled(made).html.replace("Ana", "Bob") == filled(made, name="Bob").html


def test_filters_of_the_house_wait_for_the_value(shared):
    body = (
        "<p>{{ t.hello | format(recipient.name) }} {{ recipient.balance | money('PYG') }} "
        f"{{{{ recipient.seen_on | long_date }}}} {{{{ 'a' ~ recipient.coupon ~ 'b' }}}}</p>{LEAVING}"
    )
    html = filled(shared(body__html=body)).html
    assert "Hola, Ana: Gs.\u00a01.234.567 3 de noviembre de 2026 aAB-1b" in html
    assert "–" in filled(shared(body__html=f"{{{{ recipient.seen_on | or_dash }}}}{LEAVING}"), seen_on=None).html


def test_a_value_in_an_address_is_quoted(shared):
    body = f'<a href="https://shop.example/?c={{{{ recipient.coupon | urlencode }}}}">x</a>{LEAVING}'
    made = shared(body__html=body)
    value = 'a&b="<'
    assert "?c=" + quote(value, safe="") in filled(made, coupon=value).html


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("{% if recipient.name %}x{% endif %}", "nothing can be decided"),
        ("{% if recipient.name == 'Ana' %}x{% endif %}", "nothing can be decided"),
        ("{{ recipient.name[0] }}", "nothing can be decided"),
        ("{{ recipient.name | length }}", "nothing can be decided"),
        ("{% for each in recipient.name %}x{% endfor %}", "nothing can be decided"),
        ("{{ recipient.name | upper }}", "was changed by a filter"),
        ("{{ (recipient.name ~ '') | truncate(2, true, '', 0) }}", "was changed by a filter"),
        ('<p title="{{ recipient.name }}">x</p>', "stands within a tag"),
        ('<a href="{{ recipient.name }}">x</a>', "stands within a tag"),
        ("<style>p { content: {{ recipient.name }} }</style><p>x</p>", "stands within a tag"),
        ("{{ recipient.nam }}", "Did you mean 'name'?"),
    ],
)
def test_what_cannot_be_filled_in_is_told(shared, body, told):
    with pytest.raises(TemplateError, match=told.replace("?", r"\?")):
        shared(body__html=body + LEAVING)


def test_a_file_is_the_same_for_all_so_nothing_personal_stands_in_it(shared):
    with pytest.raises(TemplateError, match="printed once for all") as caught:
        shared(body__html=LEAVING, sheet__html="<title>T</title>\n<p>{{ recipient.name }}</p>")
    assert caught.value.line == 2


def test_a_null_that_would_be_printed_is_told(shared):
    with pytest.raises(TemplateError, match=r"recipient\.name is NULL"):
        filled(shared(body__html=f"{{{{ recipient.name }}}}{LEAVING}"), name=None)


def test_no_text_of_the_erp_can_name_a_place(shared):
    content = filled(
        shared(body__html=f"<p>{{{{ title }}}}</p><p>{{{{ recipient.name }}}}</p>{LEAVING}"), name="\ue000aZ0\ue001"
    )
    assert "<p>TaZ0</p><p>aZ0</p>" in content.html
