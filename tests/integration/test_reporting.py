"""The road of a report: what is due at a moment reaches each reader once, in his language, with his rows and files."""

import pytest

from emailketing.errors import SqlError
from emailketing.model import State, Subscription
from emailketing.report.calendar import CatchUp
from emailketing.report.declaration import Empty, Part
from emailketing.report.kinds import Money
from emailketing.report.periods import Cadence, named
from tests.bureau import SALES, day, files, opened, sheet


@pytest.fixture
def bureau(tmp_path):
    with opened(tmp_path) as bureau:
        bureau.sell("2026-11-23", 400_000)
        bureau.sell("2026-11-24", 1_000_000)
        bureau.sell("2026-11-24", 500_000, branch="002", product="Diésel")
        yield bureau


def text(mail):
    return mail.get_body(("plain",)).get_content().replace("\xa0", " ")


def test_what_is_due_is_put_once_however_often_one_looks(bureau):
    assert bureau.look().states == {State.QUEUED: 2}
    assert bureau.told() == [
        ("bob", "daily 2026-11-24", "1", "queued"),
        ("graciela", "daily 2026-11-24", "1", "queued"),
    ]
    for _ in range(2):
        bureau.clock.sleep(60)
        bureau.asked.clear()
        assert bureau.look().states == {}
        assert bureau.asked == []  # nobody is due, so nobody asks the ERP
    assert {row.lane for row in bureau.rows()} == {"report"}
    assert {row.on_unknown for row in bureau.rows()} == {"again"}


def test_each_reader_is_told_in_his_language_and_by_the_same_figures(bureau):
    bureau.look()
    spanish, english = bureau.mail("graciela"), bureau.mail("bob")
    assert "martes, 24 de noviembre de 2026" in text(spanish)
    assert "Tuesday, November 24, 2026" in text(english)
    assert "1,50 millones de Gs." in spanish["Subject"].replace("\xa0", " ")
    assert "+275 % día anterior" in text(spanish)
    assert "+275% day before" in text(english)


def test_a_reader_has_his_own_hour_files_and_language(bureau):
    bureau.subscribe('mailing: sales, to: {email: ana@company.example, language: en}, at: "09:30", format: [xlsx, csv]')
    bureau.look()
    assert "ana" not in [who for who, *_ in bureau.told()]
    bureau.clock.set("2026-11-25 09:31")
    assert bureau.look().states == {State.QUEUED: 1}
    mail = bureau.mail("ana")
    assert set(files(mail)) == {".xlsx", ".csv"}
    assert [row[:3] for row in sheet(mail)[:3]] == [
        ["Branch", "Product", "Amount, PYG"],
        ["001", "Nafta", 1_000_000],
        ["002", "Diésel", 500_000],
    ]


def test_a_reader_in_another_zone_is_told_by_his_clock(bureau):
    bureau.subscribe("mailing: sales, to: madrid@company.example, timezone: Europe/Madrid, at: 7")
    bureau.clock.set("2026-11-25 03:30")  # 07:30 in Madrid
    bureau.look()
    assert bureau.told() == [("madrid", "daily 2026-11-24", "1", "queued")]


def test_each_sees_his_own_rows_and_readers_of_the_same_share_one_rendering(bureau):
    bureau.declare(attach=("xlsx",))
    bureau.subscribe(
        'mailing: sales, to: [uno@company.example, one@company.example], where: {branch: "001"}',
        'mailing: sales, to: dos@company.example, where: {branch: "002"}',
    )
    bureau.declare(to="")
    bureau.look()
    assert [row[:3] for row in sheet(bureau.mail("dos"))[1:2]] == [["002", "Diésel", 500_000]]
    assert [row[:3] for row in sheet(bureau.mail("uno"))[1:2]] == [["001", "Nafta", 1_000_000]]
    assert "Nafta" not in text(bureau.mail("dos"))
    assert files(bureau.mail("uno")) == files(bureau.mail("one"))
    books = {files(bureau.mail(who))[".xlsx"] for who in ("uno", "one", "dos")}
    assert len(books) == 2


def test_two_subscriptions_of_one_address_are_one_report_with_the_rows_of_both(bureau):
    bureau.declare(to="")
    bureau.sell("2026-11-24", 1, branch="003")
    bureau.subscribe(
        'mailing: sales, to: ana@company.example, where: {branch: "001"}, format: xlsx',
        'mailing: sales, to: ana@company.example, where: {branch: "002"}, format: pdf',
    )
    assert bureau.look().states == {State.QUEUED: 1}
    assert set(files(bureau.mail("ana"))) == {".xlsx", ".pdf"}
    assert [row[0] for row in sheet(bureau.mail("ana"))[1:3]] == ["001", "002"]


def test_two_subscriptions_that_disagree_are_told_with_their_line(bureau):
    bureau.subscribe(
        "mailing: sales, to: ana@company.example, at: 7",
        "mailing: sales, to: ana@company.example, at: 8",
    )
    (problem,) = bureau.look().problems
    assert "subscriptions.yaml:" in problem
    assert "an…@company.example has two daily subscriptions that differ" in problem
    assert "ana@" not in problem


def test_a_persons_own_subscription_takes_the_place_of_his_audiences(bureau):
    bureau.declare(cadences=(Cadence.DAILY, Cadence.WEEKLY))
    bureau.subscribe("mailing: sales, to: bob@company.example, cadence: weekly")
    bureau.look()
    assert [who for who, *_ in bureau.told()] == ["graciela"]
    bureau.clock.set("2026-11-30 07:05")  # Monday
    bureau.look()
    assert ("bob", "weekly 2026-W48", "1", "queued") in bureau.told()


@pytest.mark.parametrize("readers", [1, 40])
def test_a_period_is_read_once_for_all_its_readers(bureau, readers):
    bureau.declare(to="", attach=("xlsx",))
    people = ", ".join(f"r{number}@company.example" for number in range(readers))
    bureau.subscribe(f"mailing: sales, to: [{people}]")
    assert bureau.look().states == {State.QUEUED: readers}
    assert sum("FROM sold" in statement for statement in bureau.asked) == 3  # the period, the one before, a year ago
    assert bureau.blobs() <= 3  # logo, chart and workbook, whoever gets them


def test_the_cadences_are_told_when_their_periods_are_over(bureau):
    bureau.declare(cadences=(Cadence.MONTHLY, Cadence.QUARTERLY, Cadence.YEARLY), to="")
    bureau.subscribe(
        "mailing: sales, to: month@company.example, cadence: [monthly, quarterly]",
        "mailing: sales, to: year@company.example, cadence: yearly",
    )
    bureau.look()
    assert bureau.told() == []
    for moment in ("2026-12-01 07:00", "2027-01-01 07:00"):
        bureau.clock.set(moment)
        bureau.look()
    assert bureau.told() == [
        ("month", "monthly 2026-11", "1", "queued"),
        ("month", "monthly 2026-12", "1", "queued"),
        ("month", "quarterly 2026-Q4", "1", "queued"),
        ("year", "yearly 2026", "1", "queued"),
    ]


def test_a_day_off_moves_the_report_and_not_its_period(bureau):
    bureau.declare(to="", cadences=(Cadence.MONTHLY,))
    bureau.subscribe("mailing: sales, to: ana@company.example, cadence: monthly, shift: after")
    bureau.clock.set("2026-12-01 07:00")
    bureau.look()
    bureau.clock.set("2027-01-01 07:30")  # a holiday
    bureau.look()
    assert [document for _, document, *_ in bureau.told()] == ["monthly 2026-11"]
    bureau.clock.set("2027-01-04 07:30")  # Monday
    bureau.look()
    assert [document for _, document, *_ in bureau.told()] == ["monthly 2026-11", "monthly 2026-12"]


def test_a_period_that_runs_is_compared_with_as_many_days_of_the_one_before(bureau):
    bureau.declare(to="", cadences=(Cadence.MONTHLY,))
    bureau.subscribe("mailing: sales, to: ana@company.example, cadence: monthly, day: 10, period: running")
    bureau.sell("2026-11-02", 100)
    bureau.sell("2026-12-02", 200)
    bureau.clock.set("2026-12-10 07:00")
    bureau.look()
    assert bureau.told() == [("ana", "monthly 2026-12 to 2026-12-10", "1", "queued")]
    assert "+100 % mes anterior" in text(bureau.mail("ana"))


@pytest.mark.parametrize(
    ("rule", "sent", "passed"),
    [
        (CatchUp.NEWEST, ["2026-11-28"], ["2026-11-25", "2026-11-26", "2026-11-27"]),
        (CatchUp.ALL, ["2026-11-25", "2026-11-26", "2026-11-27", "2026-11-28"], []),
        (CatchUp.NONE, [], ["2026-11-25", "2026-11-26", "2026-11-27", "2026-11-28"]),
    ],
)
def test_what_was_due_while_nobody_looked_is_caught_up_by_rule_and_never_forgotten(bureau, rule, sent, passed):
    bureau.declare(catch_up=rule)
    bureau.look()
    bureau.clock.set("2026-11-29 13:00")
    bureau.look()
    later = [each for each in bureau.told() if each[0] == "bob"][1:]
    assert [document for _, document, version, _ in later if version == "1"] == [f"daily {each}" for each in sent]
    assert [(d, s) for _, d, version, s in later if version == "missed"] == [
        (f"daily {each}", "expired") for each in passed
    ]
    assert all("nobody looked" in row.reason for row in bureau.rows(states=(State.EXPIRED,)))


def test_a_past_day_or_period_is_told_when_it_is_asked_for_and_only_to_who_has_it_not(bureau):
    bureau.look()
    cursor = bureau.outbox.cursor("sales")
    assert bureau.look(day("2026-11-25")).states == {}
    assert bureau.look(day("2026-11-24")).states == {State.QUEUED: 2}
    assert bureau.look(named("2026-11-22")).states == {State.QUEUED: 2}
    assert bureau.look(named("2026-10")).states == {}  # nobody gets it monthly
    assert {document for _, document, *_ in bureau.told()} == {f"daily 2026-11-{number}" for number in (22, 23, 24)}
    assert bureau.outbox.cursor("sales") == cursor


def test_a_moment_that_was_passed_over_can_be_asked_for(bureau):
    bureau.look()
    bureau.clock.set("2026-11-27 07:00")
    bureau.look()
    assert ("bob", "daily 2026-11-25", "missed", "expired") in bureau.told()
    bureau.look(named("2026-11-25"))
    assert ("bob", "daily 2026-11-25", "1", "queued") in bureau.told()


def test_a_template_that_fails_holds_the_reports_until_it_is_mended(bureau):
    bureau.write("templates/sales/phone.txt.j2", "{{ nothing }}")
    bureau.write("templates/sales/body.html.j2", "{{ report.nothing }}")
    reported = bureau.look()
    assert reported.states == {State.HELD: 2}
    assert "body.html.j2:1" in reported.problems[0]
    assert bureau.look().states == {}
    bureau.write("templates/sales/body.html.j2", "<p>{{ (report | written).message }}</p>")
    assert bureau.look().states == {State.QUEUED: 2}
    assert "1,50 millones" in text(bureau.mail("graciela"))


def test_what_is_held_for_somebody_who_left_is_cancelled(bureau):
    bureau.write("templates/sales/body.html.j2", "{{ report.nothing }}")
    bureau.look()
    bureau.declare(to="")
    assert bureau.look().states == {State.CANCELLED: 2}
    assert {row.reason for row in bureau.rows()} == {"does not get this report any more"}


def test_what_is_held_for_somebody_waits_while_a_slip_in_the_file_hides_him(bureau):
    wish = "mailing: sales, to: eva@company.example, cadence: "
    bureau.declare(to="")
    bureau.subscribe(wish + "daily")
    bureau.write("templates/sales/body.html.j2", "{{ report.nothing }}")
    assert bureau.look().states == {State.HELD: 1}
    bureau.subscribe(wish + "dayly")
    slipped = bureau.look()
    assert slipped.states == {}
    assert "dayly" in slipped.problems[0]
    bureau.write("templates/sales/body.html.j2", "<p>{{ (report | written).message }}</p>")
    bureau.subscribe(wish + "daily")
    assert bureau.look().states == {State.QUEUED: 1}


def test_a_report_whose_rows_no_mail_can_show_travels_as_a_file(bureau):
    bureau.look()
    assert files(bureau.mail("bob")) == {}
    for number in range(20):
        bureau.sell("2026-11-25", 1000, product=f"Product {number}")
    bureau.clock.set("2026-11-26 07:00")
    bureau.look()
    assert set(files(bureau.mail("bob", "2026-11-25"))) == {".pdf"}
    assert "more in the attached file" in bureau.mail("bob", "2026-11-25").get_body(("html",)).get_content()


def test_when_nothing_happened_it_is_said_or_skipped_visibly(bureau):
    bureau.clock.set("2026-11-23 07:00")
    bureau.look()
    assert "No hubo movimiento" in text(bureau.mail("graciela"))
    bureau.declare(empty=Empty.SKIP)
    bureau.clock.set("2026-11-22 07:00")
    bureau.look(day("2026-11-22"))
    skipped = bureau.rows(states=(State.CANCELLED,))
    assert [row.document for row in skipped] == ["daily 2026-11-21"] * 2
    assert {row.reason for row in skipped} == {"nothing happened in the period, and the report is skipped then"}


def test_a_report_that_is_switched_off_tells_nobody_and_forgets_what_was_due(bureau):
    bureau.outbox.switch("sales", False, "ana", bureau.clock())
    assert bureau.look().off == "switched off by ana on 2026-11-25 10:00 UTC"
    bureau.outbox.switch("sales", True, "ana", bureau.clock())
    assert bureau.look().states == {}
    assert bureau.told() == []


def test_a_wish_of_the_database_that_cannot_be_is_told_without_the_whole_address(bureau):
    bureau.outbox.subscribe(
        Subscription("sales", "email", "eva@company.example", where={}, options={"cadence": "dayly"}),
        "ana",
        bureau.clock(),
    )
    (problem,) = bureau.look().problems
    assert "the outbox's database, set by ana, to ev…@company.example: " in problem
    assert "eva@" not in problem


def test_an_address_that_is_switched_off_gets_nothing_by_its_audience(bureau):
    bureau.outbox.subscribe(Subscription("sales", "email", "Bob@company.example", on=False), "ana", bureau.clock())
    bureau.look()
    assert [who for who, *_ in bureau.told()] == ["graciela"]


def test_sections_figures_and_courses_come_from_queries_of_their_own(bureau):
    bureau.declare(parts=(Part(), Part("by_branch", columns={"amount": Money("PYG")})), attach=("xlsx",))
    bureau.write("sql/sales.by_branch.sql", SALES.replace("s.product, ", "").replace(", s.product", ""))
    bureau.write(
        "sql/sales.figures.sql",
        "SELECT 'sold' AS figure, SUM(amount) AS value, 'PYG' AS currency, 'up' AS good FROM sold "
        "WHERE day >= :start AND day < :end UNION ALL "
        "SELECT 'tickets', COUNT(*), NULL, 'none' FROM sold WHERE day >= :start AND day < :end",
    )
    bureau.write(
        "sql/sales.trend.sql",
        "SELECT 'sold' AS figure, day AS at, SUM(amount) AS value FROM sold WHERE day < :end GROUP BY day",
    )
    bureau.write(
        "templates/sales/words.es.yaml",
        'title: "Ventas del día"\nunit: "en guaraníes"\nfigures: {sold: "Vendido", tickets: "Boletas"}\n'
        'columns: {branch: "Sucursal", amount: "Importe"}\nsections: {by_branch: "Por sucursal"}\n'
        'values: {branch: {"001": "Central"}}\nnote: "Sin IVA."\n',
    )
    assert bureau.look().problems == []
    mail = bureau.mail("graciela")
    assert "Vendido: 1,50 millones de Gs. (+275 % día anterior" in text(mail)
    assert "Boletas: 2 (+100 % día anterior" in text(mail)
    assert "Ventas del día, en guaraníes" in text(mail)
    assert "Por sucursal" in text(mail)
    assert "Sin IVA." in text(mail)
    assert sheet(mail)[0][:3] == ["Sucursal", "Product", "Importe, Gs."]
    assert sheet(mail)[1][0] == "Central"
    assert any("spark" in part.as_string() or part.get_content_maintype() == "image" for part in mail.walk())
    assert "Sold" not in text(mail)


def test_amounts_of_several_currencies_are_told_apart(bureau):
    bureau.write("sql/sales.sql", SALES.replace("s.product", "s.product, s.currency"))
    bureau.sell("2026-11-24", 300, currency="USD")
    assert bureau.look().problems == []
    told = text(bureau.mail("graciela"))
    assert "1,50 millones de Gs." in told
    assert "US$ 300" in told


def test_a_reader_of_some_rows_sees_no_figure_of_the_others(bureau):
    bureau.declare(to="")
    bureau.write(
        "sql/sales.figures.sql",
        "SELECT 'sold' AS figure, SUM(amount) AS value, 'PYG' AS currency FROM sold WHERE day >= :start AND day < :end",
    )
    bureau.subscribe('mailing: sales, to: dos@company.example, where: {branch: "002"}')
    bureau.look()
    assert "500.000" in text(bureau.mail("dos"))
    assert "1,50 millones" not in text(bureau.mail("dos"))


def test_a_misspelt_parameter_stops_the_report_and_moves_no_cursor(bureau):
    bureau.look()
    bureau.clock.set("2026-11-26 07:00")
    before = bureau.outbox.cursor("sales")
    bureau.write("sql/sales.sql", SALES.replace(":start", ":strat"))
    with pytest.raises(SqlError, match=r"sales\.sql:3: parameter :strat.*\n.*Did you mean 'start'"):
        bureau.look()
    assert bureau.outbox.cursor("sales") == before
    bureau.write("sql/sales.sql", SALES)
    assert bureau.look().states == {State.QUEUED: 2}


def test_text_of_the_erp_is_harmless_in_subject_mail_and_file_names(bureau):
    bureau.declare(attach=("xlsx", "pdf"))
    bureau.sell("2026-11-24", 1, branch='=cmd|" /C calc"!A0', product="<b>x</b>\r\nBcc: all@company.example")
    bureau.look()
    mail = bureau.mail("bob")
    assert mail["Bcc"] is None
    assert "&lt;b&gt;x" in mail.get_body(("html",)).get_content()
    cells = [cell for row in sheet(mail) for cell in row]
    assert '=cmd|" /C calc"!A0' in cells  # as text


def test_killed_at_any_call_of_the_outbox_and_begun_again_each_reader_has_it_once(bureau):
    bureau.declare(attach=("xlsx",))
    bureau.subscribe('mailing: sales, to: dos@company.example, where: {branch: "002"}')
    bureau.look()
    expected = [(row.key, row.state) for row in bureau.rows()]
    for calls in range(1, 40):
        bureau.outbox._database.engine.dispose()
        with opened(bureau.folder / str(calls)) as other:
            other.sell("2026-11-24", 1_000_000)
            other.sell("2026-11-24", 500_000, branch="002", product="Diésel")
            other.subscribe('mailing: sales, to: dos@company.example, where: {branch: "002"}')
            other.declare(attach=("xlsx",))
            dead = other.dies_at(calls)
            for _ in range(2):
                other.look()
            assert [(row.key, row.state) for row in other.rows()] == expected
            assert other.outbox.cursor("sales") == other.clock()
        if not dead:
            assert calls > 3
            return
    pytest.fail("it never came to an end")
