"""Places of a table's files: paths, globs and addresses in cloud stores."""

from __future__ import annotations

import glob
import os
import re
import stat
from collections.abc import Iterator

from recsys.settings import Settings
from recsys.settings.stores.object_store import SCHEMES as STORES
from recsys.settings.tables import Table
from recsys.tables.sources.bounds import MAX_FILES
from recsys.tables.sources.lake import LAKES, lake_of
from recsys.tables.sources.remote import list_store
from recsys.types import DataError

DATABASES = ("postgresql", "sqlite", "duckdb")
"""Schemes of databases."""
_SCHEME = re.compile(r"([a-z][a-z0-9+.-]*)://", re.I)
_KINDS = {stat.S_ISFIFO: "a pipe", stat.S_ISCHR: "a device", stat.S_ISBLK: "a device", stat.S_ISSOCK: "a socket"}


def scheme_of(address: str) -> str:
    """The scheme of an address in lower case; empty for a path."""
    found = _SCHEME.match(address)
    return found[1].lower() if found else ""


def expanded(text: str, key: str) -> str:
    """A setting with its environment variables.

    Raises:
        DataError: naming the variable that is not set.
    """
    value = os.path.expandvars(text)
    if "$" in value:
        variable = value.partition("$")[2].partition("/")[0].strip("{}")
        raise DataError(f"{key} {text!r} needs the environment variable {variable}, which is not set")
    return value


def places(settings: Settings, name: str, table: Table) -> list[str]:
    """Files, lake folders and addresses of a table, each once, in the order of the settings and of the names.

    Raises:
        DataError: if a path names nothing, or what cannot be read; or a scheme is not known.
    """
    found = list(dict.fromkeys(place for text in table.paths for place in _places(settings, name, table, text)))
    if len(found) > MAX_FILES:
        raise DataError(f"`data.{name}.paths` name {len(found):,} files; at most {MAX_FILES:,} are read")
    return found


def is_lake(place: str, pinned: str) -> bool:
    """Tell whether a place is the folder of a Delta or Iceberg table."""
    return pinned in LAKES or (not scheme_of(place) and os.path.isdir(place))


def _places(settings: Settings, name: str, table: Table, text: str) -> Iterator[str]:
    address = expanded(text, "the path")
    scheme = scheme_of(address)
    if scheme in STORES:
        yield from _in_store(name, table, address)
    elif scheme:
        yield _unknown(name, scheme)
    else:
        yield from _local(name, table, str(settings.path(address)), text)


def _in_store(name: str, table: Table, address: str) -> Iterator[str]:
    if table.format in LAKES:
        yield address.rstrip("/")
        return
    found = list_store(address)
    if not found:
        raise DataError(f"there is no file {address}; check `data.{name}.paths` in the settings")
    yield from found


def _unknown(name: str, scheme: str) -> str:
    if scheme in (*DATABASES, "postgres", "mysql"):
        raise DataError(f"`data.{name}.paths` names a database; write it as `database`, with a `query` or a `table`")
    known = ", ".join(f"{each}://" for each in STORES)
    raise DataError(f"{scheme}:// is no place that is read from; `data.{name}.paths` takes paths and {known}")


def _local(name: str, table: Table, path: str, text: str) -> Iterator[str]:
    if os.path.isdir(path) and (table.format in LAKES or lake_of(path)):
        yield path
    elif os.path.isdir(path):
        raise DataError(f"{path} is a folder; name its files, for instance {text.rstrip('/')}/*.parquet")
    elif os.path.exists(path):
        yield _regular(path)
    elif glob.has_magic(path):
        yield from _matching(name, path)
    else:
        raise DataError(f"there is no file {path}; check `data.{name}.paths` in the settings")


def _matching(name: str, path: str) -> list[str]:
    found = [file for file in sorted(glob.glob(path, recursive=True)) if not os.path.isdir(file)]
    if not found:
        raise DataError(f"no file matches {path}; check `data.{name}.paths` in the settings")
    return [_regular(file) for file in found]


def _regular(path: str) -> str:
    mode = os.stat(path).st_mode
    for is_kind, words in _KINDS.items():
        if is_kind(mode):
            raise DataError(f"{path} is {words}, which can be read only once; write it into a file first")
    return path
