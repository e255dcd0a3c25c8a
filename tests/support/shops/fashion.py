"""A shop of fashions: what sells this week is bought next, which no neighbour of an item knows."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

import msgspec

from recsys.settings import Settings
from recsys.settings.ranker import RankerSettings
from tests.conftest import Shop, ago, event

DAYS = 7


def fashion_shop(folder: Path, seed: int = 3) -> Shop:
    """Sixty items in eight weeks: every week another five are in fashion, from its last days on into the next week's first."""
    draw, shop = Random(seed), Shop(folder, items=[{"item_id": f"i{n}", "price": 5.0 + n} for n in range(60)])
    for week in range(8):
        start = ago(7 * (8 - week))
        for user in range(140):
            for order in range(2):
                day = start + timedelta(days=4 * order + 3 * draw.random(), minutes=user)
                now_in = (week + order) % 12
                item = draw.randrange(60) if draw.random() < 0.3 else 5 * now_in + draw.randrange(5)
                shop.add(event(f"u{user}", f"i{item}", "purchase", day, order_id=f"{week}-{user}-{order}"))
    return shop


def with_ranker(settings: Settings, **changed: Any) -> Settings:
    """Windows of a week, thin ones counting too."""
    chosen = msgspec.structs.replace(RankerSettings(trees=10, least_users=50, users=100), **changed)
    days = msgspec.structs.replace(settings.evaluation, days=DAYS)
    return msgspec.structs.replace(settings, ranker=chosen, evaluation=days)
