"""Bad rows of a table: written down for the shop to look at, and too many of them stop the job."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import polars as pl

from recsys.disk import why_unwritten, write_whole
from recsys.settings import Settings
from recsys.tables.reader import Read
from recsys.tables.validation import explain, percent
from recsys.types import DataError

FORGOTTEN = "forgotten"
"""Of a rejects file, the metadata that names who was forgotten when it was written (`Tombstones.fingerprint`)."""


def rejects_file(settings: Settings, name: str) -> Path:
    """The file of a table's bad rows."""
    return settings.path(settings.data.rejects) / f"rejected_{name}.parquet"


def write_rejects(settings: Settings, reads: Mapping[str, Read], forgotten: str) -> None:
    """Write each table's bad rows as one file, or take an older one away; never over a file of the shop's own.

    The file notes who was `forgotten` then, so that `purge` can tell whether it is older than somebody's wish.

    Raises:
        DataError: if a rejects file would take the place of one of the shop's own, or cannot be written.
    """
    inputs = {Path(file).resolve() for read in reads.values() for file in read.files}
    for name, read in reads.items():
        target = rejects_file(settings, name)
        if target.resolve() in inputs:
            raise DataError(f"{name}: {target} is both read and written; set `data.rejects` to a folder of its own")
        if read.rejects.is_empty():
            target.unlink(missing_ok=True)
            continue
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with write_whole(target) as aside:
                read.rejects.write_parquet(aside, metadata={FORGOTTEN: forgotten})
        except (OSError, pl.exceptions.PolarsError) as error:
            raise DataError(f"{name}: {target} cannot be written: {why_unwritten(error, target.parent)}") from error


def stop_if_too_bad(reads: Mapping[str, Read], limit: float) -> None:
    """Stop if a table has more than this share of bad rows.

    Raises:
        DataError: naming the tables, and what is wrong with their rows.
    """
    said = []
    for name, read in reads.items():
        bad, rows = read.counts.rejected, read.counts.read - read.counts.left_out
        if read.counts.rejected_share > limit:
            said.append(f"{name}: {bad:,} of {rows:,} rows ({percent(bad / rows)}) are bad; {percent(limit)} are allowed")
            said += [f"  {explain(f)}" for f in read.findings if f.level == "rejected"]
    if said:
        raise DataError("\n".join([*said, "raise `data.max_rejected_share` to go on without those rows"]))
