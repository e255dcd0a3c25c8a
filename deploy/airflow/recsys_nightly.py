"""The nightly job as an Airflow DAG (Airflow 3), for workers that run `recsys` from an installed environment.

A table that cannot be used stops it at `validate`, a snapshot that the gate refuses at `train`; the old snapshot goes on serving.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import dag

RECSYS = "/opt/recsys/.venv/bin/python -m training"


@dag(
    schedule="0 3 * * *",
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    default_args={
        "retries": 1,
        "retry_delay": timedelta(minutes=10),
        "cwd": "/opt/recsys",
        "env": {"RECSYS_SETTINGS": "/etc/recsys/settings.toml"},
        "append_env": True,
    },
    tags=["recommendations"],
)
def recsys_nightly() -> None:
    """Check the tables, fold live events in, train; delete what the forgotten left, whatever came of that; write lists for the mail
    tool."""
    validate, compact, train, purge, export = (
        BashOperator(task_id="validate", bash_command=f"{RECSYS} validate"),
        BashOperator(task_id="compact", bash_command=f"{RECSYS} compact"),
        BashOperator(task_id="train", bash_command=f"{RECSYS} train", retries=0, execution_timeout=timedelta(hours=3)),
        BashOperator(task_id="purge", bash_command=f"{RECSYS} purge", trigger_rule="all_done"),
        BashOperator(
            task_id="export",
            bash_command=f"{RECSYS} export --placement email_weekly --out /var/lib/recsys/exports/{{{{ ds }}}}.parquet",
        ),
    )
    validate >> compact >> train >> [purge, export]


recsys_nightly()
