"""`make benchmark-peers`, or `python -m benchmarks.peers --help`."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec

from benchmarks.peers.comparison import ScoreRow, compare
from benchmarks.peers.shops import SHOPS
from benchmarks.peers.tuning import PEERS
from recsys.types import RecsysError
from training import console
from training.evaluation.evaluate import TASKS


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare, keep what was measured after every model, and print the tables; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.peers",
        description="Compare our recommendations with public models: same events, users, metrics and number of trials.",
    )
    parser.add_argument(
        "--shops", nargs="+", choices=SHOPS, default=list(SHOPS), metavar="SHOP", help=", ".join(SHOPS) + " (default: all)"
    )
    parser.add_argument(
        "--models",
        nargs="+",
        choices=PEERS,
        default=list(PEERS),
        metavar="MODEL",
        help=", ".join(PEERS) + " (default: all)",
    )
    parser.add_argument("--trials", type=int, default=20, help="draws of settings per model and shop (default: 20)")
    parser.add_argument(
        "--validate",
        action="store_true",
        help="measure on the window that settings are chosen on; the test window stays unread",
    )
    parser.add_argument(
        "--out", type=Path, default=Path("benchmarks/out"), help="folder of the results (default: benchmarks/out)"
    )
    chosen = parser.parse_args(arguments)
    try:
        return _run(chosen.shops, chosen.models, max(chosen.trials, 1), chosen.validate, chosen.out)
    except RecsysError as error:
        console.complain(str(error))
        return 1


def _run(shops: Sequence[str], models: Sequence[str], trials: int, validation: bool, out: Path) -> int:
    if not os.environ.get("RECSYS_DATA") and set(shops) != {"synthetic"}:
        console.complain(
            "set RECSYS_DATA to the folder that holds online_retail/ and completejourney/, or ask for --shops synthetic"
        )
        return 1
    absent = [name for name in models if not PEERS[name].installed]
    for name in absent:
        console.complain(
            f"{name} is left out: {PEERS[name].package} is not installed here; `make benchmark-peers` installs it in .venv-peers"
        )
    file = out / ("peers-validation.json" if validation else "peers.json")
    out.mkdir(parents=True, exist_ok=True)
    for shop in shops:
        compare(
            SHOPS[shop],
            [name for name in models if name not in absent],
            trials,
            validation,
            out,
            console.bar,
            lambda rows: _keep(file, rows),
        )
    for shop in shops:
        _print(shop, _read(file), models)
    console.say(f"✓ {file}")
    return 0


def _read(file: Path) -> list[ScoreRow]:
    return msgspec.json.decode(file.read_bytes(), type=list[ScoreRow]) if file.exists() else []


def _keep(file: Path, rows: list[ScoreRow]) -> None:
    """Put rows in the place of those of the same shop and model."""
    fresh = {(row.shop, row.model, row.ours) for row in rows}
    kept = [row for row in _read(file) if (row.shop, row.model, row.ours) not in fresh]
    file.write_bytes(msgspec.json.format(msgspec.json.encode([*kept, *rows]), indent=1))


def _print(shop: str, rows: list[ScoreRow], models: Sequence[str]) -> None:
    columns = ("model (* ours)", "NDCG@10", "low", "high", "blend minus it", "low", "high")
    for task in TASKS:
        chosen = [row for row in rows if (row.shop, row.task) == (shop, task) and (row.ours or row.model in models)]
        if chosen:
            lines = [_line(row) for row in sorted(chosen, key=lambda row: -row.ndcg10[0])]
            console.table(f"{shop}, {task}: {chosen[0].window}, {chosen[0].users:,} users", columns, lines)


def _line(row: ScoreRow) -> tuple[str, ...]:
    ndcg = [f"{value:.4f}" for value in row.ndcg10]
    difference = ["", "", ""] if row.blend_minus is None else [f"{value:+.4f}" for value in row.blend_minus]
    return f"{row.model} *" if row.ours else row.model, *(text.replace("0.", ".", 1) for text in (*ndcg, *difference))


if __name__ == "__main__":
    sys.exit(main())
