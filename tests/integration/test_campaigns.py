"""Campaigns on the road: the right people, once each, rendered once for each group; whoever said no gets nothing."""

import re
from collections import Counter
from dataclasses import replace
from email import message_from_bytes, policy

import pytest

from emailketing import road
from emailketing.audience import Source
from emailketing.errors import SqlError
from emailketing.model import Kind, State, Wish
from emailketing.render.lint import findings, web_links
from emailketing.road import choosing
from emailketing.road.editions import coupon_of, variant_of
from tests.market import BARE, PRESENTATION, PRICE_LIST, PROMOTION, SECRET, WORKBOOK, Market

ALL = (PROMOTION, PRESENTATION, BARE)
QUEUED = (State.QUEUED,)


def mail(market, row):
    return message_from_bytes(road.wire(market.outbox, row.key), policy=policy.default)


def html(market, row):
    return mail(market, row).get_body(("html",)).get_content()


def person(row):
    return row.document.partition(":")[2]


def consenting(market):
    return {str(row["id"]) for row in market.query("SELECT id FROM parties WHERE is_customer AND active AND consent")}


@pytest.mark.parametrize("campaign", ALL, ids=lambda campaign: campaign.name)
def test_a_campaign_reaches_those_who_consented_and_nobody_else(market, campaign):
    done = market.advertise(campaign)
    assert done.problems == []
    queued = market.rows(mailing=campaign.name, states=QUEUED)
    assert queued
    assert set(map(person, queued)) <= consenting(market)
    suppressed = market.rows(mailing=campaign.name, states=(State.SUPPRESSED,))
    assert consenting(market).isdisjoint(map(person, suppressed))
    assert all("no consent" in row.reason for row in suppressed)
    assert market.deliver().outcomes.total() == len(queued)
    assert len({row.address for row in market.rows(states=(State.ACCEPTED,))}) == len(queued)


@pytest.mark.parametrize("campaign", ALL, ids=lambda campaign: campaign.name)
def test_a_mail_of_every_group_is_good_and_light(market, campaign):
    samples = road.samples(market.campaigner, campaign, market.now)
    assert samples
    for sample in samples:
        assert findings(sample.content, leave=sample.leave) == [], sample.choice.group
        assert sample.leave in web_links(sample.content)
        assert sample.leave not in sample.links
        assert len(sample.content.html.encode()) < 60_000


def test_a_second_run_of_the_edition_doubles_nothing_and_the_next_edition_reaches_all_again(market):
    first = market.advertise()
    again = market.advertise()
    assert again.new == 0
    assert again.skipped == {"has this edition": first.new}
    assert again.renderings == 0
    market.change("UPDATE offers SET valid_until = '2027-01-01'")
    market.wait(days=31)
    third = market.advertise()
    assert third.edition == "2026-04"
    assert third.states[State.QUEUED] > 0


def test_everybody_of_a_group_gets_one_rendering_with_what_is_his_own(market):
    done = market.advertise()
    rows = market.rows(states=QUEUED)
    assert 0 < done.renderings <= 12  # three segments, two languages, two subjects
    assert done.renderings < len(rows)
    for row in rows:
        shown, message = html(market, row), mail(market, row)
        assert shown.count(coupon_of(SECRET, "promotion", row.document)) == 1
        assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
        token = re.search(r"/leave/([\w.-]+)>", message["List-Unsubscribe"])[1]
        leaving = market.campaigner.door.read(token)
        assert (leaving.address, leaving.kind, leaving.mailing) == (row.address, "campaign", "promotion")
        assert f"/leave/{token}" in shown


def test_half_of_the_readers_get_each_subject_and_the_ledger_tells_which(market):
    market.advertise()
    for row in market.rows(states=QUEUED):
        variant = variant_of(("price", "occasion"), "promotion", row.document)
        (birth,) = market.outbox.history(row.key)
        assert birth.detail.endswith(f"; subject {variant}")
        assert ("Gs." in row.subject or "PYG" in row.subject) is (variant == "price")


def test_who_leaves_while_his_message_waits_gets_nothing(market):
    market.advertise()
    first, second, *others = market.rows(states=QUEUED)
    market.outbox.suppress(Wish(first.address.upper(), Kind.CAMPAIGN, market.now, "a link", "too many"))
    market.change("UPDATE parties SET consent = FALSE, consent_at = NULL WHERE id = :id", id=person(second))
    market.deliver()
    rows = {row.key: row for row in market.rows()}
    assert {rows[each.key].state for each in (first, second)} == {State.SUPPRESSED}
    assert "too many" in rows[first.key].reason
    assert "no consent" in rows[second.key].reason
    assert {rows[row.key].state for row in others} == {State.ACCEPTED}
    market.wait(days=31)
    plan = {choice.envelope.recipient.address: choice for choice in market.plan()}
    assert "too many" in plan[first.address].why_not
    assert "no consent: the ERP says no" in plan[second.address].why_not


def test_two_rows_with_one_address_are_one_copy(market):
    one, other, *_ = [choice for choice in market.plan(PRESENTATION) if choice.gets_it]
    ids = [choice.envelope.document.partition(":")[2] for choice in (one, other)]
    email = one.envelope.recipient.address.upper()
    market.change("UPDATE parties SET email = :email WHERE id = :id", email=email, id=ids[1])
    market.advertise(PRESENTATION)
    rows = [row for row in market.rows() if person(row) in ids]
    assert sorted(row.state for row in rows) == [State.QUEUED, State.SUPPRESSED]
    assert "same address" in next(row.reason for row in rows if row.state is State.SUPPRESSED)


def test_the_plan_says_what_the_run_then_does(market):
    planned = {choice.envelope.key: choice for choice in market.plan()}
    assert market.rows() == []
    market.advertise()
    rows = {row.key: row for row in market.rows()}
    assert planned.keys() == rows.keys()
    for key, choice in planned.items():
        assert (choice.envelope.state, choice.why_not) == (rows[key].state, rows[key].reason)
    assert {choice.why_not for choice in market.plan()} == {"has this edition"}


def test_seeds_get_each_different_mail_once(market):
    seeds = ("ventas@petroleradeleste.example", "gerencia@petroleradeleste.example")
    done = market.advertise(seeds=seeds)
    assert done.seeds == 2 * done.renderings
    market.advertise(seeds=seeds)
    copies = [row for row in market.rows() if row.address in seeds]
    assert len(copies) == done.seeds
    market.deliver()
    assert {row.state for row in market.rows() if row.address in seeds} == {State.ACCEPTED}
    codes = {coupon_of(SECRET, "promotion", row.document) for row in copies}
    assert codes.isdisjoint(
        coupon_of(SECRET, "promotion", row.document) for row in market.rows() if row.address not in seeds
    )


def test_a_group_whose_template_fails_gets_nothing_and_goes_on_when_it_is_mended(market):
    body, loop = "templates/promotion/body.html.j2", "{% for each in items[:shown] %}"
    slip = "{{ each.prize if content_group == 'fleet' }}"
    market.mend(body, loop, loop + slip)
    done = market.advertise()
    (problem,) = done.problems
    assert "body.html.j2:" in problem
    assert "Did you mean 'price'?" in problem
    assert market.rows(states=QUEUED)
    market.mend(body, slip, "")
    again = market.advertise()
    assert again.problems == []
    assert again.states[State.QUEUED] > 0
    assert {row.document for row in market.rows()} == {choice.envelope.document for choice in market.plan()}


def test_a_mail_that_hides_something_from_its_readers_goes_to_nobody(market):
    market.mend("templates/promotion/body.html.j2", 'alt="{{ each.product_group }}"', "")
    done = market.advertise()
    assert all("has no alt text" in problem for problem in done.problems)
    assert done.problems
    assert market.rows(states=QUEUED) == []


def test_a_group_without_items_is_left_alone_until_it_has_some(market):
    offers = market.query("SELECT * FROM offers WHERE segment = 'fleet'")
    market.change("DELETE FROM offers WHERE segment = 'fleet'")
    done = market.advertise()
    left = done.skipped["there is no item for the content_group 'fleet'"]
    assert left > 0
    insert = "INSERT INTO offers VALUES (:id, 'fleet', :product_id, :currency, :price, :valid_from, :valid_until, NULL)"
    for row in offers:
        market.change(insert, **{name: value for name, value in row.items() if name not in {"segment", "conditions"}})
    assert market.advertise().states[State.QUEUED] == left


def test_a_mailing_that_is_switched_off_tells_nobody(market):
    market.outbox.switch("promotion", False, "ana", market.now)
    source = Source(market.include / "subscriptions.yaml", market.outbox.subscribed)
    assert "switched off by ana" in market.advertise(audience=source.audience).off
    assert market.rows() == []


def test_what_comes_too_late_is_expired_visibly(market):
    moment = market.now
    market.wait(days=2)
    road.advertise(market.campaigner, replace(PROMOTION, expires_after_s=86_400.0), moment)
    assert {row.state for row in market.rows()} == {State.EXPIRED, State.UNADDRESSED}


def test_hostile_people_do_no_harm(market):
    name = "<script>alert(1)</script>\r\nBcc: evil@x.example \ue000aZ1\ue001 {{ 7*7 }}"
    market.change("UPDATE parties SET name = :name WHERE is_customer", name=name)
    market.advertise()
    for row in market.rows(states=QUEUED):
        assert mail(market, row)["Bcc"] is None
        shown = html(market, row)
        assert "<script" not in shown
        assert "&lt;script&gt;alert(1)&lt;/script&gt; Bcc: evil@x.example aZ1 {{ 7*7 }}" in shown


def test_reasons_are_told_in_the_readers_language(market):
    market.advertise()
    for row in market.rows(states=QUEUED):
        assert ("agreed to receive" if row.language == "en" else "aceptó recibir") in html(market, row)


def test_however_many_people_are_in_hand_at_once_the_edition_is_the_same(market, monkeypatch):
    expected = {choice.envelope.key: choice.why_not for choice in market.plan(WORKBOOK)}
    monkeypatch.setattr(choosing, "_ROWS_AT_ONCE", 3)
    assert {choice.envelope.key: choice.why_not for choice in market.plan(WORKBOOK)} == expected
    done = market.advertise(WORKBOOK)
    assert done.problems == []
    assert done.renderings == 5  # four lists, one of them in two languages
    assert {row.key: row.reason for row in market.rows()} == expected


@pytest.mark.parametrize("puts", [0, 1, 3])
def test_killed_in_the_midst_a_second_run_goes_on_and_nobody_gets_two(market, puts, kill_after):
    expected = {choice.envelope.key for choice in market.plan()}
    kill_after(market, puts, "PROMOTION")
    assert len(market.rows()) == 10 * puts
    market.advertise()
    assert Counter(row.key for row in market.rows()) == Counter(expected)


@pytest.mark.parametrize("server", ["postgres_url", "mariadb_url"])
def test_the_shipped_queries_say_the_same_on_every_database(market, server, request, tmp_path, include):
    other = Market(request.getfixturevalue(server), f"sqlite:///{tmp_path / 'other.db'}", include)
    try:
        for campaign in ALL:
            mine, theirs = (
                {choice.envelope.key: (choice.group, choice.envelope.state, choice.why_not) for choice in plan}
                for plan in (market.plan(campaign), other.plan(campaign))
            )
            assert mine == theirs
            assert mine
        for campaign in (PROMOTION, PRICE_LIST):
            stocks = [items(each, campaign) for each in (market, other)]
            assert stocks[0] == stocks[1]
    finally:
        other.close()


def items(market, campaign):
    groups = ["recent", "missed", "fleet"] if campaign is PROMOTION else [1, 2, 3, 4]
    with market.campaigner.erp.reading() as reader:
        found = reader.items(campaign.name, groups, market.now.date())
    return {
        (group, row["code"], round(float(row["price"]), 2), str(row.get("conditions")))
        for group, rows in found.items()
        for row in rows
    }


BEFORE_TIME = "0001-01-01T00:00:00+00:00"  # is in the year 0 in America


def test_a_person_over_whose_data_a_library_stumbles_keeps_nobody_else_waiting(market):
    gets_it = [choice for choice in market.plan() if choice.gets_it]
    first = min(gets_it, key=lambda each: (each.group, each.envelope.recipient.language, each.variant))
    stumbling = person(first.envelope)
    column = "    c.last_purchase                    AS last_purchase\n"
    since = f"CASE WHEN c.id = {stumbling} THEN '{BEFORE_TIME}' ELSE '2026-01-31' END AS since,\n"
    market.mend("sql/promotion.sql", column, since + column)
    coupon = "{{ recipient.coupon }}</div>"
    market.mend("templates/promotion/body.html.j2", coupon, coupon + "{{ recipient.since | date }}")
    (problem,) = market.advertise().problems
    assert f"document '{stumbling}' cannot be rendered: OverflowError" in problem
    queued = {row.document for row in market.rows(states=QUEUED)}
    assert queued == {choice.envelope.document for choice in gets_it} - {first.envelope.document}
    market.mend("sql/promotion.sql", BEFORE_TIME, "2026-01-30")
    assert market.advertise().states == {State.QUEUED: 1}


def test_words_over_which_a_library_stumbles_are_told_once_and_stop_no_other_language(market):
    market.mend("templates/price_list/words.en.yaml", 'paper_title: "{list_name}"', 'paper_title: "{list_name"')
    done = market.advertise(WORKBOOK)
    assert all("cannot be rendered: ValueError: expected '}'" in problem for problem in done.problems)
    assert 0 < len(done.problems) <= 4, "once for each list"
    assert {row.language for row in market.rows(states=QUEUED)} == {"es"}


def test_an_audience_that_cannot_be_asked_leaves_no_line_open(market):
    market.mend("sql/promotion.sql", "c.email  ", "c.mail  ")
    with pytest.raises(SqlError) as kept:
        market.advertise()
    assert "no column 'mail'" in str(kept.value)
    assert market.campaigner.erp.engine.pool.checkedout() == 0


def test_an_edition_is_compared_with_older_ones_only(market):
    monday = market.now
    market.wait(days=7)
    market.advertise(BARE)
    earlier = list(road.plan(market.campaigner, replace(BARE, expires_after_s=30 * 86_400.0), monday))
    assert any(choice.gets_it for choice in earlier)
    assert {choice.base for choice in earlier} == {""}
    market.wait(days=7)
    assert "2026-03-09" in {choice.base for choice in market.plan(BARE)}
