"""Blobs: rows and arrays as bytes, so that Spark moves them without looking inside, and nothing is unpickled from what it answers."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from recsys.types import Arrays

COLUMNS = "part int, name string, chunk int, data binary"
"""Columns of every frame that Spark is given, in its words."""
CHUNK_BYTES = 4 << 20
"""Most bytes in one row, so that a batch of rows stays small in the memory of a JVM."""


class Blob(NamedTuple):
    """A piece of what belongs to one partition."""

    part: int
    name: str
    chunk: int
    data: bytes


def frame_bytes(frame: pl.DataFrame) -> bytes:
    """A frame as bytes, its types with it."""
    return frame.write_ipc(None, compression="lz4").getvalue()


def frame_of(data: bytes) -> pl.DataFrame:
    """The frame of `frame_bytes`."""
    return pl.read_ipc(io.BytesIO(data))


def arrays_in_chunks(part: int, name: str, arrays: Arrays) -> Iterator[Blob]:
    """Named arrays of a partition as blobs of at most `CHUNK_BYTES`, numbered from 0; of no arrays too there is one."""
    file = io.BytesIO()
    np.savez(file, allow_pickle=False, **arrays)
    data = file.getbuffer()
    for chunk, start in enumerate(range(0, len(data), CHUNK_BYTES)):
        yield Blob(part, name, chunk, bytes(data[start : start + CHUNK_BYTES]))


def arrays_of(chunks: Iterable[bytes]) -> Arrays:
    """The arrays of `arrays_in_chunks`, in the order of their numbers."""
    with np.load(io.BytesIO(b"".join(chunks)), allow_pickle=False) as stored:
        return {name: stored[name] for name in stored.files}


def by_part(blobs: Iterable[Blob]) -> Iterator[tuple[int, list[bytes]]]:
    """Each partition's data, in the order of the chunks; blobs of one partition must follow one another."""
    for part, theirs in groupby(blobs, key=lambda blob: blob.part):
        yield part, [blob.data for blob in sorted(theirs, key=lambda blob: blob.chunk)]


def as_batch(blobs: Iterable[Blob]) -> Any:
    """Blobs as an Arrow batch with `COLUMNS`."""
    import pyarrow as pa

    types = (pa.int32(), pa.string(), pa.int32(), pa.binary())
    columns = [pa.array(values, kind) for values, kind in zip(zip(*blobs, strict=True), types, strict=True)]
    return pa.RecordBatch.from_arrays(columns, [*Blob._fields])


def of_batches(batches: Iterable[Any]) -> Iterator[Blob]:
    """The blobs of Arrow batches."""
    for batch in batches:
        for values in zip(*(batch.column(name) for name in Blob._fields), strict=True):
            yield Blob(*(value.as_py() for value in values))
