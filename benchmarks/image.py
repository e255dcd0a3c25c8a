"""The image of deploy/Dockerfile without a container engine: its steps run in clean Debian roots, then it serves from a read-only one.

`make rehearse-image` (as root, on Debian, with debootstrap) makes a root of Debian with Python 3.11 in the place of each stage's
base image, and runs every COPY and RUN of the file in it, word for word. The service then runs as the file says: under its user,
without capabilities, the root file system mounted read-only, with what deploy/compose gives it: a folder for its state, two in
memory. It must pass the file's own health check.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[1]
DOCKERFILE = ROOT / "deploy" / "Dockerfile"
BASE = "python:3.11-slim-bookworm"
PACKAGES = "python3,python3-venv,ca-certificates"
CERTIFICATES = "etc/ssl/certs/ca-certificates.crt"
PATIENCE_SECONDS = 120.0


class Stage:
    """The root of one stage, and the state of the file's instructions in it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.folder = "/"
        self.environment = {"PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", "PIP_CERT": f"/{CERTIFICATES}"}

    def run(self, command: str) -> None:
        """Run a command of a RUN, as the image's shell does.

        Raises:
            CalledProcessError: if it fails.
        """
        line = f"cd {self.folder} && {command}"
        subprocess.run(["chroot", self.root, "/bin/sh", "-c", line], env=self.environment, check=True)

    def copy(self, sources: Sequence[str], target: str, context: Path, mode: str = "") -> None:
        """Copy files or folders of a context, as COPY does."""
        place = self.root / Path(self.folder, target).relative_to("/")
        ignored = shutil.ignore_patterns(*(["__pycache__"] if context == ROOT else []))  # what .dockerignore says
        for source in sources:
            found = context / source.lstrip("/")
            if found.is_dir():
                shutil.copytree(found, place, dirs_exist_ok=True, symlinks=True, ignore=ignored)
            else:
                to = place / found.name if target.endswith("/") else place
                to.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(found, to)
                if mode:
                    to.chmod(int(mode, 8))


def instructions(text: str) -> Iterator[tuple[str, str]]:
    """The instructions of a Dockerfile with what follows them, lines joined."""
    joined = re.sub(r"\\\n", " ", re.sub(r"^#.*\n", "", text, flags=re.M))
    for line in filter(None, joined.splitlines()):
        name, _, rest = line.partition(" ")
        yield name, rest.strip()


def build(base: Path, folder: Path) -> tuple[Stage, dict[str, str]]:
    """Run the file's stages; returns the last one, and the instructions of the running image."""
    stages, last = dict[str, Stage](), dict[str, str]()
    stage = Stage(folder)
    for name, rest in instructions(DOCKERFILE.read_text()):
        print(f"# {name} {rest}", flush=True)
        if name == "FROM":
            image, _, called = rest.partition(" AS ")
            if image != BASE:
                raise ValueError(f"{image}: another base image than {BASE}, which the root stands for")
            stage = stages[called] = Stage(folder / (called or "image"))
            subprocess.run(["cp", "-a", base, stage.root], check=True)
        elif name == "RUN":
            stage.run(rest)
        elif name == "WORKDIR":
            stage.folder = rest
            (stage.root / rest[1:]).mkdir(parents=True, exist_ok=True)
        elif name == "ENV":
            given = (each.partition("=") for each in shlex.split(rest))
            stage.environment |= {key: value.replace("$PATH", stage.environment["PATH"]) for key, _, value in given}
        elif name == "COPY":
            words = shlex.split(rest)
            flags = dict(each[2:].split("=") for each in words if each.startswith("--"))
            *sources, target = [each for each in words if not each.startswith("--")]
            context = stages[flags["from"]].root if "from" in flags else ROOT
            stage.copy(sources, target, context, flags.get("chmod", ""))
        else:
            last[name] = rest
    return stage, last


def serve(stage: Stage, last: dict[str, str], folder: Path, port: int) -> bool:
    """Run the image's own command from a root that is read-only; tells whether its health check passed."""
    state = folder / "state"
    state.mkdir(exist_ok=True)
    os.chown(state, int(last["USER"]), int(last["USER"]))
    settings = stage.root / "etc/recsys/settings.toml"
    settings.parent.mkdir(exist_ok=True)
    settings.write_text('[snapshot]\nartifacts = "/var/lib/recsys/artifacts"\n[state]\nfolder = "/var/lib/recsys/state"\n')
    mounts = [
        "mount --make-rprivate /",
        f"mount --bind {stage.root} {stage.root}",
        f"mount --bind -o ro {stage.root} {stage.root}",
        f"mount -o remount,bind,ro {stage.root}",
        f"mount --bind {state} {stage.root}/var/lib/recsys",
        f"mount -t tmpfs tmpfs {stage.root}/tmp",
        f"mount -t tmpfs -o uid={last['USER']} tmpfs {stage.root}/var/cache/recsys",
        f"mount -t proc proc {stage.root}/proc",
        f"mount --bind /dev {stage.root}/dev",
        f"! touch {stage.root}/app/written",
    ]
    command = shlex.join([*json.loads(last["ENTRYPOINT"]), *json.loads(last["CMD"])])
    user = f"--reuid {last['USER']} --regid {last['USER']} --clear-groups --bounding-set=-all --no-new-privs"
    inside = f"chroot {stage.root} setpriv {user} /bin/sh -c {shlex.quote(f'cd {stage.folder} && exec {command}')}"
    keys = {f"RECSYS_KEYS_{name}": f"{name.lower()}-" + "k" * 40 for name in ("READ", "EVENTS", "ADMIN")}
    environment = {**stage.environment, **keys, "PORT": str(port), "HOST": "127.0.0.1"}
    process = subprocess.Popen(
        ["unshare", "--mount", "--pid", "--fork", "--kill-child", "/bin/sh", "-c", " && ".join([*mounts, f"exec {inside}"])],
        env=environment,
    )
    check = json.loads(re.sub(r".*?CMD ", "", last["HEALTHCHECK"]))
    try:
        end = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < end and process.poll() is None:
            if subprocess.run(["chroot", stage.root, *check], env=environment, capture_output=True).returncode == 0:
                return True
            time.sleep(1)
        return False
    finally:
        process.kill()  # with it goes the first process of its namespace, and so every other one
        process.wait()


def main() -> int:
    """Build and serve; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=Path("/var/tmp/recsys-image"), help="an empty folder for the roots")
    parser.add_argument("--base", type=Path, help="a root that debootstrap made before; not changed")
    parser.add_argument("--port", type=int, default=8765, help="where the service listens")
    chosen = parser.parse_args()
    chosen.folder.mkdir(parents=True)
    base = chosen.base or chosen.folder / "base"
    if chosen.base is None:
        subprocess.run(["debootstrap", "--variant=minbase", f"--include={PACKAGES}", "bookworm", base], check=True)
    for lent in ("etc/resolv.conf", CERTIFICATES):  # what leads from this machine to package registries
        (base / lent).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(f"/{lent}", base / lent)
    python = base / "usr/local/bin/python"
    if not python.is_symlink():
        python.symlink_to("/usr/bin/python3.11")
    stage, last = build(base, chosen.folder)
    healthy = serve(stage, last, chosen.folder, chosen.port)
    print("✓ the image serves from a read-only root" if healthy else "✗ the image does not serve")
    return 0 if healthy else 1


if __name__ == "__main__":
    sys.exit(main())
