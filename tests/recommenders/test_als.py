"""The sample of shoppers that ALS learns from where there are more interactions than it reads."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from recsys.recommenders.als import sampled
from recsys.types import Arrays

LENGTHS = np.random.default_rng(5).integers(0, 9, 5_000).astype(np.int32)
"""Items of each of many shoppers."""


def rows(first: int, last: int) -> Arrays:
    """The shoppers from one to another, as the sum of a partition: each entry names its shopper."""
    lengths = LENGTHS[first:last]
    owners = np.repeat(np.arange(first, last, dtype=np.int32), lengths)
    return {"lengths": lengths, "items": owners, "weights": owners.astype(np.float32)}


def test_all_are_read_where_there_are_no_more() -> None:
    """Nothing is drawn up to the bound, nor where nobody did anything."""
    whole, nothing = [rows(0, 5_000)], [rows(0, 0)]
    assert sampled(whole, int(LENGTHS.sum()), 1) is whole
    assert sampled(nothing, 1, 1) is nothing


@pytest.mark.parametrize("share", [0.5, 0.25])
def test_a_sample_has_whole_shoppers(share: float) -> None:
    """About as many interactions as asked for are left, all or none of a shopper's, and another seed draws others."""
    most = int(LENGTHS.sum() * share)
    [found] = sampled([rows(0, 5_000)], most, 1)
    shoppers, counts = np.unique(found["items"], return_counts=True)
    assert abs(len(found["items"]) / most - 1) < 0.05
    assert counts.tolist() == LENGTHS[shoppers].tolist()
    assert found["lengths"].sum() == len(found["items"]) == len(found["weights"])
    assert found["items"].tolist() != sampled([rows(0, 5_000)], most, 2)[0]["items"].tolist()


def test_the_cut_draws_nobody_else() -> None:
    """The same shoppers are drawn in one part, and in many."""
    most, cuts = int(LENGTHS.sum() * 0.3), [0, 0, 1, 700, 4_999, 5_000]
    [whole] = sampled([rows(0, 5_000)], most, 1)
    parts = sampled([rows(first, last) for first, last in pairwise(cuts)], most, 1)
    for name, array in whole.items():
        assert np.concatenate([part[name] for part in parts]).tolist() == array.tolist()
