"""Sales by group, branch, seller, customer and product, beside the period before and a year ago."""

from airflow.sdk import DAG

from emailketing.report.charts import Chart
from emailketing.report.kinds import Money, Number, Percent, Ratio
from emailketing.tasks import mail_report, part

PYG = Money("PYG")
COMPARED = {
    **dict.fromkeys(("sales", "previous", "difference", "year_ago", "year_difference"), PYG),
    "difference_pct": Percent(of=("difference", "previous"), good="up"),
    "year_difference_pct": Percent(of=("year_difference", "year_ago"), good="up"),
}
EARNED = {"margin": PYG, "margin_pct": Percent(of=("margin", "sales"))}
TICKET = {"tickets": Number(0), "average_ticket": Ratio(of=("sales", "tickets"), decimals=0, measure="Gs.")}
HIDDEN = ["branch_code", "difference", "year_difference"]
LOOK = {"brief": ["difference_pct", "year_difference_pct"], "fold": True, "largest": "sales"}

with DAG("sales", schedule="0 7 * * *", doc_md=__doc__, tags=["report"], default_args={"owner": "sales"}):
    mail_report(
        "sales",
        to="management",
        cadence=["monthly", "weekly", "daily"],
        attach=["pdf", "xlsx"],
        columns=COMPARED,
        hide=HIDDEN,
        chart=Chart("bar", x="product_group", y="sales", previous="previous"),
        **LOOK,
        sections=[
            part(
                "branches",
                columns={**COMPARED, **EARNED, "tickets": Number(0)},
                hide=[*HIDDEN, "year_ago", "margin"],
                chart=Chart("bar", x="branch", y="sales", previous="previous"),
                **LOOK,
            ),
            part(
                "sellers",
                columns={**COMPARED, **EARNED, **TICKET},
                hide=[*HIDDEN, "previous", "year_ago", "margin"],
                chart=False,
                **LOOK,
            ),
            part(
                "customers",
                columns={**COMPARED, **EARNED, "tickets": Number(0)},
                hide=[*HIDDEN, "year_ago", "tickets", "margin"],
                chart=False,
                most=30,
                **LOOK,
            ),
            part(
                "products",
                columns={**COMPARED, "quantity": Number(0, unit_in="unit")},
                hide=[*HIDDEN, "year_ago"],
                chart=False,
                most=50,
                **LOOK,
            ),
        ],
    )
