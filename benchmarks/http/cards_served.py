"""Cards a second over HTTP, their latency and processor time, on the shop of `make bench`: first, when slates are pinned, and again.

`python -m benchmarks.http.cards_served --folder benchmarks/out/shop`
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.http.bench import OUT
from benchmarks.http.service import running
from benchmarks.moments.messages import KEY, SEND, SEND_ID, SLOT_SECRET, _clients, _figures, _pass, _people
from recsys.messages.slots import SLOT_SECRETS
from recsys.settings.load import load_settings
from recsys.web.http.auth import KEYS_PREFIX

STATE = "state-of-cards"
MORE = f"""\
[messages]
home_url = "https://shop.example/"
public_url = "https://m.shop.example"
[state]
folder = "{STATE}"
"""
FIGURES = ("p50_ms", "p99_ms", "cards_per_s", "processor_ms_per_card", "others_share")


def main() -> int:
    """Ask for everybody's card twice and print both passes; returns 1 if a card changed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=OUT / "shop", help="the shop of `make bench`, with a snapshot")
    parser.add_argument("--users", type=int, default=4_000, help="users whose cards are asked for (default: 4,000)")
    chosen = parser.parse_args()
    os.environ |= {SLOT_SECRETS: SLOT_SECRET, f"{KEYS_PREFIX}MESSAGES": KEY}
    file: Path = chosen.folder / "cards.toml"
    file.write_text((chosen.folder / "settings.toml").read_text() + MORE)
    shutil.rmtree(chosen.folder / STATE, ignore_errors=True)
    people = _people(load_settings(file), chosen.users)
    with _clients() as clients, running(file, KEY) as service:
        service.ask("PUT", f"/v1/sends/{SEND_ID}", SEND)
        passes = [_pass(service, clients, people) for _ in range(2)]
    table = Table("pass", *FIGURES)
    for name, each in zip(("first", "again"), passes, strict=True):
        table.add_row(name, *(str(_figures(each, passes[0])[figure]) for figure in FIGURES))
    Console().print(table)
    return 0 if passes[0].cards == passes[1].cards else 1


if __name__ == "__main__":
    sys.exit(main())
