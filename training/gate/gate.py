"""The gate: what stands between a new snapshot and the shoppers.

First the tables are compared with the live snapshot's. Then the recipe is judged: the new settings and the live ones are both
fitted on the events before the last `evaluation.days` and measured on those days, so that nothing is scored on days that it was
trained on. Last, the files to be published are opened and asked. Each part must pass before the next is begun.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import msgspec

from recsys.engine.pipeline import Engine
from recsys.live.erasure import ErasureKeys
from recsys.settings import Settings
from recsys.snapshot.store import Manifest, Snapshot, current_version, open_files, open_snapshot
from recsys.tables.checks.usefulness import usefulness
from recsys.tables.validation import explain
from recsys.types import GateError, OlderSnapshotError, SettingsError, SnapshotError
from training.evaluation.evaluate import with_subjects
from training.gate.config_validation import Findings, judge_recipe, ranker_kept
from training.gate.snapshot_checks import Check, agreement, coverage, freshness, ids, past, volume
from training.job.job import Fitted, Prepared, Steps
from training.job.ranker.ranker import FittedRanker
from training.runners.finished import NOTHING_KEPT, Finished


class GateVerdict(msgspec.Struct, frozen=True, kw_only=True):
    """Verdict of the gate; it stands in the manifest of every published snapshot."""

    passed: bool
    first: bool
    """Nothing was live to compare with."""
    forced: str | None
    """Why it was published although it did not pass."""
    checks: tuple[Check, ...]
    paragraph: str
    """What was found, in plain words."""


def verdict_of(manifest: Manifest) -> GateVerdict | None:
    """Read what the gate said of a snapshot; None if it never passed a gate."""
    return msgspec.convert(manifest.gate, GateVerdict) if manifest.gate else None


def summary_rows(verdict: GateVerdict) -> list[tuple[str, str]]:
    """The verdict as rows of a table: what came of it, then each check."""
    outcome = "passed" if verdict.passed else f"forced: {verdict.forced}"
    first = " (first publish: nothing to compare with)" if verdict.first else ""
    return [
        ("gate", outcome + first),
        *((f"  {each.name}", f"{'✓' if each.passed else '✗'} {each.said}") for each in verdict.checks),
    ]


Tell = Callable[[str], None]
"""Told each finding of weight on the tables, before anything is judged."""


def gate_of(
    settings: Settings,
    now: datetime,
    force: str | None = None,
    erasure_keys: ErasureKeys | None = None,
    tell: Tell = lambda _said: None,
) -> Callable[[Steps], SnapshotGate]:
    """The gate to hand to `train`; `force` is the reason for which a snapshot is published that it would refuse.

    manifest.gate keeps the reason.
    """
    return lambda steps: SnapshotGate(settings, now, steps, force, erasure_keys, tell)


class SnapshotGate:
    """One snapshot's way to the shoppers: `judge` what was fitted, then `inspect` its files; both raise `GateError`."""

    def __init__(
        self,
        settings: Settings,
        now: datetime,
        steps: Steps,
        force: str | None = None,
        erasure_keys: ErasureKeys | None = None,
        tell: Tell = lambda _said: None,
    ) -> None:
        """Stand ready; `force` is the reason to publish whatever is found.

        Raises:
            SettingsError: if the reason is empty.
        """
        if force is not None and not force.strip():
            raise SettingsError("--force: a reason is needed, for instance --force 'new catalogue, agreed with the shop'")
        self._settings, self._now, self._steps, self._force, self._erasure_keys = settings, now, steps, force, erasure_keys
        self._tell, self._checks = tell, list[Check]()
        self._found, self._forcible = Findings(), True
        self._version: str | None = None

    def judge(
        self,
        fitted: Fitted,
        ranker: FittedRanker | None = None,
        finished: Finished = NOTHING_KEPT,
        prepared: Prepared | None = None,
    ) -> None:
        """Say what was found of the tables, see whether they are of use, and compare tables and recipe with what is live.

        `ranker` is one that has not seen the days that the recipe is measured on; what `finished` has is taken up, and of
        what it was fitted on, `prepared`, what is the same as of the window.

        Raises:
            GateError: if a check failed, unless forced; or, forced or not, if there is no item at all.
        """
        settings, limits = self._settings, self._settings.gate
        for finding in fitted.shop.findings:
            if finding.has_weight:
                self._tell(explain(finding))
        with self._steps.step("gate: tables"):
            self._checks += [Check(each.name, each.passed, each.said) for each in usefulness(settings, fitted.shop)]
            if fitted.shop.items.is_empty():
                self._force, self._forcible = None, False
            new, live = fitted.snapshot(), self._live()
            self._checks.append(
                freshness(new, live, limits.oldest_days, self._now if settings.web.clock == "wall" else None)
            )
            if live:
                self._checks.append(volume(new, live, limits.least_volume))
                self._checks.append(past(new, live, limits.least_past, settings.seed))
                self._checks += ranker_kept(settings, fitted.manifest.ranker, live.manifest.ranker)
        self._stop_if_refused()
        with self._steps.step("gate: recipe"):
            self._found = judge_recipe(
                settings,
                self._now,
                fitted.manifest,
                live.manifest if live else None,
                self._erasure_keys,
                ranker,
                finished,
                prepared,
            )
            self._checks += self._found.checks
        self._stop_if_refused()

    def inspect(self, folder: Path, manifest: Manifest) -> Manifest:
        """Open the files that are to be published, ask them, and write the verdict into their manifest.

        Raises:
            GateError: if a file is not as it was written, even if forced: nobody could open it; or if a check failed.
        """
        settings, limits = self._settings, self._settings.gate
        with self._steps.step("gate: files"):
            try:
                opened = open_files(folder, manifest)
                engine = Engine(opened, with_subjects(settings))
                self._checks.append(Check("files", True, f"All {len(manifest.files):,} files are as they were written."))
                self._checks.append(ids(opened, settings.seed))
                self._checks.append(coverage(engine, settings.placement_names(), limits.least_coverage, settings.seed))
                if shadow := self._found.shadow:
                    weighed_alike = shadow.in_arms(shadow.settings, engine.blend, ())
                    self._checks.append(agreement(weighed_alike, engine, limits.least_overlap, settings.seed))
            except (SnapshotError, msgspec.MsgspecError, ValueError, TypeError, IndexError) as error:
                self._checks.append(Check("files", False, f"The written files do not serve: {error}."))
                self._force = None
                raise GateError(self._verdict().paragraph) from error
        self._stop_if_refused()
        return msgspec.structs.replace(
            manifest,
            gate=msgspec.to_builtins(self._verdict()),
            metrics=msgspec.to_builtins(self._found.metrics) if self._found.metrics else {},
            timings_seconds=dict(self._steps.seconds),
        )

    def _live(self) -> Snapshot | None:
        artifacts = self._settings.artifacts
        self._version = current_version(artifacts)
        try:
            return open_snapshot(artifacts, self._version) if self._version else None
        except OlderSnapshotError as error:
            said = f"Nothing was compared with what is live, which was made by an earlier version of this program: {error}."
            self._checks.append(Check("live snapshot", True, said))
            return None
        except SnapshotError as error:
            self._checks.append(Check("live snapshot", False, f"What is live cannot be compared with: {error}."))
            return None

    def _stop_if_refused(self) -> None:
        if self._force is None and not all(check.passed for check in self._checks):
            raise GateError(self._verdict().paragraph)

    def _help(self) -> str:
        """The commands that lead on from what failed."""
        failed = {check.name for check in self._checks if not check.passed}
        tuned = self._settings.path(self._settings.tuned)
        if "files" in failed:
            return "What helps: `make train` writes them anew."
        if failed & {"live recipe", "gain", "popularity"} and self._settings.tuned and tuned.is_file():
            first = f"`rm {tuned}` takes back what `make tune` found"
        elif failed & {"live recipe", "popularity"}:
            first = "`make tune` looks for better settings in the shop's past"
        else:
            first = "`make validate` says more about the tables"
        if not self._forcible:
            return f"What helps: {first}; nothing publishes a shop without items."
        return f"What helps: {first}; `make train ARGS='--force \"REASON\"'` publishes it all the same."

    def _verdict(self) -> GateVerdict:
        failed = [check.said for check in self._checks if not check.passed]
        if not failed:
            paragraph = " ".join(["The gate let it through.", *(check.said for check in self._checks)])
        elif self._force is None:
            serving = f"{self._version} goes on serving" if self._version else "nothing is live yet"
            paragraph = f"The gate refused this snapshot: it was not published, {serving}. {' '.join(failed)} {self._help()}"
        else:
            paragraph = f"Published by force ({self._force}) although: {' '.join(failed)}"
        forced = self._force if failed else None
        return GateVerdict(
            passed=not failed,
            first=self._version is None,
            forced=forced,
            checks=tuple(self._checks),
            paragraph=paragraph,
        )
