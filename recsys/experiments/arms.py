"""Arms: settings with what an arm changes laid over them, and the check that experiments can run side by side."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from recsys.engine.engine import Engine
from recsys.engine.merchandising.attribute_filters import standing_filters
from recsys.engine.settings_check import check_settings
from recsys.engine.snapshot_line import Lines, SnapshotLine
from recsys.settings import Settings
from recsys.settings.experiments import INTERLEAVED, Arm, ArmChange, Experiment
from recsys.settings.placements import BlendSettings
from recsys.types import SettingsError

NO_CHANGE = ArmChange()


def with_change(settings: Settings, placement: str, change: ArmChange) -> Settings:
    """Settings whose placement is as an arm has it; who ranks apart, and weights of the blend, which are those that were published."""
    standing = settings.placement(placement)
    if standing is None:
        allowed = ", ".join(settings.placement_names())
        raise SettingsError(f"placement: {placement!r} is not allowed; allowed: one of {allowed}")
    named = {name: getattr(change, name) for name in change.members - {"blend", "snapshot"}}
    if not named:
        return settings
    changed = msgspec.structs.replace(standing, **named)
    return msgspec.structs.replace(settings, placements={**settings.placements, placement: changed})


def with_blend(blend: BlendSettings, change: ArmChange) -> BlendSettings:
    """Weights of the blend as an arm has them."""
    return blend if change.blend is None else change.blend.over(blend)


def change_of(experiment: Experiment, arm: str) -> ArmChange:
    """Return what an arm changes; the holdout changes nothing."""
    return next((each.change for each in experiment.arms if each.name == arm), NO_CHANGE)


def check_experiments(settings: Settings, experiments: Mapping[str, Experiment]) -> None:
    """Check that every arm is a placement that can answer, and that no two experiments on one placement meet.

    Raises:
        SettingsError: naming the experiment, what is wrong and what to write.
    """
    beside: dict[str, Experiment] = {}
    for name in sorted(experiments):
        _check_beside(settings, beside, name, experiments[name])
        beside[name] = experiments[name]


def check_items(engine: Engine, name: str, experiment: Experiment) -> None:
    """Check that the items of a snapshot have what the filters of an experiment's arms name.

    Raises:
        SettingsError: naming the experiment, the arm and the attributes that there are.
    """
    for arm in experiment.arms:
        try:
            standing_filters(engine.catalog, with_change(engine.settings, experiment.placement, arm.change))
        except SettingsError as error:
            raise SettingsError(f"experiments.{name}, arm {arm.name}: {error}") from error


def refused_over(engine: Engine, experiments: Mapping[str, Experiment], lines: Lines) -> dict[str, str]:
    """The experiments that cannot run over a snapshot and these lines, and why: everybody is answered as without them."""
    found = {}
    for name, experiment in experiments.items():
        try:
            check_items(engine, name, experiment)
        except SettingsError as error:
            found[name] = str(error)
    return {**found, **without_line(experiments, lines)}


def without_line(experiments: Mapping[str, Experiment], lines: Lines) -> dict[str, str]:
    """The experiments that cannot run since a snapshot line is missing or broken, and why: an arm alone that answered otherwise than
    it says would spoil the comparison, so that all arms wait."""
    found = {}
    for name, experiment in experiments.items():
        for line in sorted(experiment.lines if not experiment.stopped else ()):
            if not isinstance(why := lines.get(line, "it is not open yet"), SnapshotLine):
                found[name] = f"experiments.{name}: the snapshot line {line!r} cannot be used: {why}"
    return found


def line_of(lines: Lines, change: ArmChange) -> SnapshotLine | None:
    """Return what ranks for an arm; None: the snapshot that serves."""
    line = None if change.snapshot is None else lines.get(change.snapshot)
    return line if isinstance(line, SnapshotLine) else None


def runnable(settings: Settings, experiments: Mapping[str, Experiment]) -> tuple[dict[str, Experiment], dict[str, str]]:
    """The experiments that can run together, taken in the order of their names, those of the settings first; and why others cannot."""
    found: dict[str, Experiment] = {}
    refused: dict[str, str] = {}
    for name in sorted(experiments, key=lambda each: (each not in settings.experiments, each)):
        try:
            _check_beside(settings, found, name, experiments[name])
        except SettingsError as error:
            refused[name] = str(error)
        else:
            found[name] = experiments[name]
    return found, refused


def _check_beside(settings: Settings, others: Mapping[str, Experiment], name: str, experiment: Experiment) -> None:
    """Check one experiment beside others, which can run together."""
    for arm in experiment.arms:
        _check_arm(settings, name, experiment, arm)
    if experiment.stopped:
        return
    for other, running in others.items():
        if not running.stopped:
            mine, theirs = (name, experiment), (other, running)
            _check_pair(*min(mine, theirs), *max(mine, theirs))


def _check_arm(settings: Settings, name: str, experiment: Experiment, arm: Arm) -> None:
    try:
        changed = with_change(settings, experiment.placement, arm.change)
        check_settings(msgspec.structs.replace(changed, blend=with_blend(settings.blend, arm.change)))
    except SettingsError as error:
        raise SettingsError(f"experiments.{name}, arm {arm.name}: {error}") from error


def _check_pair(one: str, first: Experiment, other: str, second: Experiment) -> None:
    if first.layer and first.layer == second.layer:
        if _share_shoppers(first, second):
            raise SettingsError(
                f"experiments.{one} and experiments.{other} overlap in the layer {first.layer!r}; set `layer_start` so that "
                "each begins where the other's `traffic` ends"
            )
        return
    if first.placement == second.placement and INTERLEAVED in (first.kind, second.kind):
        raise SettingsError(
            f"experiments.{one} and experiments.{other} are both on {first.placement!r}, and one is interleaved; give them one "
            "`layer`, each a `layer_start` of its own"
        )
    both = first.changes & second.changes if first.placement == second.placement else frozenset()
    if both:
        raise SettingsError(
            f"experiments.{one} and experiments.{other} both change {', '.join(sorted(both))} of {first.placement!r}; give them "
            "one `layer`, each a `layer_start` of its own"
        )


def _share_shoppers(first: Experiment, second: Experiment) -> bool:
    ends = first.layer_start + first.traffic, second.layer_start + second.traffic
    return first.layer_start < ends[1] and second.layer_start < ends[0]
