"""What can be told of a mailing's templates without data: missing parts, syntax, names of words, files and pictures."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, TemplateNotFound, nodes
from jinja2 import TemplateError as JinjaError

from emailketing.errors import TemplateError, nearest
from emailketing.render.faults import told
from emailketing.render.folder import Folder
from emailketing.render.mail import read_picture


def problems(folder: Folder, include: Path, environment: Environment, company: str) -> list[TemplateError]:
    """Every fault of a mailing's folder, in the order of its files; `company` is the company's language."""
    found = _missing_parts(folder)
    languages = folder.languages() or [company]
    words = {}
    for language in languages:
        try:
            words[language] = folder.words(language)
        except TemplateError as error:
            found.append(error)
    for path in (*folder.files(), *sorted(folder.layout.glob("*.j2"))):
        found.extend(_file_problems(path, folder, include, environment, words))
    return found


def unsaid(folder: Folder, channels: Collection[str]) -> list[TemplateError]:
    """The channels to which a mailing has nothing to say, one error each."""
    there = _parts(folder)
    found = []
    if "phone" in channels and "phone" not in there:
        found.append(
            _missing(folder, "no text for the phone", "Write phone.txt.j2, or take 'phone' from its channels.")
        )
    if "email" in channels and "phone" in there and not there & {"body", "text"}:
        hint = "Write body.html.j2 or text.txt.j2, or take 'email' from its channels."
        found.append(_missing(folder, "nothing to read in an e-mail", hint))
    return found


def _parts(folder: Folder) -> set[str]:
    return {path.name.partition(".")[0] for path in folder.files()}


def _missing_parts(folder: Folder) -> list[TemplateError]:
    there = _parts(folder)
    found = []
    if not there & {"body", "text", "phone"}:
        found.append(_missing(folder, "nothing to read", "Write body.html.j2, text.txt.j2 or phone.txt.j2."))
    if "subject" not in there and there & {"body", "text"}:
        found.append(_missing(folder, "no subject", "Write subject.txt.j2."))
    return found


def _missing(folder: Folder, what: str, hint: str) -> TemplateError:
    return TemplateError(f"The mailing {folder.mailing!r} has {what}.", path=folder.path, hint=hint)


def _file_problems(
    path: Path, folder: Folder, include: Path, environment: Environment, words: Mapping[str, Mapping[str, str]]
) -> Iterator[TemplateError]:
    source = path.read_text(encoding="utf-8")
    try:
        tree = _compiled(environment, source, str(path))
    except JinjaError as error:
        yield told(error, folder.templates, {}, environment.filters)
        return
    for reference in tree.find_all((nodes.Extends, nodes.Include, nodes.Import, nodes.FromImport)):
        yield from _template_there(path, reference, environment)
    for taken in tree.find_all(nodes.FromImport):
        yield from _macros_there(path, taken, environment)
    for call in tree.find_all(nodes.Call):
        yield from _picture_there(path, call, include)
    for attribute in tree.find_all(nodes.Getattr):
        yield from _word_there(path, attribute, words)


@lru_cache(maxsize=512)
def _compiled(environment: Environment, source: str, path: str) -> nodes.Template:
    """The tree of a template that can be compiled. Layouts are asked for with each mailing, and need it once."""
    environment.compile(source, filename=path)
    return environment.parse(source, filename=path)


def _template_there(path: Path, node: Any, environment: Environment) -> Iterator[TemplateError]:
    name = getattr(node.template, "value", None)
    if isinstance(name, str) and not _is_there(name, environment):
        known = environment.list_templates()
        yield TemplateError(f"There is no template {name!r}.", path=path, line=node.lineno, hint=nearest(name, known))
    if isinstance(name, str) and name.endswith(".txt.j2") and not path.name.endswith(".txt.j2"):
        message = f"{name!r} is plain text; what it gives would stand in the HTML without being escaped."
        yield TemplateError(
            message, path=path, line=node.lineno, hint="Put what both use into a file of type .html.j2."
        )


def _macros_there(path: Path, node: nodes.FromImport, environment: Environment) -> Iterator[TemplateError]:
    name = getattr(node.template, "value", None)
    if not (isinstance(name, str) and environment.loader and _is_there(name, environment)):
        return
    source, filename, _ = environment.loader.get_source(environment, name)
    try:
        exported = _exported(_compiled(environment, source, filename or name))
    except JinjaError:  # what is wrong with it is told of itself
        return
    for wanted in (each if isinstance(each, str) else each[0] for each in node.names):
        if wanted not in exported:
            message = f"There is no macro {wanted!r} in {name}."
            yield TemplateError(message, path=path, line=node.lineno, hint=nearest(wanted, exported))


def _exported(tree: nodes.Template) -> set[str]:
    """What another template can import: macros, and names that are set, outside of blocks."""
    macros = {each.name for each in tree.find_all(nodes.Macro)}
    names = {each.name for each in tree.find_all(nodes.Name) if each.ctx == "store"}
    imported = {each.target for each in tree.find_all(nodes.Import)}
    taken = {
        each if isinstance(each, str) else each[1] for node in tree.find_all(nodes.FromImport) for each in node.names
    }
    return macros | names | imported | taken


def _is_there(name: str, environment: Environment) -> bool:
    try:
        environment.get_or_select_template(name)
    except TemplateNotFound:
        return False
    except JinjaError:  # what is wrong with it is told of itself
        return True
    return True


def _picture_there(path: Path, call: nodes.Call, include: Path) -> Iterator[TemplateError]:
    if not (isinstance(call.node, nodes.Name) and call.node.name == "picture" and call.args):
        return
    name = call.args[0]
    if isinstance(name, nodes.Const):
        yield from _caught(lambda: read_picture(include, str(name.value)), path, call.lineno)


def _caught(act: Callable[[], Any], path: Path, line: int) -> Iterator[TemplateError]:
    try:
        act()
    except TemplateError as error:
        yield TemplateError(str(error.args[0]), path=path, line=line, hint=error.hint)


def _word_there(path: Path, node: nodes.Getattr, words: Mapping[str, Mapping[str, str]]) -> Iterator[TemplateError]:
    if not (isinstance(node.node, nodes.Name) and node.node.name == "t"):
        return
    for language, labels in words.items():
        if node.attr not in labels:
            yield TemplateError(
                f"There is no word {node.attr!r} in words.{language}.yaml.",
                path=path,
                line=node.lineno,
                hint=nearest(node.attr, labels),
            )
