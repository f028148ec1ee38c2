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
    link,
    locale_for,
    mailto,
    or_dash,
    places,
    shortened,
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
