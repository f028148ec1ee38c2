"""The ERP of row (b): a small SQLite database of customers and stations. Needs the standard library alone."""

from __future__ import annotations

import sqlite3
from datetime import datetime, timedelta
from pathlib import Path

CHANGED = datetime(2026, 3, 2, 8)  # noqa: DTZ001 an ERP's times are naive
_FIRST = ("Ana", "José", "María Belén", "Néstor", "Rocío", "O'Higgins & Hijos", "Ñeca", "Iván")
_LAST = ("Benítez", "González", "Núñez", "Acosta S.A.", "Ayala", "Duarte", "Peralta")
_STATIONS = ("Km 4", "Centro", "Costanera", "Área 2", "San Blas")


def build(path: Path, count: int) -> None:
    """Write the database anew, with `count` customers who may be written to."""
    path.unlink(missing_ok=True)
    with sqlite3.connect(path) as erp:
        erp.execute(
            "CREATE TABLE stations (id INTEGER PRIMARY KEY, name TEXT, street TEXT, regular TEXT, premium TEXT,"
            " diesel TEXT, until TEXT)"
        )
        erp.execute(
            "CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT, email TEXT, card TEXT, points INTEGER,"
            " station INTEGER, consents INTEGER, changed_at TEXT)"
        )
        erp.execute("CREATE INDEX customers_changed_at ON customers (changed_at)")
        erp.executemany("INSERT INTO stations VALUES (?, ?, ?, ?, ?, ?, ?)", map(_station, range(len(_STATIONS))))
        erp.executemany("INSERT INTO customers VALUES (?, ?, ?, ?, ?, ?, ?, ?)", map(_customer, range(count)))
    erp.close()


def _station(number: int) -> tuple[object, ...]:
    prices = [f"Gs. {thousands}.{number}50" for thousands in (7, 8, 6)]
    return number, f"Petrolera {_STATIONS[number]}", f"Avda. San Blas {1250 + number}", *prices, "8 de marzo"


def _customer(number: int) -> tuple[object, ...]:
    name = f"{_FIRST[number % 8]} {_LAST[number % 7]}"
    changed = CHANGED + timedelta(milliseconds=number)
    card = f"4-{number * 7919 % 1_000_000:06d}"
    return number, name, f"cliente{number:06d}@example.com", card, number * 37 % 5000, number % 5, 1, str(changed)
