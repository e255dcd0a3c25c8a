"""The command on what experiments brought: `experiment`."""

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
    command.add_argument("--out", type=Path, help="folder for ID.json and ID.csv (default: experiments/)")
    command.set_defaults(run=_experiment)


def _experiment(chosen: argparse.Namespace) -> int:
    from training.experiments.readout import experiment  # its library takes seconds to load

    keys = ErasureKeys.from_environment(os.environ)
    return experiment(load_settings(chosen.settings), chosen.id, datetime.now(UTC), chosen.out, keys)
