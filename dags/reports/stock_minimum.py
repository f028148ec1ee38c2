"""Products below their reorder point, to the warehouse; nobody is written to where there is enough."""

from airflow.sdk import DAG

from emailketing.report.kinds import Money, Number
from emailketing.tasks import mail_report

COUNT = Number(sums=False)

with DAG("stock_minimum", schedule="0 6 * * *", doc_md=__doc__, tags=["report"], default_args={"owner": "warehouse"}):
    mail_report(
        "stock_minimum",
        to="warehouse",
        attach=["pdf", "xlsx"],
        empty="skip",
        columns={
            **dict.fromkeys(("quantity", "reorder_at", "missing", "on_order", "elsewhere"), COUNT),
            "missing_value": Money("PYG"),
        },
        hide=["branch_code", "reorder_at", "supplier"],
        brief=["branch", "quantity", "missing", "on_order"],
        most=100,
        chart=False,
    )
