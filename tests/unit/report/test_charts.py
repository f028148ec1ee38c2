import hashlib
import io
import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from emailketing.errors import DeclarationError
from emailketing.report.charts import Chart, Role, Spark
from emailketing.report.frame import Layout, table
from emailketing.report.kinds import Account, Money, Number
from tests.unit.report.readers import EN, ES

PROJECT = Path(__file__).resolve().parents[3]

BRANCHES = [
    {"branch": "Este", "sales": 92000000, "before": 0},
    {"branch": "Central", "sales": 1204500000, "before": 1100000000},
    {"branch": "San Blas", "sales": 845300000, "before": 901000000},
    {"branch": "Luque", "sales": -1500000, "before": None},
]
MONEY = Layout(currency="PYG", columns={"before": Money("PYG")}, labels={"sales": "Octubre", "before": "Septiembre"})


def bars(**more):
    return Chart("bar", "branch", "sales", title="Ventas por sucursal", **more)


def test_categories_run_down_by_size_and_keep_what_they_are_compared_with():
    plot = bars(previous="before").plot(table(BRANCHES, MONEY))
    assert plot.labels == ("Central", "San Blas", "Este", "Luque")
    assert [(each.role, each.label, each.values) for each in plot.series] == [
        (Role.ACTUAL, "Octubre", (1204500000, 845300000, 92000000, -1500000)),
        (Role.PREVIOUS, "Septiembre", (1100000000, 901000000, 0, None)),
    ]


def test_the_alternative_text_states_the_figures_in_the_reader_s_language():
    plot = bars(previous="before").plot(table(BRANCHES, MONEY))
    assert plot.written(ES).alt.replace("\xa0", " ") == (
        "Gráfico de barras: Ventas por sucursal, millones de Gs. Central 1.205 (+9,5 %); San Blas 845 (−6,2 %); "
        "Este 92 (+92); Luque −2."
    )
    assert plot.written(EN).alt.replace("\xa0", " ") == (
        "Bar chart: Ventas por sucursal, million PYG. Central 1,205 (+9.5%); San Blas 845 (−6.2%); "
        "Este 92 (+92); Luque −2."
    )


def test_what_is_good_for_the_business_depends_on_what_it_is():
    plot = bars(previous="before").plot(table(BRANCHES, MONEY))
    costs = bars(previous="before", good="down").plot(table(BRANCHES, MONEY))
    neither = bars(previous="before", good="none").plot(table(BRANCHES, MONEY))
    assert [each.mood for each in plot.compared()[:3]] == ["good", "bad", "good"]
    assert [each.mood for each in costs.compared()[:3]] == ["bad", "good", "bad"]
    assert {each.mood for each in neither.compared()[:3]} == {"even"}
    assert plot.compared()[3] is None


def test_equal_categories_are_one_and_the_smallest_are_others():
    rows = [{"branch": f"b{number % 20:02}", "sales": number} for number in range(40)]
    plot = bars(most=5).plot(table(rows, Layout(currency="PYG")))
    assert plot.labels == ("b19", "b18", "b17", "b16", None)
    assert plot.actual.values[:2] == (58, 56)
    assert sum(plot.actual.values) == sum(range(40))
    assert plot.written(ES).labels[-1] == "Otros (16)"


def test_time_runs_from_left_to_right_and_a_day_s_moments_are_one():
    rows = [
        {"at": datetime(2026, 10, 2, 9), "sales": 5},  # noqa: DTZ001
        {"at": datetime(2026, 10, 1, 9), "sales": 3},  # noqa: DTZ001
        {"at": datetime(2026, 10, 2, 18), "sales": 4},  # noqa: DTZ001
    ]
    plot = Chart("line", "at", "sales").plot(table(rows))
    assert plot.labels == (date(2026, 10, 1), date(2026, 10, 2))
    assert plot.actual.values == (3, 9)
    assert plot.written(ES).labels == ["1 oct.", "2 oct."]


@pytest.mark.parametrize(
    ("days", "written"),
    [
        ([date(2025, 1, 1), date(2026, 1, 1)], ["2025", "2026"]),
        ([date(2026, 9, 1), date(2026, 10, 1)], ["sept.", "oct."]),
        ([date(2025, 12, 1), date(2026, 2, 1)], ["dic. 25", "feb. 26"]),
        ([date(2026, 10, 1)], ["1 oct."]),
    ],
)
def test_days_are_written_as_what_they_stand_for(days, written):
    plot = Chart("bar", "day", "sales").plot(table([{"day": day, "sales": 1} for day in days]))
    assert plot.written(ES).labels == written


def test_a_long_course_is_told_by_its_ends_and_extremes():
    rows = [{"day": date(2026, 10, day), "sales": (day * 7) % 31 * 1000} for day in range(1, 32)]
    alt = Chart("line", "day", "sales", title="Ventas").plot(table(rows, Layout(currency="PYG"))).written(ES).alt
    assert alt == (
        "Gráfico de líneas: Ventas, miles de Gs. de 7,00 (1 oct.) a 0,00 (31 oct.); mínimo 0,00 (31 oct.), "
        "máximo 30,00 (22 oct.)."
    ).replace("7,00", "7,0").replace("0,00 (", "0,0 (").replace("30,00", "30,0")


def test_a_stacked_chart_adds_up_and_gathers_its_smallest_parts():
    rows = [
        {"month": date(2026, month, 1), "product": f"p{number}", "sales": number * 10}
        for month in (1, 2)
        for number in range(1, 8)
    ]
    plot = Chart("stacked", "month", "sales", by="product").plot(table(rows))
    assert [each.label for each in plot.series] == ["p7", "p6", "p5", "p4", "…"]
    assert plot.series[-1].values == (60, 60)
    assert plot.written(ES).alt == ("Barras apiladas. ene. 280; feb. 280. p7 140; p6 120; p5 100; p4 80; … 120.")


STEPS = [
    {"account": "Ventas", "amount": 1000, "result": 1},
    {"account": "Costo", "amount": -600, "result": 0},
    {"account": "Utilidad bruta", "amount": 400, "result": 1},
]
RESULTS = Layout(columns={"account": Account(sum="result")}, currency="PYG")


def test_a_waterfall_keeps_the_order_and_knows_its_sums():
    from emailketing.report.drawing import _steps

    plot = Chart("waterfall", "account", "amount").plot(table(STEPS, RESULTS))
    assert plot.sums == (True, False, True)
    assert _steps(plot.actual.values, plot.sums) == [(0, 1000), (1000, 400), (0, 400)]
    assert plot.written(ES).alt == "Cascada, Gs. Ventas 1.000; Costo −600; Utilidad bruta 400."


def test_shares_are_of_the_whole():
    rows = [{"form": "Contado", "sales": 1}, {"form": "Crédito", "sales": 3}]
    drawing = Chart("share", "form", "sales").plot(table(rows)).written(EN)
    assert drawing.shares() == ["75.0%", "25.0%"]
    assert drawing.alt == "Shares. Crédito 3 (75.0%); Contado 1 (25.0%)."


def test_nothing_to_draw_is_no_chart():
    assert bars().plot(table(BRANCHES[:0], Layout(columns={"branch": Account(), "sales": Money("PYG")}))) is None
    assert bars().plot(table([{"branch": "x", "sales": 0}, {"branch": "y", "sales": None}])) is None


@pytest.mark.parametrize(
    ("build", "told"),
    [
        (lambda: Chart("lines", "branch", "sales"), "Did you mean 'line'"),
        (lambda: Chart("bar", "branch", "sales", good="upp"), "Did you mean 'up'"),
        (lambda: Chart("stacked", "branch", "sales"), "names the column `by`"),
        (lambda: Chart("bar", "branch", "sales", by="branch"), "names the column `by`"),
        (lambda: Chart("bar", "branche", "sales").plot(table(BRANCHES)), "Did you mean 'branch'"),
        (lambda: Chart("bar", "branch", "salse").plot(table(BRANCHES)), "Did you mean 'sales'"),
        (lambda: Chart("bar", "branch", "branch").plot(table(BRANCHES)), "'branch' holds none"),
    ],
)
def test_a_wrong_declaration_is_told_with_the_nearest_name(build, told):
    with pytest.raises(DeclarationError, match=told):
        build()


def every_chart():
    days = [{"day": date(2026, 10, day), "sales": day % 7 * 100, "before": day % 5 * 90} for day in range(1, 32)]
    parts = [{"day": date(2026, m, 1), "part": p, "sales": m * len(p)} for m in (1, 2, 3) for p in ("a", "bb", "ccc")]
    plan = [{**row, "plan": 10**9, "forecast": 900000000} for row in BRANCHES]
    return {
        "bar": (bars(previous="before"), BRANCHES, MONEY),
        "plan": (bars(plan="plan", forecast="forecast"), plan, Layout(currency="PYG")),
        "columns": (Chart("bar", "day", "sales", previous="before"), days, None),
        "line": (Chart("line", "day", "sales", previous="before"), days, None),
        "stacked": (Chart("stacked", "day", "sales", by="part"), parts, None),
        "stacked_bars": (Chart("stacked", "part", "sales", by="day"), parts, None),
        "waterfall": (Chart("waterfall", "account", "amount"), STEPS, RESULTS),
        "share": (Chart("share", "branch", "sales"), BRANCHES[:3], MONEY),
        "shares": (Chart("share", "branch", "sales"), BRANCHES, MONEY),
    }


@pytest.mark.parametrize("name", every_chart())
def test_every_kind_is_drawn_for_mail_and_paper_the_same_each_time(name):
    chart, rows, layout = every_chart()[name]
    first, second = (chart.plot(table(rows, layout)).written(ES) for _ in range(2))
    assert first.png.data == second.png.data
    assert first.svg.data == second.svg.data
    picture = Image.open(io.BytesIO(first.png.data))
    assert picture.width >= 1072 - 1
    assert len(picture.convert("L").getcolors()) > 20  # it is no empty sheet
    assert b"<dc:date>" not in first.svg.data
    assert ET.fromstring(first.svg.data).tag.endswith("svg")
    assert (first.png.media_type, first.svg.media_type) == ("image/png", "image/svg+xml")


def run(code, **env):
    env = {**os.environ, "PYTHONPATH": f"{PROJECT / 'plugins'}:{PROJECT}", **env}
    command = [sys.executable, "-c", code]
    return subprocess.run(command, cwd=PROJECT, env=env, capture_output=True, text=True, check=True).stdout


def test_another_process_draws_the_same_bytes():
    code = (
        "import sys\nfrom tests.unit.report.test_charts import digest\n"
        "print(digest(), 'matplotlib.pyplot' in sys.modules)"
    )
    other = "1" if os.environ.get("PYTHONHASHSEED") != "1" else "2"
    # pyplot and its global state are never loaded
    assert run(code, PYTHONHASHSEED=other) == f"{digest()} False\n"


def digest():
    drawing = bars(previous="before").plot(table(BRANCHES, MONEY)).written(ES)
    return hashlib.sha256(drawing.png.data + drawing.svg.data).hexdigest()


def test_declaring_and_telling_a_chart_does_not_import_matplotlib():
    code = (
        "import sys\nfrom tests.unit.report.test_charts import *\n"
        "bars().plot(table(BRANCHES, MONEY)).written(ES).alt\n"
        "print(sorted({'matplotlib', 'pandas', 'xlsxwriter', 'holidays'} & set(sys.modules)))"
    )
    assert run(code) == "[]\n"


HOSTILE = st.text(st.characters(blacklist_categories=["Cs"]), max_size=60)
NUMBERS = st.one_of(st.none(), st.integers(-(10**16), 10**16), st.decimals(-(10**9), 10**9, places=2))


@settings(max_examples=25, deadline=None)
@given(
    st.sampled_from(["line", "bar", "stacked", "waterfall", "share"]),
    st.lists(st.tuples(HOSTILE, HOSTILE, NUMBERS), min_size=1, max_size=14),
    HOSTILE,
)
def test_whatever_the_rows_hold_a_chart_is_drawn_or_there_is_none(kind, rows, title):
    named = [{"x": f"${x}", "part": part, "y": y} for x, part, y in rows]
    layout = Layout(columns={"x": Account(), "part": Account(), "y": Number(2)})
    plot = Chart(kind, "x", "y", title=title, by="part" if kind == "stacked" else "").plot(table(named, layout))
    if plot is not None:
        drawing = plot.written(ES)
        assert drawing.alt
        assert drawing.png.data.startswith(b"\x89PNG")


def test_equal_values_of_sixteen_digits_are_drawn_as_well():
    rows = [{"x": month, "y": 10_639_473_953_813_148} for month in ("enero", "febrero")]
    plot = Chart("line", "x", "y", title="Ventas").plot(table(rows, Layout(columns={"y": Number(2)})))
    assert plot.written(ES).png.data.startswith(b"\x89PNG")


def test_a_spark_shows_the_course_and_tells_it():
    spark = Spark((4000000, None, Decimal(7720000), 6480000), Money("PYG")).written(ES)
    assert spark.alt == "Evolución, miles de Gs.: de 4.000 a 6.480; mínimo 4.000, máximo 7.720"
    assert Image.open(io.BytesIO(spark.png.data)).size == (240, 64)
    assert spark.png.data == Spark((4000000, None, Decimal(7720000), 6480000), Money("PYG")).written(EN).png.data
    assert b"<svg" in spark.svg.data


def test_a_chart_may_draw_columns_that_the_table_hides():
    rows = [
        {"account": "Ventas", "level": 0, "amount": 100, "effect": 100, "whole": 1},
        {"account": "Nafta", "level": 1, "amount": 100, "effect": None, "whole": 0},
        {"account": "Costo", "level": 0, "amount": 60, "effect": -60, "whole": 0},
        {"account": "Nafta", "level": 1, "amount": 60, "effect": None, "whole": 0},
        {"account": "Margen", "level": 0, "amount": 40, "effect": 40, "whole": 1},
    ]
    whole = table(rows, Layout(columns={"account": Account(level="level")}, hide=("effect", "whole")))
    plot = Chart("waterfall", "account", "effect", sums="whole").plot(whole)
    assert plot.labels == ("Ventas", "Costo", "Margen")
    assert plot.actual.values == (100, -60, 40)
    assert plot.sums == (True, False, True)
    assert plot.written(ES).alt == "Cascada. Ventas 100; Costo −60; Margen 40."


def test_sums_of_accounts_are_drawn_where_a_hidden_column_says_so():
    rows = [
        {"account": "Corriente", "level": 0, "amount": 9, "side": "Activo", "block": 9},
        {"account": "Caja", "level": 1, "amount": 9, "side": "Activo", "block": None},
        {"account": "Pasivo", "level": 0, "amount": 9, "side": "Fondos", "block": 9},
    ]
    whole = table(rows, Layout(columns={"account": Account(level="level")}, hide=("side", "block")))
    plot = Chart("stacked", "side", "block", by="account", in_order=True).plot(whole)
    assert plot.labels == ("Activo", "Fondos")
    assert [(each.label, each.values) for each in plot.series] == [("Corriente", (9, None)), ("Pasivo", (None, 9))]


def test_categories_may_keep_the_order_of_their_rows():
    rows = [{"age": "1–30", "amount": 5}, {"age": "31–60", "amount": 50}, {"age": "61–90", "amount": 7}]
    assert Chart("bar", "age", "amount", in_order=True).plot(table(rows)).labels == ("1–30", "31–60", "61–90")
    assert Chart("bar", "age", "amount").plot(table(rows)).labels == ("31–60", "61–90", "1–30")


def test_only_a_waterfall_says_which_bars_are_sums():
    with pytest.raises(DeclarationError, match="Only a waterfall"):
        Chart("bar", "age", "amount", sums="whole")
