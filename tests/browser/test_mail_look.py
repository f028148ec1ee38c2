"""Every golden mail in a real browser: narrow and wide, light and dark."""

import base64
import os
from pathlib import Path

import pytest
import yaml
from playwright.sync_api import sync_playwright

from emailketing.render import Renderer
from emailketing.settings import PROJECT, load
from tests.cases import rendered

CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
CASES = sorted((PROJECT / "tests/golden").glob("*/*/input.yaml"))

#: Gives, for every piece of visible text, its size in px and its contrast against what lies behind it (WCAG 2).
TEXTS = """() => {
  const rgba = c => (c.match(/[\\d.]+/g) || []).map(Number);
  const lum = ([r, g, b]) => [r, g, b].map(v => v / 255)
    .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = e => { for (; e; e = e.parentElement) {
      const c = rgba(getComputedStyle(e).backgroundColor);
      if (c.length === 3 || c[3] > 0) return c; } return [255, 255, 255]; };
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const e = walker.currentNode.parentElement, text = walker.currentNode.data.trim();
    if (!text || !e.getClientRects().length) continue;
    const style = getComputedStyle(e), a = lum(rgba(style.color)), b = lum(behind(e));
    found.push([text, parseFloat(style.fontSize), (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05)]);
  }
  return found;
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


@pytest.fixture(scope="module", params=CASES, ids=[f"{path.parts[-3]}/{path.parts[-2]}" for path in CASES])
def mail(request):
    given = yaml.safe_load(request.param.read_text(encoding="utf-8"))
    renderer = Renderer(PROJECT / "include", company=load().company.model_dump())
    content = rendered(renderer, request.param.parts[-3], given, sheet=False)
    html = content.html
    for each in content.attachments:
        data = base64.b64encode(each.data).decode()
        html = (
            html.replace(f"cid:{each.content_id}", f"data:{each.media_type};base64,{data}") if each.content_id else html
        )
    return html


@pytest.fixture(scope="module")
def screens(browser):
    """A page for each width and scheme, for all mails one after the other."""
    return {}


@pytest.fixture(scope="module")
def opened(browser, screens, mail):
    shown = set()

    def open_page(width, scheme="light"):
        if (width, scheme) not in screens:
            page = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
            page.route("**/*", lambda route: route.abort())
            screens[width, scheme] = page
        page = screens[width, scheme]
        if (width, scheme) not in shown:
            page.set_content(mail)
            shown.add((width, scheme))
        return page

    return open_page


@pytest.mark.parametrize("width", [320, 640])
def test_nothing_is_wider_than_the_screen(opened, width):
    page = opened(width)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate("Math.max(...[...document.images].map(i => i.getBoundingClientRect().right), 0)") <= width


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_is_large_enough_and_stands_out(opened, scheme):
    texts = opened(320, scheme).evaluate(TEXTS)
    assert len(texts) > 10
    assert [text for text, size, _ in texts if size < 14] == []
    assert [(text, round(contrast, 2)) for text, _, contrast in texts if contrast < 4.5] == []


def test_the_body_is_sixteen_pixels_and_the_first_fact_is_the_largest(opened):
    page = opened(640)
    texts = page.evaluate(TEXTS)
    # Of a report the message is the largest, which holds its first figure.
    first = page.evaluate(
        "(document.querySelector('.facts-amount') || document.querySelector('h1')).textContent.trim()"
    )
    assert max(texts, key=lambda each: each[1])[0] == first
    assert 16 in [size for _, size, _ in texts]


def test_a_bar_is_as_long_as_its_share_and_says_nothing_to_a_screen_reader(opened):
    for width in (320, 640):
        page = opened(width)
        for track in page.query_selector_all(".bar-track"):
            assert track.get_attribute("aria-hidden") == "true"
            assert not track.inner_text().strip()
            room = track.evaluate("e => e.clientWidth - parseFloat(getComputedStyle(e).paddingRight)")
            for table in track.query_selector_all("table"):
                share = int(table.get_attribute("width").rstrip("%"))
                assert abs(table.evaluate("e => e.getBoundingClientRect().width") - room * share / 100) <= 4


def test_dark_mode_is_dark(opened):
    ground = "getComputedStyle(document.querySelector('.card')).backgroundColor"
    assert opened(320, "light").evaluate(ground) == "rgb(255, 255, 255)"
    assert opened(320, "dark").evaluate(ground) == "rgb(26, 32, 38)"


def test_every_picture_is_there_and_says_what_it_shows(opened):
    pictures = opened(640).evaluate("[...document.images].map(i => [i.alt, i.complete && i.naturalWidth])")
    assert pictures
    assert all(alt.strip() and width for alt, width in pictures)


def test_buttons_and_telephone_numbers_can_be_hit_with_a_thumb(opened):
    heights = opened(320).evaluate("[...document.links].map(a => a.getBoundingClientRect().height)")
    assert min(heights) >= 43.9


def test_values_are_text_and_never_markup(opened):
    page = opened(320)
    assert page.evaluate("document.scripts.length") == 0
    assert page.evaluate("[...document.images].every(i => !i.hasAttribute('onerror'))")
    assert set(page.evaluate("[...document.links].map(a => a.protocol)")) <= {"mailto:", "tel:", "https:"}
