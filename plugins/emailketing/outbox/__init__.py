"""The outbox: where messages live and change state, and the proof of what became of each.

`Outbox` is all that the rest of the house uses. Behind it: `schema` (the tables), `changes` (how a state changes),
`put`, `claim` and `step` (the road), `alerts` (what those of reports remember), `escalating` (what follows where one
channel reached nobody), `epochs` (where a mailing stands in the ERP's time), `pause` (lanes whose server is down),
`upkeep` (rescue, expiry, pruning), `people` (what a person may do), `subscribing` (who gets what), `wishes` (who must
not be written to, and who may), `editions` (what campaigns told, and whom), `responses` (who opened and followed what),
`reading`, `database` (transactions on SQLite, PostgreSQL and MariaDB) and `migrations`.
"""

from emailketing.model import Wish
from emailketing.outbox.alerts import Kept, Place
from emailketing.outbox.backoff import Backoff, Settlement
from emailketing.outbox.database import connect_outbox
from emailketing.outbox.editions import Last, Sought
from emailketing.outbox.escalating import Escalation
from emailketing.outbox.ledger import Outbox
from emailketing.outbox.pause import Failure, Pause, Pausing
from emailketing.outbox.people import Verdict
from emailketing.outbox.put import Put
from emailketing.outbox.reading import Addressed, Entry, Filter, Row, Standing, Told
from emailketing.outbox.responses import Facts, Sent
from emailketing.outbox.upkeep import Pruned, Rescued
from emailketing.outbox.wishes import ALL, Act, Asking, Choice, told

__all__ = [
    "ALL",
    "Act",
    "Addressed",
    "Asking",
    "Backoff",
    "Choice",
    "Entry",
    "Escalation",
    "Facts",
    "Failure",
    "Filter",
    "Kept",
    "Last",
    "Outbox",
    "Pause",
    "Pausing",
    "Place",
    "Pruned",
    "Put",
    "Rescued",
    "Row",
    "Sent",
    "Settlement",
    "Sought",
    "Standing",
    "Told",
    "Verdict",
    "Wish",
    "connect_outbox",
    "told",
]
