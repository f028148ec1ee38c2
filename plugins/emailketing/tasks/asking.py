"""What is asked of a run, read alike for reports, campaigns and greetings."""

from __future__ import annotations

from typing import Any


def wishes(context: Any) -> dict[str, Any]:
    """What a run is asked for: its configuration, and where that is silent the DAG's params."""
    return {**(context.get("params") or {}), **(getattr(context["dag_run"], "conf", None) or {})}


def may_send(context: Any) -> bool:
    """Whether a person asked a run to send although it is of the past; true, 1 and yes are the same."""
    return str(wishes(context).get("send", "")).strip().lower() in {"true", "1", "yes"}


def run_type(run: Any) -> str:
    """What started a run, as Airflow writes it: backfill, manual, scheduled …"""
    kind = run.run_type
    return str(getattr(kind, "value", kind))  # Airflow gives a member of an enum whose own text is no such word
