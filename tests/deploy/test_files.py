"""The files of deploy/: each read by the tool that will read it, and in step with the code."""

from __future__ import annotations

import ast
import json
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from recsys.live.sqlite.host_sign import STALE_SECONDS
from recsys.settings.load import load_settings
from recsys.web.http.metrics import Metrics
from tests.support.servers.running import ROOT
from training.cli.parser import parser

DEPLOY = ROOT / "deploy"
MANIFESTS = sorted(path for path in (DEPLOY / "kubernetes").glob("*.yaml") if path.name != "kustomization.yaml")
UNITS = sorted((DEPLOY / "systemd").iterdir())
COMMAND = re.compile(r"(?:-m training|\{RECSYS\}|training, )\s*([a-z-]+)")


def ran(*command: str | Path, cwd: Path = DEPLOY) -> str:
    """Run a tool; returns all it said, and fails where it did.

    Skips where the tool is not installed.
    """
    program = shutil.which(str(command[0])) or shutil.which(str(command[0]), path=str(Path(sys.executable).parent))
    if program is None:
        pytest.skip(f"{command[0]} is not installed")
    done = subprocess.run([program, *map(str, command[1:])], cwd=cwd, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_the_image_is_in_order() -> None:
    """The Dockerfile has no finding of hadolint."""
    assert ran("hadolint", "Dockerfile") == ""


def test_the_image_has_what_the_service_and_the_job_import() -> None:
    """All that the image copies is there and in its context; its packages are those that everything else runs on."""
    text = (DEPLOY / "Dockerfile").read_text()
    context = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = {
        name for line in re.findall(r"^COPY (?!--from)(.*)$", text, re.M) for name in line.split()[:-1] if "--" not in name
    }
    assert copied <= context
    assert all((ROOT / name).exists() for name in context)
    pinned = {line.split()[0] for line in (ROOT / "requirements.lock").read_text().splitlines() if "==" in line}
    assert pinned <= {line.split()[0] for line in (DEPLOY / "requirements.lock").read_text().splitlines() if "==" in line}


@pytest.mark.parametrize("manifest", MANIFESTS, ids=lambda path: path.name)
def test_manifests_are_what_kubernetes_takes(manifest: Path) -> None:
    """Each object has only fields that the API knows, of its types."""
    assert ran("kubernetes-validate", "--strict", manifest).count("passed") == len(
        list(yaml.safe_load_all(manifest.read_text()))
    )


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.name)
def test_units_are_what_systemd_takes(unit: Path, tmp_path: Path) -> None:
    """systemd has nothing to say about a unit, programs aside that are not installed here."""
    here = tmp_path / unit.name
    here.write_text(re.sub(r"/opt/recsys/\.venv/bin/\w+", "/bin/true", unit.read_text()))
    for other in UNITS:
        if other != unit:
            (tmp_path / other.name).write_text(re.sub(r"/opt/recsys/\.venv/bin/\w+", "/bin/true", other.read_text()))
    assert ran("systemd-analyze", "verify", here) == ""


def test_a_service_that_may_not_start_yet_is_started_again_until_it_may() -> None:
    """After a quick start of the machine its own sign of before keeps it away for a while; systemd gives a unit up that failed five
    times within ten seconds."""
    [seconds] = re.findall(r"^RestartSec=(\d+)$", (DEPLOY / "systemd" / "recsys.service").read_text(), re.M)
    assert 4 * int(seconds) > 10
    assert int(seconds) < STALE_SECONDS


@pytest.mark.long
def test_alerts_come_when_they_should() -> None:
    """Prometheus' own tool takes the rules; each alert comes when something goes wrong and none while all is well."""
    said = ran("promtool", "test", "rules", "alerts_test.yml", cwd=DEPLOY / "monitoring")
    assert "SUCCESS" in said
    alerts = {rule["alert"] for group in rules()["groups"] for rule in group["rules"]}
    tested = (DEPLOY / "monitoring" / "alerts_test.yml").read_text()
    assert alerts == set(re.findall(r'alertname="(\w+)"', tested))


def rules() -> dict[str, list[dict[str, list[dict[str, str]]]]]:
    """The alerts, as YAML says them."""
    return dict(yaml.safe_load((DEPLOY / "monitoring" / "alerts.yml").read_text()))


@pytest.mark.parametrize("file", ["alerts.yml", "alerts_test.yml", "dashboard.json"])
def test_only_metrics_that_there_are(file: str) -> None:
    """Alerts and panels ask for series that the service has."""
    asked = set(re.findall(r"recsys_[a-z_]+", (DEPLOY / "monitoring" / file).read_text()))
    known = set(re.findall(r"^# TYPE (\S+)", Metrics().text().decode(), re.M))
    assert asked
    assert {re.sub(r"_bucket$", "", name) for name in asked} <= known


def test_the_dashboard_shows_its_panels() -> None:
    """Each panel has a title, a unit and queries; no two lie on each other."""
    board = json.loads((DEPLOY / "monitoring" / "dashboard.json").read_text())
    assert len({panel["title"] for panel in board["panels"]}) == len(board["panels"])
    assert len({(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in board["panels"]}) == len(board["panels"])
    assert all(target["expr"] for panel in board["panels"] for target in panel["targets"])


@pytest.mark.parametrize("file", sorted(DEPLOY.rglob("*.toml")), ids=lambda path: path.parent.name)
def test_settings_are_settings(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The service takes them, and writes nowhere but in the folder that is its own."""
    monkeypatch.setenv("RECSYS_STATE_DATABASE", "postgresql://recsys@database/recsys")
    settings = load_settings(file)
    assert settings.snapshot.store
    written = [settings.artifacts, settings.path(settings.state.folder), settings.path(settings.data.rejects)]
    assert all(path.is_relative_to("/var/lib/recsys") for path in written)
    assert tomllib.loads(file.read_text())["data"]["events"]["paths"]


@pytest.mark.parametrize("file", sorted(path for path in DEPLOY.rglob("*") if path.is_file()), ids=lambda path: path.name)
def test_commands_are_commands(file: Path) -> None:
    """Each command of the job that a file runs is one, with these options."""
    known = set(parser("recsys")._subparsers._group_actions[0].choices)  # type: ignore[union-attr, arg-type]
    assert set(COMMAND.findall(file.read_text())) <= known


def test_keys_are_those_that_the_service_reads() -> None:
    """Every secret of the documentation has its line in the example; none stands in a file."""
    lines = [line for line in (DEPLOY / "compose" / "keys.env.example").read_text().splitlines() if line and line[0] != "#"]
    documented = set(re.findall(r"`(RECSYS_(?:KEYS|TOKEN|FORGET|SLOT)_\w+)`", (ROOT / "docs" / "http.md").read_text()))
    assert all(line.endswith("=") for line in lines)
    assert {line[:-1] for line in lines if line.startswith("RECSYS_")} <= documented


def test_compose_is_what_compose_takes(tmp_path: Path) -> None:
    """Compose's own loader reads the file: its schema, and whatever one part of it says of another."""
    shutil.copytree(DEPLOY / "compose", tmp_path / "compose")
    (tmp_path / "compose" / "keys.env.example").rename(tmp_path / "compose" / "keys.env")
    assert "services:" in ran("compose-check", "compose.yaml", cwd=tmp_path / "compose")


def test_compose_names_what_it_has() -> None:
    """Services, volumes and files that are named are there."""
    compose = yaml.safe_load((DEPLOY / "compose" / "compose.yaml").read_text())
    services = compose["services"]
    for service in services.values():
        assert set(service.get("depends_on", ())) <= set(services)
        for volume in service.get("volumes", ()):
            source = volume.split(":")[0]
            assert source in compose["volumes"] or source == "./data" or (DEPLOY / "compose" / source).exists()
    nginx = (DEPLOY / "nginx.conf").read_text()
    assert set(re.findall(r"server (\w+):8000", nginx)) == {name for name in services if name.startswith("node")}


def test_the_dag_is_python() -> None:
    """The DAG compiles, and its steps are in the order of the job."""
    tree = ast.parse((DEPLOY / "airflow" / "recsys_nightly.py").read_text())
    found = [
        keyword.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        for keyword in node.keywords
        if keyword.arg == "task_id"
    ]
    assert [each.value for each in found if isinstance(each, ast.Constant)] == [
        "validate",
        "compact",
        "train",
        "purge",
        "export",
    ]


STEPS = """#!/bin/sh
echo "$3" >> ran
test "$3" != train
"""


@pytest.mark.parametrize("of", ["compose", "kubernetes"])
def test_a_refused_training_keeps_nobody_from_being_purged(of: str, tmp_path: Path) -> None:
    """What the forgotten left is deleted whatever the gate says, and the job says what it said; the trainer's loop goes on."""
    if of == "compose":
        command = yaml.safe_load((DEPLOY / "compose" / "compose.yaml").read_text())["services"]["trainer"]["command"]
    else:
        [job] = [
            each
            for each in yaml.safe_load_all((DEPLOY / "kubernetes" / "jobs.yaml").read_text())
            if each["kind"] == "CronJob"
        ]
        [container] = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]
        command = [*container["command"][1:], *container["args"]]
    for name, text in (("python", STEPS), ("sleep", "#!/bin/sh\nkill $PPID\n")):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    done = subprocess.run(command, cwd=tmp_path, env={"PATH": f"{tmp_path}:/usr/bin:/bin"}, timeout=60)
    assert (tmp_path / "ran").read_text().split() == ["compact", "train", "purge"]
    assert of == "compose" or done.returncode == 1


def test_systemd_and_airflow_purge_whatever_the_training_said() -> None:
    """The unit purges after it stopped, failed or not; the step of the DAG waits for an end, and lists only for a training."""
    unit = (DEPLOY / "systemd" / "recsys-train.service").read_text()
    assert re.findall(r"^Exec(\w+)=.* (\w+)$", unit, re.M) == [
        ("Start", "compact"),
        ("Start", "train"),
        ("StopPost", "purge"),
    ]
    dag = (DEPLOY / "airflow" / "recsys_nightly.py").read_text()
    assert re.findall(r'task_id="(\w+)".*trigger_rule="all_done"', dag) == ["purge"]
    assert "train >> [purge, export]" in dag
