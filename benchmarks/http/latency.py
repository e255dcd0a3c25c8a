"""Latency against offered load, and the first answer of a cold start.

`make benchmark-latency` asks pages of the shop of `make bench` at fixed rates (open loop: an answer counts from the moment at which it
was due, so that a late one is not left out), from a tenth of what wrk gets out of the service up to nearly all of it. Before, the
service is started with its files out of the page cache, where this user may do that, and its first answer is timed.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from pathlib import Path
from urllib.parse import quote

from rich.console import Console
from rich.table import Table

from benchmarks.http.bench import KEY, OUT, _engine, _users, prepare, remember
from benchmarks.http.isolation import PORT, pages
from benchmarks.http.service import running

SHARES = (0.1, 0.25, 0.5, 0.7, 0.85)
"""Offered loads, as shares of the rate that is given."""
QUANTILES = (0.5, 0.9, 0.99, 0.999)


def main() -> int:
    """Measure the cold start and every load, print a table and append it to the history; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=OUT / "shop", help="the shop of `make bench`")
    parser.add_argument("--rate", type=int, default=1000, help="requests a second that the service manages (default: 1000)")
    parser.add_argument("--seconds", type=int, default=10, help="seconds of each load (default: 10)")
    chosen = parser.parse_args()
    prepare(chosen.folder, 200_000, 100_000, 10_000_000)
    users = [quote(user, safe="") for user in _users(_engine(chosen.folder), 20_000)]
    emptied = _empty_page_cache(chosen.folder)
    started = time.perf_counter()
    with running(chosen.folder / "settings.toml", KEY, port=PORT):
        first = time.perf_counter() - started
        pages(users, chosen.rate // 4, 3)
        rows = {rate: pages(users, rate, chosen.seconds) for rate in (max(1, int(chosen.rate * share)) for share in SHARES)}
    table = Table("pages a second", *(f"p{q * 100:g} ms" for q in QUANTILES), "max ms", title="open loop, 16 connections")
    found: dict[str, float] = {"first_answer_s": round(first, 2), "page_cache_emptied": emptied}
    for rate, times in rows.items():
        cuts = statistics.quantiles(times, n=1000, method="inclusive")
        values = [cuts[round(q * 1000) - 1] for q in QUANTILES]
        found |= {f"p{q * 100:g}_ms_at_{rate}": round(value, 1) for q, value in zip(QUANTILES, values, strict=True)}
        table.add_row(f"{rate:,}", *(f"{value:.1f}" for value in (*values, max(times))))
    Console().print(table)
    cold = "with an empty page cache" if emptied else "with what the page cache held"
    Console().print(f"first answer of a start {cold}: {first:.2f} s")
    remember("latency", found)
    return 0


def _empty_page_cache(folder: Path) -> bool:
    """Have the kernel let go of the files that a start reads; clean pages of a file go when nobody maps them."""
    for file in [*folder.rglob("*.npy"), *Path("recsys").rglob("*.py"), *Path(sys.prefix).rglob("*.so")]:
        handle = os.open(file, os.O_RDONLY)
        try:
            os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
        except OSError:
            return False
        finally:
            os.close(handle)
    return True


if __name__ == "__main__":
    sys.exit(main())
