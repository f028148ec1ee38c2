"""What a mail is told to mend before it goes to many."""

import pytest

from emailketing.model import Attachment, Content
from emailketing.render.lint import Level, findings

LEAVE = "https://x.example/leave/abc"
LONG = "Una oferta para usted, con todo lo que hace falta saber de ella, y a quién preguntar. " * 2
GOOD = f'<p>{LONG}</p><img src="cid:a" alt="Aceite"><a href="{LEAVE}">x</a><a href="tel:+595">y</a>'


def told(html=GOOD, subject="Aceite 4 l · Gs. 180.000", text=f"hola {LEAVE}", **more):
    return findings(Content(subject, text, html, **more), leave=LEAVE)


def test_a_good_mail_has_nothing_to_mend():
    assert told() == []


@pytest.mark.parametrize(
    ("changes", "level", "what"),
    [
        ({"subject": ""}, Level.ERROR, "subject is empty"),
        ({"subject": "x" * 61}, Level.WARNING, "subject has 61"),
        ({"subject": "GRATIS SOLO HOY"}, Level.WARNING, "shouts"),
        ({"text": "sin salida"}, Level.ERROR, "text part shows no way to leave"),
        ({"html": GOOD.replace(LEAVE, "https://y.example")}, Level.ERROR, "HTML part shows no way to leave"),
        ({"html": GOOD + "x" * 100_000}, Level.ERROR, "cut at 100,000"),
        ({"html": GOOD.replace(' alt="Aceite"', "")}, Level.ERROR, "no alt text"),
        ({"html": GOOD.replace("Aceite", " ")}, Level.ERROR, "no alt text"),
        ({"html": GOOD.replace(LONG, "Oferta")}, Level.WARNING, "all pictures"),
        ({"html": GOOD.replace("cid:a", "https://x.example/a.png")}, Level.WARNING, "fetched from the web"),
        ({"html": GOOD + '<a href="">x</a>'}, Level.ERROR, "leads nowhere"),
        ({"html": GOOD + '<a href="/ofertas">x</a>'}, Level.ERROR, "is relative"),
        ({"html": GOOD + '<a href="http://x.example">x</a>'}, Level.WARNING, "not encrypted"),
        ({"html": GOOD + '<a href="javascript:x">x</a>'}, Level.ERROR, "do not follow"),
        ({"html": GOOD + '<a href="https://localhost/x">x</a>'}, Level.ERROR, "no server"),
        ({"attachments": (Attachment("a.png", "image/png", bytes(700_000), "a"),)}, Level.WARNING, "weigh 700,000"),
    ],
)
def test_each_fault_is_told_alone(changes, level, what):
    (finding,) = told(**changes)
    assert finding.level is level
    assert what in finding.what


def test_a_mail_without_a_text_part_is_told():
    assert "there is no text part" in [finding.what for finding in told(text="")]
