"""AWS console sign-in: exchanges credentials for a sign-in token and opens the address that uses it in a browser.

https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_providers_enable-console-custom-url.html: the address is valid
for 15 minutes and is a secret, because a person who opens it is signed in.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from types import TracebackType
from urllib.parse import urlencode, urlsplit

from .._util.http import HttpClient
from .._util.loopback import ADDRESS, BROWSER_PATIENCE, BROWSER_TIME, LoopbackServer, Request, Response
from .._util.urls import check_url
from ..credentials import FederatedCredentials
from ..errors import ConfigurationError, FederationRefusedError, SignInFailedError

_SERVICE = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
#: Common name of a service -> its name in console addresses, if they differ.
_CONSOLE_NAMES = {
    "ddb": "dynamodbv2",
    "dynamodb": "dynamodbv2",
    "cfn": "cloudformation",
    "cw": "cloudwatch",
    "eventbridge": "events",
    "r53": "route53",
    "sfn": "states",
    "stepfunctions": "states",
    "ssm": "systems-manager",
}


@dataclass(frozen=True)
class Partition:
    """The console addresses of a partition.

    Attributes:
        sign_in: the federation endpoint.
        console: the console's host; regional and service consoles are its subdomains.
    """

    sign_in: str
    console: str


_AWS = Partition("https://signin.aws.amazon.com/federation", "console.aws.amazon.com")
_BY_PREFIX = {
    "cn-": Partition("https://signin.amazonaws.cn/federation", "console.amazonaws.cn"),
    "us-gov-": Partition("https://signin.amazonaws-us-gov.com/federation", "console.amazonaws-us-gov.com"),
    "eusc-": Partition("https://signin.amazonaws-eusc.eu/federation", "console.amazonaws-eusc.eu"),
}


def partition_of(region: str) -> Partition:
    """Return the partition of a region.

    Raises:
        ConfigurationError: the console addresses of the region's partition are not public.
    """
    if region.startswith(("us-iso", "eu-isoe")):
        raise ConfigurationError(f"The console of region {region} is not known here")
    return next((found for prefix, found in _BY_PREFIX.items() if region.startswith(prefix)), _AWS)


def destination_of(partition: Partition, region: str, *, service: str | None, url: str | None) -> str:
    """Return the console page to open after the sign-in.

    Args:
        partition: the partition of the credentials.
        region: the region to show.
        service: a service's name, such as ``s3``; without it and `url`, the console's home page.
        url: a page of the console.

    Raises:
        ConfigurationError: `url` is not an https page of this partition's console, or `service` is not a service name.
    """
    if url is not None:
        parts = check_url(url, whose="The destination")
        host = (parts.hostname or "").lower()
        if parts.scheme != "https" or not f".{host}".endswith(f".{partition.console}") or parts.port not in (None, 443):
            raise ConfigurationError(
                f"The destination is not a page of this partition's console (https, {partition.console} or below)"
            )
        return url
    name = "console" if service is None else _CONSOLE_NAMES.get(service, service)
    if not _SERVICE.fullmatch(name):
        raise ConfigurationError(
            "This is not the name of a service", remedy="Write it as in the console's address, e.g. s3"
        )
    return f"https://{partition.console}/{name}/home?{urlencode({'region': region})}"


def sign_in_url(credentials: FederatedCredentials, destination: str, *, endpoint: str, http: HttpClient) -> str:
    """Exchange credentials for an address that signs in and redirects to `destination`. The address is a secret.

    Args:
        credentials: the credentials of a signed-in user.
        destination: the console page to open.
        endpoint: the federation endpoint, `Partition.sign_in` or a regional one.
        http: makes the request.

    Raises:
        FederationRefusedError: the credentials are those of a guest, or AWS refuses them.
        TemporaryError: the endpoint did not answer.
    """
    if not credentials.authenticated:
        raise guests_have_no_console()
    session = {
        "sessionId": credentials.access_key,
        "sessionKey": credentials.secret_key,
        "sessionToken": credentials.token,
    }
    # POST, so that no access log holds the keys. No SessionDuration: AWS refuses it for chained roles.
    answer = http.post_form(endpoint, {"Action": "getSigninToken", "Session": json.dumps(session)})
    host = urlsplit(endpoint).hostname
    if answer.status != HTTPStatus.OK:
        raise FederationRefusedError(
            f"{host} refused to sign these credentials in to the console (HTTP {answer.status})",
            remedy="Check that the role still exists and the clock is right; cognito-federation cache clear"
            " --credentials gets new ones",
        )
    token = answer.json_object(error=FederationRefusedError).get("SigninToken")
    if not isinstance(token, str) or not token:
        raise FederationRefusedError(f"{host} answered without a sign-in token", remedy="Try again")
    query = {"Action": "login", "Issuer": "cognito-federation", "Destination": destination, "SigninToken": token}
    return f"{endpoint}?{urlencode(query)}"


def guests_have_no_console() -> FederationRefusedError:
    """Return the error for guests: AWS's policy for guest sessions allows nothing in the console."""
    return FederationRefusedError("Guests cannot sign in to the AWS console", remedy="Use a profile that signs in")


class OneShotRedirect:
    """A loopback address that redirects to another address once; use it in ``with``.

    Until a browser has fetched it, it is as secret as its target; afterwards it is worthless.
    """

    def __init__(self, target: str, *, random: Callable[[int], str]) -> None:
        self._target = target
        self._path = f"/{random(24)}"
        self._visits = 0
        self._led = False
        self._changed = threading.Condition()
        self._server = LoopbackServer(self._answer, _page)

    def __enter__(self) -> OneShotRedirect:
        self._server.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.__exit__(kind, error, trace)

    @property
    def url(self) -> str:
        return f"http://{ADDRESS}:{self._server.port}{self._path}"

    def wait(
        self,
        timeout: float = BROWSER_TIME,
        *,
        unopened: Callable[[], None] = lambda: None,
        reminder_after: float = BROWSER_PATIENCE,
    ) -> None:
        """Return after the browser has been redirected.

        Args:
            timeout: seconds.
            unopened: called if no browser has come after `reminder_after` seconds.
            reminder_after: seconds.

        Raises:
            SignInFailedError: no browser came, or the address was used twice.
        """
        if not self._has_led(min(reminder_after, timeout)):
            unopened()
            if not self._has_led(timeout - reminder_after):
                raise SignInFailedError(
                    f"No browser came within {timeout:g} seconds", remedy="Use --print and open the address yourself"
                )
        with self._changed:
            if self._visits > 1:
                raise SignInFailedError(
                    "The address for the browser was opened twice: another user of this machine may be signed in"
                    " to the console with your credentials",
                    remedy="If the console did not open, run cognito-federation logout; use --print from now on",
                )

    def _has_led(self, timeout: float) -> bool:
        with self._changed:
            return self._changed.wait_for(lambda: self._led, max(timeout, 0.0))

    def _answer(self, request: Request) -> Response:
        if not request.is_for(self._server.port, ADDRESS):
            return _page(HTTPStatus.MISDIRECTED_REQUEST)
        if request.method != "GET":
            return _page(HTTPStatus.METHOD_NOT_ALLOWED)
        if not request.has_target(self._path):
            return _page(HTTPStatus.NOT_FOUND)
        with self._changed:
            self._visits += 1
            first = self._visits == 1
        if not first:
            return _page(HTTPStatus.GONE)
        return Response(HTTPStatus.FOUND, location=self._target, sent=self._notify)

    def _notify(self) -> None:
        with self._changed:
            self._led = True
            self._changed.notify_all()


def _page(status: HTTPStatus) -> Response:
    text = (
        "This address opens the AWS console only once, and it has been used."
        if status == HTTPStatus.GONE
        else status.phrase
    )
    return Response(status, f"{text}\n".encode(), content_type="text/plain; charset=utf-8")
