"""Income statement of the period, to management."""

from airflow.sdk import DAG

from emailketing.report.charts import Chart
from emailketing.report.kinds import Account, Money, Percent
from emailketing.tasks import mail_report

with DAG("income_statement", schedule="0 7 * * *", doc_md=__doc__, tags=["report"], default_args={"owner": "finance"}):
    mail_report(
        "income_statement",
        to="management",
        cadence=["monthly", "weekly", "daily"],
        attach=["pdf", "xlsx"],
        columns={
            "account": Account(level="level", sum="is_sum"),
            "amount": Money("PYG"),
            "share": Percent(),
            "previous": Money("PYG"),
            "difference": Money("PYG", good="good"),
            "difference_pct": Percent(good="good"),
            "year_ago": Money("PYG"),
            "year_difference": Money("PYG", good="good"),
            "year_difference_pct": Percent(good="good"),
            "effect": Money("PYG"),
        },
        hide=["effect", "is_result"],
        chart=Chart("waterfall", x="account", y="effect", sums="is_result"),
        brief=["share", "difference_pct"],
    )
