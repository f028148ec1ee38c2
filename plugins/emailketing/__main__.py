"""The command line: everything that the DAGs do, by hand, without a running Airflow."""

from __future__ import annotations

import logging

import click

from emailketing.commands import advertising, checking, greetings, ledger, public, showing, subscribing, wishes, working


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.option("-v", "--verbose", is_flag=True, help="Log every step to standard error.")
def main(verbose: bool) -> None:
    """eMailketing: the ERP's automatic messages, by hand.

    Connections are Airflow Connections, read from the environment: AIRFLOW_CONN_ERP, AIRFLOW_CONN_SMTP,
    AIRFLOW_CONN_PHONE, AIRFLOW_CONN_UNSUBSCRIBE and AIRFLOW_CONN_EMAILKETING (the outbox's database).
    EMAILKETING_INCLUDE and EMAILKETING_DAGS name other folders than include/ and dags/. No running Airflow is needed.
    """
    logging.basicConfig(level=logging.INFO if verbose else logging.ERROR, format="%(levelname)s %(message)s")


for _room in (checking, showing, working, ledger, subscribing, wishes, advertising, greetings, public):
    for _each in _room.COMMANDS:
        main.add_command(_each)


if __name__ == "__main__":
    main(prog_name="emailketing")
