"""The processor time of a request on two nodes over one PostgreSQL database, against one node; both are asked in turn, in one run.

`make benchmark-nodes` serves one synthetic shop from one node and from two, one worker each, over a PostgreSQL server on this machine
(a socket, fsync on). Both are asked for the same: an event, the same shopper's list, another shopper's list, similar items, by callers
of which each keeps its connections. A shopper's calls go to one node, and shoppers go round. Requests per second say what this machine
gives to service, server and callers together. Where every node and the server have cores of their own, two nodes answer as much more
as their processor time per request allows: 2 × that of one node ÷ that of two, the server's counted in both.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import NamedTuple

from benchmarks.http.databases import EVENTS_KEY, KEY, KINDS, publish_shop, shoppers_and_items, turn_of
from benchmarks.http.service import Service, cpu_seconds, running
from recsys.live.postgres.address import Address
from recsys.live.postgres.migrations import migrate
from tests.support.servers.postgres import PostgresServer, postgres_server
from training import console

OUT = Path("benchmarks/out/nodes")
CALLERS = 4


class Spent(NamedTuple):
    """One round of one setting: requests per second, and processor time per request (milliseconds)."""

    rate: float
    service: float
    server: float

    @property
    def both(self) -> float:
        """Processor time of service and server per request."""
        return self.service + self.server


def ratio(one: Spent, two: Spent) -> float:
    """How many times as much two nodes answer as one, where cores allow."""
    return 2 * one.both / two.both


def main() -> int:
    """Measure, print the table and write nodes.json; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=6, help="rounds of each setting (default: 6)")
    parser.add_argument("--turns", type=int, default=800, help="turns of four calls in a round (default: 800)")
    parser.add_argument("--users", type=int, default=2000, help="users of the shop (default: 2,000)")
    chosen = parser.parse_args()
    settings = publish_shop(OUT.resolve(), chosen.users)
    users, items = shoppers_and_items(settings)
    with postgres_server("-c fsync=on") as server, _nodes(settings, server, 1) as one, _nodes(settings, server, 2) as two:
        rounds: dict[int, list[Spent]] = {1: [], 2: []}
        for number in range(chosen.rounds + 1):
            numbers = range(number * chosen.turns, (number + 1) * chosen.turns)
            for nodes in (one, two) if number % 2 else (two, one):
                spent = _round(nodes, server, users, items, numbers)
                if number:  # the first one warms up
                    rounds[len(nodes)].append(spent)
    found = _show(rounds)
    (OUT / "nodes.json").write_text(json.dumps(found, indent=1) + "\n")
    return 0


@contextmanager
def _nodes(settings: Path, server: PostgresServer, count: int) -> Iterator[list[Service]]:
    """Run nodes over a schema of their own."""
    schema = f"nodes_{count}"
    migrate(Address(server.url, schema))
    secrets = {"RECSYS_STATE_DATABASE": server.url, "RECSYS_KEYS_EVENTS": EVENTS_KEY}
    with ExitStack() as stack:
        nodes = []
        for number in range(count):
            own = settings.with_name(f"{count}-{number}.toml")
            own.write_text(settings.read_text() + f'[state]\nfolder = "state-{own.stem}"\nschema = "{schema}"\n')
            nodes.append(stack.enter_context(running(own, KEY, secrets=secrets, workers=1)))
        yield nodes


def _round(
    nodes: Sequence[Service], server: PostgresServer, users: Sequence[str], items: Sequence[str], turns: range
) -> Spent:
    """Take turns by several callers; what they cost."""
    served, stored, began = _service_seconds(nodes), cpu_seconds(server.processes()), time.perf_counter()
    with ThreadPoolExecutor(CALLERS) as callers:
        taken = [callers.submit(_call, nodes, users, items, turns[each::CALLERS]) for each in range(CALLERS)]
        for each in taken:
            each.result()
    calls, seconds = len(turns) * len(KINDS), time.perf_counter() - began
    used = _service_seconds(nodes) - served, cpu_seconds(server.processes()) - stored
    return Spent(calls / seconds, *(each / calls * 1e3 for each in used))


def _service_seconds(nodes: Sequence[Service]) -> float:
    return sum(each.cpu_seconds() for each in nodes)


def _call(nodes: Sequence[Service], users: Sequence[str], items: Sequence[str], turns: Sequence[int]) -> None:
    with ExitStack() as stack:
        opened = [stack.enter_context(closing(HTTPConnection("127.0.0.1", each.port, timeout=60))) for each in nodes]
        for place, turn in enumerate(turns):
            for _ in turn_of(opened[place % len(opened)], users, items, turn):
                pass


def _show(rounds: dict[int, list[Spent]]) -> dict[str, float]:
    """Print medians of the rounds, and the ratio that follows from each pair of rounds; returns them."""
    found, rows = {}, []
    for count, spent in rounds.items():
        name = "one node" if count == 1 else "two nodes"
        figures = [
            statistics.median(getattr(each, part) for each in spent) for part in ("rate", "service", "server", "both")
        ]
        found.update({f"{part}, {name}": figure for part, figure in zip(Spent._fields, figures, strict=False)})
        rows.append((name, f"{figures[0]:.0f}", *(f"{each:.3f}" for each in figures[1:])))
    console.table("processor milliseconds a request", ("", "requests/s", "service", "server", "both"), rows)
    ratios = sorted(map(ratio, rounds[1], rounds[2]))
    found["ratio"] = statistics.median(ratios)
    stated = f"{found['ratio']:.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f}, {len(ratios)} rounds)"
    console.facts("two nodes where cores allow", [("times the requests of one", stated)])
    return found


if __name__ == "__main__":
    sys.exit(main())
