"""Experiments that are declared while the service runs; those of the settings file are read only."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from recsys.experiments.arms import check_experiments
from recsys.live.experiments import Declared
from recsys.settings.experiments import MAX_EXPERIMENTS, Experiment
from recsys.types import SettingsError
from recsys.web.http.answers import ExperimentAnswer
from recsys.web.http.parameters import NoParameters
from recsys.web.http.problems import Problem, invalid
from recsys.web.http.responses import Response, json_response
from recsys.web.http.times import iso
from recsys.web.operations import Call, Operation

CREATED, OK = 201, 200
_ADDRESS = "/v1/experiments/{id}"
_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
_FIXED = ("placement", "unit", "arms", "holdout", "layer", "layer_start")
"""What exposures rest on: it stays as it is while the salt does."""


def put_experiment(call: Call[Experiment]) -> Response:
    """Declare an experiment, or change what may change of one that runs: who it is for, more traffic, what is read from it."""
    name, live, asked = _name(call), call.service.live, call.parameters
    declared = live.state.experiments.declared()
    standing = declared.get(name)
    _check_settings(call, name)
    if standing is None and len(declared) >= MAX_EXPERIMENTS:
        raise Problem(409, f"there are {MAX_EXPERIMENTS} experiments already, the most that are kept")
    if standing is not None:
        _check_change(standing.experiment, asked)
    _check_fits(call, name, {**{other: each.experiment for other, each in declared.items()}, name: asked})
    if standing is None or standing.experiment != asked:
        live.state.experiments.declare(name, asked, live.received())
        live.take_experiments()
    since = live.clock.now() if standing is None else standing.since
    return _answer(name, Declared(asked, since), CREATED if standing is None else OK)


def get_experiment(call: Call[NoParameters]) -> Response:
    """Answer what an experiment is, of the settings file or declared."""
    name = _name(call)
    fixed = call.service.settings.experiments.get(name)
    return _answer(name, Declared(fixed, 0) if fixed else _declared(call, name), OK)


def delete_experiment(call: Call[NoParameters]) -> Response:
    """Stop an experiment: everybody is answered as without it. What it found stays to be read."""
    name, live = _name(call), call.service.live
    _check_settings(call, name)
    standing = _declared(call, name)
    stopped = msgspec.structs.replace(standing.experiment, stopped=True)
    if stopped != standing.experiment:
        live.state.experiments.declare(name, stopped, live.received())
        live.take_experiments()
    return _answer(name, Declared(stopped, standing.since), OK)


def _name(call: Call[Any]) -> str:
    name = call.path["id"]
    if not _NAME.fullmatch(name):
        raise invalid("id", name, "a lower-case letter, then up to 63 lower-case letters, digits and _")
    return name


def _declared(call: Call[Any], name: str) -> Declared:
    found = call.service.live.state.experiments.declared().get(name)
    if found is None:
        raise Problem(404, f"there is no experiment {name!r}", parameter="id", value=name)
    return found


def _check_settings(call: Call[Any], name: str) -> None:
    if name in call.service.settings.experiments:
        raise Problem(409, f"experiment {name!r} stands in the settings file; change it there", parameter="id", value=name)


def _check_change(standing: Experiment, asked: Experiment) -> None:
    """Refuse a change after which shoppers would not be in the arms that they were exposed to."""
    if standing.salt != asked.salt:
        return
    differing = [name for name in _FIXED if getattr(standing, name) != getattr(asked, name)]
    if standing.traffic > asked.traffic:
        differing.append("traffic")
    if differing:
        raise Problem(
            409,
            f"{differing[0]}: cannot change while shoppers are in their arms (`traffic` may only grow); another `salt` or id begins "
            "anew",
            parameter=differing[0],
        )


def _check_fits(call: Call[Any], name: str, experiments: dict[str, Experiment]) -> None:
    """Check that it can run beside those that run."""
    settings = call.service.settings
    running = {
        other: each for other, each in {**experiments, **settings.experiments}.items() if other == name or not each.stopped
    }
    beside = {other: running[other] for other in running if other == name or other in call.service.live.experiments}
    try:
        check_experiments(settings, beside)
    except SettingsError as error:
        raise Problem(400, str(error)) from error


def _answer(name: str, declared: Declared, status: int) -> Response:
    since = iso(declared.since) if declared.since else None
    return json_response(msgspec.json.encode(ExperimentAnswer(name, since, declared.experiment)), status)


OPERATIONS: tuple[Operation[Any], ...] = (
    Operation(
        method="put",
        path=_ADDRESS,
        summary="Declare an experiment on a placement, or let more shoppers into it.",
        scope="admin",
        parameters=Experiment,
        view=put_experiment,
        answers=(ExperimentAnswer,),
        also=(CREATED,),
        problems=(409, 413, 415, 503),
    ),
    Operation(
        method="get",
        path=_ADDRESS,
        summary="Tell what an experiment is.",
        scope="admin",
        parameters=NoParameters,
        view=get_experiment,
        answers=(ExperimentAnswer,),
        problems=(404, 503),
    ),
    Operation(
        method="delete",
        path=_ADDRESS,
        summary="Stop an experiment; what it found stays.",
        scope="admin",
        parameters=NoParameters,
        view=delete_experiment,
        answers=(ExperimentAnswer,),
        problems=(404, 409, 503),
    ),
)
