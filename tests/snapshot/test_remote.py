"""Snapshots in an object store: uploaded once, fetched whole or not at all, by as many machines as there are."""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from uuid import uuid4

import msgspec
import numpy as np
import pytest

from recsys.disk import locked
from recsys.settings.load import parse_settings
from recsys.snapshot import mirror, remote
from recsys.snapshot.manifest import FileEntry
from recsys.snapshot.mirror import AnotherFetchesError, SnapshotMirror
from recsys.snapshot.remote import Pointer, RemoteSnapshots
from recsys.snapshot.retention import lines, roll_back
from recsys.snapshot.store import MANIFEST, current_version, publish, read_manifest, report_files, verify, versions
from recsys.types import Arrays, SettingsError, SnapshotError
from recsys.web.app import create_app
from recsys.web.http.metrics import Metrics
from recsys.web.resources.reports import AWAY
from recsys.web.serving.fetcher import SnapshotFetcher
from tests.conftest import Shop, busy_events
from tests.console.conftest import SECRETS, logged_in
from tests.support.servers.serving import ADMIN, serving_settings
from tests.support.servers.store import Store, store_server
from training.__main__ import main
from training.cli.commands import line
from training.job.job import Fitted
from training.job.publishing import Publisher

OLD, NEW, OTHER = (f"2026010{day}T000000Z-0000000000a{day}" for day in (1, 2, 3))


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> Fitted:
    """The busy shop, fitted once."""
    return Shop(tmp_path_factory.mktemp("fitted"), busy_events()).fit()


@pytest.fixture(scope="module")
def server() -> Iterator[Store]:
    """A store that the environment leads to."""
    with pytest.MonkeyPatch.context() as patch, store_server(patch) as running:
        yield running


class Machine:
    """One machine: its folder and the store that it shares with others."""

    def __init__(self, fitted: Fitted, address: str, folder: Path) -> None:
        self.fitted = fitted
        self.folder = folder
        self.remote = RemoteSnapshots(address)
        self.mirror = SnapshotMirror(self.remote, folder)

    def publish(self, version: str, seed: int = 0, base: Pointer | None = None) -> None:
        """Publish a version in which one array depends on the seed."""
        base, folder = base or self.remote.current(), self.folder
        groups: dict[str, Arrays] = {**self.fitted.groups, "trending": {"drawn": np.random.default_rng(seed).random(1000)}}
        manifest = msgspec.structs.replace(self.fitted.manifest, version=version)

        def announce(version: str) -> None:
            self.remote.upload(folder, version)
            self.remote.announce(version, base)

        publish(self.folder, manifest, groups, announce=announce)

    def publish_to(self, line: str, version: str, keep: int = 1) -> None:
        """Publish a version to a snapshot line, as a training does."""
        toml = f'[snapshot]\nartifacts = "{self.remote.address}"\nmirror = "{self.folder}"\nkeep = {keep}'
        settings = parse_settings(toml, self.folder)
        publisher = Publisher(settings, line)
        manifest = msgspec.structs.replace(self.fitted.manifest, version=version)
        publisher.publish(manifest, self.fitted.groups, lambda folder: None, lambda folder, manifest: manifest)
        publisher.prune()

    def serves(self) -> str | None:
        """The version that it would serve, whole."""
        version = current_version(self.folder)
        return version and verify(self.folder, version).version


@pytest.fixture
def shop(fitted: Fitted, server: Store, tmp_path: Path) -> Iterator[SimpleNamespace]:
    """Two machines that share a store."""
    name = uuid4().hex
    address = f"s3://shop/{name}"
    yield SimpleNamespace(
        trainer=Machine(fitted, address, tmp_path / "trainer"),
        node=Machine(fitted, address, tmp_path / "node"),
        server=server,
        bucket=server.bucket / name,
        address=address,
    )
    server.open_door()


def test_a_machine_serves_what_another_published(shop: SimpleNamespace) -> None:
    """Every file arrives as it was published, and looking again fetches nothing."""
    assert shop.node.mirror.fetch_current() is None
    shop.trainer.publish(NEW)
    moved = shop.node.mirror.fetch_current()
    assert moved.files == moved.all_files == len(read_manifest(shop.node.folder, NEW).files)
    assert shop.node.serves() == NEW
    assert shop.node.mirror.fetch_current() is None


def test_only_what_changed_travels(shop: SimpleNamespace) -> None:
    """Of a second version whose arrays are the same but one, one file is uploaded and one is fetched."""
    shop.trainer.publish(OLD, seed=1)
    shop.node.mirror.fetch_current()
    shop.trainer.publish(NEW, seed=2)
    assert shop.trainer.remote.upload(shop.trainer.folder, NEW).files == 0
    moved = shop.node.mirror.fetch_current()
    assert (moved.files, shop.node.serves()) == (1, NEW)
    assert len([*(shop.bucket / "files").iterdir()]) == len({e.sha256 for v in (OLD, NEW) for e in entries(shop, v)})


def entries(shop: SimpleNamespace, version: str) -> list[FileEntry]:
    """The files of a version."""
    return [*read_manifest(shop.trainer.folder, version).files.values()]


def test_of_two_who_publish_at_once_one_is_told(shop: SimpleNamespace, fitted: Fitted, tmp_path: Path) -> None:
    """CURRENT keeps the first; the second is told what serves and how its own version can, and its folder serves on."""
    other = Machine(fitted, shop.address, tmp_path / "other")
    seen = other.remote.current()
    shop.trainer.publish(OLD)
    with pytest.raises(SnapshotError, match=rf'somebody else published {OLD} .*rollback ARGS="--to {NEW}"'):
        other.publish(NEW, base=seen)
    assert shop.node.remote.current().version == OLD
    assert other.serves() is None
    assert other.mirror.fetch_all().version == OLD
    assert versions(other.folder) == [OLD, NEW]


@pytest.mark.long
def test_a_fetch_that_is_cut_goes_on_where_it_ended(shop: SimpleNamespace) -> None:
    """Half a version is never seen, what serves stays, and the second try fetches only what is missing."""
    shop.trainer.publish(OLD)
    shop.node.mirror.fetch_current()
    shop.trainer.publish(NEW, seed=2)
    shutil.rmtree(shop.node.folder / OLD)  # nothing to reuse
    size = sum(entry.bytes for entry in entries(shop, NEW))
    shop.server.cut_after(size // 2)
    with pytest.raises(SnapshotError, match="does not answer"):
        shop.node.mirror.fetch_current()
    assert current_version(shop.node.folder) == OLD
    assert versions(shop.node.folder) == []
    shop.server.open_door()
    moved = shop.node.mirror.fetch_current()
    assert 0 < moved.files < moved.all_files
    assert shop.node.serves() == NEW


@pytest.mark.long
@pytest.mark.parametrize(
    "damage",
    [lambda was: b"", lambda was: was[:-1], lambda was: was * 2, lambda was: was[:-1] + bytes([was[-1] ^ 1])],
    ids=["empty", "shorter", "longer", "one bit"],
)
def test_a_file_that_was_changed_in_the_store_never_serves(shop: SimpleNamespace, damage: Callable[[bytes], bytes]) -> None:
    """The file is named, and the machine goes on with what it has."""
    shop.trainer.publish(OLD)
    shop.node.mirror.fetch_current()
    shop.trainer.publish(NEW, seed=2)
    changed = read_manifest(shop.trainer.folder, NEW).files["trending/drawn.npy"]
    stored = shop.bucket / "files" / changed.sha256
    stored.write_bytes(damage(stored.read_bytes()))
    with pytest.raises(SnapshotError, match=r"trending/drawn\.npy .* is not what was published"):
        shop.node.mirror.fetch_current()
    assert shop.node.serves() == OLD


@pytest.mark.parametrize("name", ["../escaped.npy", "/etc/escaped.npy", "a/../../escaped.npy", ".hidden/x.npy", ""])
def test_a_manifest_leads_nowhere_but_into_its_folder(shop: SimpleNamespace, name: str, tmp_path: Path) -> None:
    """Names that lead out of the version's folder are refused before anything is written."""
    shop.trainer.publish(NEW)
    manifest = msgspec.json.decode((shop.trainer.folder / NEW / MANIFEST).read_bytes())
    manifest["files"][name] = next(iter(manifest["files"].values()))
    (shop.bucket / "snapshots" / f"{NEW}.json").write_bytes(msgspec.json.encode(manifest))
    with pytest.raises(SnapshotError, match="names a file that cannot be of a snapshot"):
        shop.node.mirror.fetch_current()
    assert not [*tmp_path.rglob("escaped*")]
    assert versions(shop.node.folder) == []


def test_deleting_keeps_what_others_name(shop: SimpleNamespace) -> None:
    """A deleted version is gone from the store with the files that it alone named, and then from the machines that had it."""
    shop.trainer.publish(OLD, seed=1)
    shop.node.mirror.fetch_current()
    shop.trainer.publish(NEW, seed=2)
    shop.trainer.remote.delete([OLD, NEW])
    assert shop.trainer.remote.versions() == [NEW]
    assert {file.name for file in (shop.bucket / "files").iterdir()} == {entry.sha256 for entry in entries(shop, NEW)}
    shop.node.mirror.fetch_current()
    assert (versions(shop.node.folder), shop.node.serves()) == ([NEW], NEW)


def test_what_is_deleted_goes_from_a_machine_that_fetches_nothing_new(shop: SimpleNamespace) -> None:
    """A purge ends with its versions: nodes drop theirs, and what they fetched of them, though CURRENT stays; an emptied store drops
    nothing."""
    fetcher = SnapshotFetcher(shop.node.mirror, 60, Metrics())
    shop.trainer.publish(OLD, seed=1)
    assert fetcher.look()
    shop.trainer.publish(NEW, seed=2)
    assert fetcher.look()
    assert versions(shop.node.folder) == [OLD, NEW]
    (shop.node.folder / f".fetching-{OTHER}").mkdir()
    shop.trainer.remote.delete([OLD])
    fetcher._deleted_at = float("-inf")
    assert not fetcher.look()
    assert (versions(shop.node.folder), [*shop.node.folder.glob(".fetching-*")]) == ([NEW], [])
    (shop.bucket / "CURRENT").unlink()
    (shop.bucket / "snapshots" / f"{NEW}.json").unlink()
    shutil.copytree(shop.node.folder / NEW, shop.node.folder / OLD)
    shop.node.mirror.drop_deleted()
    assert versions(shop.node.folder) == [OLD, NEW]


def test_a_delete_that_was_cut_off_is_finished_by_the_next(shop: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files that no manifest names any more are found a week later, or the erased would stay in the store for good."""
    shop.trainer.publish(OLD, seed=1)
    shop.trainer.publish(NEW, seed=2)
    (shop.bucket / "snapshots" / f"{OLD}.json").unlink()
    (shop.bucket / "files" / "price-list.pdf").write_bytes(b"the shop's own")
    shop.trainer.remote.delete([])
    left = {file.name for file in (shop.bucket / "files").iterdir()}
    named = {entry.sha256 for entry in entries(shop, NEW)}
    assert named < left, "an upload that goes on is not disturbed"
    monkeypatch.setattr(remote, "_LEFT_BEHIND", timedelta(microseconds=1))
    shop.trainer.remote.delete([])
    assert {file.name for file in (shop.bucket / "files").iterdir()} == named | {"price-list.pdf"}


def test_a_pointer_to_nothing_moves_nothing(shop: SimpleNamespace) -> None:
    """Where CURRENT names a version whose manifest is gone, the folder's own goes on."""
    shop.trainer.publish(OLD)
    shop.node.mirror.fetch_all()
    shop.trainer.publish(NEW, seed=2)
    (shop.bucket / "snapshots" / f"{NEW}.json").unlink()
    for fetch in (shop.node.mirror.fetch_all, shop.node.mirror.fetch_current):
        with pytest.raises(SnapshotError, match=f"has no {NEW}"):
            fetch()
    assert shop.node.serves() == OLD


def test_an_emptied_bucket_is_filled_by_the_next_publish(shop: SimpleNamespace) -> None:
    """Nodes go on with their folders; the next publish uploads all that it needs, and nodes follow it."""
    shop.trainer.publish(OLD)
    shop.node.mirror.fetch_current()
    shutil.rmtree(shop.bucket)
    assert shop.node.mirror.fetch_current() is None
    assert shop.node.serves() == OLD
    shop.trainer.publish(NEW, seed=2)
    moved = shop.node.mirror.fetch_current()
    assert (moved.files, shop.node.serves()) == (1, NEW)
    assert len([*(shop.bucket / "files").iterdir()]) == len({each.sha256 for each in entries(shop, NEW)})


def test_a_node_without_its_disk_fetches_and_serves(shop: SimpleNamespace) -> None:
    """With an empty folder it has the current version, whole, after one look."""
    shop.trainer.publish(OLD)
    shop.node.mirror.fetch_current()
    shutil.rmtree(shop.node.folder)
    assert SnapshotFetcher(SnapshotMirror(shop.node.remote, shop.node.folder), 1, Metrics()).look()
    assert shop.node.serves() == OLD


@pytest.mark.long
def test_a_store_that_is_away_is_told_and_serving_goes_on(shop: SimpleNamespace) -> None:
    """The folder serves, the error names no address, a failure is counted, and the store's return is noticed."""
    shop.trainer.publish(OLD)
    metrics = Metrics()
    fetcher = SnapshotFetcher(shop.node.mirror, 0.01, metrics)
    assert fetcher.look()
    shop.trainer.publish(NEW, seed=2)
    shop.server.close_door()
    assert not fetcher.look()
    assert shop.node.serves() == OLD
    assert fetcher.error is not None
    assert "s3" not in fetcher.error
    assert b"recsys_snapshot_fetch_failures_total 1.0" in metrics.text()
    shop.server.open_door()
    assert fetcher.look()
    assert shop.node.serves() == NEW
    assert not fetcher.error


def test_a_full_disk_is_told_before_anything_is_fetched(shop: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sentence says how much is needed and how much is free."""
    shop.trainer.publish(NEW)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=1000))
    with pytest.raises(SnapshotError, match=r"needs .* MB in .* where 0 MB are free"):
        shop.node.mirror.fetch_current()


@pytest.mark.long
def test_commands_work_on_any_machine(shop: SimpleNamespace, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`train` on one machine, `snapshots` and `rollback` on another: each sees all versions, and all nodes follow."""
    toml = f'[snapshot]\nartifacts = "{shop.address}"\n[web]\nclock = "events"\n'
    for name in ("a", "b"):
        here = Shop(tmp_path / name, busy_events(), toml=toml)
        here.folder.mkdir()
        here.write()
        (here.folder / "data").mkdir()
        for table in ("events", "items"):
            (here.folder / f"{table}.parquet").rename(here.folder / "data" / f"{table}.parquet")
        (here.folder / "settings.toml").write_text(toml)
    assert main(["--settings", str(tmp_path / "a/settings.toml"), "train"]) == 0
    first = shop.node.remote.current().version
    assert main(["--settings", str(tmp_path / "b/settings.toml"), "report"]) == 0
    assert [each.version for each in shop.node.remote.reports()] == [first]
    shop.trainer.mirror.fetch_all()
    shop.trainer.publish("29990101T000000Z-0000000000aa")
    assert main(["--settings", str(tmp_path / "b/settings.toml"), "snapshots"]) == 0
    stated = capsys.readouterr().out
    assert first in stated
    assert main(["--settings", str(tmp_path / "b/settings.toml"), "rollback"]) == 0
    shop.node.mirror.fetch_current()
    assert shop.node.serves() == first


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ("ftp://shop/a", "ftp:// is no object store; allowed: a folder, s3://, gs://, az://"),
        ("s3://key:secret@shop/a", "holds credentials"),
        ("s3://shop/a?token=secret", "holds credentials or options"),
        ("s3:///a", "names no bucket"),
    ],
)
def test_addresses_that_cannot_be(place: str, words: str, tmp_path: Path) -> None:
    """One sentence names the setting and what to write, and shows no secret."""
    with pytest.raises(SettingsError, match=words) as caught:
        parse_settings(f'[snapshot]\nartifacts = "{place}"\n', tmp_path)
    assert "artifacts" in str(caught.value) or "snapshot" in str(caught.value)
    assert "secret" not in str(caught.value)


def write_report(machine: Machine, version: str, text: str) -> Path:
    """Write a report as `make report` does, and upload it."""
    file = machine.folder / "reports" / f"{version}.html"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    machine.remote.upload_report(version, file)
    return file


def stated(machine: Machine) -> dict[str, str]:
    """The reports that a machine shows."""
    return {file.stem: file.read_text() for file in report_files(machine.folder)}


def test_a_report_of_the_trainer_is_on_every_node(shop: SimpleNamespace) -> None:
    """A node fetches what it has not, once; one that is written again takes the place of the one before, here and in the store."""
    assert shop.node.mirror.fetch_reports() == 0
    write_report(shop.trainer, OLD, "old")
    write_report(shop.trainer, NEW, "new")
    assert (shop.node.mirror.fetch_reports(), stated(shop.node)) == (2, {NEW: "new", OLD: "old"})
    assert shop.node.mirror.fetch_reports() == 0
    made = shop.bucket / "reports" / NEW
    os.utime(next(made.iterdir()), (1, 1))  # the store tells times in seconds
    write_report(shop.trainer, NEW, "newer")
    assert (shop.node.mirror.fetch_reports(), stated(shop.node)) == (1, {NEW: "newer", OLD: "old"})
    assert len([*made.iterdir()]) == 1
    restarted = SnapshotMirror(shop.node.remote, shop.node.folder)
    assert restarted.fetch_reports() == 0
    (shop.node.folder / "reports" / f"{OLD}.html").unlink()
    assert (restarted.fetch_reports(), stated(shop.node)[OLD]) == (1, "old")


def test_a_report_that_could_not_be_uploaded_stays(shop: SimpleNamespace) -> None:
    """The older one in the store does not take its place, also after a restart; a newer one does, and one that is damaged goes."""
    write_report(shop.trainer, NEW, "old")
    own = shop.trainer.folder / "reports" / f"{NEW}.html"
    own.write_text("written while the store was away")
    later = time.time() + 5  # the store tells times in seconds
    os.utime(own, (later, later))
    for here in (shop.trainer.mirror, SnapshotMirror(shop.trainer.remote, shop.trainer.folder)):
        assert (here.fetch_reports(), stated(shop.trainer)) == (0, {NEW: "written while the store was away"})
    write_report(shop.node, NEW, "newer")
    stored = next(each for each in (shop.bucket / "reports" / NEW).iterdir() if each.read_text() == "newer")
    os.utime(stored, (later + 5, later + 5))
    here = SnapshotMirror(shop.trainer.remote, shop.trainer.folder)
    assert (here.fetch_reports(), stated(shop.trainer)) == (1, {NEW: "newer"})
    written = own.stat().st_mtime_ns
    own.write_text("never")
    os.utime(own, ns=(written, written))
    assert (SnapshotMirror(shop.trainer.remote, shop.trainer.folder).fetch_reports(), stated(shop.trainer)) == (
        1,
        {NEW: "newer"},
    )


def test_who_cannot_look_knows_no_better_than_before(shop: SimpleNamespace) -> None:
    """A worker that finds another one fetching goes on saying that the store was away, and that reports may be missing."""
    fetcher = SnapshotFetcher(shop.node.mirror, 60, Metrics())
    write_report(shop.trainer, NEW, "new")
    for stored in (shop.bucket / "reports" / NEW).iterdir():
        stored.write_text("xxx")
    shop.trainer.publish(OLD)
    assert fetcher.look()
    assert fetcher.reports_may_lack
    fetcher._reports_at = float("-inf")
    with locked(shop.node.folder / ".fetching.lock"):
        assert not fetcher.look()
        fetcher._look_for_reports()
        assert fetcher.reports_may_lack
        with pytest.raises(AnotherFetchesError):
            shop.node.mirror.fetch_lines()


def test_reports_are_bounded(shop: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of the oldest versions go, in the store and on each machine; deleting a snapshot leaves its report."""
    for module in (remote, mirror):
        monkeypatch.setattr(module, "MAX_REPORTS", 2)
    shop.trainer.publish(OLD)
    for version in (OLD, NEW):
        write_report(shop.trainer, version, version)
    shop.node.mirror.fetch_reports()
    shop.trainer.publish(NEW)
    shop.trainer.remote.delete([OLD])
    assert {*stated(shop.node)} == {each.version for each in shop.node.remote.reports()} == {OLD, NEW}
    write_report(shop.trainer, OTHER, "the newest")
    assert shop.node.mirror.fetch_reports() == 1
    assert [*stated(shop.node)] == [OTHER, NEW]
    assert sorted(each.name for each in (shop.bucket / "reports").iterdir() if any(each.iterdir())) == [NEW, OTHER]


@pytest.mark.parametrize("damage", [lambda text: text[:-1], lambda text: text[:-1] + b"X"])
def test_a_report_that_was_changed_in_the_store_is_not_shown(
    shop: SimpleNamespace, damage: Callable[[bytes], bytes]
) -> None:
    """It is not what its name says: nothing of it is there, and what was there stays."""
    write_report(shop.trainer, OLD, "a report")
    (stored,) = (shop.bucket / "reports" / OLD).iterdir()
    stored.write_bytes(damage(stored.read_bytes()))
    with pytest.raises(SnapshotError, match="not what was published"):
        shop.node.mirror.fetch_reports()
    assert stated(shop.node) == {}
    assert [*(shop.node.folder / "reports").iterdir()] == []


def test_one_bad_report_keeps_neither_snapshots_nor_other_reports(shop: SimpleNamespace) -> None:
    """The older one is there, the snapshot is no error, the store is asked as often as ever, and the pages say that one may lack."""
    shop.trainer.publish(OLD)
    write_report(shop.trainer, OLD, "an old report")
    write_report(shop.trainer, NEW, "a report")
    (stored,) = (shop.bucket / "reports" / NEW).iterdir()
    stored.write_bytes(b"A REPORT")
    fetcher = SnapshotFetcher(shop.node.mirror, 5.0, Metrics())
    assert [fetcher.look(), fetcher.look()] == [True, False]
    assert stated(shop.node) == {OLD: "an old report"}
    assert fetcher.error is None
    assert fetcher.reports_may_lack


def test_reports_that_only_this_machine_has_stay(shop: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    """As long as the store is not full of newer ones nothing is dropped here."""
    for module in (remote, mirror):
        monkeypatch.setattr(module, "MAX_REPORTS", 2)
    for version in (OLD, NEW, OTHER):
        (shop.node.folder / "reports").mkdir(parents=True, exist_ok=True)
        (shop.node.folder / "reports" / f"{version}.html").write_text(version)
    write_report(shop.trainer, OTHER, "the newest")
    shop.node.mirror.fetch_reports()
    assert [*stated(shop.node)] == [OTHER, NEW, OLD]


def test_other_objects_are_no_reports(shop: SimpleNamespace) -> None:
    """What anybody else put there, or a name that leads elsewhere, is passed over."""
    for name in ("notes.html", f"{OLD}/notes.html", f"{OLD}/{'a' * 64}.txt", f"x/{OLD}/{'a' * 64}.html"):
        shop.server.put(f"{shop.bucket.name}/reports/{name}", b"something")
    assert shop.node.remote.reports() == []


@pytest.mark.long
def test_pages_of_a_node_show_the_trainers_reports_and_say_when_the_store_is_away(shop: SimpleNamespace) -> None:
    """Opened by a key and in the console; while the store is away, those that are here, with a word that others may be missing."""
    shop.trainer.publish(OLD)
    write_report(shop.trainer, OLD, "<h1>The trainer's</h1>")
    plain = serving_settings(shop.node.folder, clock="events")
    snapshots = msgspec.structs.replace(plain.snapshot, artifacts=shop.address, mirror=str(shop.node.folder))
    app = create_app(msgspec.structs.replace(plain, snapshot=snapshots), SECRETS)
    fetcher, keyed, viewer = app.service.live.fetcher, app.test_client(), logged_in(app, "viewer")
    assert fetcher is not None
    assert fetcher.look()
    assert keyed.get(f"/reports/{OLD}", headers=ADMIN).text == "<h1>The trainer's</h1>"
    assert viewer.get(f"/console/report?version={OLD}").text == "<h1>The trainer's</h1>"
    for away in (False, True):
        for page in (keyed.get("/reports/", headers=ADMIN).text, viewer.get("/console/reports").text):
            assert OLD in page
            assert (AWAY in page) == away
        shop.server.close_door()
        fetcher.look()


def test_a_line_is_on_every_machine(shop: SimpleNamespace) -> None:
    """A node fetches the newest version of a line, drops the one before it, and serves what it served; an ended line is gone."""
    shop.trainer.publish(OLD)
    shop.trainer.publish_to("candidate", NEW)
    shop.node.mirror.fetch_current()
    assert (shop.node.mirror.fetch_lines(), shop.node.serves()) == (1, OLD)
    assert (lines(shop.node.folder), verify(shop.node.folder, NEW).version) == ({"candidate": (NEW,)}, NEW)
    assert shop.node.mirror.fetch_lines() == 0
    shop.trainer.publish_to("candidate", OTHER)
    assert shop.node.mirror.fetch_lines() == 1
    assert (lines(shop.node.folder), versions(shop.node.folder)) == ({"candidate": (OTHER,)}, [OLD, OTHER])
    assert shop.node.remote.versions() == [OLD, OTHER]
    shop.node.remote.change_line("candidate", drop=(NEW, OTHER))
    assert (shop.node.mirror.fetch_lines(), lines(shop.node.folder)) == (0, {})


def test_a_store_without_lines_is_not_asked_for_its_versions(shop: SimpleNamespace) -> None:
    """Every worker of every machine looks every few seconds, and each question costs."""
    asked = []

    class Asked(RemoteSnapshots):
        def versions(self) -> list[str]:
            asked.append(found := super().versions())
            return found

    shop.trainer.publish(OLD)
    machine = SnapshotMirror(Asked(shop.address), shop.node.folder)
    assert (machine.fetch_lines(), asked) == (0, [])
    shop.trainer.publish_to("candidate", NEW)
    assert (machine.fetch_lines(), asked[0]) == (1, [OLD, NEW])


def test_a_line_is_ended_with_the_versions_of_other_machines(shop: SimpleNamespace) -> None:
    """Also those that this one never fetched; one that another line names stays, and ending it again says that there is none."""
    shop.trainer.publish(OLD)
    shop.trainer.publish_to("candidate", NEW)
    shop.node.mirror.fetch_all()
    shop.node.publish_to("candidate", OTHER, keep=5)
    shop.trainer.remote.change_line("second", (NEW,))
    toml = f'[snapshot]\nartifacts = "{shop.address}"\nmirror = "{shop.trainer.folder}"'
    settings = parse_settings(toml, shop.trainer.folder)
    assert line(settings, "candidate", None) == 0
    assert shop.node.remote.lines() == {"second": (NEW,)}
    assert shop.node.remote.versions() == [OLD, NEW]
    with pytest.raises(SnapshotError, match="no line 'candidate'"):
        line(settings, "candidate", None)


def test_a_version_that_was_deleted_is_in_no_line_of_the_store(shop: SimpleNamespace) -> None:
    """As a purge does it: nodes drop it, and a line of which nothing is left is ended everywhere."""
    shop.trainer.publish(OLD)
    shop.trainer.publish_to("candidate", NEW)
    shop.node.mirror.fetch_current()
    shop.node.mirror.fetch_lines()
    shop.trainer.remote.delete([NEW])
    assert shop.trainer.remote.lines() == {}
    assert shop.node.mirror.fetch_lines() == 0
    assert (lines(shop.node.folder), versions(shop.node.folder)) == ({}, [OLD])


def test_a_line_that_is_wrong_in_the_store_stays_as_it_was(shop: SimpleNamespace) -> None:
    """What was tampered with is not fetched: the line goes on with its former version, others and what serves are fetched."""
    shop.trainer.publish(OLD)
    shop.trainer.publish_to("candidate", NEW)
    fetcher = SnapshotFetcher(shop.node.mirror, 60, Metrics())
    assert fetcher.look()
    shop.server.put(f"{shop.bucket.name}/snapshots/{OTHER}.json", b"{")
    shop.trainer.remote.change_line("candidate", (OTHER,))
    shop.trainer.remote.change_line("second", (OLD,))
    with pytest.raises(SnapshotError, match="1 of 2 snapshot lines were not fetched"):
        shop.node.mirror.fetch_lines()
    assert lines(shop.node.folder) == {"candidate": (NEW,), "second": (OLD,)}
    fetcher.look()
    assert shop.node.serves() == OLD


def test_machines_that_publish_to_one_line_at_once_lose_nothing(
    shop: SimpleNamespace, fitted: Fitted, tmp_path: Path
) -> None:
    """Each version stays in the line, whoever writes it last: what no line names would be the shop's, and a rollback could let it
    serve."""
    shop.trainer.publish(OLD)
    machines = [Machine(fitted, shop.address, tmp_path / f"machine-{number}") for number in range(6)]
    versions_of_line = [f"2026020{number + 1}T000000Z-0000000000b{number}" for number in range(6)]
    start = threading.Barrier(6)

    def publish_one(machine: Machine, version: str) -> None:
        machine.mirror.fetch_all()
        start.wait()
        machine.publish_to("candidate", version, keep=10)

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(publish_one, machines, versions_of_line))
    assert sorted(shop.node.remote.lines()["candidate"]) == versions_of_line
    pointer = shop.node.mirror.fetch_all()
    assert pointer.version == OLD
    assert versions(shop.node.folder) == [OLD, *versions_of_line]
    with pytest.raises(SnapshotError, match="nothing to roll back to"):
        roll_back(shop.node.folder)


def test_a_version_that_is_on_its_way_is_waited_for(shop: SimpleNamespace) -> None:
    """Its line names it before the store has it, for ever where the machine died meanwhile: the one before it goes on, and that is no
    failure."""
    shop.trainer.publish(OLD)
    shop.trainer.publish_to("candidate", NEW)
    shop.trainer.remote.change_line("candidate", (OTHER,))
    shop.trainer.remote.change_line("second", (OTHER,))
    fetcher = SnapshotFetcher(shop.node.mirror, 60, Metrics())
    assert fetcher.look()
    assert lines(shop.node.folder) == {"candidate": (NEW,)}
    assert shop.node.mirror.fetch_lines() == 0
    shop.trainer.publish_to("candidate", OTHER)
    assert shop.node.mirror.fetch_lines() == 1
    assert lines(shop.node.folder) == {"candidate": (OTHER,), "second": (OTHER,)}


def test_a_training_whose_line_cannot_be_written_is_no_version_of_the_shop(shop: SimpleNamespace) -> None:
    """What no line names could serve after a rollback: a version is in the store only once its line names it."""
    shop.trainer.publish(OLD)
    (shop.bucket / "lines").write_bytes(b"in the way")
    with pytest.raises(SnapshotError, match="lines"):
        shop.trainer.publish_to("candidate", NEW)
    assert shop.trainer.remote.versions() == [OLD]
    assert (lines(shop.trainer.folder), shop.trainer.serves()) == ({}, OLD)
    (shop.bucket / "lines").unlink()
    shop.trainer.publish_to("candidate", OTHER)
    assert (shop.trainer.remote.lines(), shop.trainer.remote.versions()) == ({"candidate": (OTHER,)}, [OLD, OTHER])
