"""Numbers of pieces that came back, in columns that nothing is taken from: asked about, with what to write."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.training.onboarding.test_init_misreadings import read_proposal
from tests.training.onboarding.test_init_silence import HEAD, days, orders


@pytest.mark.parametrize("back", ["0", "0.0000"])
def test_pieces_that_came_back_are_asked_about(tmp_path: Path, back: str) -> None:
    """The column is to be named under `taken_off`: no condition on rows could say it."""
    rows = [
        f"{row},{back.replace('0', '1', 1) if at % 6 == 0 else back}"
        for at, row in enumerate(orders(days("%Y-%m-%dT10:00:00Z")))
    ]
    found = read_proposal(tmp_path, f"{HEAD},qty_refunded", rows)
    assert any('`taken_off = ["qty_refunded"]`' in each for each in found["unsure"])


@pytest.mark.parametrize("name", ["current_quantity", "currentQuantity"])
def test_pieces_that_are_left_go_before_those_that_were_ordered(tmp_path: Path, name: str) -> None:
    """As Shopify's API has both: what came back is none of the one, and was bought by the other."""
    rows = [f"{row},2,{at % 3}" for at, row in enumerate(orders(days("%Y-%m-%dT10:00:00Z")))]
    found = read_proposal(tmp_path, f"{HEAD},quantity,{name}", rows)
    assert found["columns"]["quantity"] == name
