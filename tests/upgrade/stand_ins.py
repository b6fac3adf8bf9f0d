"""The servers for which an old cache was written: two identity providers and an identity pool with constant names.

The keys of a cache are digests of names (endpoint, pool, issuer, client), so an old cache can be read only if these
names still answer. `AwsHosts` makes them answer on loopback, at any free port.
"""

from __future__ import annotations

import base64
import json
import secrets
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlencode, urlsplit

import jwt

from tests.oidc.fake_provider import SigningKey
from tests.servers.aws_hosts import AwsHosts

REGION = "eu-west-1"
POOL = f"{REGION}:5a3c0f2e-8d41-4b6a-9c57-1e2f3a4b5c6d"
#: A pool that always fails temporarily.
FAILING_POOL = f"{REGION}:00000000-0000-4000-8000-000000000500"
COGNITO = f"cognito-identity.{REGION}.amazonaws.com"
#: The users of the two providers, who are one person.
USERS = {"login.corp.example": "ada", "login.partner.example": "ada-at-partner"}
CLIENT_SECRET = "the-client-secret-of-corp"

Form = dict[str, str]


def identity_of(subject: str) -> str:
    """Return the pool's identity for a user."""
    return f"{REGION}:{uuid.uuid5(uuid.NAMESPACE_DNS, subject)}"


@dataclass
class StandIns:
    """The state of the servers, which is also their journal.

    Attributes:
        now: their clock, seconds since the epoch.
        refresh_tokens: the valid one of each provider, by host; each use rotates it.
        old_keys: public keys that a provider still publishes in addition to its own.
        spent: refresh tokens that were used, in order.
        revoked: tokens that were revoked, in order.
        calls: operations of the identity pool with their parameters, in order.
        authorizations: authorization requests, in order.
    """

    now: float
    refresh_tokens: dict[str, str] = field(default_factory=dict)
    old_keys: list[dict[str, Any]] = field(default_factory=list)
    key: SigningKey = field(default_factory=lambda: SigningKey.rsa(secrets.token_hex(4)))
    spent: list[str] = field(default_factory=list)
    revoked: list[str] = field(default_factory=list)
    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    authorizations: list[Form] = field(default_factory=list)
    client_secrets: list[str | None] = field(default_factory=list)
    _codes: dict[str, Form] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def keys(self) -> list[dict[str, Any]]:
        return [self.key.jwk(), *self.old_keys]

    def answer(self, host: str, path: str, query: Form, form: Form, body: bytes, target: str) -> tuple[int, Any]:
        """Return the status and the document for a request, or 302 and the address."""
        with self._lock:
            if host == COGNITO:
                return self._pool(target.rpartition(".")[2], json.loads(body))
            if host in USERS:
                return self._provider(host, path, query, form)
        return 404, {}

    def _provider(self, host: str, path: str, query: Form, form: Form) -> tuple[int, Any]:
        issuer = f"https://{host}"
        if path == "/.well-known/openid-configuration":
            names = {"authorization": "authorize", "token": "token", "revocation": "revoke"}
            endpoints = {f"{name}_endpoint": f"{issuer}/{path}" for name, path in names.items()}
            return 200, {"issuer": issuer, "jwks_uri": f"{issuer}/jwks", **endpoints}
        if path == "/jwks":
            return 200, {"keys": self.keys()}
        if path == "/authorize":
            code = secrets.token_hex(8)
            self.authorizations.append(query)
            self._codes[code] = query
            return 302, f"{query['redirect_uri']}?{urlencode({'code': code, 'state': query['state']})}"
        if path == "/revoke":
            self.revoked.append(form["token"])
            return 200, {}
        return self._token(host, form) if path == "/token" else (404, {})

    def _token(self, host: str, form: Form) -> tuple[int, Any]:
        self.client_secrets.append(form.get("client_secret"))
        nonce, client = None, form.get("client_id", "")
        if form["grant_type"] == "authorization_code":
            asked = self._codes.pop(form["code"])
            nonce, client = asked.get("nonce"), asked["client_id"]
        elif form["refresh_token"] == self.refresh_tokens.get(host):
            self.spent.append(form["refresh_token"])
        else:
            return 400, {"error": "invalid_grant"}
        self.refresh_tokens[host] = f"refresh-{secrets.token_hex(8)}"
        subject, now = USERS[host], int(self.now)
        claims = {"iss": f"https://{host}", "sub": subject, "aud": client, "iat": now, "exp": now + 3600}
        claims |= {"nonce": nonce} if nonce else {}
        token = self.key.sign({**claims, "name": subject.title(), "email": f"{subject}@example.com"})
        return 200, {
            "access_token": "the-access-token",
            "id_token": token,
            "refresh_token": self.refresh_tokens[host],
            "token_type": "Bearer",
            "expires_in": 3600,
        }

    def _pool(self, operation: str, parameters: dict[str, Any]) -> tuple[int, Any]:
        self.calls.append((operation, parameters))
        if parameters.get("IdentityPoolId") == FAILING_POOL:
            return 500, {"__type": "InternalErrorException", "message": "for a moment"}
        subjects = [self._subject_of(key, token) for key, token in parameters.get("Logins", {}).items()]
        if None in subjects:
            return 400, {"__type": "NotAuthorizedException", "message": "Invalid login token. Token expired"}
        known = [identity_of(str(subject)) for subject in subjects]
        if operation == "GetId":
            return 200, {"IdentityId": known[0]}
        if parameters["IdentityId"] not in known:
            return 400, {"__type": "ResourceNotFoundException", "message": "Identity not found."}
        credentials = {
            "AccessKeyId": f"ASIA{secrets.token_hex(8).upper()}",
            "SecretKey": secrets.token_hex(20),
            "SessionToken": secrets.token_hex(40),
            "Expiration": self.now + 3600,
        }
        return 200, {"IdentityId": parameters["IdentityId"], "Credentials": credentials}

    def _subject_of(self, key: str, token: str) -> str | None:
        """Return the user of a login token; None if it is not this provider's, or has expired."""
        own = {entry["kid"]: jwt.PyJWK(entry) for entry in self.keys()}
        public = own.get(jwt.get_unverified_header(token)["kid"])
        if public is None:
            return None
        options = {"verify_exp": False, "verify_iat": False, "verify_aud": False}
        claims = jwt.decode(token, public.key, algorithms=["RS256"], options=options, issuer=f"https://{key}")
        return str(claims["sub"]) if claims["exp"] > self.now else None


@contextmanager
def answering(stand_ins: StandIns, folder: Path) -> Iterator[dict[str, str]]:
    """Start the servers; yield the variables that lead a process to them.

    Args:
        stand_ins: the servers.
        folder: for certificates.
    """
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(stand_ins))
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    port = server.server_address[1]
    folder.mkdir(exist_ok=True)
    try:
        with AwsHosts(folder, lambda host: port if host in (COGNITO, *USERS) else None) as hosts:
            yield hosts.variables
    finally:
        server.shutdown()
        server.server_close()


def _handler(stand_ins: StandIns) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(b"")

        def do_POST(self) -> None:
            self._answer(self.rfile.read(int(self.headers.get("Content-Length") or 0)))

        def _answer(self, body: bytes) -> None:
            parts = urlsplit(self.path)
            host = self.headers["Host"].removesuffix(":443")
            query, form = _flat(parts.query), {**_flat(body.decode("latin-1")), **_client(self.headers)}
            target = self.headers.get("X-Amz-Target", "")
            status, document = stand_ins.answer(host, parts.path, query, form, body, target)
            self.send_response(status)
            if status == 302:
                self.send_header("Location", document)
            text = b"" if status == 302 else json.dumps(document).encode()
            self.send_header("Content-Type", "application/x-amz-json-1.1" if target else "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def date_time_string(self, timestamp: float | None = None) -> str:
            return super().date_time_string(int(stand_ins.now))

        def log_message(self, format: str, *args: Any) -> None:
            """Log nothing; the journal has the facts."""

    return Handler


def _client(headers: Message) -> Form:
    """Return the client's name and secret from HTTP Basic authentication (RFC 6749 section 2.3.1)."""
    scheme, _, encoded = headers.get("Authorization", "").partition(" ")
    if scheme != "Basic":
        return {}
    name, _, secret = base64.b64decode(encoded).decode().partition(":")
    return {"client_id": unquote(name), "client_secret": unquote(secret)}


def _flat(text: str) -> Form:
    return {name: values[0] for name, values in parse_qs(text).items()}
