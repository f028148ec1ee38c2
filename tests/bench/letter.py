"""The letter of row (a): personal, 5 KB of HTML and 2 KB of text. Needs the standard library alone."""

from __future__ import annotations

SENDER = "avisos@petroleradeleste.example"
_PLACES = ("Ciudad del Este", "Encarnación", "Asunción", "Coronel Oviedo", "Hernandarias", "Caaguazú", "Villarrica")
_CELL = "padding: 8px 0; border-bottom: 1px solid #dde3e6; font-family: Arial, sans-serif; font-size: 16px"
_PARAGRAPH = (
    "Desde hoy y hasta el domingo, cada carga de cincuenta litros o más lleva un lavado sin cargo en cualquiera de "
    "nuestras estaciones. Muestre este correo en la caja; no hace falta imprimirlo. "
)


def address(number: int) -> str:
    """The recipient's address."""
    return f"cliente{number:06d}@example.com"


def subject(number: int) -> str:
    """The subject, personal."""
    return f"Su cuenta 4-{number:06d} en {_PLACES[number % 7]}"


def text(number: int) -> str:
    """About 2 KB."""
    lines = "\n".join(
        f"- Estación {place}: vale {number * 7 + 100 * place_number}" for place_number, place in _offers()
    )
    return f"Estimado cliente {number}:\n\n{_PARAGRAPH * 7}\n\n{lines}\n\nPetrolera del Este S.A.\n"


def html(number: int) -> str:
    """About 5 KB."""
    rows = "\n".join(
        f'<tr><td style="{_CELL}">Estación {place}</td><td style="{_CELL}; text-align: right">'
        f"{number * 7 + 100 * place_number}</td></tr>"
        for place_number, place in _offers()
    )
    return (
        f'<!DOCTYPE html>\n<html lang="es"><head><meta charset="utf-8"><title>{subject(number)}</title></head>\n'
        '<body style="margin: 0; background: #f3f5f6"><table role="presentation"><tr><td align="center">\n'
        f'<h1 style="font-family: Arial, sans-serif; font-size: 22px">Estimado cliente {number}:</h1>\n'
        f'<p style="font-family: Arial, sans-serif; font-size: 16px; line-height: 24px">{_PARAGRAPH * 4}</p>\n'
        f'<table role="presentation" width="600">\n{rows}\n</table>\n<p>Petrolera del Este S.A.</p>\n'
        "</td></tr></table></body></html>\n"
    )


def _offers() -> list[tuple[int, str]]:
    return [(place_number, place) for place_number, place in enumerate(_PLACES * 2, start=1)]
