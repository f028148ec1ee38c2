"""Alerts of reports: told when something is beyond a threshold, and no oftener than their readers want it."""

from datetime import timedelta

import pytest

from emailketing import road
from emailketing.errors import OutboxError
from emailketing.model import State
from emailketing.report.calendar import CatchUp
from emailketing.report.declaration import Alert, Empty
from emailketing.report.periods import named
from tests.bureau import opened, parsed

STOCK = "SELECT product, branch, amount, litres FROM sold ORDER BY product, branch"


def text(mail):
    return mail.get_body(("plain",)).get_content().replace("\xa0", " ")


@pytest.fixture
def bureau(tmp_path):
    with opened(tmp_path) as bureau:
        bureau.declare(to="")
        bureau.subscribe("mailing: sales, to: {email: ana@company.example, language: en}")
        yield bureau


@pytest.fixture
def shop(bureau):
    """A listing of what there is, watched every ten minutes: below ten is too little."""
    bureau.write("sql/sales.sql", STOCK)
    return bureau


def look_after(bureau, **time):
    bureau.clock.sleep(timedelta(**time).total_seconds())
    return bureau.look()


def reasons(bureau):
    return [row.reason for row in bureau.rows()]


# At the hour of a reader


@pytest.mark.parametrize("empty", list(Empty))
def test_nobody_is_written_to_where_nothing_is_beyond_whatever_is_said_of_empty_ones(bureau, empty):
    bureau.declare(alert=Alert("amount", above=1_000_000), empty=empty)
    bureau.sell("2026-11-24", 1_000_000)
    bureau.write("sql/sales.figures.sql", "SELECT 'all' AS figure, 7 AS value")
    assert bureau.look().states == {State.CANCELLED: 1}
    assert reasons(bureau) == ["nothing is beyond: amount above 1000000"]
    assert bureau.look().states == {}


def test_only_the_rows_beyond_are_told(bureau):
    bureau.declare(alert=Alert("amount", above="litres"))
    bureau.sell("2026-11-24", 5_000, product="Nafta", litres=100)
    bureau.sell("2026-11-24", 50, product="Diesel", litres=100)
    assert bureau.look().states == {State.QUEUED: 1}
    assert "Nafta" in text(bureau.mail("ana"))
    assert "Diesel" not in text(bureau.mail("ana"))


def test_a_reader_is_alarmed_by_his_own_rows_only(bureau):
    bureau.declare(alert=Alert("amount", above=100, only_changed=True))
    bureau.subscribe(
        'mailing: sales, to: uno@company.example, where: {branch: "001"}',
        'mailing: sales, to: dos@company.example, where: {branch: "002"}',
    )
    bureau.sell("2026-11-24", 500, branch="001")
    bureau.look()
    assert [(who, state) for who, _, _, state in bureau.told()] == [("dos", "cancelled"), ("uno", "queued")]


def test_the_same_rows_are_not_told_again_and_it_is_recorded_why(bureau):
    bureau.declare(alert=Alert("amount", above=100, only_changed=True))
    for day, amount in (("24", 500), ("25", 500), ("26", 700), ("27", 50), ("28", 700)):
        bureau.sell(f"2026-11-{day}", amount)
    bureau.look()
    for _ in range(4):
        look_after(bureau, days=1)
    assert [(document[-2:], state) for _, document, _, state in bureau.told()] == [
        ("24", "queued"),
        ("25", "cancelled"),
        ("26", "queued"),
        ("27", "cancelled"),
        ("28", "queued"),
    ]
    assert reasons(bureau)[1] == "the same rows as were told before, first on 2026-11-25 10:00 UTC"


def test_a_row_is_told_when_it_has_been_beyond_for_the_grace(bureau):
    bureau.declare(alert=Alert("amount", above=100, grace=timedelta(days=2)))
    for day, product in (("24", "Nafta"), ("25", "Nafta"), ("26", "Nafta"), ("26", "Gas"), ("27", "Gas")):
        bureau.sell(f"2026-11-{day}", int(day) * 100, product=product)
    for _ in range(4):
        look_after(bureau, days=1) if bureau.rows() else bureau.look()
    assert [state for *_, state in bureau.told()] == ["cancelled", "cancelled", "queued", "cancelled"]
    assert "Nafta" in text(bureau.mail("ana", "2026-11-26"))
    assert "Gas" not in text(bureau.mail("ana", "2026-11-26"))
    assert reasons(bureau)[0] == "no row has been beyond for 2 days, 0:00:00: amount above 100"


def test_the_end_is_told_once_to_who_was_told_of_the_beginning(bureau):
    bureau.declare(alert=Alert("amount", above=100, recovery=True), channels=("email", "phone"))
    bureau.subscribe("mailing: sales, to: {email: ana@company.example, phone: '+595981123456', language: es}")
    bureau.sell("2026-11-24", 500)
    bureau.look()
    bureau.subscribe(
        "mailing: sales, to: {email: ana@company.example, phone: '+595981123456', language: es}",
        "mailing: sales, to: {email: new@company.example}",
    )
    look_after(bureau, days=1)
    look_after(bureau, days=1)
    over = [(row.address.partition("@")[0], row.version, row.state) for row in bureau.rows(document="daily 2026-11-25")]
    assert sorted(over) == [
        ("+595981123456", "1", "cancelled"),
        ("+595981123456", "over", "queued"),
        ("ana", "1", "cancelled"),
        ("ana", "over", "queued"),
        ("new", "1", "cancelled"),
    ]
    assert [row.version for row in bureau.rows(document="daily 2026-11-26", channel="email")] == ["1", "1"]
    (row,) = [row for row in bureau.rows(channel="email") if row.version == "over"]
    assert row.subject == "Sales: vuelta a la normalidad · 25 nov. 2026"
    assert "Ya nada está más allá del límite." in text(parsed(bureau.wire(row.key)))
    (told,) = [row for row in bureau.rows(channel="phone") if row.version == "over"]
    assert "vuelta a la normalidad" in bureau.wire(told.key).decode()


def test_several_moments_at_once_are_judged_in_their_order(bureau):
    bureau.declare(alert=Alert("amount", above=100, only_changed=True), catch_up=CatchUp.ALL)
    bureau.subscribe(
        "mailing: sales, to: tokyo@company.example, timezone: Asia/Tokyo",
        "mailing: sales, to: honolulu@company.example, timezone: Pacific/Honolulu",
    )
    for day in ("24", "25", "27"):
        bureau.sell(f"2026-11-{day}", 500)
    bureau.clock.set("2026-11-25 19:10")
    bureau.look()
    bureau.clock.set("2026-11-29 20:00")
    bureau.look()
    for who in ("tokyo", "honolulu"):
        told = [(document[-2:], state) for whom, document, _, state in bureau.told() if whom == who]
        assert ("27", "queued") in told
        assert [state for _, state in told].count("queued") == 2


# Watched


def test_what_is_watched_is_told_when_it_happens_again_when_it_changes_and_when_it_is_over(shop):
    shop.declare(alert=Alert("amount", below=10, watch=True, recovery=True, by="product"))
    shop.sell("2026-01-01", 20)
    assert shop.look().states == {}
    look_after(shop, minutes=10)
    shop.sell("2026-01-01", 5, product="Gas")
    begun = "daily 2026-11-25 to 2026-11-25 since 2026-11-25 10:20:00"
    assert look_after(shop, minutes=10).states == {State.QUEUED: 1}
    shop.forget(product="Gas")
    shop.sell("2026-01-01", 4, product="Gas")  # another amount of the same product
    assert look_after(shop, minutes=10).states == {}
    shop.sell("2026-01-01", 1, product="Diesel")
    look_after(shop, minutes=10)
    shop.forget(product="Gas")
    shop.forget(product="Diesel")
    for _ in range(3):
        look_after(shop, minutes=10)
    shop.sell("2026-01-01", 5, product="Gas")
    look_after(shop, minutes=10)
    assert [told[1:] for told in shop.told()] == [
        (begun, "1", "queued"),
        (begun, "2", "queued"),
        (begun, "over", "queued"),
        ("daily 2026-11-25 to 2026-11-25 since 2026-11-25 11:20:00", "1", "queued"),
    ]


def test_without_by_other_amounts_are_a_change(shop):
    shop.declare(alert=Alert("amount", below=10, watch=True))
    shop.sell("2026-01-01", 5)
    shop.look()
    shop.forget(product="Nafta")
    shop.sell("2026-01-01", 4)
    assert look_after(shop, minutes=10).states == {State.QUEUED: 1}
    assert look_after(shop, minutes=10).states == {}


def test_grace_counts_from_when_a_row_was_first_beyond_and_anew_when_it_was_not(shop):
    shop.declare(alert=Alert("amount", below=10, watch=True, grace=timedelta(minutes=20), recovery=True))
    shop.sell("2026-01-01", 5)
    shop.look()
    shop.forget(product="Nafta")
    look_after(shop, minutes=10)
    shop.sell("2026-01-01", 4)
    assert [look_after(shop, minutes=10).states for _ in range(3)] == [{}, {}, {State.QUEUED: 1}]


def test_an_episode_outlasts_midnight(shop):
    shop.declare(alert=Alert("amount", below=10, watch=True, recovery=True))
    shop.clock.set("2026-11-25 23:55")
    shop.sell("2026-01-01", 5)
    shop.look()
    assert look_after(shop, minutes=10).states == {}
    shop.forget(product="Nafta")
    look_after(shop, minutes=10)
    assert [(document, version) for _, document, version, _ in shop.told()] == [
        ("daily 2026-11-25 to 2026-11-25 since 2026-11-26 02:55:00", "1"),
        ("daily 2026-11-26 to 2026-11-26 since 2026-11-26 02:55:00", "over"),
    ]


def test_a_template_that_fails_holds_an_alert_that_is_filled_when_it_is_mended(shop):
    shop.declare(alert=Alert("amount", below=10, watch=True))
    shop.sell("2026-01-01", 5)
    shop.write("templates/sales/body.html.j2", "{{ report.nothing }}")
    assert shop.look().states == {State.HELD: 1}
    assert look_after(shop, minutes=10).states == {}
    shop.write("templates/sales/body.html.j2", "<p>{{ (report | written).message }}</p>")
    assert look_after(shop, minutes=10).states == {State.QUEUED: 1}
    assert "Nafta" in text(shop.mail("ana"))


def test_a_reader_of_a_watched_alert_has_no_hour(shop):
    shop.declare(alert=Alert("amount", below=10, watch=True))
    shop.subscribe("mailing: sales, to: ana@company.example, at: 9")
    (problem,) = shop.look().problems
    assert "subscriptions.yaml:" in problem
    assert "sales is watched, and has no 'at' of a reader's." in problem


def test_a_column_that_is_not_there_is_told_at_each_look_and_nothing_else_happens(shop):
    shop.declare(alert=Alert("amuont", below=10, watch=True), path=__file__, line=1)
    shop.sell("2026-01-01", 5)
    (problem,) = shop.look().problems
    assert "test_report_alerts.py:" in problem
    assert "no column 'amuont'.\n  Did you mean 'amount'?" in problem
    assert shop.rows() == []


def test_a_past_period_that_is_asked_for_is_told_without_the_memory(bureau):
    bureau.declare(alert=Alert("amount", above=100, only_changed=True))
    bureau.sell("2026-11-24", 500)
    bureau.sell("2026-11-20", 500)
    bureau.look()
    assert bureau.look(named("2026-11-20")).states == {State.QUEUED: 1}


# Killed


def _a_morning(bureau):
    """An alert that begins, is changed, ends and begins anew; what happens in the ERP before each look."""
    yield lambda: bureau.sell("2026-01-01", 5)
    yield lambda: bureau.sell("2026-01-01", 1, product="Diesel")
    yield lambda: bureau.forget(day="2026-01-01")
    yield lambda: bureau.sell("2026-01-01", 5)


@pytest.mark.parametrize("watch", [True, False])
def test_killed_at_any_call_of_the_outbox_each_telling_is_there_once(tmp_path, watch):
    told = {}
    for calls in range(40):
        with opened(tmp_path / str(calls)) as bureau:
            bureau.write("sql/sales.sql", STOCK)
            bureau.declare(alert=Alert("amount", below=10, watch=watch, recovery=True, only_changed=True))
            died = [_killed_look(bureau, happens, calls) for happens in _a_morning(bureau)]
            told[calls] = sorted(bureau.told())
        if calls and not any(died):
            break
    assert calls > 3
    assert len([each for each in told[0] if each[3] == "queued"]) == 8
    assert all(each == told[0] for each in told.values())


def _killed_look(bureau, happens, calls):
    happens()
    died = bureau.dies_at(calls)
    bureau.look()
    bureau.clock.sleep(24 * 3600)
    return died


def test_of_two_looks_in_the_same_moment_one_tells(shop, monkeypatch):
    shop.declare(alert=Alert("amount", below=10, watch=True))
    shop.sell("2026-01-01", 5)
    put = shop.outbox.put

    def meanwhile(*args, **kwargs):
        monkeypatch.setattr(shop.outbox, "put", put)
        shop.clock.sleep(1)
        shop.look()
        return put(*args, **kwargs)

    monkeypatch.setattr(shop.outbox, "put", meanwhile)
    with pytest.raises(OutboxError, match="Another look at sales has judged its alert in the same moment"):
        shop.look()
    assert shop.look().states == {}
    assert len(shop.told()) == 1


def test_check_tells_the_columns_of_an_alert_that_are_not_there_each_with_its_line(bureau):
    path = bureau.folder / "sales.py"
    path.write_text(
        'mail_report(\n    "sales",\n    alert=Alert("amuont", above="litrs",\n        by=["prodct"]),\n)\n'
    )
    bureau.declare(path=str(path), line=1, alert=Alert("amuont", above="litrs", by=("prodct",)))
    told = [str(error) for error in road.check_report(bureau.reporter, bureau.mailing)]
    assert told == [
        f"{path}:3: sales.sql gives no column 'amuont'.\n  Did you mean 'amount'?",
        f"{path}:3: sales.sql gives no column 'litrs'.\n  Did you mean 'litres'?",
        f"{path}:4: sales.sql gives no column 'prodct'.\n  Did you mean 'product'?",
    ]


def test_check_runs_the_query_that_a_report_waits_for(bureau):
    bureau.write("sql/sales.ready.sql", "SELECT 1 AS raedy")
    bureau.declare(wait_hours=1)
    (error,) = road.check_report(bureau.reporter, bureau.mailing)
    assert "sales.ready.sql: the query gives no column 'ready'." in str(error)
