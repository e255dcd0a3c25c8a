"""The installed package: everything that it needs travels with it."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.support.running import ROOT


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which the wheel was installed."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    [wheel] = folder.glob("*.whl")
    target = folder / "site"
    install = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--no-index",
        "--target",
        str(target),
        str(wheel),
    ]
    subprocess.run(install, check=True, capture_output=True)
    return target


def run(installed: Path, cwd: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the installed `recsys` where nothing of this repository is in reach."""
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    command = [sys.executable, str(installed / "bin" / "recsys"), *arguments]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=300)


def test_all_files_that_are_no_code_travel_too(installed: Path) -> None:
    """Templates, pages and type marks are in the wheel, whatever kinds of files there are."""
    for package in ("recsys", "training", "simulator"):
        here = {
            path.relative_to(ROOT)
            for path in (ROOT / package).rglob("*")
            if path.is_file() and "__pycache__" not in path.parts
        }
        there = {path.relative_to(installed) for path in (installed / package).rglob("*") if path.is_file()}
        assert here <= there


def test_the_wheel_holds_no_tests(installed: Path) -> None:
    """Only the packages are installed."""
    [wheel] = installed.parent.glob("*.whl")
    roots = {name.split("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert {name for name in roots if not name.endswith(".dist-info")} == {"recsys", "training", "simulator"}


def test_a_shop_is_trained_from_anywhere(installed: Path, tmp_path: Path) -> None:
    """`recsys` helps, makes a shop, trains, reports and exports in an empty folder."""
    assert "train" in run(installed, tmp_path, "--help").stdout
    assert run(installed, tmp_path, "shop", "--users", "200", "--out", "data").returncode == 0
    (tmp_path / "settings.toml").write_text(
        '[data.events]\npaths = ["data/events-*.parquet"]\n[data.items]\npaths = ["data/items.parquet"]\n'
    )
    for command in ("validate", "train", "report", "lint-templates"):
        done = run(installed, tmp_path, "--settings", "settings.toml", command)
        assert done.returncode == 0, done.stdout + done.stderr
