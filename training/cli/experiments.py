"""The commands on what experiments and lists brought: `experiment` and `attribution`."""

from __future__ import annotations

import argparse
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeAlias

from recsys.live.erasure import ErasureKeys
from recsys.settings.load import load_settings

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def add_experiment(commands_of: Commands) -> None:
    """Add `experiment`."""
    text = "Say what an experiment brought: every measure of every arm, and a verdict (docs/experiments.md)."
    command = commands_of.add_parser("experiment", help=text, description=text, epilog="example: %(prog)s home_lead")
    command.add_argument("id", help="the experiment, of the settings or declared while serving")
    command.add_argument(
        "--out",
        type=Path,
        help="folder for ID.json and ID.csv (default: experiments/ in the artifacts, where the console and the report look)",
    )
    command.set_defaults(run=_experiment)


def add_attribution(commands_of: Commands) -> None:
    """Add `attribution`."""
    text = "Say what lists brought, by placement, send, moment kind, rule and recommender (docs/experiments.md)."
    command = commands_of.add_parser("attribution", help=text, description=text, epilog="example: %(prog)s --days 7")
    command.add_argument("--days", type=int, default=7, help="days after a click in which an order counts (default: 7)")
    command.add_argument("--out", type=Path, help=".csv file (default: experiments/attribution.csv in the artifacts)")
    command.set_defaults(run=_attribution)


def _attribution(chosen: argparse.Namespace) -> int:
    from training.experiments.attribution import attribution

    keys = ErasureKeys.from_environment(os.environ)
    return attribution(load_settings(chosen.settings), datetime.now(UTC), chosen.days, chosen.out, keys)


def _experiment(chosen: argparse.Namespace) -> int:
    from training.experiments.readout import experiment  # its library takes seconds to load

    keys = ErasureKeys.from_environment(os.environ)
    return experiment(load_settings(chosen.settings), chosen.id, datetime.now(UTC), chosen.out, keys)
