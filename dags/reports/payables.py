"""What suppliers are owed at the end of the period, by how long it has been due, to the treasury."""

from airflow.sdk import DAG

from emailketing.report.charts import Chart
from emailketing.report.kinds import Date, Money, Percent
from emailketing.tasks import mail_report, part

with DAG("payables", schedule="0 7 * * *", doc_md=__doc__, tags=["report"], default_args={"owner": "finance"}):
    mail_report(
        "payables",
        to="treasury",
        cadence=["weekly", "monthly"],
        attach=["pdf", "xlsx"],
        columns={
            "amount": Money("PYG"),
            "share": Percent(),
            "previous": Money("PYG"),
            "difference": Money("PYG", good="good"),
            "difference_pct": Percent(good="good"),
        },
        chart=Chart("bar", x="age", y="amount", previous="previous", good="none", in_order=True),
        brief=["documents", "share", "difference_pct"],
        sections=[
            part(
                "parties",
                columns={
                    "oldest_due": Date(),
                    **dict.fromkeys(
                        ["total", "not_due", "days_1_30", "days_31_60", "days_61_90", "days_over_90"], Money("PYG")
                    ),
                },
                chart=False,
                brief=["oldest_due"],
            ),
            part("foreign", columns={"invoiced_on": Date(), "due_on": Date()}, chart=False),
        ],
    )
