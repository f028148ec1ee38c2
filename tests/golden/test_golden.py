"""A folder is a case: tests/golden/<mailing>/<case>/input.yaml gives a row and its lines, or a report, and a recipient.

The expected files beside it are written by `pytest tests/golden --golden-write` (or GOLDEN=write) and read by a person.
PDFs are compared by their letters, page by page, so that a new version of a font, of the printer or of poppler, which
guesses where a word ends, does not matter.
"""

import os

import yaml

from emailketing.channels.gsm7 import segments, transliterated
from emailketing.settings import PROJECT
from tests import paper
from tests.cases import read, rendered
from tests.golden.conftest import HERE


def test_the_case_gives_what_is_expected(case, renderer, request):
    content = rendered(renderer, case.parent.name, read(case))
    files = dict(parts(content))
    if request.config.getoption("--golden-write", default=False) or os.environ.get("GOLDEN") == "write":
        write(case, files)
    expected = {path.name: path.read_text(encoding="utf-8") for path in case.iterdir() if path.name != "input.yaml"}
    assert sorted(files) == sorted(expected), "other parts than expected; `make golden` writes them anew"
    for name, text in files.items():
        assert comparable(name, text) == comparable(name, expected[name]), f"{case / name} differs"


def parts(content):
    yield "subject.txt", content.subject + "\n"
    yield "text.txt", content.text
    if content.html:
        yield "body.html", content.html.rstrip("\n") + "\n"
    if content.phone:
        yield "phone.txt", content.phone + "\n"
    for attachment in content.attachments:
        if attachment.media_type == "application/pdf":
            yield "sheet.txt", told(attachment)


def told(sheet):
    pages = paper.pages(sheet.data)
    texts = [f"--- page {number} of {len(pages)}\n{text}" for number, text in enumerate(pages, 1)]
    return "\n".join([sheet.filename, *texts])


def comparable(name, text):
    return "".join(text.split()) if name == "sheet.txt" else text


def write(case, files):
    for path in case.iterdir():
        if path.name != "input.yaml" and path.name not in files:
            path.unlink()
    for name, text in files.items():
        (case / name).write_text(text, encoding="utf-8")


def test_every_golden_phone_message_is_one_piece():
    for case in HERE.glob("*/*/phone.txt"):
        message = case.read_text(encoding="utf-8").rstrip("\n")
        assert message.isprintable(), case
        assert segments(transliterated(message)) == 1 or case.parts[-3:-1] == ("receipt", "long_words"), case


def test_words_made_for_the_phone_cost_no_other_alphabet():
    for path in (PROJECT / "include" / "templates").glob("*/words.*.yaml"):
        words = yaml.safe_load(path.read_text(encoding="utf-8"))
        assert all(text.isascii() for name, text in words.items() if name.startswith("short_")), path
