"""The mailings that the DAG files declare, as commands name them."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import click

from emailketing import settings
from emailketing.errors import nearest
from emailketing.model import Kind, Mailing


def mailings(names: Sequence[str], kinds: Collection[Kind] = tuple(Kind)) -> dict[str, Mailing]:
    """The mailings of these names, or all, that the DAG files declare; other kinds than `kinds` are refused by name."""
    from emailketing import tasks

    declared = tasks.declared(settings.load().dags)
    return {mailing.name: mailing for mailing in chosen(declared, names, kinds)}


def chosen(declared: dict[str, Mailing], names: Sequence[str], kinds: Collection[Kind] = tuple(Kind)) -> list[Mailing]:
    """Those of these names, or all of the kinds. Raises click's BadParameter, with the nearest name."""
    fitting = [mailing.name for mailing in declared.values() if mailing.kind in kinds]
    for name in names:
        if name not in declared:
            raise click.BadParameter(f"there is no mailing {name!r}. {nearest(name, fitting)}")
        if name not in fitting:
            meant = " and ".join(f"{kind}s" for kind in kinds)
            raise click.BadParameter(
                f"{name} is a {declared[name].kind}; this is for {meant}. {nearest(name, fitting)}"
            )
    return [declared[name] for name in names or fitting]
