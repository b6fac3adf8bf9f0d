"""``--debug`` and ``COGNITO_FEDERATION_DEBUG``: each step to stderr or to a private file, without a secret."""

from __future__ import annotations

import logging
import os
import sys
import traceback
from typing import TextIO

from .errors import CognitoFederationError, StorageError

VARIABLE = "COGNITO_FEDERATION_DEBUG"
_ROOT = "botocore_cognito_federation"


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
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter("%(asctime)s %(process)d %(name)s: %(message)s"))
    logger = logging.getLogger(_ROOT)
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    logger.propagate = False


def unexpected(error: Exception) -> CognitoFederationError:
    """A fault of this product, for a command line: its name only, and its place in the debug log.

    Neither the text of the exception nor its arguments are shown anywhere: they may hold anything.
    """
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
        return os.fdopen(os.open(path, flags, 0o600), "a", encoding="utf-8")
    except OSError as error:
        raise StorageError(
            f"The debug log {path} cannot be opened: {error.strerror}", remedy=f"Change {VARIABLE}"
        ) from None
