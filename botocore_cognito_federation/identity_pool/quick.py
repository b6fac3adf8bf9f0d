"""The two calls of the enhanced flow without botocore: for the quick way of ``credential-process``, in the plain case.

This is the one place besides botocore's models that knows the operations: two JSON documents by HTTP POST (service
model `cognito-identity` 2014-06-30, protocol json 1.1), unsigned. It reads complete answers of success and nothing
else. Whatever is not one, a refusal, a redirect, an answer of another shape, a slow server, raises `UnusualError`; the
long way then makes the call by botocore and says what is wrong.

Certificates are verified by the bundle that botocore would load. No proxy is used, and the URL has been looked at.
"""

from __future__ import annotations

import _thread
import json
import socket
from binascii import a2b_base64
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from datetime import datetime, timezone
from time import monotonic
from typing import TYPE_CHECKING, Any, NamedTuple

from .. import __version__
from .._util.files import read_regular_file

if TYPE_CHECKING:
    from ssl import SSLContext

#: Seconds: to connect, and for everything together. Cognito answers in less than one; the long way has other limits,
#: and 45 of the 57 seconds that a helper has are left for it.
_CONNECT_TIMEOUT = 5.0
_LIMIT = 10.0
#: Bytes: of an answer's head, and of its body; see `aws`.
_MOST_HEAD = 64 * 1024
_MOST_BODY = 1024 * 1024
_CHUNK = 16 * 1024
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


class UnusualError(Exception):
    """The long way has to make the call."""


class Vended(NamedTuple):
    """What GetCredentialsForIdentity answered.

    Attributes:
        expires_at: seconds since the epoch.
        server_time: the answer's ``Date``, seconds since the epoch.
    """

    identity_id: str
    access_key: str
    secret_key: str
    token: str
    expires_at: float
    server_time: float | None


class QuickPool:
    """The identity pool at an endpoint, spoken to directly.

    Args:
        endpoint: scheme, host and port, which may be spoken to.
        ca_bundle: the file with the certificates to verify https by.
    """

    def __init__(self, endpoint: tuple[str, str, int], ca_bundle: str) -> None:
        scheme, self._host, self._port = endpoint
        self._context = _context(self._host, ca_bundle) if scheme == "https" else None
        self._deadline = monotonic() + _LIMIT
        self._connection: socket.socket | None = None

    def close(self) -> None:
        """Close the connection that is left."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def get_id(self, pool: str, logins: Mapping[str, str], account_id: str | None) -> str:
        """The identity ID of a login (GetId).

        Raises:
            UnusualError, OSError, ValueError: see the module.
        """
        arguments: dict[str, Any] = {"IdentityPoolId": pool, "Logins": logins}
        if account_id:
            arguments["AccountId"] = account_id
        answer, _ = self._call("GetId", arguments)
        return _text(answer, "IdentityId")

    def get_credentials(self, identity_id: str, logins: Mapping[str, str], role_arn: str | None) -> Vended:
        """The credentials of an identity (GetCredentialsForIdentity).

        Raises:
            UnusualError, OSError, ValueError: see the module.
        """
        arguments: dict[str, Any] = {"IdentityId": identity_id, "Logins": logins}
        if role_arn:
            arguments["CustomRoleArn"] = role_arn
        answer, server_time = self._call("GetCredentialsForIdentity", arguments)
        vended, identity_id = answer.get("Credentials"), _text(answer, "IdentityId")
        if not isinstance(vended, dict):
            raise UnusualError
        access_key, secret_key, token = (_text(vended, name) for name in ("AccessKeyId", "SecretKey", "SessionToken"))
        return Vended(identity_id, access_key, secret_key, token, _time(vended.get("Expiration")), server_time)

    def _call(self, operation: str, arguments: Mapping[str, Any]) -> tuple[Mapping[str, Any], float | None]:
        body = json.dumps(arguments).encode()
        head = (
            "POST / HTTP/1.1",
            f"Host: {self._host}" if self._port in (80, 443) else f"Host: {self._host}:{self._port}",
            f"User-Agent: botocore-cognito-federation/{__version__}",
            "Content-Type: application/x-amz-json-1.1",
            f"X-Amz-Target: AWSCognitoIdentityService.{operation}",
            "Accept-Encoding: identity",
            f"Content-Length: {len(body)}",
            "\r\n",
        )
        connection = self._connection = self._connection or self._in_time(self._connected)
        connection.settimeout(self._left())
        connection.sendall("\r\n".join(head).encode("ascii") + body)
        start, headers, beginning = self._head(connection)
        answer = json.loads(self._body(connection, headers, beginning))
        if not start.startswith("HTTP/1.1 ") or headers.get("connection", "").lower() == "close":
            self.close()
        if not isinstance(answer, dict):
            raise UnusualError
        return answer, _date(headers)

    def _left(self) -> float:
        left = self._deadline - monotonic()
        if left <= 0:
            raise UnusualError
        return left

    def _in_time(self, work: Callable[[], socket.socket]) -> socket.socket:
        """What a function gives, in a thread that is left behind when the time is over: a resolver knows no limit."""
        outcome: list[socket.socket] = []
        done = _thread.allocate_lock()
        done.acquire()

        def run() -> None:
            with suppress(Exception):  # the long way says what is wrong
                outcome.append(work())
            done.release()

        _thread.start_new_thread(run, ())
        if not done.acquire(timeout=self._left()) or not outcome:
            raise UnusualError
        return outcome[0]

    def _connected(self) -> socket.socket:
        connection = socket.create_connection((self._host, self._port), timeout=_CONNECT_TIMEOUT)
        if self._context is None:
            return connection
        with closing(connection):  # `wrap_socket` takes its descriptor over
            return self._context.wrap_socket(connection, server_hostname=self._host)

    def _head(self, connection: socket.socket) -> tuple[str, dict[str, str], bytes]:
        """The status line and the headers of an answer of success, and what has come of its body."""
        received = b""
        while b"\r\n\r\n" not in received:
            received += self._received(connection)
            if len(received) > _MOST_HEAD:
                raise UnusualError
        head, _, beginning = received.partition(b"\r\n\r\n")
        start, *lines = head.decode("ascii").split("\r\n")
        headers: dict[str, str] = {}
        for line in lines:
            name, colon, value = line.partition(":")
            if not colon or name.lower() in headers:
                raise UnusualError
            headers[name.lower()] = value.strip()
        if not start.startswith(("HTTP/1.1 200 ", "HTTP/1.0 200 ")) or "json" not in headers.get("content-type", ""):
            raise UnusualError
        if "transfer-encoding" in headers or "content-encoding" in headers:
            raise UnusualError
        return start, headers, beginning

    def _body(self, connection: socket.socket, headers: Mapping[str, str], received: bytes) -> bytes:
        length = headers.get("content-length", "")
        if not (length.isascii() and length.isdigit()) or not 0 < int(length) <= _MOST_BODY:
            raise UnusualError
        while len(received) < int(length):
            received += self._received(connection)
        if len(received) != int(length):
            raise UnusualError
        return received

    def _received(self, connection: socket.socket) -> bytes:
        connection.settimeout(self._left())
        received = connection.recv(_CHUNK)
        if not received:
            raise UnusualError
        return received


def _context(host: str, bundle: str) -> SSLContext:
    import ssl  # not for a call by http

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # verifies the certificate and the host
    roots = _roots_of_aws(bundle) if host.endswith(".amazonaws.com") else b""
    if roots:
        context.load_verify_locations(cadata=roots)
    else:
        context.load_verify_locations(bundle)
    return context


def _roots_of_aws(bundle: str) -> bytes:
    """The certificates of a bundle that AWS's own end at (https://www.amazontrust.com/repository), in DER.

    OpenSSL takes longer to read the whole bundle of `certifi` than all the rest takes. Where these do not verify a
    server, the long way has all of them.
    """
    parts = read_regular_file(bundle).split(b"-----BEGIN CERTIFICATE-----")[1:]
    found = (a2b_base64(part.partition(b"-----END CERTIFICATE-----")[0]) for part in parts)
    return b"".join(der for der in found if b"Amazon Root CA " in der or b"Starfield Services Root " in der)


def _text(answer: Mapping[str, Any], name: str) -> str:
    """A member that is a text as the service writes one; see `aws.call`."""
    text = answer.get(name)
    if not isinstance(text, str) or not text or not text.isascii() or not text.isprintable():
        raise UnusualError
    return text


def _time(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1e11:
        raise UnusualError
    return datetime.fromtimestamp(value, tz=timezone.utc).timestamp()  # to microseconds, as botocore has it


def _date(headers: Mapping[str, str]) -> float | None:
    """The ``Date`` of an answer, in the one form that servers write (RFC 9110, 5.6.7)."""
    if "date" not in headers:
        return None
    _, day, month, year, clock, zone = headers["date"].split(" ")
    if zone != "GMT":
        raise UnusualError
    hour, minute, second = map(int, clock.split(":"))
    return datetime(
        int(year), _MONTHS.index(month) + 1, int(day), hour, minute, second, tzinfo=timezone.utc
    ).timestamp()
