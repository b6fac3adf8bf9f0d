"""How a client proves itself to the provider: a secret, a signed assertion, or a certificate.

A secret is sent as RFC 6749, section 2.3.1, says. ``private_key_jwt`` signs an assertion with a key that never leaves
this machine (RFC 7523, section 2.2; OpenID Connect Core, section 9). With mutual TLS the connection itself proves the
client (RFC 8705).
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timezone
from typing import TYPE_CHECKING, Any
from urllib.parse import quote_plus

from ..errors import ConfigurationError
from ..messages import shown_time

if TYPE_CHECKING:
    from .discovery import ProviderMetadata

PRIVATE_KEY_JWT = "private_key_jwt"
#: RFC 8705, sections 2.1.1 and 2.2.1.
_MUTUAL_TLS = frozenset({"tls_client_auth", "self_signed_tls_client_auth"})
_ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
#: Seconds that an assertion is valid: it is used at once, and clocks differ.
_ASSERTION_LIFE = 60
#: Algorithms of a kind of key (RFC 7518, section 3.1), the one that every provider has first.
_RSA = ("RS256", "PS256")
_CURVES = {"secp256r1": "ES256", "secp384r1": "ES384", "secp521r1": "ES512"}
_MOST_BYTES = 1 << 20


@dataclass(frozen=True)
class ClientKey:
    """The private key of a client.

    Args:
        read: returns its text: PEM, with the certificate beside it where the provider knows the client by that, or a
            JSON Web Key.
        source: the setting that names it, for messages.
    """

    read: Callable[[], str] = field(repr=False)
    source: str

    def assertion(self, client_id: str, audience: str, algorithms: frozenset[str] | None, now: float) -> str:
        """Return a signed assertion for one request.

        Args:
            client_id: the issuer and the subject of the assertion.
            audience: the provider, as it names itself or its token endpoint.
            algorithms: those that the provider takes; None where it does not say.
            now: seconds since the epoch.

        Raises:
            ConfigurationError: the text is no usable key, or the provider takes no algorithm of its kind.
        """
        import jwt

        key, headers, alg = _key_in(self.read(), self.source)
        able = _RSA if _is_rsa(key) else (_CURVES.get(getattr(getattr(key, "curve", None), "name", ""), ""),)
        usable = [each for each in ((alg,) if alg else able) if each and (algorithms is None or each in algorithms)]
        if not usable:
            named = f", and the provider takes {', '.join(sorted(algorithms))}" if algorithms else ""
            raise ConfigurationError(
                f"{self.source} holds a key for {' or '.join(filter(None, able)) or 'another curve'}{named}",
                remedy="Use an RSA key of 2048 bits, or one on the curve P-256, that the provider knows",
            )
        claims = {
            "iss": client_id,
            "sub": client_id,
            "aud": audience,
            "jti": secrets.token_urlsafe(24),
            "iat": int(now),
            "exp": int(now) + _ASSERTION_LIFE,
        }
        try:
            return jwt.encode(claims, key, algorithm=usable[0], headers=headers)
        except (jwt.PyJWTError, ValueError, TypeError):
            raise ConfigurationError(f"The key of {self.source} cannot sign {usable[0]}", remedy=_KINDS) from None


def _is_rsa(key: Any) -> bool:
    return hasattr(key, "private_numbers") and hasattr(key.private_numbers(), "p")


def _key_in(text: str, source: str) -> tuple[Any, dict[str, str], str]:
    """The private key in a text, the header parameters by which a provider finds its other half, and its algorithm."""
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    if text.lstrip().startswith("{"):
        return _json_web_key(text, source)
    _refuse_encrypted(text, source)
    try:
        key = load_pem_private_key(text.encode(), password=None)
    except (ValueError, TypeError):
        raise _no_key(source) from None
    if not _is_rsa(key) and not hasattr(key, "curve"):
        raise ConfigurationError(f"{source} holds a key that is neither RSA nor on an elliptic curve", remedy=_KINDS)
    return key, {"kid": _thumbprint(key), **_certificate_headers(text)}, ""


_KINDS = "Use an RSA key of 2048 bits, or one on the curve P-256"


def _no_key(source: str) -> ConfigurationError:
    return ConfigurationError(
        f"{source} holds no private key", remedy="Name a file or command with a private key in PEM form, or as a JWK"
    )


def _refuse_encrypted(text: str, source: str) -> None:
    if "BEGIN ENCRYPTED PRIVATE KEY" in text or "Proc-Type: 4,ENCRYPTED" in text:
        raise ConfigurationError(
            f"The private key of {source} is encrypted, and a helper cannot ask for its passphrase",
            remedy="Let cognito_client_assertion_key_command print the decrypted key, from a password manager for"
            " example; for a certificate, write the file anew with: openssl pkey",
        )


def _json_web_key(text: str, source: str) -> tuple[Any, dict[str, str], str]:
    import jwt

    try:
        document = json.loads(text)
        key = jwt.PyJWK(document, document.get("alg") or {"EC": "ES256"}.get(document.get("kty"), "RS256")).key
    except (ValueError, RecursionError, AttributeError, jwt.PyJWTError):
        raise _no_key(source) from None
    if not hasattr(key, "private_numbers"):
        raise _no_key(source)
    kid = document.get("kid")
    return key, {"kid": kid if isinstance(kid, str) else _thumbprint(key)}, str(document.get("alg") or "")


def _thumbprint(key: Any) -> str:
    """The JWK thumbprint of a key (RFC 7638), a ``kid`` that a provider can compute too."""
    from jwt.algorithms import ECAlgorithm, RSAAlgorithm

    kind: Any = RSAAlgorithm if _is_rsa(key) else ECAlgorithm
    public = kind.to_jwk(key.public_key(), as_dict=True)
    members = {name: public[name] for name in ("crv", "e", "kty", "n", "x", "y") if name in public}
    return _encoded(hashlib.sha256(json.dumps(members, sort_keys=True, separators=(",", ":")).encode()).digest())


def _certificate_headers(text: str) -> dict[str, str]:
    """The thumbprints of the certificate beside a key, by which Entra ID finds it."""
    if "BEGIN CERTIFICATE" not in text:
        return {}
    from cryptography.hazmat.primitives.serialization import Encoding
    from cryptography.x509 import load_pem_x509_certificate

    try:
        der = load_pem_x509_certificate(text.encode()).public_bytes(Encoding.DER)
    except ValueError:
        return {}
    sha1 = hashlib.sha1(der).digest()  # noqa: S324 - a name (RFC 7515, section 4.1.7), which protects nothing
    return {"x5t": _encoded(sha1), "x5t#S256": _encoded(hashlib.sha256(der).digest())}


def _encoded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def read_text(path: str, source: str) -> str:
    """Return the text of a file with a key or a certificate.

    Raises:
        ConfigurationError: it cannot be read.
    """
    path = os.path.expanduser(os.path.expandvars(path))
    try:
        with open(path, "rb") as file:
            return file.read(_MOST_BYTES).decode("utf-8", "replace")
    except OSError as error:
        what = f"{source} {path} cannot be read: {error.strerror}"
        raise ConfigurationError(what, remedy=f"Correct {source}") from None


def checked_certificate(path: str, source: str, *, now: float) -> str:
    """Return the path of a client's certificate and key, once it is sure that a connection can use them.

    Args:
        path: a file in PEM form with both.
        source: the setting that names it.
        now: seconds since the epoch.

    Raises:
        ConfigurationError: the certificate or the key is missing, they do not belong together, the key is encrypted, or
            the certificate has expired.
    """
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
    from cryptography.x509 import load_pem_x509_certificate

    text = read_text(path, source)
    both = f"Write the certificate and its private key into one file in PEM form, and name it with {source}"
    if "BEGIN CERTIFICATE" not in text:
        raise ConfigurationError(f"{source} {path} holds no certificate", remedy=both)
    _refuse_encrypted(text, source)
    if "PRIVATE KEY" not in text:
        raise ConfigurationError(f"{source} {path} holds a certificate without its private key", remedy=both)
    try:
        certificate, key = load_pem_x509_certificate(text.encode()), load_pem_private_key(text.encode(), password=None)
        public, own = (
            each.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
            for each in (certificate.public_key(), key.public_key())
        )
    except (ValueError, TypeError):
        raise ConfigurationError(f"{source} {path} holds a damaged certificate or key", remedy=both) from None
    if public != own:
        raise ConfigurationError(f"The certificate and the private key in {source} {path} do not match", remedy=both)
    # The name with "_utc" is newer than the oldest cryptography that PyJWT works with.
    end: Any = getattr(certificate, "not_valid_after_utc", None)
    until = (end or certificate.not_valid_after.replace(tzinfo=timezone.utc)).timestamp()
    if until <= now:
        raise ConfigurationError(
            f"The certificate in {source} {path} expired at {shown_time(until)}",
            remedy="Get a new certificate from the authority that the provider trusts",
        )
    return os.path.expanduser(os.path.expandvars(path))


@dataclass(frozen=True)
class Client:
    """The OAuth client registered at the provider; one that proves nothing is a public client (RFC 6749, section 2.1).

    Attributes:
        client_secret: shared with the provider.
        key: signs assertions instead.
        certificate: path of the certificate and key for mutual TLS instead.
    """

    client_id: str
    client_secret: str | None = field(default=None, repr=False)
    key: ClientKey | None = None
    certificate: str | None = None

    @property
    def remedy(self) -> str:
        """What to check if the provider does not take this client."""
        if self.key is not None:
            return (
                f"Check cognito_client_id, and that the provider has the public half of the key of {self.key.source}"
                f" for {PRIVATE_KEY_JWT}"
            )
        if self.certificate is not None:
            return "Check cognito_client_id, and that the provider has the certificate of cognito_client_certificate"
        return (
            "Check cognito_client_id, and whether the provider wants a client secret"
            " (cognito_client_secret_env, cognito_client_secret_command)"
        )


@dataclass(frozen=True)
class Authentication:
    """What one request adds to prove its client.

    Attributes:
        fields: of the form.
        headers: of the request.
        certificate: the path of a client certificate for the connection.
    """

    fields: Mapping[str, str] = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    certificate: str | None = None


def audiences(client: Client, metadata: ProviderMetadata) -> tuple[str, ...]:
    """Return for whom an assertion may be, in the order in which to try it: one entry where there is no assertion.

    OpenID Connect Core, section 9, names the token endpoint, and later profiles the issuer (FAPI 2.0 Security Profile,
    section 5.3.2.1); discovery has no field for it. A provider refuses the other one as ``invalid_client``, before it
    looks at the grant (RFC 6749, section 5.2). Never both at once: an assertion is for one reader.
    """
    second = () if client.key is None or metadata.issuer is None else (metadata.issuer,)
    return (metadata.token_endpoint, *second)


def authentication(
    client: Client, metadata: ProviderMetadata, *, audience: str, now: float | None = None
) -> Authentication:
    """Return what proves the client to the provider.

    Args:
        client: the client; no public one.
        metadata: what the provider takes.
        audience: of `audiences`.
        now: seconds since the epoch.

    Raises:
        ConfigurationError: the key or certificate cannot be used, or the provider does not take it.
    """
    at, identified = time.time() if now is None else now, {"client_id": client.client_id}
    if client.key is not None:
        _require_method(metadata, frozenset({PRIVATE_KEY_JWT}), client.key.source)
        signed = client.key.assertion(client.client_id, audience, metadata.token_endpoint_auth_algorithms, at)
        return Authentication({**identified, "client_assertion_type": _ASSERTION_TYPE, "client_assertion": signed})
    if client.certificate is not None:
        _require_method(metadata, _MUTUAL_TLS, "cognito_client_certificate")
        path = checked_certificate(client.certificate, "cognito_client_certificate", now=at)
        return Authentication(identified, certificate=path)
    secret = client.client_secret
    assert secret is not None, "a public client proves nothing"
    if "client_secret_basic" in metadata.token_endpoint_auth_methods:
        pair = f"{quote_plus(client.client_id)}:{quote_plus(secret)}"
        return Authentication({}, {"Authorization": "Basic " + base64.b64encode(pair.encode()).decode()})
    return Authentication({**identified, "client_secret": secret})


def _require_method(metadata: ProviderMetadata, methods: frozenset[str], source: str) -> None:
    """Refuse a method that the discovery document does not name, where it names any."""
    named = frozenset(metadata.token_endpoint_auth_methods)
    if metadata.names_auth_methods and not named & methods:
        raise ConfigurationError(
            f"{source} is set, but {metadata.issuer or metadata.token_endpoint} does not take"
            f" {' or '.join(sorted(methods))}; it takes {', '.join(sorted(named))}",
            remedy=f"Remove {source} and use one of these, or enable it at the provider",
        )
