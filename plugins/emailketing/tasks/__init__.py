"""What DAG files declare: mailings, and the tasks that carry them.

Importing this package costs nothing but Airflow itself; whatever is heavy is imported where a task runs.
"""

from emailketing.tasks.declaring import CHANNELS, declared
from emailketing.tasks.notifications import SweepOperator, notification, notify, told
from emailketing.tasks.upkeep import prune, tend_outbox

__all__ = ["CHANNELS", "SweepOperator", "declared", "notification", "notify", "prune", "tend_outbox", "told"]
