"""A document is told as it stands when it has stood still; what is left for the next look is never lost."""

from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sa

from emailketing import road
from emailketing.model import State
from tests.era import PAPER, papers


@pytest.fixture
def looked(era):
    """The era, after a first look."""
    era.save("OLD")
    era.sweep()
    era.wait(3600)
    return era


def save_five_times(era, document):
    for version in range(1, 6):
        era.save(document, version)
        era.wait(0.2)
        era.sweep(quiet_s=1.0)


def test_a_document_saved_five_times_in_a_second_is_told_once_as_it_then_stands(looked):
    save_five_times(looked, "A")
    assert looked.told() == []
    looked.wait(0.9)
    looked.sweep(quiet_s=1.0)
    assert looked.told() == [("A", "5")]
    looked.wait(5)
    looked.save("A", 6)
    looked.wait(1.1)
    looked.sweep(quiet_s=1.0)
    assert looked.told() == [("A", "5"), ("A", "6")]


@pytest.mark.parametrize("hours", [-3, 3])
@pytest.mark.parametrize("eternal_era", ["postgres"], indirect=True)  # SQLite, a file, has no clock
def test_the_quiet_window_keeps_the_servers_time_whatever_that_is(era, hours):
    era.ahead = era.server_ahead = timedelta(hours=hours)
    era.wait(0)
    era.sweep()
    save_five_times(era, "A")
    era.wait(0.9)
    era.sweep(quiet_s=1.0)
    assert era.told() == [("A", "5")]


def test_a_document_of_the_future_waits_no_longer_than_any_other(looked):
    looked.ahead = timedelta(minutes=10)
    looked.save("A")
    swept = looked.sweep(quiet_s=1.0)
    assert (swept.left, swept.look_again_s) == (1, 1.0)
    looked.wait(1)
    assert looked.sweep(quiet_s=1.0).new == 1


def test_what_has_stood_still_before_it_is_first_seen_is_told_at_once(looked):
    looked.save("A")
    looked.wait(1.5)
    assert looked.sweep(quiet_s=1.0).new == 1


def test_a_document_that_is_saved_without_end_is_told_all_the_same(looked):
    told = []
    for version in range(1, 61):
        looked.save("A", version)
        told += [version] * looked.sweep(quiet_s=1.0).new
        looked.wait(0.5)
    assert told == [21, 42]


def test_a_mailing_may_have_a_window_of_its_own(looked):
    looked.save("A")
    assert looked.sweep(quiet_s=60, mailing=replace(PAPER, quiet_s=0.0)).new == 1
    looked.save("B")
    looked.wait(30)
    assert looked.sweep(mailing=replace(PAPER, quiet_s=60.0)).left == 1


def test_the_cursor_does_not_pass_what_is_left_even_without_an_overlap(looked):
    looked.save("A")
    for number in range(20):
        looked.wait(120)
        looked.save("A", number + 2)
        looked.save(f"B{number}", changed_at=looked.dated() + timedelta(seconds=50))
        looked.wait(50)
        looked.sweep(quiet_s=100, overlap_s=0)
    looked.wait(3600)
    killed = looked.another_sweeper()  # and remembers nothing
    road.sweep(replace(killed, quiet_s=100, overlap_s=0), PAPER)
    assert {document for document, _ in looked.told()} == {"A", *(f"B{number}" for number in range(20))}
    assert looked.told().count(("A", "21")) == 1


def test_a_late_commit_that_is_still_left_stays_in_reach_while_others_go_on(looked):
    late = looked.dated() - timedelta(seconds=890)
    looked.ahead = timedelta(seconds=0)
    looked.save("PROMPT")
    looked.sweep()
    looked.save("LATE", changed_at=late)
    for number in range(10):
        looked.wait(100)
        looked.save("LATE", number + 2, changed_at=late)
        looked.save(f"N{number}")
        looked.sweep(quiet_s=5000)  # the server's clock says that LATE has stood long enough only at the end
    looked.wait(5000)
    looked.sweep(quiet_s=5000)
    assert ("LATE", "11") in looked.told()
    assert len(looked.told()) == 12


def test_a_document_deleted_while_it_was_left_is_told_to_nobody_and_holds_nothing_up(looked):
    looked.save("A")
    assert looked.sweep(quiet_s=5.0).left == 1
    looked.delete("A")
    assert looked.sweep(quiet_s=5.0).left == 0
    looked.save("B")
    looked.wait(6)
    looked.sweep(quiet_s=5.0)
    assert looked.told() == [("B", "1")]


def test_a_document_deleted_before_the_sweep_is_told_to_nobody(looked):
    looked.save("A")
    looked.delete("A")
    swept = looked.sweep()
    assert (swept.new, swept.problems, swept.alarms) == (0, [], [])


def test_a_held_document_that_is_deleted_is_cancelled_and_what_follows_is_told(looked):
    text = looked.include / "templates" / "paper" / "text.txt.j2"
    good = text.read_text()
    text.write_text("{{ nobody }}")
    looked.save("A")
    assert looked.sweep().states == {State.HELD: 1}
    looked.delete("A")
    text.write_text(good)
    assert road.mend(looked.sweeper, PAPER).states == {State.CANCELLED: 1}
    looked.save("B")
    assert looked.sweep().states == {State.QUEUED: 1}


def test_one_sweep_by_hand_waits_for_what_was_saved_a_moment_ago(looked):
    looked.save("A")
    began = looked.now
    swept = looked.sweep_out(quiet_s=1.0)
    assert (swept.new, swept.left) == (1, 0)
    assert looked.now - began <= timedelta(seconds=1.1)


def test_one_sweep_by_hand_has_no_endless_patience(looked):
    looked.save("A")
    swept = looked.sweep_out(quiet_s=300.0)
    assert (swept.new, swept.left) == (0, 1)


def test_an_import_is_told_to_nobody_and_its_next_version_to_everybody(looked):
    for number in range(30):
        looked.save(f"I{number}", silent=True)
    swept = looked.sweep(quiet_s=1.0)
    assert (swept.new, swept.silent, swept.left) == (0, 30, 0)
    looked.save("I7", 2, silent=False)
    looked.save("I8", 1, silent=False)  # never told: the flag is gone, so it is news
    looked.save("I9", 2, silent=True)
    looked.wait(2)
    looked.sweep(quiet_s=1.0)
    assert looked.told() == [("I7", "2"), ("I8", "1")]


@pytest.mark.parametrize("eternal_era", ["postgres"], indirect=True)  # nobody writes while SQLite is read
def test_lines_cannot_vanish_between_the_queries_of_a_sweep(looked):
    (looked.include / "sql" / "paper.lines.sql").write_text(
        "SELECT p.document, p.body FROM papers p WHERE p.document IN :documents"
    )
    (looked.include / "templates" / "paper" / "text.txt.j2").write_text("{{ lines | length }} line")
    looked.save("A")
    seen = []

    def vanish(_connection, _cursor, statement, *_):
        if "ORDER BY changes.changed_at" in statement and not seen:
            seen.append(statement)
            looked.delete("A")

    sa.event.listen(looked.sweeper.erp.engine, "after_cursor_execute", vanish)
    looked.sweep()
    assert seen
    (row,) = looked.outbox.messages()
    assert b"1 line" in looked.outbox.frozen(row.key).wire
    with looked.engine.connect() as connection:
        assert connection.execute(sa.select(papers).where(papers.c.document == "A")).all() == []
