"""Tuning: settings of every recommender and of behaviour, then the blend's weights, chosen on folds before the test window.

Each recommender is tuned alone, on both tasks at once where it can answer both: its value is the geometric mean of their NDCG@10,
so that a tenth gained on either counts the same. The search is Optuna's TPE, kept in a journal file, so that an interrupted run goes
on where it stopped. The outcome is a TOML file that `make train` and the service lay over the shop's settings.
"""

from __future__ import annotations

import time
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import optuna
import tomli_w
from msgspec import inspect
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from recsys.disk import write_whole
from recsys.engine.pipeline import Engine
from recsys.live.erasure import ErasureKeys
from recsys.recommenders import RECOMMENDERS, configure
from recsys.settings import BehaviourSettings, Settings
from recsys.snapshot.store import content_hash
from recsys.types import Arrays, DataError
from training.evaluation.blend_weights import MIN_USERS, Learned, learn_blend
from training.evaluation.evaluate import TASKS, Examination, Subject, Task, ask, examine, fit_for
from training.evaluation.metrics import per_user
from training.evaluation.split import Split, folds_before, last_orders, split

BEHAVIOUR = "behaviour"
BEHAVIOUR_SETTINGS = ("view_weight", "cart_weight")
"""What is tuned of behaviour: the weights beside that of a purchase."""
BLEND = "blend"
_BLEND_SHARE = 0.25
"""Share of the time that is kept for the blend."""
_REACH = 10.0
"""Settings are tried from a tenth to ten times their default, within their bounds."""

Notify = Callable[[str, int, int, float], None]
"""Told the name of a study, its trials done and wanted, and the best value so far."""


@dataclass
class Study:
    """One search: the geometric mean of the tasks' NDCG@10 on the validation folds before and after, over so many trials."""

    name: str
    tasks: tuple[Task, ...]
    trials: int = 0
    before: float = 0.0
    after: float = 0.0
    wanted: int = 0
    """Trials that it was to have; 0: there is nothing to search for."""
    chosen: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Tuned:
    """The outcome: the settings, what each study found, and the blend."""

    settings: Settings
    studies: tuple[Study, ...]
    learned: Learned
    folds: tuple[str, ...]


class Tuner:
    """Folds read once, and fits shared between trials that differ in one recommender only."""

    def __init__(
        self,
        settings: Settings,
        end: datetime,
        now: datetime,
        journal: Path,
        erasure_keys: ErasureKeys | None = None,
        last_before: datetime | None = None,
    ) -> None:
        """Read the folds that end at `end`: nothing from then on is looked at, unless hardly anybody is in them. Then everybody's last
        order before `last_before` is held back in their place, if it is given.

        Raises:
            DataError: if a table cannot be read or is too wrong, or there is nobody to choose on.
        """
        chosen = settings.evaluation
        self._now = now
        cuts = [
            split(settings, fold, now, erasure_keys=erasure_keys) for fold in folds_before(end, chosen.days, chosen.folds)
        ]
        if sum(map(_known_users, cuts)) < MIN_USERS and last_before:
            last = last_orders(settings, last_before, now, erasure_keys)
            cuts = cuts if last is None else [last]
        if not any(map(_known_users, cuts)):
            windows = ", ".join(str(cut.fold) for cut in cuts)
            raise DataError(f"nobody who was known before bought in {windows}: there is nothing to choose settings on")
        self.folds = [cut.fold for cut in cuts]
        self._examined = [examine(cut, chosen, settings.seed) for cut in cuts]
        self._known: list[dict[bytes, Arrays]] = [{} for _ in self.folds]
        journal.parent.mkdir(parents=True, exist_ok=True)
        self._storage = JournalStorage(JournalFileBackend(str(journal)))
        self._data = content_hash({}, [_fingerprint(each) for each in self._examined])

    def engines(self, settings: Settings, keep: bool = False) -> list[tuple[Engine, Examination]]:
        """Fit these settings on every fold; `keep` what was fitted for the next ones."""
        return [
            (fit_for(examined, settings, self._now, known if keep else dict(known)), examined)
            for examined, known in zip(self._examined, self._known, strict=True)
        ]

    def ndcg(self, settings: Settings, subject: Subject, tasks: Sequence[Task], keep: bool = False) -> Mapping[Task, float]:
        """Mean NDCG@10 of a subject by task, over the folds' known users."""
        means: dict[Task, list[float]] = {task: [] for task in tasks}
        for engine, examined in self.engines(settings, keep):
            for task in tasks:
                truth = examined.truths[task]
                warm = np.array([len(engine.snapshot.histories.of(user)) > 0 for user in truth.users], bool)
                values = per_user(ask(engine, examined, subject, task).items, truth, engine.catalog.n_items)["ndcg10"]
                means[task].append(float(values[warm].mean()) if warm.any() else 0.0)
        return {task: float(np.mean(values)) for task, values in means.items()}

    def study(self, settings: Settings, name: str, trials: int, until: float, notify: Notify) -> tuple[Settings, Study]:
        """Tune one recommender, or behaviour, until a moment (`time.monotonic`): no trial begins after it, and no study. Returns the
        settings with what was found, unless nothing beats what there was."""
        if time.monotonic() >= until:
            return settings, Study(name, (), wanted=trials)
        subject = Subject("blend", "blend") if name == BEHAVIOUR else Subject("recommender", name)
        found = {task: value for task, value in self.ndcg(settings, subject, tuple(TASKS), keep=True).items() if value > 0}
        tasks, before = tuple(found), geometric_mean(found.values())
        done = Study(name, tasks, 0, before, before)
        if not tasks:
            return settings, done
        now = current(settings, name)
        search = space(name, now)
        asked = (self._data, name, tasks, sorted(search), _others(settings, name))
        digest = sha256(msgspec.json.encode(asked)).hexdigest()[:16]
        study = optuna.create_study(
            study_name=f"{name}-{digest}",
            storage=self._storage,
            sampler=optuna.samplers.TPESampler(seed=settings.seed),
            direction="maximize",
            load_if_exists=True,
        )
        if not study.trials:
            defaults = current(Settings(), name)
            study.enqueue_trial({key: now[key] for key in search})
            study.enqueue_trial({key: defaults[key] for key in search})
        while _finished(study) < trials and time.monotonic() < until:
            trial = study.ask()
            tried = {key: suggest(trial) for key, suggest in search.items()}
            values = self.ndcg(with_values(settings, name, tried), subject, tasks)
            study.tell(trial, geometric_mean(values.values()))
            notify(name, _finished(study), trials, study.best_value)
        done.trials, done.wanted = _finished(study), trials
        if done.trials and study.best_value > before:
            done.after, done.chosen = study.best_value, rounded(study.best_params)
            return with_values(settings, name, done.chosen), done
        return settings, done

    def blend(self, settings: Settings, without: Sequence[str], until: float) -> Learned:
        """Learn the blend's weights over all recommenders but those left out, until a moment; after it none are."""
        chosen, names = settings.evaluation, [name for name in RECOMMENDERS if name not in without]
        if time.monotonic() >= until:
            return Learned(blend=settings.blend, ndcg10={}, before={}, users={}, contributions=())
        rounds = self.engines(settings, keep=True)
        return learn_blend(
            rounds, names, settings.blend, chosen.resamples, settings.seed, lambda: max(until - time.monotonic(), 0.0)
        )


def tune(
    settings: Settings,
    end: datetime,
    now: datetime,
    journal: Path,
    *,
    only: Sequence[str] = (),
    without: Sequence[str] = (),
    trials: int = 25,
    minutes: float = 30,
    notify: Notify = lambda _name, _done, _of, _best: None,
    erasure_keys: ErasureKeys | None = None,
    last_before: datetime | None = None,
) -> Tuned:
    """Tune recommenders and behaviour one after the other, then learn the blend, all on folds before `end`, or on everybody's last
    order before `last_before` where hardly anybody is in these.

    `only` names the studies to run (recommenders, `behaviour`; `blend` alone runs none); the recommenders `without` are left out
    of the blend, for instance als where the catalogue is large and it costs milliseconds. The `minutes` hold for everything, reading
    and the blend too: three quarters are shared by the studies, the blend has the rest. Only what is under way when they end is
    finished: a trial, or a fit.

    Raises:
        DataError: if a table cannot be read or is too wrong, or there is nobody to choose on.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    started = time.monotonic()
    tuner = Tuner(settings, end, now, journal, erasure_keys, last_before)
    wanted = [name for name in (*RECOMMENDERS, BEHAVIOUR) if (not only or name in only) and space(name)]
    studies, until = [], started + minutes * 60
    for place, name in enumerate(wanted):
        left = until - minutes * 60 * _BLEND_SHARE - time.monotonic()
        settings, found = tuner.study(settings, name, trials, time.monotonic() + left / (len(wanted) - place), notify)
        studies.append(found)
    notify(BLEND, 0, 1, 0.0)
    learned = tuner.blend(settings, without, until)
    settings = msgspec.structs.replace(settings, blend=learned.blend)
    return Tuned(settings, tuple(studies), learned, tuple(str(fold) for fold in tuner.folds))


def space(name: str, now: Mapping[str, Any] | None = None) -> dict[str, Callable[[optuna.Trial], Any]]:
    """Return what is tried for each setting of a recommender, read from its type, bounds and default, and as wide as to hold what it
    is `now`; settings marked `tuned: False` (costs, not accuracy) stay as they are."""
    struct: type[msgspec.Struct] = BehaviourSettings if name == BEHAVIOUR else RECOMMENDERS[name].Settings
    described = inspect.type_info(struct)
    assert isinstance(described, inspect.StructType)
    search = {}
    for each in described.fields:
        kind: inspect.Type = each.type
        extra: Mapping[str, Any] = {}
        if isinstance(kind, inspect.Metadata):
            extra = kind.extra or {}
            kind = kind.type
        if extra.get("tuned", True) and (name != BEHAVIOUR or each.name in BEHAVIOUR_SETTINGS):
            suggest = _suggestion(each.name, kind, each.default, (now or {}).get(each.name, each.default))
            if suggest:
                search[each.name] = suggest
    return search


def _suggestion(name: str, kind: inspect.Type, default: Any, now: Any) -> Callable[[optuna.Trial], Any] | None:
    if isinstance(kind, inspect.LiteralType):
        return lambda trial: trial.suggest_categorical(name, list(kind.values))
    if isinstance(kind, inspect.BoolType):
        return lambda trial: trial.suggest_categorical(name, [False, True])
    if isinstance(kind, inspect.FloatType) and kind.le == 1:
        return lambda trial: trial.suggest_float(name, 0.0, 1.0)
    if isinstance(kind, inspect.IntType | inspect.FloatType) and default > 0:
        low = max(min(default / _REACH, now), kind.ge or 0, kind.gt or 0)
        high = min(max(default * _REACH, now), kind.le or np.inf)
        if isinstance(kind, inspect.IntType):
            return lambda trial: trial.suggest_int(name, max(round(low), 1), round(high), log=True)
        return lambda trial: trial.suggest_float(name, low, high, log=True)
    return None


def current(settings: Settings, name: str) -> dict[str, Any]:
    """The settings of a recommender, or of behaviour, as they are."""
    chosen = settings.behaviour if name == BEHAVIOUR else configure(settings.recommenders)[name]
    return msgspec.structs.asdict(chosen)


def with_values(settings: Settings, name: str, values: Mapping[str, Any]) -> Settings:
    """The settings with some of a recommender's, or of behaviour's, replaced."""
    if name == BEHAVIOUR:
        return msgspec.structs.replace(settings, behaviour=msgspec.structs.replace(settings.behaviour, **values))
    own = {**settings.recommenders.get(name, {}), **values}
    return msgspec.structs.replace(settings, recommenders={**settings.recommenders, name: own})


def geometric_mean(values: Iterable[float]) -> float:
    """The n-th root of the product of n values ≥ 0; of none it is 0."""
    found = np.array(list(values), np.float64)
    return float(found.prod() ** (1 / len(found))) if len(found) else 0.0


def rounded(values: Mapping[str, Any]) -> dict[str, Any]:
    """Three significant digits are plenty."""
    return {key: float(f"{value:.3g}") if isinstance(value, float) else value for key, value in values.items()}


def write_tuned(file: Path, tuned: Tuned) -> None:
    """Write what was found as TOML, whole or not at all, with how it was found on top; what earlier runs found and this one did
    not look at stays."""
    found: dict[str, Any] = tomllib.loads(file.read_text()) if file.exists() else {}
    for study in tuned.studies:
        if study.chosen and study.name == BEHAVIOUR:
            found.setdefault(BEHAVIOUR, {}).update(study.chosen)
        elif study.chosen:
            found.setdefault("recommenders", {}).setdefault(study.name, {}).update(study.chosen)
    if tuned.learned.ndcg10:
        found["blend"] = msgspec.to_builtins(tuned.settings.blend)
    said = [
        f"Chosen by `make tune` on {', '.join(tuned.folds)}; NDCG@10 there (the geometric mean of tasks), before and after:"
    ]
    said += [
        f"{each.name} ({' and '.join(each.tasks)}): {each.before:.4f}, {each.after:.4f}; {each.trials} trials"
        for each in tuned.studies
    ]
    said += [
        f"blend of {segment}: {tuned.learned.before[segment]:.4f}, {value:.4f}; {tuned.learned.users[segment]} users"
        for segment, value in tuned.learned.ndcg10.items()
    ]
    said += [
        f"blend of {segment}: {tuned.learned.before[segment]:.4f}; the weights stay, new ones came to {value:.4f}"
        for segment, value in tuned.learned.kept.items()
    ]
    with write_whole(file) as aside:
        aside.write_text("".join(f"# {line}\n" for line in said) + "\n" + tomli_w.dumps(found))


def _finished(study: optuna.Study) -> int:
    return sum(trial.value is not None for trial in study.trials)


def _others(settings: Settings, name: str) -> Any:
    """All that a study's values depend on beside what it tries."""
    behaviour = settings.behaviour
    if name != BEHAVIOUR:
        return msgspec.to_builtins(behaviour), settings.seed
    return msgspec.to_builtins(settings.recommenders), msgspec.to_builtins(settings.blend), settings.seed


def _known_users(cut: Split) -> int:
    """Count the shoppers of a window who were known before it."""
    return len(set(cut.truth.users).intersection(cut.prepared.user_ids))


def _fingerprint(examined: Examination) -> str:
    events = examined.split.prepared.events
    arrays = {name: getattr(events, name) for name in events.__slots__}
    return content_hash(
        {"events": arrays}, examined.split.prepared.as_of, str(examined.split.fold), examined.truths["repeat"].users
    )
