"""Files in cloud stores, listed and fetched whole through obstore, with the credentials that the stores' own tools take.

Each file is fetched once into a copy: several passes over a table then see the same bytes and cost one transfer.
"""

from __future__ import annotations

import glob
import re
from collections.abc import Iterator
from contextlib import contextmanager
from fnmatch import translate
from typing import TYPE_CHECKING

from recsys import clock
from recsys.optional import needed
from recsys.snapshot.remote import open_store
from recsys.tables.sources.bounds import MAX_FILES
from recsys.tables.sources.spool import Blob, check_room, copy_of
from recsys.types import DataError

if TYPE_CHECKING:
    from obstore import GetOptions, ObjectMeta
    from obstore.store import ObjectStore

_PART = 32 << 20
"""Bytes that are asked for together."""


def list_store(address: str) -> dict[str, int]:
    """Addresses of the files that a glob in a store names, sorted, and when each was written, µs since 1970.

    An address that is no glob is given as it is, whether there is a file or not.

    Raises:
        DataError: if the store does not answer, or does not let us.
    """
    base, path = _split(address)
    if not glob.has_magic(path):
        return {address: 0}
    folder = path[: re.search(r"[*?\[]", path).start()].rpartition("/")[0]  # type: ignore[union-attr]
    matches = re.compile(_pattern(path)).match
    found: dict[str, int] = {}
    with _in_words(address):
        for batch in open_store(base).list(prefix=folder or None):
            found |= {f"{base}/{each['path']}": _written(each) for each in batch if matches(each["path"])}
            if len(found) > MAX_FILES:
                raise DataError(f"{address} names more than {MAX_FILES:,} files; name fewer")
    return dict(sorted(found.items()))


def fetched(address: str) -> Blob:
    """A copy of one file.

    Raises:
        DataError: if it is not there, the store does not answer, or stops in the middle.
    """
    base, path = _split(address)
    with _in_words(address):
        store = open_store(base)
        meta = store.head(path)
        check_room(meta["size"])
        copy = copy_of(_parts(store, path, meta))
    return Blob(address, copy, None, _written(meta), (f"fetched from {base}",))


def _written(meta: ObjectMeta) -> int:
    return clock.to_microseconds(meta["last_modified"])


def _parts(store: ObjectStore, path: str, meta: ObjectMeta) -> Iterator[bytes]:
    """A file part by part, each of the version that the first look saw."""
    for start in range(0, meta["size"], _PART):
        options: GetOptions = {"range": (start, min(start + _PART, meta["size"]))}
        if meta["e_tag"] is not None:
            options["if_match"] = meta["e_tag"]
        yield bytes(store.get(path, options=options).bytes())


def _split(address: str) -> tuple[str, str]:
    scheme, _, rest = address.partition("://")
    bucket, _, path = rest.partition("/")
    if not bucket or not path:
        raise DataError(f"{address} names no file; write {scheme}://bucket/folder/file-*.parquet")
    return f"{scheme}://{bucket}", path


def _pattern(path: str) -> str:
    """A glob as a regular expression: * and ? stay inside one folder, ** spans folders."""
    parts = [".*" if part == "**" else translate(part)[4:-3].replace(".*", "[^/]*") for part in path.split("/")]
    return "/".join(parts).replace(".*/", "(?:.*/)?") + r"\Z"


@contextmanager
def _in_words(address: str) -> Iterator[None]:
    with needed("obstore", "cloud", f"{address} stands in a cloud store"):
        from obstore.exceptions import BaseError, PreconditionError
    try:
        yield
    except FileNotFoundError as error:
        raise DataError(f"there is no file {address} in its store") from error
    except PreconditionError as error:
        raise DataError(f"{address} was replaced while it was fetched; run the job again") from error
    except (BaseError, OSError) as error:
        reason = str(error).partition("\n")[0][:300]
        raise DataError(f"{address} cannot be fetched: {reason}; look at the address and the store's credentials") from error
