"""Experiments: all of them, and each by itself with its arms and its read-out; editors declare, widen and stop them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from recsys import clock
from recsys.experiments.assignment import expected_shares, key_of
from recsys.experiments.read_outs import MEASURE_WORDS, ReadOut, open_read_out
from recsys.live.experiments import MAX_COUNTED, Declared
from recsys.settings.experiments import HOLDOUT, INTERLEAVED, Experiment
from recsys.settings.when import When
from recsys.types import DataError
from recsys.web.console.answers import redirect_response
from recsys.web.console.experiments.drawn import HEIGHT, WIDTH, drawn
from recsys.web.console.experiments.form import BEGUN, KINDS, METRICS, experiment_of, mark_of, share_of
from recsys.web.console.experiments.words import change_words, sizes_words, state_of
from recsys.web.console.page import Cell, Link, Page, Shown, Table, View, Visit, given_id
from recsys.web.console.render import conditions, duration, time_text
from recsys.web.http.parameters import read_body
from recsys.web.http.problems import Problem, invalid
from recsys.web.resources.merchant.experiments import (
    check_name,
    every_experiment,
    find_experiment,
    stop_experiment,
    why_not_running,
    write_experiment,
)

_TOLD_BESIDE = (400, 409, 412)
"""Statuses of problems that are told beside what was typed: it is wrong, not free, or the experiment was changed meanwhile."""
_STEP = 20
"""Experiments whose read-outs are opened before the shop's calls go first."""


class ExperimentsParameters(View, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Query string of the page: one experiment, or none."""

    experiment: str = ""


def experiments(visit: Visit[ExperimentsParameters]) -> Mapping[str, Any]:
    """List the experiments, or show one of them."""
    name = given_id("experiment", visit.parameters.experiment)
    shown = {"name": name, "wrong": "", "wrong_in": "", "kept": "", "form": BEGUN, **_choices(visit)}
    if not name:
        every = every_experiment(visit.service)
        return {
            **shown,
            "refused": [*why_not_running(visit.service, every).values()],
            "tables": {"experiments": _all(visit, every)},
        }
    return {**shown, **_one(visit, name, find_experiment(visit.service, name))}


def act(visit: Visit[ExperimentsParameters]) -> Shown:
    """Do what a form says; what is wrong with it is told beside what was typed."""
    done = visit.form.get("do", "")
    if done not in _ACTS:
        raise invalid("do", done, ", ".join(_ACTS))
    try:
        name = _ACTS[done](visit)
    except Problem as problem:
        if problem.status not in _TOLD_BESIDE:
            raise
        shown = experiments(visit)
        if shown.get("since") == 0:  # of the settings: its page has no forms
            raise
        return {
            **shown,
            "wrong": str(problem),
            "wrong_in": done,
            "form": {**shown["form"], **visit.form},
            "kept": visit.form.get("was", ""),
            "status": problem.status,
        }
    return redirect_response(visit.href("experiments", experiment=name))


def _put_form(visit: Visit[ExperimentsParameters]) -> str:
    name = _new_name(visit)
    write_experiment(visit.service, name, experiment_of(visit.form))
    return name


def _put_json(visit: Visit[ExperimentsParameters]) -> str:
    name = visit.parameters.experiment or _new_name(visit)
    asked = read_body(visit.form.get("json", "").encode(), Experiment)
    if visit.parameters.experiment:
        _standing(visit)
    write_experiment(visit.service, name, asked)
    return name


def _widen(visit: Visit[ExperimentsParameters]) -> str:
    name = visit.parameters.experiment
    body = msgspec.to_builtins(_standing(visit)) | {"traffic": share_of(visit.form, "traffic")}
    write_experiment(visit.service, name, read_body(msgspec.json.encode(body), Experiment))
    return name


def _stop(visit: Visit[ExperimentsParameters]) -> str:
    stop_experiment(visit.service, visit.parameters.experiment)
    return visit.parameters.experiment


_ACTS: Mapping[str, Callable[[Visit[ExperimentsParameters]], str]] = {
    "form": _put_form,
    "json": _put_json,
    "widen": _widen,
    "stop": _stop,
}


def _standing(visit: Visit[ExperimentsParameters]) -> Experiment:
    """The experiment that a form is about.

    Raises:
        Problem: 412 if the form was filled from what it is no more.
    """
    standing = find_experiment(visit.service, visit.parameters.experiment).experiment
    if visit.form.get("was", "") not in ("", mark_of(standing)):
        raise Problem(412, "the experiment was changed since this form was filled; nothing was written")
    return standing


def _new_name(visit: Visit[ExperimentsParameters]) -> str:
    """The name of a new experiment.

    Raises:
        Problem: 400 if it can be none, 409 if it is taken.
    """
    name = visit.form.get("experiment_id", "").strip()
    check_name(name)
    if name in every_experiment(visit.service):
        raise Problem(409, f"id: there is an experiment {name!r} already; open and change it, or take another id")
    return name


def _choices(visit: Visit[Any]) -> dict[str, Any]:
    names = visit.service.settings.placement_names()
    return {"names": names, "kinds": KINDS, "metrics": {each: MEASURE_WORDS[each] for each in METRICS}}


def _all(visit: Visit[Any], every: Mapping[str, Declared]) -> Table:
    rows: list[tuple[Cell, ...]] = []
    waiting = why_not_running(visit.service, every)
    for at, (name, (experiment, since)) in enumerate(every.items()):
        if at % _STEP == 0:
            visit.service.lanes.give_way()
        found, _ = _read(visit, name, experiment)
        rows.append(
            (
                Link(name, visit.href("experiments", experiment=name)),
                experiment.placement.replace("_", " "),
                state_of(experiment, name in waiting),
                ", ".join(f"{arm} {share:.3g}%" for arm, share in _percents(experiment).items()),
                " ".join(found.verdicts.values()) if found else None,
                time_text(found.until) if found else None,
                _made_in(since),
            )
        )
    return Table(
        name="experiments",
        title="All experiments",
        columns=("experiment", "where", "state", "arms", "what it came to", "read (UTC)", "made in"),
        rows=rows,
        paged=True,
        empty="There is no experiment yet.",
    )


def _percents(experiment: Experiment) -> dict[str, float]:
    return {arm: share * 100 for arm, share in expected_shares(experiment).items()}


def _made_in(since: int) -> str:
    return "the console or the API" if since else "the settings"


def _one(visit: Visit[ExperimentsParameters], name: str, declared: Declared) -> dict[str, Any]:
    experiment, since = declared
    counts = visit.service.live.state.experiments.by_arm(key_of(name, experiment))
    found, problem = _read(visit, name, experiment)
    waits = why_not_running(visit.service, every_experiment(visit.service)).get(name)
    sizes, trusted = sizes_words(counts, expected_shares(experiment))
    tables = {"arms": _arms(experiment, counts)} | (_charted(found) if found else {})
    return {
        "title": f"Experiment {name}",
        "experiment": experiment,
        "state": state_of(experiment, waits is not None),
        "waits": waits,
        "since": since,
        "made_in": _made_in(since),
        "metric": MEASURE_WORDS[experiment.metric],
        "when": "everybody" if experiment.when == When() else conditions(msgspec.structs.asdict(experiment.when)),
        "sizes": sizes,
        "trusted": trusted,
        "capped": sum(counts.values()) >= MAX_COUNTED,
        "most": MAX_COUNTED,
        "found": found,
        "problem": problem,
        "age": _age(visit, found) if found else "",
        "drawn": drawn(found) if found else [],
        "width": WIDTH,
        "height": HEIGHT,
        "json": msgspec.json.format(msgspec.json.encode(experiment), indent=2).decode(),
        "was": mark_of(experiment),
        "form": {"traffic": f"{experiment.traffic * 100:.6g}"},
        "tables": tables,
    }


def _read(visit: Visit[Any], name: str, experiment: Experiment) -> tuple[ReadOut | None, str]:
    """The read-out of an experiment as it is now, and why there is none that can be shown."""
    try:
        found = open_read_out(visit.service.settings, name)
    except DataError as error:
        return None, str(error)
    if found is not None and found.key != key_of(name, experiment):
        return None, f"the read-out that there is belongs to {found.key!r}, not to this experiment and its salt"
    return found, ""


def _age(visit: Visit[Any], found: ReadOut) -> str:
    live = visit.service.live
    now = live.now(live.serving() if live.loaded else None)
    seconds = (now - clock.to_microseconds(found.until)) / clock.SECOND
    return duration(max(seconds, 0.0))


def _arms(experiment: Experiment, counts: Mapping[str, int]) -> Table:
    changes = {arm.name: change_words(arm.change) for arm in experiment.arms}
    if experiment.kind == INTERLEAVED:
        changes[INTERLEAVED] = "; ".join(f"{arm} picks in turns: {words}" for arm, words in changes.items())
    changes[HOLDOUT] = "nothing: kept out of the experiment"
    total = sum(counts.values())
    rows = [
        (arm, share, counts.get(arm, 0), counts.get(arm, 0) / total if total else None, changes[arm])
        for arm, share in expected_shares(experiment).items()
    ]
    return Table(
        name="arms",
        title="Arms",
        columns=("arm", "drawn", "exposed shoppers", "of all exposed", "what it changes"),
        rows=rows,
        shares=frozenset({1, 3}),
    )


def _charted(found: ReadOut) -> dict[str, Table]:
    """The tables of a read-out; those without a row are left out."""
    tables = {"measures": _measures(found), "answers": _answers(found), "curve": _curve(found), "segments": _segments(found)}
    return {name: each for name, each in tables.items() if each.rows or name == "measures"}


def _answers(found: ReadOut) -> Table:
    return Table(
        name="answers",
        title="What the arms answered",
        columns=("arm", "exposures", "logged lists", "of all items shown", "milliseconds an answer"),
        rows=[(arm, each.exposures, each.lists, each.coverage, each.milliseconds) for arm, each in found.arms.items()],
        shares=frozenset({3}),
    )


def _curve(found: ReadOut) -> Table:
    return Table(
        name="curve",
        title="Day by day",
        columns=("until", "arm", "shoppers", "difference", "daily: from", "daily: to"),
        rows=[
            (each.day, each.arm, each.units, each.relative, each.always_low, each.always_high)
            for each in reversed(found.curve)
        ],
        shares=frozenset({3, 4, 5}),
        paged=True,
    )


def _segments(found: ReadOut) -> Table:
    return Table(
        name="segments",
        title="Exploratory: some of the shoppers",
        columns=("shoppers who", "arm", "how many", "difference", "once: from", "once: to", "p", "p, adjusted"),
        rows=[
            (
                each.segment,
                each.arm,
                each.units,
                each.relative,
                each.low,
                each.high,
                _chance(each.p),
                _chance(each.adjusted_p),
            )
            for each in found.segments
        ],
        shares=frozenset({3, 4, 5}),
    )


def _measures(found: ReadOut) -> Table:
    rows = [
        (
            MEASURE_WORDS.get(each.measure, each.measure),
            each.arm,
            each.control,
            each.value,
            each.relative,
            each.always_low,
            each.always_high,
            each.low,
            each.high,
            _chance(each.p),
            _chance(each.adjusted_p),
        )
        for each in found.differences
    ]
    spans = ("difference", "daily: from", "daily: to", "once: from", "once: to")
    return Table(
        name="measures",
        title="All figures",
        columns=("measure", "arm", "control", "with the arm", *spans, "p", "p, adjusted"),
        rows=rows,
        shares=frozenset({4, 5, 6, 7, 8}),
    )


def _chance(p: float | None) -> str | None:
    return None if p is None else f"{p:.2g}"


PAGE = Page(
    path="/experiments",
    title="Experiments",
    nav="Experiments",
    template="experiments.html",
    parameters=ExperimentsParameters,
    view=experiments,
    act=act,
    act_role="editor",
)
