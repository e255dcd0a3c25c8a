"""Snapshot lines: versions beside what serves, kept and deleted by themselves."""

from __future__ import annotations

import shutil
from pathlib import Path

import msgspec
import pytest

from recsys.snapshot.retention import LINES, delete, drop_line, lines, point_line, prune, roll_back
from recsys.snapshot.store import current_version, publish, publishing, versions
from recsys.types import SnapshotError
from tests.conftest import Shop, busy_events
from tests.support.vanishing import vanishing
from training.job.job import Fitted

FIRST, SECOND, THIRD, FOURTH = (f"2026010{day}T000000Z-0000000000a{day}" for day in (1, 2, 3, 4))


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> Fitted:
    """The busy shop, fitted once."""
    return Shop(tmp_path_factory.mktemp("fitted"), busy_events()).fit()


@pytest.fixture
def artifacts(fitted: Fitted, tmp_path: Path) -> Path:
    """A folder whose first and third version served, the third still does; the second and fourth are of a line."""
    folder = tmp_path / "artifacts"
    for version in (FIRST, SECOND, THIRD, FOURTH):
        manifest = msgspec.structs.replace(fitted.manifest, version=version)
        if version in (FIRST, THIRD):
            publish(folder, manifest, fitted.groups)
        else:
            publish(folder, manifest, fitted.groups, point=lambda folder, version: point_line(folder, version, "candidate"))
    return folder


def test_a_version_of_a_line_does_not_serve(artifacts: Path) -> None:
    """Publishing to a line leaves CURRENT where it is, and a rollback passes over it."""
    assert current_version(artifacts) == THIRD
    assert lines(artifacts) == {"candidate": (SECOND, FOURTH)}
    assert roll_back(artifacts) == FIRST
    assert roll_back(artifacts, FOURTH) == FOURTH


def test_a_line_is_pruned_by_itself(artifacts: Path) -> None:
    """Each line keeps its newest versions, and takes no room from those of the shop."""
    assert prune(artifacts, 2) == []
    assert prune(artifacts, 1) == [FIRST, SECOND]
    assert (versions(artifacts), lines(artifacts)) == ([THIRD, FOURTH], {"candidate": (FOURTH,)})


def test_a_version_of_two_lines_stays_with_either(artifacts: Path) -> None:
    """Nothing is deleted that another line names or that serves, and an ended line is no more."""
    with publishing(artifacts):
        point_line(artifacts, SECOND, "second")
    assert drop_line(artifacts, "candidate") == [FOURTH]
    roll_back(artifacts, SECOND)
    assert drop_line(artifacts, "second") == []
    assert (versions(artifacts), lines(artifacts)) == ([FIRST, SECOND, THIRD], {})
    with pytest.raises(SnapshotError, match=r"no line 'second' in .*; there are: none"):
        drop_line(artifacts, "second")


def test_a_line_names_versions_and_nothing_else(artifacts: Path) -> None:
    """Whatever else a file of the folder says leads nowhere, and a name that is no name is no line."""
    (artifacts / LINES / "candidate").write_text(f"../../etc\n{SECOND}\n{SECOND}x\n")
    (artifacts / LINES / ".hidden").write_text(FIRST)
    assert lines(artifacts) == {"candidate": (SECOND,)}
    for name, version, said in (("../up", SECOND, "is not allowed"), ("candidate", THIRD, "serves")):
        with publishing(artifacts), pytest.raises(SnapshotError, match=said):
            point_line(artifacts, version, name)


def test_a_version_that_was_deleted_is_in_no_line(artifacts: Path) -> None:
    """The one before it becomes the newest; a line of which nothing is left is ended."""
    delete(artifacts, FOURTH)
    assert lines(artifacts) == {"candidate": (SECOND,)}
    delete(artifacts, SECOND)
    assert (versions(artifacts), lines(artifacts)) == ([FIRST, THIRD], {})


def test_a_folder_among_the_lines_is_none(artifacts: Path) -> None:
    """It keeps no other line from being read."""
    (artifacts / LINES / "backup").mkdir()
    assert lines(artifacts) == {"candidate": (SECOND, FOURTH)}


def test_a_line_that_is_ended_while_lines_are_read_is_none(artifacts: Path) -> None:
    """By another process, which may also delete the folder; the others are read."""
    with publishing(artifacts):
        point_line(artifacts, FOURTH, "second")
    with vanishing(artifacts / LINES / "candidate"):
        assert lines(artifacts) == {"second": (FOURTH,)}
    with vanishing(artifacts / LINES):
        assert lines(artifacts) == {}
    with vanishing(artifacts):
        assert versions(artifacts) == []


def test_a_version_that_somebody_else_deleted_meanwhile_is_deleted(artifacts: Path) -> None:
    """Nothing is left to do but its lines."""
    shutil.rmtree(artifacts / FOURTH)
    delete(artifacts, FOURTH)
    assert (versions(artifacts), lines(artifacts)) == ([FIRST, SECOND, THIRD], {"candidate": (SECOND,)})
