"""The ERP is brought back to an older state: what is saved in it afterwards is told once, whatever its number."""

from datetime import timedelta

import pytest

from emailketing import road
from emailketing.model import State
from tests.era import PAPER


@pytest.fixture
def lost(era):
    """An ERP that lost a day: A0 to A4 are in the backup, B0 to B4 were told and are lost."""
    era.save("OLD")
    era.sweep()
    for number in range(5):
        era.wait(600)
        era.save(f"A{number}")
        era.sweep()
    backup = era.take_backup()
    for number in range(5):
        era.wait(3600)
        era.save(f"B{number}")
        era.sweep()
    era.wait(3600)
    era.restore(backup)
    return era


TOLD = [*((f"A{number}", "1") for number in range(5)), *((f"B{number}", "1") for number in range(5))]


def test_a_restored_erp_is_noticed_once_and_named(lost):
    swept = lost.sweep()
    assert len(swept.alarms) == 1
    assert "looks restored from a backup" in swept.alarms[0]
    assert "B0, B1, B2, B3, B4" in swept.alarms[0]
    assert lost.sweep().alarms == []
    assert lost.told() == TOLD


def test_a_number_that_is_given_again_is_told_once_with_its_new_content(lost):
    lost.sweep()
    lost.wait(60)
    lost.save("B1", name="Another", body="Another content", email="another@example.com")
    lost.save("A2", 2)
    for _ in range(3):
        lost.sweep()
        lost.wait(600)
    assert lost.told() == sorted([*TOLD, ("A2", "2"), ("B1", "1+restored1")])
    again = next(row for row in lost.outbox.messages() if row.version == "1+restored1")
    assert again.address == "another@example.com"
    assert b"Another content" in lost.outbox.frozen(again.key).wire


def test_the_same_address_is_told_again_too(lost):
    lost.sweep()
    lost.save("B1", body="Another content")
    lost.sweep()
    assert lost.told().count(("B1", "1+restored1")) == 1


def test_what_survived_and_is_changed_without_a_version_is_not_told_again(era):
    era.save("OLD")
    era.sweep()
    era.wait(600)
    era.save("A", None)
    era.sweep()
    backup = era.take_backup()
    for number in range(4):
        era.wait(3600)
        era.save(f"B{number}", None)
        era.sweep()
    era.restore(backup)
    era.sweep()
    era.wait(60)
    era.save("A", None, body="corrected")
    era.save("B2", None, body="another")
    era.sweep()
    era.wait(60)
    era.save("B2", None, body="corrected")
    era.sweep()
    assert [one for one in era.told() if one[0] in {"A", "B2"}] == [("A", "1"), ("B2", "1"), ("B2", "1+restored1")]


def test_two_restores_one_after_the_other(lost):
    lost.sweep()
    backup = lost.take_backup()
    for number in range(5):
        lost.wait(60)
        lost.save(f"B{number}")
        lost.sweep()
    lost.restore(backup)
    assert len(lost.sweep().alarms) == 1
    lost.wait(60)
    lost.save("B3")
    lost.sweep()
    lost.sweep()
    versions = [version for document, version in lost.told() if document == "B3"]
    assert versions == ["1", "1+restored1", "1+restored2"]


def test_a_restore_that_nobody_noticed_is_made_good_by_the_command(lost):
    """No sweep looked before new documents came: times alone do not show it."""
    lost.wait(60)
    lost.save("B1", body="Another content")
    for number in range(20):
        lost.wait(600)
        lost.save(f"C{number}")
        assert lost.sweep().alarms == []
    assert ("B1", "1+restored1") not in lost.told()
    back = lost.now - timedelta(hours=10)
    assert lost.outbox.restored("paper", back, lost.now, lost.now)
    swept = lost.sweep()
    assert (swept.new, swept.alarms) == (1, [])
    assert lost.told() == sorted([*TOLD, ("B1", "1+restored1"), *((f"C{number}", "1") for number in range(20))])


def test_a_deleted_newest_document_is_no_restore(era):
    era.save("OLD")
    era.sweep()
    for number in range(4):
        era.wait(60)
        era.save(f"A{number}")
        era.sweep()
    era.delete("A3", "A2")
    assert era.sweep().alarms == []
    assert era.outbox.epochs("paper")[1:] == []
    era.wait(60)
    era.save("A4")
    era.sweep()
    assert era.told() == [(f"A{number}", "1") for number in range(5)]


def test_a_restore_to_before_the_first_look_tells_no_history_but_what_is_saved_anew(era):
    era.save("ANCIENT", changed_at=era.dated() - timedelta(days=2))
    backup = era.take_backup()
    era.wait(600)
    era.save("OLD")
    era.sweep()  # the first look: OLD is history
    for number in range(4):
        era.wait(3600)
        era.save(f"A{number}")
        era.sweep()
    era.restore(backup)
    assert len(era.sweep().alarms) == 1
    assert era.sweep().alarms == []
    era.wait(60)
    era.save("OLD", body="another")
    era.save("A1", body="another")
    era.sweep()
    era.sweep()
    assert era.told() == [("A0", "1"), ("A1", "1"), ("A1", "1+restored1"), ("A2", "1"), ("A3", "1"), ("OLD", "1")]


def test_an_erp_that_lost_everything_is_noticed_once(lost):
    lost.restore([])
    assert len(lost.sweep().alarms) == 1
    assert lost.sweep().alarms == []
    lost.wait(60)
    lost.save("B1", body="another")
    lost.sweep()
    assert lost.told().count(("B1", "1+restored1")) == 1


def test_a_held_message_of_a_lost_document_is_not_rendered_with_the_next_ones_content(era):
    era.save("OLD")
    era.sweep()
    backup = era.take_backup()
    era.wait(60)
    text = era.include / "templates" / "paper" / "text.txt.j2"
    good = text.read_text()
    text.write_text("{{ nobody }}")
    for number in range(4):
        era.wait(3600)
        era.save(f"B{number}")
        era.sweep()
    era.restore(backup)
    era.sweep()
    era.wait(60)
    era.save("B1", body="another")
    era.sweep()
    text.write_text(good)
    road.mend(era.sweeper, PAPER)
    states = {(row.document, row.version): row.state for row in era.outbox.messages()}
    assert states.pop(("B1", "1+restored1")) is State.QUEUED
    assert set(states.values()) == {State.CANCELLED}
