"""Commands on published snapshots, and the settings of all that read them: what an object store holds is brought into the local folder
first."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from recsys.live.erasure import ErasureKeys
from recsys.settings import Settings
from recsys.settings.load import load_settings
from recsys.snapshot.mirror import mirror_of
from training.cli.lazily import lazily

if TYPE_CHECKING:
    from training.cli import commands
else:
    (commands,) = lazily("training.cli", "commands")

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def add_snapshot_commands(commands_of: Commands) -> None:
    """Add `rollback`, `snapshots` and `line`."""
    text = "Point CURRENT at an earlier snapshot; the services follow by themselves."
    example = "example: %(prog)s --to 20261122T075256Z-87f34f181660"
    command = commands_of.add_parser("rollback", help=text, description=text, epilog=example)
    command.add_argument("--to", help="version (default: the one before the current)")
    command.set_defaults(run=lambda chosen: commands.rollback(mirrored(chosen.settings), chosen.to))
    text = "List the published snapshots, newest first."
    command = commands_of.add_parser("snapshots", help=text, description=text)
    command.set_defaults(run=lambda chosen: commands.snapshots(mirrored(chosen.settings)))
    text = "Let a snapshot line name a version, or end it (docs/experiments.md); `train --line` publishes to one."
    command = commands_of.add_parser("line", help=text, description=text, epilog="example: %(prog)s candidate --drop")
    command.add_argument("name", help="the line, which an arm names as its `snapshot`")
    what = command.add_mutually_exclusive_group(required=True)
    what.add_argument("--to", help="version that becomes its newest")
    what.add_argument("--drop", action="store_true", help="end it, and delete its versions")
    command.set_defaults(run=lambda chosen: commands.line(mirrored(chosen.settings), chosen.name, chosen.to))


def erasure_keys(file: Path | None) -> ErasureKeys | None:
    """Read the secrets that name the forgotten, with the shop's rules that make ids alike; None where there are none.

    Raises:
        SettingsError: if the settings cannot be read, or a secret is too short.
    """
    return ErasureKeys.from_environment(os.environ, load_settings(file).data.ids.user)


def mirrored(file: Path | None) -> Settings:
    """Read the settings, and fetch every snapshot of their object store that the folder has not.

    Raises:
        SettingsError: if the settings cannot be read.
        SnapshotError: if the store does not answer.
    """
    settings = load_settings(file)
    if mirror := mirror_of(settings):
        mirror.fetch_all()
    return settings
