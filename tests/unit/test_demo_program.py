"""What the demonstration plans and how it tells of the end."""

import json
import re
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from demo import __main__ as demonstration
from demo.clockwork import Celebration, celebrated, runs
from demo.errands import errands
from demo.program import Arrival, _line, _plain, kept_back, summary, table
from emailketing.model import State


def arrival(seconds=1.0, **different):
    given = {
        "mailing": "receipt",
        "document": "001-77",
        "recipient": "+595901234567",
        "channel": "phone",
        "state": "accepted",
        "seconds": seconds,
        "files": (Path("var/demo/receipt 001-77.txt"),),
    }
    return Arrival(**{**given, **different})


def test_every_notification_has_an_errand_and_orders_come_as_often_as_asked_for():
    planned = errands(3)
    assert [errand.mailing for errand in planned] == [
        *["purchase_order"] * 3,
        "quotation",
        "payment_order",
        "payment_order",
        "receipt",
        "vehicle_fuelling",
        "cash_closing",
        "sales_closing",
        "record_change",
        "record_change",
    ]
    by_phone = {errand.mailing for errand in planned if "phone" in errand.channels}
    assert by_phone == {"payment_order", "receipt", "vehicle_fuelling"}
    assert [errand.mailing for errand in planned if errand.refused] == ["payment_order"]
    assert all("email" in errand.channels for errand in planned)


NOON = datetime(2026, 3, 1, 15, tzinfo=UTC)  # in Asunción


def test_every_kind_that_comes_by_the_clock_has_a_run_with_files_pictures_and_a_way_to_leave():
    planned = {run.mailing: run for run in runs(NOON, Celebration(7, date(2026, 3, 1)))}
    advertising = {"birthday", "price_list", "promotion", "product_presentation"}
    assert set(planned) == {*advertising, "executive_summary", "income_statement"}
    assert {name for name, run in planned.items() if "way to leave" in run.carries} == advertising
    assert all("picture" in run.carries for run in planned.values())
    for name in ("income_statement", "price_list"):
        assert {".pdf", ".xlsx"} <= set(planned[name].carries)
    assert planned["income_statement"].conf == {"send": True, "period": "2026-02"}
    assert planned["executive_summary"].conf == {"send": True, "period": "2026-02-28"}
    assert planned["birthday"].channels == ("email", "phone")


def test_before_the_hour_of_greetings_yesterdays_birthday_is_made_up_for():
    dawn = NOON.replace(hour=9)
    assert (celebrated(NOON), celebrated(dawn)) == (date(2026, 3, 1), date(2026, 2, 28))
    at_noon, *_ = runs(NOON, Celebration(7, celebrated(NOON)))
    at_dawn, *_ = runs(dawn, Celebration(7, celebrated(dawn)))
    assert (at_noon.by_itself, at_noon.document) == (True, "7:2026")
    assert (at_dawn.by_itself, at_dawn.conf, at_dawn.at) == (False, {"send": True}, dawn - timedelta(hours=26))


def test_a_message_that_lacks_what_it_must_carry_has_not_arrived():
    lacking = arrival(whole=False, reason="it carries no .xlsx")
    assert not lacking.complete
    said = table([arrival()], timed=[lacking])
    assert "it carries no .xlsx" in said
    assert "1 of 1 arrived\n0 of 1 arrived" in said


def test_the_table_shows_each_message_with_its_file_and_the_seconds_summed_up():
    mail = arrival(0.5, recipient="ana@correo.example", channel="email", files=(Path("R.pdf"), Path("R.eml")))
    lines = table([arrival(2.0), mail]).splitlines()
    assert lines[0].split()[:6] == ["mailing", "document", "recipient", "channel", "state", "seconds"]
    assert set(lines[1]) == {"─", " "}
    first = ["receipt", "001-77", "+595901234567", "phone", "accepted", "2.00", "var/demo/receipt 001-77.txt"]
    assert re.split(" {2,}", lines[2]) == first
    assert lines[3].endswith("0.50     R.pdf")
    assert lines[5].startswith("2 of 2 arrived")
    assert "median 1.25" in lines[5]
    assert "most 2.00" in lines[5]


def test_what_did_not_arrive_is_shown_with_its_reason_and_not_counted():
    refused = arrival(None, state="refused", files=(), reason="550 5.1.1\nno such user")
    missing = arrival(None, state="missing", files=(), reason="the outbox has no such message")
    said = table([arrival(), refused, missing])
    assert "refused  " in said
    assert "550 5.1.1 no such user" in said
    assert "the outbox has no such message" in said
    assert "1 of 3 arrived" in said
    assert not refused.complete
    assert not missing.complete


def test_a_refused_mail_and_the_text_that_replaced_it_are_one_message_that_arrived():
    refused = arrival(None, state="refused", files=(), channel="email", reason="told by phone instead", replaced=True)
    assert refused.well
    assert not refused.complete
    said = table([arrival(31.0), refused, arrival(1.0)])
    assert "2 of 2 arrived, 1 of them through the phone after the mail was refused; seconds from" in said
    assert "told by phone instead" in said


def test_accepted_without_a_trace_at_the_catcher_has_not_arrived():
    assert not arrival(None, files=()).complete
    assert summary([arrival(None, files=())]) == "0 of 1 arrived"


def test_one_message_has_no_median():
    assert summary([arrival()]) == "1 of 1 arrived"


def test_a_message_that_took_far_longer_than_the_others_is_explained():
    assert "The slowest waited" in summary([arrival(3.0), arrival(4.0), arrival(46.0)])
    assert "The slowest waited" not in summary([arrival(3.0), arrival(4.0), arrival(9.0)])


def test_what_goes_to_nobody_is_told_with_its_reason():
    counts = {"promotion": {State.SUPPRESSED: 1200, State.ACCEPTED: 3}, "price_list": {State.SUPPRESSED: 52}}
    assert kept_back(counts).startswith("1,252 went to nobody because consent was not given or taken back, 0 for want")
    assert kept_back({"receipt": {State.UNADDRESSED: 55}}).startswith("0 went to nobody")
    assert kept_back({"receipt": {State.ACCEPTED: 1}}) == ""


def test_hostile_text_breaks_neither_the_table_nor_a_path():
    assert _line("a\x1b[31m\r\nb\tc") == "a [31m b c"
    assert len(_line("x" * 1000)) == 100
    assert "/" not in _plain("../../etc/passwd")
    assert _plain("..") == "attachment"
    assert _plain("OC 4512 Ñandú & Cía.pdf") == "OC 4512 Ñandú _ Cía.pdf"
    assert len(_plain("x" * 300 + ".pdf")) == 80
    assert _plain("x" * 300 + ".pdf").endswith(".pdf")


def test_the_secret_of_the_links_is_made_once_for_its_owner_alone(tmp_path):
    links = [json.loads(demonstration._connections(tmp_path, 25, 80)["unsubscribe"]) for _ in range(2)]
    assert links[0] == links[1]
    assert len(links[0]["password"]) == 64
    assert (tmp_path / "leave.secret").stat().st_mode & 0o777 == 0o600
