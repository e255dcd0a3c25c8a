"""Commands on a shop's tables, before anything is fitted: `shop`, `init` and `validate`."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from recsys.settings.load import load_settings
from training.cli.argument_types import count, moment
from training.cli.lazily import lazily
from training.cli.snapshots import erasure_keys

if TYPE_CHECKING:
    from training.cli import init, tables
else:
    init, tables = lazily("training.cli", "init", "tables")

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def add_shop_commands(commands_of: Commands) -> None:
    """Add all of them."""
    _shop(commands_of)
    _init(commands_of)
    _validate(commands_of)


def _shop(commands_of: Commands) -> None:
    text = "Write the tables of a synthetic luxury and home shop (docs/shop.md)."
    command = commands_of.add_parser("shop", help=text, description=text, epilog="example: %(prog)s --users 5000 --out data")
    command.add_argument("--out", type=Path, default=Path("data"), help="folder for the tables (default: data)")
    command.add_argument("--users", type=count, default=2_000, help="known shoppers (default: 2,000)")
    command.add_argument("--events", type=count, help="about how many (default: 50 a user)")
    command.add_argument("--items", type=count, help="items of the catalogue (default: grows with users)")
    command.add_argument("--end", type=moment, help="no event is later, ISO 8601 (default: now)")
    command.add_argument("--seed", type=int, default=20, help="the same seed and sizes give the same shop (default: 20)")
    command.set_defaults(run=lambda chosen: tables.shop(
        chosen.out, chosen.users, chosen.events, chosen.items, chosen.end or datetime.now(UTC), chosen.seed
    ))  # fmt: skip


def _init(commands_of: Commands) -> None:
    text = "Look at a shop's files and write a settings file for them."
    command = commands_of.add_parser(
        "init", help=text, description=text, epilog="example: %(prog)s exports/* --out settings.toml"
    )
    command.add_argument("files", nargs="+", metavar="FILES", help="files, folders or globs")
    command.add_argument("--out", type=Path, default=Path("settings.toml"), help="the file (default: settings.toml)")
    command.add_argument("--yes", action="store_true", help="ask nothing; what is unsure is marked in the file")
    command.set_defaults(run=lambda chosen: init.init(chosen.files, chosen.out, datetime.now(UTC), yes=chosen.yes))


def _validate(commands_of: Commands) -> None:
    text = "Say what is wrong with the shop's tables, in the shop's words."
    command = commands_of.add_parser("validate", help=text, description=text)
    command.set_defaults(
        run=lambda chosen: tables.validate(load_settings(chosen.settings), datetime.now(UTC), erasure_keys(chosen.settings))
    )
