"""A run of accidents to an installation: each kind of accident in turn, and new snapshots, under load."""

from __future__ import annotations

import os
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path

import msgspec

from benchmarks.chaos.cluster import Cluster, Node
from benchmarks.chaos.network import DATABASES
from recsys.live.postgres.migrations import migrate
from recsys.settings.load import load_settings
from recsys.snapshot.mirror import mirror_of
from recsys.snapshot.store import current_version, open_snapshot, publish
from tests.support.servers.running import ROOT
from training.gate.gate import gate_of
from training.job.job import train

STORE_AWAY_SECONDS = 15.0
NETWORK_AWAY_SECONDS = 8.0
SETTLING_SECONDS = 5.0
"""Between two steps of an upgrade, with calls all the while."""
TRAIN_EVERY = 10
ACCIDENTS = ("roll", "kill_a_node", "kill_the_database", "fail_over", "cut_the_store", "freeze_the_database")
CUTS = ("cut_a_node", "cut_the_database")
"""Accidents that need namespaces."""


@dataclass
class Chaos:
    """A run over an installation; the same seed has the same accidents in the same order."""

    cluster: Cluster
    settings: Path
    accidents: Sequence[str]
    seed: int = 20
    happened: Counter[str] = field(default_factory=Counter)
    failed: list[str] = field(default_factory=list)
    away: list[tuple[float, float]] = field(default_factory=list)
    """From when to when, on the load's clock, the database was away."""

    def run(self, seconds: float, pause: float, publish_every: float) -> None:
        """Let accidents happen one after the other with pauses, and publish meanwhile, for so long."""
        end = time.perf_counter() + seconds
        self.upgrade()
        publisher = threading.Thread(target=self._publish, args=(end, publish_every))
        publisher.start()
        draw, kinds = random.Random(self.seed), list[Callable[[random.Random], None]]()
        while time.perf_counter() < end:
            if not kinds:
                kinds = [getattr(self, name) for name in self.accidents]
                draw.shuffle(kinds)
            accident = kinds.pop()
            try:
                accident(draw)
            except Exception as error:
                self.failed.append(f"{accident.__name__}: {error}")
            self.happened[accident.__name__.replace("_", " ")] += 1
            time.sleep(pause)
        publisher.join()

    def upgrade(self) -> None:
        """Bring the database and each node of another version to this one, as docs/operations.md says, if there are any."""
        old = [node for node in self.cluster.nodes if node.code != ROOT]
        if old:
            time.sleep(SETTLING_SECONDS)
            self.happened["migrations"] = len(migrate(self.cluster.address))
            time.sleep(SETTLING_SECONDS)
        for node in old:
            node.stop()
            node.code = ROOT
            node.start()
            self.happened["upgraded"] += 1
            time.sleep(SETTLING_SECONDS)
        if old and _done(train_anew, self.settings) == 0:
            self.happened["trained by the new version"] += 1

    def cut_a_node(self, draw: random.Random) -> None:
        """Pull the cable of a node for some seconds."""
        place = draw.choice(self.cluster.nodes).place
        assert place is not None
        place.cut()
        time.sleep(NETWORK_AWAY_SECONDS)
        place.mend()

    def cut_the_database(self, draw: random.Random) -> None:
        """Have nothing that nodes send to the databases arrive for some seconds."""
        began = time.perf_counter()
        places = [node.place for node in self.cluster.nodes if node.place]
        for place in places:
            for address in DATABASES:
                place.lose(address)
        time.sleep(NETWORK_AWAY_SECONDS)
        for place in places:
            for address in DATABASES:
                place.find(address)
        self.away.append((began, time.perf_counter()))

    def roll(self, draw: random.Random) -> None:
        """Restart every node in order, one after the other, as an upgrade does."""
        for node in self.cluster.nodes:
            node.stop()
            node.start()

    def kill_a_node(self, draw: random.Random) -> None:
        """Kill a node with its workers; another machine takes its place seconds later, every third time with an empty disk."""
        node: Node = draw.choice(self.cluster.nodes)
        node.kill()
        if draw.random() < 1 / 3:
            node.lose_its_disk()
        time.sleep(draw.uniform(1, 4))
        node.start()

    def kill_the_database(self, draw: random.Random) -> None:
        """Kill the server of the database, and start it again seconds later."""
        began = time.perf_counter()
        self.cluster.database.primary.kill()
        time.sleep(draw.uniform(2, 10))
        self.cluster.database.primary.start()
        self.away.append((began, time.perf_counter()))

    def fail_over(self, draw: random.Random) -> None:
        """Kill the server that writes; its standby takes over seconds later, and a new standby follows that one."""
        began = time.perf_counter()
        self.cluster.database.primary.kill()
        time.sleep(draw.uniform(1, 4))
        self.cluster.database.promote()
        self.away.append((began, time.perf_counter()))
        time.sleep(draw.uniform(1, 4))
        self.cluster.database.follow()

    def freeze_the_database(self, draw: random.Random) -> None:
        """Have the database say nothing at all for some seconds, as behind a cut network."""
        began = time.perf_counter()
        self.cluster.database.primary.freeze()
        time.sleep(NETWORK_AWAY_SECONDS)
        self.cluster.database.primary.thaw()
        self.away.append((began, time.perf_counter()))

    def cut_the_store(self, draw: random.Random) -> None:
        """Have the object store be out of reach."""
        self.cluster.store.close_door()
        time.sleep(STORE_AWAY_SECONDS)
        self.cluster.store.open_door()

    def _publish(self, end: float, every: float) -> None:
        number = 0
        while time.perf_counter() < end:
            number += 1
            work = train_anew if number % TRAIN_EVERY == 0 else publish_again
            self.happened[
                "published" if _done(work, self.settings) == 0 else "publishing failed while something was away"
            ] += 1
            time.sleep(every)


def _done(work: Callable[[Path], None], settings: Path) -> int | None:
    """Do something in a process of its own; returns its exit code."""
    process = get_context("spawn").Process(target=work, args=(settings,))
    process.start()
    process.join()
    return process.exitcode


def train_anew(settings: Path) -> None:
    """Train with what the log holds by now and publish, whatever the gate says: a shop that hardly changed proves nothing to it."""
    os.nice(19)
    loaded, now = load_settings(settings), datetime.now(UTC)
    train(loaded, now=now, gate=gate_of(loaded, now, "a run of chaos"))


def publish_again(settings: Path) -> None:
    """Publish what serves under a new version."""
    loaded = load_settings(settings)
    mirror, artifacts = mirror_of(loaded), loaded.artifacts
    if mirror is None:
        raise ValueError(f"{settings} names no object store")
    base = mirror.fetch_all()
    snapshot = open_snapshot(artifacts, current_version(artifacts) or "")
    _, _, learned = snapshot.version.partition("-")
    manifest = msgspec.structs.replace(snapshot.manifest, version=f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{learned}")

    def announce(version: str) -> None:
        mirror.remote.upload(artifacts, version)
        mirror.remote.announce(version, base)

    publish(artifacts, manifest, snapshot.groups, announce=announce)
