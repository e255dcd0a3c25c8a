"""The commands on what experiments and lists brought, or would have: `experiment`, `attribution` and `whatif`."""

from __future__ import annotations

import argparse
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeAlias

from recsys.settings.load import load_settings
from training.cli.snapshots import erasure_keys, mirrored

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
    text = "Say what lists brought, by placement, rule, recommender, campaign, send and moment kind (docs/experiments.md)."
    command = commands_of.add_parser("attribution", help=text, description=text, epilog="example: %(prog)s --days 7")
    command.add_argument("--days", type=int, default=7, help="days after a click in which an order counts (default: 7)")
    command.add_argument("--out", type=Path, help=".csv file (default: experiments/attribution.csv in the artifacts)")
    command.set_defaults(run=_attribution)


def add_whatif(commands_of: Commands) -> None:
    """Add `whatif`."""
    text = "Say what other settings would have earned on lists that exploration drew (docs/experiments.md)."
    command = commands_of.add_parser(
        "whatif", help=text, description=text, epilog="example: recsys --settings candidate.toml whatif --placement home"
    )
    command.add_argument("--placement", help="only lists of this placement (default: of all that drew)")
    command.add_argument("--days", type=int, default=7, help="days after a click in which an order counts (default: 7)")
    command.add_argument("--sample", type=int, default=10_000, help="most lists, chosen by chance (default: 10,000)")
    command.add_argument("--out", type=Path, help=".json file with all figures")
    command.set_defaults(run=_whatif)


def _whatif(chosen: argparse.Namespace) -> int:
    from training.experiments.before_a_test.whatif import Asked, whatif

    keys = erasure_keys(chosen.settings)
    asked = Asked(chosen.days, chosen.sample, chosen.placement)
    return whatif(mirrored(chosen.settings), datetime.now(UTC), asked, chosen.out, keys)


def _attribution(chosen: argparse.Namespace) -> int:
    from training.experiments.attribution import attribution

    keys = erasure_keys(chosen.settings)
    return attribution(load_settings(chosen.settings), datetime.now(UTC), chosen.days, chosen.out, keys)


def _experiment(chosen: argparse.Namespace) -> int:
    from training.experiments.readout import experiment  # its library takes seconds to load

    keys = erasure_keys(chosen.settings)
    timer = time.process_time_ns
    return experiment(load_settings(chosen.settings), chosen.id, datetime.now(UTC), chosen.out, keys, timer)
