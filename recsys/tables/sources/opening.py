"""A table's files, opened: found, told what they are, and put together as few lazy frames as their columns allow."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import IO

import polars as pl

from recsys.settings import Settings
from recsys.settings.attributes import AttributeSettings
from recsys.settings.tables import Table
from recsys.tables.presets import laid_over, merged
from recsys.tables.schema import mappable
from recsys.tables.sources.bounds import FILE, ROW
from recsys.tables.sources.content import form_of, packing_of
from recsys.tables.sources.database import open_database
from recsys.tables.sources.formats.delimited import broken, open_delimited, scan_delimited
from recsys.tables.sources.formats.excel import open_excel
from recsys.tables.sources.formats.layout import Layout
from recsys.tables.sources.formats.ndjson import open_json
from recsys.tables.sources.formats.parquet import open_parquet
from recsys.tables.sources.formats.xml_feed import open_xml
from recsys.tables.sources.lake import open_lake, reader_errors
from recsys.tables.sources.names import shortened
from recsys.tables.sources.piece import Piece, Standing
from recsys.tables.sources.places import is_lake, places, scheme_of
from recsys.tables.sources.remote import fetched
from recsys.tables.sources.source import Source
from recsys.tables.sources.spark import open_spark
from recsys.tables.sources.spool import Blob, local_blob, put_together, scan_copies
from recsys.tables.sources.unpack import unpacked
from recsys.tables.sources.words import reason_of
from recsys.types import DataError, SettingsError

_ROWS_PER_SOURCE = 1 << 40
_MOST_LAYERS = 2
"""Packed files inside packed files."""


def open_table(settings: Settings, name: str, table: Table, before: datetime | None = None) -> tuple[Source, ...]:
    """Find a table's files and open them lazily, in the order of the settings and of the file names.

    Of a database whose columns are typed, only rows before `before` are read.

    Raises:
        DataError: naming the file, if there is none, or it cannot be read as what it says that it is.
        SettingsError: if the settings of a database do not fit together.
    """
    table = laid_over(name, table)
    key, wanted = f"data.{name}", _wanted(settings, name, table)
    with _about(f"{name}:"):
        _check_one_place(table, key)
        if table.spark:
            pieces: Iterator[Piece] = iter([open_spark(table.spark, settings.training.spark, key)])
        elif table.database:
            times = merged(name, table).columns.get("timestamp", ("timestamp",))
            pieces = iter([open_database(settings, table, times, before, key)])
        else:
            found = places(settings, name, table)
            pieces = (piece for place in found for piece in _pieces(place, table, wanted, key))
        return tuple(_short_named(_source(group, at * _ROWS_PER_SOURCE), wanted) for at, group in enumerate(_alike(pieces)))


def unreadable(name: str, sources: Sequence[Source], error: Exception) -> DataError:
    """Say in words why sources cannot be read to their end, without a value of any row."""
    files = [file for source in sources for file in source.files]
    for source in sources:
        if source.layout and (found := _broken(source.files, source.layout)):
            return DataError(f"{name}: {found}")
    more = f" (or one of {len(files) - 1:,} more files)" if len(files) > 1 else ""
    return DataError(f"{name}: {files[0]}{more} cannot be read: {reason_of(error)}")


def _check_one_place(table: Table, key: str) -> None:
    named = [name for name in ("paths", "database", "spark") if getattr(table, name)]
    if len(named) > 1:
        raise SettingsError(f"{key}: {' and '.join(f'`{name}`' for name in named)} do not go together; name one")


def _broken(files: Sequence[str], layout: Layout) -> str:
    for path in files:
        with open(path, "rb") as file:
            if found := broken(file, layout):
                return f"{path} {found}"
    return ""


def _wanted(settings: Settings, name: str, table: Table) -> set[str]:
    """Names of columns that the settings speak of, and the canonical ones."""
    attributes = settings.data.attributes.items() if name == "items" else ()
    shown = [(isinstance(each, AttributeSettings) and each.column) or own for own, each in attributes]
    mapped = [own for columns in merged(name, table).columns.values() for own in columns]
    return {*(column.name for column in mappable(name)), *mapped, *shown, *table.other_columns, *table.header}


def _pieces(place: str, table: Table, wanted: Collection[str], key: str) -> Iterator[Piece]:
    """The files at one place: one, or the members of an archive, which must be alike."""
    if is_lake(place, table.format):
        with _about(place):
            yield open_lake(place, table.format)
        return
    first: Piece | None = None
    for blob in _unpacked(_fetched(place), _MOST_LAYERS):
        with _about(blob.name), closing(blob.file):
            piece = _opened(blob, table, wanted, key)
        first = first or piece
        if set(piece.schema) != set(first.schema):
            piece.close()
            raise DataError(
                f"{place} holds files with different columns, {first.name} and {piece.name}; pack one table an archive"
            )
        yield piece


def _fetched(place: str) -> Blob:
    if scheme_of(place):
        return fetched(place)
    with _about(place):
        return local_blob(place)


def _unpacked(blob: Blob, layers: int) -> Iterator[Blob]:
    """Each file of which a blob consists; open until the next one is asked for."""
    try:
        with _about(blob.name):
            packing = packing_of(blob)
            if packing and not layers:
                raise DataError("is packed more than twice; unpack it")
        if not packing:
            yield blob
            return
        inside = unpacked(blob, packing)
        while True:
            with _about(blob.name):
                inner = next(inside, None)
            if inner is None:
                return
            yield from _unpacked(inner, layers - 1)
    finally:
        blob.file.close()


def _opened(blob: Blob, table: Table, wanted: Collection[str], key: str) -> Piece:
    form = form_of(blob, table.format)
    if form == "parquet":
        return open_parquet(blob)
    if form == "json":
        return open_json(blob, table)
    if form == "xml":
        return open_xml(blob, table, key)
    if form == "excel":
        return open_excel(blob, table, wanted, key)
    return open_delimited(blob, table, wanted, key)


@dataclass(slots=True)
class _Group:
    """Pieces that one scan can read."""

    pieces: list[Piece]
    copies: list[IO[bytes]] = field(default_factory=list)

    def add(self, piece: Piece) -> None:
        self.pieces.append(piece)
        if not isinstance(piece.body, Standing | pl.LazyFrame):
            self.copies = put_together([*self.copies, piece.body])

    def close(self) -> None:
        for copy in self.copies:
            copy.close()


def _alike(pieces: Iterator[Piece]) -> Iterator[_Group]:
    """Pieces that follow one another, by what they have in common."""
    group = _Group([])
    try:
        for piece in pieces:
            if group.pieces and _key(group.pieces[-1]) != _key(piece):
                yield group
                group = _Group([])
            group.add(piece)
    except BaseException:
        group.close()
        raise
    if group.pieces:
        yield group


def _key(piece: Piece) -> tuple[object, ...]:
    body = piece.body
    kind: object = body.layout if isinstance(body, Standing) else id(body) if isinstance(body, pl.LazyFrame) else "copy"
    return (
        type(body) if isinstance(body, Standing) else "",
        kind,
        list(piece.schema.items()),
        piece.has_more,
        piece.from_1904,
    )


def _source(group: _Group, first_row: int) -> Source:
    first = group.pieces[0]
    frame = _scan(group).with_columns(pl.col(ROW).cast(pl.UInt64) + first_row)
    return Source(
        files=tuple(piece.name for piece in group.pieces),
        frame=frame,
        schema=first.schema,
        first_row=first_row,
        has_more=first.has_more,
        written=max(piece.written for piece in group.pieces),
        read_as=_read_as(group.pieces),
        layout=first.body.layout if isinstance(first.body, Standing) else None,
        from_1904=first.from_1904,
    )


def _short_named(source: Source, kept: Collection[str]) -> Source:
    """Shorten names of columns that no message could hold, but for those that the settings speak of."""
    short = {own: shortened(own) for own in source.schema if own not in kept and shortened(own) != own}
    if not short:
        return source
    schema = {short.get(own, own): dtype for own, dtype in source.schema.items()}
    said = (
        f"{source.files[0]}: {len(short):,} names of columns are shortened, for instance to {next(iter(short.values()))!r}"
    )
    return replace(source, frame=source.frame.rename(short), schema=schema, read_as=(*source.read_as, said))


def _read_as(pieces: Sequence[Piece]) -> tuple[str, ...]:
    """One sentence for files that were taken for the same."""
    alike: dict[tuple[str, ...], list[str]] = {}
    for piece in pieces:
        alike.setdefault(piece.notes, []).append(piece.name)
    more = {notes: f" and {len(names) - 1:,} more" if len(names) > 1 else "" for notes, names in alike.items()}
    return tuple(f"{names[0]}{more[notes]}: {', '.join(notes)}" for notes, names in alike.items())


def _scan(group: _Group) -> pl.LazyFrame:
    body = group.pieces[0].body
    if isinstance(body, pl.LazyFrame):
        return body.with_row_index(ROW)
    if not isinstance(body, Standing):
        return scan_copies(group.copies, ROW)
    paths = [piece.body.path for piece in group.pieces if isinstance(piece.body, Standing)]
    if body.layout:
        return scan_delimited(paths, body.layout, ROW, FILE)
    return pl.scan_parquet(paths, glob=False, row_index_name=ROW, include_file_paths=FILE)


@contextmanager
def _about(subject: str) -> Iterator[None]:
    """Name what an error is about."""
    try:
        yield
    except DataError as error:
        raise DataError(f"{subject} {error}") from error
    except reader_errors() as error:
        raise DataError(f"{subject} cannot be read: {reason_of(error)}") from error
