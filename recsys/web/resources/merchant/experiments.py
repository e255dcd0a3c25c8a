"""Experiments that are declared while the service runs; those of the settings file are read only."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from recsys.experiments.arms import check_experiments, check_items, refused_over, runnable
from recsys.live.experiments import Declared
from recsys.settings.campaigns import ALL
from recsys.settings.experiments import MAX_EXPERIMENTS, Experiment
from recsys.types import SettingsError, SnapshotError
from recsys.web.http.answers import ExperimentAnswer
from recsys.web.http.parameters import NoParameters
from recsys.web.http.problems import Problem, invalid
from recsys.web.http.responses import Response, json_response
from recsys.web.http.times import iso
from recsys.web.operations import Call, Operation
from recsys.web.serving.service import Service

CREATED, OK = 201, 200
_ADDRESS = "/v1/experiments/{id}"
_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
_FIXED = ("kind", "placement", "unit", "arms", "holdout", "layer", "layer_start")
"""What exposures rest on: it stays as it is while the salt does."""


def put_experiment(call: Call[Experiment]) -> Response:
    """Declare an experiment, or change what may change of one that runs: who it is for, more traffic, what is read from it."""
    name = _name(call)
    declared, is_new = write_experiment(call.service, name, call.parameters)
    return _answer(call.service, name, declared, CREATED if is_new else OK)


def write_experiment(service: Service, name: str, asked: Experiment) -> tuple[Declared, bool]:
    """Declare an experiment; returns it, and whether there was none of its name.

    Raises:
        Problem: 400 if it cannot run, 409 if it stands in the settings, would move shoppers to another arm, or is one too many.
    """
    check_name(name)
    live = service.live
    declared = live.state.experiments.declared()
    standing = declared.get(name)
    _check_settings(service, name)
    if standing is None and len(declared) >= MAX_EXPERIMENTS:
        raise Problem(409, f"there are {MAX_EXPERIMENTS} experiments already, the most that are kept")
    if standing is not None:
        _check_change(standing.experiment, asked)
    if standing is None or standing.experiment.arms != asked.arms:
        _check_campaigns(service, asked)
        _check_lines(service, asked)
    _check_fits(service, name, {**{other: each.experiment for other, each in declared.items()}, name: asked})
    if standing is None or standing.experiment != asked:
        live.state.experiments.declare(name, asked, live.received())
        live.take_experiments()
    since = live.clock.now() if standing is None else standing.since
    return Declared(asked, since), standing is None


def get_experiment(call: Call[NoParameters]) -> Response:
    """Answer what an experiment is, of the settings file or declared."""
    name = _name(call)
    return _answer(call.service, name, find_experiment(call.service, name), OK)


def find_experiment(service: Service, name: str) -> Declared:
    """Look an experiment up.

    Raises:
        Problem: 404 if there is none.
    """
    fixed = service.settings.experiments.get(name)
    return Declared(fixed, 0) if fixed else _declared(service, name)


def every_experiment(service: Service) -> dict[str, Declared]:
    """All experiments by name, those of the settings among them (`since` 0)."""
    fixed = {name: Declared(each, 0) for name, each in service.settings.experiments.items()}
    every = {**service.live.state.experiments.declared(), **fixed}
    return {name: every[name] for name in sorted(every)}


def why_not_running(service: Service, every: Mapping[str, Declared]) -> dict[str, str]:
    """The experiments of all that should run and do not, and why: beside the others, or over the snapshot that serves."""
    live, engine = service.live, service.live.loaded
    wanted = {name: each.experiment for name, each in every.items() if not each.experiment.stopped}
    beside = runnable(service.settings, wanted)[1] if wanted.keys() - live.experiments.keys() else {}
    running = {name: each for name, each in wanted.items() if name in live.experiments}
    over = {} if engine is None else refused_over(engine, running, live.lines.over(engine))
    return {**beside, **over}


def delete_experiment(call: Call[NoParameters]) -> Response:
    """Stop an experiment: everybody is answered as without it. Its read-out stays to be read."""
    name = _name(call)
    return _answer(call.service, name, stop_experiment(call.service, name), OK)


def stop_experiment(service: Service, name: str) -> Declared:
    """Stop an experiment that was declared; returns it.

    Raises:
        Problem: 404 if there is none, 409 if it stands in the settings.
    """
    _check_settings(service, name)
    standing, live = _declared(service, name), service.live
    stopped = msgspec.structs.replace(standing.experiment, stopped=True)
    if stopped != standing.experiment:
        live.state.experiments.declare(name, stopped, live.received())
        live.take_experiments()
    return Declared(stopped, standing.since)


def check_name(name: str) -> None:
    """Check that an experiment can have a name.

    Raises:
        Problem: 400 if it cannot.
    """
    if not _NAME.fullmatch(name):
        raise invalid("id", name, "a lower-case letter, then up to 63 lower-case letters, digits and _")


def _name(call: Call[Any]) -> str:
    check_name(call.path["id"])
    return call.path["id"]


def _declared(service: Service, name: str) -> Declared:
    found = service.live.state.experiments.declared().get(name)
    if found is None:
        raise Problem(404, f"there is no experiment {name!r}", parameter="id", value=name)
    return found


def _check_settings(service: Service, name: str) -> None:
    if name in service.settings.experiments:
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


def _check_fits(service: Service, name: str, experiments: dict[str, Experiment]) -> None:
    """Check that it can run beside those that run."""
    settings = service.settings
    running = {
        other: each for other, each in {**experiments, **settings.experiments}.items() if other == name or not each.stopped
    }
    beside = {other: running[other] for other in running if other == name or other in service.live.experiments}
    engine = service.live.loaded
    try:
        check_experiments(settings, beside)
        if engine is not None and not experiments[name].stopped:
            check_items(engine, name, experiments[name])
    except SettingsError as error:
        raise Problem(400, str(error)) from error


def _check_campaigns(service: Service, asked: Experiment) -> None:
    """Check that arms turn off campaigns that there are: a misspelt one would change nothing, for ever."""
    off = {each for arm in asked.arms if arm.change.campaigns_off != ALL for each in arm.change.campaigns_off or ()}
    for campaign_id in sorted(off):
        campaign = service.settings.campaigns.get(campaign_id) or service.live.state.campaigns.of(campaign_id)
        if campaign is None or asked.placement not in campaign.placements:
            allowed = f"ids of campaigns on {asked.placement!r}; GET /v1/campaigns lists them"
            raise invalid("campaigns_off", campaign_id, allowed)


def _check_lines(service: Service, asked: Experiment) -> None:
    """Check that the snapshot lines of arms are there; each worker opens them in the background."""
    for name in sorted(asked.lines):
        try:
            service.live.lines.check(name)
        except SnapshotError as error:
            raise invalid("snapshot", name, f"a snapshot line; {error}") from error


def _answer(service: Service, name: str, declared: Declared, status: int) -> Response:
    since = iso(declared.since) if declared.since else None
    every = {} if declared.experiment.stopped else {**every_experiment(service), name: declared}
    stated = ExperimentAnswer(name, since, declared.experiment, why_not_running(service, every).get(name))
    return json_response(msgspec.json.encode(stated), status)


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
