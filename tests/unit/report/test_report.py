import io
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import openpyxl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emailketing.errors import DeclarationError, TemplateError
from emailketing.model import Recipient
from emailketing.render import Renderer
from emailketing.report import defaults, files
from emailketing.report.charts import Chart
from emailketing.report.frame import Layout, Style, table
from emailketing.report.kinds import Account, Money, Number, Percent
from emailketing.report.periods import Cadence, containing
from emailketing.report.report import Figure, Report, Section, SectionText
from emailketing.report.variance import Good, Scale, variance
from emailketing.settings import PROJECT, load
from tests.unit.report.readers import ASUNCION, EN, ES

MADE = datetime(2026, 11, 2, 10, tzinfo=UTC)
OCTOBER = containing(Cadence.MONTHLY, date(2026, 10, 5))
GS = Money("PYG")
BOSS = Recipient("boss@petroleradeleste.example", "Dirección", "es")


def spaced(text):
    return text.replace("\xa0", " ")


def report(**more):
    return Report("Ventas", "octubre de 2026", MADE, **{"period": OCTOBER, **more})


def section(rows, layout=None, **more):
    return Section("Ventas", table(rows, layout or Layout(currency="PYG")), **more)


def test_the_message_is_that_of_the_first_figure_with_what_it_is_compared_with():
    sales = Figure("Ventas", 2451800000, GS, previous=2268100000)
    assert spaced(report(figures=(sales,)).written(ES).message) == (
        "Ventas: 2.452 millones de Gs., +8,1 % frente al mes anterior"
    )
    assert spaced(report(figures=(sales,)).written(EN).message) == (
        "Ventas: 2,452 million PYG, +8.1% on the month before"
    )
    assert report(figures=(sales,), message="Buen mes").written(ES).message == "Buen mes"
    assert report(sections=(section([{"a": "x"}]),)).written(ES).message == "Ventas, octubre de 2026"


def test_when_nothing_happened_the_message_says_so():
    nothing = report(figures=(Figure("Ventas", 0, GS),), sections=(section([]),))
    assert nothing.empty
    assert nothing.written(ES).message == "No hubo movimiento en este período."
    assert nothing.written(EN).message == "Nothing happened in this period."


@pytest.mark.parametrize(
    ("figure", "value", "unit", "full"),
    [
        (Figure("", 182500, GS), "Gs. 182.500", "", "Gs. 182.500"),
        (Figure("", 1250500, GS), "1,25", "millones de Gs.", "1,25 millones de Gs."),
        (Figure("", Decimal("-84300000"), GS), "−84,3", "millones de Gs.", "−84,3 millones de Gs."),
        (Figure("", Decimal("1234.5"), Money("USD")), "US$ 1.234,50", "", "US$ 1.234,50"),
        (Figure("", 268450, Number(measure="l")), "268.450 l", "", "268.450 l"),
        (Figure("", Decimal("18.44"), Percent()), "18,4 %", "", "18,4 %"),
        (Figure("", None, GS), "–", "", "–"),
        (Figure("", 0, GS), "Gs. 0", "", "Gs. 0"),
    ],
)
def test_a_key_figure_is_short_and_its_unit_is_said_once(figure, value, unit, full):
    [written] = report(figures=(figure,)).written(ES).figures
    assert (spaced(written.value), written.unit, spaced(written.full)) == (value, unit, full)


@pytest.mark.parametrize(
    ("value", "base", "kind", "good", "text", "mood"),
    [
        (108, 100, GS, "up", "+8,0 %", "good"),
        (92, 100, GS, "up", "−8,0 %", "bad"),
        (92, 100, GS, "down", "−8,0 %", "good"),
        (250, 100, GS, "none", "+150 %", "even"),
        (100, 100, GS, "up", "0,0 %", "even"),
        (5, -10, GS, "up", "+15 Gs.", "good"),
        (-3, -10, GS, "up", "+70,0 %", "good"),
        (0, -10, GS, "down", "+10 Gs.", "bad"),
        (37, 0, Number(), "up", "+37", "good"),
        (2500000, 0, GS, "up", "+2,50 millones de Gs.", "good"),
        (10**9, 1, GS, "up", "> +999 %", "good"),
        (-(10**9), 1, GS, "up", "−1.000 millones de Gs.", "bad"),
        (-(10**9), -1, GS, "up", "< −999 %", "bad"),
        (Decimal("18.4"), Decimal("17.9"), Percent(), "up", "+0,5 p. p.", "good"),
    ],
)
def test_a_variance_has_its_sign_its_number_and_what_it_means(value, base, kind, good, text, mood):
    found = variance(value, base, kind, Good(good))
    assert (spaced(found.written(ES)), found.mood) == (text, mood)


def test_nothing_after_nothing_and_nothing_to_compare_are_no_variance():
    assert variance(0, 0, GS) is None
    assert variance(1, None, GS) is None
    assert variance(None, 1, GS) is None


@given(st.integers(-(10**18), 10**18), st.integers(-(10**18), 10**18))
def test_a_variance_is_exact(value, base):
    found = variance(value, base, GS)
    assert found is None or found.absolute == value - base


@pytest.mark.parametrize(
    ("largest", "unit", "written"),
    [
        (9999, "Gs.", "9.999"),
        (12345, "miles de Gs.", "12,3"),
        (1204500, "miles de Gs.", "1.205"),
        (12345678, "millones de Gs.", "12,3"),
        (5 * 10**9, "millones de Gs.", "5.000"),
    ],
)
def test_a_chart_s_scale_leaves_at_most_four_digits(largest, unit, written):
    scale = Scale.fitting([1, None, -largest], GS)
    assert (scale.unit(ES), scale.written(largest, ES)) == (unit, written)


def test_comparisons_are_named_by_the_cadence_and_a_year_is_told_once():
    figure = Figure("Ventas", 2, GS, previous=1, year_ago=4)
    names = {}
    for cadence in Cadence:
        period = containing(cadence, date(2026, 10, 5))
        [written] = report(figures=(figure,), period=period).written(ES).figures
        names[cadence.value] = [each.base for each in written.variances]
    assert names == {
        "daily": ["día anterior", "un año antes"],
        "weekly": ["semana anterior", "un año antes"],
        "monthly": ["mes anterior", "un año antes"],
        "quarterly": ["trimestre anterior", "un año antes"],
        "yearly": ["año anterior"],
    }


def test_more_than_six_figures_are_too_many():
    with pytest.raises(DeclarationError, match="at most 6 key figures, and 7"):
        report(figures=(Figure("x", 1, GS),) * 7)


ROWS = [
    {"branch": branch, "product": product, "litres": litres, "amount": amount}
    for branch, product, litres, amount in [
        ("Central", "Diésel", Decimal("10.5"), 100),
        ("Central", "Nafta", None, 20),
        ("Este", "Diésel", 7, 3),
    ]
]


def test_lines_for_paper_do_not_repeat_a_group_down_its_column():
    text = report(sections=(section(ROWS, Layout(currency="PYG", group_by=("branch",))),)).written(ES).sections[0]
    assert [line.texts for line in text.lines()] == [
        ("Central", "Diésel", "10,5", "100"),
        ("", "Nafta", "–", "20"),
        ("Total Central", "", "10,5", "120"),
        ("Este", "Diésel", "7,0", "3"),
        ("Total Este", "", "7,0", "3"),
    ]
    assert text.foot.texts == ("Total", "", "17,5", "123")


def test_lines_for_a_phone_say_what_it_is_its_amount_and_the_rest_below():
    text = report(sections=(section(ROWS, Layout(currency="PYG", group_by=("branch",))),)).written(ES).sections[0]
    assert [(line.what, line.detail, line.amount) for line in text.brief(3)] == [
        ("Total Central", "Litres\u00a010,5", "120"),
        ("Total Este", "Litres\u00a07,0", "3"),
    ]
    assert [(line.what, line.detail) for line in text.brief(9)][:2] == [
        ("Diésel", "Central ·\u00a0Litres\u00a010,5"),
        ("Nafta", "Central"),
    ]
    assert (text.what_head, text.amount_head, text.count) == ("Product", "Amount, Gs.", 3)
    assert (text.is_whole(5), text.is_whole(4)) == (True, False)


def test_a_mail_shows_ten_rows_of_a_long_list_and_five_where_it_is_not_the_first():
    long = [{"product": f"p{n}", "amount": n} for n in range(40)]
    sections = report(sections=(section(long), section(long), section(long[:10]))).written(ES).sections
    assert [each.shown for each in sections] == [10, 5, 10]
    assert [each.more(each.shown) for each in sections] == [30, 35, 0]
    assert [len(each.brief(each.shown)) for each in sections] == [10, 5, 10]
    assert not sections[1].is_whole(sections[1].shown)


def test_a_single_row_that_would_be_left_over_is_shown():
    rows = [{"product": f"p{n}", "amount": n} for n in range(11)]
    text = report(sections=(section(rows),)).written(ES).sections[0]
    assert (text.shown, text.more(text.shown), len(text.brief(text.shown))) == (11, 0, 11)
    assert (text.room(9), text.room(10)) == (9, 11)


def test_groups_and_accounts_are_summed_up_instead_of_broken_off():
    rows = [{"branch": f"b{n % 3}", "product": f"p{n}", "amount": n} for n in range(40)]
    text = report(sections=(section(ROWS), section(rows, Layout(group_by=("branch",))))).written(ES).sections[1]
    assert (text.shown, text.more(text.shown)) == (12, 0)
    assert [line.style for line in text.brief(text.shown)] == [Style.SUBTOTAL] * 3
    assert (text.more(2), len(text.brief(2))) == (38, 2)


def test_a_sign_is_never_parted_from_its_number_nor_a_dot_from_what_follows():
    columns = {"change": Percent(good="up"), "share_of_all_that_was_sold": Percent()}
    rows = [{"product": "Diésel", "amount": 1, "change": 0.6, "share_of_all_that_was_sold": 5}]
    layout = Layout(columns=columns, labels={"change": "Δ sept. 2026"})
    (line,) = report(sections=(section(rows, layout),)).written(ES).sections[0].brief(9)
    assert line.detail.startswith("Δ\u00a0sept.\u00a02026\u00a0+")
    assert " ·\u00a0Share of all that was sold\u00a0" in line.detail


def test_of_accounts_the_upper_ones_are_shown_first():
    rows = [{"account": f"a{level}{n}", "level": level, "amount": 1} for n in range(3) for level in (0, 1, 2)]
    text = (
        report(sections=(section(rows, Layout(columns={"account": Account(level="level")})),)).written(ES).sections[0]
    )
    assert [line.level for line in text.brief(6)] == [0, 1, 0, 1, 0, 1]
    assert [line.style for line in text.brief(3)] == [Style.SUM] * 3
    assert len(text.brief(2)) == 2


def test_widths_are_parts_of_a_page_and_numbers_never_break():
    rows = [{"name": "x" * 400, "code": "1", "amount": 999999999999}, {"name": "y", "code": "2", "amount": 1}]
    heads = report(sections=(section(rows),)).written(ES).sections[0].heads
    assert 99.9 < sum(head.width for head in heads) <= 100
    assert heads[2].width > 20
    assert heads[0].width < 70


def test_hostile_titles_are_one_harmless_line():
    evil = "a\r\nBcc: x\u202e\x00b"
    written = Report(evil, evil, MADE, who=evil, message=evil, notes=(evil,), figures=(Figure(evil, 1, GS),)).written(
        ES
    )
    shown = [written.what, written.when, written.who, written.message, written.notes[0], written.figures[0].label]
    assert set(shown) == {"a Bcc: xb"}


# --- what is shown when nothing is declared


def test_the_figures_are_the_sums_of_the_columns_amounts_first():
    declared = Layout(currency="PYG", columns={"margin_pct": Percent(of=("margin", "amount"))})

    def sales(*rows):
        names = ("day", "litres", "amount", "margin", "margin_pct")
        return table([dict(zip(names, row, strict=True)) for row in rows], declared)

    now = sales((date(2026, 10, 1), 5, 100, 20, None), (date(2026, 10, 2), 7, 200, 40, None))
    before = sales((date(2026, 9, 1), 10, 150, 30, None))
    found = defaults.figures(now, before, table([]))
    assert [(each.label, each.value, each.previous, each.year_ago) for each in found] == [
        ("Amount", 300, 150, None),
        ("Margin", 60, 30, None),
        ("Litres", 12, 10, None),
        ("Margin pct", 20, 20, None),
    ]
    assert len(defaults.figures(table([{f"amount_{n}": n for n in range(9)}]))) == 6


def test_the_chart_is_of_the_main_amount_over_days_or_by_the_first_words():
    days = table(
        [{"day": date(2026, 10, day), "litres": 1, "amount": day} for day in range(1, 9)], Layout(currency="PYG")
    )
    assert (defaults.chart(days).kind, defaults.chart(days).x, defaults.chart(days).y) == ("line", "day", "amount")
    assert (defaults.chart(table(ROWS)).kind, defaults.chart(table(ROWS)).x) == ("bar", "branch")
    grouped = table(ROWS, Layout(group_by=("product",)))
    assert defaults.chart(grouped).x == "product"
    assert defaults.chart(table(ROWS[:1])) is None
    assert defaults.chart(table([{"a": "x"}, {"a": "y"}])) is None
    assert defaults.chart(table([])) is None


# --- files


def test_the_workbook_has_a_sheet_for_each_section_and_the_words_last():
    whole = report(
        figures=(Figure("Ventas", 3, GS, previous=2),), sections=(section(ROWS), section(ROWS)), unit="en Gs."
    )
    file = files.xlsx(whole, ES, "Petrolera", ASUNCION)
    book = openpyxl.load_workbook(io.BytesIO(file.data))
    assert book.sheetnames == ["Ventas", "Ventas (2)", "Resumen"]
    assert file.filename == "Ventas, octubre de 2026.xlsx"
    assert [cell.value for cell in book["Resumen"]["A"]][1:4] == ["Petrolera", "Ventas, en Gs.", "octubre de 2026"]
    assert spaced(book["Resumen"]["B6"].value) == "Gs. 3 (+50,0 % mes anterior)"
    assert file.data == files.xlsx(whole, ES, "Petrolera", ASUNCION).data


def test_a_csv_for_each_section():
    one = files.csvs(report(sections=(section(ROWS),)), ES)
    assert [file.filename for file in one] == ["Ventas, octubre de 2026.csv"]
    two = files.csvs(Report("a/b", "..", MADE, sections=(section(ROWS), Section("c:d", table(ROWS)))), ES)
    assert [file.filename for file in two] == ["a-b, .. Ventas.csv", "a-b, .. c-d.csv"]


# --- through the renderer


@pytest.fixture(scope="module")
def renderer():
    return Renderer(PROJECT / "include", company=load().company.model_dump())


def many(count):
    rows = [{"customer": f"Cliente {n} S.A.", "ruc": f"80{n}-1", "balance": n * 1000} for n in range(count)]
    whole = section(rows, chart=Chart("bar", "customer", "balance").plot(table(rows, Layout(currency="PYG"))))
    return report(figures=(Figure("Saldo", 5, GS, trend=(1, 2, 5)),), sections=(whole,))


def test_a_report_without_a_template_of_its_own_is_rendered_whole(renderer):
    content = renderer.render("overdue_customers", {"report": many(30)}, BOSS)
    kinds = [(each.media_type, bool(each.content_id)) for each in content.attachments]
    assert kinds == [("image/png", True)] * 3 + [("application/pdf", False)]
    assert all(f"cid:{each.content_id}" in content.html for each in content.attachments[:3])
    assert "… y 20 más en el archivo adjunto" in content.html
    assert content.subject
    assert content.phone.isprintable()
    assert "Cliente 19 S.A." in content.text
    assert "Cliente 20 S.A." not in content.text


def test_a_mail_stays_small_however_many_rows_there_are(renderer):
    assert len(renderer.render("overdue_customers", {"report": many(300)}, BOSS).html) < 60_000


def test_the_language_is_the_reader_s(renderer):
    english = Recipient("boss@petroleradeleste.example", "Board", "en")
    content = renderer.render("overdue_customers", {"report": many(30)}, english)
    assert "… and 20 more in the attached file" in content.html
    assert renderer.language("overdue_customers", "en", report=True) == "en"


def test_only_a_report_may_lack_a_folder(renderer):
    with pytest.raises(TemplateError, match="no template folder for the mailing 'overdue_customers'"):
        renderer.render("overdue_customers", {}, BOSS)
    with pytest.raises(TemplateError, match="no template folder"):
        renderer.language("overdue_customers", "es")


def test_a_report_s_own_parts_and_words_replace_the_default_s(tmp_path):
    folder = tmp_path / "templates" / "my_report"
    folder.mkdir(parents=True)
    (folder / "subject.txt.j2").write_text("Mío: {{ (report | written).what }}")
    (folder / "words.es.yaml").write_text('more: "Otros %d van adjuntos."')
    mine = Renderer(tmp_path, company={**load().company.model_dump(), "logo": ""}, shared=PROJECT / "include")
    content = mine.render("my_report", {"report": many(30)}, BOSS)
    assert content.subject == "Mío: Ventas"
    assert "Otros 20 van adjuntos." in content.html
    (folder / "text.txt.j2").write_text("{{ (report | written).wat }}")
    with pytest.raises(TemplateError, match="Did you mean 'what'"):
        mine.render("my_report", {"report": many(1)}, BOSS)


def test_the_default_templates_have_no_fault(renderer):
    assert renderer.check("overdue_customers", whole=True) == []
    assert {path.name for path in Path(PROJECT / "include/templates/_report").glob("words.*.yaml")} == {
        "words.en.yaml",
        "words.es.yaml",
    }


STATEMENT = Layout(
    columns={
        "account": Account(level="level"),
        **dict.fromkeys(["amount", "previous", "year_ago"], GS),
        **dict.fromkeys(["difference", "year_difference"], Money("PYG", good="up")),
        **dict.fromkeys(["share", "pct", "year_pct"], Percent(good="up")),
    },
    brief=("pct",),
)


def statement(amount, level=0):
    before = amount - 1_234_567
    return {
        "account": "Ventas de combustibles", "level": level, "amount": amount, "share": 100, "previous": before,
        "difference": amount - before, "pct": 12.5, "year_ago": before, "year_difference": amount - before,
        "year_pct": 12.5,
    }  # fmt: skip


def test_many_amounts_that_do_not_fit_a_page_are_told_in_thousands_and_their_unit_once():
    [section] = report(sections=(section_of(978_996_068),)).written(ES).sections
    paper = section.paper
    assert [head.full for head in paper.heads][:3] == ["Account (miles de Gs.)", "Amount", "Share"]
    [line] = paper.lines()
    assert [spaced(text) for text in line.texts[1:6]] == ["978.996", "+100 %", "977.762", "+1.235", "+12,5 %"]
    assert [mood and mood.value for mood in line.moods[:5]] == [None, None, "good", None, "good"]
    assert section.lines().__next__().texts[1] == "978.996.068"  # a phone has room for one amount
    assert section.amount_head == "Amount, Gs."


def section_of(*amounts):
    return section([statement(amount) for amount in amounts], STATEMENT)


def test_larger_ones_in_millions_and_fewer_or_smaller_ones_to_the_last_digit():
    [large] = report(sections=(section_of(78_996_068_123),)).written(EN).sections
    assert large.paper.heads[0].full == "Account (million PYG)"
    assert next(iter(large.paper.lines())).texts[1] == "78,996.1"
    names = ["paid", "owed", "sold"]
    rows = [{"name": "x" * 40, "due_on": date(2026, 10, 17), **dict.fromkeys(names, 863_419_916_000)}]
    [few] = report(sections=(section(rows, Layout(columns=dict.fromkeys(names, GS))),)).written(EN).sections
    assert few.paper is few
    assert few.heads[0].full == "Name (PYG)"


def test_a_narrow_screen_shows_of_a_line_what_its_layout_names():
    [section] = report(sections=(section_of(978_996_068),)).written(ES).sections
    [line] = section.brief(12)
    assert spaced(line.detail) == "Pct +12,5 %"
    assert line.details[0].mood.value == "good"


def test_numbers_and_dates_never_give_way_to_words():
    rows = [{"name": "x" * 200, "due_on": date(2026, 10, 17), "amount": 863_419_916, "total": 863_419_916}] * 3
    [written] = report(sections=(section(rows, Layout(currency="PYG")),)).written(ES).sections
    name, due, amount, _ = (head.width * 1.14 for head in written.heads)  # letters of a page
    assert due > 1.25 * len("17 oct. 2026")
    assert amount > 1.25 * len("863.419.916")
    assert name > 24


def test_codes_have_the_width_they_need_and_words_give_way():
    rows = [{"product": "Neumático de camión " * 3, "code": f"NEU-{n:04}", "amount": 10**14} for n in range(3)]
    many = [{**row, **{f"amount_{n}": 10**14 for n in range(6)}} for row in rows]
    crowded = SectionText(Section("", table(many, Layout(currency="PYG"))), ES).heads
    alone = SectionText(Section("", table(rows, Layout(currency="PYG"))), ES).heads
    assert crowded[0].width < 15
    assert alone[0].width > 40
    assert crowded[1].width / crowded[2].width == pytest.approx(alone[1].width / alone[2].width, rel=0.01)


def test_the_heads_of_a_table_never_need_more_than_the_page_has():
    for longer in range(40):
        rows = [{"customer": "x" * (5 + longer), "city": "Luque", "balance": 1_250_000 * n} for n in range(3)]
        heads = report(sections=(section(rows),)).written(ES).sections[0].heads
        assert sum(round(100 * head.width) for head in heads) <= 10_000
