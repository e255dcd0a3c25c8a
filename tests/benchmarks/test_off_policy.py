"""The benchmark of off-policy estimates, on few shoppers: it measures what it says."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.experiments.off_policy import METHODS, PLACES, REWARDS, World, against_truth, explored, log_of, refusals
from training.experiments.before_a_test.off_policy import OffPolicy


def test_estimates_hold_the_planted_truth() -> None:
    """In a few runs most intervals hold it, whatever the candidate, and clear differences are ranked right."""
    found = against_truth(3, 700, 1, 3_000)
    assert found["refused"]["clicks"] == 0
    for reward in REWARDS:
        for method in METHODS:
            assert np.mean(list(found["coverage"][reward][method].values())) > 0.7
        assert np.mean(list(found["coverage of differences"][reward].values())) > 0.7
    share, pairs = found["ranked right"]["clicks"]
    assert pairs > 0
    assert share == 1.0


def test_the_log_is_drawn_as_it_says() -> None:
    """Items come to each place with their chances; a candidate of the same chances weighs each list once."""
    world = World()
    log = log_of(world, np.random.default_rng(5), 700)
    for at in range(PLACES):
        said = log.policy.chances[log.visits.who, :, at].mean(axis=0)
        found = np.bincount(log.places[:, at], minlength=PLACES) / len(log.places)
        np.testing.assert_allclose(found, said, atol=0.05)
    support = OffPolicy(explored(log, log.policy)).support
    assert support.share == pytest.approx(1.0)
    assert support.largest == pytest.approx(1.0)


def test_what_the_draw_cannot_speak_for_is_refused() -> None:
    """Other items, and too few lists."""
    assert set(refusals(1, 700, 2).values()) == {1.0}
