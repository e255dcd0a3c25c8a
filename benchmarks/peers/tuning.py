"""Each peer's settings, drawn at random from a stated space and chosen on the validation window."""

from __future__ import annotations

import math
import time
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from importlib.util import find_spec
from itertools import product
from pathlib import Path
from typing import TypeAlias

import msgspec
import numpy as np

from benchmarks.peers import libraries, models
from benchmarks.peers.inputs import Drawn, Inputs, Scorer, Setting
from recsys.disk import write_whole
from training.evaluation.evaluate import Task


class Range(msgspec.Struct, frozen=True):
    """Drawn evenly on a logarithmic scale, rounded to three digits."""

    low: float
    high: float


Space: TypeAlias = Mapping[str, Range | tuple[Setting, ...]]


@dataclass(frozen=True)
class Peer:
    """A model, the space that its settings are drawn from, and the package that it is taken from (empty: a paper)."""

    fit: Callable[[Inputs, Drawn], Scorer]
    space: Space
    package: str = ""

    @property
    def installed(self) -> bool:
        """Tell whether its package is here."""
        return not self.package or find_spec(self.package) is not None


_KINDS: Space = {"purchases_only": (False, True)}
_WINDOW: Space = {"window_days": (0, 30, 60, 120, 240), **_KINDS}
_DECAYED: Space = {"half_life_days": (0, 15, 30, 60, 120, 240), "power": (0.5, 1.0), **_KINDS}
_FACTORS = (32, 64, 128)

PEERS: Mapping[str, Peer] = {
    "popularity": Peer(models.popularity, {"window_days": (1, 7, 14, 28)}),
    "personal_frequency": Peer(
        models.personal_frequency,
        {
            "half_life_days": (0, 30, 60, 120, 240, 365),
            "popularity_days": (1, 7, 14, 28),
            "popularity_weight": Range(0.01, 1),
        },
    ),
    "ease": Peer(models.ease, {**_DECAYED, "regularization": Range(1, 1000)}),
    "rp3beta": Peer(models.rp3beta, {**_DECAYED, "alpha": Range(0.3, 2), "beta": tuple(tenths / 10 for tenths in range(7))}),
    "implicit_als": Peer(
        libraries.implicit_als,
        {
            **_DECAYED,
            "factors": _FACTORS,
            "regularization": Range(0.01, 10),
            "alpha": Range(0.5, 50),
            "iterations": (15,),
        },
        "implicit",
    ),
    "implicit_bpr": Peer(
        libraries.implicit_bpr,
        {
            **_WINDOW,
            "factors": _FACTORS,
            "learning_rate": Range(0.005, 0.2),
            "regularization": Range(0.001, 0.1),
            "iterations": (50, 100),
        },
        "implicit",
    ),
    "implicit_bm25": Peer(
        libraries.implicit_bm25,
        {**_DECAYED, "k": (20, 50, 100, 200, 500), "k1": Range(0.1, 200), "b": (0.0, 0.1, 0.25, 0.5, 0.75)},
        "implicit",
    ),
    "lenskit_item_knn": Peer(libraries.lenskit_item_knn, {**_WINDOW, "max_nbrs": (5, 10, 20, 50, 100, 200)}, "lenskit"),
    "lenskit_implicit_mf": Peer(
        libraries.lenskit_implicit_mf,
        {
            **_DECAYED,
            "embedding_size": (16, 32, 64),
            "weight": Range(0.5, 50),
            "regularization": Range(0.01, 10),
            "epochs": (10,),
        },
        "lenskit",
    ),
}
"""Every peer by name."""


class Trial(msgspec.Struct, frozen=True):
    """One draw, its NDCG@10 on each task of the validation window, and the seconds that fitting and ranking took."""

    settings: dict[str, Setting]
    ndcg10: dict[Task, float]
    seconds: float


class Trials(msgspec.Struct):
    """Trials kept between runs; `question` tells which data, window and space it was asked on."""

    question: str
    trials: list[Trial]


def drawn(name: str, space: Space, trials: int, seed: int) -> list[dict[str, Setting]]:
    """The first `trials` distinct draws of a peer; all combinations where there are no more than that."""
    listed = [values for values in space.values() if not isinstance(values, Range)]
    if len(listed) == len(space) and math.prod(map(len, listed)) <= trials:
        return [dict(zip(space, chosen, strict=True)) for chosen in product(*listed)]
    rng = np.random.default_rng([seed, zlib.crc32(name.encode())])
    draws: list[dict[str, Setting]] = []
    while len(draws) < trials:
        draw = _draw(space, rng)
        if draw not in draws:
            draws.append(draw)
    return draws


def _draw(space: Space, rng: np.random.Generator) -> dict[str, Setting]:
    settings: dict[str, Setting] = {}
    for name, values in space.items():
        if isinstance(values, Range):
            settings[name] = float(f"{math.exp(rng.uniform(math.log(values.low), math.log(values.high))):.3g}")
        else:
            settings[name] = values[int(rng.integers(len(values)))]
    return settings


def space_of(peer: Peer, other_events: bool) -> Space:
    """The peer's space; a shop that knows nothing but purchases has no choice of events."""
    return {name: values for name, values in peer.space.items() if other_events or name not in _KINDS}


def tune(
    name: str,
    space: Space,
    trials: int,
    seed: int,
    file: Path,
    data: str,
    measure: Callable[[Drawn], dict[Task, float]],
    progress: Callable[[int, int], None],
) -> tuple[dict[Task, Trial], int]:
    """Measure every draw that `file` does not hold yet; returns the best trial of each task, and how many there were.

    `data` names the tables and the window; a file that was asked on others, or on another space, is begun anew.
    """
    question = blake2b(msgspec.json.encode((name, data, seed, space)), digest_size=12).hexdigest()
    kept = _read(file, question)
    known = {msgspec.json.encode(trial.settings): trial for trial in kept.trials}
    wanted = drawn(name, space, trials, seed)
    done: list[Trial] = []
    for number, settings in enumerate(wanted):
        progress(number, len(wanted))
        trial = known.get(msgspec.json.encode(settings))
        if trial is None:
            started = time.perf_counter()
            trial = Trial(settings, measure(settings), round(time.perf_counter() - started, 2))
            kept.trials.append(trial)
            _write(file, kept)
        done.append(trial)
    progress(len(wanted), len(wanted))
    return {task: max(done, key=lambda trial: trial.ndcg10[task]) for task in done[0].ndcg10}, len(done)


def _read(file: Path, question: str) -> Trials:
    if file.exists():
        kept = msgspec.json.decode(file.read_bytes(), type=Trials)
        if kept.question == question:
            return kept
    return Trials(question, [])


def _write(file: Path, kept: Trials) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    with write_whole(file) as aside:
        aside.write_bytes(msgspec.json.format(msgspec.json.encode(kept), indent=1))
