"""One small HTTP client for every request that this package makes itself.

Its policy: https, or http to a literal loopback address; loopback never by proxy; no redirect is followed; no
``.netrc``; plain bodies up to 1 MiB; ten seconds to connect and thirty in all, also against a server that trickles; and
no secret in an error or a log line. It is the same for a URL of the configuration and one of a discovery document.
"""

from __future__ import annotations

import json
import logging
import os
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import SplitResult, urlsplit

import requests
import requests.utils

from ..errors import CognitoFederationError, ConfigurationError, TemporaryError, TokenRefreshError
from ..messages import printable
from .concurrency import DeadlineExceeded, call_within
from .urls import (
    CA_VARIABLES,
    LOCALHOST,
    UnsafeURLError,
    certificates_fault,
    check_certificates,
    check_request,
    loopback_addresses,
    not_reached,
    proxy_failure,
    proxy_fault,
    tls_refused,
)

logger = logging.getLogger(__name__)

CONNECT_TIMEOUT = 10.0
TOTAL_TIMEOUT = 30.0
MAXIMUM_BODY = 1024 * 1024

_CHUNK = 16 * 1024
_REDIRECTS = frozenset({301, 302, 303, 307, 308})


class ServerBusyError(TemporaryError):
    """The server answered 429 or 5xx.

    Attributes:
        status: the HTTP status.
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


@dataclass(frozen=True)
class HttpClient:
    """Sends one request at a time and stores nothing between them; threads may share it.

    Args:
        ca_bundle: file of CA certificates, as ``ca_bundle`` of a profile names it; ``AWS_CA_BUNDLE`` comes before it,
            as for botocore. Default is what ``REQUESTS_CA_BUNDLE``, ``CURL_CA_BUNDLE`` or ``SSL_CERT_FILE`` name,
            else the certificates that come with requests.
        plain_http_hosts: link-local hosts that are asked without TLS and never by proxy.
        connect_timeout: seconds to connect.
        total_timeout: seconds for the whole exchange, name resolution to last byte.
        client_certificate: file with a certificate and its key in PEM form, by which the connection says who asks.
        environ: where the CA variables are read; proxies come from the process environment (or the system's settings).
    """

    ca_bundle: str | None = None
    plain_http_hosts: frozenset[str] = frozenset()
    connect_timeout: float = CONNECT_TIMEOUT
    total_timeout: float = TOTAL_TIMEOUT
    client_certificate: str | None = None
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
            ConfigurationError: the URL may not be spoken to, the server redirects, or a proxy or CA setting is
                unusable.
            TemporaryError: no answer in time, a network or TLS failure, 429 or 5xx.
            TokenRefreshError: the body is larger than 1 MiB, or compressed, which was not asked for.
        """
        answer = self._answer(method, url, form, headers)
        _refuse_redirect(answer)
        return answer

    def redirect_of(self, url: str) -> tuple[int, str]:
        """GET `url` and return the status, and the address that it redirects to; that is not followed.

        Raises:
            see `request`; a redirect is none of its errors here.
        """
        answer = self._answer("GET", url, None, {"Accept": "text/html"})
        return answer.status, answer.headers.get("location", "") if answer.status in _REDIRECTS else ""

    def _answer(
        self, method: str, url: str, form: Mapping[str, str] | None, headers: Mapping[str, str] | None
    ) -> HttpAnswer:
        whose = f"The URL at {_host_in(url)}"
        parts, is_direct = check_request(url, plain_http_hosts=self.plain_http_hosts, whose=whose)
        answer = _Exchange(self, method, url, parts, is_direct, form, headers).run()
        logger.debug("%s %s%s: %s, %d bytes", method, answer.host, parts.path, answer.status, len(answer.body))
        _refuse_busy(answer)
        return answer

    def certificates(self) -> str | bool:
        """What requests calls ``verify``: a file of CA certificates, or True for its own."""
        of_aws = self.environ.get("AWS_CA_BUNDLE") or self.ca_bundle
        return of_aws or next((path for name in CA_VARIABLES if (path := self.environ.get(name))), True)

    def for_issuer(self, issuer: str | None) -> HttpClient:
        """Return the client for the documents and endpoints of an issuer.

        One that is called ``http://localhost`` in its own documents cannot be called otherwise; for it, and for no
        other, the name is resolved, and each of its addresses must be loopback.
        """
        if issuer is None or not issuer.startswith("http:") or urlsplit(issuer).hostname != LOCALHOST:
            return self
        return replace(self, plain_http_hosts=self.plain_http_hosts | {LOCALHOST})


class _Session(requests.Session):
    """A session that takes a redirect for an answer.

    NOTE: `allow_redirects=False` is not enough: requests then reads the whole body of the redirect, without a limit, to
    have the next request at hand.
    """

    def get_redirect_target(self, resp: requests.Response) -> None:
        return None


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
        is_direct: bool,
        form: Mapping[str, str] | None,
        headers: Mapping[str, str] | None,
    ) -> None:
        self._client = client
        self._method = method
        self._url = url
        self._parts = parts
        self._host = parts.netloc
        self._direct = is_direct
        self._form = dict(form) if form is not None else None
        self._headers = {"Accept": "application/json", "Accept-Encoding": "identity", **(headers or {})}
        self._is_abandoned = False

    def run(self) -> HttpAnswer:
        limit, clock = self._client.total_timeout, self._client.monotonic
        error: BaseException
        if self._parts.scheme == "https":
            check_certificates(self._client.certificates(), self._client.environ)
        try:
            return call_within(limit, self._exchange, name="cognito-federation-http", monotonic=clock)
        except DeadlineExceeded:
            self._is_abandoned = True  # ends the thread that is left behind at the next piece of the answer
            error = self._too_slow()
        except Exception as failure:  # noqa: BLE001 - requests raises whatever urllib3 and http.client raise
            error = self._translated(failure)
        # Raised here and not in an except clause: an error of requests as its context would hold the request.
        raise error

    def _exchange(self) -> HttpAnswer:
        url, headers = self._reached()
        with _Session() as session:
            session.trust_env = False  # the only switch requests has against .netrc; proxies and CA are handed over
            proxies = {} if self._direct else requests.utils.get_environ_proxies(url)
            response = session.request(
                self._method,
                url,
                data=self._form,
                headers=headers,
                timeout=(min(self._client.connect_timeout, self._client.total_timeout), self._client.total_timeout),
                verify=self._client.certificates(),
                cert=self._client.client_certificate,
                proxies=proxies,
                allow_redirects=False,
                stream=True,
            )
            with response:
                answered = {name.lower(): value for name, value in response.headers.items()}
                status = response.status_code
                # What a redirect or a server in trouble says besides its status is not looked at, so it is not read.
                body = b"" if status in _REDIRECTS or _is_busy(status) else self._read(response)
                return HttpAnswer(self._host, status, answered, body)

    def _reached(self) -> tuple[str, dict[str, str]]:
        """The URL and headers to send: over http an address in place of ``localhost``, the first that takes calls."""
        if self._parts.scheme != "http" or self._parts.hostname != LOCALHOST:
            return self._url, self._headers
        port = self._parts.port or 80
        try:
            addresses = loopback_addresses(port)
        except UnsafeURLError as flaw:
            raise ConfigurationError(f"The URL at {self._host} {flaw}", remedy=flaw.remedy) from None
        address = next((each for each in addresses if _listens(each, port)), addresses[0])
        literal = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
        return self._parts._replace(netloc=literal).geturl(), {**self._headers, "Host": self._host}

    def _refuse_encoding(self, header: str) -> None:
        """Refuse a compressed body: none was asked for, and a small one may decode to gigabytes."""
        encoding = header.strip().lower()
        if encoding not in ("", "identity"):
            raise TokenRefreshError(
                f"{self._host} answered with a compressed body ({printable(encoding, 40)}), which was not asked for",
                remedy="Check whether a proxy changes its answers",
            )

    def _read(self, response: requests.Response) -> bytes:
        self._refuse_encoding(response.headers.get("Content-Encoding", ""))
        chunks: list[bytes] = []
        size = 0
        stream: Iterator[bytes] = response.iter_content(_CHUNK)
        for chunk in stream:
            size += len(chunk)
            if size > MAXIMUM_BODY:
                raise TokenRefreshError(f"{self._host} answered with more than {MAXIMUM_BODY} bytes; nothing was read")
            if self._is_abandoned:
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
        if self._client.client_certificate and (refused := self._refused_client(failure)):
            return refused
        certificates = self._client.certificates()
        if isinstance(failure, requests.exceptions.SSLError):
            return tls_refused(self._host, certificates, self._client.environ)
        # Older versions of urllib3 find the mistake only as they connect, and call it a lost connection.
        maybe_its_url = isinstance(failure, ValueError | requests.exceptions.ConnectionError)
        if maybe_its_url and (fault := proxy_fault(os.environ)):
            return fault
        if isinstance(failure, requests.exceptions.ProxyError):
            return proxy_failure(self._host, str(failure))
        if isinstance(failure, requests.exceptions.RequestException) and not isinstance(failure, ValueError):
            return not_reached(self._host)
        if isinstance(failure, OSError) and (fault := certificates_fault(certificates, self._client.environ)):
            return fault
        return ConfigurationError(f"The request to {self._host} could not be made ({type(failure).__name__})")

    def _refused_client(self, failure: BaseException) -> CognitoFederationError | None:
        """The error for a client certificate that was not accepted; None for another failure.

        TLS 1.3 refuses a client after the handshake, as the request is sent or the answer read, and the alert that says
        so may be lost with the connection.
        """
        text = str(failure).lower()
        remedy = "Check that the provider trusts the authority of cognito_client_certificate for this client"
        if "alert" in text:
            return ConfigurationError(f"{self._host} did not accept the client certificate", remedy=remedy)
        if "eof occurred" in text or "reset by peer" in text or "connection aborted" in text:
            what = f"{self._host} broke the connection off once it had the client certificate"
            return TemporaryError(what, remedy=f"{remedy}, or try again")
        return None


def _host_in(url: str) -> str:
    """The host of a URL for a message, also of one that must not be spoken to."""
    try:
        return printable(urlsplit(url).netloc.rpartition("@")[2], 100) or "an unnamed host"
    except ValueError:
        return "an unnamed host"


def _listens(address: str, port: int) -> bool:
    try:
        socket.create_connection((address, port), timeout=1).close()
    except OSError:
        return False
    return True


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


def _is_busy(status: int) -> bool:
    return status == 429 or status >= 500


def _refuse_busy(answer: HttpAnswer) -> None:
    if not _is_busy(answer.status):
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
