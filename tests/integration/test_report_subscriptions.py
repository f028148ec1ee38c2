"""What somebody wants of a report is held against the report when it is set, on the command line."""

import json

import pytest

DAG = '''"""What customers paid."""
from airflow.sdk import DAG
from emailketing.tasks import mail_report

with DAG("paid", schedule="0 7 * * *", doc_md=__doc__, tags=["report"], default_args={"owner": "treasury"}) as dag:
    mail = mail_report("paid", cadence=["daily", "monthly"], channels=["email", "phone"])
'''
QUERY = """SELECT r.method, SUM(r.total) AS amount FROM receipts r
WHERE r.received_on >= :start AND r.received_on < :end GROUP BY r.method"""


@pytest.fixture
def clerk(desk):
    (desk.include / "sql" / "paid.sql").write_text(QUERY)
    (desk.folder / "dags").mkdir()
    (desk.folder / "dags" / "paid.py").write_text(DAG)
    desk.env["EMAILKETING_DAGS"] = str(desk.folder / "dags")
    return desk


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ("{cadense: monthly}", "there is no option 'cadense' of a report.\n  Did you mean 'cadence'?"),
        ("{cadence: montly}", "There is no cadence 'montly'.\n  Did you mean 'monthly'?"),
        ("{cadence: weekly}", "paid is not made weekly, only daily, monthly.\n  Its DAG says which it is made:"),
        ("{format: pfd}", "There is no format 'pfd'.\n  Did you mean 'pdf'?"),
        ("{timezone: America/Asuncio}", "Did you mean 'America/Asuncion'?"),
        ("{at: '25:00'}", "'25:00' is no time of day."),
    ],
)
def test_an_option_that_is_none_is_refused_with_the_nearest_word(clerk, options, told):
    said = clerk.run("subscriptions", "add", "paid", "--email", "ana@x.example", "--options", options, fails=True)
    assert told in said
    assert clerk.run("subscriptions", "list", "--json", "--mailing", "paid") == ""


def test_a_filter_on_a_column_that_is_none_is_refused(clerk):
    said = clerk.run("subscriptions", "add", "paid", "--email", "a@x.example", "--where", "{metod: cash}", fails=True)
    assert "a filter on paid can never hold: the query gives no column 'metod'" in said


def test_what_can_be_had_is_set_and_an_hour_at_which_nobody_looks_is_told(clerk):
    options = "{cadence: monthly, at: '07:00', format: [xlsx]}"
    where = ("--where", "{method: cash}")
    said = clerk.run("subscriptions", "add", "paid", "--email", "ana@x.example", *where, "--options", options)
    assert said.strip() == "ana@x.example gets paid by email"
    said = clerk.run("subscriptions", "add", "paid", "--phone", "+595981123456", "--options", "{at: '18:00'}")
    assert "+595981123456: is due at" in said
    assert "and the DAG looks at" in said
    places = [json.loads(line) for line in clerk.run("subscriptions", "list", "--json").splitlines()]
    assert [place["options"] for place in places if place["mailing"] == "paid"] == [
        {"cadence": "monthly", "at": "07:00", "format": ["xlsx"]},
        {"at": "18:00"},
    ]
