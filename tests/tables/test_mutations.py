"""Every preset's export, damaged as files get damaged: a finding or one sentence comes of it, never a traceback, in bounded memory.

`RECSYS_MUTATIONS=200` tries so many for each export instead of two.
"""

from __future__ import annotations

import csv
import gzip
import io
import os
import resource
import shutil
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from recsys.settings.load import parse_settings
from recsys.tables.checks.usefulness import usefulness
from recsys.tables.presets import preset_names
from recsys.tables.shop import read_shop
from recsys.types import RecsysError
from tests.tables.test_preset_exports import EXPORTS, NO_EVENTS
from training.onboarding.files import look_at
from training.onboarding.proposals import propose
from training.onboarding.reading import settle

TRIED = int(os.environ.get("RECSYS_MUTATIONS", "2"))
MOST_GROWTH = 1_500 << 10
"""Kilobytes that the process may grow by."""
NAMES = preset_names()
damaging = settings(
    deadline=None,
    max_examples=TRIED,
    derandomize=True,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
Mutation = Callable[[bytes, Random], bytes]


def cells(content: bytes) -> list[list[str]]:
    """A text file as rows of fields."""
    text = content.decode("utf-8", "replace")
    return list(csv.reader(io.StringIO(text), delimiter="\t" if text.partition("\n")[0].count("\t") > 1 else ","))


def lines(rows: list[list[str]], separator: str = ",") -> bytes:
    """Rows as a text file."""
    out = io.StringIO()
    csv.writer(out, delimiter=separator).writerows(rows)
    return out.getvalue().encode()


def without_a_column(content: bytes, dice: Random) -> bytes:
    """Leave out one column."""
    at = dice.randrange(max(map(len, cells(content)), default=1) or 1)
    return lines([[cell for place, cell in enumerate(row) if place != at] for row in cells(content)])


def with_shifted_cells(content: bytes, dice: Random) -> bytes:
    """Move the cells of a row to the right or to the left."""
    rows = cells(content)
    row = dice.choice(rows or [[""]])
    row[:] = ["", *row] if dice.random() < 0.5 else row[1:]
    return lines(rows)


def with_another_separator(content: bytes, dice: Random) -> bytes:
    """Separate some or all lines by another sign."""
    rows, sign = cells(content), dice.choice(";\t|^ :")
    cut = dice.randrange(len(rows) + 1)
    return lines(rows[:cut]) + lines(rows[cut:], sign)


def in_two_encodings(content: bytes, dice: Random) -> bytes:
    """Write a part of the file in another encoding."""
    cut = dice.randrange(len(content) + 1)
    return (
        content[:cut]
        + "Größe – ñ".encode()
        + content[cut:]
        .decode("utf-8", "replace")
        .encode(dice.choice(["utf-16-le", "cp1252", "cp037", "utf-32", "shift_jis"]), "replace")
    )


def cut_off(content: bytes, dice: Random) -> bytes:
    """End the file somewhere."""
    return content[: dice.randrange(len(content) + 1)]


def half_an_archive(content: bytes, dice: Random) -> bytes:
    """Pack the file and lose the end of the archive."""
    packed = io.BytesIO()
    if dice.random() < 0.5:
        packed.write(gzip.compress(content))
    else:
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("events.csv", content)
    return packed.getvalue()[: dice.randrange(packed.tell() + 1)]


def with_other_bytes(content: bytes, dice: Random) -> bytes:
    """Write over some bytes."""
    damaged = bytearray(content or b" ")
    for _ in range(dice.randrange(1, 20)):
        damaged[dice.randrange(len(damaged))] = dice.choice(b"\x00\xff\"',;\n\r\\{}[]<>0-.")
    return bytes(damaged)


def with_other_values(content: bytes, dice: Random) -> bytes:
    """Put something strange into some cells."""
    rows = cells(content)
    for _ in range(dice.randrange(1, 10)):
        row = dice.choice(rows[1:] or [[""]])
        row[dice.randrange(len(row) or 1) if row else 0 :][:1] = [""]
        if row:
            row[dice.randrange(len(row))] = dice.choice(
                ["", "NaN", "-1e999", "[]", '[{"', "\u202e", "9" * 400, "1970-01-01", "x" * 9_999]
            )
    return lines(rows)


def with_lines_again(content: bytes, dice: Random) -> bytes:
    """Repeat lines, those of names too."""
    parts = content.splitlines(keepends=True)
    return b"".join(parts + [dice.choice(parts or [b""]) for _ in range(dice.randrange(1, 6))])


MUTATIONS: list[Mutation] = [
    without_a_column, with_shifted_cells, with_another_separator, in_two_encodings, cut_off, half_an_archive, with_other_bytes,
    with_other_values, with_lines_again,
]  # fmt: skip


@pytest.mark.long
@pytest.mark.parametrize("preset", NAMES)
@damaging
@given(step=st.integers(0, len(MUTATIONS) - 1), seed=st.integers(0, 1 << 16))
def test_a_damaged_export_ends_in_words(preset: str, tmp_path: Path, step: int, seed: int) -> None:
    """Reading it, measuring it and proposing settings for it give a result, or an error of ours that says what is wrong."""
    dice, before = Random(seed), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    mutation = MUTATIONS[(step + NAMES.index(preset)) % len(MUTATIONS)]
    folder = tmp_path / f"{step}-{seed}"
    shutil.copytree(EXPORTS / preset, folder, dirs_exist_ok=True)
    tables = [path for path in sorted(folder.iterdir()) if path.name != "expected.json"]
    damaged = dice.choice(tables)
    damaged.write_bytes(mutation(damaged.read_bytes(), dice))
    text = ""
    for name in ("events", "items"):
        if paths := [path.name for path in tables if path.stem == name]:
            text += f"[data.{name}]\npaths = {paths}\npreset = '{preset}'\n"
    if "[data.events]" not in text:
        (folder / "own.csv").write_text(NO_EVENTS)
        text += "[data.events]\npaths = ['own.csv']\n"
    shop_settings = parse_settings(text, folder)
    for strict in (True, False):
        with suppress(RecsysError):
            usefulness(shop_settings, read_shop(shop_settings, strict=strict))
    seen, unread = look_at([damaged], folder / "samples")
    assert all(unread)
    for each in seen:
        with suppress(RecsysError):
            if found := propose(each):
                settle(found)
    shutil.rmtree(folder)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before <= MOST_GROWTH
