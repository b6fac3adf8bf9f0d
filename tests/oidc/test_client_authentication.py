"""Confidential clients without a shared secret, against servers that verify: assertions, and certificates by TLS."""

from __future__ import annotations

import datetime
import json
import os
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jwt
import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from cryptography.x509.oid import NameOID
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from botocore_cognito_federation._util.http import HttpClient
from botocore_cognito_federation.cache.base import MemoryStore
from botocore_cognito_federation.config.profiles import load_settings
from botocore_cognito_federation.config.settings import Settings
from botocore_cognito_federation.errors import CognitoFederationError, ConfigurationError
from botocore_cognito_federation.identity_providers import resolve
from botocore_cognito_federation.oidc.client import OIDCClient, oidc_client
from botocore_cognito_federation.oidc.client_authentication import Client, ClientKey
from botocore_cognito_federation.oidc.tokens import post, refresh_grant
from tests.util.test_http import write_certificate

CLIENT_ID = "client-1"
SOURCE = "cognito_client_assertion_key_file"
DAY = datetime.timedelta(days=1)


def pem(key: Any, password: bytes | None = None) -> str:
    encryption = NoEncryption() if password is None else BestAvailableEncryption(password)
    return str(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption).decode())


RSA_KEY, EC_KEY = rsa.generate_private_key(65537, 2048), ec.generate_private_key(ec.SECP256R1())


@dataclass
class VerifyingProvider:
    """A token endpoint that takes a client's assertion once, and only if each claim of it is right.

    Attributes:
        audience: what it calls itself in an assertion: its token endpoint or its issuer.
    """

    server: HTTPServer
    public: Any
    algorithm: str
    audience: str = ""
    discovery: dict[str, Any] = field(default_factory=dict)
    seen: list[str] = field(default_factory=list)
    headers: dict[str, Any] = field(default_factory=dict)
    asked: int = 0

    def __post_init__(self) -> None:
        self.issuer = self.server.url_for("").removesuffix("/")
        self.audience = self.audience or f"{self.issuer}/token"
        self.server.expect_request("/.well-known/openid-configuration").respond_with_handler(self._document)
        self.server.expect_request("/token", method="POST").respond_with_handler(self._token)

    def _document(self, request: Request) -> Response:
        document = {
            "issuer": self.issuer,
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/jwks",
            "token_endpoint_auth_methods_supported": ["private_key_jwt"],
            **self.discovery,
        }
        return Response(json.dumps(document), content_type="application/json")

    def _token(self, request: Request) -> Response:
        self.asked += 1
        why = self._flaw(request)
        if why:
            return _json({"error": "invalid_client", "error_description": why}, 401)
        return _json({"access_token": "a", "id_token": "i", "refresh_token": "r"})

    def _flaw(self, request: Request) -> str:
        form = request.form
        if form.get("client_assertion_type") != "urn:ietf:params:oauth:client-assertion-type:jwt-bearer":
            return "no assertion"
        try:
            claims = jwt.decode(
                form["client_assertion"],
                self.public,
                algorithms=[self.algorithm],
                audience=self.audience,
                issuer=CLIENT_ID,
                options={"require": ["iss", "sub", "aud", "exp", "iat", "jti"], "strict_aud": True},
            )
        except jwt.PyJWTError as error:
            return type(error).__name__
        if claims["sub"] != CLIENT_ID or form.get("client_id") != CLIENT_ID or "client_secret" in form:
            return "another client"
        if claims["exp"] - claims["iat"] > 300 or len(claims["jti"]) < 16 or claims["jti"] in self.seen:
            return "replayed, or valid for long"
        self.seen.append(claims["jti"])
        self.headers = jwt.get_unverified_header(form["client_assertion"])
        return ""


def _json(value: object, status: int = 200) -> Response:
    return Response(json.dumps(value), status=status, content_type="application/json")


def renewed(issuer: str, client: Client, http: HttpClient | None = None) -> str | None:
    oidc = OIDCClient(resolve(issuer), client, http or HttpClient())
    return refresh_grant(oidc, oidc.metadata(), "refresh-1").id_token


def with_key(text: str) -> Client:
    return Client(CLIENT_ID, key=ClientKey(lambda: text, SOURCE))


@pytest.mark.parametrize(
    ("key", "algorithm", "offered"),
    [
        (RSA_KEY, "RS256", None),
        (RSA_KEY, "RS256", ["RS256", "PS256"]),
        (RSA_KEY, "PS256", ["PS256", "ES256"]),
        (EC_KEY, "ES256", ["RS256", "ES256"]),
        (ec.generate_private_key(ec.SECP384R1()), "ES384", None),
    ],
)
def test_an_assertion_is_signed_by_the_kind_of_key_and_taken_once(
    httpserver: HTTPServer, key: Any, algorithm: str, offered: list[str] | None
) -> None:
    provider = VerifyingProvider(httpserver, key.public_key(), algorithm)
    provider.discovery["token_endpoint_auth_signing_alg_values_supported"] = offered
    client = with_key(pem(key))
    assert [renewed(provider.issuer, client) for _ in range(2)] == ["i", "i"]
    assert (len(set(provider.seen)), provider.asked) == (2, 2)


def test_an_assertion_that_is_sent_again_is_refused_as_a_replay(httpserver: HTTPServer) -> None:
    provider = VerifyingProvider(httpserver, RSA_KEY.public_key(), "RS256")
    assert renewed(provider.issuer, with_key(pem(RSA_KEY))) == "i"
    form = dict(httpserver.log[-1][0].form)
    again = requests.post(f"{provider.issuer}/token", data=form, timeout=10)
    assert (again.status_code, again.json()["error_description"]) == (401, "replayed, or valid for long")


def test_the_key_id_is_the_thumbprint_that_the_provider_computes_and_that_of_a_jwk_its_own(
    httpserver: HTTPServer,
) -> None:
    # The key and the thumbprint of RFC 7638, section 3.1, tell whether ours is right; this is its public half.
    provider = VerifyingProvider(httpserver, EC_KEY.public_key(), "ES256")
    renewed(provider.issuer, with_key(pem(EC_KEY)))
    public = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(EC_KEY.public_key()))
    text = '{{"crv":"{crv}","kty":"EC","x":"{x}","y":"{y}"}}'.format(**public)
    digest = hashes.Hash(hashes.SHA256())
    digest.update(text.encode())
    assert provider.headers["kid"] == jwt.utils.base64url_encode(digest.finalize()).decode()
    own = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(EC_KEY))
    renewed(provider.issuer, with_key(json.dumps({**own, "kid": "my-key"})))
    assert provider.headers["kid"] == "my-key"


def test_a_key_with_its_certificate_names_that_too(httpserver: HTTPServer, tmp_path: Path) -> None:
    path = combined(tmp_path, "client.pem")
    text = path.read_text()
    key = x509.load_pem_x509_certificate(text.encode()).public_key()
    provider = VerifyingProvider(httpserver, key, "ES256")
    assert renewed(provider.issuer, with_key(text)) == "i"
    assert {"x5t", "x5t#S256", "kid"} <= provider.headers.keys()


def test_a_provider_that_calls_itself_by_its_issuer_is_asked_once_more_with_that(httpserver: HTTPServer) -> None:
    provider = VerifyingProvider(httpserver, RSA_KEY.public_key(), "RS256", httpserver.url_for("").removesuffix("/"))
    assert renewed(provider.issuer, with_key(pem(RSA_KEY))) == "i"
    assert provider.asked == 2


def test_no_assertion_for_the_token_endpoint_of_another_provider_is_sent_to_this_one(httpserver: HTTPServer) -> None:
    """The attack of CVE-2025-27370: a document that names an honest token endpoint beside endpoints of its own."""
    honest = "https://honest.example/token"
    provider = VerifyingProvider(httpserver, RSA_KEY.public_key(), "RS256")
    endpoints = {name: httpserver.url_for(f"/{name}") for name in ("device", "revoke")}
    provider.discovery |= {"token_endpoint": honest, "device_authorization_endpoint": endpoints["device"]}
    oidc = OIDCClient(resolve(provider.issuer), with_key(pem(RSA_KEY)), HttpClient())
    sent: list[str] = []

    def answer(request: Request) -> Response:
        sent.append(jwt.decode(request.form["client_assertion"], options={"verify_signature": False})["aud"])
        return _json({"error": "invalid_client"}, 401)

    for name, url in endpoints.items():
        httpserver.expect_request(f"/{name}").respond_with_handler(answer)
        post(oidc, oidc.metadata(), url, {})
    assert sent == [provider.issuer] * 2


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no such pipes")
@pytest.mark.parametrize("name", ["client_assertion_key_file", "client_certificate"])
def test_a_pipe_without_a_writer_in_place_of_a_key_blocks_no_process(
    httpserver: HTTPServer, tmp_path: Path, name: str
) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    settings = settings_with(tmp_path, client_id=CLIENT_ID, **{name: str(pipe)})
    provider = VerifyingProvider(httpserver, RSA_KEY.public_key(), "RS256")
    provider.discovery["token_endpoint_auth_methods_supported"] = ["private_key_jwt", "tls_client_auth"]
    with pytest.raises(ConfigurationError, match="cannot be read: it is not a file"):
        renewed(provider.issuer, oidc_client(settings, MemoryStore(), dict(os.environ)).client)


def test_a_key_that_the_provider_does_not_know_is_named_and_nothing_of_it_is_shown(httpserver: HTTPServer) -> None:
    provider = VerifyingProvider(httpserver, RSA_KEY.public_key(), "RS256")
    text = pem(rsa.generate_private_key(65537, 2048))
    with pytest.raises(ConfigurationError, match="invalid_client") as refused:
        renewed(provider.issuer, with_key(text))
    assert f"the public half of the key of {SOURCE}" in refused.value.remedy
    assert text.splitlines()[1] not in refused.value.line
    assert text.splitlines()[1] not in repr(with_key(text))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "holds no private key"),
        ("{}", "holds no private key"),
        ('{"kty": ["RSA"], "alg": {}, "n": 7}', "holds no private key"),
        ('{"kty": "oct", "alg": "HS256", "k": "c2VjcmV0"}', "holds no private key"),
        (json.dumps({**json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(RSA_KEY)), "alg": "none"}), "no private key"),
        (RSA_KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode(), "no private key"),
        (json.dumps(json.loads(jwt.algorithms.ECAlgorithm.to_jwk(EC_KEY.public_key()))), "holds no private key"),
        (pem(RSA_KEY, b"sesame"), "is encrypted"),
        (pem(ed25519.Ed25519PrivateKey.generate()), "neither RSA nor on an elliptic curve"),
        (pem(ec.generate_private_key(ec.SECP256K1())), "holds a key for another curve"),
        (pem(EC_KEY), "holds a key for ES256, and the provider takes PS256"),
    ],
    ids=[
        "empty",
        "no JWK",
        "odd JWK",
        "shared",
        "alg none",
        "public PEM",
        "public JWK",
        "encrypted",
        "Ed25519",
        "curve",
        "algorithm",
    ],
)
def test_a_key_that_cannot_sign_for_this_provider_is_one_line_with_a_remedy(
    httpserver: HTTPServer, text: str, why: str
) -> None:
    provider = VerifyingProvider(httpserver, RSA_KEY.public_key(), "RS256")
    provider.discovery["token_endpoint_auth_signing_alg_values_supported"] = ["PS256"]
    with pytest.raises(ConfigurationError, match=why) as refused:
        renewed(provider.issuer, with_key(text))
    assert SOURCE in refused.value.what
    assert refused.value.remedy
    assert provider.asked == 0


@pytest.mark.parametrize("how", ["key", "certificate"])
def test_a_provider_without_the_method_is_named_before_anything_is_sent(
    httpserver: HTTPServer, tmp_path: Path, how: str
) -> None:
    provider = VerifyingProvider(httpserver, RSA_KEY.public_key(), "RS256")
    provider.discovery["token_endpoint_auth_methods_supported"] = ["client_secret_basic"]
    certificate = Client(CLIENT_ID, certificate=str(combined(tmp_path, "client.pem")))
    with pytest.raises(ConfigurationError, match="it takes client_secret_basic") as refused:
        renewed(provider.issuer, with_key(pem(RSA_KEY)) if how == "key" else certificate)
    assert "Remove cognito_client_" in refused.value.remedy
    assert provider.asked == 0


PROOFS = {
    "client_secret_env": "SECRET",
    "client_secret_command": "print-secret",
    "client_assertion_key_file": "~/key.pem",
    "client_assertion_key_command": "print-key",
    "client_certificate": "~/client.pem",
}


def settings_with(tmp_path: Path, **keys: str) -> Settings:
    config = tmp_path / "config"
    lines = [f"cognito_{name} = {value}" for name, value in keys.items()]
    pool = "cognito_identity_pool_id = eu-west-1:11111111-2222-3333-4444-555555555555"
    config.write_text("\n".join(["[profile p]", pool, "cognito_provider = login.example", *lines]))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_CONFIG_FILE", str(config))
        patch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
        return load_settings("p", environ={})


@pytest.mark.parametrize("how", ["file", "command"])
def test_a_profile_gives_its_client_the_key_of_a_file_or_a_command(
    httpserver: HTTPServer, tmp_path: Path, how: str
) -> None:
    path = tmp_path / "key.pem"
    path.write_text(pem(EC_KEY))
    value = str(path) if how == "file" else f"cat {path}"
    settings = settings_with(tmp_path, client_id=CLIENT_ID, **{f"client_assertion_key_{how}": value})
    provider = VerifyingProvider(httpserver, EC_KEY.public_key(), "ES256")
    assert renewed(provider.issuer, oidc_client(settings, MemoryStore(), dict(os.environ)).client) == "i"
    assert pem(EC_KEY).splitlines()[1] not in repr(settings)


@pytest.mark.parametrize("name", PROOFS)
def test_what_proves_a_client_goes_with_its_id_and_with_nothing_else_of_that_kind(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigurationError, match=f"cognito_{name} .* also needs cognito_client_id"):
        settings_with(tmp_path, **{name: PROOFS[name]})
    other = next(each for each in PROOFS if each != name)
    with pytest.raises(ConfigurationError, match="contradict each other: give one of them"):
        settings_with(tmp_path, client_id="x", **{name: PROOFS[name], other: PROOFS[other]})


def combined(folder: Path, name: str, *, expired: bool = False, other_key: bool = False, password: bytes = b"") -> Path:
    """Write a self-signed client certificate and its key into one file."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.datetime.now(datetime.timezone.utc)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, CLIENT_ID)])
    made = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - 3 * DAY)
        .not_valid_after(now - DAY if expired else now + DAY)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )
    written = pem(ec.generate_private_key(ec.SECP256R1()) if other_key else key, password or None)
    path = folder / name
    path.write_text(made.public_bytes(Encoding.PEM).decode() + written)
    return path


@dataclass
class TlsProvider:
    """A provider whose token endpoint stands on a port that takes connections of one client certificate only."""

    issuer: str
    ca: str
    names: list[str]


@pytest.fixture
def tls_provider(httpserver: HTTPServer, tmp_path: Path) -> Iterator[Callable[[Path], TlsProvider]]:
    servers: list[HTTPServer] = []

    def start(trusted: Path) -> TlsProvider:
        certificate, private = tmp_path / "server.pem", tmp_path / "server.key"
        write_certificate("127.0.0.1", certificate, private)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, private)
        context.load_verify_locations(cadata=trusted.read_text().partition("-----BEGIN PRIVATE")[0])
        context.verify_mode = ssl.CERT_REQUIRED
        server = HTTPServer("127.0.0.1", 0, ssl_context=context)
        server.start()
        servers.append(server)
        names: list[str] = []

        def token(request: Request) -> Response:
            names.append(request.form["client_id"])
            return _json({"access_token": "a", "id_token": "i"})

        server.expect_request("/token", method="POST").respond_with_handler(token)
        issuer = httpserver.url_for("").removesuffix("/")
        document = {
            "issuer": issuer,
            "token_endpoint": f"{issuer}/token",
            "jwks_uri": f"{issuer}/jwks",
            "token_endpoint_auth_methods_supported": ["self_signed_tls_client_auth"],
            "mtls_endpoint_aliases": {"token_endpoint": server.url_for("/token")},
        }
        httpserver.expect_request("/.well-known/openid-configuration").respond_with_json(document)
        return TlsProvider(issuer, str(certificate), names)

    yield start
    for server in servers:
        server.stop()


def test_a_certificate_proves_the_client_at_the_address_for_that(
    tls_provider: Callable[[Path], TlsProvider], tmp_path: Path
) -> None:
    own = combined(tmp_path, "own.pem")
    provider = tls_provider(own)
    http = HttpClient(ca_bundle=provider.ca, environ={})
    assert renewed(provider.issuer, Client(CLIENT_ID, certificate=str(own)), http) == "i"
    assert provider.names == [CLIENT_ID]


def test_a_certificate_that_the_provider_does_not_trust_is_named(
    tls_provider: Callable[[Path], TlsProvider], tmp_path: Path
) -> None:
    provider = tls_provider(combined(tmp_path, "own.pem"))
    other = combined(tmp_path, "other.pem")
    http = HttpClient(ca_bundle=provider.ca, environ={})
    with pytest.raises(CognitoFederationError, match=r"client certificate\. Check that the provider trusts") as refused:
        renewed(provider.issuer, Client(CLIENT_ID, certificate=str(other)), http)
    assert "cognito_client_certificate" in refused.value.remedy


@pytest.mark.parametrize(
    ("how", "why"),
    [
        ({"expired": True}, "expired at"),
        ({"other_key": True}, "do not match"),
        ({"password": b"sesame"}, "is encrypted"),
        ("no key", "without its private key"),
        ("no certificate", "holds no certificate"),
        ("damaged", "damaged certificate or key"),
        ("nothing", "cannot be read"),
    ],
    ids=str,
)
def test_a_certificate_that_cannot_be_used_is_one_line_with_a_remedy(
    tls_provider: Callable[[Path], TlsProvider], tmp_path: Path, how: Any, why: str
) -> None:
    path = combined(tmp_path, "own.pem", **(how if isinstance(how, dict) else {}))
    provider = tls_provider(combined(tmp_path, "trusted.pem"))
    certificate, mark, key = path.read_text().partition("-----BEGIN PRIVATE KEY-----")
    if isinstance(how, str):
        damaged = certificate.replace("MII", "AAA") + mark + key
        path.write_text({"no key": certificate, "no certificate": mark + key}.get(how, damaged))
    named = tmp_path / "nowhere" if how == "nothing" else path
    with pytest.raises(ConfigurationError, match=why) as refused:
        renewed(provider.issuer, Client(CLIENT_ID, certificate=str(named)), HttpClient(ca_bundle=provider.ca))
    assert refused.value.remedy
    assert "\n" not in refused.value.line
    assert provider.names == []
