"""The day in six figures, and by branch, to management; each branch's to its manager."""

from airflow.sdk import DAG

from emailketing.report.charts import Chart
from emailketing.report.kinds import Money, Number, Percent
from emailketing.tasks import mail_report

PYG = Money("PYG")

with DAG("executive_summary", schedule="30 6 * * *", doc_md=__doc__, tags=["report"], default_args={"owner": "sales"}):
    mail_report(
        "executive_summary",
        to="management",
        cadence=["daily", "weekly", "monthly"],
        columns={
            **dict.fromkeys(("sales", "previous", "difference", "year_ago", "year_difference"), PYG),
            **dict.fromkeys(("margin", "collected"), PYG),
            "difference_pct": Percent(of=("difference", "previous"), good="up"),
            "year_difference_pct": Percent(of=("year_difference", "year_ago"), good="up"),
            "margin_pct": Percent(of=("margin", "sales")),
            "litres": Number(0, measure="l"),
            "cash_difference": Money("PYG", good="up"),
        },
        hide=["branch_code", "difference", "previous", "year_ago", "year_difference", "margin"],
        brief=["difference_pct", "margin_pct"],
        chart=Chart("bar", x="branch", y="sales", previous="previous"),
    )
