"""Ranked lists of a past window: ages of items, and the same settings with the blend leading."""

from __future__ import annotations

import numpy as np

from benchmarks.lists.ranked import first_sold, without_ranker
from recsys.settings import Settings
from tests.conftest import NOW, ago, event, micros
from tests.support.shops.handmade import numbered_items, world


def test_an_item_is_as_old_as_its_first_sale() -> None:
    """Views make nothing older; what was sold at the moment or after it, or never, has no age."""
    rows = [
        event("ann", "i00", "purchase", ago(3)),
        event("bob", "i00", "purchase", ago(9)),
        event("bob", "i00", "view", ago(20)),
        event("bob", "i01", "view", ago(5)),
        event("bob", "i02", "purchase", ago(0)),
    ]
    made = world(rows, numbered_items(4))
    ages = first_sold(made.tables.events, made.catalog.n_items, micros(NOW))
    rows_of = [made.catalog.row(f"i{number:02}") for number in range(4)]
    assert ages[rows_of].tolist() == [9, np.inf, np.inf, np.inf]


def test_the_blend_leads_where_the_ranker_is_off() -> None:
    """Nothing else of the settings changes."""
    settings = Settings()
    changed = without_ranker(settings)
    assert changed.ranker.mode == "off"
    assert changed != settings
    assert changed.blend == settings.blend
