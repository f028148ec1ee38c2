"""Whatever is done to messages in whatever order, no state changes against the rules or without its line of history."""

from __future__ import annotations

import itertools
import tempfile
from pathlib import Path

import hypothesis.strategies as st
from hypothesis import HealthCheck, settings
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, multiple, rule

from emailketing.errors import IllegalTransition
from emailketing.model import TRANSITIONS, OnUnknown, State
from emailketing.outbox import Outbox, Verdict
from tests import letters
from tests.letters import LEASE_S, at, letter

OWNERS = st.sampled_from(["one", "two"])
RECEIPTS = st.sampled_from([letters.accepted, letters.later, letters.refused, letters.unknown])


class AnyOrder(RuleBasedStateMachine):
    """Two delivery processes, a housekeeper and a person on one outbox, and a clock that only runs forward."""

    keys = Bundle("keys")
    claims = Bundle("claims")

    @initialize()
    def open(self):
        self.folder = tempfile.TemporaryDirectory()
        self.outbox = Outbox.open(f"sqlite:///{Path(self.folder.name) / 'o.db'}")
        self.clock = 0.0
        self.sending = {}  # by owner: what its connection has in hand

    def teardown(self):
        if hasattr(self, "outbox"):
            self.outbox.close()
            self.folder.cleanup()

    @rule(
        target=keys,
        document=st.integers(0, 3),
        policy=st.sampled_from(OnUnknown),
        state=st.sampled_from(["queued", "held"]),
    )
    def put(self, document, policy, state):
        expires = at(self.clock + 2000) if document == 3 else None
        given = letter(str(document), on_unknown=policy, state=State(state), event_at=at(-1), expires_at=expires)
        self.outbox.put([given], {}, at(self.clock))
        return given.envelope.key

    @rule(seconds=st.sampled_from([1.0, 70.0, LEASE_S + 1, 2500.0]))
    def wait(self, seconds):
        self.clock += seconds

    @rule(target=claims, owner=OWNERS)
    def claim(self, owner):
        return multiple(*[(owner, each) for each in letters.claim(self.outbox, owner, seconds=self.clock)])

    @rule(held=claims, receipt=RECEIPTS)
    def step(self, held, receipt):
        owner, each = held
        settled = None
        if owner in self.sending:
            before = self.sending.pop(owner)
            settled = receipt(before, self.clock)
        self._try(lambda: self._step(owner, settled, each))

    def _step(self, owner, settled, each):
        began = self.outbox.step(owner, settled, each.id, at(self.clock), LEASE_S)
        if began:
            self.sending[owner] = each

    @rule(owner=OWNERS, receipt=RECEIPTS)
    def settle(self, owner, receipt):
        if owner in self.sending:
            settled = receipt(self.sending.pop(owner), self.clock)
            self._try(lambda: self.outbox.step(owner, settled, None, at(self.clock), LEASE_S))

    @rule(owner=OWNERS)
    def release(self, owner):
        self.outbox.release(owner)

    @rule()
    def keep_house(self):
        self.outbox.rescue(at(self.clock), at(self.clock + 10), 3)
        self.outbox.expire(at(self.clock))

    @rule(key=keys, act=st.sampled_from(["cancel", "resend", "approve"]))
    def decide(self, key, act):
        self._try(lambda: getattr(self.outbox, act)(key, "maria", "because", at(self.clock)))

    @rule(key=keys, verdict=st.sampled_from(Verdict))
    def settle_unknown(self, key, verdict):
        self._try(lambda: self.outbox.settle_unknown(key, verdict, "maria", "because", at(self.clock)))

    def _try(self, act):
        before = {row.key: row for row in self.outbox.messages()}
        try:
            act()
        except IllegalTransition:
            assert {row.key: row for row in self.outbox.messages()} == before

    @invariant()
    def histories_tell_all_and_break_no_rule(self):
        if not hasattr(self, "outbox"):
            return
        for row in self.outbox.messages():
            entries = self.outbox.history(row.key)
            assert entries[0].from_state is None
            assert entries[-1].to_state is row.state
            for before, after in itertools.pairwise(entries):
                assert after.from_state is before.to_state
                assert after.to_state in TRANSITIONS[after.from_state] | {State.UNKNOWN}
                assert after.cause

    @invariant()
    def a_connection_has_one_message_in_hand_at_most(self):
        if not hasattr(self, "outbox"):
            return
        sending = [row for row in self.outbox.messages() if row.state is State.SENDING]
        assert len({row.lease_owner for row in sending}) == len(sending)
        assert all(row.lease_until for row in sending)


TestAnyOrder = AnyOrder.TestCase
TestAnyOrder.settings = settings(
    max_examples=40, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
)
