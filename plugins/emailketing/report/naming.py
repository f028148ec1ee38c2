"""The words of a report, as include/templates/<report>/words.<language>.yaml gives them; all of them may be missing.

::

    title: "Ventas por producto"
    unit: "en guaraníes"
    message: "Lo que se vendió, sin IVA"
    note: "Las ventas a crédito se cuentan el día de la factura."
    waiting: "Falta cerrar el período en contabilidad."      # why it is late, where it waits for something
    recovered: "Ningún producto está debajo del mínimo."     # when its alert is over
    columns: {amount: "Importe"}
    sections: {by_branch: "Por sucursal"}
    figures: {net_sales: "Ventas netas"}
    chart: "Ventas por día"                 # or, for several: {sales: "Ventas por día", by_branch: "Por sucursal"}
    values: {method: {cash: "Efectivo"}}    # what a column's codes mean
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from emailketing.errors import DeclarationError, nearest
from emailketing.model import document_text

_TEXTS = ("title", "unit", "message", "note", "waiting", "recovered")
_LISTS = ("columns", "sections", "figures", "chart", "values")


@dataclass(frozen=True)
class Words:
    """The words of one report in one language."""

    title: str = ""
    unit: str = ""
    message: str = ""
    note: str = ""
    waiting: str = ""
    recovered: str = ""
    columns: Mapping[str, str] = field(default_factory=dict)
    sections: Mapping[str, str] = field(default_factory=dict)
    figures: Mapping[str, str] = field(default_factory=dict)
    charts: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    @classmethod
    def of(cls, report: str, given: Mapping[str, Any]) -> Words:
        """The words from what the file says. Labels of templates may stand among them. Raises DeclarationError."""
        for name, item in given.items():
            if isinstance(item, Mapping) and name not in _LISTS:
                raise DeclarationError(f"There are no words {name!r} of reports.", hint=nearest(name, _LISTS))
        chart = given.get("chart")
        values = _mapping("values", given.get("values"))
        texts = {name: str(given.get(name) or "") for name in _TEXTS}
        return cls(
            **texts,
            columns=_list("columns", given.get("columns")),
            sections=_list("sections", given.get("sections")),
            figures=_list("figures", given.get("figures")),
            charts=_list("chart", {report: chart} if isinstance(chart, str) else chart),
            values={str(name): _list(f"values of {name}", each) for name, each in values.items()},
        )


def _mapping(name: str, given: Any) -> Mapping[Any, Any]:
    if not isinstance(given or {}, Mapping):
        raise DeclarationError(f"The words {name!r} are no list of names and words.", hint='Write {code: "…"}.')
    return given or {}


def _list(name: str, given: Any) -> dict[str, str]:
    return {document_text(key): str(word) for key, word in _mapping(name, given).items()}
