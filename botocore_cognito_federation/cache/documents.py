"""What stands in the documents of credentials and identity IDs, and which of them answer to a login.

The long way (`credentials`) and the quick one (`_quick_path`) read and write the same documents by these functions.
They import nothing of botocore, which takes longer than all the rest of the quick way.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..messages import display_name

if TYPE_CHECKING:
    from ..config.settings import Settings
    from ..credentials import FederatedCredentials
    from ..login_token import Login

#: Tokens of one user that cached credentials answer to at the same time; the oldest are exchanged anew.
_MOST_TOKENS = 16
_END_OF_TIME = 1e12


def document_of(
    credentials: FederatedCredentials,
    tokens: Mapping[str, float],
    settings: Settings,
    login: Login | None,
    sign_out_epoch: str,
) -> dict[str, Any]:
    """The document that stores credentials.

    Args:
        credentials: the credentials.
        tokens: the exchanged tokens that they answer to; see `exchanged_tokens`.
        settings: the configuration.
        login: the login whose token was exchanged for them.
        sign_out_epoch: the epoch in which fetching them began.
    """
    claims = login.token.claims if login else {}
    return {
        **credentials.document(),
        "tokens": dict(tokens),
        "scope": settings.scope,
        "generation": sign_out_epoch,
        "profile": settings.profile,
        "pool": settings.identity_pool_id,
        "provider": login.key if login else "guest",
        # Who it is, as a person would say it; no secret.
        "who": display_name(map(claims.get, ("email", "preferred_username", "name", "sub"))),
    }


def exchanged_tokens(
    before: Mapping[str, float], credentials: FederatedCredentials, login: Login | None
) -> dict[str, float]:
    """The tokens that credentials answer to, now that the one of `login` was exchanged too.

    A token that was exchanged before is one of them only if it has not expired: it could have been exchanged for
    these credentials as well. One that has expired must not open what a later token brought.

    Args:
        before: the digests of the tokens exchanged before, and when each expires.
        credentials: what `login` was exchanged for.
        login: the login.
    """
    if login is None:
        return {}
    token = login.token
    # Nothing says when an opaque token ends; it is exchanged again once the credentials that it brought are gone.
    end = token.expires_at if token.expires_at is not None else credentials.expires_at
    others = {digest: life for digest, life in before.items() if life > credentials.issued_at}
    others.pop(token.digest, None)
    return {token.digest: end, **dict(list(others.items())[: _MOST_TOKENS - 1])}


def tokens_in(document: Mapping[str, Any]) -> dict[str, float]:
    """The exchanged tokens in a document of credentials; one from an earlier version has none."""
    tokens = document.get("tokens")
    found = tokens.items() if isinstance(tokens, dict) else ()
    return {digest: end for digest, value in found if (end := time_in(value)) is not None}


def time_in(value: object) -> float | None:
    """A number from a file that can be a time; JSON also has Infinity, and integers longer than a float."""
    return float(value) if isinstance(value, int | float) and abs(value) < _END_OF_TIME else None


def identity_document(identity_id: str, settings: Settings) -> dict[str, Any]:
    """The document that stores the identity ID of a login."""
    return {"identity_id": identity_id, "pool": settings.identity_pool_id, "scope": settings.scope}


def identity_in(document: Mapping[str, Any] | None) -> str | None:
    """The identity ID in a document. Damage is a miss: what could not be one is not sent to Cognito."""
    identity_id = document.get("identity_id") if document else None
    return identity_id if isinstance(identity_id, str) and is_identity_id(identity_id) else None


def is_identity_id(text: str) -> bool:
    """Whether a text can be an identity ID: a region, a colon, and a GUID."""
    region, colon, guid = text.partition(":")
    named = 0 < len(region) <= 30 and region.isascii() and region.replace("-", "").replace("_", "").isalnum()
    return bool(colon) and named and 0 < len(guid) <= 50 and not guid.strip("0123456789abcdef-")
