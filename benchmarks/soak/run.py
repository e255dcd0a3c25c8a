"""Run of a soak: a shop, the load on its service, and what happens to it meanwhile."""

from __future__ import annotations

import os
import shutil
import signal
import time
from contextlib import suppress
from datetime import UTC, datetime
from multiprocessing import get_context
from multiprocessing.context import SpawnProcess
from pathlib import Path

import msgspec

from benchmarks.http.service import Service, publish_fit
from benchmarks.soak.load import Load, Shop
from benchmarks.soak.processes import Sample, sample, workers
from recsys.settings.load import load_settings
from recsys.snapshot.retention import prune
from recsys.snapshot.store import current_version, open_snapshot, publish
from simulator import make_shop, shop_settings

KEYS = {scope: f"soak-{scope}-" + "k" * 40 for scope in ("read", "events", "messages", "admin")}
SEND = "soak"
KEPT = 5
"""Snapshots that stay on the disk."""
WARM_UP_SECONDS = 10
SAMPLE_SECONDS = 5


def prepare(folder: Path, users: int) -> Path:
    """Make and train a shop that ends now, with an empty log; returns its settings file."""
    shutil.rmtree(folder, ignore_errors=True)
    make_shop(folder / "data", users=users, end=datetime.now(UTC))
    settings = folder / "settings.toml"
    settings.write_text(shop_settings())
    publish_fit(load_settings(settings))
    return settings


def declared(service: Service, settings: Path) -> Shop:
    """Declare the send whose cards are asked for; returns what the load asks of."""
    artifacts = settings.parent / "artifacts"
    snapshot = open_snapshot(artifacts, current_version(artifacts) or "")
    users, items = snapshot.histories.users, snapshot.catalog.items
    shop = Shop(service.port, KEYS, [*map(users.text, range(len(users)))], [*map(items.text, range(len(items)))], SEND)
    send = {"placement": "home", "limit": 6, "template": "weekly", "expires_at": "2199-01-01T00:00:00Z"}
    messages = Service(service.pid, service.port, {"Authorization": f"Bearer {KEYS['messages']}"})
    if messages.ask("PUT", f"/v1/sends/{SEND}", send).status not in (200, 201):
        raise RuntimeError("the send was refused")
    return shop


def capacity(shop: Shop) -> float:
    """Measure how many calls of the mix are answered in a second when callers wait for nothing but answers."""
    load = Load(shop, float("inf"), seed=-1)
    load.start()
    time.sleep(WARM_UP_SECONDS)
    before = sum(load.tally.outcomes.values())
    time.sleep(WARM_UP_SECONDS)
    answered = sum(load.tally.outcomes.values()) - before
    load.stop()
    return answered / WARM_UP_SECONDS


class Soak:
    """A run: the service, its load, and what was seen of its processes."""

    def __init__(self, service: Service, settings: Path, load: Load) -> None:
        self.service, self.load = service, load
        self.samples: dict[str, list[Sample]] = {"the master": [], "the oldest worker": []}
        self.published, self.failed, self.kills, self.seconds = 0, 0, 0, 0.0
        self._settings = settings
        self._publisher: SpawnProcess | None = None

    def run(self, seconds: float, kill_every: float, publish_every: float, train_every: int) -> None:
        """Do so for so long; what is due is looked for once a second."""
        self.load.start()
        began = last_kill = last_publish = last_sample = time.perf_counter()
        oldest = workers(self.service.pid)[0]
        while (now := time.perf_counter()) - began < seconds:
            if now - last_sample >= SAMPLE_SECONDS:
                last_sample = now
                self._sample(oldest)
            if now - last_publish >= publish_every:
                last_publish = now
                self._publish(train=(self.published + 1) % train_every == 0)
            if now - last_kill >= kill_every:
                last_kill = now
                self._kill()
            time.sleep(1)
        self.load.stop()
        self._published()
        self.seconds = time.perf_counter() - began

    def _sample(self, oldest: int) -> None:
        self.samples["the master"].append(sample(self.service.pid))
        self.samples["the oldest worker"].append(sample(oldest))

    def _kill(self) -> None:
        """Kill the youngest worker; the oldest lives as long as the run."""
        found = workers(self.service.pid)
        if len(found) > 1:
            self.load.tally.kills.append(time.perf_counter())
            with suppress(ProcessLookupError):
                os.kill(found[-1], signal.SIGKILL)
                self.kills += 1

    def _publish(self, train: bool) -> None:
        if self._publisher is not None and self._publisher.is_alive():
            return  # a training that takes longer than a minute
        self._published()
        self.published += 1
        self._publisher = get_context("spawn").Process(target=train_anew if train else publish_again, args=(self._settings,))
        self._publisher.start()

    def _published(self) -> None:
        if self._publisher is not None:
            self._publisher.join()
            self.failed += self._publisher.exitcode != 0
            self._publisher = None


def train_anew(settings: Path) -> None:
    """Train on the shop's tables and the log, as `make train` does, and publish; it gives way to the service."""
    os.nice(19)
    publish_fit(load_settings(settings))
    prune(settings.parent / "artifacts", KEPT)


def publish_again(settings: Path) -> None:
    """Publish what is served under a new version."""
    artifacts = settings.parent / "artifacts"
    snapshot = open_snapshot(artifacts, current_version(artifacts) or "")
    _, _, learned = snapshot.version.partition("-")
    version = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{learned}"
    publish(artifacts, msgspec.structs.replace(snapshot.manifest, version=version), snapshot.groups)
    prune(artifacts, KEPT)
