"""Modules that are imported when something of them is first asked for, so that `--help` waits for nothing."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Any


class _Later(ModuleType):
    """A module in name, whose attributes are those of the real one. It is no entry of `sys.modules`: there the import system would
    run it in the midst of an import, and swallow what it raises, a Ctrl-C too."""

    def __getattr__(self, name: str) -> Any:
        return getattr(import_module(self.__name__), name)


def lazily(package: str, *names: str) -> list[ModuleType]:
    """The modules of a package by name, each imported at the first look at one of its attributes.

    Raises:
        ModuleNotFoundError: if the package has no such module.
    """
    return [_later(f"{package}.{name}") for name in names]


def _later(name: str) -> ModuleType:
    if find_spec(name) is None:
        raise ModuleNotFoundError(f"{name}: there is no such module", name=name)
    return _Later(name)
