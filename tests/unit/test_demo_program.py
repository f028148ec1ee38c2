"""What the demonstration plans and how it tells of the end."""

import json
import re
from pathlib import Path

from demo import __main__ as demonstration
from demo.errands import errands
from demo.program import Arrival, _line, _plain, summary, table


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
        "receipt",
        "vehicle_fuelling",
        "cash_closing",
        "sales_closing",
        "record_change",
        "record_change",
    ]
    by_phone = {errand.mailing for errand in planned if "phone" in errand.channels}
    assert by_phone == {"receipt", "vehicle_fuelling"}
    assert all("email" in errand.channels for errand in planned)


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


def test_accepted_without_a_trace_at_the_catcher_has_not_arrived():
    assert not arrival(None, files=()).complete
    assert summary([arrival(None, files=())]) == "0 of 1 arrived"


def test_one_message_has_no_median():
    assert summary([arrival()]) == "1 of 1 arrived"


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
