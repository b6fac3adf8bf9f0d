"""``--debug`` and ``COGNITO_FEDERATION_DEBUG``: each step to stderr or to a private file, without a secret."""

from __future__ import annotations

import logging
import os
import stat
import sys
import traceback
from typing import TYPE_CHECKING, TextIO

from ..errors import CognitoFederationError, StorageError
from ..messages import shown_lines
from . import installation
from .files import is_own, refuse_place_of_another_user, refuse_without_home

if TYPE_CHECKING:
    _Handler = logging.StreamHandler[TextIO]
else:
    _Handler = logging.StreamHandler  # takes no type argument before Python 3.11

VARIABLE = "COGNITO_FEDERATION_DEBUG"
_ROOT = "botocore_cognito_federation"


class _Quietly(_Handler):
    """Logs what can be written: a full disk is no reason for a traceback on the stderr of a helper."""

    def handleError(self, record: logging.LogRecord) -> None:
        pass


class _Formatter(logging.Formatter):
    """Lines that a terminal can show; what continues a record is indented, so that no text forges a record."""

    def format(self, record: logging.LogRecord) -> str:
        return shown_lines(super().format(record)).replace("\n", "\n    ")


def start_debug_log(where: str) -> None:
    """Log what this package does.

    Args:
        where: ``1`` (or ``true``) for stderr; anything else is the path of a file, made 0600.

    Raises:
        StorageError: the file cannot be opened.
    """
    stream: TextIO = sys.stderr
    if where.lower() not in ("1", "true", "yes"):
        stream = _private_file(os.path.expanduser(where))
    handler = _Quietly(stream)
    handler.setFormatter(_Formatter("%(asctime)s %(process)d %(name)s: %(message)s"))
    logger = logging.getLogger(_ROOT)
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    logger.propagate = False


def unexpected(error: Exception) -> CognitoFederationError:
    """Return what a command line says of an error that nothing has foreseen.

    The installation explains it where a module is missing or too old. Otherwise it is a fault of this product: its name
    is shown, and its place in the debug log. Neither the text of the exception nor its arguments are shown anywhere:
    they may hold anything.
    """
    explained = installation.explanation(error)
    if explained is not None:
        return CognitoFederationError(explained[0], remedy=explained[1])
    name = type(error).__name__
    if isinstance(error, OSError) and error.errno:
        name += f" ({os.strerror(error.errno)})"  # the system's words, and no path
    logging.getLogger(_ROOT).debug("Unexpected %s\n%s", name, "".join(traceback.format_tb(error.__traceback__)))
    return CognitoFederationError(
        f"Unexpected {name} in botocore-cognito-federation", remedy=f"Run the same with {VARIABLE}=1"
    )


def _private_file(path: str) -> TextIO:
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
    try:
        refuse_without_home(path)
        existed = os.path.lexists(path)
        if not existed:
            refuse_place_of_another_user(os.path.dirname(path) or ".")
        # Non-blocking, so that a pipe without a reader cannot hold the helper up.
        descriptor = os.open(path, flags | getattr(os, "O_NONBLOCK", 0), 0o600)
        status = os.fstat(descriptor)
        if not existed and os.name != "nt" and status.st_mode & 0o777 != 0o600 and is_own(status):
            os.fchmod(descriptor, 0o600)  # the umask may take rights from the owner too
            status = os.fstat(descriptor)
    except OSError as error:
        raise StorageError(
            f"The debug log {path} cannot be opened: {error.strerror}",
            remedy=f"Unset {VARIABLE}, or let it name a file that this user can write",
        ) from None
    try:
        _refuse_what_others_read(path, status)
    except StorageError:
        os.close(descriptor)
        raise
    return os.fdopen(descriptor, "a", encoding="utf-8")


def _refuse_what_others_read(path: str, status: os.stat_result) -> None:
    """Write nothing to a file that other users may read, or have open already.

    Raises:
        StorageError: it is one.
    """
    if os.name == "nt" or stat.S_ISCHR(status.st_mode):  # a terminal, or /dev/null
        return
    if not is_own(status):
        raise StorageError(f"The debug log {path} belongs to another user", remedy=f"Change {VARIABLE}")
    if stat.S_ISREG(status.st_mode) and status.st_mode & 0o077:
        raise StorageError(
            f"The debug log {path} is open to other users", remedy=f"Run: chmod 600 {path}, or change {VARIABLE}"
        )
