"""Tokens by which people leave, and the addresses that carry them."""

import json
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from itsdangerous import URLSafeSerializer

from emailketing.audience import Door, Leaving, looks_like_a_token
from emailketing.errors import SettingsError
from emailketing.model import Kind

SECRET, OTHER = "a secret of the tests alone", "another secret, of the tests too"
DOOR = Door([SECRET], "leave@company.example", "https://news.company.example/mail/")


def test_a_token_says_who_leaves_what_and_is_always_the_same():
    token = DOOR.token("ana@example.com", Kind.CAMPAIGN, "promotion")
    assert token == DOOR.token("ana@example.com", "campaign", "promotion")
    assert DOOR.read(token) == Leaving("ana@example.com", "campaign", "promotion")
    assert DOOR.read(DOOR.token("+595981123456", "all")) == Leaving("+595981123456", "all", "")


def test_a_token_that_was_folded_on_its_way_is_read():
    token = DOOR.token("ana@example.com", "campaign")
    assert DOOR.read(f"  {token[:40]}\r\n {token[40:]}\n") == Leaving("ana@example.com", "campaign")


@given(st.data())
def test_a_token_in_which_a_sign_was_changed_is_refused(data):
    token = DOOR.token("ana@example.com", "campaign", "promotion")
    place = data.draw(st.integers(0, len(token) - 1))
    sign = data.draw(st.sampled_from("abcXYZ019-_."))
    changed = token[:place] + sign + token[place + 1 :]
    if changed == token or place == len(token) - 1:  # the last sign of base64 has bits that say nothing
        return
    with pytest.raises(ValueError, match=r"no token|not signed here"):
        DOOR.read(changed)


@given(st.text(max_size=300))
def test_whatever_is_no_token_is_refused_in_words(text):
    with pytest.raises(ValueError, match="token"):
        DOOR.read(text)


@pytest.mark.parametrize(
    "payload", ["ana@example.com", ["ana@example.com"], ["a", 7], ["a", "b", "c", "d"], {"a": 1}, ["a@b", "everything"]]
)
def test_a_token_of_another_version_is_told(payload):
    from hashlib import sha256

    signer = URLSafeSerializer([SECRET], salt="emailketing.leave", signer_kwargs={"digest_method": sha256})
    with pytest.raises(ValueError, match="another version"):
        DOOR.read(signer.dumps(payload))


def test_another_secret_opens_nothing_unless_it_served_before():
    old, new = Door([OTHER], "leave@company.example"), Door([SECRET, OTHER], "leave@company.example")
    token = old.token("ana@example.com", "campaign")
    assert new.read(token) == old.read(token)
    assert new.token("ana@example.com", "campaign") == DOOR.token("ana@example.com", "campaign")
    with pytest.raises(ValueError, match="not signed here"):
        DOOR.read(token)


def test_a_token_for_another_use_of_the_same_secret_opens_nothing():
    with pytest.raises(ValueError, match="not signed here"):
        DOOR.read(URLSafeSerializer(SECRET, salt="coupon").dumps(["ana@example.com", "campaign"]))


def test_the_ways_out_are_a_page_and_a_mail():
    way = DOOR.way_out("ana@example.com", Kind.GREETING, "birthday")
    assert way.link == way.https
    assert way.https.startswith("https://news.company.example/mail/leave/")
    assert DOOR.read(way.https.rpartition("/")[2]) == Leaving("ana@example.com", "greeting", "birthday")
    parts = urlsplit(way.mailto)
    assert (parts.scheme, parts.path) == ("mailto", "leave@company.example")
    word, token = parse_qs(parts.query)["subject"][0].split()
    assert (word, DOOR.read(token)) == ("unsubscribe", Leaving("ana@example.com", "greeting", "birthday"))


def test_how_people_leave_is_told_in_a_phrase():
    assert str(DOOR) == "by a mail to leave@company.example, and at https://news.company.example/mail"
    assert str(Door([SECRET], "leave@company.example")) == "by a mail to leave@company.example"


def test_without_a_page_a_person_leaves_by_a_mail():
    way = Door([SECRET], "leave+me@company.example").way_out("ana@example.com", "campaign")
    assert way.https == ""
    assert way.link == way.mailto
    assert unquote(urlsplit(way.mailto).path) == "leave+me@company.example"


def test_a_token_of_the_longest_address_fits_into_a_header_line():
    address = f"{'a' * 64}@{'.'.join(['b' * 61] * 3)}"
    way = DOOR.way_out(address, "campaign", "product_presentation")
    assert len(way.https) < 900
    assert DOOR.read(DOOR.token(address, "campaign")).address == address


@pytest.mark.parametrize("address", ['"a b"@x.example', "ñandú@ñ.example", "x'; DROP TABLE--@y.example"])
def test_an_address_of_any_letters_goes_through(address):
    token = DOOR.token(address, "campaign")
    assert looks_like_a_token(token)
    assert DOOR.read(token).address == address
    assert "ñ" not in DOOR.way_out(address, "campaign").mailto


@pytest.mark.parametrize("text", ["ana@example.com", "+595981123456", "campaign", "www.company.example", ""])
def test_an_address_and_a_number_do_not_look_like_tokens(text):
    assert not looks_like_a_token(text)


@pytest.mark.parametrize(
    ("secrets", "mailbox", "base", "told"),
    [
        ([], "leave@company.example", "", "missing or too short"),
        (["short"], "leave@company.example", "", "openssl rand"),
        ([SECRET, ""], "leave@company.example", "", "missing or too short"),
        ([SECRET], "nobody", "", "'nobody' is no e-mail address"),
        ([SECRET], "leave@company.example", "http://news.company.example", "must be https://"),
        ([SECRET], "leave@company.example", "news.company.example", "must be https://"),
        ([SECRET], "leave@company.example", "https://news.company.example/?a=1", "must be https://"),
        ([SECRET], "leave@company.example", "https://", "must be https://"),
        ([SECRET], "leave@company.example", "https://news.company.example/a b>", "no address may have"),
    ],
)
def test_what_cannot_serve_is_told_without_the_secret(secrets, mailbox, base, told):
    with pytest.raises(SettingsError) as caught:
        Door(secrets, mailbox, base)
    assert told in str(caught.value)
    assert SECRET not in str(caught.value)
    assert json.dumps(SECRET) not in repr(DOOR)
