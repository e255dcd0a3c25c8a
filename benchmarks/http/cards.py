"""Processor time of rendering the weekly mail of six items, compiled and by the library's interpreter, in turn.

`python -m benchmarks.http.cards`
"""

from __future__ import annotations

import math
import sys
from statistics import median
from time import process_time

from recsys.messages.cards.cards import Cards
from recsys.messages.cards.context import direction, shortened
from recsys.settings.messages import MessagesSettings
from training.batch.lint_templates import READERS, seen_by

ROUNDS, CARDS_A_ROUND, ITEMS = 9, 40, 6
KEY = ("weekly", "email", "en")


def main() -> int:
    """Print the median of all rounds, and the ratio; returns 1 if the two write different cards."""
    settings = MessagesSettings(shop="Shop", home_url="https://shop.example/", public_url="https://m.shop.example")
    parts = Cards(None, settings).parts(KEY)
    seen = shortened(seen_by(READERS[0], settings), ITEMS, None, KEY[1])
    seen |= {"channel": KEY[1], "language": KEY[2], "direction": direction(KEY[2])}
    written: dict[str, list[str]] = {}
    spent: dict[str, list[float]] = {}
    for name in ["compiled", "interpreted"] * ROUNDS:
        started = process_time()
        for _ in range(CARDS_A_ROUND):
            ways = [part.render if name == "compiled" else part.interpret for part in parts]
            written[name] = [way(seen, set(), math.inf) for way in ways]
        spent.setdefault(name, []).append((process_time() - started) * 1000 / CARDS_A_ROUND)
    middle = {name: median(each) for name, each in spent.items()}
    print(
        {name: f"{each:.3f} ms a mail" for name, each in middle.items()},
        f"{middle['interpreted'] / middle['compiled']:.1f} ×",
    )
    return 0 if written["compiled"] == written["interpreted"] else 1


if __name__ == "__main__":
    sys.exit(main())
