"""Traffic since the service started, of all its workers, from the metrics that they keep in memory."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from recsys.web.http.metrics_board import Sample


@dataclass(frozen=True, slots=True)
class RouteTraffic:
    """One call: how often it was answered, with which errors, and how fast (seconds; None: slower than the last bound)."""

    route: str
    requests: int
    refused: int
    """Answers from 400 to 499."""
    failed: int
    """Answers from 500 on."""
    p50: float | None
    p95: float | None


@dataclass(frozen=True, slots=True)
class PlacementTraffic:
    """Lists of one placement, and the shares of them that a fallback had to complete or that came short of items."""

    placement: str
    lists: int
    fallback: float
    short: float


@dataclass(frozen=True, slots=True)
class Traffic:
    """All of it: `p95` seconds over all calls · `errors` nobody expected · `snapshot_age` seconds · `reload_failures` of workers."""

    requests: int
    failed: int
    errors: int
    p50: float | None
    p95: float | None
    routes: Sequence[RouteTraffic]
    placements: Sequence[PlacementTraffic]
    reload_failures: int
    unlogged: int

    @property
    def lists(self) -> int:
        """Lists answered."""
        return sum(each.lists for each in self.placements)

    def share_of_lists(self, name: str) -> float | None:
        """The share of all lists that `fallback` or `short` says of each placement; None: there was no list."""
        return sum(getattr(each, name) * each.lists for each in self.placements) / self.lists if self.lists else None


def traffic(samples: Iterable[Sample]) -> Traffic:
    """Sum samples up."""
    counts: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    statuses: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    buckets: dict[str, dict[float, float]] = defaultdict(lambda: defaultdict(float))
    for each in samples:
        labels = dict(each.labels)
        subject = labels.get("route") or labels.get("placement") or ""
        counts[each.name][subject] += each.value
        if each.name == "recsys_requests_total":
            statuses[subject][labels["status"]] += each.value
        elif each.name == "recsys_request_seconds_bucket":
            for key in (subject, ""):
                buckets[key][float(labels["le"])] += each.value
    requests = {route: round(total) for route, total in counts["recsys_requests_total"].items()}
    failed = {route: _starting(found, "5") for route, found in statuses.items()}
    return Traffic(
        requests=sum(requests.values()),
        failed=sum(failed.values()),
        errors=round(sum(counts["recsys_errors_total"].values())),
        p50=quantile(buckets[""], 0.5),
        p95=quantile(buckets[""], 0.95),
        routes=[
            RouteTraffic(
                route,
                requests[route],
                _starting(statuses[route], "4"),
                failed[route],
                quantile(buckets[route], 0.5),
                quantile(buckets[route], 0.95),
            )
            for route in sorted(requests, key=lambda route: -requests[route])
        ],
        placements=_placements(counts),
        reload_failures=round(sum(counts["recsys_snapshot_reload_failures_total"].values())),
        unlogged=round(sum(counts["recsys_slates_unlogged_total"].values())),
    )


def quantile(buckets: Mapping[float, float], share: float) -> float | None:
    """The seconds within which a share of calls was answered, straight between the bounds of a histogram; None: beyond the last."""
    bounds = sorted(buckets)
    total = buckets[bounds[-1]] if bounds else 0
    below, before = 0.0, 0.0
    for bound in bounds:
        if total and buckets[bound] >= share * total:
            if bound == float("inf"):
                return None
            return below + (bound - below) * (share * total - before) / max(buckets[bound] - before, 1e-9)
        below, before = bound, buckets[bound]
    return None


def _placements(counts: Mapping[str, Mapping[str, float]]) -> list[PlacementTraffic]:
    lists, fallbacks, short = (counts[f"recsys_{name}_total"] for name in ("slates", "fallbacks", "slates_short"))
    return [
        PlacementTraffic(name, round(lists[name]), fallbacks[name] / lists[name], short[name] / lists[name])
        for name in sorted(lists, key=lambda name: -lists[name])
        if lists[name]
    ]


def _starting(statuses: Mapping[str, float], digit: str) -> int:
    return round(sum(count for status, count in statuses.items() if status.startswith(digit)))
