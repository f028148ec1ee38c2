"""Golden cases: what the templates see, from a case's input.yaml; a document's row, or a report."""

from datetime import datetime
from decimal import Decimal

from emailketing.model import Recipient
from emailketing.render.formats import locale_for
from emailketing.report import periods
from emailketing.report.charts import Chart
from emailketing.report.frame import Layout, table
from emailketing.report.kinds import Account, Date, Money, Number, Percent, Text
from emailketing.report.report import Figure, Report, Section
from emailketing.report.variance import Good

KINDS = {"account": Account, "date": Date, "number": Number, "percent": Percent, "text": Text, "money": Money}


def rendered(renderer, mailing, given):
    """The mail of a case: of a document or a report, or of a campaign, whose `own` is the reader's."""
    recipient = Recipient(**given["recipient"])
    if "campaign" not in given:
        return renderer.render(mailing, variables(given), recipient)
    own = {"name": recipient.name, "why": given["why"], "leave": given["leave"], **given.get("own", {})}
    return renderer.shared(mailing, given["campaign"], tuple(own), recipient.language).filled(own)


def variables(given):
    """What a case's templates see."""
    if "report" in given:
        return {"report": report(given["report"], given["recipient"]["language"])}
    return {**given["row"], "lines": given.get("lines", [])}


def report(given, language):
    """The report that a case describes."""
    moment = datetime.fromisoformat(given["moment"])
    cadence = periods.Cadence.named(given["cadence"])
    period = periods.fitting(cadence, moment, periods.ZoneInfo("America/Asuncion"))
    return Report(
        what=given["what"],
        when=periods.label(period, locale_for(language, "PY")),
        made_at=moment,
        who=given.get("who", ""),
        unit=given.get("unit", ""),
        message=given.get("message", ""),
        figures=tuple(figure(each) for each in given.get("figures", [])),
        sections=tuple(section(each) for each in given.get("sections", [])),
        notes=tuple(given.get("notes", [])),
        period=period,
    )


def figure(given):
    numbers = {name: exact(given.get(name)) for name in ("value", "previous", "year_ago")}
    trend = tuple(exact(each) for each in given.get("trend", []))
    return Figure(given["label"], kind=kind(given["kind"]), good=Good(given.get("good", "up")), trend=trend, **numbers)


def section(given):
    rows = given["rows"] if "rows" in given else repeated(given["repeated"])
    layout = dict(given.get("layout", {}))
    layout["columns"] = {name: kind(each) for name, each in layout.get("columns", {}).items()}
    for name in ("group_by", "hide"):
        layout[name] = tuple(layout.get(name, ()))
    whole = table(rows, Layout(**layout))
    chart = Chart(**given["chart"]).plot(whole) if "chart" in given else None
    return Section(given.get("title", ""), whole, chart, given.get("note", ""))


def repeated(given):
    """Many rows from one: numbers grow with the row, `{n}` in a text is its number."""
    return [
        {name: each.format(n=number) if isinstance(each, str) else each * number for name, each in given["row"].items()}
        for number in range(1, given["times"] + 1)
    ]


def kind(given):
    name, more = (given, {}) if isinstance(given, str) else next(iter(given.items()))
    return KINDS[name](**{key: tuple(value) if isinstance(value, list) else value for key, value in more.items()})


def exact(value):
    return None if value is None else Decimal(str(value))
