"""Recommenders fitted on prepared tables, each once however many settings share it."""

from __future__ import annotations

from collections.abc import Callable, Container
from contextlib import AbstractContextManager
from dataclasses import replace

import msgspec
import numpy as np

from recsys.recommenders import configure
from recsys.settings import Settings
from recsys.snapshot.histories import Tables
from recsys.types import Arrays
from training.runners.base import Parts
from training.runners.local import fits_in_parts


def fit_recommenders(
    tables: Tables,
    catalog: Arrays,
    parts: Parts,
    settings: Settings,
    known: dict[bytes, Arrays],
    asked: Container[str] | None,
    step: Callable[[str], AbstractContextManager[None]],
) -> dict[str, Arrays]:
    """The arrays of every recommender, in a fixed order of names.

    Args:
        tables: settled events of all users.
        catalog: the arrays of `tables.catalog`.
        parts: the same events as they were cut.
        settings: what each is fitted with.
        known: what was fitted from these tables before; what is fitted now is added.
        asked: names of those that learn from events (None: all); the others learn from none, which costs nothing.
        step: times what happens inside under a name.
    """
    configured = configure(settings.recommenders)
    keys = {
        name: msgspec.json.encode((name, asked is None or name in asked, each, settings.behaviour, settings.seed))
        for name, each in configured.items()
    }
    missing = {name: configured[name] for name, key in keys.items() if key not in known}
    nothing = replace(tables, events=tables.events.where(np.empty(0, np.intp)))
    for learned_from, wanted in ((tables, True), (nothing, False)):
        chosen = {name: each for name, each in missing.items() if (asked is None or name in asked) == wanted}
        fits = fits_in_parts(chosen, learned_from, catalog, settings.behaviour, parts)
        for name in chosen:
            with step(f"fit {name}"):
                known[keys[name]] = next(fits)
    return {name: known[key] for name, key in keys.items()}
