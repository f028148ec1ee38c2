"""What DAG files declare: mailings, and the tasks that carry them.

Importing this package costs nothing but Airflow itself; whatever is heavy is imported where a task runs.
"""

from emailketing.tasks.declaring import CHANNELS, declared
from emailketing.tasks.notifications import SweepOperator, follow_up, notification, notify, told
from emailketing.tasks.upkeep import prune, tend_outbox

__all__ = [
    "CHANNELS",
    "SweepOperator",
    "declared",
    "follow_up",
    "notification",
    "notify",
    "prune",
    "tend_outbox",
    "told",
]
