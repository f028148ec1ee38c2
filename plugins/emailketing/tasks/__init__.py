"""What DAG files declare: mailings, and the tasks that carry them.

Importing this package costs nothing but Airflow itself; whatever is heavy is imported where a task runs.
"""

from emailketing.report.declaration import Alert
from emailketing.tasks.campaigns import CampaignOperator, advertised, mail_campaign, stale
from emailketing.tasks.declaring import CHANNELS, declarations, declared
from emailketing.tasks.greetings import GreetOperator, greet, greeting, told_greeted
from emailketing.tasks.notifications import SweepOperator, follow_up, notification, notify, told
from emailketing.tasks.reports import ReportOperator, mail_report, part, report_told, unlooked
from emailketing.tasks.upkeep import prune, tend_outbox

__all__ = [
    "CHANNELS",
    "Alert",
    "CampaignOperator",
    "GreetOperator",
    "ReportOperator",
    "SweepOperator",
    "advertised",
    "declarations",
    "declared",
    "follow_up",
    "greet",
    "greeting",
    "mail_campaign",
    "mail_report",
    "notification",
    "notify",
    "part",
    "prune",
    "report_told",
    "stale",
    "tend_outbox",
    "told",
    "told_greeted",
    "unlooked",
]
