"""Errors of readers in words: what is wrong with a file, without a value of any row."""

from __future__ import annotations

import re

from polars.exceptions import PanicException

from recsys.types import DataError

_QUOTED = re.compile(r"`[^`]*`|\"[^\"]*\"|'[^']*'|“[^”]*”|‘[^’]*’")
_KNOWN = (
    (re.compile("could not parse|malformed", re.I), "a quote is opened and not closed, or stands inside a text; double the quotes "
     'inside texts where it is exported, or write `quote = ""` if quotes mean nothing in it'),
    (re.compile("utf-?8", re.I), "its text is not UTF-8; export it as UTF-8, or name its `encoding`"),
    (re.compile("no space left", re.I), "the disk is full; set TMPDIR to a folder on a larger disk"),
    (re.compile("contiguous commit|table metadata or protocol|log segment|Invalid Checkpoint|Json error"),
     "files of its log are missing or damaged"),
    (re.compile("column mapping", re.I), "its columns were renamed without being written anew (column mapping), which cannot be read; "
     "write the table anew, or export Parquet"),
    (re.compile("File out of specification|thrift|footer", re.I), "it is no whole Parquet file; export it again"),
)  # fmt: skip
_HINT = re.compile(r" \(set POLARS_\w+=1 [^)]*\)")
_LENGTH = 200


def reason_of(error: BaseException) -> str:
    """Return what a reader's error says, without anything that it quotes."""
    text = str(error).strip()
    if isinstance(error, DataError):
        return text
    if isinstance(error, PanicException):
        return "it is damaged; export it again"
    for pattern, words in _KNOWN:
        if pattern.search(text):
            return words
    first = _HINT.sub("", _QUOTED.sub("…", text).partition("\n")[0])
    return first[:_LENGTH] or type(error).__name__
