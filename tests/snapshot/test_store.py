"""Snapshots: published whole or not at all, checked byte by byte, followed, rolled back, and never half seen."""

from __future__ import annotations

import json
import random
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from recsys.engine.pipeline import Engine
from recsys.snapshot.retention import prune, roll_back
from recsys.snapshot.store import (
    CURRENT,
    FORMAT,
    MANIFEST,
    Manifest,
    Snapshot,
    SnapshotStore,
    content_hash,
    current_version,
    open_files,
    open_snapshot,
    point_at,
    publish,
    publishing,
    read_manifest,
    verify,
    versions,
)
from recsys.types import GateError, SnapshotError
from tests.conftest import NOW, Shop, ask, busy_events, event
from training.job.job import Fitted


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> Fitted:
    """The busy shop, fitted once."""
    return Shop(tmp_path_factory.mktemp("fitted"), busy_events()).fit()


OLD, NEW = "20260101T000000Z-old", "20260201T000000Z-new"


@pytest.fixture
def artifacts(fitted: Fitted, tmp_path: Path) -> Path:
    """A folder with an old and a new version; CURRENT names the new one."""
    folder = tmp_path / "artifacts"
    for version in (OLD, NEW):
        publish(folder, msgspec.structs.replace(fitted.manifest, version=version), fitted.groups)
    return folder


def whole(snapshot: Snapshot) -> Snapshot:
    """Build nothing from a snapshot."""
    return snapshot


def test_what_is_opened_is_what_was_published(fitted: Fitted, artifacts: Path) -> None:
    """Every array comes back with its type, shape and values, mapped and read-only; the manifest says what it said."""
    opened = open_snapshot(artifacts, NEW)
    assert sorted(opened.groups) == sorted(fitted.groups)
    for owner, arrays in fitted.groups.items():
        assert sorted(opened.groups[owner]) == sorted(arrays)
        for name, array in arrays.items():
            found = opened.groups[owner][name]
            assert (found.dtype, found.shape) == (array.dtype, array.shape)
            assert found.tobytes() == array.tobytes()
            assert not found.flags.writeable or not found.size
    assert (opened.version, opened.as_of) == (NEW, fitted.manifest.as_of)
    assert opened.manifest.content_hash == fitted.manifest.content_hash
    assert opened.manifest.recommenders == fitted.manifest.recommenders


def test_manifest_lists_every_file(artifacts: Path) -> None:
    """The manifest has the size and sha256 of every other file, all of them plain arrays."""
    files = {path.relative_to(artifacts / NEW).as_posix() for path in (artifacts / NEW).rglob("*") if path.is_file()}
    manifest = read_manifest(artifacts, NEW)
    assert set(manifest.files) == files - {MANIFEST}
    assert {Path(name).suffix for name in manifest.files} == {".npy"}
    assert all(re.fullmatch("[0-9a-f]{64}", entry.sha256) for entry in manifest.files.values())


def write_note(folder: Path) -> None:
    """Write something for people."""
    (folder / "note.txt").write_text("hello")


def test_files_for_people_are_listed_too(fitted: Fitted, tmp_path: Path) -> None:
    """What is written for people is checked like the rest, and changes nothing of what serves."""
    manifest = publish(tmp_path, fitted.manifest, fitted.groups, write_note)
    assert "people/note.txt" in manifest.files
    assert "people" not in open_snapshot(tmp_path, manifest.version).manifest.recommenders
    (tmp_path / manifest.version / "people" / "note.txt").write_text("hullo")
    with pytest.raises(SnapshotError, match=r"people/note\.txt was changed"):
        verify(tmp_path, manifest.version)


def test_same_data_same_hash(make_shop_in: Callable[[str], Shop]) -> None:
    """Fitted twice, in two folders and at two times, the same tables and settings have the same content hash."""
    hashes: set[tuple[str, str]] = set()
    created: set[str] = set()
    for name in ("one", "two"):
        shop = make_shop_in(name)
        shop.add(*busy_events())
        manifest = shop.fit().manifest
        hashes.add((manifest.content_hash, manifest.data_fingerprint))
        version = shop.publish(NOW + timedelta(minutes=len(created)))
        created.add(version)
        assert version.endswith(manifest.content_hash[:12])
    assert (len(hashes), len(created)) == (1, 2)


def test_same_groups_same_hash(shop: Shop) -> None:
    """Groups of variants are numbered the same each time."""
    shop.items = [{"item_id": f"c{n}", "group_id": f"g{n % 300}"} for n in range(600)]
    assert len({shop.fit().manifest.content_hash for _ in range(4)}) == 1


@pytest.mark.parametrize(
    ("toml", "same_data"),
    [
        ("[recommenders.bestsellers]\nwindow_days = 29.5", True),
        ("[behaviour]\nview_weight = 1.5", True),
        ("[behaviour]\nhistory_events = 199", True),
        ("seed = 21", True),
        ("[placements.home]\nlimit = 3", True),
    ],
)
def test_changed_settings_change_the_hash(busy_shop: Shop, fitted: Fitted, toml: str, same_data: bool) -> None:
    """Settings of the fit change the hash, not the data's fingerprint; what only serving reads changes nothing."""
    busy_shop.toml = f"{toml}\n{busy_shop.toml}" if toml.startswith("seed") else f"{busy_shop.toml}\n{toml}"
    manifest = busy_shop.fit().manifest
    assert (manifest.content_hash == fitted.manifest.content_hash) == toml.startswith("[placements")
    assert (manifest.data_fingerprint == fitted.manifest.data_fingerprint) == same_data


def test_changed_data_change_the_hash(busy_shop: Shop, fitted: Fitted) -> None:
    """One more event, or one item's new title, is another snapshot."""
    busy_shop.items[0] = {**busy_shop.items[0], "title": "Ash sofa"}
    retitled = busy_shop.fit().manifest
    assert retitled.content_hash != fitted.manifest.content_hash
    busy_shop.add(event("zoe", "sofa-1"))
    more = busy_shop.fit().manifest
    assert more.content_hash != retitled.content_hash
    assert more.data_fingerprint != fitted.manifest.data_fingerprint


def test_content_hash_knows_names_types_and_shapes() -> None:
    """The same bytes under another name, type or shape hash differently; the order of writing does not matter."""
    zeros: NDArray[np.generic] = np.zeros(4, np.int32)
    hashes = [
        content_hash({"a": {"x": zeros}}),
        content_hash({"a": {"y": zeros}}),
        content_hash({"b": {"x": zeros}}),
        content_hash({"a": {"x": zeros.astype(np.float32)}}),
        content_hash({"a": {"x": zeros.reshape(2, 2)}}),
        content_hash({"a": {"x": zeros}}, "more"),
    ]
    assert len(set(hashes)) == 6
    ones: NDArray[np.generic] = np.ones(4, np.int32)
    one, other = {"x": zeros, "y": ones}, {"y": ones, "x": zeros}
    assert content_hash({"a": one, "b": {}}) == content_hash({"b": {}, "a": other})


def shorten(folder: Path) -> None:
    """Cut an array's file."""
    file = folder / "als" / "factors.npy"
    file.write_bytes(file.read_bytes()[:-7])


def flip(folder: Path) -> None:
    """Change one byte."""
    file = folder / "als" / "factors.npy"
    content = bytearray(file.read_bytes())
    content[-5] ^= 1
    file.write_bytes(content)


def rewrite(folder: Path, **changes: object) -> None:
    """Change the manifest."""
    manifest = msgspec.json.decode((folder / MANIFEST).read_bytes())
    (folder / MANIFEST).write_bytes(msgspec.json.encode({**manifest, **changes}))


DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "truncated": (shorten, r"als/factors\.npy has \d+ bytes, the manifest says \d+"),
    "changed": (flip, r"als/factors\.npy was changed after it was written"),
    "missing file": (lambda folder: (folder / "catalog" / "brand.npy").unlink(), r"catalog/brand\.npy is missing"),
    "missing manifest": (lambda folder: (folder / MANIFEST).unlink(), r"manifest\.json cannot be read"),
    "broken manifest": (
        lambda folder: (folder / MANIFEST).write_text("{"),
        rf"manifest\.json is not a manifest of format {FORMAT}",
    ),
    "half a manifest": (
        lambda folder: (folder / MANIFEST).write_text(f'{{"format": {FORMAT}}}'),
        r"manifest\.json is not a manifest",
    ),
    "other format": (
        lambda folder: rewrite(folder, format=FORMAT + 1),
        f"format {FORMAT + 1}; this program reads format {FORMAT}",
    ),
    "older format": (
        lambda folder: rewrite(folder, format=FORMAT - 1),
        f"its format is {FORMAT - 1}, this program reads {FORMAT}; run `make train`",
    ),
    "other version": (lambda folder: rewrite(folder, version="x"), "its manifest says version x"),
    "nothing there": (shutil.rmtree, r"manifest\.json cannot be read \(No such file or directory\)"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_snapshot_never_opens(artifacts: Path, damage: str) -> None:
    """Whatever is wrong with a version, opening it says which version and which file."""
    break_it, said = DAMAGES[damage]
    break_it(artifacts / NEW)
    with pytest.raises(SnapshotError, match=f"^snapshot {NEW}: .*{said}"):
        open_snapshot(artifacts, NEW)
    assert open_snapshot(artifacts, OLD).version == OLD


@pytest.mark.parametrize("damage", DAMAGES)
def test_the_store_keeps_the_old_one(artifacts: Path, damage: str) -> None:
    """A version that does not open never goes live: the old one serves on and the store says why."""
    point_at(artifacts, OLD)
    store = SnapshotStore(artifacts, whole)
    assert store.refresh()
    before = store.current
    break_it, said = DAMAGES[damage]
    break_it(artifacts / NEW)
    point_at(artifacts, NEW)
    assert not store.refresh()
    assert store.current is before
    assert (store.reloads, store.failures) == (1, 1)
    assert re.search(said, store.error or "")
    assert not store.refresh()
    assert store.failures == 1


def test_the_store_follows_current(artifacts: Path) -> None:
    """A moved CURRENT is opened once, an unmoved one not again; after a bad version the next good one clears the error."""
    store = SnapshotStore(artifacts, whole)
    assert (store.current, store.error) == (None, None)
    assert [store.refresh(), store.refresh()] == [True, False]
    assert store.current is not None
    assert store.current.version == NEW
    point_at(artifacts, "20260301T000000Z-none")
    assert not store.refresh()
    assert "20260301T000000Z-none: manifest.json cannot be read" in (store.error or "")
    point_at(artifacts, OLD)
    assert store.refresh()
    assert (store.current.version, store.error, store.reloads) == (OLD, None, 2)


def test_rolling_back_to_what_serves_clears_the_error(artifacts: Path) -> None:
    """Once CURRENT names the version that serves again, nothing is wrong any more."""
    store = SnapshotStore(artifacts, whole)
    store.refresh()
    point_at(artifacts, "20260301T000000Z-none")
    store.refresh()
    roll_back(artifacts, NEW)
    store.refresh()
    assert store.error is None


def test_a_store_without_snapshots_waits(tmp_path: Path, fitted: Fitted) -> None:
    """Before the first publish there is nothing, and the store says so; then it goes live."""
    store = SnapshotStore(tmp_path / "none", whole)
    assert not store.refresh()
    assert store.current is None
    assert "no snapshot is published" in (store.error or "")
    publish(tmp_path / "none", fitted.manifest, fitted.groups)
    assert store.refresh()
    assert store.error is None


def test_what_cannot_be_built_does_not_go_live(artifacts: Path) -> None:
    """Opening is not enough: a version from which nothing can be built is refused too."""
    point_at(artifacts, OLD)

    def build(snapshot: Snapshot) -> str:
        if snapshot.version == NEW:
            raise SnapshotError("no recommender can be made of it")
        return snapshot.version

    store = SnapshotStore(artifacts, build)
    store.refresh()
    point_at(artifacts, NEW)
    assert not store.refresh()
    assert (store.current, store.error) == (OLD, "no recommender can be made of it")


@pytest.mark.parametrize("older", [{"sha256": "of a member that is gone"}, {}])
def test_a_snapshot_of_an_older_format_says_what_to_run(busy_shop: Shop, older: dict[str, str]) -> None:
    """Whatever members its manifest has, it is refused in a sentence; the next training publishes beside it, and goes live."""
    version = busy_shop.publish()
    file = busy_shop.folder / "artifacts" / version / "manifest.json"
    manifest = msgspec.json.decode(file.read_bytes())
    file.write_bytes(msgspec.json.encode({**manifest, "format": FORMAT - 1, **older}))
    store = busy_shop.store()
    assert not store.refresh()
    assert store.error == (
        f"snapshot {version}: its format is {FORMAT - 1}, this program reads {FORMAT}; run `make train`, which makes a new one"
    )
    busy_shop.publish(NOW + timedelta(minutes=1))
    assert store.refresh()


def test_engines_serve_old_and_new_at_once(busy_shop: Shop) -> None:
    """After a reload the new version answers; an engine still in use goes on with the old one, whose files stay."""
    busy_shop.publish()
    store = busy_shop.store()
    assert store.refresh()
    first = store.current
    busy_shop.add(*(event(f"new-{n}", "bag-2", "purchase") for n in range(40)))
    busy_shop.publish(NOW + timedelta(minutes=1))
    assert store.refresh()
    second = store.current
    assert first is not None
    assert second is not None
    shown = [engine.catalog.item_id(int(ask(engine, placement="bestsellers").items[0])) for engine in (first, second)]
    assert shown[0] != "bag-2"
    assert shown[1] == "bag-2"


def test_roll_back_goes_one_version_back(artifacts: Path) -> None:
    """Without a name the version before the current one becomes current; from the oldest there is no way back."""
    assert roll_back(artifacts) == OLD
    assert current_version(artifacts) == OLD
    with pytest.raises(SnapshotError, match=f"nothing to roll back to: {OLD} is the oldest"):
        roll_back(artifacts)
    assert roll_back(artifacts, NEW) == NEW
    assert current_version(artifacts) == NEW


def test_roll_back_goes_only_to_what_verifies(artifacts: Path) -> None:
    """An unknown version names the known ones; a damaged one stays where it is; CURRENT does not move."""
    with pytest.raises(SnapshotError, match=f"no snapshot x in .*; there are: {OLD}, {NEW}"):
        roll_back(artifacts, "x")
    flip(artifacts / OLD)
    with pytest.raises(SnapshotError, match="was changed"):
        roll_back(artifacts)
    assert current_version(artifacts) == NEW


def test_prune_waits_for_whoever_publishes(artifacts: Path) -> None:
    """Nothing is deleted between another one's look at CURRENT and its pointing elsewhere."""
    pruned = threading.Thread(target=prune, args=(artifacts, 1))
    with publishing(artifacts):
        pruned.start()
        pruned.join(0.2)
        assert pruned.is_alive()
        point_at(artifacts, OLD)
    pruned.join()
    assert (versions(artifacts), current_version(artifacts)) == ([OLD, NEW], OLD)


def test_prune_keeps_the_newest_and_the_current(artifacts: Path, fitted: Fitted) -> None:
    """The oldest beyond the number to keep are deleted, the current one never."""
    newest = "20260301T000000Z-newest"
    publish(artifacts, msgspec.structs.replace(fitted.manifest, version=newest), fitted.groups)
    point_at(artifacts, OLD)
    assert prune(artifacts, 3) == []
    assert prune(artifacts, 1) == [NEW]
    assert versions(artifacts) == [OLD, newest]
    assert open_snapshot(artifacts, OLD).version == OLD
    point_at(artifacts, newest)
    assert prune(artifacts, 1) == [OLD]


def test_empty_arrays_come_back(shop: Shop) -> None:
    """A snapshot without events and items is written, opened and verified like any other."""
    shop.items = []
    fitted, artifacts = shop.fit(), shop.folder / "artifacts"
    publish(artifacts, fitted.manifest, fitted.groups)
    engine = Engine(open_snapshot(artifacts, fitted.manifest.version), shop.settings)
    assert engine.catalog.n_known == 0
    assert len(engine.snapshot.histories.users) == 0
    assert len(ask(engine, "ann").items) == 0


def test_publishing_twice_is_publishing_once(artifacts: Path, fitted: Fitted) -> None:
    """The same version again leaves the files as they are, and makes it current."""
    point_at(artifacts, OLD)
    before = sorted(path.stat().st_mtime_ns for path in (artifacts / NEW).rglob("*.npy"))
    publish(artifacts, msgspec.structs.replace(fitted.manifest, version=NEW), fitted.groups)
    assert sorted(path.stat().st_mtime_ns for path in (artifacts / NEW).rglob("*.npy")) == before
    assert current_version(artifacts) == NEW


def test_publishing_where_nothing_can_be_written(fitted: Fitted, tmp_path: Path) -> None:
    """Where the folder cannot be made, publishing says so as a SnapshotError."""
    (tmp_path / "file").write_text("")
    with pytest.raises(SnapshotError, match="cannot publish to"):
        publish(tmp_path / "file", fitted.manifest, fitted.groups)


def test_a_failed_publish_leaves_nothing_behind(artifacts: Path, fitted: Fitted) -> None:
    """If writing fails half-way, no folder stays and CURRENT does not move."""

    def fail(_folder: Path) -> None:
        raise OSError("disk full")

    with pytest.raises(SnapshotError, match="disk full"):
        publish(artifacts, msgspec.structs.replace(fitted.manifest, version="20260401T000000Z-x"), fitted.groups, fail)
    assert (versions(artifacts), current_version(artifacts)) == ([OLD, NEW], NEW)
    assert {path.name for path in artifacts.iterdir()} == {OLD, NEW, CURRENT, ".lock"}


def test_what_is_published_can_be_inspected_first(artifacts: Path, fitted: Fitted) -> None:
    """Before anybody can see it, every file is there to be opened; the manifest that the inspection returns is kept."""

    def inspect(folder: Path, manifest: Manifest) -> Manifest:
        assert (versions(artifacts), current_version(artifacts)) == ([OLD, NEW], NEW)
        opened = open_files(folder, manifest)
        assert opened.catalog.n_known == 12
        return msgspec.structs.replace(manifest, gate={"said": "good"})

    third = msgspec.structs.replace(fitted.manifest, version="20260401T000000Z-x")
    assert publish(artifacts, third, fitted.groups, None, inspect).gate == {"said": "good"}
    assert open_snapshot(artifacts, third.version).manifest.gate == {"said": "good"}
    assert current_version(artifacts) == third.version


@pytest.mark.parametrize("error", [GateError("no"), KeyboardInterrupt()])
def test_an_inspection_that_refuses_leaves_nothing_behind(artifacts: Path, fitted: Fitted, error: BaseException) -> None:
    """Refused or interrupted, the new folder is gone, CURRENT where it was, and the error is the inspection's own."""

    def inspect(folder: Path, manifest: Manifest) -> Manifest:
        raise error

    with pytest.raises(type(error)):
        publish(
            artifacts, msgspec.structs.replace(fitted.manifest, version="20260401T000000Z-x"), fitted.groups, None, inspect
        )
    assert {path.name for path in artifacts.iterdir()} == {OLD, NEW, CURRENT, ".lock"}
    assert current_version(artifacts) == NEW


PUBLISHER = """
import os, signal, sys
from pathlib import Path

import msgspec
import numpy as np

from recsys.snapshot.store import open_snapshot, publish

artifacts, base = Path(sys.argv[1]), sys.argv[2]
snapshot = open_snapshot(artifacts, base)


def publish_number(number):
    mark = {f"copy{at}": np.full(1000, number) for at in range(4)}
    manifest = msgspec.structs.replace(snapshot.manifest, version=f"20270101T{number:06}Z-{os.getpid()}")
    publish(artifacts, manifest, {**snapshot.groups, "mark": mark})


def fork(numbers, deadline):
    pid = os.fork()
    if pid:
        return pid
    seen = [0]

    def hook(event, arguments):
        if event == "os.rename":
            seen.append(0)
        else:
            seen[-1] += 1
        if (len(seen) - 1, seen[-1]) == deadline:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)
    for number in numbers:
        publish_number(number)
    os.write(1, f"{seen}\\n".encode())
    os._exit(0)


if sys.argv[3:]:
    publishers = [fork(range(at, 40, 4), None) for at in range(4)]
    sys.exit(sum(os.waitpid(pid, 0)[1] for pid in publishers))
for number, line in enumerate(sys.stdin):
    status = os.waitpid(fork([number], tuple(map(int, line.split()))), 0)[1]
    if status:
        print("killed" if os.WTERMSIG(status) == signal.SIGKILL else "failed", flush=True)
"""
"""Publishes under numbers of its own. Told `r k`, a publisher kills itself at the k-th audit event (an open …) after its
r-th rename; told nothing, it says how many events there were before the first rename and after each."""


class Reader:
    """Follows CURRENT without pause in its own thread, and remembers everything that was not whole."""

    def __init__(self, artifacts: Path) -> None:
        self.store = SnapshotStore(artifacts, self._check)
        self.wrong: list[str] = []
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Reader:
        self.look()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def look(self) -> None:
        """Refresh once."""
        self.store.refresh()
        if self.store.error:
            self.wrong.append(self.store.error)

    def _run(self) -> None:
        while not self._done.is_set():
            self.look()

    def _check(self, snapshot: Snapshot) -> str:
        found = {int(value) for array in snapshot.groups.get("mark", {}).values() for value in np.unique(array)}
        number = {int(snapshot.version[9:15])} if found else set()
        if found != number:
            self.wrong.append(f"{snapshot.version} holds {found}")
        return snapshot.version


def start_publisher(artifacts: Path, *mode: str) -> subprocess.Popen[str]:
    """Start the process above."""
    command = [sys.executable, "-c", PUBLISHER, str(artifacts), NEW, *mode]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


@pytest.mark.long
def test_killed_publishers_never_show_half_a_snapshot(artifacts: Path) -> None:
    """Killed at any moment of a publish, over thirty times, a reader always has a whole snapshot; the next publish works."""
    with Reader(artifacts) as reader, start_publisher(artifacts) as publisher:
        assert publisher.stdin is not None
        assert publisher.stdout is not None
        stated, answers = publisher.stdin, publisher.stdout

        def publish_until(moment: str) -> str:
            stated.write(f"{moment}\n")
            stated.flush()
            return answers.readline().strip()

        before, between, after = json.loads(publish_until(""))
        moments = [f"0 {moment}" for moment in random.Random(20).sample(range(1, before), 30)]
        moments += [f"1 {moment}" for moment in range(between + 1)] + [f"2 {moment}" for moment in range(after)]
        currents = []
        for moment in moments:
            assert publish_until(moment) == "killed"
            reader.look()
            current = current_version(artifacts)
            assert current is not None
            assert verify(artifacts, current).format == FORMAT
            assert reader.store.current == current
            currents.append(current)
        assert publish_until("").startswith("[")
        reader.look()
        stated.close()
        assert publisher.wait() == 0
    assert reader.wrong == []
    assert len(moments) > 30
    assert len(set(currents)) == 1 + len(range(1, after))
    assert reader.store.current == current_version(artifacts) == versions(artifacts)[-1]
    assert not [path.name for path in artifacts.iterdir() if path.name.startswith((".incoming", ".CURRENT"))]


@pytest.mark.long
def test_publishers_at_the_same_time(artifacts: Path) -> None:
    """Four processes that publish at once wait for each other: every version is whole, CURRENT names one of them."""
    with Reader(artifacts) as reader, start_publisher(artifacts, "together") as publisher:
        assert publisher.wait() == 0
        reader.look()
    assert reader.wrong == []
    found = versions(artifacts)
    assert len(found) == 42
    for version in found:
        verify(artifacts, version)
    assert current_version(artifacts) in found[2:]
    assert {path.name for path in artifacts.iterdir()} == {*found, CURRENT, ".lock"}
