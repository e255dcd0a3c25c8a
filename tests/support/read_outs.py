"""Read-outs of experiments for tests of what shows them."""

from __future__ import annotations

from typing import Any

import msgspec

from recsys.experiments.read_outs import Compared, ReadOut, read_out_file
from recsys.settings import Settings
from tests.conftest import NOW


def read_out(name: str, **more: Any) -> ReadOut:
    """A read-out as `make experiment` works it out: one measure with every figure, and one that cannot be told yet."""
    shown: dict[str, Any] = {"arm": "changed", "control": 0.2, "value": 0.24, "relative": 0.2, "low": 0.1, "high": 0.3}
    told = Compared(measure="conversion", **shown, always_low=0.05, always_high=0.35, p=0.001)
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
        "differences": (told, early),
    }
    return ReadOut(**{**given, **more})


def write_read_out(settings: Settings, found: ReadOut) -> None:
    """Put a read-out where `make experiment` does."""
    file = read_out_file(settings, found.id)
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(msgspec.json.encode(found))
