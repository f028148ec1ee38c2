import itertools
from datetime import UTC, date, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emailketing.hostile import cleaned, one_line
from emailketing.render.formats import (
    Formats,
    Unformattable,
    less,
    link,
    locale_for,
    mailto,
    or_dash,
    places,
    shares,
    shortened,
    summed,
    tel,
)

ASUNCION = ZoneInfo("America/Asuncion")
ES = Formats(locale_for("es", "PY"), ASUNCION)
EN = Formats(locale_for("en", "PY"), ASUNCION)


@pytest.mark.parametrize(
    ("value", "currency", "spanish", "english"),
    [
        (12450000, "PYG", "Gs.\xa012.450.000", "PYG\xa012,450,000"),
        (Decimal("1234.5"), "USD", "US$\xa01.234,50", "US$\xa01,234.50"),
        (-1234.5, "USD", "US$\xa0-1.234,50", "US$\xa0-1,234.50"),
        ("0", "PYG", "Gs.\xa00", "PYG\xa00"),
        ("-0.4", "PYG", "Gs.\xa00", "PYG\xa00"),
        ("0.5", "PYG", "Gs.\xa01", "PYG\xa01"),
        (0.1 + 0.2, "usd", "US$\xa00,30", "US$\xa00.30"),
    ],
)
def test_money_is_written_as_its_currency_and_the_reader_s_language_want_it(value, currency, spanish, english):
    assert ES.money(value, currency) == spanish
    assert EN.money(value, currency) == english


@pytest.mark.parametrize("value", [None, "", "abc", True, float("nan"), "Infinity", [], object()])
def test_what_is_no_number_is_refused(value):
    with pytest.raises(Unformattable):
        ES.money(value, "PYG")


@pytest.mark.parametrize("currency", [None, "", "Gs", "P1G", "GUARANI"])
def test_an_amount_without_a_currency_is_refused(currency):
    with pytest.raises(Unformattable, match="currency code"):
        ES.money(1, currency)


@pytest.mark.parametrize(
    ("value", "spanish", "english"),
    [
        (0, "cero", "zero"),
        ("1", "uno", "one"),
        (21, "veintiuno", "twenty-one"),
        (101, "ciento uno", "one hundred and one"),
        (1_000, "mil", "one thousand"),
        (21_021, "veintiún mil veintiuno", "twenty-one thousand and twenty-one"),
        (31_101, "treinta y un mil ciento uno", "thirty-one thousand, one hundred and one"),
        (1_000_000, "un millón", "one million"),
        (21_000_000, "veintiún millones", "twenty-one million"),
        (501_000_001, "quinientos un millones uno", "five hundred and one million and one"),
        (
            Decimal("12450000.00"),
            "doce millones cuatrocientos cincuenta mil",
            "twelve million, four hundred and fifty thousand",
        ),
        (1_001_000_000, "mil un millones", "one billion, one million"),
        (10**12, "un billón", "one trillion"),
        (-12, "menos doce", "minus twelve"),
        ("-0.4", "cero", "zero"),
        ("999999.5", "un millón", "one million"),
    ],
)
def test_guaranies_in_words(value, spanish, english):
    assert ES.in_words(value, "PYG") == f"guaraníes {spanish}"
    assert EN.in_words(value, "pyg") == f"guaranies {english}"


@pytest.mark.parametrize(
    ("value", "spanish", "english"),
    [
        (
            "1234.5",
            "mil doscientos treinta y cuatro con 50/100",
            "one thousand, two hundred and thirty-four and 50/100",
        ),
        (0, "cero con 00/100", "zero and 00/100"),
        (Decimal("-0.07"), "menos cero con 07/100", "minus zero and 07/100"),
        ("9.995", "diez con 00/100", "ten and 00/100"),
        (21000.01, "veintiún mil con 01/100", "twenty-one thousand and 01/100"),
    ],
)
def test_dollars_in_words_have_their_cents(value, spanish, english):
    assert ES.in_words(value, "USD") == f"dólares americanos {spanish}"
    assert EN.in_words(value, "USD") == f"US dollars {english}"


@given(st.integers(min_value=-(10**18), max_value=10**18))
def test_before_a_noun_one_is_never_written_in_full(amount):
    words = ES.in_words(amount, "PYG").split()
    assert not any(one.endswith("uno") and "mil" in noun for one, noun in itertools.pairwise(words))


def test_what_has_no_words_is_refused():
    with pytest.raises(Unformattable, match="too large"):
        ES.in_words(10**27, "PYG")
    with pytest.raises(Unformattable, match="more digits"):
        ES.in_words("1E+40", "PYG")
    with pytest.raises(Unformattable, match="in the language 'gn'"):
        Formats(locale_for("gn", "PY"), ASUNCION).in_words(5, "PYG")
    with pytest.raises(Unformattable, match="NULL"):
        ES.in_words(None, "PYG")
    assert Formats(locale_for("pt", "BR"), ASUNCION).in_words(5, "BRL") == "Reais brasileiros cinco e 00/100"
    assert Formats(locale_for("es", "CL"), ASUNCION).in_words(5, "KWD") == "dinares kuwaitíes cinco con 000/1000"


def test_numbers_quantities_and_percentages_follow_the_language():
    assert ES.number(Decimal("1234567.891")) == "1.234.567,891"
    assert ES.number("2.5", 2) == "2,50"
    assert ES.quantity(10.50) == "10,5"
    assert ES.quantity(Decimal("12000.0000")) == "12.000"
    assert (ES.percent(10), EN.percent("10")) == ("10\xa0%", "10%")
    assert (ES.percent("-2.25", 1), EN.percent(Decimal("2.25"), 1)) == ("-2,3\xa0%", "2.3%")


@given(st.decimals(allow_nan=False, allow_infinity=False, places=2, min_value=-(10**15), max_value=10**15))
def test_an_amount_read_back_is_the_amount_that_was_written(value):
    written = ES.amount(value, "USD").replace(".", "").replace(",", ".")
    assert Decimal(written) == value


NAIVE = datetime(2026, 11, 2, 23, 30)  # noqa: DTZ001 as databases give it


@pytest.mark.parametrize("value", [date(2026, 11, 2), NAIVE, "2026-11-02", "2026-11-02T23:30:00", "2026-11-02 23:30"])
def test_dates_may_come_as_dates_or_as_iso_text(value):
    assert ES.long_date(value) == "2 de noviembre de 2026"
    assert EN.long_date(value) == "November 2, 2026"


def test_an_aware_time_is_shown_in_the_company_s_zone_and_a_naive_one_as_it_is():
    aware = datetime(2026, 11, 3, 1, 5, tzinfo=UTC)
    assert ES.datetime(aware).endswith("2026, 22:05")
    assert ES.long_date(aware) == "2 de noviembre de 2026"
    assert EN.datetime("2026-11-03T01:05:00") == "Nov\xa03,\xa02026, 01:05"
    with pytest.raises(Unformattable, match="without a time"):
        ES.datetime("2026-11-03")


@pytest.mark.parametrize("value", [None, "", "tomorrow", "31/12/2026", 20261102])
def test_what_is_no_date_is_refused(value):
    with pytest.raises(Unformattable):
        ES.date(value)


@pytest.mark.parametrize(
    ("language", "territory", "expected"),
    [("es", "PY", "es_PY"), ("es_MX", "PY", "es_MX"), ("en", "PY", "en"), ("xx", "PY", "en"), ("es-AR", "", "es_AR")],
)
def test_a_locale_unknown_to_babel_falls_back_to_the_bare_language(language, territory, expected):
    assert str(locale_for(language, territory)) == expected


def test_a_column_of_numbers_gets_the_decimals_that_its_finest_number_needs():
    assert places(["1", Decimal("2.50"), 3.125]) == 3
    assert places([12000, "1E+3"]) == 0
    assert places([]) == 0
    assert places(["0.123456789"]) == 4


@given(st.text())
def test_one_line_never_holds_a_line_end_or_a_control_character(text):
    line = one_line(text)
    assert line.splitlines() in ([], [line])
    assert not any(ord(sign) < 32 or 127 <= ord(sign) < 160 for sign in line)


def test_hostile_signs_are_taken_out_of_values_at_any_depth():
    row = {"name": "a\x00b\u202ec", "lines": [{"note": "x\r\ny\rz"}], "total": 5, "half": "\ud800"}
    assert cleaned(row) == {"name": "abc", "lines": [{"note": "x\ny\nz"}], "total": 5, "half": ""}


def test_links_cannot_be_scripts_and_addresses_cannot_add_headers():
    with pytest.raises(Unformattable, match="no link"):
        link("javascript:alert(1)")
    assert link("https://example.com/a") == "https://example.com/a"
    assert (
        mailto("a@b.example?bcc=x@y.example", "r\r\nBcc: z")
        == "mailto:a@b.example%3Fbcc%3Dx@y.example?subject=r%20Bcc%3A%20z"
    )
    assert tel("+595 (61) 500-700 x") == "tel:+59561500700"


def test_short_forms():
    assert (or_dash(None), or_dash("  "), or_dash(0)) == ("–", "–", 0)
    assert shortened("Orden número cuatro mil quinientos doce", 20) == "Orden número cuatro…"
    assert shortened("corta", 20) == "corta"


def test_a_difference_says_by_its_sign_which_way_it_goes():
    assert ES.signed_money(-20000, "PYG") == "Gs.\xa0−20.000"
    assert EN.signed_money("5", "USD") == "US$\xa0+5.00"
    assert [ES.signed_amount(value, "PYG") for value in (Decimal("-0.4"), 0, "0.5")] == ["0", "0", "+1"]


def test_a_part_of_a_whole_is_a_percentage_and_of_nothing_a_dash():
    assert ES.percent_of(45, "100") == "45\xa0%"
    assert ES.percent_of("1", 3, 1) == "33,3\xa0%"
    assert ES.percent_of(5, 0) == "–"
    assert [ES.percent_of(n, 1000) for n in (0, 4, 5, 10)] == ["0\xa0%", "<1\xa0%", "1\xa0%", "1\xa0%"]
    assert (ES.percent_of(4, 10_000, 1), ES.percent_of(-4, 1000)) == ("<0,1\xa0%", ">−1\xa0%")


def test_a_sum_is_exact():
    assert summed(["0.1", 0.2, Decimal("0.3"), 4]) == Decimal("4.6")
    assert summed([]) == 0
    assert less("0.3", 0.1) == Decimal("0.2")


def test_bars_are_as_long_as_their_values_and_never_vanish():
    assert shares([200, "100", 1, 0, -50.0]) == [100, 50, 1, 0, -25]
    assert shares([0, 0]) == [0, 0]
    assert shares([]) == []
