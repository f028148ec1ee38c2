"""What alerts remember is kept with the messages, or not at all: alike on SQLite, PostgreSQL and MariaDB."""

from __future__ import annotations

import pytest

from emailketing.errors import OutboxError
from emailketing.outbox import Kept
from tests.letters import NOW, at, letter

ANA = ("stock", "email", "ana@company.example", "daily running")
BOB = ("stock", "email", "bob@company.example", "daily running")


def test_what_is_kept_is_recalled_with_the_count_of_its_changes(outbox):
    assert outbox.memories([]) == outbox.memories([ANA]) == {}
    outbox.put([], {}, NOW, {ANA: Kept("ñ" * 200_000)})
    outbox.put([], {}, NOW, {ANA: Kept("two", 1), BOB: Kept("one")})
    assert outbox.memories([ANA, BOB, ("other", *ANA[1:])]) == {ANA: Kept("two", 2), BOB: Kept("one", 1)}


@pytest.mark.parametrize("seen", [0, 1, 3])
def test_who_judged_by_an_older_memory_puts_nothing(outbox, seen):
    for number in range(2):
        outbox.put([], {}, NOW, {BOB: Kept(str(number), number)})
    with pytest.raises(OutboxError, match="Another look at stock has judged its alert in the same moment"):
        outbox.put([letter("1")], {"stock": at(60)}, NOW, {ANA: Kept("new"), BOB: Kept("late", seen)})
    assert outbox.memories([ANA, BOB]) == {BOB: Kept("1", 2)}
    assert outbox.messages() == []
    assert outbox.cursor("stock") is None


def test_an_address_too_long_for_its_column_is_remembered_all_the_same(outbox):
    long = ("stock", "email", "a" * 400, "daily")
    outbox.put([], {}, NOW, {long: Kept("one")})
    outbox.put([], {}, NOW, {long: Kept("two", 1)})
    assert outbox.memories([long]) == {long: Kept("two", 2)}
