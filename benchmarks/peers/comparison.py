"""One shop's comparison: our blend and recommenders as evaluation asks them, every peer tuned, all measured on one window."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from benchmarks.peers.inputs import Drawn
from benchmarks.peers.shops import Questions, Shop, ask
from benchmarks.peers.tuning import PEERS, Peer, space_of, tune
from recsys.engine.pipeline import Engine
from recsys.recommenders import RECOMMENDERS
from recsys.settings import Settings
from training.evaluation.evaluate import TASKS, Subject, Task, judge, with_subjects
from training.evaluation.metrics import METRICS, Bootstrap, Values
from training.gate.snapshot_checks import BLEND
from training.job.job import Steps, learn

Bar = Callable[[str, str], Any]
"""Makes a progress bar, given a title and a unit (`training.console.bar`)."""


class ScoreRow(msgspec.Struct, frozen=True, kw_only=True):
    """One model on one task of one shop: means over `users` with 95 % intervals."""

    shop: str
    window: str
    task: Task
    model: str
    ours: bool
    ndcg10: tuple[float, float, float]
    recall20: tuple[float, float, float]
    hit10: tuple[float, float, float]
    mrr: tuple[float, float, float]
    blend_minus: tuple[float, float, float] | None
    """NDCG@10 of our blend minus this model's, paired over the users; none for the blend itself."""
    users: int
    fit_seconds: float
    trials: int
    """Draws that the settings were chosen from; 0: as the shop's settings say."""
    settings: dict[str, Any]
    versions: dict[str, str]


Found = dict[Task, dict[str, Values]]
"""Per task and metric one value per user."""


@dataclass(frozen=True)
class Sheet:
    """One window of a shop, where every model gets its rows: the same users, the same resamples, the same blend to compare with."""

    shop: Shop
    settings: Settings
    questions: Questions
    blend: Found

    def row(
        self,
        model: str,
        task: Task,
        values: Mapping[str, Values],
        fit_seconds: float,
        settings: Mapping[str, Any],
        **more: Any,
    ) -> ScoreRow:
        """Measure one model on one task."""
        warm = self.questions.warm(task)
        bootstrap = Bootstrap(len(warm), self.settings.evaluation.resamples, self.settings.seed)
        intervals = {name: _rounded(bootstrap.interval(values[name], warm)) for name in METRICS}
        difference = bootstrap.interval(self.blend[task]["ndcg10"] - values["ndcg10"], warm)
        return ScoreRow(
            shop=self.shop.name,
            window=str(self.questions.examination.split.fold),
            task=task,
            model=model,
            blend_minus=None if model == BLEND.name else _rounded(difference),
            users=int(warm.sum()),
            fit_seconds=round(fit_seconds, 2),
            settings=dict(settings),
            ndcg10=intervals["ndcg10"],
            recall20=intervals["recall20"],
            hit10=intervals["hit10"],
            mrr=intervals["mrr"],
            **more,
        )


def compare(
    shop: Shop,
    models: Sequence[str],
    trials: int,
    validation: bool,
    out: Path,
    bar: Bar,
    keep: Callable[[list[ScoreRow]], None],
) -> None:
    """Measure ours, then tune and measure each of `models`; `keep` is handed the rows of each as soon as they are there.

    Settings are chosen on the validation window; `validation` measures there too, and never reads the test window.
    """
    with bar(f"{shop.name}: reading", "tables") as progress:
        progress(0, 2)
        settings = shop.settings(out)
        chosen_on = ask(settings, shop.window(validation=True))
        progress(1, 2)
        asked = chosen_on if validation else ask(settings, shop.window(validation=False))
    sheet, own = _ours(shop, settings, asked, bar)
    keep(own)
    for name in models:
        keep(_peer(name, PEERS[name], sheet, chosen_on, trials, out, bar))


def _ours(shop: Shop, settings: Settings, asked: Questions, bar: Bar) -> tuple[Sheet, list[ScoreRow]]:
    """The blend and every recommender alone, through `training.evaluation.evaluate`."""
    examination, steps = asked.examination, Steps()
    with bar(f"{shop.name}: ours", "lists") as progress:
        fitted = learn(examination.split.prepared, settings, now=examination.split.fold.until, steps=steps)
        engine = Engine(fitted.snapshot(), with_subjects(settings))
        judged = judge(engine, examination, [BLEND, *(Subject("recommender", name) for name in RECOMMENDERS)], progress)
    blend = {task: judged[task].values[BLEND] for task in TASKS}
    sheet, found = Sheet(shop, settings, asked, blend), []
    for task in TASKS:
        for subject, values in judged[task].values.items():
            names = list(RECOMMENDERS) if subject == BLEND else [subject.name]
            seconds = sum(fitted.seconds[f"fit {name}"] for name in names)
            said = settings.blend if subject == BLEND else fitted.manifest.recommenders[subject.name]
            details = {"ours": True, "trials": 0, "versions": _versions("numpy")}
            found.append(sheet.row(subject.name, task, values, seconds, msgspec.to_builtins(said), **details))
    return sheet, found


def _peer(name: str, peer: Peer, sheet: Sheet, chosen_on: Questions, trials: int, out: Path, bar: Bar) -> list[ScoreRow]:
    """Tune a peer, fit each task's best settings as of the window, and measure them."""

    def ndcg(settings: Drawn) -> dict[Task, float]:
        found = chosen_on.measure(peer.fit(chosen_on.inputs, settings))
        return {task: float(np.mean(values["ndcg10"][chosen_on.warm(task)])) for task, values in found.items()}

    file = out / "peers-trials" / f"{sheet.shop.name}-{name}.json"
    space = space_of(peer, chosen_on.other_events)
    with bar(f"{sheet.shop.name}: {name}", "trials") as progress:
        best, tried = tune(name, space, trials, chosen_on.inputs.seed, file, chosen_on.data(), ndcg, progress)
    measured: dict[str, tuple[float, Found]] = {}
    found = []
    for task in TASKS:
        settings = best[task].settings
        key = repr(settings)
        if key not in measured:
            started = time.perf_counter()
            scorer = peer.fit(sheet.questions.inputs, settings)
            measured[key] = time.perf_counter() - started, sheet.questions.measure(scorer)
        seconds, values = measured[key]
        details = {"ours": False, "trials": tried, "versions": _versions(peer.package or "numpy")}
        found.append(sheet.row(name, task, values[task], seconds, settings, **details))
    return found


def _rounded(values: Sequence[float]) -> tuple[float, float, float]:
    mean, low, high = (round(value, 5) for value in values)
    return mean, low, high


def _versions(package: str) -> dict[str, str]:
    return {"python": platform.python_version(), package: version(package)}
