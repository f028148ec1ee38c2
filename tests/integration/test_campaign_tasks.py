"""The campaign's task as Airflow runs it: once in an edition, and for a backfill only when it is asked to."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from airflow.sdk.api.datamodels._generated import DagRunType
from airflow.sdk.exceptions import AirflowFailException

from emailketing import settings, tasks, wiring
from emailketing.outbox import Outbox
from tests.market import PROMOTION


@pytest.fixture
def company(tmp_path, include, monkeypatch, company):
    """The small company, by Airflow Connections in the environment."""
    monkeypatch.setenv("AIRFLOW_CONN_ERP", f"sqlite:///{company}")
    monkeypatch.setenv("AIRFLOW_CONN_EMAILKETING", f"sqlite:///{tmp_path / 'outbox.db'}")
    leaving = {"conn_type": "generic", "login": "salir@x.example", "password": "a secret of enough signs"}
    monkeypatch.setenv("AIRFLOW_CONN_UNSUBSCRIBE", json.dumps(leaving))
    monkeypatch.setenv("EMAILKETING_INCLUDE", str(include))
    caches = (settings.load, wiring.erp, wiring.outbox, wiring.renderer)
    for each in caches:
        each.cache_clear()
    yield Outbox.open(f"sqlite:///{tmp_path / 'outbox.db'}")
    wiring.erp().engine.dispose()
    wiring.outbox().close()
    for each in caches:
        each.cache_clear()


def run(kind="scheduled", moment=None, conf=None, campaign=PROMOTION):
    operator = tasks.CampaignOperator(task_id="advertise", campaign=campaign)
    moment = moment or datetime.now(UTC)
    return operator.execute(
        {"dag_run": SimpleNamespace(run_type=DagRunType(kind), logical_date=moment, run_after=moment, conf=conf)}
    )


def test_clearing_and_backfilling_double_nothing(company):
    first = run()
    assert first["queued"] > 0
    assert run() == {}
    assert sum(sum(states.values()) for states in company.counts().values()) == sum(first.values())


def test_a_backfill_sends_nothing_unless_it_is_asked_to(company):
    assert run("backfill") == {}
    assert run("backfill", conf={"send": "false"}) == {}
    assert company.counts() == {}
    assert run("backfill", conf={"send": True})["queued"] > 0


def test_an_edition_that_is_over_is_sent_when_it_is_asked_for(company):
    yesterdays = {"moment": datetime.now(UTC) - timedelta(days=1), "campaign": replace(PROMOTION, edition="daily")}
    assert run(**yesterdays) == {}
    assert company.counts() == {}
    sent = run(**yesterdays, conf={"send": True})
    assert sent["queued"] > 0
    assert "expired" not in sent
    assert run(**yesterdays, conf={"send": True}) == {}


def test_what_an_author_must_mend_fails_the_task_when_all_else_is_done(company, include):
    body = include / "templates/promotion/body.html.j2"
    body.write_text(body.read_text().replace("best.saves", "best.safes"))
    with pytest.raises(AirflowFailException, match=r"body\.html\.j2:\d+"):
        run()
