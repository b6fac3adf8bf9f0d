"""Imports the module of a refresh handler: never from the current directory, which anybody may have written to."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from collections.abc import Callable
from importlib.machinery import ModuleSpec, PathFinder
from typing import Any

from .. import _util
from .._util.concurrency import ForkSafeRLock
from ..errors import ConfigurationError

_one_at_a_time = ForkSafeRLock()


def imported_handler(named: str) -> Callable[..., Any]:
    """The function named ``package.module:function``.

    Raises:
        ConfigurationError: it cannot be imported, or is no function.
    """
    module_name, _, path = named.partition(":")
    what = f"cognito_refresh_handler = {named}"
    try:
        with _one_at_a_time:
            target: Any = _module(module_name)
    except ConfigurationError:
        raise
    except ModuleNotFoundError as error:
        missing = error.name or module_name
        raise ConfigurationError(
            f"{what} cannot be imported: there is no module {missing} in the environment of {sys.executable}",
            remedy="Install it there, or name its directory in PYTHONPATH; the current directory is never searched",
        ) from None
    except (Exception, SystemExit) as error:  # noqa: BLE001 - other people's code, whose text may hold anything
        raise ConfigurationError(f"{what} cannot be imported: the module raised {type(error).__name__}") from None
    for name in path.split("."):
        target = getattr(target, name, None)
    if not callable(target):
        raise ConfigurationError(f"{what} is not a function of that module", remedy="Write package.module:function")
    handler: Callable[..., Any] = target
    return handler


def _module(name: str) -> Any:
    sys.path += [entry for entry in _util.path_for_handlers if entry not in sys.path]
    top = name.partition(".")[0]
    if top not in sys.modules:
        spec = _spec_outside_current_directory(top)
        if spec is None:
            raise ModuleNotFoundError(name=top)
        module = importlib.util.module_from_spec(spec)
        sys.modules[top] = module
        try:
            if spec.loader is not None:
                spec.loader.exec_module(module)
        except BaseException:
            sys.modules.pop(top, None)
            raise
    return importlib.import_module(name)


def _spec_outside_current_directory(top: str) -> ModuleSpec | None:
    """What an import would find, had `sys.path` no current directory. The path itself is left alone: it is shared."""
    for finder in sys.meta_path:
        if finder is PathFinder:
            spec = PathFinder.find_spec(top, _searched())
        else:
            find = getattr(finder, "find_spec", None)
            spec = find(top, None) if find is not None else None
        if spec is not None:
            return spec
    return None


def _searched() -> list[str]:
    here = _real(os.curdir)
    chosen = {_real(entry) for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if os.path.isabs(entry)}
    script = getattr(sys.modules.get("__main__"), "__file__", None)
    if script is not None and getattr(sys.modules["__main__"], "__spec__", None) is None:
        # ``python app.py``: the directory of the program itself, wherever it is started.
        chosen.add(_real(os.path.dirname(script)))
    return [entry for entry in sys.path if entry and ((real := _real(entry)) != here or real in chosen)]


def _real(path: str) -> str:
    try:
        return os.path.realpath(path)
    except OSError:
        return path
