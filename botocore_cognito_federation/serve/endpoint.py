"""The container-credentials endpoint on loopback: AWS credentials by HTTP for every SDK, renewed ahead of need.

Every AWS SDK asks the address in ``AWS_CONTAINER_CREDENTIALS_FULL_URI`` with the header ``Authorization`` from
``AWS_CONTAINER_AUTHORIZATION_TOKEN`` or from the file that ``AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE`` names, and asks
again before the credentials expire. An SDK that knows only one of the two would pass the endpoint over and go on to
the role of the machine. Some wait two seconds for an answer, so answers come from memory, and a thread renews what is
there before it gets old, as long as somebody asks.

Who may ask: whoever knows path and token, which only the environment of the started program holds. A page in a browser
can send requests to loopback too; it is refused by the Host it names and by the headers browsers add.
"""

from __future__ import annotations

import json
import logging
import os
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from types import TracebackType
from typing import TYPE_CHECKING

from .._util.loopback import ADDRESS, LoopbackServer, Request, Response
from ..credentials import FederatedCredentials, is_usable
from ..errors import CognitoFederationError, ConfigurationError, StorageError, TemporaryError
from .token_file import TokenFile

if TYPE_CHECKING:
    from typing import TypeGuard

    from ..fetcher import CredentialFetcher

logger = logging.getLogger(__name__)

#: Seconds after which the renewing thread looks at the clock again: a laptop may have slept meanwhile.
_LONGEST_PAUSE = 30.0
#: What only browsers send with a request.
_OF_BROWSERS = ("Origin", "Referer", "Sec-Fetch-Site", "Sec-Fetch-Mode", "Sec-Fetch-Dest")


@dataclass(frozen=True)
class _Held:
    credentials: FederatedCredentials
    refresh_at: float
    sign_out_epoch: str
    obtained_at: float

    @property
    def renew_at(self) -> float:
        """When to renew ahead; never in a tight loop, whatever ``cognito_refresh_window`` says."""
        lifetime = self.credentials.expires_at - self.credentials.issued_at
        return max(self.refresh_at, self.obtained_at + min(_LONGEST_PAUSE, lifetime / 10))


class CredentialsInMemory:
    """A federation's credentials, ready at any time; inside ``with`` a thread renews them ahead.

    Args:
        fetcher: where they come from.
        now: seconds since the epoch.
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
        """Credentials that live and were obtained since the last sign-out.

        Raises:
            CognitoFederationError: there are none.
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
                    served = self._fetcher.fetch()
                except CognitoFederationError:
                    self._held = None
                    raise
                if sign_out_epoch == self._fetcher.sign_out_epoch():
                    self._held = _Held(served.credentials, served.refresh_at, sign_out_epoch, self._now())
                    self._wake.set()  # there is a new time to wait for
                    return served.credentials
            raise TemporaryError("The user signed out just now", remedy="Ask again")

    def _renew_ahead(self) -> None:
        while not self._stopping:
            self._wake.wait(self._pause())
            self._wake.clear()
            held = self._held
            if self._stopping or not self._wanted or held is None or self._now() < held.renew_at:
                continue
            # One renewal for each time that somebody asked: an endpoint nobody uses does not keep a sign-in alive.
            self._wanted = False
            try:
                self._renewed()
            except CognitoFederationError as error:
                logger.debug("Could not renew ahead: %s", error.line)
            except Exception as error:  # noqa: BLE001 - the thread must live; whoever asks next sees the error
                logger.debug("Could not renew ahead: %s", type(error).__name__)

    def _pause(self) -> float:
        held = self._held
        if held is None or not self._wanted:
            return _LONGEST_PAUSE
        return min(_LONGEST_PAUSE, max(0.05, held.renew_at - self._now()))


class Endpoint:
    """The endpoint; serves inside ``with``, as long as which the file with its token is there.

    Args:
        fetcher: fetches the credentials.
        port: 0 for one that the system chooses.

    Raises:
        ConfigurationError: the port cannot be used.
    """

    #: The names of `variables`.
    VARIABLES = (
        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
    )

    def __init__(self, fetcher: CredentialFetcher, *, port: int = 0, now: Callable[[], float] = time.time) -> None:
        self._credentials = CredentialsInMemory(fetcher, now=now)
        self._path = f"/{secrets.token_urlsafe(24)}"
        self._token = secrets.token_urlsafe(32)
        self._token_file = TokenFile(self._token, os.environ)
        try:
            self._server = LoopbackServer(self._answer, _refusal, port=port)
        except (OSError, OverflowError):
            raise ConfigurationError(
                f"Port {port} on {ADDRESS} cannot be listened on", remedy="Name another one, or none"
            ) from None

    @property
    def port(self) -> int:
        return self._server.port

    @property
    def url(self) -> str:
        """With a path: the Ruby SDK takes no other (99designs/aws-vault#1229)."""
        return f"http://{ADDRESS}:{self.port}{self._path}"

    def variables(self) -> dict[str, str]:
        """What a program's environment must hold to be served; address and token are secrets. Valid inside ``with``."""
        return dict(zip(self.VARIABLES, (self.url, self._token, self._token_file.path), strict=True))

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
        """What an answer would hold now.

        Raises:
            CognitoFederationError: there are none.
        """
        return self._credentials.current()

    def _answer(self, request: Request) -> Response:
        if not request.is_for(self.port, needs_port=False):
            return _refusal(HTTPStatus.MISDIRECTED_REQUEST)
        if any(name in request.headers for name in _OF_BROWSERS):
            return _refusal(HTTPStatus.FORBIDDEN)
        if request.method != "GET":
            return _refusal(HTTPStatus.METHOD_NOT_ALLOWED)
        if not request.has_target(self._path):
            return _refusal(HTTPStatus.NOT_FOUND)
        token = request.only("Authorization") or ""
        if not secrets.compare_digest(token.encode("utf-8", "surrogateescape"), self._token.encode()):
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
    """The object SDKs read; unlike ``credential_process`` it calls the session token ``Token``."""
    document = credentials.process_document()
    del document["Version"]
    document["Token"] = document.pop("SessionToken")
    return document


def _status_of(error: CognitoFederationError) -> HTTPStatus:
    """SDKs try again after 5xx, which helps only against what passes."""
    if isinstance(error, TemporaryError):
        return HTTPStatus.SERVICE_UNAVAILABLE
    return HTTPStatus.INTERNAL_SERVER_ERROR if isinstance(error, StorageError) else HTTPStatus.BAD_REQUEST


def _refusal(status: HTTPStatus) -> Response:
    return _json(status, {"code": status.phrase.replace(" ", ""), "message": "cognito-federation refuses this request"})


def _json(status: HTTPStatus, document: dict[str, object]) -> Response:
    return Response(status, json.dumps(document).encode())
