"""Types of command-line arguments: each reads one text, or says what is allowed."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from math import nan
from typing import Literal

import msgspec

from recsys.item_filters import Condition, Conditions
from recsys.settings.training import MAX_PARTITIONS
from recsys.types import BOUGHT_MODES, Bought, BoughtMode

MAX_MINUTES = 7 * 24 * 60


def moment(text: str) -> datetime:
    """Read an ISO 8601 date or time; without an offset it is UTC."""
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no ISO 8601 time, for instance 2026-11-22T06:00:00Z") from error
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


def count(text: str) -> int:
    """Read a number of at least one."""
    return _whole(text, 1, 10**9)


def partitions(text: str) -> int | Literal["auto"]:
    """Read a number of partitions, or `auto`."""
    return "auto" if text == "auto" else _whole(text, 1, MAX_PARTITIONS)


def port(text: str) -> int:
    """Read the number of a port."""
    return _whole(text, 1, 65_535)


def workers(text: str) -> int:
    """Read a number of worker processes."""
    return _whole(text, 1, 1_000)


def limit(text: str) -> int:
    """Read the length of a list, 1 to 100."""
    return _whole(text, 1, 100)


def minutes(text: str) -> float:
    """Read a time in minutes, at least a second and at most a week."""
    try:
        found = float(text)
    except ValueError:
        found = nan
    if not 1 / 60 <= found <= MAX_MINUTES:
        raise argparse.ArgumentTypeError(f"{text!r} is no time in minutes, for instance 30, up to {MAX_MINUTES:,}")
    return found


def _whole(text: str, least: int, most: int) -> int:
    if not text.isdecimal() or not least <= int(text) <= most:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from {least:,} to {most:,}")
    return int(text)


def bought(text: str) -> Bought:
    """Read what to do with items that the shopper owns: hide, hide_days:N, allow or only."""
    mode, _, days = text.partition(":")
    if mode not in BOUGHT_MODES or (mode == "hide_days") != days.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is none of hide, hide_days:N, allow, only")
    modes: dict[str, BoughtMode] = {"hide": "hide", "hide_days": "hide_days", "allow": "allow", "only": "only"}
    return Bought(modes[mode], int(days or 0))


def conditions(text: str) -> dict[str, Condition]:
    """Read conditions on attributes, as JSON."""
    try:
        return msgspec.json.decode(text, type=Conditions)
    except msgspec.MsgspecError as error:
        example = '{"gender": {"any": ["women"]}}'
        raise argparse.ArgumentTypeError(f"{text!r} is no filter: {error}; write for instance {example}") from error
