"""Several ids in one cell: which cells hold them, and what is said."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from recsys.settings.load import parse_settings
from recsys.tables.checks.several import several_ids
from recsys.tables.checks.usefulness import Headline, usefulness
from tests.support.shops.shop_tables import an_event, read_rows


@pytest.mark.parametrize(
    ("ids", "whole", "between", "cells"),
    [
        (["A,B,C", "B", "A, D"], [], ",", ["A,B,C"]),
        (["A|B", "B|A", "C"], [], "|", ["A|B", "B|A"]),
        (["12;7", "7", "12", "9;7"], [], ";", ["12;7"]),
        (["A,B"], ["A", "B"], ",", ["A,B"]),
        (["A,B", "A", "B"], ["A,B"], "", []),
        (["hat|red", "hat|blue", "cap|red", "hat", "cap"], [], "", []),
        (["12|1", "12|2", "1", "12"], ["12", "1"], "|", ["12|1"]),
        (["34|1", "34|2", "1"], [], "", []),
        (["Tea, green", "Tea, black", "Tea"], [], "", []),
        (["A1,A4", "A2,A4", "A1", "A4", "4 x AA + 2 x AAA batteries"], [], ",", ["A1,A4", "A2,A4"]),
        (["2 x A-1 @ 12,00 / 1 x B", "1 x B"], [], " / ", ["2 x A-1 @ 12,00 / 1 x B"]),
        (["2x TEE, 1x HAT", "1 x 40012;3 x 40013"], [], ", ", ["1 x 40012;3 x 40013", "2x TEE, 1x HAT"]),
        (["MIT-1 x 2,HAT-1 x 1", "A×2 + B×1"], [], ",", ["A×2 + B×1", "MIT-1 x 2,HAT-1 x 1"]),
        (["2 x A, 1 x B"], ["2 x A, 1 x B"], "", []),
        (
            ["30 x 40, 50 x 60", "2XL/3XL", "Frame 30 x 40 / 50 x 60", "1x TEE", "Board 2 x 4, oak", "A/B", "H&M + x"],
            [],
            "",
            [],
        ),
    ],
)
def test_parts_that_are_ids_themselves_tell(ids: list[str], whole: list[str], between: str, cells: list[str]) -> None:
    """A sign alone proves nothing: it may belong to an id, as that of a variant."""
    found = several_ids(pl.Series(ids), pl.Series(whole, dtype=pl.String))
    assert (found.between if found else "", sorted(found.cells) if found else []) == (between, cells)


def test_cells_of_several_items_stop_a_publish(tmp_path: Path) -> None:
    """They are bad rows: above the share of these that is allowed nothing goes live, and the sentence says what to write."""
    rows = [an_event(user_id=f"u{at}", item_id="A1,B2" if at < 20 else ("A1", "B2")[at % 2]) for at in range(100)]
    [found] = _said(tmp_path, rows)
    assert not found.passed
    assert found.said.startswith("20 of 100 events (20.0%) of views, carts and purchases hold several items in one cell")
    assert 'between = ","' in found.said
    [found] = _said(tmp_path, rows[19:])
    assert found.passed
    assert _said(tmp_path, rows[20:]) == []


def test_numbers_of_units_beside_ids_are_no_ids(tmp_path: Path) -> None:
    """No part of such a cell need stand alone: the sentence says how to make rows of it."""
    lines = ("2 x A1 / 1 x B2", "1 x A1 / 4 x B2", "1 x C3")
    rows = [an_event(user_id=f"u{at}", item_id=lines[at % 3]) for at in range(30)]
    [found] = _said(tmp_path, rows)
    assert not found.passed
    assert 'between = " / ", fields = " x ", names = ["quantity", "sku"] }`' in found.said


def test_the_total_of_an_order_is_no_amount_of_its_rows(tmp_path: Path) -> None:
    """Whoever unfolds the cell is told what has to go, or the money would count in each row."""
    settings = '[data.events]\npaths = ["events.parquet"]\n[data.events.columns]\namount = "total"\n'
    rows = [an_event(user_id=f"u{at}", item_id="2 x A1 / 1 x B2", total=9.5) for at in range(30)]
    shop = read_rows(tmp_path, rows, settings)
    [found] = [each for each in usefulness(parse_settings(settings), shop) if "in one cell" in each.said]
    assert found.said.endswith("an `amount` of the whole order would count in each row, so take it away then.")


def test_signs_that_not_all_cells_have_are_not_advised(tmp_path: Path) -> None:
    """An order of one item has no number in its cell: by the signs of the others it would lose its item."""
    lines = ("2 x A1 / 1 x B2", "1 x A1 / 4 x B2", "C3")
    [found] = _said(tmp_path, [an_event(user_id=f"u{at}", item_id=lines[at % 3]) for at in range(30)])
    assert not found.passed
    assert "unnest" not in found.said
    assert found.said.endswith("export a row per item.")


def _said(folder: Path, rows: list[dict[str, object]]) -> list[Headline]:
    shop = read_rows(folder, rows)
    return [each for each in usefulness(parse_settings(""), shop) if "in one cell" in each.said]
