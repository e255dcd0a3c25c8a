"""A settings file as text: what was proposed for each table, under the evidence for it and what to look at."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import tomli_w

from recsys.tables.sources.places import scheme_of
from training.onboarding.never import never_of
from training.onboarding.proposal import Proposal

_ORDER = ("paths", "preset", "encoding", "separator")
MARK = "LOOK AT THIS"
"""Stands in comments of the file before what nobody can be sure of."""


def settings_text(proposals: Sequence[Proposal], out: Path) -> str:
    """The settings file; paths are relative to it where the files stand below its folder."""
    parts = [
        "# Settings of the shop's tables, written by `python -m training init`. Every line may be changed; docs/data.md explains them."
    ]
    data: dict[str, Any] = {}
    if any(each.mails for each in proposals):
        data["ids"] = {"user": ["trim", "lower"]}
    parts.append(tomli_w.dumps({"data": data}).strip() if data else "")
    never, stated = never_of(proposals)
    parts.append(
        "\n".join([*map("# {}".format, stated), tomli_w.dumps({"catalog": {"never": never}}).strip()]) if never else ""
    )
    parts += [_table(each, out) for each in proposals]
    return "\n\n".join(part for part in parts if part) + "\n"


def clock_text(newest: datetime) -> str:
    """The lines that let "now" be the time of the last event."""
    return (
        f'\n# The newest event is of {newest:%Y-%m-%d}: "now" is the time of the last event. Remove this for a shop that goes on.\n'
        '[web]\nclock = "events"\n'
    )


def place_of(path: Path, out: Path) -> str:
    """A file as it is written into the settings file `out`."""
    file, folder = path.resolve(), out.resolve().parent
    return os.path.relpath(file, folder) if file.is_relative_to(folder) and not scheme_of(str(path)) else str(file)


def _table(proposal: Proposal, out: Path) -> str:
    paths = [_escaped(place_of(path, out)) for path in sorted(path for seen in proposal.seen for path in seen.paths)]
    settings = {"paths": paths, **{key: proposal.settings[key] for key in _ordered(proposal.settings)}}
    for join, brought in zip(settings.get("join", ()), proposal.brought, strict=True):
        join["paths"] = [_escaped(place_of(path, out)) for path in brought.paths]
    comments = [f"# {line}" for each in proposal.evidence for line in textwrap.wrap(each, 130)]
    comments += [f"# {MARK}: {each}" for each in proposal.unsure]
    return "\n".join([*comments, tomli_w.dumps({"data": {proposal.table: settings}}).strip()])


def _ordered(settings: dict[str, Any]) -> list[str]:
    return [*(key for key in _ORDER if key in settings), *(key for key in settings if key not in _ORDER)]


def _escaped(path: str) -> str:
    """A path whose name holds signs of globs, so that it names itself."""
    return "".join(f"[{sign}]" if sign in "*?[" else sign for sign in path)
