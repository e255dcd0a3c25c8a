"""Tables of a shop where Spark finds them: a Delta and an Iceberg table, and one in PostgreSQL, all written by Spark itself."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.servers.patience import PATIENCE_SECONDS
from tests.support.servers.ports import free_port
from tests.support.servers.postgres import OWNER, PASSWORD, postgres_server
from tests.support.servers.running import ROOT

_JARS = Path(__file__).with_name("spark_jars.txt")
_CONF = {
    "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
    "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
    "spark.sql.catalog.lake": "org.apache.iceberg.spark.SparkCatalog",
    "spark.sql.catalog.lake.type": "hadoop",
}
_WRITE = """
import json, sys
from pyspark.sql import SparkSession

folder, address = sys.argv[1:3]
builder = SparkSession.builder.master("local[1]")
for key, value in json.loads(sys.argv[3]).items():
    builder = builder.config(key, value)
spark = builder.getOrCreate()
users, items, identities = (spark.read.parquet(f"file://{folder}/data/{name}.parquet") for name in ("users", "items", "identities"))
users.write.format("delta").save(f"file://{folder}/users")
spark.sql("create namespace lake.main")
items.writeTo("lake.main.items").create()
identities.write.jdbc(address, "identities", properties=json.loads(sys.argv[4]))
"""


@dataclass(frozen=True)
class SparkTables:
    """Where the tables of a shop are: lines of settings for `data`, by table, and for `training.spark.conf`; variables they name."""

    tables: Mapping[str, str]
    conf: str
    environment: Mapping[str, str]


@contextmanager
def spark_tables(folder: Path, environment: Mapping[str, str]) -> Iterator[SparkTables]:
    """Write users (Delta), items (Iceberg) and identities (PostgreSQL) of the shop in a folder's `data`; skips without their jars."""
    jars = [ROOT / ".venv/jars" / line.rpartition("/")[2] for line in _JARS.read_text().splitlines()]
    if not all(jar.exists() for jar in jars):
        pytest.skip("jars of Delta, Iceberg and PostgreSQL are not there: `make setup-all`")
    conf = {
        **_CONF,
        "spark.jars": ",".join(map(str, jars)),
        "spark.sql.catalog.lake.warehouse": f"file://{folder}/warehouse",
    }
    port = free_port()
    address, driver = f"jdbc:postgresql://127.0.0.1:{port}/postgres", "org.postgresql.Driver"
    with postgres_server(f"-c fsync=off -c listen_addresses=127.0.0.1 -c port={port}"):
        shown = {**conf, "spark.ui.enabled": "false", "spark.driver.memory": "512m"}
        account = {"user": OWNER, "password": PASSWORD, "driver": driver}
        command = [sys.executable, "-c", _WRITE, str(folder), address, json.dumps(shown), json.dumps(account)]
        with (folder / "tables.log").open("wb") as said:
            subprocess.run(command, env=dict(environment), check=True, timeout=PATIENCE_SECONDS, stderr=said)
        options = (
            f'url = "{address}", dbtable = "identities", user = "{OWNER}", password = "$SHOP_PASSWORD", driver = "{driver}"'
        )
        tables = {
            "users": f'format = "delta"\noptions = {{ path = "file://{folder}/users" }}',
            "items": 'table = "lake.main.items"',
            "identities": f'format = "jdbc"\noptions = {{ {options} }}',
        }
        lines = "\n".join(f'"{key}" = "{value}"' for key, value in conf.items())
        yield SparkTables(tables, lines, {"SHOP_PASSWORD": PASSWORD})
