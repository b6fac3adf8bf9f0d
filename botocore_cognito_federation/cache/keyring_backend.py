"""The operating system's keyring: which backend it is, whether it may be trusted with secrets, and that it works.

The package `keyring` picks a backend by itself. Some of its choices keep secrets in plain files, keep nothing at all,
or ask for a password on the terminal. Those, and what is derived from them, are refused.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from .._util.concurrency import BackendTimeoutError, TimeLimit
from ..errors import CognitoFederationError, StorageError
from ..messages import printable

logger = logging.getLogger(__name__)

SERVICE = "botocore-cognito-federation"

_INSTALL = 'Run: pip install "botocore-cognito-federation[keyring]", or set cognito_cache = file'
_FILE_INSTEAD = "or set cognito_cache = file"
#: Modules whose backends, and what is derived from them, are no keyring, and why.
_REFUSED = {
    "keyring.backends.fail": "this machine has no keyring that can be reached",
    "keyring.backends.null": "it forgets everything it is given",
    "keyrings.alt": "it stores secrets in files of its own, in plain text or behind a password asked for each time",
}


#: A process has one keyring, however many stores ask it.
_limit = TimeLimit()


class Backend(Protocol):
    """What is used of `keyring.backend.KeyringBackend`."""

    def get_password(self, service: str, username: str) -> str | None: ...

    def set_password(self, service: str, username: str, password: str) -> None: ...

    def delete_password(self, service: str, username: str) -> None: ...


class TimeLimitedBackend:
    """A backend that is waited for no longer than its limit.

    A keyring that locks itself between two calls may take what it was given after its caller has gone; what is kept
    by then is older than what others have put there since. So whoever writes reads first: it is the read that waits.

    Args:
        backend: the backend.
        limit: see `TimeLimit`.
    """

    def __init__(self, backend: Backend, limit: TimeLimit) -> None:
        self.backend = backend
        self._limit = limit

    def get_password(self, service: str, username: str) -> str | None:
        return self._limit(lambda: self.backend.get_password(service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self._limit(lambda: self.backend.set_password(service, username, password))

    def delete_password(self, service: str, username: str) -> None:
        self._limit(lambda: self.backend.delete_password(service, username))


def system_backend() -> Backend:
    """The backend that `keyring` has chosen, unless it is none; it answers in time or fails.

    Raises:
        StorageError: the package is missing, or its backend is refused.
    """
    try:
        import keyring
        from keyring.backends.chainer import ChainerBackend
    except ImportError:
        raise StorageError(
            "cognito_cache = keyring needs the Python package keyring, which is not installed", remedy=_INSTALL
        ) from None
    try:
        chosen: Any = _limit(keyring.get_keyring)  # asks each keyring there may be whether it is there
        if isinstance(chosen, ChainerBackend):
            # A chain writes to its first backend that can; the one that writes is the one to judge.
            chosen = _limit(lambda: next(iter(chosen.backends), None))
    except Exception as failure:  # noqa: BLE001 - backends raise whatever their libraries do
        raise StorageError(
            f"The keyring cannot be reached ({_named(failure)})", remedy=f"Unlock it, {_FILE_INSTEAD}"
        ) from None
    return TimeLimitedBackend(checked(chosen), _limit)


def _named(failure: Exception) -> str:
    """The kind of a failure, and the module that is missing where one is; its text may hold anything."""
    module = getattr(failure, "name", None) if isinstance(failure, ImportError) else None
    return f"{type(failure).__name__}: {printable(module, 100)}" if module else type(failure).__name__


def checked(backend: Any) -> Backend:
    """The backend, unless it is one that keeps no secret.

    Raises:
        StorageError: naming it and saying why.
    """
    # Whatever is made of a refused class keeps secrets as that one does, in whichever module it is.
    modules = [ancestor.__module__ for ancestor in type(backend).__mro__]
    for refused, why in _REFUSED.items():
        if backend is None or any(module == refused or module.startswith(f"{refused}.") for module in modules):
            shown = "none" if backend is None else name_of(backend)
            why = _REFUSED["keyring.backends.fail"] if backend is None else why
            raise StorageError(
                f"cognito_cache = keyring, but the keyring is {shown}: {why}",
                remedy=f"Start and unlock a keyring such as gnome-keyring or KWallet, {_FILE_INSTEAD}",
            )
    accepted: Backend = backend
    return accepted


def name_of(backend: Any) -> str:
    """A backend as messages name it."""
    if isinstance(backend, TimeLimitedBackend):
        backend = backend.backend
    return f"{type(backend).__module__}.{type(backend).__qualname__}"


def probe(backend: Backend, *, random: Callable[[int], str] = secrets.token_urlsafe) -> None:
    """Prove by a round trip that the backend keeps, gives back and forgets.

    Raises:
        StorageError: it does not.
    """
    item, value = f"probe-{random(6)}", random(24)
    with translate_errors(backend, "be tried out"):
        backend.get_password(SERVICE, item)  # one that is locked leaves nothing behind
        backend.set_password(SERVICE, item, value)
        found = backend.get_password(SERVICE, item)
        backend.delete_password(SERVICE, item)
        left = backend.get_password(SERVICE, item)
    if found != value or left is not None:
        raise StorageError(
            f"The keyring {name_of(backend)} does not give back what it is given",
            remedy=f"Unlock it, {_FILE_INSTEAD}",
        )
    logger.debug("The keyring %s works", name_of(backend))


@contextmanager
def translate_errors(backend: Any, doing: str) -> Iterator[None]:
    """Turn what a backend raises into our own words: its text may quote the secret.

    Raises:
        StorageError: for whatever the backend raised.
    """
    try:
        yield
    except CognitoFederationError:
        raise
    except BackendTimeoutError as failure:
        raise StorageError(
            f"The keyring {name_of(backend)} has not answered within {failure.limit:g} seconds;"
            " it may be waiting to be unlocked",
            remedy=f"Unlock it and try again, {_FILE_INSTEAD}",
        ) from None
    except Exception as failure:  # noqa: BLE001 - backends raise whatever their libraries do
        name = type(failure).__name__  # `keyring.errors` is not imported for a name
        why = "is locked" if name == "KeyringLocked" else f"could not {doing} ({name})"
        raise StorageError(f"The keyring {name_of(backend)} {why}", remedy=f"Unlock it, {_FILE_INSTEAD}") from None


def forget_item(backend: Backend, item: str) -> bool:
    """Delete an item; whether it was there."""
    with translate_errors(backend, "forget an item"):
        if backend.get_password(SERVICE, item) is None:
            return False
        with contextlib.suppress(*_not_there()):
            backend.delete_password(SERVICE, item)
    return True


def _not_there() -> tuple[type[Exception], ...]:
    try:
        from keyring.errors import PasswordDeleteError
    except ImportError:
        return ()
    return (PasswordDeleteError,)


#: ASCII characters an item may hold: 2,560 bytes of UTF-16 are 1,280.
MOST_CHARACTERS = 1200
_READ_TRIES = 3


@dataclass(frozen=True)
class _Head:
    """The head item: the text itself, or where its parts are."""

    text: str | None
    parts: int = 0
    name: str = ""
    digest: str = ""

    def written(self) -> str:
        if self.text is not None:
            return json.dumps({"text": self.text})
        return json.dumps({"parts": self.parts, "name": self.name, "digest": self.digest})

    @classmethod
    def of(cls, raw: str | None) -> _Head | None:
        try:
            value = json.loads(raw or "")
        except ValueError:
            return None
        if not isinstance(value, dict):
            return None
        text, parts, name, digest = (value.get(key) for key in ("text", "parts", "name", "digest"))
        if isinstance(text, str):
            return cls(text)
        if isinstance(parts, int) and 0 < parts < 1000 and isinstance(name, str) and isinstance(digest, str):
            return cls(None, parts, name, digest)
        return None


class KeyringItems:
    """Texts by name.

    Args:
        backend: the keyring.
        most: characters an item may hold.
        random: text from that many random bytes.
    """

    def __init__(
        self, backend: Backend, *, most: int = MOST_CHARACTERS, random: Callable[[int], str] = secrets.token_hex
    ) -> None:
        self._backend = backend
        self._most = most
        self._random = random

    def read(self, item: str) -> str | None:
        """The text, or None where there is none or it is not whole.

        Raises:
            StorageError: the keyring cannot be asked.
        """
        for _ in range(_READ_TRIES):
            head = self._head(item)
            if head is None:
                return None
            text = head.text if head.text is not None else self._joined(item, head)
            if text is not None:
                return text
            # Somebody has replaced it between the head and a part: look again.
        return None

    def write(self, item: str, text: str) -> None:
        """Put a text (ASCII) in place; before, the parts of the old one are still whole.

        Raises:
            StorageError: the keyring did not take it; the old text is untouched.
        """
        old = self._head(item)
        head = _Head(text)
        if len(head.written()) > self._most:
            head = self._with_parts(item, text)
        with translate_errors(self._backend, "store an item"):
            self._backend.set_password(SERVICE, item, head.written())
        self._forget_parts(item, old)

    def delete(self, item: str) -> None:
        """Forget a text: its head first, so that nobody finds half of it.

        Raises:
            StorageError: the keyring did not forget it.
        """
        head = self._head(item)
        forget_item(self._backend, item)
        self._forget_parts(item, head)

    def _with_parts(self, item: str, text: str) -> _Head:
        pieces = [text[start : start + self._most] for start in range(0, len(text), self._most)]
        head = _Head(None, len(pieces), self._random(6), hashlib.sha256(text.encode()).hexdigest())
        with translate_errors(self._backend, "store an item"):
            for number, piece in enumerate(pieces):
                self._backend.set_password(SERVICE, _part(item, head, number), piece)
        return head

    def _head(self, item: str) -> _Head | None:
        with translate_errors(self._backend, "read an item"):
            return _Head.of(self._backend.get_password(SERVICE, item))

    def _joined(self, item: str, head: _Head) -> str | None:
        with translate_errors(self._backend, "read an item"):
            pieces = [self._backend.get_password(SERVICE, _part(item, head, number)) for number in range(head.parts)]
        text = "".join(piece or "" for piece in pieces)
        whole = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest() == head.digest
        return text if whole else None

    def _forget_parts(self, item: str, head: _Head | None) -> None:
        if head is not None:
            for number in range(head.parts):
                forget_item(self._backend, _part(item, head, number))


def _part(item: str, head: _Head, number: int) -> str:
    return f"{item}.{head.name}.{number}"
