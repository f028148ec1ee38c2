"""The renderer: what a mailing says, in the recipient's language, from its templates and one row of the ERP."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator, Mapping
from copy import copy
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from jinja2 import Environment, FileSystemLoader, select_autoescape

from emailketing.errors import TemplateError
from emailketing.hostile import cleaned, one_line
from emailketing.model import Attachment, Content, Recipient
from emailketing.render import checking, counting, leaving
from emailketing.render.changes import Changes
from emailketing.render.faults import Missing, told
from emailketing.render.folder import PARTS, REPORT, Folder, Words, mailings
from emailketing.render.formats import Formats, Unformattable, locale_for
from emailketing.render.mail import Pictures, closed_up, derived_text, inlined, tidied
from emailketing.render.personal import Places, Shared, deferring

if TYPE_CHECKING:
    from emailketing.render.printing import Printer

log = logging.getLogger(__name__)

#: Gmail cuts a mail's HTML at about 102 KB, and what follows is not read.
HTML_LIMIT = 100_000

#: Longest line of text that is sent as a subject; mail clients show some sixty characters of it.
SUBJECT_LIMIT = 250

_PAPER = ("sheet",)

_SHORT_SHEET = 40_000  # letters of HTML that are laid out within a second or two


@dataclass(frozen=True)
class _Job:
    """One message in the making: its mailing's folder, its language, and what its templates see."""

    folder: Folder
    language: str
    environment: Environment
    variables: Mapping[str, Any]
    on_paper: Mapping[str, Any] = field(default_factory=dict)  # what the sheet sees in another way


class Renderer:
    """Renders the mailings of an include folder for one company.

    `company` holds name, tax_id, address, phone, email, website, logo, territory, language, timezone and currency.
    Templates are read again when their files change. Raises TemplateError, with file and line, for whatever is wrong
    with a template or with a value that it is given. Not for use by several threads at once.
    """

    def __init__(self, include: Path, *, company: Mapping[str, Any], shared: Path | None = None) -> None:
        """`shared` is the include folder whose layouts serve where `include` has none of its own."""
        self._include = include.resolve()
        self._templates = self._include / "templates"
        self._shared = (shared or include).resolve() / "templates"
        self._company = dict(company)
        self._language = str(company.get("language") or "es")
        self._territory = str(company.get("territory") or "")
        self._zone = ZoneInfo(str(company.get("timezone") or "UTC"))
        self._environments: dict[str, Environment] = {}
        self._folders: dict[tuple[str, tuple[str, ...]], Folder] = {}
        self._laid_out: set[str] | None = None  # of a proof, the templates of sheets that need not be laid out again

    def render(
        self,
        mailing: str,
        variables: Mapping[str, Any],
        recipient: Recipient,
        channel: str = "",
        *,
        sheet: bool = True,
    ) -> Content:
        """What `recipient` will read, from the columns of an event's row (and its `lines`).

        Only what `channel` carries is rendered: of the phone the text and no PDF, of e-mail all but the phone's text.
        Without a channel it is all that the mailing has, for people who look at it. `sheet` False leaves the PDF out.
        Where the variable `report` is one (it can say how it is written), parts that the mailing lacks come from
        `_report`: to an advertisement, which must say how to leave it, the sheet alone.
        """
        return self._content(self._job(mailing, variables, recipient), channel, sheet=sheet)

    def shared(
        self, mailing: str, variables: Mapping[str, Any], own: Collection[str], language: str, channel: str = ""
    ) -> Shared:
        """What many readers will read, rendered once, in the language of one who wants `language`.

        `own` names what is each reader's own: templates print it as `recipient.<name>`, and `why` and `leave` by these
        names alone. Attachments and the PDF are the same for all, so nothing of it can stand there.
        """
        places = Places(own)
        job = self._job(mailing, variables, Recipient("", language=language), own)
        seen = {**job.variables, "recipient": places.recipient(), **places.own()}
        once = "a sheet is printed once for all"
        job = replace(
            job,
            variables=seen,
            on_paper={"recipient": places.recipient(once), **places.own(once)},
            environment=self._deferring_environment(job.language),
        )
        return Shared(self._content(job, channel), places, job.folder.path)

    def _content(self, job: _Job, channel: str, *, sheet: bool = True) -> Content:
        if channel == "phone":
            return Content("", "", phone=self._part(job, "phone", needed=True).strip())
        phone = "" if channel else self._part(job, "phone").strip()
        pictures = Pictures(self._include)
        html = self._html(job, pictures)
        text = self._part(job, "text")
        told = tidied(text) if text else _derived(job, html)
        leaving.check(job.folder.path, job.variables, html, told)
        counting.check(job.folder.path, job.variables, html)
        return Content(
            subject=self._subject(job, needed=bool(html or text or not phone)),
            text=told,
            html=html,
            phone=phone,
            attachments=(*pictures.held(), *(self._sheet(job) if sheet else ())),
        )

    @cached_property
    def proof(self) -> Renderer:
        """The same for those who look for faults and need no PDF, which takes most of the time.

        Every sheet is written as HTML. It is laid out once for each template, if it is short; of the others it is only
        seen to that they ask for nothing from outside.
        """
        proof = copy(self)
        proof._laid_out = set()
        return proof

    def language(self, mailing: str, wanted: str, *, report: bool = False) -> str:
        """The language in which a recipient who wants `wanted` gets this mailing."""
        return self._folder(mailing, PARTS if report else ()).language(wanted, self._language, self._territory)

    def said(self, mailing: str, language: str) -> Mapping[str, Any]:
        """All that the words of a report say in a language, lists of words included."""
        return self._folder(mailing, PARTS).said(language)

    def words_file(self, mailing: str, language: str) -> Path:
        """Where a mailing's words of a language stand, or would."""
        return self._templates / mailing / f"words.{language}.yaml"

    def languages(self, mailing: str) -> list[str]:
        """The languages in which a report has words or parts, or the default has."""
        return self._folder(mailing, PARTS).languages()

    def folder(self, mailing: str) -> Path:
        """Where the templates of a mailing lie."""
        return self._folder(mailing).path

    def words(self, mailing: str, language: str) -> Mapping[str, str]:
        """The labels of a mailing in a language, as templates see them by `t`."""
        return self._folder(mailing).words(language)

    def formats(self, language: str) -> Formats:
        """How amounts, numbers and dates are written in a language: what reports, workbooks and charts write with."""
        return Formats(locale_for(language, self._territory), self._zone)

    def mailings(self) -> list[str]:
        """The mailings that have a template folder."""
        return mailings(self._templates)

    def check(
        self, mailing: str, channels: Collection[str] = (), *, report: bool = False, whole: bool = False
    ) -> list[TemplateError]:
        """Everything that is wrong with a mailing's files as far as can be told without data; [] when all is well.

        With `channels` the parts that each of them needs must be there, too. With `report` its sheet may be the
        default of reports, with `whole` any part.
        """
        try:
            folder = self._listed_folder(mailing, PARTS if whole else _PAPER if report else ())
        except TemplateError as error:
            return [error]
        found = checking.problems(folder, self._include, self._environment(self._language), self._language)
        return [*found, *checking.unsaid(folder, channels)]

    def _job(self, mailing: str, variables: Mapping[str, Any], recipient: Recipient, own: Collection[str] = ()) -> _Job:
        lent: Collection[str] = _PAPER if "leave" in (*variables, *own) else PARTS
        folder = self._folder(mailing, lent if hasattr(variables.get("report"), "written") else ())
        language = folder.language(recipient.language, self._language, self._territory)
        words = folder.words(language)
        seen = {
            "lines": [],
            **cleaned(variables),
            "company": self._company,
            "recipient": replace(recipient, name=one_line(cleaned(recipient.name))),
            "language": language.replace("_", "-"),
            "t": Words(words),
        }
        if seen.get("why") == "":
            seen["why"] = words["why_plain"]
        return _Job(folder, language, self._environment(language), seen)

    def _folder(self, mailing: str, lent: Collection[str] = ()) -> Folder:
        """The mailing's folder, listed again when a file came or went; `lent` are the parts that reports lend it."""
        key = mailing, tuple(lent)
        known = self._folders.get(key)
        if known is None or known.stale():
            known = self._folders[key] = self._listed_folder(mailing, lent)
        return known

    def _listed_folder(self, mailing: str, lent: Collection[str]) -> Folder:
        return Folder(self._templates, mailing, self._shared, REPORT if lent else "", lent)

    def _environment(self, language: str) -> Environment:
        """The jinja environment of a language: filters know their locale, in macros as well."""
        if language not in self._environments:
            environment = Environment(
                loader=FileSystemLoader([self._templates, self._shared]),
                undefined=Missing,
                # Whatever is not plain text by its name: a macro of a file without escaping would be trusted as HTML.
                autoescape=select_autoescape((), ("txt.j2",), default=True, default_for_string=True),
                finalize=_printable,
                trim_blocks=True,
                lstrip_blocks=True,
            )
            formats = self.formats(language)
            environment.filters.update(formats.filters() | {"changed_fields": Changes(formats).changed_fields})
            self._environments[language] = environment
        return self._environments[language]

    def _deferring_environment(self, language: str) -> Environment:
        """The environment of a language whose filters wait for what is each reader's own."""
        name = f"{language} for many"
        if name not in self._environments:
            own = self._environment(language)
            environment = own.overlay()
            house = self.formats(language).filters()
            environment.filters = {**own.filters, **deferring(house)}
            self._environments[name] = environment
        return self._environments[name]

    def _subject(self, job: _Job, *, needed: bool) -> str:
        return one_line(self._part(job, "subject", needed=needed))[:SUBJECT_LIMIT]

    def _html(self, job: _Job, pictures: Pictures) -> str:
        shown: dict[str, Any] = {"picture": pictures.mail, "photo": pictures.mail_photo, "has_picture": pictures.there}
        page = self._part(job, "body", **shown)
        html = closed_up(inlined(page)) if page else ""
        if len(html.encode()) > HTML_LIMIT:
            raise TemplateError(
                f"The mail's HTML has {len(html.encode()):,} bytes; mail clients cut it at {HTML_LIMIT:,}.",
                path=job.folder.path,
                hint="Show fewer lines in the body; the sheet may hold them all.",
            )
        return html

    def _sheet(self, job: _Job) -> tuple[Attachment, ...]:
        pictures = Pictures(self._include)
        more: dict[str, Any] = {
            **job.on_paper,
            "picture": pictures.sheet,
            "photo": pictures.sheet_photo,
            "has_picture": pictures.there,
            "thumbnail": pictures.thumbnail,
        }
        more["listing"] = self._listing
        html = self._part(job, "sheet", **more)
        if pictures.left_out:
            count, first = len(pictures.left_out), one_line(pictures.left_out[0])
            log.warning("%s: the sheet goes without %d pictures: %s", job.folder.mailing, count, first[:300])
        if not html:
            return ()
        try:
            return self._printed(html, pictures, job.folder.part("sheet", job.language, self._language) or "")
        except TemplateError as error:
            raise self._placed(error, job, "sheet") from None

    def _printed(self, html: str, pictures: Pictures, template: str) -> tuple[Attachment, ...]:
        if self._laid_out is None:
            return (self._printer.write(html, pictures.held()),)
        self._printer.proofread(html, pictures.held())
        if template not in self._laid_out and len(html) <= _SHORT_SHEET:
            self._printer.write(html, pictures.held())
            self._laid_out.add(template)
        return ()

    @cached_property
    def _printer(self) -> Printer:
        # WeasyPrint takes more than a second to import; who renders no sheet does not wait for it.
        from emailketing.render.printing import Printer

        return Printer(self._include)

    def _listing(self, section: Any) -> Iterator[tuple[Any, str]]:
        """`listing()` of sheets: the lines of a report's section, each as one text where it can be."""
        return self._listed(section)

    @cached_property
    def _listed(self) -> Callable[[Any], Iterator[tuple[Any, str]]]:
        from emailketing.render.listing import listing

        return listing()

    def _part(self, job: _Job, part: str, *, needed: bool = False, **more: Any) -> str:
        """A part, rendered; '' when the mailing has no such part."""
        name = job.folder.part(part, job.language, self._language)
        if name is None:
            if needed:
                raise TemplateError(
                    f"The mailing {job.folder.mailing!r} has no {part}.",
                    path=job.folder.path,
                    hint=f"Write {part}.{PARTS[part]}.j2.",
                )
            return ""
        variables = {**job.variables, **more}
        try:
            return job.environment.get_template(name).render(variables)
        except Exception as error:  # whatever a template raises is its author's to mend
            raise told(error, self._templates, variables, job.environment.filters) from error

    def _placed(self, error: TemplateError, job: _Job, part: str) -> TemplateError:
        if error.path is not None:
            return error
        name = job.folder.part(part, job.language, self._language)
        return TemplateError(str(error.args[0]), path=self._templates / str(name), hint=error.hint)


def _derived(job: _Job, html: str) -> str:
    """The text part of a mailing that writes none; with the address for leaving, which HTML hides behind words."""
    text = derived_text(html) if html else ""
    leave = job.variables.get("leave")
    return f"{text}{job.variables['t']['leave']}: {leave}\n" if text and leave is not None else text


def _printable(value: Any) -> Any:
    """What jinja is about to print. A NULL would read 'None' in the recipient's mail, so it is an error."""
    if value is None:
        raise Unformattable("NULL would be printed here; write '| or_dash', or '{% if … %}' around it")
    return value
