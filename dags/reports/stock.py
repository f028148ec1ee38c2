"""What lies in store at average cost, by group, branch and product, beside the inventory account."""

from airflow.sdk import DAG

from emailketing.report.charts import Chart
from emailketing.report.kinds import Money, Number, Percent
from emailketing.tasks import mail_report, part

PYG = Money("PYG")

with DAG("stock", schedule="0 7 * * *", doc_md=__doc__, tags=["report"], default_args={"owner": "warehouse"}):
    mail_report(
        "stock",
        to="management",
        cadence=["monthly", "weekly", "daily"],
        attach=["pdf", "xlsx"],
        columns={"value": PYG, "idle": PYG, "idle_pct": Percent(of=("idle", "value"))},
        hide=["branch_code"],
        brief=["idle_pct", "below"],
        fold=True,
        largest="value",
        chart=Chart("bar", x="product_group", y="value"),
        sections=[
            part(
                "branches",
                columns={"value": PYG},
                hide=["branch_code"],
                group_by=["branch"],
                largest="value",
                chart=Chart("stacked", x="branch", y="value", by="product_group"),
            ),
            part(
                "products",
                columns={"value": PYG, "average_cost": Money("PYG", sums=False), "quantity": Number(0, unit_in="unit")},
                hide=["branch_code"],
                brief=["quantity"],
                fold=True,
                largest="value",
                most=40,
                chart=False,
            ),
        ],
    )
