"""A small OpenID provider on loopback: discovery, JWKS, and tokens for every caller, without passwords.

It exists to issue tokens, good and deliberately bad ones. For sign-in pages, PKCE and refresh tokens use a real server.
"""

from __future__ import annotations

import json
import secrets
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast
from urllib.parse import parse_qsl, urlsplit

from .. import ConfigurationError
from .clock import WorldClock
from .exchange import JWT_BEARER, TOKEN_EXCHANGE, GrantRefused, exchanged
from .faulting import damaged, reset_connection, substitute
from .journal import Fault, FaultBook, Journal
from .records import Call
from .signing import Flaw, SigningKey, sign_with_flaw
from .token_verification import login_key
from .wire import HttpAnswer, rest_json_error

TOKEN_SECONDS = 3600
_MOST_BODY = 1 << 20


class OpenIdProvider:
    """An OpenID provider whose users exist as soon as a token names them.

    Attributes:
        client_id: the default audience of its tokens.
        issuer, login_key: available after `start`; the issuer may have a path.
    """

    def __init__(self, clock: WorldClock, journal: Journal, faults: FaultBook, *, client_id: str, path: str) -> None:
        self._clock = clock
        self._journal = journal
        self._faults = faults
        self._path = path.rstrip("/")
        self._keys: list[SigningKey] = []
        self._lock = threading.Lock()
        self._server: ThreadingHTTPServer | None = None
        self.client_id = client_id
        self.issuer = ""

    @property
    def login_key(self) -> str:
        return login_key(self.issuer)

    def start(self) -> None:
        """Listen on an ephemeral port of 127.0.0.1."""
        self._keys = [SigningKey.generate()]
        server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        server.daemon_threads = True
        self._server = server
        self.issuer = f"http://127.0.0.1:{server.server_address[1]}{self._path}"
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def stop(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def issue(
        self,
        subject: str = "ada",
        *,
        audience: str | list[str] | None = None,
        lifetime: float = TOKEN_SECONDS,
        flaw: Flaw | None = None,
        algorithm: str = "RS256",
        **claims: Any,
    ) -> str:
        """Return an ID token.

        Args:
            subject: the user (``sub``).
            audience: ``aud``; by default this provider's client ID.
            lifetime: seconds by the world's clock; may be negative.
            flaw: the defect of the token, see `signing.FLAWS`.
            algorithm: RS256, RS384 or RS512.
            claims: more claims, which override the usual ones; None omits a claim.
        """
        now = int(self._clock.now())
        usual = {
            "iss": self.issuer,
            "sub": subject,
            "aud": self.client_id if audience is None else audience,
            "iat": now,
            "exp": now + int(lifetime),
            "jti": secrets.token_hex(8),
            "name": subject.title(),
            "email": f"{subject}@example.com",
        }
        merged = {name: value for name, value in {**usual, **claims}.items() if value is not None}
        return sign_with_flaw(self.current_key, merged, flaw, algorithm)

    @property
    def current_key(self) -> SigningKey:
        with self._lock:
            return self._keys[-1]

    def rotate_keys(self, *, keep_old: bool = False) -> None:
        """Sign with a new key from now on; the old one leaves the JWKS unless `keep_old` is set."""
        fresh = SigningKey.generate()
        with self._lock:
            self._keys = [*self._keys, fresh] if keep_old else [fresh]

    def documents(self) -> dict[str, Callable[[Mapping[str, Any]], dict[str, Any]]]:
        """The names in the journal of the documents at each path."""
        return {"discovery": self._discovery, "jwks": self._jwks, "token": self._token}

    def answer(self, path: str, parameters: Mapping[str, Any]) -> HttpAnswer | None:
        """Return the answer to a request, with its fault applied; None means: close the connection."""
        name = {
            f"{self._path}/.well-known/openid-configuration": "discovery",
            f"{self._path}/jwks": "jwks",
            f"{self._path}/token": "token",
        }.get(path)
        if name is None:
            return HttpAnswer(404, (("Content-Type", "text/plain"),), b"no such page\n", "404")
        fault = self._faults.take((f"provider:{name}",))
        answer = self._answer_named(name, parameters, fault)
        call = Call(f"provider:{name}", "provider", self._clock.now(), status=answer.status if answer else 0)
        self._journal.add(call)
        return answer

    def _answer_named(self, name: str, parameters: Mapping[str, Any], fault: Fault | None) -> HttpAnswer | None:
        if fault is not None and fault.close:
            return None
        if fault is not None and fault.replaces_the_answer:
            return substitute(fault, rest_json_error)
        try:
            document = self.documents()[name](parameters)
        except GrantRefused as refused:
            error = refused.document
            return HttpAnswer(400, _JSON, json.dumps(error).encode(), error["error"])
        except (ConfigurationError, TypeError, ValueError):
            error = {"error": "invalid_request", "error_description": "subject, audience, lifetime, flaw, claims"}
            return HttpAnswer(400, _JSON, json.dumps(error).encode(), "invalid_request")
        answer = HttpAnswer(200, _JSON, json.dumps(document).encode())
        return damaged(fault, answer) if fault is not None and fault.damages_the_answer else answer

    def _discovery(self, _: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "issuer": self.issuer,
            "jwks_uri": f"{self.issuer}/jwks",
            "token_endpoint": f"{self.issuer}/token",
            "authorization_endpoint": f"{self.issuer}/authorize",
            "response_types_supported": ["id_token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256", "RS384", "RS512"],
            "scopes_supported": ["openid", "email", "profile"],
        }

    def _jwks(self, _: Mapping[str, Any]) -> dict[str, Any]:
        with self._lock:
            return {"keys": [key.jwk() for key in self._keys]}

    def _token(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Issue a token by HTTP: ``subject``, ``audience``, ``lifetime``, ``flaw``, and any other parameter as a
        claim; or exchange one by the grant that the parameters name."""
        if parameters.get("grant_type") in (TOKEN_EXCHANGE, JWT_BEARER):
            with self._lock:
                keys = tuple(self._keys)
            return exchanged(
                parameters,
                keys=keys,
                issuer=self.issuer,
                client_id=self.client_id,
                now=self._clock.now(),
                issue=self.issue,
            )
        claims = dict(parameters)
        lifetime = float(claims.pop("lifetime", TOKEN_SECONDS))
        token = self.issue(
            str(claims.pop("subject", "ada")),
            audience=claims.pop("audience", None),
            lifetime=lifetime,
            flaw=cast("Flaw | None", claims.pop("flaw", None)),
            **{name: value for name, value in claims.items() if name not in ("algorithm", "grant_type")},
        )
        return {
            "token": token,
            "id_token": token,
            "token_type": "Bearer",
            "expires_in": int(lifetime),
            "expires_at": int(self._clock.now()) + int(lifetime),
        }


_JSON = (("Content-Type", "application/json"), ("Cache-Control", "no-store"))


def _handler(provider: OpenIdProvider) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        """Reads parameters from the query (GET), or from a form or a JSON body (POST)."""

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            self._reply(provider.answer(parts.path, dict(parse_qsl(parts.query))))

        def do_POST(self) -> None:
            body = self.rfile.read(min(int(self.headers.get("Content-Length") or 0), _MOST_BODY))
            self._reply(provider.answer(urlsplit(self.path).path, _parameters(self.headers.get_content_type(), body)))

        def _reply(self, answer: HttpAnswer | None) -> None:
            if answer is None:
                self.close_connection = True
                reset_connection(self.connection)
                return
            self.send_response(answer.status)
            for name, value in answer.headers:
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body)

        def log_message(self, format: str, *args: Any) -> None:
            """Log nothing: the journal records calls, and stderr belongs to the user of the world."""

    return Handler


def _parameters(content_type: str, body: bytes) -> dict[str, Any]:
    if content_type != "application/json":
        return dict(parse_qsl(body.decode("utf-8", "replace")))
    try:
        members = json.loads(body or b"{}")
    except (ValueError, RecursionError):
        return {}
    return members if isinstance(members, dict) else {}
