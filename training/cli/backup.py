"""Commands that keep the live state, or move it: `backup`, `restore` and `state-copy`."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from recsys.settings.load import load_settings
from training.cli.lazily import lazily
from training.cli.snapshots import erasure_keys

if TYPE_CHECKING:
    from training.batch import backup, state_copy
else:
    backup, state_copy = lazily("training.batch", "backup", "state_copy")

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def add_state_commands(commands_of: Commands) -> None:
    """Add all of them."""
    _backup(commands_of)
    _restore(commands_of)
    _state_copy(commands_of)


def _backup(commands_of: Commands) -> None:
    """Add `backup`."""
    text = "Copy the live state into a new folder, checked, while the service runs (docs/state.md)."
    command = commands_of.add_parser(
        "backup", help=text, description=text, epilog="example: %(prog)s --to backups/2026-04-01"
    )
    command.add_argument("--to", type=Path, required=True, help="folder to make; it must not exist")
    command.set_defaults(run=lambda chosen: backup.backup_to(load_settings(chosen.settings), chosen.to, datetime.now(UTC)))


def _restore(commands_of: Commands) -> None:
    """Add `restore`."""
    text = "Put a backup in the place of the live state; stop the service first (docs/state.md)."
    command = commands_of.add_parser(
        "restore", help=text, description=text, epilog="example: %(prog)s --from backups/2026-04-01"
    )
    command.add_argument("--from", type=Path, required=True, dest="source", help="folder that `backup` made")
    command.add_argument(
        "--replace", action="store_true", help="keep a state that is there in a folder beside, and replace it"
    )
    command.set_defaults(
        run=lambda chosen: backup.restore_from(
            load_settings(chosen.settings), chosen.source, chosen.replace, datetime.now(UTC), erasure_keys(chosen.settings)
        )
    )


def _state_copy(commands_of: Commands) -> None:
    """Add `state-copy`."""
    text = "Copy the live state from files into PostgreSQL, or back; stop every service of both first (docs/state.md)."
    command = commands_of.add_parser(
        "state-copy", help=text, description=text, epilog="example: %(prog)s --from state --to postgresql://recsys@db/shop"
    )
    place = "a folder, or an address of PostgreSQL (the password from PGPASSWORD)"
    command.add_argument("--from", required=True, dest="source", help=f"where the state is: {place}")
    command.add_argument("--to", required=True, help=f"where it goes, new or made by `make migrate`: {place}")
    command.set_defaults(
        run=lambda chosen: state_copy.copy_state_to(load_settings(chosen.settings), chosen.source, chosen.to)
    )
