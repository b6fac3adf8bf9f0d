"""The container-credentials endpoint on loopback: AWS credentials by HTTP for every SDK, refreshed in advance.

Every AWS SDK requests the address in ``AWS_CONTAINER_CREDENTIALS_FULL_URI`` with an ``Authorization`` header from
``AWS_CONTAINER_AUTHORIZATION_TOKEN``, or from the file that ``AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE`` names, and
repeats the request before the credentials expire. An SDK that knows only one of the two variables would skip the
endpoint and use the role of the machine. Some SDKs wait only two seconds, so answers come from memory, and a thread
refreshes the credentials in advance as long as a client asks for them.

A client must know the path and the token, which only the environment of the started program holds. A web page can send
requests to loopback too; it is refused because of its Host header and the headers that browsers add.
"""

from __future__ import annotations

import contextlib
import errno
import json
import logging
import os
import secrets
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from types import TracebackType
from typing import TYPE_CHECKING

from .._fast_path import cache_directory
from .._util.files import is_own, make_directory
from .._util.loopback import LoopbackServer, Request, Response
from ..credentials import FederatedCredentials, is_usable
from ..errors import CognitoFederationError, ConfigurationError, StorageError, TemporaryError
from .place import READY, Place, SharedTokenFile

if TYPE_CHECKING:
    from typing import TypeGuard

    from ..fetcher import CredentialFetcher

logger = logging.getLogger(__name__)

#: Seconds after which the refreshing thread checks the clock again: a laptop may have slept meanwhile.
_LONGEST_PAUSE = 30.0
#: Headers that only browsers send.
_OF_BROWSERS = ("Origin", "Referer", "Sec-Fetch-Site", "Sec-Fetch-Mode", "Sec-Fetch-Dest")


@dataclass(frozen=True)
class _Held:
    credentials: FederatedCredentials
    refresh_at: float
    sign_out_epoch: str
    obtained_at: float

    @property
    def renew_at(self) -> float:
        """When to refresh in advance; never in a tight loop, whatever ``cognito_refresh_window`` says."""
        lifetime = self.credentials.expires_at - self.credentials.issued_at
        return max(self.refresh_at, self.obtained_at + min(_LONGEST_PAUSE, lifetime / 10))


class CredentialsInMemory:
    """Credentials that are ready at any time; inside ``with`` a thread refreshes them in advance.

    Args:
        fetcher: fetches the credentials.
        now: returns seconds since the epoch.
    """

    def __init__(self, fetcher: CredentialFetcher, *, now: Callable[[], float] = time.time) -> None:
        self._fetcher = fetcher
        self._now = now
        self._held: _Held | None = None
        self._wanted = False
        self._turn = threading.Lock()
        self._wake = threading.Event()
        self._stopping = False

    def __enter__(self) -> CredentialsInMemory:
        threading.Thread(target=self._renew_ahead, name="cognito-federation-renewal", daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping = True
        self._wake.set()

    def current(self) -> FederatedCredentials:
        """Return credentials that have not expired and were obtained since the last sign-out.

        Raises:
            CognitoFederationError: no such credentials are available.
        """
        if not self._wanted:
            self._wanted = True
            self._wake.set()
        held = self._held
        if not self._is_good(held):
            return self._renewed()
        if self._now() >= held.renew_at:
            self._wake.set()
        return held.credentials

    def are_ready(self) -> bool:
        """Return whether the next client would get credentials, as far as it is known; nothing is fetched for that.

        A probe that asks again and again must not prolong a sign-in that no client uses.
        """
        held = self._held
        return held is not None and held.sign_out_epoch == self._fetcher.sign_out_epoch()

    def _is_good(self, held: _Held | None) -> TypeGuard[_Held]:
        return (
            held is not None
            and is_usable(held.credentials, self._now())
            and held.sign_out_epoch == self._fetcher.sign_out_epoch()
        )

    def _renewed(self) -> FederatedCredentials:
        with self._turn:
            held = self._held
            if self._is_good(held) and self._now() < held.renew_at:
                return held.credentials
            self._held = None if not self._is_good(held) else held
            for _ in range(2):
                sign_out_epoch = self._fetcher.sign_out_epoch()
                try:
                    result = self._fetcher.fetch()
                except CognitoFederationError:
                    self._held = None
                    raise
                if sign_out_epoch == self._fetcher.sign_out_epoch():
                    self._held = _Held(result.credentials, result.refresh_at, sign_out_epoch, self._now())
                    self._wake.set()  # The thread has to wait for a new time.
                    return result.credentials
            raise TemporaryError("The user signed out just now", remedy="Ask again")

    def _renew_ahead(self) -> None:
        while not self._stopping:
            self._wake.wait(self._pause())
            self._wake.clear()
            held = self._held
            if self._stopping or not self._wanted or held is None or self._now() < held.renew_at:
                continue
            # One refresh for each time that a client asked: an unused endpoint must not prolong a sign-in.
            self._wanted = False
            try:
                self._renewed()
            except CognitoFederationError as error:
                logger.debug("Could not renew ahead: %s", error.line)
            except Exception as error:  # noqa: BLE001 - the thread must go on; the next client gets the error
                logger.debug("Could not renew ahead: %s", type(error).__name__)

    def _pause(self) -> float:
        held = self._held
        if held is None or not self._wanted:
            return _LONGEST_PAUSE
        return min(_LONGEST_PAUSE, max(0.05, held.renew_at - self._now()))


def _token_file(place: Place) -> TokenFile | SharedTokenFile:
    if place.token_file is not None:
        return SharedTokenFile(place.token_file)
    return TokenFile(secrets.token_urlsafe(32), os.environ)


def _not_listening(place: Place, error: Exception) -> ConfigurationError:
    if getattr(error, "errno", None) == errno.EADDRNOTAVAIL:
        return ConfigurationError(
            f"{place.address} is no address of this machine or container",
            remedy=f"Add it: ip address add {place.address} dev lo",
        )
    return ConfigurationError(
        f"Port {place.port} on {place.address} cannot be listened on", remedy="Name another one, or none"
    )


class Endpoint:
    """The endpoint; it serves inside ``with``, and its token file exists that long.

    Args:
        fetcher: fetches the credentials.
        place: where it listens; by default at a port on loopback that the system chooses.
        now: returns seconds since the epoch.

    Raises:
        ConfigurationError: the address, the port or the certificate cannot be used.
    """

    #:  The names of `variables`.
    VARIABLES = (
        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
    )

    def __init__(
        self, fetcher: CredentialFetcher, place: Place | None = None, *, now: Callable[[], float] = time.time
    ) -> None:
        self._place = place or Place()
        self._credentials = CredentialsInMemory(fetcher, now=now)
        self._path = self._place.path or f"/{secrets.token_urlsafe(24)}"
        self._token_file = _token_file(self._place)
        tls = self._place.tls()
        try:
            self._server = LoopbackServer(
                self._answer, _refusal, address=self._place.address, port=self._place.port, tls=tls
            )
        except (OSError, OverflowError) as error:
            raise _not_listening(self._place, error) from None

    @property
    def port(self) -> int:
        return self._server.port

    @property
    def listens_on(self) -> str:
        """Address and port, for a sentence."""
        return self._place.url(self.port, "").partition("//")[2]

    @property
    def url(self) -> str:
        """The address, with a path: the Ruby SDK accepts no other (99designs/aws-vault#1229)."""
        return self._place.url(self.port, self._path)

    def variables(self) -> dict[str, str]:
        """The variables that a program needs to use the endpoint, valid inside ``with``; two hold secrets."""
        values = (self.url, self._token_file.token(), self._token_file.path)
        return dict(zip(self.VARIABLES, values, strict=True))

    def __enter__(self) -> Endpoint:
        self._token_file.__enter__()
        self._credentials.__enter__()
        self._server.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.__exit__(kind, error, trace)
        self._credentials.__exit__(kind, error, trace)
        self._token_file.__exit__(kind, error, trace)

    def credentials(self) -> FederatedCredentials:
        """Return the credentials that an answer would hold now.

        Raises:
            CognitoFederationError: no credentials are available.
        """
        return self._credentials.current()

    def _answer(self, request: Request) -> Response:
        hosts = self._place.hosts
        if hosts and not request.is_for(self.port, *hosts, needs_port=False):
            return _refusal(HTTPStatus.MISDIRECTED_REQUEST)
        if any(name in request.headers for name in _OF_BROWSERS):
            return _refusal(HTTPStatus.FORBIDDEN)
        if request.method != "GET":
            return _refusal(HTTPStatus.METHOD_NOT_ALLOWED)
        if request.target == READY:
            is_ready = self._credentials.are_ready()
            return _json(HTTPStatus.OK if is_ready else HTTPStatus.SERVICE_UNAVAILABLE, {"ready": is_ready})
        if not request.has_target(self._path):
            return _refusal(HTTPStatus.NOT_FOUND)
        token = request.only("Authorization") or ""
        if not secrets.compare_digest(token.encode("utf-8", "surrogateescape"), self._token_file.token().encode()):
            return _refusal(HTTPStatus.UNAUTHORIZED)
        try:
            return _json(HTTPStatus.OK, _document(self._credentials.current()))
        except CognitoFederationError as error:
            return _json(_status_of(error), {"code": type(error).__name__, "message": error.line})
        except Exception as error:  # noqa: BLE001 - a traceback would quote values that may be secret
            name = type(error).__name__
            message = f"Unexpected {name} in botocore-cognito-federation"
            return _json(HTTPStatus.INTERNAL_SERVER_ERROR, {"code": "UnexpectedError", "message": message})


def _document(credentials: FederatedCredentials) -> dict[str, object]:
    """Return the JSON object that SDKs read; unlike ``credential_process`` it calls the session token ``Token``."""
    document = credentials.process_document()
    del document["Version"]
    document["Token"] = document.pop("SessionToken")
    return document


def _status_of(error: CognitoFederationError) -> HTTPStatus:
    """Return the HTTP status for an error: SDKs retry after 5xx, which helps only against temporary failures."""
    if isinstance(error, TemporaryError):
        return HTTPStatus.SERVICE_UNAVAILABLE
    return HTTPStatus.INTERNAL_SERVER_ERROR if isinstance(error, StorageError) else HTTPStatus.BAD_REQUEST


def _refusal(status: HTTPStatus) -> Response:
    return _json(status, {"code": status.phrase.replace(" ", ""), "message": "cognito-federation refuses this request"})


def _json(status: HTTPStatus, document: dict[str, object]) -> Response:
    return Response(status, json.dumps(document).encode())


#: The directory of the token files, inside the cache directory.
ENDPOINTS = "endpoints"
#: How the name of such a directory among the temporary files begins, and after how many seconds it is an abandoned one.
_TEMPORARY = "cognito-federation-endpoint-"
_ABANDONED = 3600
_OPEN = os.O_RDWR | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)


class TokenFile:
    """A file of mode 0600 in a directory of mode 0700 that holds a token inside ``with``.

    The file stays locked as long as its process runs. Files that are not locked were left by processes that were
    killed; they are removed whenever a new one is made.

    Args:
        token: the content of the file.
        environ: the environment, which names the cache directory. If that is not writable, the file is in a new
            directory among the temporary files: a name that is known before could be taken by another user.
    """

    def __init__(self, token: str, environ: Mapping[str, str]) -> None:
        self._token = token
        self._environ = environ
        self._descriptor = -1
        self._temporary: str | None = None
        self.path = ""

    def __enter__(self) -> TokenFile:
        directory = os.path.join(cache_directory(self._environ), ENDPOINTS)
        try:
            make_directory(directory, lambda _: None)
            _remove_abandoned(directory)
            self._descriptor, self.path = _created(directory, self._token.encode())
        except (StorageError, OSError):
            self._create_among_temporary_files()
        return self

    def token(self) -> str:
        """Return the token."""
        return self._token

    def _create_among_temporary_files(self) -> None:
        try:
            _remove_abandoned_directories()
            self._temporary = tempfile.mkdtemp(prefix=_TEMPORARY)
            self._descriptor, self.path = _created(self._temporary, self._token.encode())
        except OSError as error:
            raise StorageError(
                f"The endpoint's token file cannot be created in {self._temporary or tempfile.gettempdir()}:"
                f" {error.strerror}",
                remedy="Set COGNITO_FEDERATION_CACHE_DIR to a directory that you can write to",
            ) from None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if os.name == "nt":
            os.close(self._descriptor)  # Windows cannot remove an open file.
        with contextlib.suppress(OSError):
            os.unlink(self.path)
        if os.name != "nt":
            os.close(self._descriptor)
        if self._temporary is not None:
            with contextlib.suppress(OSError):
                os.rmdir(self._temporary)


def _created(directory: str, content: bytes) -> tuple[int, str]:
    """Create a file, locked; return its descriptor and its path.

    Raises:
        OSError: it cannot be created.
    """
    while True:
        path = os.path.join(directory, secrets.token_hex(8))
        descriptor = os.open(path, _OPEN | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            # Another process may have taken it for an abandoned one before it was locked.
            if _try_lock(descriptor) is not False and os.fstat(descriptor).st_nlink:
                os.write(descriptor, content)
                return descriptor, path
        except OSError:
            os.unlink(path)
            os.close(descriptor)
            raise
        os.close(descriptor)


def _remove_abandoned_directories() -> None:
    """Remove what killed processes left among the temporary files; a younger directory may be waiting for its file."""
    with contextlib.suppress(OSError), os.scandir(tempfile.gettempdir()) as entries:
        for entry in entries:
            if entry.name.startswith(_TEMPORARY) and entry.is_dir(follow_symlinks=False):
                status = entry.stat(follow_symlinks=False)
                if is_own(status) and status.st_mtime < time.time() - _ABANDONED:
                    with contextlib.suppress(OSError):
                        _remove_abandoned(entry.path)
                        os.rmdir(entry.path)


def _remove_abandoned(directory: str) -> None:
    for entry in os.scandir(directory):
        with contextlib.suppress(OSError):
            descriptor = -1 if sys.platform == "win32" else os.open(entry.path, _OPEN)
            try:
                # On Windows a file that its process has open cannot be removed.
                if sys.platform == "win32" or _try_lock(descriptor):
                    os.unlink(entry.path)
            finally:
                if descriptor >= 0:
                    os.close(descriptor)


def _try_lock(descriptor: int) -> bool | None:
    """Return whether this process holds the file's lock now; None if the file system or the system has no locks."""
    if sys.platform == "win32":
        return None
    import fcntl

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True
