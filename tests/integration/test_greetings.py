"""Greetings on a real ERP and outbox: once a year and person, at his hour, with consent, however often one looks."""

import email
import email.policy
from collections import Counter
from datetime import UTC, date, datetime, timedelta

import pytest
import sqlalchemy as sa

from emailketing import road
from emailketing.audience import Audience
from emailketing.errors import SqlError
from emailketing.greetings import Leap
from emailketing.model import State, Subscribed, Switch, Wish
from tests.hall import ASUNCION, BIRTHDAY, CHRISTMAS, NEW_YEAR, Hall, declared, local
from tests.processes import FRESH

MAY_3 = date(1990, 5, 3)
MANY = 260  # more than are put at once


@pytest.fixture
def urls(tmp_path):
    return f"sqlite:///{tmp_path / 'erp.db'}", f"sqlite:///{tmp_path / 'outbox.db'}"


@pytest.fixture
def hall(urls, include):
    hall = Hall(*urls, local(2026, 5, 1, 6), include).build()
    yield hall
    hall.close()


def mail_of(hall, number=0):
    return email.message_from_bytes(hall.channel.delivered[number].data, policy=email.policy.default)


def test_a_birthday_is_greeted_at_nine_of_its_day_in_the_persons_language(hall):
    hall.add("Ana Benítez", birthday=MAY_3)
    hall.add("John Smith", birthday=MAY_3, language="en")
    hall.add("Eva Mora", birthday=date(1990, 5, 20))
    hall.add("Nadie Sabe", birthday=None)
    assert hall.greet().new == 0
    hall.at(2026, 5, 3, 6)
    greeted = hall.greet()
    assert (greeted.people, greeted.dayless, greeted.due, greeted.new) == (4, 1, 2, 2)
    hall.at(2026, 5, 3, 8, 59).deliver()
    assert hall.mails() == []
    hall.at(2026, 5, 3, 9).deliver()
    assert sorted(hall.mails()) == ["ana@correo.example", "john@correo.example"]
    subjects = sorted(mail_of(hall, number)["subject"] for number in (0, 1))
    assert subjects == ["Happy birthday! · John Smith", "¡Feliz cumpleaños! · Ana Benítez"]
    assert mail_of(hall)["date"].datetime == datetime(2026, 5, 3, 12, tzinfo=UTC)
    assert mail_of(hall)["list-unsubscribe"].startswith("<mailto:avisos@")
    assert "cumpleaños" in mail_of(hall).get_body(("plain",)).get_content() + subjects[1]


def test_each_gets_it_at_the_hour_of_his_own_clock(hall, include):
    path = include / "sql/birthday.sql"
    path.write_text(path.read_text().replace("p.is_company   ", "p.city AS timezone, p.is_company   "))
    for city in ("Asia/Tokyo", "America/Los_Angeles", "Atlantis/Poseidonis", ""):
        hall.add(f"{city[:4] or 'here'} Person", birthday=MAY_3, city=city)
    hall.at(2026, 5, 2, 6)
    assert "there is no timezone 'Atlantis/Poseidonis'" in hall.greet().problems[0]
    hall.at(2026, 5, 3, 6).greet()
    dues = {row.address.split("@")[0]: row.next_attempt_at for row in hall.rows()}
    assert dues["asia"] == datetime(2026, 5, 3, 0, tzinfo=UTC)
    assert dues["amer"] == datetime(2026, 5, 3, 16, tzinfo=UTC)
    assert dues["here"] == dues["atla"] == datetime(2026, 5, 3, 12, tzinfo=UTC)


def test_looking_again_greets_nobody_twice_not_even_at_another_address_or_on_a_corrected_day(hall):
    ana = hall.add(birthday=MAY_3)
    hall.at(2026, 5, 3, 6)
    assert hall.greet().new == 1
    assert hall.greet().new == 0
    hall.change(ana, email="ana@nueva.example")
    assert hall.greet().known == 1
    hall.at(2026, 5, 4, 6).deliver()
    hall.change(ana, birthday=date(1990, 6, 10))
    hall.pass_days(60, BIRTHDAY)
    assert hall.mails() == ["ana@correo.example"]
    hall.at(2027, 6, 9, 6).pass_days(3, BIRTHDAY)
    assert hall.mails() == ["ana@correo.example", "ana@nueva.example"]


def test_new_year_looked_at_on_both_sides_of_midnight_is_one_greeting(hall):
    hall.add()
    for moment in ((2026, 12, 31, 6), (2026, 12, 31, 23), (2027, 1, 1, 0), (2027, 1, 1, 6), (2027, 1, 2, 6)):
        hall.at(*moment)
        hall.greet(NEW_YEAR)
        hall.deliver()
    assert [row.key for row in hall.rows()] == ["new_year:1%3A2027:1:email:ana@correo.example"]
    assert mail_of(hall)["subject"] == "¡Feliz 2027! · Ana Benítez"
    assert len(hall.mails()) == 1


@pytest.mark.parametrize(
    ("leap", "days"),
    [
        (Leap.BEFORE, {2027: (2, 28), 2028: (2, 29), 2029: (2, 28)}),
        (Leap.AFTER, {2027: (3, 1), 2028: (2, 29), 2029: (3, 1)}),
    ],
)
def test_who_was_born_on_29_february_is_greeted_once_in_every_year(hall, leap, days):
    hall.add(birthday=date(1988, 2, 29))
    greeting = declared("birthday", leap=leap)
    for year in days:
        hall.at(year, 2, 25, 6).pass_days(8, greeting)
    celebrated = {row.event_at.year: row.event_at.astimezone(ASUNCION) for row in hall.rows()}
    assert {year: (at.month, at.day) for year, at in celebrated.items()} == days
    assert len(hall.mails()) == 3


def test_without_consent_nobody_is_greeted_and_the_outbox_says_why(hall):
    hall.add("Ana Sin", birthday=MAY_3, consent=False)
    hall.add("Eva Baja", birthday=MAY_3)
    hall.add("Luz Lista", birthday=MAY_3, consent=False)
    hall.outbox.suppress(Wish("eva@correo.example", "greeting", hall.clock(), "ana", "asked by phone"))
    hall.outbox.allow(Wish("luz@correo.example", "greeting", hall.clock(), "the counter", "signed"))
    hall.at(2026, 5, 3, 6).pass_days(2, BIRTHDAY)
    assert hall.mails() == ["luz@correo.example"]
    reasons = {row.address: row.reason for row in hall.rows(states=(State.SUPPRESSED,))}
    assert "no consent" in reasons["ana@correo.example"]
    assert "asked by phone" in reasons["eva@correo.example"]


def test_who_leaves_or_withdraws_after_he_was_queued_gets_nothing(hall):
    hall.add("Ana Se", birthday=MAY_3)
    eva = hall.add("Eva Retira", birthday=MAY_3)
    hall.at(2026, 5, 3, 6)
    assert hall.greet().states == {State.QUEUED: 2}
    hall.outbox.suppress(Wish("ana@correo.example", "all", hall.clock(), "the link"))
    hall.change(eva, consent=False)
    hall.at(2026, 5, 3, 9).deliver()
    assert hall.mails() == []
    assert set(hall.states().values()) == {"suppressed"}


def test_a_row_without_an_address_is_kept_with_its_reason_and_tried_when_mended(hall):
    ana = hall.add(birthday=MAY_3, email="ana@")
    hall.at(2026, 5, 3, 6)
    assert hall.greet().states == {State.UNADDRESSED: 1}
    hall.change(ana, email="ana@correo.example")
    hall.at(2026, 5, 4, 6)
    hall.greet()
    hall.deliver()
    assert hall.mails() == ["ana@correo.example"]


def test_missed_within_the_days_of_grace_it_is_sent_and_after_them_it_is_seen_to_expire(hall):
    hall.add("Ana Pronto", birthday=MAY_3)
    hall.add("Eva Tarde", birthday=date(1990, 5, 2))
    hall.greet()  # on 1 May; then nothing runs until the 5th
    hall.at(2026, 5, 5, 6)
    assert hall.greet().states == {State.QUEUED: 1, State.EXPIRED: 1}
    hall.deliver()
    assert hall.mails() == ["ana@correo.example"]
    (late,) = hall.rows(states=(State.EXPIRED,))
    assert late.reason == "nobody looked within the days of grace after 2026-05-02"
    assert hall.greet().new == 0


def test_a_mail_server_that_is_down_for_longer_than_the_grace_lets_it_expire(hall):
    hall.add(birthday=MAY_3)
    hall.at(2026, 5, 3, 6)
    hall.greet()
    hall.channel.down = "the server is away"
    hall.at(2026, 5, 3, 9).deliver()
    assert set(hall.states().values()) == {"queued"}
    hall.at(2026, 5, 6, 0, 1).deliver()
    assert set(hall.states().values()) == {"expired"}


def test_the_first_look_greets_those_of_today_and_nobody_of_the_past(hall):
    hall.add("Ana Hoy", birthday=MAY_3)
    hall.add("Eva Ayer", birthday=date(1990, 5, 2))
    hall.at(2026, 5, 3, 15)
    hall.greet()
    hall.deliver()
    assert hall.mails() == ["ana@correo.example"]
    assert len(hall.rows()) == 1


def test_what_a_person_asks_for_is_seen_to_since_then(hall):
    hall.add("Eva Ayer", birthday=date(1990, 5, 2))
    hall.add("Luz Antes", birthday=date(1990, 4, 20))
    hall.at(2026, 5, 3, 15)
    assert hall.greet().new == 0
    assert hall.greet(begin=local(2026, 4, 19, 12)).states == {State.QUEUED: 1, State.EXPIRED: 1}


def test_a_template_that_fails_holds_its_messages_until_it_is_mended(hall, include):
    hall.add(birthday=MAY_3)
    words = include / "templates/birthday/subject.txt.j2"
    whole = words.read_text()
    words.write_text(whole.replace("t.title", "t.titel"))
    hall.at(2026, 5, 3, 6)
    greeted = hall.greet()
    assert greeted.states == {State.HELD: 1}
    assert "subject.txt.j2:1" in greeted.problems[0]
    assert "Did you mean 'title'?" in greeted.problems[0]
    assert hall.greet().mended == 0
    words.write_text(whole)
    assert hall.greet().mended == 1
    hall.at(2026, 5, 3, 8, 59).deliver()
    assert hall.mails() == []
    hall.at(2026, 5, 3, 9).deliver()
    assert len(hall.mails()) == 1


def test_a_greeting_that_is_off_passes_the_day_without_a_late_surprise(hall):
    hall.add()
    hall.at(2026, 12, 20, 6).greet(CHRISTMAS)
    hall.audience = Audience(subscribed=Subscribed(switches=(Switch("christmas", False, "ana"),)))
    hall.at(2026, 12, 25, 10)
    assert "switched off by ana" in hall.greet(CHRISTMAS).off
    hall.audience = Audience()
    hall.at(2026, 12, 26, 6).pass_days(3, CHRISTMAS)
    assert hall.rows() == []
    hall.at(2027, 12, 25, 6).pass_days(1, CHRISTMAS)
    assert len(hall.mails()) == 1


def test_hostile_rows_are_told_and_stop_nobody(hall, include):
    (include / "sql/birthday.sql").write_text(
        """
        SELECT id AS document, name, email, language, 1 AS consent, is_company,
            CASE id WHEN 1 THEN 'soon' WHEN 2 THEN '1900-01-01' WHEN 3 THEN '9999-05-03' ELSE '1990-05-03' END AS day
        FROM parties
        UNION ALL SELECT NULL, 'x', 'x@x.example', 'es', 1, 0, '1990-05-03'
        UNION ALL SELECT 4, 'again', 'again@x.example', 'es', 1, 0, '1990-05-03'
        """
    )
    for number in range(4):
        hall.add(f"Persona{number}\r\nBcc: evil@x.example\u202e")
    hall.at(2026, 5, 3, 6)
    greeted = hall.greet()
    hall.at(2026, 5, 3, 9).deliver()
    assert hall.mails() == ["persona3@correo.example"]
    told = "\n".join(greeted.problems)
    assert "day of 1 is 'soon', which is no date" in told
    assert "document is empty" in told
    assert "'4' comes in several rows; the first is greeted." in told
    assert mail_of(hall)["bcc"] is None
    assert mail_of(hall)["subject"] == "¡Feliz cumpleaños! · Persona3 Bcc: evil@x.example"


def test_a_query_without_a_needed_column_is_told_with_the_nearest(hall, include):
    path = include / "sql/birthday.sql"
    path.write_text(path.read_text().replace("AS day", "AS days"))
    hall.add(birthday=MAY_3)
    with pytest.raises(SqlError, match="gives no column 'day'") as raised:
        hall.greet()
    assert "Did you mean 'days'?" in str(raised.value)


def test_on_a_day_without_an_occasion_the_erp_is_not_asked_and_else_once(hall):
    asked = []
    sa.event.listen(hall.erp.engine, "before_cursor_execute", lambda *event: asked.append(event[2]))
    for number in range(30):
        hall.add(f"Persona{number} X")
    hall.at(2026, 7, 1, 6).greet(CHRISTMAS)
    assert [each for each in asked if "parties" in each] == []
    hall.at(2026, 12, 25, 6).greet(CHRISTMAS)
    assert len([each for each in asked if "parties" in each]) == 1
    assert len(hall.rows()) == 30


@pytest.fixture
def server_urls(request, tmp_path, postgres_server):
    with postgres_server.database() as erp, postgres_server.database() as outbox:
        yield erp, outbox


@pytest.mark.parametrize("kind", ["urls", "server_urls"])
def test_two_machines_that_look_at_once_greet_each_once(request, kind):
    urls = request.getfixturevalue(kind)
    hall = Hall(*urls, local(2026, 12, 25, 6)).build()
    for number in range(MANY):
        hall.add(f"Persona{number} X")
    with FRESH.Manager() as manager, FRESH.Pool(2) as pool:
        gate = manager.Barrier(2)
        put = pool.starmap(_look, [(urls, gate), (urls, gate)], chunksize=1)
    assert len(hall.rows()) == MANY
    assert sum(put) >= MANY  # what another put first is put by nobody twice, whatever each believes
    hall.at(2026, 12, 25, 9).deliver()
    assert Counter(hall.mails()) == {f"persona{number}@correo.example": 1 for number in range(MANY)}
    hall.close()


def _look(urls, gate):
    hall = Hall(*urls, local(2026, 12, 25, 6))
    gate.wait()
    new = hall.greet(CHRISTMAS).new
    hall.close()
    return new


def test_killed_in_mid_look_the_next_one_greets_the_others(hall, urls, monkeypatch):
    for number in range(MANY):
        hall.add(f"Persona{number} X")
    hall.at(2026, 12, 25, 6)
    process = FRESH.Process(target=_die_after_the_first_batch, args=(urls,))
    process.start()
    process.join(60)
    assert process.exitcode == -9
    assert len(hall.rows()) == 200
    assert hall.greet(CHRISTMAS).new == MANY - 200
    hall.at(2026, 12, 25, 9).deliver()
    assert set(Counter(hall.mails()).values()) == {1}
    assert len(hall.mails()) == MANY


def _die_after_the_first_batch(urls):
    import os
    import signal

    hall = Hall(*urls, local(2026, 12, 25, 6))
    put = hall.outbox.put

    def die(*arguments):
        done = put(*arguments)
        if arguments[0]:
            os.kill(os.getpid(), signal.SIGKILL)
        return done

    hall.outbox.put = die
    hall.greet(CHRISTMAS)


def test_a_dry_run_says_of_everybody_whether_and_why(hall):
    hall.add("Ana Si", birthday=MAY_3)
    hall.add("Eva No", birthday=MAY_3, consent=False)
    hall.add("Luz Sin", birthday=MAY_3, email=None)
    hall.add("Sol Otra", birthday=date(1990, 5, 4))
    hall.add("Paz Nunca", birthday=None)
    rehearsal = road.rehearse(hall.greeter, BIRTHDAY, date(2026, 5, 3))
    verdicts = {each.name: (each.stands, each.reason) for each in rehearsal.verdicts}
    assert list(verdicts) == ["Ana Si", "Eva No", "Luz Sin"]
    assert verdicts["Ana Si"] == (road.Stands.GREETED, "the ERP has the consent (2024-01-01 03:00 UTC)")
    assert verdicts["Eva No"][0] is road.Stands.FORBIDDEN
    assert "no consent" in verdicts["Eva No"][1]
    assert verdicts["Luz Sin"] == (road.Stands.UNADDRESSED, "email is empty in the ERP")
    assert (rehearsal.greeted.people, rehearsal.greeted.dayless, rehearsal.greeted.due) == (5, 1, 3)
    assert hall.rows() == []
    hall.at(2026, 5, 3, 6).greet()
    again = {each.name: each.reason for each in road.rehearse(hall.greeter, BIRTHDAY, date(2026, 5, 3)).verdicts}
    assert again["Ana Si"] == "the outbox has the greeting of 2026 already"


def test_a_year_of_looks_with_gaps_and_repeats_greets_each_once(hall):
    """The whole year on a real outbox: a machine that is often away, and looks twice when it is there."""
    for number in range(12):
        hall.add(f"Persona{number} X", birthday=date(1990, number + 1, (number * 7) % 20 + 8))
    hall.at(2026, 12, 30, 6).greet()
    away = {(2027, 3), (2027, 8)}
    for number in range(366):
        hall.clock.now = local(2026, 12, 30, 6).astimezone(UTC) + timedelta(days=number)
        if (hall.clock.now.year, hall.clock.now.month) in away:
            continue
        hall.greet()
        hall.greet()
        hall.clock.now += timedelta(hours=4)
        hall.deliver()
    counts = Counter(hall.mails())
    assert set(counts.values()) == {1}
    assert len(counts) == 10
    assert Counter(row.state for row in hall.rows()) == {State.ACCEPTED: 10, State.EXPIRED: 2}
