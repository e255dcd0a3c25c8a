"""Encoding of a text file, told from every byte of it, and the file as UTF-8."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import chain

from chardetng_py import EncodingDetector

from recsys.tables.sources.bounds import CHUNK
from recsys.tables.sources.content import BYTE_ORDER_MARKS
from recsys.tables.sources.spool import Blob, LineBound
from recsys.types import DataError

LOSSY = "utf-8-lossy"
"""Setting that reads UTF-8 with � for what is none."""
_SUPERSETS = {
    "shift_jis": "cp932",
    "euc-kr": "cp949",
    "gbk": "gb18030",
    "windows-874": "cp874",
    "iso-8859-8-i": "iso-8859-8",
}
_LATIN = ("windows-1252", "iso-8859-1")
_EURO, _FIRST_PRINTED = "\udca4", "\udca0"
"""The byte of ISO 8859-15's euro sign, which is a ¤ in others that no shop writes, and the first of its letters beyond ASCII."""
_FOREIGN = re.compile(r"[\udc80-\udcff]")
_LETTERS = re.compile(r"[^\x00-\x7f\udc80-\udcff]")
_UNWRITTEN = re.compile(
    r"[^\x00-\x7f\xa0-\u017f\u01a0\u01a1\u01af\u01b0\u0218-\u021b"  # Latin with the letters of Romanian and Vietnamese
    r"\u0300-\u0304\u0306-\u030c\u0323\u0327\u0328"  # accents of their own
    r"\u0384-\u03ce\u0400-\u04ff\u0531-\u058a\u05b0-\u05ea\u060c-\u06ff"  # Greek, Cyrillic, Armenian, Hebrew, Arabic
    r"\u0900-\u0eff\u10a0-\u10ff\u1e00-\u1eff"  # scripts of India, Thai, Georgian, Vietnamese
    r"\u2000-\u2bff\u3000-\u9fff\uac00-\ud7a3\uf900-\ufb06\ufe0f\ufeff\uff00-\uffef"  # signs, Chinese, Japanese, Korean
    r"\U0001f000-\U0001faff\U00020000-\U0003ffff]"  # emoji, rare Chinese
    r"|[A-Za-z][\u0384-\u06ff]|[\u0384-\u06ff][A-Za-z]"
)
"""Letters that no shop writes, and words of two scripts: capitals with a sign behind them (É®, ß…) that are UTF-8 by chance."""
_MOSTLY = 10
"""So many letters in UTF-8 for each byte that is not: then those bytes are mistakes."""
_SYLLABLES = (
    *("shift_jis", "euc-jp", "iso-2022-jp", "euc-kr", "gbk", "gb18030", "big5"),
    *("windows-874", "windows-1256", "windows-1258"),
)
_BY_CHANCE, _RARELY = 0.25, 0.02
"""UTF-8 lines for each other line that an encoding makes by chance: one whose letters are pairs of high bytes (a short word of such
may be whole UTF-8), and one with a byte a letter."""
_SHOWN_LETTERS = 12
_QUOTED = re.compile(rb'"[^"]*(?:"|$)')
_BINARY = 1000
"""A text has fewer than one NUL in so many bytes."""


def as_utf8(blob: Blob, pinned: str) -> Blob:
    """The file as UTF-8 without a byte order mark, its lines ending with a line feed; itself, if it is that already.

    Raises:
        DataError: if its encoding cannot be told or is not what the settings say, or a line is too long.
    """
    head = blob.head(CHUNK)
    marked = next((encoding for mark, encoding in BYTE_ORDER_MARKS.items() if head.startswith(mark)), "")
    if pinned:
        return _pinned(blob, pinned, marked)
    if marked and marked != "utf-8-sig":
        return _rewritten(blob, marked, f"{marked.upper()} (by its byte order mark)")
    if wide := _utf16_without_mark(head):
        return _rewritten(blob, wide, f"{wide.upper()} (every other byte is zero)")
    if not _is_utf8(blob):
        return _guessed(blob)
    if marked or _has_old_ends(head):
        return _rewritten(blob, marked or "utf-8", f"UTF-8 (every byte is{', after a byte order mark' if marked else ''})")
    return replace(blob, notes=(*blob.notes, "UTF-8 (every byte is)"))


def _pinned(blob: Blob, pinned: str, marked: str) -> Blob:
    lossy = pinned.lower() == LOSSY
    try:
        name = codecs.lookup("utf-8" if lossy else pinned).name
        "".encode(name)
    except LookupError as error:
        raise DataError(
            f"has the `encoding` {pinned!r} in the settings, which does not exist; for instance windows-1252"
        ) from error
    name = marked if marked.startswith(name) else name
    if name == "utf-8" and not lossy and not _has_old_ends(blob.head(CHUNK)) and _is_utf8(blob):
        return replace(blob, notes=(*blob.notes, "UTF-8 (by the settings)"))
    return _rewritten(blob, name, f"{pinned} (by the settings)", "replace" if lossy else "strict")


def _has_old_ends(head: bytes) -> bool:
    """Tell whether lines end with a carriage return alone, as those of old Macs do; a line feed then breaks lines inside of quotes."""
    if b"\r" not in head or b"\r\n" in head:
        return False
    return b"\n" not in head or (b"\n" not in (bare := _QUOTED.sub(b"", head)) and b"\r" in bare)


def _utf16_without_mark(head: bytes) -> str:
    start = head[:4096]
    odd, even = start[1::2].count(0), start[::2].count(0)
    if len(start) < 4 or max(odd, even) * 5 < len(start) or min(odd, even) * 10 > max(odd, even):
        return ""
    return "utf-16-le" if odd > even else "utf-16-be"


def _is_utf8(blob: Blob) -> bool:
    bound, decode, size, nuls = LineBound(), codecs.getincrementaldecoder("utf-8")(), 0, 0
    for chunk in _lines_of(blob):
        bound.feed(chunk)
        size, nuls = size + len(chunk), nuls + chunk.count(0)
        if nuls * _BINARY > size:
            raise DataError("is no text: it is full of zero bytes; export it again")
        if chunk.isascii() and not decode.getstate()[0]:
            continue
        try:
            decode.decode(chunk)
        except UnicodeDecodeError:
            return False
    return not decode.getstate()[0]


def _guessed(blob: Blob) -> Blob:
    """Read a file that is not UTF-8 in the encoding that its letters speak for."""
    detector, decode = EncodingDetector(), codecs.getincrementaldecoder("utf-8")("surrogateescape")
    letters = foreign = line = 0
    strange, lines, bound = set[str](), _Lines(), LineBound()
    for chunk in chain(_lines_of(blob), (b"",)):
        bound.feed(chunk)
        text = decode.decode(chunk, final=not chunk)
        lines.feed(text)
        bad = _FOREIGN.findall(text)
        letters, found, strange = letters + len(_LETTERS.findall(text)), len(bad), strange.union(bad)
        if not foreign:
            line += text.count("\n") if not found else text[: _FOREIGN.search(text).start()].count("\n")  # type: ignore[union-attr]
        foreign += found
        detector.feed(chunk, last=not chunk)
    where = f"{foreign:,} {'bytes are' if foreign > 1 else 'byte is'} not UTF-8, the first in line {line + 1:,}"
    if letters > _MOSTLY * foreign:
        raise DataError(f'is UTF-8 but for some bytes ({where}); mend it, or write `encoding = "{LOSSY}"` to read them as �')
    label, sure = detector.guess_assess(tld=None, allow_utf8=False)
    if _is_latin_9(strange, label):
        label, sure = "ISO-8859-15", True
    name = _SUPERSETS.get(label.lower(), label)
    if lines.are_mixed(label):
        raise DataError(
            f"holds {lines.utf8:,} {'lines' if lines.utf8 > 1 else 'line'} of UTF-8, the first is line {lines.first:,}, beside "
            f"{lines.foreign:,} of another encoding ({where}): several exports in one file? Export them in one encoding, or write "
            'the `encoding` that all of it is in, for instance "windows-1252"'
        )
    if not sure:
        raise DataError(f'has an encoding that cannot be told ({where}); name it, for instance `encoding = "windows-1252"`')
    return _rewritten(blob, name, f"{label} (by its letters {_shown(blob, name)}; {where})")


@dataclass(slots=True)
class _Lines:
    """Lines with letters beyond ASCII, counted: those that are UTF-8 as shops write it, with the first's number, and foreign ones.

    Lines that are UTF-8 of which no shop makes words speak for neither.
    """

    utf8: int = 0
    foreign: int = 0
    first: int = 0
    _ended: int = 0
    _open: str = ""

    def feed(self, text: str) -> None:
        """Take the next text, in which bytes that are no UTF-8 are surrogates; an empty one ends the file."""
        *whole, self._open = (self._open + text).split("\n") if text else (self._open, "")
        for line in whole:
            self._ended += 1
            if line.isascii():
                continue
            if _FOREIGN.search(line):
                self.foreign += 1
            elif not _UNWRITTEN.search(line):
                self.utf8 += 1
                self.first = self.first or self._ended

    def are_mixed(self, label: str) -> bool:
        """Tell whether so many lines are UTF-8 that chance does not make them so in the encoding of the others."""
        return self.utf8 > self.foreign * (_BY_CHANCE if label.lower() in _SYLLABLES else _RARELY)


def _is_latin_9(strange: set[str], label: str) -> bool:
    """Tell of bytes that are not UTF-8 whether they are ISO 8859-15's: its euro sign alone, or beside letters that others share."""
    shared = label.lower() in _LATIN and min(strange, default="") >= _FIRST_PRINTED
    return strange == {_EURO} or (_EURO in strange and shared)


def _shown(blob: Blob, encoding: str) -> str:
    """The first letters beyond ASCII that an encoding makes of a file, in the order of the alphabet."""
    text = blob.head(CHUNK).decode(encoding, "ignore")
    return " ".join(sorted({letter for letter in _LETTERS.findall(text) if letter.isprintable()})[:_SHOWN_LETTERS])


def _rewritten(blob: Blob, encoding: str, note: str, errors: str = "strict") -> Blob:
    try:
        return blob.copied(_decoded(blob, encoding, errors), note)
    except UnicodeError as error:
        raise DataError(
            f"cannot be read whole as {note}; export it as UTF-8, or name its `encoding`, for instance windows-1252"
        ) from error


def _decoded(blob: Blob, encoding: str, errors: str) -> Iterator[bytes]:
    bound, decode = LineBound(), codecs.getincrementaldecoder(encoding)(errors)
    old_ends = None
    for chunk in chain(_chunks(blob), (b"",)):
        text = decode.decode(chunk, final=not chunk)
        if old_ends is None:
            old_ends = _has_old_ends(text.encode())
            text = text.lstrip("\ufeff")
        lines = (text.replace("\r", "\n") if old_ends else text).encode()
        bound.feed(lines)
        yield lines


def _lines_of(blob: Blob) -> Iterator[bytes]:
    """The chunks of a file in any encoding that keeps ASCII's bytes; its lines end with a line feed, also those of old Macs."""
    old_ends = _has_old_ends(blob.head(CHUNK))
    return (chunk.replace(b"\r", b"\n") if old_ends else chunk for chunk in _chunks(blob))


def _chunks(blob: Blob) -> Iterator[bytes]:
    """The file from its start, chunk by chunk."""
    blob.file.seek(0)
    while chunk := blob.file.read(CHUNK):
        yield chunk
    blob.file.seek(0)
