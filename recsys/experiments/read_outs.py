"""Read-outs of experiments as `make experiment` writes them, one file each, for pages and reports to show.

The statistics behind them need libraries that the service does not load. So the offline half works a read-out out, and others read it
as a file that may be old, of another experiment of that name, or damaged.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from recsys.settings import Settings
from recsys.types import DataError

READ_OUTS = "experiments"
"""The folder in `artifacts`."""
MAX_BYTES = 1 << 20
"""Bytes of the largest read-out that is read."""
MEASURE_WORDS = {
    "conversion": "Shoppers who bought",
    "orders": "Orders per shopper",
    "revenue": "Revenue per shopper",
    "margin": "Margin per shopper",
    "click_through": "Clicks per list seen",
    "repeat": "Buyers who ordered again",
    "units_per_order": "Units per order",
    "returns": "Units given back",
    "empty_lists": "Lists without any item",
    "new_items": "New items on lists",
    "credited_clicks": "Clicks on items that a ranking picked, per shopper",
    "credited_orders": "Orders of items that a ranking picked, per shopper",
}
"""Measures as people read them."""
_LEAST_REACH, _MOST_REACH = 0.01, 1.0
_MAX_ROWS = 1_000
_Share = Annotated[float, Meta(ge=-1)] | None


class Compared(msgspec.Struct, frozen=True, kw_only=True):
    """One measure of one arm against the control; relative figures are shares of the control's, null where they cannot be told.

    `low` to `high` is the interval for those who look once, `always_low` to `always_high` however often one looks. `p` belongs to the
    first; `adjusted_p` takes in how many measures and arms were read.
    """

    measure: str
    arm: str
    control: float | None
    value: float | None
    relative: _Share
    low: _Share
    high: _Share
    always_low: _Share
    always_high: _Share
    p: float | None
    adjusted_p: float | None = None


class Point(msgspec.Struct, frozen=True):
    """The deciding measure of an arm as it was known at the end of a day."""

    day: str
    arm: str
    units: int
    relative: float | None
    always_low: float | None
    always_high: float | None


class Segment(msgspec.Struct, frozen=True, kw_only=True):
    """The deciding measure of an arm among some of the shoppers: exploratory, for what to look at next, and no ground to decide on.

    `low` to `high` is the interval for those who look once; `adjusted_p` takes in how many segments and arms were read.
    """

    segment: str
    arm: str
    units: int
    relative: _Share
    low: _Share
    high: _Share
    p: float | None
    adjusted_p: float | None = None


class Answered(msgspec.Struct, frozen=True, kw_only=True):
    """Answers of an arm.

    `exposures` count ids, several of which may be one person's. Of logged lists: how many there are; the share of the items that may
    be shown that are on them, over the same number of lists of each arm; and the processor time of an answer (milliseconds, median).
    """

    exposures: int
    lists: int
    coverage: float | None = None
    milliseconds: float | None = None


class ReadOut(msgspec.Struct, frozen=True, kw_only=True):
    """Read-out of an experiment; figures that cannot be told are null.

    `key` is what its exposures are counted under. `units` and `expected_shares` are by arm; `sizes_p` belongs to them. `crossed`
    persons were exposed to two arms before their ids were linked. It was worked out `until` that moment. `left_out` are persons who
    are not counted, by why. `unexposed` persons were answered by an arm without an exposure. `warnings` are what else to look at,
    `notes` what could not be told.
    """

    id: str
    key: str
    placement: str
    metric: str
    since: str | None
    until: Annotated[datetime, Meta(tz=True)]
    currency: str | None
    units: Mapping[str, int]
    expected_shares: Mapping[str, float]
    sizes_p: float
    crossed: int
    verdicts: Mapping[str, str]
    differences: Annotated[tuple[Compared, ...], Meta(max_length=_MAX_ROWS)]
    curve: Annotated[tuple[Point, ...], Meta(max_length=_MAX_ROWS)] = ()
    segments: Annotated[tuple[Segment, ...], Meta(max_length=_MAX_ROWS)] = ()
    arms: Mapping[str, Answered] = {}
    left_out: Mapping[str, int] = {}
    unexposed: int = 0
    warnings: Annotated[tuple[str, ...], Meta(max_length=_MAX_ROWS)] = ()
    notes: Annotated[tuple[str, ...], Meta(max_length=_MAX_ROWS)] = ()


_read = msgspec.json.Decoder(ReadOut).decode


def read_out_file(settings: Settings, name: str) -> Path:
    """Return where the read-out of an experiment is looked for."""
    return settings.artifacts / READ_OUTS / f"{name}.json"


def open_read_out(settings: Settings, name: str) -> ReadOut | None:
    """Read the read-out of an experiment as it was written last; None: there is none.

    Raises:
        DataError: if it cannot be read, is too large, or is no read-out of this experiment.
    """
    try:
        with read_out_file(settings, name).open("rb") as file:
            body = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise DataError(f"the read-out of {name!r} cannot be read ({error.strerror})") from error
    if len(body) > MAX_BYTES:
        raise DataError(f"the read-out of {name!r} is larger than {MAX_BYTES:,} bytes")
    try:
        found = _read(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise DataError(f"the read-out of {name!r} is not as `make experiment` writes it: {error}") from error
    if found.id != name:
        raise DataError(f"the read-out of {name!r} is that of {found.id!r}")
    return found


def reach_of(rows: Sequence[Compared]) -> float:
    """Return how far from 0 an axis reaches on which all intervals are drawn; what lies further than 100 % is cut off."""
    edges = (edge for each in rows for edge in (each.low, each.high, each.always_low, each.always_high))
    return min(max((abs(edge) for edge in edges if edge is not None), default=0.0), _MOST_REACH) or _LEAST_REACH
