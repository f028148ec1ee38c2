"""What a DAG file may say of a campaign, and which runs of it send nothing by themselves."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from emailketing import tasks
from emailketing.errors import DeclarationError
from emailketing.model import Campaign, Kind, Lane, OnUnknown
from emailketing.settings import PROJECT

HEAD = """from datetime import timedelta
from airflow.sdk import DAG
from emailketing.tasks import mail_campaign
with DAG("x", schedule=None):
    """
ZONE = ZoneInfo("America/Asuncion")


def declared(tmp_path, text):
    (tmp_path / "x.py").write_text(HEAD + text)
    return tasks.declared(tmp_path)


def test_the_shipped_campaigns_are_declared():
    found = {name: each for name, each in tasks.declared(PROJECT / "dags").items() if isinstance(each, Campaign)}
    assert found.keys() == {"price_list", "promotion", "product_presentation"}
    for campaign in found.values():
        assert (campaign.kind, campaign.lane, campaign.on_unknown) == (Kind.CAMPAIGN, Lane.BULK, OnUnknown.NEVER)
    assert found["price_list"].cadences == ("weekly", "daily", "monthly")
    expiries = [found[name].expires_after_s for name in ("price_list", "promotion", "product_presentation")]
    assert expiries == [None, 5 * 86_400, None]
    assert found["promotion"].coupon_days == 30


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('mail_campaign("promotions")', "no query 'promotions'.\n  Did you mean 'promotion'?"),
        ('mail_campaign("promotion", edition="montly")', "no edition 'montly'.\n  Did you mean 'monthly'?"),
        ('mail_campaign("promotion", edition=("weekly", "dayly"))', "no edition 'dayly'.\n  Did you mean 'daily'?"),
        ('mail_campaign("promotion", edition=["weekly", "weekly"])', "Name each once"),
        ('mail_campaign("promotion", edition=())', "Name each once"),
        ('mail_campaign("promotion", edition=["once", "weekly"])', "a campaign of its own"),
        ('mail_campaign("promotion", attach=["xls"])', "no kind of file 'xls'.\n  Did you mean 'xlsx'?"),
        ('mail_campaign("promotion", channels=["mail"])', "no channel 'mail'.\n  Did you mean 'email'?"),
        ('mail_campaign("promotion", subjects=["a"])', "Name at least two different ones"),
        ('mail_campaign("promotion", subjects=["a", "a"])', "Name at least two different ones"),
        ('mail_campaign("promotion", subjects=["A", "b"])', "'A' is no name of a subject"),
        ('mail_campaign("promotion", coupon=timedelta(hours=1))', "less than a day"),
        ('mail_campaign("promotion", only_changed=True)', "only_changed needs marks"),
        ('mail_campaign("promotion", marks=("code",))', "Name two columns"),
        ('mail_campaign("promotion", expires_after=timedelta(0))', "Give a length of time"),
    ],
)
def test_a_slip_is_told_with_its_line(tmp_path, text, told):
    with pytest.raises(DeclarationError) as caught:
        declared(tmp_path, text)
    assert told in str(caught.value)
    assert (caught.value.path, caught.value.line) == (str(tmp_path / "x.py"), 5)


def at(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("edition", "kind", "moment", "now", "why"),
    [
        ("weekly", "scheduled", "2026-11-23 11:00", "2026-11-23 11:01", ""),
        ("weekly", "scheduled", "2026-11-23 11:00", "2026-11-27 20:00", ""),
        ("weekly", "manual", "2026-11-23 11:00", "2026-11-30 11:00", "the edition 2026-W48 is over"),
        ("weekly", "backfill", "2026-11-23 11:00", "2026-11-23 11:01", "this is a backfill"),
        ("daily", "scheduled", "2026-11-26 02:50", "2026-11-26 03:10", ""),  # midnight lies between, in Asunción
        ("daily", "scheduled", "2026-11-26 02:50", "2026-11-26 09:10", "the edition 2026-11-25 is over"),
        ("once", "manual", "2026-11-26 02:50", "2027-11-26 09:10", ""),
    ],
)
def test_a_run_of_the_past_sends_nothing_by_itself(edition, kind, moment, now, why):
    campaign = Campaign("promotion", edition=edition)
    assert tasks.stale(campaign, kind, at(moment), ZONE, at(now)) == ({edition: why} if why else {})


def test_a_late_run_is_still_for_those_whose_edition_is_not_over():
    campaign = Campaign("price_list", edition=("weekly", "daily", "monthly"))
    late = tasks.stale(campaign, "scheduled", at("2026-11-30 11:00"), ZONE, at("2026-12-01 20:00"))
    assert late == {"daily": "the edition 2026-11-30 is over", "monthly": "the edition 2026-11 is over"}
    assert tasks.stale(campaign, "backfill", at("2026-11-30 11:00"), ZONE).keys() == {"weekly", "daily", "monthly"}
