"""The installed package: everything that it needs travels with it."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from tests.support.servers.patience import PATIENCE_SECONDS
from tests.support.servers.ports import free_port
from tests.support.servers.running import ROOT, ended

PACKAGES = {"recsys", "training", "simulator"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from this folder."""
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    [built] = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh environment into which the wheel was installed; its dependencies are those of this one."""
    folder = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    pip = [sys.executable, "-m", "pip", "--python", str(folder / "bin" / "python"), "--disable-pip-version-check"]
    subprocess.run([*pip, "install", "--quiet", "--no-deps", "--no-index", str(wheel)], check=True, capture_output=True)
    (packages_of(folder) / "dependencies.pth").write_text(sysconfig.get_path("purelib"))
    return folder


def packages_of(environment: Path) -> Path:
    """The folder of an environment's packages."""
    return Path(sysconfig.get_path("purelib", vars={"base": str(environment), "platbase": str(environment)}))


def command(environment: Path, *arguments: str) -> list[str]:
    """The installed `recsys`."""
    return [str(environment / "bin" / "recsys"), *arguments]


def run(environment: Path, cwd: Path, *arguments: str) -> str:
    """Run the installed `recsys` where nothing of this repository is in reach; returns what it printed."""
    done = subprocess.run(
        command(environment, *arguments), cwd=cwd, capture_output=True, text=True, timeout=PATIENCE_SECONDS, env=plain()
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def plain() -> dict[str, str]:
    """This process's variables, without paths to code; loops run as Python, for compiling them takes longer here than they do."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | {"NUMBA_DISABLE_JIT": "1"}


@pytest.mark.long
def test_all_files_that_are_no_code_travel_too(environment: Path) -> None:
    """Templates, pages and type marks are installed, whatever kinds of files there are."""
    packages = packages_of(environment)
    for package in PACKAGES:
        here = {
            path.relative_to(ROOT)
            for path in (ROOT / package).rglob("*")
            if path.is_file() and "__pycache__" not in path.parts
        }
        there = {path.relative_to(packages) for path in (packages / package).rglob("*") if path.is_file()}
        assert here <= there
        assert (packages / package / "py.typed").exists()


def test_the_wheel_holds_no_tests(wheel: Path) -> None:
    """Only the packages are installed."""
    roots = {name.split("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert {name for name in roots if not name.endswith(".dist-info")} == PACKAGES


@pytest.mark.long
def test_it_works_from_an_empty_folder(environment: Path, tmp_path: Path) -> None:
    """`recsys` helps, makes a shop, trains and serves it (the demo), and works on with the demo's settings."""
    assert "usage: recsys" in run(environment, tmp_path, "--help")
    demo = subprocess.Popen(
        command(environment, "demo", "--users", "200", "--port", str(free_port())),
        cwd=tmp_path,
        env=plain(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    with ended(demo):
        assert demo.stdout is not None
        said = ""
        while "READY http" not in said:
            line = demo.stdout.readline()
            assert line, said
            said += line
    for name in ("validate", "report"):
        run(environment, tmp_path, "--settings", ".demo/settings.toml", name)
    run(environment, tmp_path, "lint-templates")
