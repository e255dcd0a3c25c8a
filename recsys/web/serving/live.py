"""The live engine of a worker: the newest good snapshot, kept up to date by one background thread."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

from recsys import clock
from recsys.clock import SECOND
from recsys.engine.choice import Answered
from recsys.engine.pipeline import Engine
from recsys.engine.serving_state import ServingState
from recsys.engine.state_at_hand import StateAtHand
from recsys.experiments.running import RunningExperiments
from recsys.item_updates import ItemUpdate
from recsys.live.databases import open_log, open_slates
from recsys.live.dislikes import Dislike
from recsys.live.driver import ForgottenSinceError
from recsys.live.erasure import ErasureKeys, Tombstones, tombstones_now
from recsys.live.item_changes import Standing
from recsys.live.slate_queue import SlateQueue
from recsys.settings import Settings
from recsys.settings.experiments import Experiment
from recsys.snapshot.mirror import mirror_of
from recsys.snapshot.store import SnapshotStore
from recsys.types import Event, Link, SettingsError, StateError
from recsys.web.http.metrics import Metrics
from recsys.web.http.problems import Problem
from recsys.web.serving.damage import damage_of
from recsys.web.serving.experiments import begun, that_run
from recsys.web.serving.fetcher import SnapshotFetcher
from recsys.web.serving.intake import new_links, unless_forgotten, write_down
from recsys.web.serving.lines import SnapshotLines
from recsys.web.serving.log_watch import LogWatch
from recsys.web.serving.place import Place
from recsys.web.serving.present import Present
from recsys.web.serving.ready_lists import ReadyLists
from recsys.web.serving.steady_clock import SteadyClock, moment_of_erasure, said

_log = logging.getLogger(__name__)

STARTING_SECONDS = 5.0
"""Longest wait of a worker that begins, which takes no request before."""


class Live:
    """The snapshot store of one worker, with the clock and the histories that go with what it serves."""

    def __init__(self, settings: Settings, metrics: Metrics, erasure_keys: ErasureKeys | None = None) -> None:
        self._settings = settings
        self._place = Place(settings)
        self.clock = SteadyClock()
        self.state = open_log(settings)
        self.slates = SlateQueue(open_slates(settings, self._tombstones))
        self.erasure_keys = erasure_keys
        self.null_users = settings.data.nobody
        self.dislike_days = settings.state.dislike_days
        Tombstones(erasure_keys, self.state.tombstones())  # a forgotten user must not return because a secret is missing
        self.state.close()  # workers are forked from here
        self.experiments: Mapping[str, Experiment] = settings.experiments
        """Those that are declared and can run, those of the settings before others of the same name."""
        self._stop, self._begun = threading.Event(), threading.Event()
        self._releases: list[Callable[[], None]] = []
        self._metrics = metrics
        self.lines = SnapshotLines(settings.artifacts, metrics)
        self._store: SnapshotStore[Engine] = SnapshotStore(settings.artifacts, lambda snapshot: Engine(snapshot, settings))
        self._present = Present(self._store, erasure_keys, self._arms, self._damaged)
        mirror = mirror_of(settings)
        self.fetcher = SnapshotFetcher(mirror, settings.snapshot.poll_seconds, metrics) if mirror else None
        self._counted = (0, 0)
        self._damage: str | None = None
        self.log_watch = LogWatch(self.state.is_remote)
        self._ready = ReadyLists()
        self._thread: threading.Thread | None = None

    @property
    def loaded(self) -> Engine | None:
        """The engine that serves now, or None while there is no snapshot."""
        return self._present.engine

    @property
    def is_remote(self) -> bool:
        """Tell whether a read of the log may wait for another machine."""
        return self.state.is_remote

    @property
    def error(self) -> str | None:
        """Return why the newest snapshot could not be taken live, what serves must not be read any more, or nothing is written."""
        jump = self.clock.jump()
        own = self._damage or self.log_watch.error or self._place.error or (self.fetcher and self.fetcher.error)
        return own or self._store.error or self._present.waits or (said(jump) if jump else None) or self.lines.error

    def serving(self, recent: bool = False) -> ServingState:
        """Return what answers now: the engine and what is newer than its snapshot, caught up with the log. Ask once a request.

        `recent`: but for what other machines wrote within a tenth of a second: enough for a list, not for what is written by it.

        Raises:
            Problem: 503 while no snapshot is loaded.
            StateError: if the log cannot be read.
        """
        if self._damage:
            raise Problem(503, self._damage, {"Retry-After": "1"})
        try:
            serving = self._present.get(self.state)
            serving.catch_up(recent)
            if serving.lineage != self.state.lineage:  # it was opened anew, and is another course of the log
                (serving := self._present.get(self.state)).catch_up(recent)
        except SettingsError as error:  # somebody was forgotten by a service that has a secret which this one lacks
            raise StateError(str(error)) from error
        return serving

    def answering(self) -> ServingState:
        """Return what answers lists: as `serving` does, `recent`, or from memory alone while a database on another machine is away.

        Raises:
            Problem: 503 while no snapshot is loaded.
            StateError: if the log cannot be read, and is on this machine or was never read: who was forgotten is not known.
        """
        if (ready := self._ready.take()) is not None:
            return ready
        try:
            self.log_watch.check()
            serving = self.serving(recent=True)
        except StateError as error:
            return self.at_hand(error)
        self.log_watch.is_well()
        return serving

    def make_ready(self, user_id: str | None) -> bool:
        """Find what this thread's next list, of a shopper or of nobody, is answered from; False: the log has to be asked."""
        serving = None if self.log_watch.error or self._damage else self._present.at_hand
        if serving is not None and serving.lineage != self.state.lineage:
            serving = None
        return self._ready.make(serving, user_id)

    def drop_ready(self) -> None:
        """Let go of what was made ready for a list that was not answered, to a caller who is not let in for example."""
        self._ready.take()

    def at_hand(self, error: StateError) -> StateAtHand:
        """Return what answers from memory alone after an error; raises that if the log is on this machine, or was never read."""
        if not self.is_remote or self._present.at_hand is None:
            raise error
        self.log_watch.is_away(error)
        return StateAtHand(self._present.at_hand)

    def _arms(self, engine: Engine) -> RunningExperiments:
        return begun(engine, self.experiments, self.state.experiments, self.lines.over(engine))

    def take_experiments(self) -> None:
        """Take in what was declared since the last look; what cannot run under the settings is left out and logged.

        Raises:
            StateError: if the log cannot be read.
        """
        if (found := that_run(self._settings, self.state.experiments, self.experiments)) != self.experiments:
            self._run(found)

    def _run(self, experiments: Mapping[str, Experiment]) -> None:
        self.experiments = experiments
        self._present.begin_arms()

    def expose(self, serving: ServingState, answered: Answered, known: int, is_message: bool = False) -> Answered:
        """Write down whom an answer exposes to an arm, before it is given; where that fails, or somebody was forgotten after number
        `known`, up to which that was known as the answer was begun, answer as if no experiment ran."""
        if not answered.exposures or not isinstance(serving.arms, RunningExperiments):
            return answered
        if abs(answered.query.now - self.now(serving)) > clock.MINUTE:
            return answered  # somebody looks at another moment: no shopper sees this list
        try:
            new = serving.arms.exposed(answered.exposures, self.clock.now(), known)
        except StateError as error:
            if not isinstance(error, ForgottenSinceError):
                _log.exception("an exposure could not be written; the answer is that of no experiment")
            return serving.answer_without_arms(answered.query, is_message)
        for each in new:
            self._metrics.exposed(each.experiment, each.arm)
        return answered

    def on_reload(self, release: Callable[[], None]) -> None:
        """Have something called whenever another snapshot went live, which lets go of the one before and its mapped files."""
        self._releases.append(release)

    def now(self, serving: ServingState | None) -> int:
        """The moment in microseconds: the wall clock, or, once there is a snapshot, the newest event with `clock = "events"`."""
        return serving.newest if serving and self._settings.web.clock == "events" else self.clock.now()

    def moment_of_erasure(self, serving: ServingState) -> int:
        """The moment up to which somebody is erased who asks for it now, in microseconds.

        Raises:
            ClockError: while the clock of this machine cannot be trusted.
        """
        self.received()
        return moment_of_erasure(self.now(serving), serving.newest)

    def received(self) -> int:
        """The moment at which what is written now was received, in microseconds.

        Raises:
            ClockError: while the clock of this machine cannot be trusted.
        """
        return self.clock.trusted()

    def accept(self, events: Sequence[Event], serving: ServingState | None = None) -> list[bool]:
        """Write events down, for every worker; durable when it returns. False: an event of that id was there already.

        What a forgotten user did before being forgotten is taken, and not written down. `serving`: what was looked at a moment ago,
        which spares a look: whoever was forgotten since is noticed as the events are written.

        Raises:
            StateError: if the log cannot be written.
        """
        return write_down(self.state, events, self.received(), serving, self._looked, self._tombstones)

    def _looked(self) -> ServingState | None:
        """Look at the log now; None while no snapshot is loaded."""
        return self.serving() if self.loaded else None

    def _tombstones(self) -> Tombstones:
        """The tombstones as they are now; a StateError if that is not known, for whatever reason."""
        if self.loaded and not self._damage:  # what answers has them in memory, and reads what is new
            return self.serving().forgotten
        return tombstones_now(self.erasure_keys, self.state.tombstones())

    def dislike(self, dislikes: Sequence[Dislike]) -> None:
        """Write dislikes down, for every worker; nothing of what somebody did before being forgotten."""

        def write(known: int, forgotten: Tombstones, _: object) -> None:
            kept = [each for each in dislikes if not forgotten.cover(each.user_id, each.at)]
            self.state.dislikes.say(kept, clock.now(), known)

        if dislikes:
            unless_forgotten(self.state, None, self._looked, self._tombstones, write)

    def link(self, links: Sequence[Link], serving: ServingState) -> None:
        """Write down to whom anonymous ids belong, as far as `serving`, looked at since `linking` began, shows that it is news."""
        if left := new_links(links, serving):
            self.state.add_links(left, self.received())

    def update(self, updates: Sequence[ItemUpdate]) -> list[str | None]:
        """Write down what changed of items, or whole ones, with those that came back in stock or got cheaper; says why one was not
        written, None where it was.

        Raises:
            Problem: 503 while no snapshot is loaded.
            StateError: if the log cannot be read or written.
        """
        last = self.state.last()
        serving = self.serving()  # has the updates up to `last` in it, perhaps more
        return self.state.add_items(updates, self.received(), Standing(serving.engine.catalog, last, self.now(serving)))

    def refresh(self) -> None:
        """Take a newly published snapshot live, if there is one."""
        opened = self._store.refresh()
        went_live = self._go_live(opened)
        self._look_for_damage()
        self.clock.tell()
        counts = self._store.reloads, self._store.failures
        if went_live:
            _log.info("snapshot %s is live", self.loaded)
            for release in self._releases:
                release()
        if counts[1] > self._counted[1]:
            _log.error("the newest snapshot is not taken live: %s", self._store.error)
        self._take_experiments()
        self._metrics.reloads(counts[0] - self._counted[0], counts[1] - self._counted[1])
        self._counted = counts

    def _go_live(self, opened: bool) -> bool:
        """Have the newest snapshot answer, `opened` just now or waiting for the log; tells whether another one answers since."""
        asks_again = not opened and self.is_remote and self._present.waits is not None and not self._damage
        if not asks_again or self._look_at_the_log():  # a database that is away is asked once
            self._present.follow(self.state)
        return self._present.has_changed()

    def _take_experiments(self) -> None:
        try:
            with self.log_watch.looking():
                self.take_experiments()
        except StateError:
            _log.exception("experiments cannot be read; those that run go on")
        if (engine := self.loaded) and self.lines.look(self.experiments.values(), engine):
            self._run(self.experiments)

    def _look_at_the_log(self) -> bool:
        """Catch up with it, so that no list has to, and what a worker needs is at hand should a log on another machine go away. Tells
        whether that was possible."""
        if self.loaded is None or self._damage:
            return False
        with suppress(StateError, Problem), self.log_watch.looking():
            self.serving()
            return True
        return False

    def _damaged(self, engine: Engine) -> str | None:
        return damage_of(engine.snapshot, self._settings.artifacts)

    def _look_for_damage(self) -> None:
        """Stop answering from files that were cut short under us."""
        damage = None if self.loaded is None else self._damaged(self.loaded)
        if damage and damage != self._damage:
            _log.error("%s", damage)
        self._damage = damage

    def report(self) -> None:
        """Tell the metrics what this worker serves."""
        self._metrics.unlogged(self.slates.take_dropped())
        if engine := self.loaded:
            age = (self.clock.now() - engine.snapshot.as_of) / SECOND
            self._metrics.snapshot(engine.snapshot.version, age)
        self._metrics.publish()

    def start(self) -> None:
        """Follow CURRENT and the log, and wait a little until both were taken in once. Call it in each worker, after it was forked."""
        self._look_for_damage()  # the last worker may have died of a file cut short
        self.state.poll()
        self.slates.start()
        if self.fetcher:
            self.fetcher.start()
        if self._thread is None:
            self._thread = threading.Thread(target=self._follow, name="snapshot-reload", daemon=True)
            self._thread.start()
            self._begun.wait(STARTING_SECONDS)

    def stop(self) -> None:
        """Stop following and wait until the thread has ended."""
        self.slates.stop()
        if self.fetcher:
            self.fetcher.stop()
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        self.state.stop_polling()
        self.report()

    def _follow(self) -> None:
        turns = self.refresh, self._look_at_the_log, self._place.look, self.report  # the log also while nobody asks
        while True:
            for turn in turns:
                try:
                    turn()
                except Exception:
                    _log.exception("looking for what is new failed; what is served stays")
            self._begun.set()
            if self._stop.wait(self._settings.snapshot.reload_seconds):
                return
