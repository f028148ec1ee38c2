"""The one road of a message: from rows of the ERP to a settled row of the ledger.

`sweep` does the first half: changed rows → events → envelopes → (known keys dropped) → content → frozen bytes →
outbox, with the cursor, in one transaction; `mend` renders again what could not be rendered, `escalate` tries another
channel where one reached nobody. `deliver` does the second: claim → send → settle; `keep_house` settles what nobody
could settle at the time. `judge` says who may be written to, and a delivery asks again; by `leave` a person gets out.
`preview` is what a person sees of it before anything is sent.

Every part may be repeated, and every part may be killed at any instruction. Connections, clock and files are handed in.
"""

from emailketing.road.clock import Clock, utc_now
from emailketing.road.consenting import ask_again, judge, person_of
from emailketing.road.delivery import Carrier, Delivered, deliver, keep_house, wire
from emailketing.road.escalation import escalate, withdraw
from emailketing.road.leaving import Left, leave
from emailketing.road.preview import check_addresses, check_filters, check_mailing, newest_event, send_test
from emailketing.road.rounds import sweep_all, sweep_out
from emailketing.road.stillness import Stillness
from emailketing.road.sweeping import Sweeper, Swept, freeze, mend, sweep

__all__ = [
    "Carrier",
    "Clock",
    "Delivered",
    "Left",
    "Stillness",
    "Sweeper",
    "Swept",
    "ask_again",
    "check_addresses",
    "check_filters",
    "check_mailing",
    "deliver",
    "escalate",
    "freeze",
    "judge",
    "keep_house",
    "leave",
    "mend",
    "newest_event",
    "person_of",
    "send_test",
    "sweep",
    "sweep_all",
    "sweep_out",
    "utc_now",
    "wire",
    "withdraw",
]
