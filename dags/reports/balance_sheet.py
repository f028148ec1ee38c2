"""Balance sheet at the end of the period, to management."""

from airflow.sdk import DAG

from emailketing.report.charts import Chart
from emailketing.report.kinds import Account, Money, Percent
from emailketing.tasks import mail_report

with DAG("balance_sheet", schedule="0 7 * * *", doc_md=__doc__, tags=["report"], default_args={"owner": "finance"}):
    mail_report(
        "balance_sheet",
        to="management",
        cadence="monthly",
        attach=["pdf", "xlsx"],
        columns={
            "account": Account(level="level", sum="is_sum"),
            "amount": Money("PYG"),
            "share": Percent(),
            "opening": Money("PYG"),
            "difference": Money("PYG", good="good"),
            "difference_pct": Percent(good="good"),
            "year_ago": Money("PYG"),
            "year_difference_pct": Percent(good="good"),
            "block": Money("PYG"),
        },
        hide=["block", "side"],
        chart=Chart("stacked", x="side", y="block", by="account", in_order=True),
        brief=["share", "difference_pct"],
    )
