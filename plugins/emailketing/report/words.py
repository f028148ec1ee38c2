"""The few words that figures, charts and workbooks need of themselves, by language; English where unknown."""

from __future__ import annotations

from collections.abc import Mapping

from babel import Locale

_WORDS: Mapping[str, Mapping[str, str]] = {
    "en": {
        "thousands": "thousands",
        "millions": "millions",
        "scaled": "{scale} of {unit}",
        "total": "Total",
        "others": "Others ({count})",
        "actual": "Actual",
        "previous": "Before",
        "plan": "Plan",
        "forecast": "Forecast",
        "line": "Line chart",
        "bar": "Bar chart",
        "stacked": "Stacked bars",
        "waterfall": "Waterfall",
        "share": "Shares",
        "trend": "Trend",
        "from_to": "from {first} to {last}; lowest {least}, highest {most}",
        "points": "pts",
        "versus": "{variance} on {base}",
        "summary": "Summary",
        "sheet": "Sheet",
        "page": "Page",
        "daily": "the day before",
        "weekly": "the week before",
        "monthly": "the month before",
        "quarterly": "the quarter before",
        "yearly": "the year before",
        "year_ago": "a year ago",
        "before": "before",
        "and": "and",
        "nothing": "Nothing happened in this period.",
    },
    "es": {
        "thousands": "miles",
        "millions": "millones",
        "scaled": "{scale} de {unit}",
        "total": "Total",
        "others": "Otros ({count})",
        "actual": "Actual",
        "previous": "Anterior",
        "plan": "Plan",
        "forecast": "Pronóstico",
        "line": "Gráfico de líneas",
        "bar": "Gráfico de barras",
        "stacked": "Barras apiladas",
        "waterfall": "Cascada",
        "share": "Participación",
        "trend": "Evolución",
        "from_to": "de {first} a {last}; mínimo {least}, máximo {most}",
        "points": "p. p.",
        "versus": "{variance} sobre {base}",
        "summary": "Resumen",
        "sheet": "Hoja",
        "page": "Página",
        "daily": "el día anterior",
        "weekly": "la semana anterior",
        "monthly": "el mes anterior",
        "quarterly": "el trimestre anterior",
        "yearly": "el año anterior",
        "year_ago": "un año antes",
        "before": "antes",
        "and": "y",
        "nothing": "No hubo movimiento en este período.",
    },
}


def words(locale: Locale) -> Mapping[str, str]:
    """The words of a reader's language."""
    return _WORDS.get(locale.language, _WORDS["en"])
