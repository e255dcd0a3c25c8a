"""Tables that Spark reads, brought here batch by batch into a Parquet copy; and Spark's session itself."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import polars as pl

from recsys.optional import needed
from recsys.settings.spark import SparkSettings, SparkTable
from recsys.tables.sources.piece import Piece, check_schema, copied_piece
from recsys.tables.sources.places import expanded
from recsys.types import DataError, SettingsError

QUIET = {"spark.log.level": "ERROR", "spark.ui.showConsoleProgress": "false"}
"""What Spark is told unless the settings say otherwise: it writes over the lines of a terminal."""
_SECRET = re.compile(r"passw|secret|token|credential|private|account\.key|api_?key|access[._]?key", re.I)
_SECRET_VALUE = re.compile(r"passw(or)?d=[^$]|://[^/@]*:[^$/@][^/@]*@", re.I)
_FILE, _POSITION = "__recsys_file", "__recsys_position"


def session(settings: SparkSettings) -> Any:
    """Spark's session, with UTC as its time zone: the one that there is, or a new one.

    Raises:
        DataError: if pyspark or Java is missing, or the cluster does not answer.
    """
    with needed("pyspark", "spark", "the settings ask for Spark"):
        from pyspark.sql import SparkSession
    builder = SparkSession.builder.appName("recsys")
    for key, value in {**QUIET, **_without_secrets(settings.conf, "training.spark.conf")}.items():
        builder = builder.config(key, value)
    if settings.master:
        builder = builder.master(settings.master)
    with spark_words("Spark does not start; it needs Java 17 or newer, and a cluster that can be reached"):
        made = builder.getOrCreate()
        made.conf.set("spark.sql.session.timeZone", "UTC")
        return made


@contextmanager
def spark_words(what: str) -> Iterator[None]:
    """Say in a DataError what Spark could not do. Its own words may hold rows of the shop, so only their condition is told."""
    from py4j.protocol import Py4JError
    from pyspark.errors import PySparkException

    try:
        yield
    except PySparkException as error:
        condition = error.getCondition() or type(error).__name__
        raise DataError(f"{what} ({condition}); Spark's log says more") from error
    except Py4JError as error:
        raise DataError(f"{what} ({type(error).__name__}); Spark's log says more") from error


def open_spark(asked: SparkTable, settings: SparkSettings, key: str) -> Piece:
    """Read a table whole. Rows of Parquet files stand in the order of the files' names and of the rows within.

    Raises:
        DataError: if Spark does not start, or cannot read the table.
        SettingsError: if the settings hold a password, or do not say what to read.
    """
    options = checked_options(asked, key)
    name = asked.table or f"{asked.format} {asked.options.get('path', asked.options.get('dbtable', ''))}".strip()
    spark = session(settings)
    with spark_words(f"Spark cannot read {name}"):
        frame = spark.read.table(asked.table) if asked.table else spark.read.format(asked.format).load(**options)
        columns = list(frame.columns)
        schema = frame.limit(0).toArrow().schema
        batches = _arrow_batches(_in_order(frame, asked), columns)
        rows = pl.scan_arrow_c_stream(_stream(schema, batches))
        types = dict(rows.collect_schema())
        check_schema(types)
        written = int(spark.sql("SELECT unix_micros(current_timestamp())").first()[0])
        try:
            return copied_piece(name, rows, types, written, ("read by Spark",))
        except pl.exceptions.PolarsError as error:  # an error of Spark's, which Arrow's stream made one of Polars'
            raise DataError(f"Spark broke off while it read {name}; Spark's log says more") from error


def checked_options(asked: SparkTable, key: str) -> dict[str, str]:
    """The options of a reader, their variables expanded.

    Raises:
        DataError: if a variable is not set.
        SettingsError: if they hold a password, or do not say what to read.
    """
    if bool(asked.table) == bool(asked.format):
        raise SettingsError(f"{key}.spark: needs a `table` or a `format`, one of them")
    return _without_secrets(asked.options, f"{key}.spark.options")


def _without_secrets(condition: Mapping[str, str], key: str) -> dict[str, str]:
    """The values with their variables expanded; a secret may only stand in one of these."""
    for name, value in condition.items():
        if (_SECRET.search(name) and not value.startswith("$")) or _SECRET_VALUE.search(value):
            raise SettingsError(
                f"{key}.{name}: holds a secret, which does not belong into a file of settings; put it into the environment, such as "
                f'{name} = "$SHOP_PASSWORD"'
            )
    return {name: expanded(value, f"{key}.{name}") for name, value in condition.items()}


def _in_order(frame: Any, asked: SparkTable) -> Any:
    """Parquet's rows as a reader of files finds them; other tables have no order but the one that Spark gives them."""
    if asked.format != "parquet":
        return frame
    place = {_FILE: frame["_metadata.file_path"], _POSITION: frame["_metadata.row_index"]}
    return frame.withColumns(place).orderBy(_FILE, _POSITION).drop(*place)


def _arrow_batches(frame: Any, columns: Iterable[str]) -> Iterator[Any]:
    """Arrow batches of a frame, one partition of Spark's after another, so that the driver never holds more than two."""
    import pyarrow as pa

    packed = frame.select(*(f"`{name.replace('`', '``')}`" for name in columns)).mapInArrow(_packed, "data binary")
    for row in packed.toLocalIterator(prefetchPartitions=True):
        yield from pa.ipc.open_stream(row.data)


def _packed(batches: Iterator[Any]) -> Iterator[Any]:
    """Each batch as one row of bytes; runs in the executors."""
    import pyarrow as pa

    for batch in batches:
        into = pa.BufferOutputStream()
        with pa.ipc.new_stream(into, batch.schema) as stream:
            stream.write_batch(batch)
        yield pa.RecordBatch.from_arrays([pa.array([into.getvalue().to_pybytes()], pa.binary())], ["data"])


def _stream(schema: Any, batches: Iterator[Any]) -> Any:
    import pyarrow as pa

    return pa.RecordBatchReader.from_batches(schema, (batch.cast(schema) for batch in batches))
