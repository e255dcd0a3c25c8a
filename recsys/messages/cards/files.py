"""The files of templates: their names, and the parts that they are cut into before anything is parsed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from recsys.locales import locale_chain
from recsys.messages.cards.channels import PARTS
from recsys.types import SettingsError

PARTIAL = "partial"
TEMPLATE_BYTES = 64 * 1024
"""Most bytes of a template file."""

_NAME = re.compile(r"(?:(?P<locale>[^/]+)/)?(?P<kind>[a-z][a-z0-9_]{0,63})\.(?P<channel>[a-z]+)\.liquid")
_MARK = re.compile(r"^--- *(\S+) *(?:\n|\Z)", re.MULTILINE)


class TemplatePart(NamedTuple):
    """A part as it is written; `first_line` is where it begins in its file."""

    file: str
    name: str
    first_line: int
    text: str

    def error(self, message: object, line: int | None = None) -> str:
        """Say where in the file a template fails; `line` None: the parser cannot tell."""
        where = f"line {self.first_line} or below" if line is None else f"line {self.first_line + line}"
        return f"messages.templates: {self.file}, part {self.name}, {where}: {message}"


class TemplateFile(NamedTuple):
    """A template as it stands in its folder; a partial's `channel` is `partial`."""

    name: str
    kind: str
    channel: str
    locale: str
    text: str

    def parts(self) -> list[TemplatePart]:
        """Cut at the marks, lines such as `--- subject`; raises SettingsError for parts that the channel does not have, or lacks."""
        if self.channel == PARTIAL:
            return [TemplatePart(self.name, PARTIAL, 1, self.text)]
        marks = list(_MARK.finditer(self.text))
        self._check([mark[1] for mark in marks])
        if self.text[: marks[0].start()].strip():
            raise SettingsError(f"messages.templates: {self.name}, line 1: nothing may stand before {marks[0][0].strip()!r}")
        ends = [*(mark.start() for mark in marks[1:]), len(self.text)]
        starts = [self.text.count("\n", 0, mark.end()) + 1 for mark in marks]
        places = zip(marks, starts, ends, strict=True)
        return [TemplatePart(self.name, mark[1], line, self.text[mark.end() : end]) for mark, line, end in places]

    def _check(self, names: list[str]) -> None:
        allowed = PARTS[self.channel]
        needed = [name for name, part in allowed.items() if part.required]
        if not set(needed) <= set(names) <= set(allowed) or len(set(names)) < len(names):
            raise SettingsError(
                f"messages.templates: {self.name} has the parts {', '.join(names) or 'none'}; needed are {', '.join(needed)}, "
                f"allowed {', '.join(allowed)}, each once, after a line of its own such as '--- {needed[0]}'"
            )


def template_files(folder: Path, own_language: str) -> Iterator[TemplateFile]:
    """Read every template of a folder; what stands outside a locale's folder is written in `own_language`.

    A file in a locale's folder comes after one of the same language outside it. Raises SettingsError naming the file.
    """
    if not folder.is_dir():
        raise SettingsError(f"messages.templates: {folder} is no folder")
    for path in sorted(folder.rglob("*.liquid"), key=lambda path: (len(path.parts), path)):
        name = path.relative_to(folder).as_posix()
        found = _NAME.fullmatch(name)
        locale = (found and found["locale"]) or own_language
        if found is None or locale_chain(locale, locale)[0] != locale:
            raise SettingsError(
                f"messages.templates: {name}: allowed are <kind>.<channel>.liquid, <locale>/<kind>.<channel>.liquid with a "
                f"locale such as de or de_AT, and <name>.{PARTIAL}.liquid; kinds and names are of small letters, digits and _"
            )
        channels = [*PARTS] if found["locale"] else [*PARTS, PARTIAL]
        if found["channel"] not in channels:
            raise SettingsError(
                f"messages.templates: {name}: unknown channel {found['channel']!r}; allowed are {', '.join(channels)}"
            )
        yield TemplateFile(name, found["kind"], found["channel"], locale, _text(path, name))


def _text(path: Path, name: str) -> str:
    raw = path.read_bytes()
    if len(raw) > TEMPLATE_BYTES:
        raise SettingsError(f"messages.templates: {name} has {len(raw)} bytes; allowed are {TEMPLATE_BYTES}")
    try:
        return raw.decode().replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise SettingsError(f"messages.templates: {name} is not UTF-8: {error}") from error
