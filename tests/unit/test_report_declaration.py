"""What a DAG file may declare of a report, and what is told of a wrong one: file, line, nearest name."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from emailketing import settings, tasks
from emailketing.errors import DeclarationError
from emailketing.report.calendar import BusinessCalendar, CatchUp, Rule
from emailketing.report.declaration import Empty, ReportMailing
from emailketing.report.kinds import Money
from emailketing.report.periods import Cadence
from emailketing.road import House
from emailketing.settings import PROJECT

DAG = '''"""Sales."""
from datetime import timedelta

from airflow.sdk import DAG

from emailketing.report.charts import Chart
from emailketing.report.kinds import Money
from emailketing.tasks import Alert, mail_report, part

with DAG("sales", schedule="{schedule}", doc_md=__doc__, tags=["report"], default_args={{"owner": "sales"}}):
    mail_report({arguments})
'''


@pytest.fixture
def declare(tmp_path, monkeypatch):
    """Execute a DAG file with a `mail_report` of these arguments, written as an author writes them."""
    include, dags = tmp_path / "include", tmp_path / "dags"
    (include / "sql").mkdir(parents=True)
    dags.mkdir()
    for name in ("sales", "sales.by_branch", "stock", "closed", "closed.again", "closed.ready"):
        (include / "sql" / f"{name}.sql").write_text("SELECT 1 AS amount, 2 AS branch, 3 AS id")
    (include / "subscriptions.yaml").write_text("audiences:\n  management: [a@company.example]\n")
    monkeypatch.setenv("EMAILKETING_INCLUDE", str(include))
    monkeypatch.setenv("EMAILKETING_DAGS", str(dags))
    settings.load.cache_clear()

    def declared(arguments, schedule="0 7 * * *"):
        (dags / "sales.py").write_text(DAG.format(arguments=arguments, schedule=schedule))
        (mailing,) = tasks.declared(dags).values()
        return mailing

    yield declared
    settings.load.cache_clear()


def test_five_lines_are_enough(declare):
    mailing = declare('"sales"')
    assert (mailing.lane, mailing.cadences, mailing.attach) == ("report", (Cadence.DAILY,), ())
    assert (mailing.at, mailing.schedule, mailing.catch_up) == (time(7), "0 7 * * *", CatchUp.NEWEST)
    assert mailing.empty is Empty.TELL
    assert mailing.path.endswith("sales.py")
    assert mailing.line == 11


def test_everything_can_be_said(declare):
    mailing = declare(
        '"closed", to="management", cadence=["weekly", "monthly"], at="08:15", channels=["email", "phone"], '
        'attach=["pdf", "XLSX"], columns={"amount": Money("PYG")}, group_by=["branch"], hide=["id"], '
        'chart=Chart("bar", x="branch", y="amount"), sections=[part("again", chart=False)], empty="skip", '
        'alert=Alert("amount", below=0), wait_hours=48, catch_up="all", expires_after=timedelta(days=2)'
    )
    assert mailing.cadences == (Cadence.WEEKLY, Cadence.MONTHLY)
    assert (mailing.at, mailing.attach, mailing.to) == (time(8, 15), ("pdf", "xlsx"), "management")
    assert [part.query("closed") for part in mailing.parts] == ["closed", "closed.again"]
    assert mailing.parts[0].columns == {"amount": Money("PYG")}
    assert (mailing.empty, mailing.catch_up, mailing.expires_after_s) == (Empty.SKIP, CatchUp.ALL, 172800)


def test_a_query_that_takes_every_column_may_give_any(declare, tmp_path):
    (tmp_path / "include" / "sql" / "sales.sql").write_text("SELECT t.* FROM totals t")
    assert declare('"sales", group_by=["shop"]').parts[0].group_by == ("shop",)


@pytest.mark.parametrize(
    ("schedule", "at"),
    [
        ("30 6 * * 1-5", time(6, 30)),
        ("0 7,9 * * *", time(7)),
        ("*/15 * * * *", time(7)),
        ("@daily", time(7)),
    ],
)
def test_the_hour_is_the_schedules_where_it_is_plain(declare, schedule, at):
    assert declare('"sales"', schedule).at == at


@pytest.mark.parametrize(
    ("arguments", "problem", "nearest"),
    [
        ('"salse"', "there is no query 'salse'", "'sales'"),
        ('"sales", to="managment"', "there is no audience 'managment'", "'management'"),
        ('"sales", cadence="montly"', "There is no cadence 'montly'", "'monthly'"),
        ('"sales", attach="pfd"', "There is no format 'pfd'", "'pdf'"),
        ('"sales", channels=["mail"]', "there is no channel 'mail'", "'email'"),
        ('"sales", at="25:00"', "'25:00' is no time of day", "07:30"),
        ('"sales", sections=[part("by_brnch")]', "there is no query 'sales.by_brnch'", "'sales.by_branch'"),
        ('"sales", chart=Chart("bars", x="a", y="b")', "A chart has no chartkind 'bars'", "'bar'"),
        ('"sales", empty="skipp"', "There is no empty 'skipp'", "'skip'"),
        ('"sales", catch_up="latest"', "There is no catchup 'latest'", "newest"),
        ('"sales", alert=Alert("amount")', "An alert on 'amount' has no threshold", "above"),
        ('"sales", alert=Alert("amount", above=1, grace=2)', "is no length of time: 2", "grace=timedelta(hours=2)"),
        ('"closd", wait_hours=2', "there is no query 'closd'", "'closed'"),
        ('"stock", wait_hours=2', "there is no query 'stock.ready'", "'stock'"),
        ('"closed"', "closed.ready.sql is not heeded", "wait_hours=48"),
        ('"closed", wait_hours=-1', "cannot wait for -1 hours", "wait_hours=48"),
        (
            '"closed", wait_hours=2, alert=Alert("amount", above=1, watch=True)',
            "waits for nothing",
            "Leave out wait_hours",
        ),
        ('"sales", columns={"amuont": Money("PYG")}', "sales.sql gives no column 'amuont'", "'amount'"),
        ('"sales", group_by=["brnch"]', "sales.sql gives no column 'brnch'", "'branch'"),
        ('"sales", chart=Chart("bar", x="branch", y="ammount")', "gives no column 'ammount'", "'amount'"),
        ('"sales", cadence=[]', "a report without a cadence is never due", "cadence='daily'"),
        ('"sales", too="management"', "unexpected keyword argument 'too'", ""),
    ],
)
def test_a_wrong_name_is_told_with_file_line_and_the_nearest_right_one(declare, arguments, problem, nearest):
    with pytest.raises(DeclarationError) as caught:
        declare(arguments)
    assert "sales.py:11: " in str(caught.value)
    assert problem in str(caught.value)
    assert nearest in str(caught.value)


NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
HOUSE = House("", ZoneInfo("America/Asuncion"), "PYG", BusinessCalendar("PY"))


@pytest.mark.parametrize(
    ("schedule", "wish", "told"),
    [
        ("0 7 * * *", {"at": "07:00"}, ""),
        ("0 7 * * *", {"at": "06:30"}, ""),
        (
            "0 7 * * *",
            {"at": "07:30"},
            "due at 2026-11-26 07:30 (America/Asuncion), and the DAG looks at 2026-11-27 07:00",
        ),
        ("0 7 * * 1-5", {"cadence": "monthly", "day": 28}, "is due at 2026-11-28 07:00"),  # a Saturday
        ("0 7 * * 1-5", {"cadence": "monthly", "day": 28, "shift": "after"}, ""),
        ("0 * * * *", {"at": "09:45", "timezone": "Europe/Madrid"}, ""),
        ("30 2 30 2 *", {"at": "09:45"}, "the DAG looks at never"),
    ],
)
def test_an_hour_at_which_nobody_looks_is_told_with_both_places(declare, schedule, wish, told, monkeypatch):
    monkeypatch.delenv("AIRFLOW__CORE__DEFAULT_TIMEZONE", raising=False)
    mailing = declare('"sales", cadence=["daily", "monthly"]', schedule)
    problems = tasks.unlooked(mailing, [(Rule.declared(wish, HOUSE.zone), "subscription by file:9")], HOUSE, NOW)
    assert bool(problems) is bool(told)
    for problem in problems:
        assert problem.startswith("subscription by file:9: ")
        assert told in problem
        assert "sales.py:11" in problem


def test_the_reports_that_come_along_look_on_every_day_on_which_they_are_due(monkeypatch):
    monkeypatch.delenv("AIRFLOW__CORE__DEFAULT_TIMEZONE", raising=False)
    reports = [each for each in tasks.declared(PROJECT / "dags").values() if isinstance(each, ReportMailing)]
    assert "stock_minimum" in {each.name for each in reports}
    for mailing in reports:
        wishes = [{"at": mailing.at, "cadence": cadence} for cadence in mailing.cadences]
        rules = [(Rule.declared(each, HOUSE.zone), mailing.name) for each in wishes]
        for days in range(7):
            assert tasks.unlooked(mailing, rules, HOUSE, NOW + timedelta(days=days)) == []


def test_a_schedule_by_another_clock_is_reckoned_with(declare, monkeypatch):
    monkeypatch.setenv("AIRFLOW__CORE__DEFAULT_TIMEZONE", "UTC")
    rules = [(Rule.declared({"at": "07:00"}, HOUSE.zone), "audience")]
    (problem,) = tasks.unlooked(declare('"sales"'), rules, HOUSE, NOW)
    assert "by the clock of UTC" in problem
