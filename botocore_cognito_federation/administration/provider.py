"""Asks an identity provider whether it is who it says, and whether it knows the client."""

from __future__ import annotations

import time
from collections.abc import Iterable

from .._util.http import HttpClient
from ..errors import CognitoFederationError, ConfigurationError
from ..identity_providers import IdentityProvider
from ..oidc.discovery import MemoryDocuments, discover

#: RFC 6749, section 5.2. A provider that knows a public client complains about the code instead.
_UNKNOWN_CLIENT = frozenset({"invalid_client", "unauthorized_client"})


def check(provider: IdentityProvider, client_ids: Iterable[str], *, with_secret: bool) -> None:
    """Make sure that a provider and its clients exist, before AWS is told to trust them.

    Args:
        with_secret: the clients have a secret, without which a provider says nothing about them.

    Raises:
        ConfigurationError: there is no discovery document, it names another issuer, or it knows no such client.
        TemporaryError: the provider cannot be asked now.
    """
    if provider.kind != "oidc" or provider.issuer is None:
        return
    http = HttpClient()
    metadata = discover(http, provider, MemoryDocuments(), now=time.time())
    if with_secret or not metadata.token_endpoint:
        return
    for one in client_ids:
        form = {
            "grant_type": "authorization_code",
            "client_id": one,
            "code": "none",
            "redirect_uri": "http://127.0.0.1/",
            "code_verifier": "0" * 43,
        }
        answer = http.for_issuer(provider.issuer).post_form(metadata.token_endpoint, form)
        try:
            code = answer.json_object().get("error")
        except CognitoFederationError:
            continue  # no answer of OAuth, so it says nothing about the client
        if code in _UNKNOWN_CLIENT:
            raise ConfigurationError(
                f"{provider.name} knows no client {one[:80]!r} without a secret: it answers {code}",
                remedy="Correct --client-id; with --client-has-secret, or --offline, this is not asked",
            )
