"""The places of one list, filled in one compiled pass over numbers: pins, limits, shares and groups.

Entries are the items at hand: the ranked pool first, then what was asked for since.
"""

from __future__ import annotations

import numpy as np

from recsys.engine.merchandising import place_numbers as layout
from recsys.engine.merchandising.place_numbers import (
    RULES,
    Fading,
    Line,
    Numbers,
    Reals,
    Rules,
    broken,
    count,
    give,
    line_of,
)
from recsys.jit import FLOAT, INT, MASK, OWN_REALS, OWN_TIMES, OWN_TIMES_2D, REALS, ROWS, TIMES, compiled
from recsys.types import Mask, Rows

_NOBODY, _ASK, _FALLS = -1, -2, -3
_ROUNDED = 5e-10
"""What a share of places may exceed a whole number by and still be that number."""


@compiled()
def _next_end(line: Line, end: int) -> int:
    """The smallest number of places of a share beyond `end`; 0: there is none."""
    found = 0
    for each in line.owed[0]:
        if each > end and (found == 0 or each < found):
            found = each
    return found


@compiled()
def _owe(line: Line, rules: Rules, allowed: Mask, limit: int) -> None:
    """Count the places, and what is owed to shares, as far as there are items for it."""
    places = 0
    for may in allowed:
        places += may
        if places == limit:
            break
    line.progress[3] = places
    for share in range(len(rules.within)):
        within = min(rules.within[share], places)
        wanted, there = int(np.ceil(rules.least[share] * within - _ROUNDED)), 0
        for row in range(len(allowed)):
            if there >= wanted:
                break
            there += allowed[row] and rules.members[share, row]
        line.owed[0, share], line.owed[1, share] = within, there


@compiled()
def _in_want(line: Line, rules: Rules, row: int, place: int) -> int:
    """The first share that a pinned item would leave too few places, or fewer still; -1: none."""
    within, owed, end = line.owed[0], line.owed[1], _next_end(line, place - 1)
    while end > 0:
        free, lacking, needed, first = end, 0, 0, _NOBODY
        for at in range(1, end + 1):
            free -= line.pins[at] >= 0
        for share in range(len(within)):
            if within[share] <= end and owed[share] > 0:
                left = owed[share] - (rules.members[share, row] and place <= within[share])
                lacking += owed[share]
                needed += left
                first = share if first < 0 and left > 0 else first
        if needed > free - 1 and needed - (free - 1) > lacking - free:
            return first
        end = _next_end(line, end)
    return _NOBODY


@compiled()
def _is_there_twice(line: Line, rules: Rules, row: int, group: Rows) -> bool:
    """Tell whether an item, or one of its group, is pinned to another place."""
    for pin in line.pins:
        if pin >= 0:
            there = rules.pin_rows[pin]
            if there == row or (group[row] >= 0 and group[there] == group[row]):
                return True
    return False


@compiled()
def _stand(line: Line, rules: Rules, wrong: Numbers, allowed: Mask, group: Rows, limit: int) -> None:
    """Let the pins take their places, one after the other, as far as those before them let them; int64[p, 2] says what is wrong with
    each, and the pin that has its place, the limit that it would break, or the share that needs it."""
    line.pins[:] = _NOBODY
    for pin in range(len(rules.pin_rows)):
        row, place, why = rules.pin_rows[pin], rules.pin_places[pin], layout.STANDS
        if wrong[pin, 0] == layout.ENDED:
            continue
        if row < 0 or not allowed[row]:
            why = layout.MAY_NOT
        elif place > limit:
            why = layout.TOO_FAR
        elif line.pins[place] >= 0:
            why, wrong[pin, 1] = layout.TAKEN, line.pins[place]
        elif _is_there_twice(line, rules, row, group):
            why = layout.TWICE
        else:
            over, share = broken(line, rules, row, place), _in_want(line, rules, row, place)
            if over >= 0:
                why, wrong[pin, 1] = layout.OVER, over
            elif share >= 0:
                why, wrong[pin, 1] = layout.OWED, share
            else:
                line.pins[place] = pin
                count(line, rules, row, place, 1)
                give(line, rules, row, place)
        wrong[pin, 0] = why


@compiled()
def _seat(line: Line, rules: Rules, entries: Numbers, rows: Rows, order: Numbers, group: Rows) -> None:
    """Put entries in the places of pins, and those of the pool in line, in their order."""
    entries[layout.PINNED, len(order) :] = layout.UNPINNED
    for place in range(1, len(line.pins)):
        if line.pins[place] >= 0:
            row, entry = rules.pin_rows[line.pins[place]], 0
            while rows[entry] != row:
                entry += 1
            entries[layout.PINNED, entry] = place
    for entry in range(len(rows)):
        entries[layout.WAITING, entry] = _NOBODY
        if entries[layout.PINNED, entry] > 0:
            line.pins[entries[layout.PINNED, entry]] = entry
            if group[rows[entry]] >= 0:
                line.groups[line.progress[1]] = group[rows[entry]]
                line.progress[1] += 1
    for at in range(len(order)):
        if not entries[layout.PINNED, order[at]]:
            entries[layout.WAITING, at] = order[at]


@compiled()
def _force(line: Line, place: int) -> bool:
    """Mark the shares of which an item must come now, or too few places are left for what is owed; tells whether there are any."""
    within, owed, forced = line.owed[0], line.owed[1], line.owed[2]
    forced[:] = 0
    end = _next_end(line, place - 1)
    while end > 0:
        free, total = end - place + 1, 0
        for at in range(place, end + 1):
            free -= line.pins[at] >= 0
        for share in range(len(owed)):
            if place <= within[share] <= end:
                total += owed[share]
        if total > 0 and total >= free:
            for share in range(len(owed)):
                forced[share] = place <= within[share] <= end and owed[share] > 0
            return True
        end = _next_end(line, end)
    return False


@compiled()
def _fits(line: Line, rules: Rules, entries: Numbers, entry: int, row: int, group: int, place: int, must: bool) -> bool:
    """Tell whether an entry may come at a place; the limit that refuses it is noted."""
    if group >= 0:
        for at in range(line.progress[1]):
            if line.groups[at] == group:
                return False
    over = broken(line, rules, row, place)
    if over >= 0:
        if entries[layout.NOTED, entry] == 0:
            entries[layout.NOTED, entry] = over + 1
        return False
    needed = not must
    for share in range(len(rules.within)):
        needed |= line.owed[2, share] > 0 and rules.members[share, row]
    return needed


@compiled()
def _sink(line: Line, fading: Fading, entries: Numbers, rows: Rows, above: int) -> None:
    """Let the waiting entries sink that are of a kind with one that stands."""
    for entry in entries[layout.WAITING, line.progress[2] :]:
        for kind in (fading.leaf, fading.brand):
            if entry >= 0 and kind[rows[entry]] >= 0 and kind[rows[entry]] == kind[rows[above]]:
                fading.faded[entry] = max(fading.faded[entry] * fading.each, layout.LEAST_FADED)


@compiled()
def _next(
    line: Line, rules: Rules, fading: Fading, entries: Numbers, rows: Rows, group: Rows, place: int, for_good: bool,
    tried: bool,
) -> int:  # fmt: skip
    """The waiting entry for a place; shares that nothing is left for are let go. `for_good`: what is refused now always is."""
    while True:
        must, found, best = _force(line, place), _NOBODY, 0.0
        for at in range(line.progress[2], entries.shape[1]):
            entry = entries[layout.WAITING, at]
            if entry < 0 or not _fits(line, rules, entries, entry, rows[entry], group[rows[entry]], place, must):
                continue
            weight = fading.weights[entry] * fading.faded[entry]
            if found < 0 or weight > best:
                found, best = at, weight
            if fading.each == 1:
                break
        if found >= 0:
            entry, entries[layout.WAITING, found] = entries[layout.WAITING, found], _NOBODY
            if for_good and not must and fading.each == 1:
                line.progress[2] = found + 1
            return int(entry)
        if for_good and not must:
            line.progress[2] = entries.shape[1]
        if not tried:
            return _ASK
        if not must:
            return _NOBODY
        for share in range(len(rules.within)):
            line.owed[1, share] -= line.owed[2, share]
        tried = False


@compiled()
def _moved_up(line: Line, rules: Rules, wrong: Numbers, rows: Rows, place: int) -> int:
    """Take the first of the pins that are left which may come at an earlier place; -1: none is left; `_FALLS`: limits refuse them all
    there, and the first falls."""
    first, by = _NOBODY, _NOBODY
    for at in range(place, len(line.pins)):
        entry = line.pins[at]
        if entry < 0:
            continue
        row = rows[entry]
        count(line, rules, row, at, -1)
        over = broken(line, rules, row, place)
        count(line, rules, row, place if over < 0 else at, 1)
        if over < 0:
            line.pins[at] = _NOBODY
            for share in range(len(rules.within)):
                if rules.members[share, row] and place <= line.owed[0, share] < at and line.owed[1, share] > 0:
                    line.owed[1, share] -= 1
            return int(entry)
        if first < 0:
            first, by = row, over
    if first < 0:
        return _NOBODY
    for pin in range(len(rules.pin_rows)):
        if rules.pin_rows[pin] == first and wrong[pin, 0] == layout.STANDS:
            wrong[pin, 0], wrong[pin, 1] = layout.ENDED, by
    return _FALLS


@compiled()
def _fill(
    line: Line, rules: Rules, wrong: Numbers, fading: Fading, entries: Numbers, rows: Rows, group: Rows, tried: bool
) -> int:
    """Fill places from the first that is empty."""
    for_good = True
    for within in rules.limits[1]:
        for_good &= within >= line.progress[3]
    while line.progress[0] < line.progress[3]:
        place = line.progress[0] + 1
        entry, line.pins[place] = line.pins[place], _NOBODY
        if entry < 0:
            entry = _next(line, rules, fading, entries, rows, group, place, for_good, tried)
            if entry == _ASK:
                return layout.ASK
            tried = False
        if entry < 0:
            entry = _moved_up(line, rules, wrong, rows, place)
        if entry == _FALLS:
            return layout.ANEW
        if entry < 0:
            return layout.DONE
        if entries[layout.PINNED, entry] <= 0:
            row = rows[entry]
            count(line, rules, row, place, 1)
            give(line, rules, row, place)
            if group[row] >= 0:
                line.groups[line.progress[1]] = group[row]
                line.progress[1] += 1
        line.chosen[line.progress[0]] = entry
        line.progress[0] += 1
        if fading.each < 1:
            _sink(line, fading, entries, rows, entry)
    return layout.DONE


@compiled(
    OWN_TIMES, OWN_TIMES_2D, OWN_TIMES_2D, INT, INT, ROWS, ROWS, ROWS, REALS, OWN_REALS, FLOAT, TIMES, MASK, ROWS, RULES
)
def arrange(
    numbers: Numbers, entries: Numbers, wrong: Numbers, limit: int, step: int, rows: Rows, leaf: Rows, brand: Rows,
    weights: Reals, faded: Reals, each: float, order: Numbers, allowed: Mask, group: Rows, rules: Rules,
) -> int:  # fmt: skip
    """Fill the places of a list, from the first to the last: each takes its pin, else the first waiting entry that the limits let
    through and the shares need; under variety the one that weighs most then. Tells if it is `DONE`, or what it needs to go on.

    Args:
        numbers: int64[line_length] all that is known of the list; of it the first one is how many places are filled.
        entries: int64[3, m] (`WAITING`, `NOTED`, `PINNED`) of the items at hand, written to.
        wrong: int64[p, 2] what is wrong with each pin, and with what other pin, limit or share; written to.
        limit: most places.
        step: where it goes on, `BEGIN` at first.
        rows: int32[m] of the items at hand, those of the pool, then the pinned ones; weights float64[m]; leaf, brand, faded, each: as
            of `Fading`
        order: int64[≤m] the entries of the pool, which come first, in the order in which they stand in line.
        allowed: bool[n] what may be shown; group: int32[n] of each item, of which two never stand on one list.
        rules: what is to be kept.
    """
    line, fading = line_of(numbers, limit, rules), Fading(leaf, brand, weights, faded, each)
    if step == layout.BEGIN:
        _owe(line, rules, allowed, limit)
        _stand(line, rules, wrong, allowed, group, limit)
        _seat(line, rules, entries, rows, order, group)
    if step == layout.FOUND and fading.each < 1:
        for entry in entries[layout.WAITING]:
            faded[entry] = 1.0 if entry >= 0 else faded[entry]
        for above in line.chosen[: line.progress[0]]:
            _sink(line, fading, entries, rows, above)
    return int(_fill(line, rules, wrong, fading, entries, rows, group, step == layout.NONE_FOUND))
