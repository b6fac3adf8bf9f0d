"""A small OpenID provider on loopback: discovery, JWKS, pages on which invented people sign in, and tokens on request.

It issues tokens, good and deliberately bad ones, to every caller. `authorization_server` has what people sign in at.
"""

from __future__ import annotations

import json
import secrets
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast
from urllib.parse import urlsplit

from .. import ConfigurationError
from .authorization_server import (
    GRANT_TYPES,
    JSON,
    TOKEN_SECONDS,
    AuthorizationServer,
    ProviderRequest,
    read_parameters,
)
from .clock import WorldClock
from .exchange import JWT_BEARER, TOKEN_EXCHANGE, GrantRefused, exchanged
from .faulting import damaged, reset_connection, substitute
from .journal import Fault, FaultBook, Journal
from .records import Call
from .signing import Flaw, SigningKey, sign_with_flaw
from .token_verification import login_key
from .wire import HttpAnswer, rest_json_error

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
        self._people = AuthorizationServer(self, clock.now)
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

    def endpoints(self) -> dict[str, Callable[[ProviderRequest], HttpAnswer]]:
        """Return the endpoints by the names that they have in the journal, which also end their paths."""
        return {
            "discovery": lambda _: _document(self._discovery()),
            "jwks": lambda _: _document(self._jwks()),
            "token": self._token,
            **self._people.endpoints(),
        }

    def answer(self, request: ProviderRequest) -> HttpAnswer | None:
        """Return the answer to a request, with its fault applied; None means: close the connection."""
        path = request.path.removeprefix(f"{self._path}/") if request.path.startswith(f"{self._path}/") else ""
        name = "discovery" if path == ".well-known/openid-configuration" else path
        if name not in self.endpoints() or path == "discovery":
            return HttpAnswer(404, (("Content-Type", "text/plain"),), b"no such page\n", "404")
        fault = self._faults.take((f"provider:{name}",))
        answer = self._answer_named(name, request, fault)
        call = Call(f"provider:{name}", "provider", self._clock.now(), status=answer.status if answer else 0)
        self._journal.add(call)
        return answer

    def _answer_named(self, name: str, request: ProviderRequest, fault: Fault | None) -> HttpAnswer | None:
        if fault is not None and fault.close:
            return None
        if fault is not None and fault.replaces_the_answer:
            return substitute(fault, rest_json_error)
        try:
            answer = self.endpoints()[name](request)
        except GrantRefused as refused:
            error = refused.document
            return HttpAnswer(400, JSON, json.dumps(error).encode(), error["error"])
        except (ConfigurationError, TypeError, ValueError):
            error = {"error": "invalid_request", "error_description": "subject, audience, lifetime, flaw, claims"}
            return HttpAnswer(400, JSON, json.dumps(error).encode(), "invalid_request")
        return damaged(fault, answer) if fault is not None and fault.damages_the_answer else answer

    def _discovery(self) -> dict[str, Any]:
        return {
            "issuer": self.issuer,
            "jwks_uri": f"{self.issuer}/jwks",
            "token_endpoint": f"{self.issuer}/token",
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256", "RS384", "RS512"],
            **self._people.metadata(),
        }

    def _jwks(self) -> dict[str, Any]:
        with self._lock:
            return {"keys": [key.jwk() for key in self._keys]}

    def _token(self, request: ProviderRequest) -> HttpAnswer:
        """Issue a token by HTTP: ``subject``, ``audience``, ``lifetime``, ``flaw``, and any other parameter as a
        claim; or for a sign-in, or in exchange for one, by the grant that the parameters name."""
        parameters = request.parameters
        if parameters.get("grant_type") in GRANT_TYPES:
            return self._people.token(request)
        if parameters.get("grant_type") in (TOKEN_EXCHANGE, JWT_BEARER):
            with self._lock:
                keys = tuple(self._keys)
            answer = exchanged(
                parameters,
                keys=keys,
                issuer=self.issuer,
                client_id=self.client_id,
                now=self._clock.now(),
                issue=self.issue,
            )
            return _document(answer)
        claims = dict(parameters)
        lifetime = float(claims.pop("lifetime", TOKEN_SECONDS))
        token = self.issue(
            str(claims.pop("subject", "ada")),
            audience=claims.pop("audience", None),
            lifetime=lifetime,
            flaw=cast("Flaw | None", claims.pop("flaw", None)),
            **{name: value for name, value in claims.items() if name not in ("algorithm", "grant_type")},
        )
        return _document(
            {
                "token": token,
                "id_token": token,
                "token_type": "Bearer",
                "expires_in": int(lifetime),
                "expires_at": int(self._clock.now()) + int(lifetime),
            }
        )


def _document(members: Mapping[str, Any]) -> HttpAnswer:
    return HttpAnswer(200, JSON, json.dumps(members).encode())


def _handler(provider: OpenIdProvider) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        """Reads parameters from the query (GET), or from a form or a JSON body (POST)."""

        def do_GET(self) -> None:
            self._answer("", urlsplit(self.path).query)

        def do_POST(self) -> None:
            body = self.rfile.read(min(int(self.headers.get("Content-Length") or 0), _MOST_BODY))
            self._answer(self.headers.get_content_type(), body.decode("utf-8", "replace"))

        def _answer(self, content_type: str, text: str) -> None:
            parameters, repeated = read_parameters(content_type, text)
            headers = [self.headers.get(name, "") for name in ("Host", "Cookie", "Authorization")]
            request = ProviderRequest(self.command, urlsplit(self.path).path, parameters, repeated, *headers)
            self._reply(provider.answer(request))

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
