"""Every golden mail in a real browser: narrow and wide, light and dark."""

import base64
import os
from functools import cache
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

from emailketing.render import Renderer
from emailketing.settings import PROJECT, load
from tests.cases import read, rendered

CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
CASES = sorted((PROJECT / "tests/golden").glob("*/*/input.yaml"))

#: What a page looks like, asked for at once, because each question to the browser takes a while.
SEEN = """() => {
  const all = selector => [...document.querySelectorAll(selector)];
  const width = e => e.getBoundingClientRect().width;
  const style = e => getComputedStyle(e);
  const rgba = c => (c.match(/[\\d.]+/g) || []).map(Number);
  const lum = ([r, g, b]) => [r, g, b].map(v => v / 255)
    .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = e => { for (; e; e = e.parentElement) {
      const c = rgba(style(e).backgroundColor);
      if (c.length === 3 || c[3] > 0) return c; } return [255, 255, 255]; };
  const texts = () => {
    const found = [];
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
      const e = walker.currentNode.parentElement, text = walker.currentNode.data.trim();
      if (!text || !e.getClientRects().length) continue;
      const a = lum(rgba(style(e).color)), b = lum(behind(e));
      found.push([text, parseFloat(style(e).fontSize), (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05)]);
    }
    return found;
  };
  return {
    // Every piece of visible text, its size in px and its contrast against what lies behind it (WCAG 2).
    texts: texts(),
    width: document.documentElement.scrollWidth,
    right: Math.max(...[...document.images].map(i => i.getBoundingClientRect().right), 0),
    // Of a report the message is the largest, which holds its first figure.
    first: (document.querySelector('.facts-amount') || document.querySelector('h1')).textContent.trim(),
    ground: style(document.querySelector('.card')).backgroundColor,
    tracks: all('.bar-track').map(e => ({
      hidden: e.getAttribute('aria-hidden'),
      text: e.innerText.trim(),
      room: e.clientWidth - parseFloat(style(e).paddingRight),
      bars: [...e.querySelectorAll('table')].map(bar => [bar.getAttribute('width'), width(bar)]),
    })),
    pictures: [...document.images].map(i => [i.alt, i.complete && i.naturalWidth]),
    links: [...document.links].map(a => [a.protocol, a.getBoundingClientRect().height]),
    scripts: document.scripts.length,
    armed: [...document.images].some(i => i.hasAttribute('onerror')),
  };
}"""


@pytest.fixture(scope="module")
def browser():
    if not Path(CHROMIUM).exists():
        pytest.fail(f"There is no browser at {CHROMIUM}: install the Debian package chromium.", pytrace=False)
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        )
        yield running
        running.close()


@pytest.fixture(scope="module")
def renderer():
    return Renderer(PROJECT / "include", company=load().company.model_dump())


@pytest.fixture(scope="module", params=CASES, ids=[f"{path.parts[-3]}/{path.parts[-2]}" for path in CASES])
def mail(request, renderer):
    content = rendered(renderer, request.param.parts[-3], read(request.param.parent), sheet=False)
    html = content.html
    for each in content.attachments:
        data = base64.b64encode(each.data).decode()
        html = (
            html.replace(f"cid:{each.content_id}", f"data:{each.media_type};base64,{data}") if each.content_id else html
        )
    return html


@pytest.fixture(scope="module")
def page(browser):
    """A page for all mails, one after the other."""
    page = browser.new_page()
    page.route("**/*", lambda route: route.abort())
    return page


@pytest.fixture(scope="module")
def seen(page, mail):
    """What the mail looks like on a screen of some width, light or dark."""
    page.set_content(mail)

    @cache
    def seen(width, scheme="light"):
        page.set_viewport_size({"width": width, "height": 800})
        page.emulate_media(color_scheme=scheme)
        return page.evaluate(SEEN)

    return seen


@pytest.mark.parametrize("width", [320, 640])
def test_nothing_is_wider_than_the_screen(seen, width):
    assert seen(width)["width"] <= width
    assert seen(width)["right"] <= width


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_is_large_enough_and_stands_out(seen, scheme):
    texts = seen(320, scheme)["texts"]
    assert len(texts) > 10
    assert [text for text, size, _ in texts if size < 14] == []
    assert [(text, round(contrast, 2)) for text, _, contrast in texts if contrast < 4.5] == []


def test_the_body_is_sixteen_pixels_and_the_first_fact_is_the_largest(seen):
    texts = seen(640)["texts"]
    assert max(texts, key=lambda each: each[1])[0] == seen(640)["first"]
    assert 16 in [size for _, size, _ in texts]


def test_a_bar_is_as_long_as_its_share_and_says_nothing_to_a_screen_reader(seen):
    for track in [*seen(320)["tracks"], *seen(640)["tracks"]]:
        assert track["hidden"] == "true"
        assert not track["text"]
        for share, length in track["bars"]:
            assert abs(length - track["room"] * int(share.rstrip("%")) / 100) <= 4


def test_dark_mode_is_dark(seen):
    assert seen(320, "light")["ground"] == "rgb(255, 255, 255)"
    assert seen(320, "dark")["ground"] == "rgb(26, 32, 38)"


def test_every_picture_is_there_and_says_what_it_shows(seen):
    pictures = seen(640)["pictures"]
    assert pictures
    assert all(alt.strip() and width for alt, width in pictures)


def test_buttons_and_telephone_numbers_can_be_hit_with_a_thumb(seen):
    assert min(height for _, height in seen(320)["links"]) >= 43.9


def test_values_are_text_and_never_markup(seen):
    assert seen(320)["scripts"] == 0
    assert not seen(320)["armed"]
    assert {protocol for protocol, _ in seen(320)["links"]} <= {"mailto:", "tel:", "https:"}
