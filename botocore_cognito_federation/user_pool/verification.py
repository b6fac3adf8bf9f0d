"""The signature of the ID tokens that a user pool hands out over its API, checked before anything relies on them.

OpenID Connect Core 3.1.3.7, point 6, would let TLS stand for it. But a token is handed on to an identity pool, and
verifying it here gives the early and exact message, as for every other provider.

NOTE: At an endpoint that is not AWS's (an emulator, a private one) nothing is verified, unless its issuer is named: its
tokens name AWS's issuer, whose keys it does not have. What it says counts because the person chose it, and it is
spoken to by https or on loopback only.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ..errors import CognitoFederationError
from ..identity_providers import user_pool_issuer
from .api import Api
from .models import UserPoolTokens, claims

if TYPE_CHECKING:
    from .._util.http import HttpClient
    from ..oidc.discovery import DocumentCache

Verify = Callable[[UserPoolTokens, type[CognitoFederationError]], None]
"""Raises the error given unless the ID token is the pool's."""

_AWS_DOMAINS = r"amazonaws\.(com|com\.cn|eu)|api\.aws|api\.amazonwebservices\.(com\.cn|eu)"


class IdTokenVerifier:
    """A `Verify` for one app client; nothing is fetched before the first token.

    Args:
        issuer: exactly what `iss` must be, where it is not the one AWS gives the pool; https, or http on loopback.
        http: fetches the keys.
        documents: where the keys wait between tokens; default is for the life of this object.
        clock: seconds since the epoch.
    """

    def __init__(
        self,
        api: Api,
        clock: Callable[[], float],
        *,
        issuer: str | None,
        http: HttpClient | None,
        documents: DocumentCache | None,
    ) -> None:
        self._api = api
        self._clock = clock
        self._issuer = issuer
        self._http = http
        self._documents = documents

    def __call__(self, tokens: UserPoolTokens, error: type[CognitoFederationError]) -> None:
        """Verify signature, `iss`, `aud` and times.

        Raises:
            error: it is not this pool's token, not for this app client, or not valid now.
            TemporaryError: the keys cannot be fetched now.
        """
        app = self._api.app
        if self._issuer is None and not is_aws_endpoint(self._api.endpoint_url, app.region):
            return
        from .._util.http import HttpClient
        from ..oidc.discovery import MemoryDocuments
        from ..oidc.id_token import Expectation, KeySet, verify_id_token

        issuers = (self._issuer,) if self._issuer is not None else aws_issuers(app.user_pool_id)
        named = claims(tokens.id_token).get("iss")
        issuer = next((each for each in issuers if each == named), issuers[0])
        if self._documents is None:
            self._documents = MemoryDocuments()
        http = (self._http or HttpClient()).for_issuer(issuer)
        keys = KeySet(http, self._documents, f"{issuer}/.well-known/jwks.json")
        verified = verify_id_token(
            tokens.id_token, keys, Expectation((issuer,), app.client_id), now=self._clock(), error=error
        )
        if verified.get("token_use") != "id":
            raise error("The user pool gave another token in place of the ID token (token_use)")


def aws_issuers(user_pool_id: str) -> tuple[str, str]:
    """What a pool on AWS may write into `iss`: the issuer of old, and the one of IssuerConfiguration UPDATED.

    Raises:
        ConfigurationError: it is no user pool's id.
    """
    original = user_pool_issuer(user_pool_id)
    return original, original.replace("https://cognito-idp.", "https://issuer-cognito-idp.", 1)


def is_aws_endpoint(url: str | None, region: str) -> bool:
    """Whether a cognito-idp endpoint is one of AWS's public ones; one nobody knows counts as such."""
    if url is None:
        return True
    host = urlsplit(url).hostname or ""
    return re.fullmatch(rf"cognito-idp(-fips)?\.{re.escape(region)}\.({_AWS_DOMAINS})", host) is not None
