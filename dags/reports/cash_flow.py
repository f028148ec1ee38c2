"""Cash flow of the period, to the treasury."""

from airflow.sdk import DAG

from emailketing.report.charts import Chart
from emailketing.report.kinds import Account, Money, Percent
from emailketing.tasks import mail_report, part

with DAG("cash_flow", schedule="0 7 * * *", doc_md=__doc__, tags=["report"], default_args={"owner": "finance"}):
    mail_report(
        "cash_flow",
        to="treasury",
        cadence=["weekly", "monthly"],
        attach=["pdf", "xlsx"],
        columns={
            "account": Account(level="level", sum="is_sum"),
            "amount": Money("PYG"),
            "previous": Money("PYG"),
            "difference": Money("PYG", good="up"),
            "difference_pct": Percent(good="up"),
            "year_ago": Money("PYG"),
            "year_difference": Money("PYG", good="up"),
            "year_difference_pct": Percent(good="up"),
            "step": Money("PYG"),
        },
        hide=["step", "is_balance"],
        chart=Chart("waterfall", x="account", y="step", sums="is_balance"),
        brief=["difference_pct"],
        sections=[
            part(
                "accounts",
                columns=dict.fromkeys(["opening", "inflows", "outflows", "closing"], Money("PYG")),
                chart=False,
            )
        ],
    )
