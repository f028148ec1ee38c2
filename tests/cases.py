"""Golden cases: what templates see, from a case's input.yaml: a document's row, a report, a shipped report's rows.

Of a shipped report the case gives what its queries gave; its DAG file and its words make a report of that.
"""

import csv
import io
from datetime import datetime
from decimal import Decimal, InvalidOperation
from functools import cache
from pathlib import Path

import yaml

from emailketing.model import Recipient
from emailketing.render.formats import locale_for
from emailketing.report import periods
from emailketing.report.catalogue import Look, catalogue
from emailketing.report.charts import Chart
from emailketing.report.composing import Listing, Material, Voice, compose
from emailketing.report.frame import Layout, table
from emailketing.report.kinds import Account, Date, Money, Number, Percent, Text
from emailketing.report.naming import Words
from emailketing.report.report import Figure, Report, Section
from emailketing.report.variance import Good
from emailketing.settings import PROJECT

KINDS = {"account": Account, "date": Date, "number": Number, "percent": Percent, "text": Text, "money": Money}
SPANS = ("now", "before", "year_ago")


def read(case: Path):
    """What the input.yaml of a case's folder says."""
    text = (case / "input.yaml").read_text(encoding="utf-8")
    try:
        return yaml.load(text, Loader=yaml.CSafeLoader)
    except yaml.YAMLError:  # libyaml is quick, and takes no half of a surrogate pair, which a hostile case gives
        return yaml.safe_load(text)


def rendered(renderer, mailing, given, *, sheet=True):
    """The mail of a case: of a document or a report, or of a campaign, whose `own` is the reader's.

    A document or report whose `sheet` nobody looks at need not be printed.
    """
    recipient = Recipient(**given["recipient"])
    if "campaign" not in given:
        return renderer.render(mailing, variables(given, mailing, renderer), recipient, sheet=sheet)
    own = {"name": recipient.name, "why": given["why"], "leave": given["leave"], **given.get("own", {})}
    told = {name: counted(each) if name in ("items", "changed") else each for name, each in given["campaign"].items()}
    if sheet and "sections" in given:
        writer = renderer.formats(recipient.language)
        told["report"] = paper(told, given["sections"], renderer.words(mailing, recipient.language), writer)
    channel = "email" if "report" in told else ""
    return renderer.shared(mailing, told, tuple(own), recipient.language, channel).filled(own)


def counted(given):
    """A campaign's items; `times` repeats them, counting in `{n}`."""
    if isinstance(given, list):
        return given
    return [
        {name: exactly(value, n) for name, value in each.items()}
        for each in given["items"]
        for n in range(1, given["times"] + 1)
    ]


def paper(told, sections, words, writer):
    """The default listing of a campaign's items, with a section for each value of a column."""
    moment = datetime.fromisoformat(f"{told['day']}T12:00:00+00:00")
    when = words["paper_when"].format(day=writer.long_date(told["day"]))
    title = Report(told["list_name"], when, moment, unit=words["paper_unit"], message=words["paper_message"])
    return catalogue(told["items"], Look(lambda name: words.get(name, ""), sections), title)


def variables(given, mailing, renderer):
    """What a case's templates see."""
    if "shipped" in given:
        return {"report": shipped(given["shipped"], mailing, given["recipient"]["language"], renderer)}
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


def shipped(given, mailing, language, renderer):
    """A report as its DAG file declares it, of the rows that the case gives; `where` is that of a subscription."""
    rows = {span: {_part(name): listing(each) for name, each in given.get(span, {}).items()} for span in SPANS}
    material = Material(periods.named(given["period"]), datetime.fromisoformat(given["moment"]), **rows)
    if where := given.get("where"):
        material = material.only(lambda row: all(str(row.get(column)) == value for column, value in where.items()))
    words = Words.of(mailing, renderer.said(mailing, language))
    return compose(declared()[mailing], material, Voice(words, renderer.formats(language), "PYG"))


def _part(name):
    return "" if name == "main" else name


@cache
def declared():
    from emailketing import tasks

    return tasks.declared(PROJECT / "dags")


def listing(given):
    """What a query gives: CSV; or columns and cells for each row; `times` repeats them, counting in `{n}`."""
    if isinstance(given, str):
        columns, *rows = csv.reader(io.StringIO(given))
        return _listing(columns, [[value(cell) for cell in row] for row in rows])
    numbers = range(1, given.get("times", 1) + 1)
    return _listing(
        given["columns"], [[exactly(cell, number) for cell in row] for number in numbers for row in given["rows"]]
    )


def _listing(columns, rows):
    return Listing(tuple(columns), [dict(zip(columns, row, strict=True)) for row in rows])


def value(cell):
    if cell == "":
        return None
    try:
        number = Decimal(cell)
    except InvalidOperation:
        return cell
    return int(number) if number == number.to_integral_value() else number


def exactly(cell, number):
    if isinstance(cell, str):
        return cell.format(n=number)
    return Decimal(str(cell)) if isinstance(cell, float) else cell


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
