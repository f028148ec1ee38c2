"""Rows become events, events become envelopes with keys; the cursor goes neither back nor into the future."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emailketing import audience, events
from emailketing.events import BadRow
from emailketing.model import (
    Epoch,
    Event,
    Mailing,
    Recipient,
    State,
    Telling,
    key_parts,
    masked,
    message_id,
    message_key,
)

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
ORDER = Mailing("purchase_order", expires_after_s=3600)


def row(**columns):
    return {"document": "4512", "changed_at": NOW, **columns}


def test_a_row_without_a_version_is_the_first():
    event = events.event(ORDER, row())
    assert (event.version, event.variables["version"]) == ("1", "1")


def test_a_row_is_an_event_with_its_columns_as_variables():
    event = events.event(ORDER, row(version=2, total=5))
    assert event == Event("purchase_order", "4512", "2", NOW, row(version=2, total=5))


@pytest.mark.parametrize(
    ("value", "silent"), [(1, True), ("t", True), (True, True), (0, False), (None, False), ("f", False)]
)
def test_silent_is_understood_as_each_database_says_it(value, silent):
    assert events.event(ORDER, row(silent=value)).silent is silent


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ({"document": None}, "document is empty"),
        ({"document": " "}, "document is empty"),
        ({"changed_at": None}, "which is no time"),
        ({"changed_at": "soon"}, "which is no time"),
        ({"document": "9" * 200}, "longer than 120"),
    ],
)
def test_a_row_that_is_no_event_says_why(columns, reason):
    made = events.event(ORDER, row(**columns))
    assert isinstance(made, BadRow)
    assert reason in made.reason


def test_an_old_event_is_born_expired_and_says_why():
    event = events.event(ORDER, row(changed_at=NOW - timedelta(hours=2)))
    envelope = events.envelope(ORDER, event, "email", Recipient("a@b.example"), NOW)
    assert envelope.state is State.EXPIRED
    assert "too long ago" in envelope.reason


def test_a_young_event_is_queued_until_it_expires():
    envelope = events.envelope(ORDER, events.event(ORDER, row()), "email", Recipient("a@b.example"), NOW)
    assert (envelope.state, envelope.expires_at) == (State.QUEUED, NOW + timedelta(hours=1))
    assert envelope.key == "purchase_order:4512:1:email:a@b.example"


@given(st.lists(st.text(max_size=20), min_size=5, max_size=5))
def test_a_key_is_read_back_as_it_was_made(parts):
    assert list(key_parts(message_key(*parts))) == parts


def test_the_message_id_belongs_to_the_key():
    assert message_id("a", "x.example") == message_id("a", "x.example") != message_id("b", "x.example")


@given(st.integers(-100, 100), st.integers(-100, 100))
def test_the_cursor_never_goes_back_nor_into_the_future(newest, position):
    reached = events.reach(NOW + timedelta(hours=newest), NOW + timedelta(hours=position), NOW)
    assert reached >= NOW + timedelta(hours=position)
    assert reached <= max(NOW, NOW + timedelta(hours=position))


@given(st.integers(-100, 100), st.integers(-100, 100), st.integers(-100, 100))
def test_the_cursor_never_passes_an_event_that_is_left(newest, position, left):
    place = NOW + timedelta(hours=position)
    reached = events.reach(NOW + timedelta(hours=newest), place, NOW, NOW + timedelta(hours=left))
    assert place <= reached <= max(place, NOW + timedelta(hours=left))


def hours(number):
    return NOW + timedelta(hours=number)


LOST = Epoch(1, since=hours(-5), at=NOW)


@pytest.mark.parametrize(
    ("told", "version"),
    [
        ([], "1"),
        ([Telling(hours(-3), hours(-3))], "1+restored1"),
        ([Telling(hours(1), hours(1))], "1"),  # this very event
        ([Telling(hours(-3), hours(-3)), Telling(hours(1), hours(1))], "1"),
        ([Telling(hours(-6), hours(-6))], "1"),  # in the backup: a change without a new version
        ([Telling(hours(-3), hours(2))], "1"),  # told after the restore
    ],
)
def test_only_what_was_told_of_a_lost_document_gives_its_number_free(told, version):
    event = events.event(ORDER, row(changed_at=hours(1)))
    made = events.reborn(event, [LOST], lambda asked: told if asked == "1" else [])
    assert made.version == version
    assert events.bare(made.version) == "1"


def test_a_document_older_than_the_backup_is_no_new_one():
    event = events.event(ORDER, row(changed_at=hours(-7)))
    assert events.reborn(event, [LOST], lambda _: [Telling(hours(-3), hours(-3))]) == event


def test_several_addresses_in_one_column_are_several_people():
    found = audience.addressed_by_row({"email": "a@x.example; B@X.example,a@x.example", "name": " Ana\nB "}, "email")
    assert [one.recipient.address for one in found] == ["a@x.example", "B@x.example"]
    assert found[0].recipient.name == "Ana B"


def test_a_break_at_the_end_of_an_address_is_only_untidy():
    found = audience.addressed_by_row({"email": " a@x.example\r\n"}, "email")
    assert [(one.recipient.address, one.reason) for one in found] == [("a@x.example", "")]


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ({}, "gives no column 'email'"),
        ({"email": None}, "empty in the ERP"),
        ({"email": "ventas.proveedor.example"}, "is no e-mail address"),
        ({"email": "a@b@c"}, "is no e-mail address"),
        ({"email": "a@x.example\r\nBcc:evil@x.example"}, "line break"),
        ({"email": "a@x.exam\nple"}, "line break"),
        ({"email": "a@x.example\x00"}, "line break or another control character"),
    ],
)
def test_whoever_cannot_be_reached_is_told_with_the_reason(columns, reason):
    found = audience.addressed_by_row(columns, "email")
    assert len(found) == 1
    assert reason in found[0].reason
    assert all("\n" not in one.recipient.address and "\r" not in one.recipient.address for one in found)


@pytest.mark.parametrize(
    ("address", "shown"), [("maria@x.example", "ma…@x.example"), ("+595981123456", "…456"), ("1", "…")]
)
def test_addresses_are_masked_in_logs(address, shown):
    assert masked(address) == shown


@pytest.mark.parametrize(
    ("raw", "region", "number"),
    [
        ("0981 123456", "PY", "+595981123456"),
        ("(0981) 123-456", "PY", "+595981123456"),
        ("0981.123.456", "PY", "+595981123456"),
        ("981123456", "PY", "+595981123456"),
        ("+595 981 123 456", "", "+595981123456"),
        ("00595 981 123456", "PY", "+595981123456"),
        ("tel:+595981123456", "PY", "+595981123456"),
        ("+54 9 11 2233-4455", "PY", "+5491122334455"),
        ("(212) 555-2368", "US", "+12125552368"),
    ],
)
def test_a_number_is_taken_as_people_write_it(raw, region, number):
    (found,) = audience.addressed_by_row({"phone": raw, "name": "Ana"}, "phone", region)
    assert (found.recipient.address, found.recipient.name, found.reason) == (number, "Ana", "")


@pytest.mark.parametrize(
    "raw",
    [
        "0981 123456; 0982 123 456",
        "0981 123456, 0982 123 456;",
        "0981 123456/0982 123 456",
        "0981/123456 ; 0982/123-456",
        "0981 123456 / +595 982 123456 / 0981 123456",
    ],
)
def test_several_numbers_in_one_column_are_several_people(raw):
    found = [one.recipient.address for one in audience.addressed_by_row({"phone": raw}, "phone", "PY")]
    assert list(dict.fromkeys(found)) == ["+595981123456", "+595982123456"]


@pytest.mark.parametrize(
    ("raw", "region", "reason"),
    [
        (None, "PY", "phone is empty in the ERP"),
        ("021 555 123", "PY", "is a landline, which gets no texts"),
        ("+595 21 555123", "", "is a landline"),
        ("0800 11 1234", "ES", "no phone number"),
        ("0981 12345", "PY", "no phone number that exists in"),
        ("0981 123456", "", "no region is set"),
        ("0981 123456&to=+1", "PY", "other signs than"),
        ("ask for Ana", "PY", "other signs than"),
        ("0981 123456 int. 12", "PY", "other signs than"),
        ("-", "PY", "is no phone number"),
        ("0981 123456\r\n+1", "PY", "line break"),
    ],
)
def test_who_gets_no_text_is_told_with_the_reason(raw, region, reason):
    (found,) = audience.addressed_by_row({"phone": raw}, "phone", region)
    assert reason in found.reason


@given(st.text(max_size=60) | st.from_regex(r"[+(]?[0-9 ()./;,-]{1,40}", fullmatch=True))
def test_whatever_stands_in_the_column_is_a_number_or_a_reason(raw):
    for one in audience.addressed_by_row({"phone": raw}, "phone", "PY"):
        assert one.reason or re.fullmatch(r"\+[1-9][0-9]{6,14}", one.recipient.address)


def test_the_audience_knows_where_numbers_without_a_country_code_belong():
    mailing = Mailing("m", channels=("email", "phone"))
    row = {"email": "a@x.example", "phone": "0981 123456"}
    people = audience.Audience(region="PY")
    found = [people.addressees(mailing, row, channel)[0].recipient.address for channel in mailing.channels]
    assert found == ["a@x.example", "+595981123456"]
