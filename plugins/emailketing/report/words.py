"""The few words that figures, charts and workbooks need of themselves, by language; English where unknown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from babel import Locale

_WORDS: Mapping[str, Mapping[str, str]] = {
    "en": {
        "thousands": "thousand",
        "millions": "million",
        "scaled": "{scale} {unit}",
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
        "summary": "Summary",
        "page": "Page",
        "daily": "day before",
        "weekly": "week before",
        "monthly": "month before",
        "quarterly": "quarter before",
        "yearly": "year before",
        "before": "before",
        "year_ago": "a year ago",
        "against_daily": "on the day before",
        "against_weekly": "on the week before",
        "against_monthly": "on the month before",
        "against_quarterly": "on the quarter before",
        "against_yearly": "on the year before",
        "against_before": "on before",
        "against_year_ago": "on a year ago",
        "nothing": "Nothing happened in this period.",
        "late": "late",
        "late_because": "The figures of the period are not complete yet.",
        "late_until": "The report comes as soon as it is ready.",
        "over": "back to normal",
        "over_because": "Nothing is beyond the limit any more.",
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
        "summary": "Resumen",
        "page": "Página",
        "daily": "día anterior",
        "weekly": "semana anterior",
        "monthly": "mes anterior",
        "quarterly": "trimestre anterior",
        "yearly": "año anterior",
        "before": "antes",
        "year_ago": "un año antes",
        "against_daily": "frente al día anterior",
        "against_weekly": "frente a la semana anterior",
        "against_monthly": "frente al mes anterior",
        "against_quarterly": "frente al trimestre anterior",
        "against_yearly": "frente al año anterior",
        "against_before": "frente a lo anterior",
        "against_year_ago": "frente a un año antes",
        "nothing": "No hubo movimiento en este período.",
        "late": "demorado",
        "late_because": "Los datos del período todavía no están completos.",
        "late_until": "El informe llegará en cuanto esté listo.",
        "over": "vuelta a la normalidad",
        "over_because": "Ya nada está más allá del límite.",
    },
}


def words(locale: Locale) -> Mapping[str, str]:
    """The words of a reader's language."""
    return _WORDS.get(locale.language, _WORDS["en"])
