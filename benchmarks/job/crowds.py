"""Share of shops in which an id of many people is named, by the number of shoppers that go by it (needs RECSYS_DATA).

Shops are drawn out of real ones: some of their users, of whom a share gets one id. Without such an id whatever is named is a false
alarm, as far as the real ids are one person's each.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl

from recsys.settings.load import load_settings
from recsys.tables.checks.crowds import find_crowds
from recsys.tables.checks.survey import COLUMNS, survey
from recsys.tables.shop import read_shop

EXAMPLES = ("rees46", "ga4", "online_retail", "completejourney", "foodmart")
SHOPPERS, SHARES, SHOPS = (30, 100, 300, 1_000), (0.0, 0.05, 0.1, 0.2, 0.3), 60
NOBODY = pl.Series([], dtype=pl.String)


def named(events: pl.DataFrame, shoppers: int, share: float, seed: int) -> bool:
    """Draw a shop, give a share of its shoppers one id, and tell whether an id is named."""
    users = events["user_id"].unique().sort()
    chosen = np.random.default_rng(seed).choice(len(users), shoppers, replace=False)
    joined = users[chosen[: round(share * shoppers)]]
    mine = events.filter(pl.col("user_id").is_in(users[chosen].implode()))
    one = pl.when(pl.col("user_id").is_in(joined.implode())).then(pl.lit("till")).otherwise("user_id")
    shop = mine.with_columns(one.alias("user_id"))
    return not find_crowds(shop.lazy(), survey(shop.lazy(), None), NOBODY).is_empty()


def main() -> None:
    """Print a table in Markdown."""
    for name in EXAMPLES:
        settings = load_settings(Path(f"examples/{name}/settings.toml"))
        read = read_shop(settings, now=datetime.now(UTC)).events.filter(pl.col("user_id").is_not_null())
        names = read.collect_schema().names()
        lacking = [pl.lit(None, pl.String).alias(column) for column in COLUMNS if column not in names]
        events = read.with_columns(lacking).select(COLUMNS).collect(engine="streaming")
        for shoppers in SHOPPERS:
            found = [np.mean([named(events, shoppers, share, seed) for seed in range(SHOPS)]) for share in SHARES]
            print(f"| {name}, {shoppers:,} | {' | '.join(f'{each:.0%}' for each in found)} |", flush=True)


if __name__ == "__main__":
    main()
