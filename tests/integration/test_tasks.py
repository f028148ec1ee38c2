"""The tasks that DAG files declare, run as Airflow runs them, on a real ERP, outbox and mail server."""

from datetime import UTC, datetime, timedelta

import pytest
from airflow.sdk.exceptions import AirflowFailException

from demo.catcher import read_log
from emailketing import road, settings, tasks, wiring
from emailketing.errors import ChannelDown
from emailketing.model import Kind, Lane, State
from emailketing.outbox import Filter
from emailketing.tasks import upkeep
from tests.town import plain_sheets

CACHED = (settings.load, wiring.erp, wiring.outbox, wiring.renderer, wiring._lines)


@pytest.fixture
def sweep(desk, monkeypatch):
    """The sweep task of dags/notifications.py, in this process, with the desk's connections; it hardly lingers."""
    for name in ("AIRFLOW_CONN_ERP", "AIRFLOW_CONN_EMAILKETING", "AIRFLOW_CONN_SMTP", "EMAILKETING_INCLUDE"):
        monkeypatch.setenv(name, desk.env[name])
    monkeypatch.setenv("EMAILKETING_SWEEP__LINGER_S", "0.5")
    monkeypatch.setenv("EMAILKETING_SWEEP__POLL_S", "0.2")
    plain_sheets(desk.include)
    for each in CACHED:
        each.cache_clear()
    declared = tasks.declared(settings.load().dags).values()
    mailings = tuple(mailing for mailing in declared if mailing.kind is Kind.NOTIFICATION)
    yield tasks.SweepOperator(task_id="sweep", mailings=mailings)
    wiring.outbox().close()
    wiring.erp().engine.dispose()
    for each in CACHED:
        each.cache_clear()


def states():
    return [row.state for row in wiring.outbox().messages(Filter())]


def told(sweep):
    """How many messages a sweep put, by mailing, those with none left out."""
    return {mailing: count for mailing, count in sweep.execute({}).items() if count}


def test_a_sweep_sends_what_was_saved_and_a_repeated_one_nothing(desk, sweep):
    with desk.mail_server():
        assert told(sweep) == {}
        desk.operator.save_purchase_order()
        assert told(sweep) == {"purchase_order": 1}
        assert told(sweep) == {}
    assert len(read_log(desk.log)[0]) == 1


def test_a_sweep_does_not_end_before_what_was_saved_a_moment_ago_stands_still(desk, sweep, monkeypatch):
    monkeypatch.setenv("EMAILKETING_SWEEP__LINGER_S", "0")
    monkeypatch.setenv("EMAILKETING_SWEEP__QUIET_S", "1.5")
    settings.load.cache_clear()
    with desk.mail_server():
        sweep.execute({})
        desk.operator.save_purchase_order()
        assert told(sweep) == {"purchase_order": 1}
    assert states() == [State.ACCEPTED]


def test_a_broken_template_fails_the_run_once_and_is_mended_by_the_next(desk, sweep):
    with desk.mail_server():
        sweep.execute({})
        desk.mend("templates/purchase_order/text.txt.j2", "{{ company.name }}", "{{ company.nam }}")
        desk.operator.save_purchase_order()
        with pytest.raises(AirflowFailException, match=r"text\.txt\.j2:"):
            sweep.execute({})
        assert told(sweep) == {}  # held still, and told already
        desk.mend("templates/purchase_order/text.txt.j2", "{{ company.nam }}", "{{ company.name }}")
        sweep.execute({})
    assert states() == [State.ACCEPTED]


def test_the_outbox_task_tells_that_the_server_is_down_and_sends_when_it_is_back(desk, sweep):
    sweep.execute({})
    desk.operator.save_purchase_order()
    assert told(sweep) == {"purchase_order": 1}  # the sweep's work is done; the mail waits
    assert states() == [State.QUEUED]
    with pytest.raises(ChannelDown, match="nothing listens there"):
        upkeep.minute.function()
    with desk.mail_server():
        wiring.outbox().resume("email", Lane.INSTANT)
        assert upkeep.minute.function()["accepted"] == 1
    assert states() == [State.ACCEPTED]


def test_the_nightly_task_deletes_what_is_past_its_time(desk, sweep, monkeypatch):
    sweep.execute({})
    desk.operator.save_purchase_order()
    with desk.mail_server():
        sweep.execute({})
    assert upkeep.night.function()["messages"] == 0
    later = datetime.now(UTC) + timedelta(days=500)
    monkeypatch.setattr(road, "utc_now", lambda: later)
    assert upkeep.night.function()["messages"] == 1
    assert states() == []
