"""Settings of Spark: where its cluster is, what it is told, and which of its tables are read."""

from __future__ import annotations

from collections.abc import Mapping

from recsys.settings.types import Group


class SparkSettings(Group, frozen=True):
    """Spark as a runner of partitions and as a reader of tables (docs/training.md); needs the extra `spark`, and Java 17."""

    master: str = ""
    """The cluster, for instance `spark://host:7077` or `local[4]`. Empty: the one that `spark-submit` or a notebook has, else the
    cores of this machine."""
    folder: str = ""
    """Folder that driver and executors all reach, for rows on their way, for instance `s3a://shop/tmp`, `hdfs:///tmp` or
    `/Volumes/shop/tmp`; what is put there is deleted at the end. Empty: the folder of temporary files, if all are on one machine."""
    conf: Mapping[str, str] = {}
    """Further settings of Spark's own, for instance `"spark.executor.memory" = "4g"`. They go before what `spark-submit` was told;
    environment variables are expanded, and a secret comes from one of them."""


class SparkTable(Group, frozen=True):
    """A table that Spark reads, with any reader that it has."""

    table: str = ""
    """Name of a table of Spark's catalogues (Hive, Unity, Iceberg, Delta), for instance `main.shop.events`. Or name a `format`."""
    format: str = ""
    """Name of a reader, for instance `parquet`, `delta`, `iceberg`, `orc` or `jdbc`."""
    options: Mapping[str, str] = {}
    """What the reader is told, for instance `path`, or `url` and `dbtable`; environment variables are expanded. A password comes from
    one of them (`password = "$SHOP_PASSWORD"`), never from here."""
