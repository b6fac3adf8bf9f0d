"""Keep botocore's wire logging silent while a call of ours that carries a secret is running.

At DEBUG, ``botocore.endpoint`` logs the whole request, ``botocore.parsers`` the whole response and ``botocore.auth``
what it signs: passwords, codes and tokens. A level change would silence the application's own calls in other threads,
so this is a filter on those three loggers which asks a context variable: only records made inside ``with
quiet_botocore():``, in that thread or task, are dropped.
"""

from __future__ import annotations

import importlib
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_QUIET: ContextVar[bool] = ContextVar("botocore_cognito_federation_quiet", default=False)
_MODULES = ("botocore.endpoint", "botocore.parsers", "botocore.auth")


class _SilentInside(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        return not _QUIET.get()


_FILTER = _SilentInside()


def _loggers() -> list[logging.Logger]:
    """The loggers those modules really hold: a vendored botocore (the AWS CLI's) may name its own differently."""
    modules = [importlib.import_module(name) for name in _MODULES]
    named = [logging.getLogger(name) for name in _MODULES]
    return named + [value for module in modules for value in vars(module).values() if isinstance(value, logging.Logger)]


@contextmanager
def quiet_botocore() -> Iterator[None]:
    """Drop what botocore would log about the requests and responses of the calls made inside.

    Levels, handlers and the logging of other threads and tasks are left alone. May be nested. The filter is put in
    place at each entry, since an application may configure logging anew at any time.
    """
    for logger in _loggers():
        logger.addFilter(_FILTER)
    token = _QUIET.set(True)
    try:
        yield
    finally:
        _QUIET.reset(token)
