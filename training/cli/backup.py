"""Commands that keep the live state: `backup` and `restore`."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeAlias

from recsys.settings.load import load_settings
from training.batch.backup import backup_to, restore_from

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def add_backup(commands_of: Commands) -> None:
    """Add `backup`."""
    text = "Copy the live state into a new folder, checked, while the service runs (docs/state.md)."
    command = commands_of.add_parser(
        "backup", help=text, description=text, epilog="example: %(prog)s --to backups/2026-04-01"
    )
    command.add_argument("--to", type=Path, required=True, help="folder to make; it must not exist")
    command.set_defaults(run=lambda chosen: backup_to(load_settings(chosen.settings), chosen.to, datetime.now(UTC)))


def add_restore(commands_of: Commands) -> None:
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
        run=lambda chosen: restore_from(load_settings(chosen.settings), chosen.source, chosen.replace, datetime.now(UTC))
    )
