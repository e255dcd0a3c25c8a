"""A real Spark cluster on this machine: a master and two workers, each a JVM of its own, with executors of one core."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.support.servers.ports import free_port
from tests.support.servers.running import ROOT
from training.processes import child

_SMALL = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Xss512k"


@dataclass(frozen=True)
class Cluster:
    """A running cluster: its address, what a driver needs, and the processes of its workers."""

    master: str
    environment: Mapping[str, str]
    workers: tuple[int, ...]
    memory: str

    @property
    def settings(self) -> str:
        """Lines of settings that run partitions on it."""
        return f"""
            [training]
            runner = "spark"
            partitions = 5
            [training.spark]
            master = "{self.master}"
            [training.spark.conf]
            "spark.driver.host" = "127.0.0.1"
            "spark.driver.bindAddress" = "127.0.0.1"
            "spark.driver.memory" = "512m"
            "spark.driver.extraJavaOptions" = "{_SMALL}"
            "spark.executor.memory" = "{self.memory}"
            "spark.executor.extraJavaOptions" = "{_SMALL}"
            "spark.executorEnv.POLARS_MAX_THREADS" = "1"
            "spark.sql.shuffle.partitions" = "2"
            "spark.ui.enabled" = "false"
            """

    def executor_at_work(self) -> int | None:
        """The process of an executor whose Python is there."""
        executors = (executor for worker in self.workers for executor in children(worker))
        return next((each for each in executors if any(children(daemon) for daemon in children(each))), None)


@contextmanager
def running_cluster(folder: Path, memory: str = "512m", workers: int = 2) -> Iterator[Cluster]:
    """Start a cluster of so many workers whose executors have so much memory, and end it; skips the test without Spark or Java."""
    if shutil.which("java") is None:
        pytest.skip("Java is not installed: apt-get install default-jre-headless")
    if (spark := find_spec("pyspark")) is None or spark.origin is None:
        pytest.skip("pyspark is not installed: `make setup-all`")
    home, port = Path(spark.origin).parent, free_port()
    master = f"spark://127.0.0.1:{port}"
    environment = {
        **os.environ,
        "SPARK_LOCAL_IP": "127.0.0.1",
        "SPARK_HOME": str(home),
        "SPARK_DAEMON_MEMORY": "256m",
        "SPARK_DAEMON_JAVA_OPTS": _SMALL,
        "PYSPARK_PYTHON": sys.executable,
        "PYTHONPATH": str(ROOT),
    }
    begin = [str(home / "bin/spark-class"), "org.apache.spark.deploy"]
    with ExitStack() as running:

        def start(name: str, *arguments: str) -> int:
            command = [begin[0], f"{begin[1]}.{name}", *arguments, "--host", "127.0.0.1", "--webui-port", "0"]
            log = folder / f"{'-'.join((name, *arguments[-1:]))}.log".replace("/", "-")
            return running.enter_context(child(command, environment, log)).pid

        start("master.Master", "--port", str(port))
        places = [folder / f"worker-{number}" for number in range(1, workers + 1)]
        sizes = ("--cores", "1", "--memory", memory)
        running_workers = tuple(start("worker.Worker", master, *sizes, "--work-dir", str(place)) for place in places)
        yield Cluster(master, environment, running_workers, memory)


def children(process: int) -> list[int]:
    """Processes that a process started and that run."""
    found = []
    with suppress(OSError):  # ended meanwhile
        for task in Path(f"/proc/{process}/task").iterdir():
            with suppress(OSError):
                found += [int(number) for number in (task / "children").read_text().split()]
    return found
