"""Before advertising leaves, the ERP is asked again: a real ERP, a real outbox, and a delivery that asks."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa

from emailketing import road
from emailketing.channels import wire
from emailketing.channels.memory import Memory
from emailketing.erp import Erp
from emailketing.model import Consent, Content, Kind, Lane, OnUnknown, Recipient, Sender, State, WayOut, Wish
from emailketing.outbox import Backoff, Outbox
from tests.letters import NOW, letter

WAY = WayOut("mailto:leave@company.example?subject=unsubscribe%20abc.def")
SENDER = Sender("offers@company.example", "Company")
QUERY = "SELECT id AS document, email, consent, consent_at, 'form' AS consent_source FROM people"


class House:
    """An ERP of some people, an outbox, and a delivery that asks the one about the other."""

    def __init__(self, erp_url, outbox_url, folder):
        self.now, self.folder, self.asked = NOW, folder, []
        self.engine, self.operator = sa.create_engine(erp_url), sa.create_engine(erp_url)
        with self.operator.begin() as connection:
            connection.exec_driver_sql(
                "CREATE TABLE people (id INTEGER PRIMARY KEY, email VARCHAR(99), consent INTEGER, consent_at TIMESTAMP)"
            )
        self.outbox, self.memory = Outbox.open(outbox_url), Memory(clock=lambda: self.now)
        self.query("promotion", QUERY)
        self.query("birthday", QUERY)
        self.erp = Erp(self.engine, folder, ZoneInfo("UTC"))
        sa.event.listen(self.engine, "before_cursor_execute", lambda *given: self.asked.append(given[2]))
        self.carrier = road.Carrier(
            self.outbox,
            {"email": lambda: self.memory},
            Backoff(12, 30, 14400),
            batch=10,
            lease_s=300,
            clock=lambda: self.now,
            chance=random.Random(7),
            consult=lambda: road.ask_again(self.outbox, lambda: self.erp, lambda: self.now),
        )

    def query(self, name, text):
        (self.folder / f"{name}.sql").write_text(text)

    def people(self, consents):
        with self.operator.begin() as connection:
            connection.exec_driver_sql("DELETE FROM people")
            for number, consent in consents.items():
                insert = sa.text("INSERT INTO people VALUES (:id, :email, :consent, NULL)")
                connection.execute(insert, {"id": number, "email": f"p{number}@x.example", "consent": consent})

    def offer(self, *people, kind=Kind.CAMPAIGN, **more):
        """A message of a promotion, or of a birthday, to each of these people."""
        campaign = kind is Kind.CAMPAIGN
        messages = [
            self._message(
                f"2026-W10:{number}" if campaign else f"{number}:2026",
                Recipient(f"p{number}@x.example"),
                mailing="promotion" if campaign else "birthday",
                kind=kind,
                **more,
            )
            for number in people
        ]
        self.outbox.put(messages, {}, self.now)

    def _message(self, document, recipient, **more):
        given = letter(document, recipient=recipient, lane=Lane.BULK, on_unknown=OnUnknown.NEVER, **more)
        return replace(given, frozen=wire.compose(given.envelope, Content("Ofertas", "Hola", way_out=WAY), SENDER))

    def deliver(self, lane=Lane.BULK):
        return road.deliver(self.carrier, lane)

    def told(self):
        return [each.address.partition("@")[0] for each in self.memory.delivered]

    def states(self):
        return {row.address.partition("@")[0]: row.state for row in self.outbox.messages(limit=None)}

    def reason(self, number):
        (row,) = [row for row in self.outbox.messages(limit=None) if row.address == f"p{number}@x.example"]
        return row.reason


@pytest.fixture(params=["sqlite", "postgres"])
def house(request, tmp_path):
    erp_url, outbox_url = f"sqlite:///{tmp_path / 'erp.db'}", f"sqlite:///{tmp_path / 'outbox.db'}"
    if request.param == "postgres":
        erp_url = request.getfixturevalue("postgres_url").replace("postgresql://", "postgresql+psycopg://")
    (tmp_path / "sql").mkdir()
    house = House(erp_url, outbox_url, tmp_path / "sql")
    yield house
    house.outbox.close()
    house.engine.dispose()
    house.operator.dispose()


@pytest.mark.parametrize("kind", [Kind.CAMPAIGN, Kind.GREETING])
def test_who_withdrew_in_the_erp_after_the_message_was_made_gets_nothing(house, kind):
    house.people({1: 1, 2: 0, 3: 1, 4: None})
    house.offer(1, 2, 3, 4, kind=kind)
    assert house.deliver().outcomes == {"accepted": 2}
    assert house.told() == ["p1", "p3"]
    assert house.states() == {"p1": "accepted", "p2": "suppressed", "p3": "accepted", "p4": "suppressed"}
    assert house.reason(2) == "no consent: the ERP says no (form)"
    assert house.reason(4) == "no consent: the ERP says nothing of one, and none was given elsewhere"


def test_the_own_list_is_asked_with_the_erp(house):
    house.people({1: 0, 2: 1})
    house.outbox.allow(Wish("P1@x.example", "campaign", house.now, "counter"))
    house.outbox.withdraw(Wish("p2@x.example", "campaign", house.now - timedelta(hours=1), "by phone"))
    house.offer(1, 2)
    house.deliver()
    assert house.told() == ["p1"]
    assert "the consent was withdrawn" in house.reason(2)


def test_a_person_whom_the_erp_gives_no_more_gets_nothing(house):
    house.people({1: 1})
    house.offer(1, 2)
    house.deliver()
    assert house.told() == ["p1"]
    assert house.reason(2) == "the ERP's query gives this person no more"


def test_of_several_rows_of_a_person_a_no_counts(house):
    house.query("promotion", f"{QUERY} UNION ALL SELECT id, email, 0, NULL, '' FROM people WHERE id = 1")
    house.people({1: 1, 2: 1})
    house.offer(1, 2)
    house.deliver()
    assert house.told() == ["p2"]


def test_an_erp_that_gives_nobody_at_all_suppresses_nobody(house):
    """It may be in the midst of a restore."""
    house.offer(1, 2)
    assert house.deliver().outcomes.total() == 0
    assert set(house.states().values()) == {State.QUEUED}
    assert "the query gives nobody at all" in house.reason(1)
    house.people({1: 1, 2: 1})
    assert house.deliver().outcomes.total() == 0, "they wait for some minutes"
    house.now += timedelta(minutes=10)
    assert house.deliver().outcomes == {"accepted": 2}


@pytest.mark.parametrize(
    ("broken", "told"),
    [
        ("SELECT id AS document, consnt AS consent FROM people", "the ERP has no column 'consnt'"),
        ("SELECT id AS documento, consent FROM people", "no column 'document'. Did you mean 'documento'?"),
        ("SELECT id AS document, consent FROM people WHERE id > :least", "parameter :least is not given"),
        (None, "there is no query 'promotion'"),
    ],
)
def test_a_query_that_is_wrong_stops_its_own_mailing_and_no_other(house, broken, told):
    if broken is None:
        (house.folder / "promotion.sql").unlink()
    else:
        house.query("promotion", broken)
    house.people({1: 1, 2: 1})
    house.offer(1)
    house.offer(2, kind=Kind.GREETING)
    house.deliver()
    assert house.told() == ["p2"]
    assert house.states()["p1"] is State.QUEUED
    assert told.partition(". Did")[0] in house.reason(1)


def test_an_erp_that_does_not_answer_keeps_the_bulk_lane_waiting_and_no_other(house):
    house.people({1: 1})
    house.offer(1)
    house.outbox.put([letter("4512")], {}, house.now)
    good, house.erp = (
        house.erp,
        Erp(sa.create_engine("postgresql+psycopg://127.0.0.1:1/x"), house.folder, ZoneInfo("UTC")),
    )
    done = house.deliver(lane=None)
    assert done.outcomes == {"accepted": 1}
    assert house.told() == ["ana"]
    assert "Advertising and greetings wait" in done.down
    assert house.states()["p1"] is State.QUEUED
    house.erp = good
    assert house.deliver().outcomes == {"accepted": 1}


def test_what_asks_for_no_consent_asks_the_erp_nothing(house):
    house.outbox.put([letter("4512", lane=Lane.BULK)], {}, house.now)
    assert house.deliver().outcomes == {"accepted": 1}
    assert house.asked == []


def test_the_erp_is_asked_one_query_however_many_messages_wait(house):
    house.people(dict.fromkeys(range(1, 301), 1))
    house.offer(*range(1, 301))
    house.asked.clear()
    assert house.deliver().outcomes == {"accepted": 300}
    assert len([statement for statement in house.asked if "FROM people" in statement]) == 1


def test_a_message_that_waits_for_its_hour_is_not_asked_about_before(house):
    house.offer(1, event_at=NOW + timedelta(hours=8), created_at=NOW + timedelta(hours=8))
    assert house.deliver().outcomes.total() == 0
    assert house.asked == []


def test_a_drain_that_goes_on_asks_again_after_a_minute(house, monkeypatch):
    from emailketing.road import consenting

    house.people(dict.fromkeys(range(1, 31), 1))
    house.offer(*range(1, 31))
    monkeypatch.setattr(consenting, "_FRESH_S", 0.0)
    deliver = house.memory.deliver

    def deliver_and_withdraw(claim):
        if not house.memory.delivered:
            with house.operator.begin() as connection:
                connection.exec_driver_sql("UPDATE people SET consent = 0")
        return deliver(claim)

    house.memory.deliver = deliver_and_withdraw
    house.deliver()
    assert len(house.told()) == 10, "the batch in hand, which was asked about a moment ago, and no other"


def test_what_becomes_due_while_a_drain_goes_on_was_asked_about(house):
    house.people({1: 1, 2: 0, 3: 1})
    house.offer(1, kind=Kind.GREETING)
    house.offer(2, 3, kind=Kind.GREETING, not_before=NOW + timedelta(seconds=30))
    deliver = house.memory.deliver

    def deliver_as_time_goes_by(claim):
        house.now = NOW + timedelta(seconds=31)
        return deliver(claim)

    house.memory.deliver = deliver_as_time_goes_by
    house.deliver()
    assert house.told() == ["p1", "p3"]
    assert house.reason(2) == "no consent: the ERP says no (form)"


def test_who_may_be_written_to_is_judged_in_the_order_asked(house):
    house.outbox.suppress(Wish("a@x.example", "all", NOW, "a bounce", "no such user"))
    judged = road.judge(
        house.outbox,
        Kind.CAMPAIGN,
        [("a@x.example", Consent(True)), ("b@x.example", None), ("c@x.example", Consent(True))],
    )
    assert [each.allowed for each in judged] == [False, False, True]
    assert "no message may go there" in judged[0].reason
    (report,) = road.judge(house.outbox, Kind.REPORT, [("b@x.example", None)])
    assert report.allowed


@pytest.mark.parametrize(
    ("kind", "document", "person"),
    [
        (Kind.CAMPAIGN, "2026-W10:7", "7"),
        (Kind.CAMPAIGN, "once:A:7", "A:7"),
        (Kind.GREETING, "7:2026", "7"),
        (Kind.GREETING, "A:7:2026", "A:7"),
    ],
)
def test_the_person_stands_in_the_document_of_the_message(kind, document, person):
    assert road.person_of(kind, document) == person
