"""Read-outs of experiments for tests of what shows them."""

from __future__ import annotations

from typing import Any

import msgspec

from recsys.experiments.read_outs import Answered, Compared, Point, ReadOut, Segment, read_out_file
from recsys.settings import Settings
from tests.conftest import NOW


def read_out(name: str, **more: Any) -> ReadOut:
    """A read-out as `make experiment` works it out: one measure with every figure, and one that cannot be told yet."""
    shown: dict[str, Any] = {"arm": "changed", "control": 0.2, "value": 0.24, "relative": 0.2, "low": 0.1, "high": 0.3}
    stated = Compared(measure="conversion", **shown, always_low=0.05, always_high=0.35, p=0.001)
    unknown: dict[str, Any] = dict.fromkeys(Compared.__struct_fields__)
    early = Compared(**{**unknown, "measure": "returns", "arm": "changed"})
    given: dict[str, Any] = {
        "id": name,
        "key": name,
        "placement": "home",
        "metric": "conversion",
        "since": "2026-03-01",
        "until": NOW,
        "currency": "EUR",
        "units": {"control": 10, "changed": 10},
        "expected_shares": {"control": 0.5, "changed": 0.5},
        "sizes_p": 1.0,
        "crossed": 1,
        "verdicts": {"changed": "changed is better: conversion +20.0% (+5.0% to +35.0%)."},
        "differences": (stated, early),
        "curve": tuple(
            Point(
                f"2026-03-{day:02}",
                "changed",
                day * 2,
                0.3 / day,
                *((0.3 / day - 0.2, 0.3 / day + 0.2) if day > 3 else (None, None)),
            )
            for day in range(1, 11)
        ),
        "segments": (
            Segment(
                segment="had bought before", arm="changed", units=12, relative=0.1, low=-0.1, high=0.3, p=0.2, adjusted_p=0.6
            ),
        ),
        "arms": {"changed": Answered(exposures=11, lists=40, coverage=0.25, milliseconds=0.042)},
        "left_out": {"staff": 2, "machines": 1},
        "unexposed": 1,
        "warnings": ("Look out with changed: returns got worse, +20.0% (+5.0% to +35.0%).",),
        "notes": ("margin is not known: the item table does not say what an item costs the shop",),
    }
    return ReadOut(**{**given, **more})


def write_read_out(settings: Settings, found: ReadOut) -> None:
    """Put a read-out where `make experiment` does."""
    file = read_out_file(settings, found.id)
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(msgspec.json.encode(found))
