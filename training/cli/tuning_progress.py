"""Progress of `make tune` in a file beside its journal: one JSON object, written whole after each trial."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from recsys.disk import write_whole


class StudyProgress(msgspec.Struct):
    """One study: trials done and wanted, and the best NDCG@10 so far."""

    name: str
    trials: int = 0
    wanted: int = 0
    best_ndcg10: float = 0.0


class TuningProgress:
    """Tells each step to the terminal and to the file."""

    def __init__(self, file: Path, minutes: float, watch: Callable[[str], None]) -> None:
        """Begin: the folds are read."""
        self._file, self._minutes, self._watch = file, minutes, watch
        self._started, self._studies = time.monotonic(), dict[str, StudyProgress]()
        watch("reading the folds")
        self._write("reading the folds")

    def at(self, name: str, done: int, of: int, best: float) -> None:
        """Tell how far a study is."""
        self._studies[name] = StudyProgress(name, done, of, round(best, 4))
        said = f"{name}: {done} of {of} trials, best NDCG@10 {best:.4f}" if best else f"{name}: asking and climbing"
        self._watch(said)
        self._write(said)

    def end(self) -> None:
        """Tell that everything is chosen."""
        self._write("done")

    def _write(self, step: str) -> None:
        progress = {
            "step": step,
            "minutes": self._minutes,
            "minutes_gone": round((time.monotonic() - self._started) / 60, 2),
            "studies": list(self._studies.values()),
        }
        self._file.parent.mkdir(parents=True, exist_ok=True)
        with write_whole(self._file) as aside:
            aside.write_bytes(msgspec.json.format(msgspec.json.encode(progress), indent=1))
