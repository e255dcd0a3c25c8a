"""Isolation of pages: their latency alone, and beside bulk answers, polls, cards, slow clients, large bodies and the console;
also beside processes that never call the service, for what of it is the machine's share.

`make benchmark-isolation` runs the real service on the shop of `make bench` and asks pages at a fixed rate (open loop: a late
answer counts from when it should have been asked), while other callers do their worst.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import random
import re
import socket
import statistics
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from multiprocessing import get_context
from multiprocessing.synchronize import Event
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import quote, urlencode

from rich.console import Console
from rich.table import Table

from benchmarks.http.bench import KEY as READ_KEY
from benchmarks.http.bench import OUT, _engine, _users, measure_training, prepare
from benchmarks.http.service import running
from recsys.snapshot.store import current_version

MESSAGES_KEY = "bench-messages-" + "m" * 40
EVENTS_KEY = "bench-events-" + "e" * 40
CONSOLE_KEY = "bench-console-" + "c" * 40
SEND = "bench-isolation"
PORT = 8133
"""One that all callers know, each in a process of its own."""
KEYS = {
    "RECSYS_KEYS_MESSAGES": MESSAGES_KEY,
    "RECSYS_KEYS_EVENTS": EVENTS_KEY,
    "RECSYS_KEYS_CONSOLE_VIEWER": CONSOLE_KEY,
}
CALLERS_NICE = 10
"""Callers beside are other machines in life; here they leave the processor to the service and to those who ask pages."""
Beside = Callable[[Event, Sequence[str], Any], None]


def main() -> int:
    """Measure every mix and print a table; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=OUT / "shop", help="the shop of `make bench`")
    parser.add_argument("--users", type=int, default=200_000)
    parser.add_argument("--items", type=int, default=100_000)
    parser.add_argument("--events", type=int, default=10_000_000)
    parser.add_argument("--rate", type=int, default=100, help="pages a second (default: 100)")
    parser.add_argument("--seconds", type=int, default=10, help="seconds of each mix (default: 10)")
    parser.add_argument("--only", nargs="*", help="some of the mixes")
    chosen = parser.parse_args()
    prepare(chosen.folder, chosen.users, chosen.items, chosen.events)
    if current_version(chosen.folder / "artifacts") is None:
        measure_training(chosen.folder)
    users = [quote(user, safe="") for user in _users(_engine(chosen.folder), 20_000)]
    rows = []
    with running(chosen.folder / "settings.toml", READ_KEY, KEYS, port=PORT):
        _declare_send()
        pages(users, chosen.rate, 3)
        for name, callers in MIXES.items():
            if chosen.only and name not in chosen.only:
                continue
            with beside(callers, users) as done:
                times = pages(users, chosen.rate, chosen.seconds)
            rows.append((name, *(f"{_quantile(times, q):.1f}" for q in (0.5, 0.99, 0.999)), f"{max(times):.1f}", done.value))
            Console(stderr=True).print(rows[-1])
    table = Table(
        "beside", "p50 ms", "p99 ms", "p99.9 ms", "max ms", "answers beside", title=f"{chosen.rate} pages a second"
    )
    for row in rows:
        table.add_row(*map(str, row))
    Console().print(table)
    return 0


def pages(users: Sequence[str], rate: int, seconds: int) -> list[float]:
    """Ask pages at a fixed rate over 16 kept connections; milliseconds from the moment at which each was due."""
    started, times, local = time.perf_counter() + 0.1, [], threading.local()
    draw = random.Random(7)
    due = [(started + number / rate, draw.choice(users)) for number in range(rate * seconds)]

    def ask(moment: float, user: str) -> float:
        connection = getattr(local, "connection", None)
        if connection is None:
            connection = local.connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=60)
        time.sleep(max(0.0, moment - time.perf_counter()))
        connection.request("GET", f"/v1/users/{user}/recommendations?limit=12", headers=_bearer(READ_KEY))
        answer = connection.getresponse()
        answer.read()
        if answer.status != 200:
            raise RuntimeError(f"a page was answered {answer.status}")
        return (time.perf_counter() - moment) * 1000

    with ThreadPoolExecutor(16) as pool:
        times = list(pool.map(lambda each: ask(*each), due))
    return times


@contextmanager
def beside(callers: Sequence[Beside], users: Sequence[str]) -> Iterator[Any]:
    """Run callers beside, each in a process of its own; yields the number of their answers once all of them have begun."""
    context = get_context("forkserver")  # so that each starts at once, instead of importing everything beside the pages
    context.set_forkserver_preload(["benchmarks.http.bench"])
    begun, stop, done = context.Semaphore(0), context.Event(), context.Value("q", 0)
    processes = [
        context.Process(target=_begin, args=(caller, begun, stop, users[:5000], done), daemon=True) for caller in callers
    ]
    for process in processes:
        process.start()
    for _ in processes:
        begun.acquire()
    time.sleep(2)
    with done.get_lock():
        done.value = 0
    try:
        yield done
    finally:
        stop.set()
        for process in processes:
            process.join(60)


def _begin(caller: Beside, begun: Any, stop: Event, users: Sequence[str], done: Any) -> None:
    os.nice(CALLERS_NICE)
    begun.release()
    caller(stop, users, done)


def bulk(stop: Event, users: Sequence[str], done: Any) -> None:
    """Ask 5,000 shoppers × 100 items again and again."""
    draw = random.Random()
    while not stop.is_set():
        body = json.dumps({"user_ids": draw.sample(list(users), 5000), "limit": 100})
        _post("/v1/recommendations", body, stop, done)


def poll(stop: Event, users: Sequence[str], done: Any) -> None:
    """Poll moments again and again."""
    while not stop.is_set():
        for kind in ("winback", "replenish"):
            _get(f"/v1/moments/{kind}?limit=1000", done)


def card(stop: Event, users: Sequence[str], done: Any) -> None:
    """Fetch cards one after the other."""
    draw = random.Random()
    while not stop.is_set():
        _get(f"/v1/sends/{SEND}/users/{draw.choice(users)}/card?channel=email", done)


def silent(stop: Event, users: Sequence[str], done: Any) -> None:
    """Hold 16 connections: silent ones, half heads and half bodies; open them again when they are closed."""
    starts = [b"", b"GET /v1/popular HTT", b"POST /v1/slates HTTP/1.1\r\nHost: x\r\nContent-Length: 900000\r\n\r\n{"]
    while not stop.is_set():
        with ExitStack() as stack:
            for number in range(16):
                client = stack.enter_context(socket.create_connection(("127.0.0.1", PORT)))
                client.sendall(starts[number % len(starts)])
            stop.wait(5)


def large_body(stop: Event, users: Sequence[str], done: Any) -> None:
    """Send bodies of nearly 1 MiB that are refused only after they were read."""
    body = json.dumps({"user_ids": ["x" * 180 for _ in range(5000)], "placement": "nowhere"})
    while not stop.is_set():
        _post("/v1/recommendations", body, stop, done)


def full_of_rows(stop: Event, users: Sequence[str], done: Any) -> None:
    """Send events of 20 kB that unfold to 5,000 rows, each of which is refused: they name no item."""
    body = json.dumps({"client_id": "1", "events": [{"name": "view_item", "params": {"items": [{}] * 5000}}]})
    while not stop.is_set():
        _post("/v1/events", body, stop, done, EVENTS_KEY)


def console(stop: Event, users: Sequence[str], done: Any) -> None:
    """Log in, and open pages of the console one after the other."""
    draw, cookie = random.Random(), _logged_in()
    while not stop.is_set():
        for path in ("", "placements", "sends", "moments", f"shopper?user_id={draw.choice(users)}"):
            _get(f"/console/{path}", done, {"Cookie": cookie})


def compute(stop: Event, users: Sequence[str], done: Any) -> None:
    """Never call the service: read and write JSON, as callers do who are on this machine and not on another one."""
    while not stop.is_set():
        json.loads(json.dumps({"user_ids": ["x" * 180 for _ in range(5000)]}))
        _count(done)


MIXES: dict[str, Sequence[Beside]] = {
    "nothing": (),
    "8 that never call": (compute,) * 8,
    "2 bulks": (bulk,) * 2,
    "2 polls": (poll,) * 2,
    "4 card streams": (card,) * 4,
    "64 slow clients": (silent,) * 4,
    "8 × 1 MiB bodies": (large_body,) * 8,
    "8 × 5,000 rows in 20 kB": (full_of_rows,) * 8,
    "2 people at the console": (console,) * 2,
    "all of them": (*(bulk,) * 2, *(poll,) * 2, *(card,) * 4, *(silent,) * 4, *(large_body,) * 8, *(console,) * 2),
}


def _bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def _declare_send() -> None:
    body = json.dumps({"placement": "home", "limit": 6, "template": "weekly", "expires_at": "2199-01-01T00:00:00Z"})
    connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=60)
    connection.request("PUT", f"/v1/sends/{SEND}", body, _bearer(MESSAGES_KEY) | {"Content-Type": "application/json"})
    answer = connection.getresponse()
    answer.read()
    if answer.status not in (200, 201):
        raise RuntimeError(f"the send was answered {answer.status}")


def _logged_in() -> str:
    """Log in to the console; returns the cookie of the session."""
    connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=60)
    connection.request("GET", "/console/login")
    form = connection.getresponse()
    cookie, token = form.headers["Set-Cookie"].partition(";")[0], re.search(rb'name="form_token" value="(\w+)"', form.read())
    body = urlencode({"form_token": token[1].decode() if token else "", "key": CONSOLE_KEY})
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Cookie": cookie}
    connection.request("POST", "/console/login", body, headers)
    answer = connection.getresponse()
    answer.read()
    if answer.status != 303:
        raise RuntimeError(f"the login was answered {answer.status}")
    return str(answer.headers["Set-Cookie"]).partition(";")[0]


def _get(path: str, done: Any, headers: Mapping[str, str] = MappingProxyType(_bearer(MESSAGES_KEY))) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=60)
    try:
        connection.request("GET", path, headers=dict(headers))
        connection.getresponse().read()
        _count(done)
    except OSError:
        pass
    finally:
        connection.close()


def _post(path: str, body: str, stop: Event, done: Any, key: str = READ_KEY) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=60)
    try:
        connection.request("POST", path, body, _bearer(key) | {"Content-Type": "application/json"})
        answer = connection.getresponse()
        while not stop.is_set() and answer.read(65536):
            pass
        _count(done)
    except OSError:
        pass
    finally:
        connection.close()


def _count(done: Any) -> None:
    with done.get_lock():
        done.value += 1


def _quantile(times: Sequence[float], share: float) -> float:
    return statistics.quantiles(times, n=1000, method="inclusive")[round(share * 1000) - 1]


if __name__ == "__main__":
    sys.exit(main())
