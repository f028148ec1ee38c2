"""Two readers for the tests: how amounts and dates are written in Paraguay, in Spanish and in English."""

from zoneinfo import ZoneInfo

from emailketing.render.formats import Formats, locale_for

ASUNCION = ZoneInfo("America/Asuncion")
ES = Formats(locale_for("es", "PY"), ASUNCION)
EN = Formats(locale_for("en", "PY"), ASUNCION)
