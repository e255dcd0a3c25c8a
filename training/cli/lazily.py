"""Modules that are imported when something of them is first asked for, so that `--help` waits for nothing."""

from __future__ import annotations

import sys
from importlib.util import LazyLoader, find_spec, module_from_spec
from types import ModuleType


def lazily(package: str, *names: str) -> list[ModuleType]:
    """The modules of a package by name, each imported at the first look at one of its attributes.

    Raises:
        ModuleNotFoundError: if the package has no such module.
    """
    return [_lazy(f"{package}.{name}") for name in names]


def _lazy(name: str) -> ModuleType:
    if name in sys.modules:
        return sys.modules[name]
    spec = find_spec(name)
    if spec is None or spec.loader is None:
        raise ModuleNotFoundError(f"{name}: there is no such module", name=name)
    loader = LazyLoader(spec.loader)
    spec.loader = loader
    module = module_from_spec(spec)
    sys.modules[name] = module
    loader.exec_module(module)
    return module
