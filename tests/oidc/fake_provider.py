"""An OpenID provider in this process whose answers a test can change; its users always agree."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlencode

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

CLIENT_ID = "client-1"


@dataclass
class SigningKey:
    """A key pair under a key ID."""

    kid: str
    private: Any
    algorithm: str = "RS256"

    @classmethod
    def rsa(cls, kid: str, algorithm: str = "RS256") -> SigningKey:
        return cls(kid, rsa.generate_private_key(public_exponent=65537, key_size=2048), algorithm)

    @classmethod
    def ec(cls, kid: str) -> SigningKey:
        return cls(kid, ec.generate_private_key(ec.SECP256R1()), "ES256")

    def jwk(self, **changes: Any) -> dict[str, Any]:
        algorithm = jwt.algorithms.get_default_algorithms()[self.algorithm]
        found = json.loads(algorithm.to_jwk(self.private.public_key()))
        found.pop("key_ops", None)
        return {**found, "kid": self.kid, "use": "sig", **changes}

    def pem(self) -> bytes:
        found: bytes = self.private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        return found

    def sign(self, claims: dict[str, Any], **headers: Any) -> str:
        return jwt.encode(claims, self.private, algorithm=self.algorithm, headers={"kid": self.kid, **headers})


def at_hash(access_token: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(access_token.encode()).digest()[:16]).rstrip(b"=").decode()


def hmac_signed(claims: dict[str, Any], key: bytes, kid: str) -> str:
    """Compute HS256: PyJWT refuses to use a public key as a shared secret."""

    def part(value: object) -> bytes:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=")

    signed = part({"alg": "HS256", "typ": "JWT", "kid": kid}) + b"." + part(claims)
    digest = hmac.new(key, signed, hashlib.sha256).digest()
    return (signed + b"." + base64.urlsafe_b64encode(digest).rstrip(b"=")).decode()


def unsigned(claims: dict[str, Any]) -> str:
    def part(value: object) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    return f"{part({'alg': 'none'})}.{part(claims)}."


@dataclass
class FakeProvider:
    """The settings first, then the journal of requests."""

    server: HTTPServer
    key: SigningKey
    published: list[dict[str, Any]] = field(default_factory=list)
    discovery_changes: dict[str, Any] = field(default_factory=dict)
    redirect_changes: dict[str, str | None] = field(default_factory=dict)
    claim_changes: dict[str, Any] = field(default_factory=dict)
    token_changes: dict[str, Any] = field(default_factory=dict)
    redirect_changes_in_turn: list[dict[str, str | None]] = field(default_factory=list)
    claim_changes_in_turn: list[dict[str, Any]] = field(default_factory=list)
    token_changes_in_turn: list[dict[str, Any]] = field(default_factory=list)
    token_responses: list[Response] = field(default_factory=list)
    id_token: str | None = None
    strict_consent: bool = False
    on_token: Callable[[Any], None] | None = None
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    authorizations: list[dict[str, str]] = field(default_factory=list)
    jwks_fetches: int = 0
    nonce: str | None = None

    def __post_init__(self) -> None:
        self.published = self.published or [self.key.jwk()]
        self.issuer = self.server.url_for("").removesuffix("/")
        for path, answer in (
            ("/.well-known/openid-configuration", self._discovery),
            ("/jwks", self._jwks),
            ("/authorize", self._authorize),
            ("/token", self._token),
            ("/device", self._device),
        ):
            self.server.expect_request(path).respond_with_handler(answer)

    def claims(self, **changes: Any) -> dict[str, Any]:
        now = int(time.time())
        found = {
            "iss": self.issuer,
            "aud": CLIENT_ID,
            "sub": "user-1",
            "iat": now,
            "exp": now + 600,
            "nonce": self.nonce,
            "name": "Ada",
            "email": "ada@example.com",
        }
        found.update({**self.claim_changes, **changes})
        return {name: value for name, value in found.items() if value is not None}

    def _discovery(self, request: Request) -> Response:
        document = {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/jwks",
            "device_authorization_endpoint": f"{self.issuer}/device",
            "scopes_supported": ["openid", "email", "profile"],
            "authorization_response_iss_parameter_supported": True,
        }
        document.update(self.discovery_changes)
        return _json({name: value for name, value in document.items() if value is not None})

    def _jwks(self, request: Request) -> Response:
        self.jwks_fetches += 1
        return _json({"keys": self.published})

    def _authorize(self, request: Request) -> Response:
        asked = {name: values[0] for name, values in parse_qs(request.query_string.decode()).items()}
        self.authorizations.append(asked)
        self.nonce = asked.get("nonce")
        if self.strict_consent and "offline_access" in asked["scope"] and asked.get("prompt") != "consent":
            return Response("offline_access needs prompt=consent", status=400)  # its own page: there is no redirect
        answer: dict[str, str | None] = {"code": "the-code", "state": asked["state"], "iss": self.issuer}
        answer.update(self.redirect_changes)
        if self.redirect_changes_in_turn:
            answer.update(self.redirect_changes_in_turn.pop(0))
        query = urlencode({name: value for name, value in answer.items() if value is not None})
        return Response(status=302, headers={"Location": f"{asked['redirect_uri']}?{query}"})

    def _token(self, request: Request) -> Response:
        if self.on_token is not None:
            self.on_token(request)
        self.asked.append(("/token", {**request.form.to_dict(), **_authorization(request)}))
        if self.token_responses:
            return self.token_responses.pop(0)
        claims = self.claims(**(self.claim_changes_in_turn.pop(0) if self.claim_changes_in_turn else {}))
        answer = {
            "access_token": "the-access-token",
            "id_token": self.id_token or self.key.sign(claims),
            "refresh_token": "the-refresh-token",
            "expires_in": 600,
            "token_type": "Bearer",
        }
        answer.update(self.token_changes)
        if self.token_changes_in_turn:
            answer.update(self.token_changes_in_turn.pop(0))
        return _json({name: value for name, value in answer.items() if value is not None})

    def _device(self, request: Request) -> Response:
        self.asked.append(("/device", request.form.to_dict()))
        return _json(
            {
                "device_code": "the-device-code",
                "user_code": "ABCD-EFGH",
                "verification_uri": f"{self.issuer}/activate",
                "expires_in": 600,
            }
        )


def refusal(error: str, status: int = 400, **more: Any) -> Response:
    return _json({"error": error, **more}, status)


def _json(value: object, status: int = 200) -> Response:
    return Response(json.dumps(value), status=status, content_type="application/json")


def _authorization(request: Request) -> dict[str, str]:
    found = request.headers.get("Authorization")
    return {"Authorization": found} if found else {}
