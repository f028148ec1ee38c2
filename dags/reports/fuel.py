"""Fuel by fleet customer and by vehicle; a fleet may read its own, and nothing else."""

from airflow.sdk import DAG

from emailketing.report.kinds import Money, Number, Percent, Ratio
from emailketing.tasks import mail_report, part

PYG, LITRES, KM = Money("PYG"), Number(2, measure="l"), Number(0, measure="km")
USED = {
    "amount": PYG,
    "litres": LITRES,
    "km": KM,
    "litres_burnt": LITRES,
    "consumption": Ratio(of=("litres_burnt", "km"), times=100),
}
HIDDEN = ["customer_tax_id", "litres_burnt"]

with DAG("fuel", schedule="0 7 * * *", doc_md=__doc__, tags=["report"], default_args={"owner": "sales"}):
    mail_report(
        "fuel",
        to="management",
        cadence=["monthly", "weekly", "daily"],
        attach=["pdf", "xlsx"],
        columns={
            **USED,
            **dict.fromkeys(("previous", "difference", "year_ago", "year_difference"), PYG),
            "difference_pct": Percent(of=("difference", "previous"), good="none"),
            "year_difference_pct": Percent(of=("year_difference", "year_ago"), good="none"),
        },
        hide=[*HIDDEN, "difference", "year_difference", "previous", "year_ago"],
        brief=["litres", "consumption", "difference_pct"],
        largest="amount",
        most=30,
        chart=False,
        sections=[
            part(
                "vehicles",
                columns={
                    **USED,
                    "usual_km": KM,
                    "usual_litres": LITRES,
                    "usual": Ratio(of=("usual_litres", "usual_km"), times=100),
                },
                hide=[*HIDDEN, "model", "usual_km", "usual_litres"],
                brief=["customer", "litres", "consumption", "usual"],
                largest="amount",
                most=50,
                chart=False,
            ),
            part(
                "fuellings",
                columns={**USED, "odometer": Number(0, sums=False)},
                hide=[*HIDDEN, "driver", "number", "product"],
                brief=["sold_on", "litres", "consumption"],
                most=50,
                chart=False,
            ),
        ],
    )
