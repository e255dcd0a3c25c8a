"""Files in cloud stores, listed and fetched whole through obstore, with the credentials that the stores' own tools take.

Each file is fetched once into a copy: several passes over a table then see the same bytes and cost one transfer.
"""

from __future__ import annotations

import glob
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from fnmatch import translate
from typing import TYPE_CHECKING, Any

from recsys.tables.sources.bounds import CHUNK, MAX_FILES
from recsys.tables.sources.optional import needed
from recsys.tables.sources.spool import Blob, check_room, copy_of
from recsys.types import DataError

if TYPE_CHECKING:
    from obstore.store import ObjectStore

_TRIES = 3
_PATIENCE = timedelta(seconds=20)
"""How long a store may be silent or busy."""


def list_store(address: str) -> list[str]:
    """Addresses of the files that an address or glob in a store names, sorted.

    Raises:
        DataError: if the store does not answer, or does not let us.
    """
    base, path = _split(address)
    if not glob.has_magic(path):
        return [address]
    folder = path[: re.search(r"[*?\[]", path).start()].rpartition("/")[0]  # type: ignore[union-attr]
    matches = re.compile(_pattern(path)).match
    found: list[str] = []
    with _in_words(address):
        for batch in _store(base, address).list(prefix=folder or None):
            found += [f"{base}/{each['path']}" for each in batch if matches(each["path"])]
            if len(found) > MAX_FILES:
                raise DataError(f"{address} names more than {MAX_FILES:,} files; name fewer")
    return sorted(found)


def fetched(address: str) -> Blob:
    """A copy of one file.

    Raises:
        DataError: if it is not there, the store does not answer, or stops in the middle.
    """
    base, path = _split(address)
    with _in_words(address):
        answer = _store(base, address).get(path)
        check_room(answer.meta["size"])
        copy = copy_of(_whole(answer))
    written = int(answer.meta["last_modified"].timestamp() * 1_000_000)
    return Blob(address, copy, None, written, (f"fetched from {base}",))


def _whole(answer: Any) -> Iterator[bytes]:
    read = 0
    for chunk in answer.stream(min_chunk_size=CHUNK):
        read += len(chunk)
        yield bytes(chunk)
    if read != answer.meta["size"]:
        raise DataError("was cut off while it was fetched; run the job again")


def _store(base: str, address: str) -> ObjectStore:
    with needed("obstore", "cloud", f"{address} stands in a cloud store"):
        from obstore.store import from_url
    return from_url(
        base,
        client_options={"allow_http": True, "connect_timeout": _PATIENCE, "timeout": _PATIENCE * 30},
        retry_config={"max_retries": _TRIES, "retry_timeout": _PATIENCE},
    )


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
        from obstore.exceptions import BaseError
    try:
        yield
    except FileNotFoundError as error:
        raise DataError(f"there is no file {address} in its store") from error
    except (BaseError, OSError) as error:
        reason = str(error).partition("\n")[0][:300]
        raise DataError(f"{address} cannot be fetched: {reason}; look at the address and the store's credentials") from error
