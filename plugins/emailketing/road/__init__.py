"""The one road of a message: from rows of the ERP to a settled row of the ledger.

`sweep` does the first half: changed rows → events → envelopes → (known keys dropped) → content → frozen bytes →
outbox, with the cursor, in one transaction; `mend` renders again what could not be rendered, `escalate` tries another
channel where one reached nobody. `deliver` does the second: claim → send → settle; `keep_house` settles what nobody
could settle at the time. `judge` says who may be written to, and a delivery asks again; by `leave` a person gets out;
`respond` keeps that he opened a mail or followed a link, and `results` says what came of an edition.
`preview` is what a person sees of it before anything is sent.

Every part may be repeated, and every part may be killed at any instruction. Connections, clock and files are handed in.
"""

from emailketing.road.campaigning import Sample, Samples, advertise, check_campaign, plan, samples
from emailketing.road.choosing import Advertised, Campaigner, Choice
from emailketing.road.clock import Clock, utc_now
from emailketing.road.columns import check_columns
from emailketing.road.consenting import ask_again, judge, person_of
from emailketing.road.delivery import Carrier, Delivered, deliver, keep_house, wire
from emailketing.road.escalation import escalate, withdraw
from emailketing.road.greeting import Greeted, Greeter, greet
from emailketing.road.greeting_preview import (
    Rehearsal,
    Stands,
    Verdict,
    as_greeted,
    check_greeting,
    example,
    greeting_content,
    next_day,
    rehearse,
)
from emailketing.road.leaving import Left, leave
from emailketing.road.linking import Tried, try_links
from emailketing.road.preview import check_addresses, check_filters, check_mailing, newest_event, send_test
from emailketing.road.previewing import check_report, check_subscription, last_period, next_due, preview_report
from emailketing.road.readers import Reader
from emailketing.road.reporter import About, House, Reported, Reporter
from emailketing.road.reporting import report
from emailketing.road.responding import Visit, respond
from emailketing.road.results import Followed, Measured, Results, Tally, results
from emailketing.road.rounds import sweep_all, sweep_out
from emailketing.road.stillness import Stillness
from emailketing.road.sweeping import Sweeper, Swept, freeze, mend, sweep

__all__ = [
    "About",
    "Advertised",
    "Campaigner",
    "Carrier",
    "Choice",
    "Clock",
    "Delivered",
    "Followed",
    "Greeted",
    "Greeter",
    "House",
    "Left",
    "Measured",
    "Reader",
    "Rehearsal",
    "Reported",
    "Reporter",
    "Results",
    "Sample",
    "Samples",
    "Stands",
    "Stillness",
    "Sweeper",
    "Swept",
    "Tally",
    "Tried",
    "Verdict",
    "Visit",
    "advertise",
    "as_greeted",
    "ask_again",
    "check_addresses",
    "check_campaign",
    "check_columns",
    "check_filters",
    "check_greeting",
    "check_mailing",
    "check_report",
    "check_subscription",
    "deliver",
    "escalate",
    "example",
    "freeze",
    "greet",
    "greeting_content",
    "judge",
    "keep_house",
    "last_period",
    "leave",
    "mend",
    "newest_event",
    "next_day",
    "next_due",
    "person_of",
    "plan",
    "preview_report",
    "rehearse",
    "report",
    "respond",
    "results",
    "samples",
    "send_test",
    "sweep",
    "sweep_all",
    "sweep_out",
    "try_links",
    "utc_now",
    "wire",
    "withdraw",
]
