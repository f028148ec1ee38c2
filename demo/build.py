"""`python -m demo.build URL`: create the demo ERP and fill it with two years of history."""

from __future__ import annotations

import shutil
import time
from datetime import date, datetime
from hashlib import sha256
from pathlib import Path

import click
import sqlalchemy as sa

from demo import database
from demo.generate import generate


def build(
    url: str, *, seed: int = 1, until: date | None = None, scale: float = 1.0, template: Path | None = None
) -> dict[str, int]:
    """Create and fill the demo ERP in the empty database at `url`; returns the number of rows by table.

    `until` is the day after the last one of history (default: the company's today). With a `template`, a path, the
    ERP on SQLite is kept there and only copied over the file of `url` the next time, as long as it would come out the
    same; the answer is then {}.
    """
    end = until or database.local(database.utc_now()).date()
    if template is None:
        return _built(url, seed, end, scale)
    stamp, noted = _stamp(seed, end, scale), template.with_suffix(".stamp")
    fresh = not (template.exists() and noted.exists() and noted.read_text() == stamp)
    if fresh:
        _forget(template)
        counts = _built(f"sqlite:///{template}", seed, end, scale)
        noted.write_text(stamp)
    target = sa.make_url(url).database
    if not url.startswith("sqlite") or not target:
        raise ValueError(f"Only an ERP in a SQLite file can be copied from a template, not {url!r}")
    _forget(Path(target))
    shutil.copy(template, target)
    return counts if fresh else {}


def _built(url: str, seed: int, end: date, scale: float) -> dict[str, int]:
    engine = database.open_engine(url)
    try:
        database.create(engine)
        counts = generate(engine, seed=seed, until=end, scale=scale)
        if engine.dialect.name == "sqlite":
            with engine.connect() as connection:  # one file, ready to be copied
                connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    finally:
        engine.dispose()
    return counts


def _stamp(seed: int, end: date, scale: float) -> str:
    sources = b"".join(path.read_bytes() for path in sorted(Path(__file__).parent.glob("*.py")))
    return f"{seed} {end} {scale} {sha256(sources).hexdigest()}"


def _forget(path: Path) -> None:
    for name in (path.name, f"{path.name}-wal", f"{path.name}-shm"):
        path.with_name(name).unlink(missing_ok=True)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("url")
@click.option("--seed", default=1, show_default=True, help="The same seed and end make the same company.")
@click.option(
    "--until", type=click.DateTime(["%Y-%m-%d"]), help="The day after the last one of history [default: today]."
)
@click.option("--scale", default=1.0, show_default=True, help="Below 1 for a smaller company and a shorter past.")
def main(url: str, seed: int, until: datetime | None, scale: float) -> None:
    """Create the demo ERP in the empty database at URL (a SQLAlchemy URL, such as sqlite:///var/erp.db)."""
    began = time.monotonic()
    if sa.inspect(sa.create_engine(url)).has_table("parties"):
        raise click.ClickException("The demo ERP is there already. Name an empty database.")
    counts = build(url, seed=seed, until=until.date() if until else None, scale=scale)
    for name, number in counts.items():
        click.echo(f"{number:>9,} {name}")
    click.echo(f"{sum(counts.values()):>9,} rows in {time.monotonic() - began:.1f} s")


if __name__ == "__main__":
    main()
