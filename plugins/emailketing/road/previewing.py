"""What a person sees of a report before anybody gets it: all its files, and everything that is wrong with it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from emailketing.audience import Audience
from emailketing.errors import AuthoringError, DeclarationError, SqlError
from emailketing.model import Content, Subscribed, Subscription
from emailketing.report.calendar import Rule
from emailketing.report.checking import faults, misnamed
from emailketing.report.composing import Material
from emailketing.report.declaration import FORMATS, ReportMailing
from emailketing.report.periods import Cadence, Period, fitting
from emailketing.road.gathering import gather, ready
from emailketing.road.making import Made, located, voiced
from emailketing.road.readers import Reader, readers, wished
from emailketing.road.reporter import About, Reporter


def preview_report(reporter: Reporter, mailing: ReportMailing, period: Period, language: str) -> Content:
    """The report about a period, with each of its files, as whoever sees all of it reads it in this language."""
    spoken = reporter.renderer.language(mailing.name, language, report=True)
    material = gather(reporter, mailing, About(period), reporter.clock())
    return Made.of(reporter, mailing, material, spoken, FORMATS).content()


def last_period(reporter: Reporter, cadence: Cadence) -> Period:
    """The period of a cadence that was over last."""
    return fitting(cadence, reporter.clock(), reporter.house.zone)


def check_report(reporter: Reporter, mailing: ReportMailing) -> list[AuthoringError]:
    """Everything wrong with a report: its readers, its queries on the live ERP, its names, words and templates."""
    reporter = replace(reporter, audience=reporter.audience.now())
    mailing = replace(mailing, channels=reporter.audience.settled(mailing).channels)
    found: list[AuthoringError] = list(reporter.renderer.check(mailing.name, mailing.channels, whole=True))
    everybody = readers(reporter.audience, mailing, reporter.house.zone)
    found += everybody.faults
    try:
        period = last_period(reporter, mailing.cadences[0])
        material = gather(reporter, mailing, About(period), reporter.clock())
        if mailing.wait_hours is not None:
            ready(reporter, mailing, period)
    except SqlError as error:
        return [*found, error]
    names = [located(mailing, error) for error in faults(mailing, material.now)]
    row = dict.fromkeys(material.now[mailing.parts[0].name].columns)
    found += [*names, *reporter.audience.misfits(mailing, row)]
    return found if found else list(_unmade(reporter, mailing, material))


def _unmade(reporter: Reporter, mailing: ReportMailing, material: Material) -> Iterator[AuthoringError]:
    """What fails when the report is made in each of its languages."""
    for place, language in enumerate(reporter.renderer.languages(mailing.name)):
        try:
            words = voiced(reporter, mailing, language).words
            path = reporter.renderer.words_file(mailing.name, language)
            for error in misnamed(mailing, words, material.now):
                yield DeclarationError(str(error.args[0]), path=path, hint=error.hint)
            # Workbooks differ between languages in their words alone.
            Made.of(reporter, mailing, material, language, FORMATS).proof(files=not place)
        except AuthoringError as error:
            yield error


def check_subscription(reporter: Reporter, mailing: ReportMailing, place: Subscription) -> list[Reader]:
    """As whom a subscription makes somebody read a report. Raises AuthoringError for what it wants and cannot have."""
    who = Audience(subscribed=Subscribed((place,)))
    found = [
        reader
        for member in who.members(mailing.name, place.channel)
        for reader in wished(member, mailing, reporter.house.zone)
    ]
    if place.where:
        about = About(last_period(reporter, mailing.cadences[0]))
        listing = gather(reporter, mailing, about, reporter.clock()).now[mailing.parts[0].name]
        for misfit in who.misfits(mailing, dict.fromkeys(listing.columns)):
            raise misfit
    return found


def next_due(reporter: Reporter, mailing: ReportMailing) -> list[tuple[Rule, list[Reader]]]:
    """The readers by their rule, those who are due at the same moments together."""
    everybody = readers(reporter.audience.now(), mailing, reporter.house.zone).all
    rules: dict[Rule, list[Reader]] = {}
    for reader in everybody:
        rules.setdefault(reader.rule, []).append(reader)
    return list(rules.items())
