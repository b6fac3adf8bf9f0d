"""HTTP kept on its rails: every request this package makes itself goes through one small client.

The rails (DESIGN, invariant 14): https, or http to a literal loopback address; no redirect is followed; no ``.netrc``;
bodies up to 1 MiB; ten seconds to connect and thirty in all, also against a server that trickles; and no secret in an
error or a log line. Whoever names a URL, a user or a discovery document, gets the same treatment.
"""

from __future__ import annotations

import ipaddress
import json
import logging
import os
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import SplitResult, urlsplit

import requests
import requests.utils

from ..errors import CognitoFederationError, ConfigurationError, TemporaryError, TokenRefreshError
from ..messages import printable

logger = logging.getLogger(__name__)

CONNECT_TIMEOUT = 10.0
TOTAL_TIMEOUT = 30.0
MAXIMUM_BODY = 1024 * 1024

_CHUNK = 16 * 1024
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_CA_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")


class ServerBusyError(TemporaryError):
    """The server answered 429 or 5xx.

    Attributes:
        status: the HTTP status.
        retry_after: seconds the server asks to wait (RFC 9110, section 10.2.3), None where it does not say.
    """

    def __init__(self, what: str, *, remedy: str = "", status: int = 503, retry_after: float | None = None) -> None:
        super().__init__(what, remedy=remedy)
        self.status = status
        self.retry_after = retry_after


@dataclass(frozen=True)
class HttpAnswer:
    """An answer that is neither a redirect nor a server failure.

    Attributes:
        host: host and port that answered, for messages.
        status: the HTTP status.
        headers: names in lower case.
        body: at most 1 MiB.
    """

    host: str
    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)

    def json_object(self, *, error: type[CognitoFederationError] = TokenRefreshError) -> dict[str, Any]:
        """The body as a JSON object.

        Raises:
            error: the body is not a JSON object; its text is not quoted, it may hold anything.
        """
        try:
            value = json.loads(self.body)
        except (ValueError, RecursionError):
            value = None
        if not isinstance(value, dict):
            kind = self.headers.get("content-type", "").partition(";")[0].strip() or "no content type"
            raise error(
                f"{self.host} answered {self.status} with something that is not a JSON object"
                f" ({printable(kind, 60)}, {len(self.body)} bytes)",
                remedy="Check the issuer or URL in the configuration, and whether a proxy answers in its place",
            )
        return value


def is_loopback(host: str) -> bool:
    """Whether `host` is a loopback address written as an address; a name, even ``localhost``, resolves anywhere."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def check_url(url: str, *, plain_http_hosts: Collection[str] = (), whose: str = "the URL") -> SplitResult:
    """Refuse a URL that is off the rails.

    Args:
        plain_http_hosts: hosts besides loopback that may be spoken to without TLS: the metadata services of clouds.
        whose: what the URL is, for the message.

    Raises:
        ConfigurationError: not https (or http to loopback), no host, or characters that parsers read differently.
    """
    # A URL that two parsers split differently reaches another host than the one that was checked, so anything
    # unusual is refused rather than interpreted: backslashes, spaces, controls, non-ASCII, user names.
    if not isinstance(url, str) or not url or any(not "!" <= c <= "~" or c in '\\"<>^`{|}' for c in url):
        raise ConfigurationError(f"{whose} is not a plain URL", remedy="Write it in ASCII, without spaces or quotes")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if not host or port == 0 or "@" in parts.netloc or "%" in parts.netloc:
        raise ConfigurationError(f"{whose} is not a URL with a plain host name")
    if parts.scheme == "https" or (parts.scheme == "http" and (is_loopback(host) or host in plain_http_hosts)):
        return parts
    raise ConfigurationError(
        f"{whose} is {parts.scheme or 'a relative URL'}{' to ' + host if parts.scheme else ''}: only https is spoken,"
        " and http to a literal loopback address (127.0.0.1 or [::1])",
        remedy="Use the https URL of the server",
    )


@dataclass(frozen=True)
class HttpClient:
    """Sends one request at a time and keeps nothing between them; safe to share by threads.

    Args:
        ca_bundle: file of CA certificates, as ``ca_bundle`` of a profile names it; ``AWS_CA_BUNDLE`` comes before it,
            as for botocore. Default is what ``REQUESTS_CA_BUNDLE``, ``CURL_CA_BUNDLE`` or ``SSL_CERT_FILE`` name,
            else the certificates that come with requests.
        plain_http_hosts: link-local hosts that are asked without TLS and never by proxy.
        connect_timeout: seconds to connect.
        total_timeout: seconds for the whole exchange, name resolution to last byte.
        environ: where the CA variables are read; proxies come from the process environment (or the system's settings).
    """

    ca_bundle: str | None = None
    plain_http_hosts: frozenset[str] = frozenset()
    connect_timeout: float = CONNECT_TIMEOUT
    total_timeout: float = TOTAL_TIMEOUT
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ, repr=False)
    monotonic: Callable[[], float] = field(default=time.monotonic, repr=False)

    def get(self, url: str, *, headers: Mapping[str, str] | None = None) -> HttpAnswer:
        """GET `url`; see `request`."""
        return self.request("GET", url, headers=headers)

    def post_form(self, url: str, form: Mapping[str, str], *, headers: Mapping[str, str] | None = None) -> HttpAnswer:
        """POST an ``application/x-www-form-urlencoded`` body; see `request`."""
        return self.request("POST", url, form=form, headers=headers)

    def request(
        self, method: str, url: str, *, form: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None
    ) -> HttpAnswer:
        """Send one request.

        Secrets belong in `form` or `headers`, never in the URL: urllib3 logs request targets.

        Raises:
            ConfigurationError: the URL is off the rails, the server redirects, or a proxy or CA setting is unusable.
            TemporaryError: no answer in time, a network or TLS failure, 429 or 5xx.
            TokenRefreshError: the body is larger than 1 MiB.
        """
        parts = check_url(url, plain_http_hosts=self.plain_http_hosts)
        exchange = _Exchange(self, method, url, parts, form, headers)
        answer = exchange.run()
        logger.debug("%s %s%s: %s, %d bytes", method, answer.host, parts.path, answer.status, len(answer.body))
        _refuse_redirect(answer)
        _refuse_busy(answer)
        return answer

    def certificates(self) -> str | bool:
        """What requests calls ``verify``: a file of CA certificates, or True for its own."""
        of_aws = self.environ.get("AWS_CA_BUNDLE") or self.ca_bundle
        return of_aws or next((path for name in _CA_VARIABLES if (path := self.environ.get(name))), True)

    def is_direct(self, host: str) -> bool:
        """Whether `host` is never asked by proxy: a proxy has another loopback and another link-local network."""
        return is_loopback(host) or host in self.plain_http_hosts


class _Exchange:
    """One request in a thread of its own, so that the deadline is real.

    NOTE: the timeouts of sockets count anew at every byte, and name resolution has none; a server that trickles its
    header, or a dead name server, would hold the caller far beyond them. The thread is a daemon: left behind it ends
    at the server's next silence and keeps no process alive.
    """

    def __init__(
        self,
        client: HttpClient,
        method: str,
        url: str,
        parts: SplitResult,
        form: Mapping[str, str] | None,
        headers: Mapping[str, str] | None,
    ) -> None:
        self._client = client
        self._method = method
        self._url = url
        self._host = parts.netloc
        self._direct = client.is_direct(parts.hostname or "")
        self._form = dict(form) if form is not None else None
        self._headers = {"Accept": "application/json", "Accept-Encoding": "identity", **(headers or {})}
        self._deadline = client.monotonic() + client.total_timeout
        self._answer: HttpAnswer | None = None
        self._failure: BaseException | None = None

    def run(self) -> HttpAnswer:
        worker = threading.Thread(target=self._work, name="cognito-federation-http", daemon=True)
        worker.start()
        # Short waits: on Windows Ctrl-C is only seen between them.
        while worker.is_alive() and self._client.monotonic() < self._deadline:
            worker.join(0.25)
        if self._answer is not None:
            return self._answer
        if self._failure is not None:
            raise self._translated(self._failure) from None
        raise self._too_slow()

    def _work(self) -> None:
        try:
            self._answer = self._exchange()
        except BaseException as failure:  # noqa: BLE001 - handed to the waiting thread, which raises it
            self._failure = failure

    def _exchange(self) -> HttpAnswer:
        with requests.Session() as session:
            session.trust_env = False  # the only switch requests has against .netrc; proxies and CA are handed over
            proxies = {} if self._direct else requests.utils.get_environ_proxies(self._url)
            response = session.request(
                self._method,
                self._url,
                data=self._form,
                headers=self._headers,
                timeout=(min(self._client.connect_timeout, self._client.total_timeout), self._client.total_timeout),
                verify=self._client.certificates(),
                proxies=proxies,
                allow_redirects=False,
                stream=True,
            )
            with response:
                headers = {name.lower(): value for name, value in response.headers.items()}
                return HttpAnswer(self._host, response.status_code, headers, self._read(response))

    def _read(self, response: requests.Response) -> bytes:
        chunks: list[bytes] = []
        size = 0
        stream: Iterator[bytes] = response.iter_content(_CHUNK)
        for chunk in stream:
            size += len(chunk)
            if size > MAXIMUM_BODY:
                raise TokenRefreshError(f"{self._host} answered with more than {MAXIMUM_BODY} bytes; nothing was read")
            if self._client.monotonic() > self._deadline:
                raise self._too_slow()
            chunks.append(chunk)
        return b"".join(chunks)

    def _too_slow(self) -> TemporaryError:
        return TemporaryError(
            f"{self._host} did not answer within {self._client.total_timeout:g} seconds",
            remedy="Check the network or the proxy and try again",
        )

    def _translated(self, failure: BaseException) -> BaseException:
        """Our own text for a failure of requests, whose texts quote URLs, proxy passwords and header values."""
        if isinstance(failure, CognitoFederationError):
            return failure
        if isinstance(failure, requests.exceptions.ConnectTimeout):
            return TemporaryError(
                f"{self._host} could not be connected to within {self._client.connect_timeout:g} seconds",
                remedy="Check the network or the proxy and try again",
            )
        if isinstance(failure, requests.exceptions.Timeout):
            return self._too_slow()
        if isinstance(failure, requests.exceptions.SSLError):
            return TemporaryError(
                f"The TLS connection to {self._host} failed: its certificate or protocol was not accepted",
                remedy="Behind a TLS-inspecting proxy name its CA file in AWS_CA_BUNDLE or the profile's ca_bundle",
            )
        if isinstance(failure, requests.exceptions.InvalidProxyURL):
            return ConfigurationError("The proxy URL in the environment is malformed", remedy="Mend HTTPS_PROXY")
        if isinstance(failure, requests.exceptions.ProxyError):
            return TemporaryError(
                f"The proxy for {self._host} could not be used", remedy="Check HTTPS_PROXY and NO_PROXY"
            )
        if isinstance(failure, requests.exceptions.RequestException) and not isinstance(failure, ValueError):
            return TemporaryError(f"{self._host} could not be reached", remedy="Check the network and try again")
        unreadable = isinstance(failure, OSError) and not isinstance(failure, ValueError)
        if unreadable and isinstance(self._client.certificates(), str):
            return ConfigurationError(
                f"The CA certificates in {self._client.certificates()} cannot be read",
                remedy="Mend AWS_CA_BUNDLE, REQUESTS_CA_BUNDLE, CURL_CA_BUNDLE or SSL_CERT_FILE",
            )
        return ConfigurationError(f"The request to {self._host} could not be made ({type(failure).__name__})")


def _refuse_redirect(answer: HttpAnswer) -> None:
    if answer.status not in _REDIRECTS:
        return
    try:
        target = urlsplit(answer.headers.get("location", "")).hostname or answer.host
    except ValueError:
        target = "an unreadable address"
    raise ConfigurationError(
        f"{answer.host} answered with a redirect to {printable(target, 100)}; redirects are not followed",
        remedy="Name the final URL in the configuration",
    )


def _refuse_busy(answer: HttpAnswer) -> None:
    if answer.status != 429 and answer.status < 500:
        return
    wait = answer.headers.get("retry-after", "").strip()
    retry_after = float(wait) if wait.isascii() and wait.isdigit() and len(wait) < 7 else None
    raise ServerBusyError(
        f"{answer.host} answered {answer.status}"
        + (f" and asks to wait {retry_after:g} seconds" if retry_after is not None else ""),
        remedy="Try again later",
        status=answer.status,
        retry_after=retry_after,
    )
