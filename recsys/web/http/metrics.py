"""Prometheus metrics of the service; under gunicorn, of all workers together.

Counting is memory only: nothing that happens to a disk can touch an answer by way of its metrics.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics, generate_latest
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from recsys.web.http.metrics_board import MetricsBoard, Sample, merged

AGE = "recsys_snapshot_age_seconds"
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)
"""Bounds of the latency histogram."""
ROUTE = "recsys.route"
"""Where a request's environment names its call, for metrics and the access log: an address would hold user ids."""
NO_ROUTE = "other"
"""The route of requests that reach none of the declared calls; addresses would make a series each."""


class Metrics:
    """Everything that is counted, in a registry of its own."""

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]
        own = self._registry = CollectorRegistry()
        self.board = MetricsBoard()
        self._slot: int | None = None
        counter, gauge = partial(Counter, registry=own), partial(Gauge, registry=own)
        self._requests = counter("recsys_requests", "HTTP requests by route and status.", ("route", "status"))
        self._seconds = Histogram(
            "recsys_request_seconds", "Seconds to answer, by route.", ("route",), buckets=SECONDS, registry=own
        )
        self._errors = counter("recsys_errors", "Unexpected errors by route.", ("route",))
        self._fallbacks = counter(
            "recsys_fallbacks",
            "Slates that a fallback recommender had to complete, by placement and last fallback.",
            ("placement", "fallback"),
        )
        self._slates = counter("recsys_slates", "Slates answered, by placement.", ("placement",))
        self._short = counter(
            "recsys_slates_short", "Slates with fewer items than were asked for, by placement.", ("placement",)
        )
        self._reloads = counter("recsys_snapshot_reloads", "Snapshots taken live by a worker.")
        self._failures = counter("recsys_snapshot_reload_failures", "Snapshots that a worker could not take live.")
        self._unfetched = counter("recsys_snapshot_fetch_failures", "Looks into the object store of snapshots that failed.")
        self._lines = counter(
            "recsys_snapshot_line_failures", "Versions of snapshot lines that a worker could not rank with."
        )
        self._events = counter("recsys_events", "Live events by what became of them.", ("outcome",))
        self._slots = counter("recsys_slots", "Slot addresses answered, by part and what they led to.", ("part", "outcome"))
        self._exposed = counter(
            "recsys_exposures", "Shoppers first answered by an arm of an experiment.", ("experiment", "arm")
        )
        self._unlogged = counter("recsys_slates_unlogged", "Slates drawn for the slate log that were given up.")
        self._at_hand = counter("recsys_slates_at_hand", "Slates answered from memory because the live state was away.")
        self._age = gauge(AGE, "Age of the newest event in the snapshot, in the worker that is furthest behind.")
        self._workers = gauge("recsys_snapshot_workers", "Workers that serve this snapshot version.", ("version",))
        self._version: str | None = None
        self._observed: dict[tuple[str, int], tuple[Counter, Histogram]] = {}
        self._answered: dict[tuple[str, str | None, bool], tuple[Counter, ...]] = {}

    def request(self, route: str, status: int, seconds: float) -> None:
        """Count one request."""
        found = self._observed.get((route, status))
        if found is None:
            found = self._requests.labels(route, str(status)), self._seconds.labels(route)
            self._observed[route, status] = found
        found[0].inc()
        found[1].observe(seconds)

    def slate(self, placement: str, fallback: str | None, short: bool = False) -> None:
        """Count one slate and, where one was needed, its fallback; `short`: it has fewer items than were asked for."""
        counters = self._answered.get((placement, fallback, short))
        if counters is None:
            counters = (self._slates.labels(placement),)
            if fallback is not None:
                counters += (self._fallbacks.labels(placement, fallback),)
            if short:
                counters += (self._short.labels(placement),)
            self._answered[placement, fallback, short] = counters
        for counter in counters:
            counter.inc()

    def events(self, accepted: int, duplicates: int, rejected: int) -> None:
        """Count live events."""
        for outcome, count in (("accepted", accepted), ("duplicate", duplicates), ("rejected", rejected)):
            if count:
                self._events.labels(outcome).inc(count)

    def slot(self, part: str, outcome: str) -> None:
        """Count one answer of a slot address."""
        self._slots.labels(part, outcome).inc()

    def exposed(self, experiment: str, arm: str) -> None:
        """Count a shopper who was answered by an arm for the first time."""
        self._exposed.labels(experiment, arm).inc()

    def slate_at_hand(self) -> None:
        """Count one slate that was answered while the live state was away."""
        self._at_hand.inc()

    def unlogged(self, slates: int) -> None:
        """Count slates that were not logged."""
        self._unlogged.inc(slates)

    def error(self, route: str) -> None:
        """Count one unexpected error."""
        self._errors.labels(route).inc()

    def snapshot(self, version: str, age_seconds: float) -> None:
        """Say which snapshot this worker serves and how old it is."""
        if self._version not in (None, version):
            self._workers.remove(self._version)  # one series a version would grow for ever
        self._version = version
        self._workers.labels(version).set(1)
        self._age.set(age_seconds)

    def reloads(self, done: int, failed: int) -> None:
        """Count looks at CURRENT that took a snapshot live, and those that could not."""
        self._reloads.inc(done)
        self._failures.inc(failed)

    def fetch_failed(self) -> None:
        """Count a look into the object store that failed."""
        self._unfetched.inc()

    def line_failed(self) -> None:
        """Count a version of a snapshot line that cannot be used."""
        self._lines.inc()

    def use(self, slot: int | None) -> None:
        """Publish from now on in a slot of the board; call it in a worker that was just forked."""
        self._slot = slot

    def publish(self) -> None:
        """Show the other workers what was counted so far."""
        if self._slot is not None:
            self.board.publish(self._slot, self._own())

    def text(self) -> bytes:
        """All metrics in Prometheus' text format: those of all workers, as of their last `publish`."""
        if self._slot is None:
            return generate_latest(self._registry)
        together = CollectorRegistry()
        together.register(_Together(self.samples()))
        return generate_latest(together)

    def samples(self) -> list[Sample]:
        """All samples of all workers, as of their last `publish`."""
        if self._slot is None:
            return list(self._own())
        self.publish()
        return merged(self.board.samples(), (AGE,))

    def _own(self) -> Iterator[Sample]:
        for family in self._registry.collect():
            for each in family.samples:
                labels = tuple(each.labels.items())
                yield Sample(family.name, family.type, family.documentation, each.name, labels, each.value)


class _Together(Collector):
    """Samples of several workers as one family each."""

    def __init__(self, samples: Iterable[Sample]) -> None:
        self._families: dict[str, Metric] = {}
        for each in samples:
            family = self._families.setdefault(each.family, Metric(each.family, each.help, each.kind))
            family.add_sample(each.name, dict(each.labels), each.value)

    def collect(self) -> Iterator[Metric]:
        """The families, in the order in which they were declared."""
        yield from self._families.values()
