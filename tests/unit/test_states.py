"""The states, the back-off and the fitting of text: pure rules of the outbox."""

from __future__ import annotations

import random
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emailketing.errors import IllegalTransition
from emailketing.model import FINAL, TRANSITIONS, Claim, Frozen, Outcome, Receipt, State
from emailketing.outbox import Backoff
from emailketing.outbox.changes import check, sources
from emailketing.outbox.fit import clipped, identity, storable

NOW = datetime(2026, 1, 1, tzinfo=UTC)
CLAIM = Claim(1, "k", "email", "us@x", "you@x", "<1@x>", 0, Frozen(b""))


@pytest.mark.parametrize("to", State)
@pytest.mark.parametrize("origin", State)
def test_a_change_is_refused_exactly_where_the_table_of_transitions_has_none(origin, to):
    if to in TRANSITIONS[origin]:
        check("k", origin, to)
        assert origin in sources(to)
    else:
        with pytest.raises(IllegalTransition, match=f"is {origin} and cannot become {to}"):
            check("k", origin, to)


def test_every_state_has_its_transitions_and_the_ended_ones_come_back_only_to_the_queue():
    assert set(TRANSITIONS) == set(State)
    assert all(TRANSITIONS[state] <= {State.QUEUED} for state in FINAL)


@given(made=st.integers(1, 10_000), seed=st.integers())
def test_a_wait_lies_between_half_and_all_of_a_span_that_doubles_up_to_its_limit(made, seed):
    policy = Backoff(attempts=12, first_s=30, most_s=3600)
    span = min(3600, 30 * 2 ** min(made - 1, 20))
    assert span / 2 <= policy.wait_s(made, random.Random(seed)) <= span


def test_waits_are_spread():
    rng = random.Random(1)
    waits = [Backoff().wait_s(3, rng) for _ in range(1000)]
    assert max(waits) - min(waits) > 50
    assert 85 < sum(waits) / len(waits) < 95


def test_a_message_is_given_up_after_its_last_attempt():
    later = Receipt(Outcome.LATER, NOW, 451)
    policy, rng = Backoff(attempts=3, first_s=10), random.Random(1)
    second = Claim(1, "k", "email", "us@x", "you@x", "<1@x>", 1, Frozen(b""))
    third = Claim(1, "k", "email", "us@x", "you@x", "<1@x>", 2, Frozen(b""))
    settled = policy.settlement(second, later, rng)
    assert not settled.gave_up
    assert 10 <= (settled.next_attempt_at - NOW).total_seconds() <= 20
    assert policy.settlement(third, later, rng).gave_up


@pytest.mark.parametrize("outcome", [Outcome.ACCEPTED, Outcome.REFUSED, Outcome.UNKNOWN])
def test_only_a_message_wanted_later_is_tried_again(outcome):
    settled = Backoff().settlement(CLAIM, Receipt(outcome, NOW), random.Random(1))
    assert (settled.next_attempt_at, settled.gave_up) == (None, False)


@given(st.text(max_size=2000), st.text(max_size=2000))
def test_a_fitted_identity_is_short_and_different_texts_stay_different(one, other):
    fitted = identity("document", one)
    assert len(fitted) <= 300
    assert identity("document", fitted) == fitted
    assert storable(one) == storable(other) or fitted != identity("document", other)


@given(st.text(st.characters(), max_size=400))
def test_text_is_storable_by_any_database_and_cut_visibly(text):
    kept = clipped(text, 100)
    assert len(kept) <= 100
    assert "\0" not in kept
    kept.encode()
    assert kept.endswith("…") or kept == storable(text)


def test_halves_of_characters_are_replaced():
    assert storable("a\ud800b") == "a?b"
