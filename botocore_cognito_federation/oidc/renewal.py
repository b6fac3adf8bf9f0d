"""Sessions that live for weeks: the refresh grant, in the order that loses nothing, and revocation at their end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ..errors import CognitoFederationError, TokenRefreshError
from .acceptance import accept_answer
from .party import RelyingParty, SignInAnswer, TokenAnswer
from .provider_errors import error_in
from .token_endpoint import post, refresh_grant, secrets_of


@dataclass(frozen=True)
class Revocation:
    """Whether the provider has revoked a token; `reason` says why not."""

    revoked: bool
    reason: str = ""


def refresh_tokens(
    party: RelyingParty,
    refresh_token: str,
    *,
    subject: str | None = None,
    persist: Callable[[TokenAnswer], None] | None = None,
) -> SignInAnswer:
    """Renew a session.

    Args:
        subject: `sub` of the user who signed in; any other is refused (OpenID Connect Core, section 12.2).
        persist: called with the raw answer before anything in it is verified or used. Where the provider rotates
            refresh tokens, `answer.refresh_token` is from here on the only one that works, so it must be on disk
            before anything else can fail. What it raises ends the renewal.

    Raises:
        GrantEndedError: sign-in is needed, and the old refresh token may be forgotten.
        NoIdTokenError: sign-in is needed; `answer` holds the refresh token to keep.
        SignInRequiredError, ConfigurationError, TemporaryError, TokenRefreshError: see `token_endpoint.refresh_grant`.
    """
    metadata = party.metadata()
    answer = refresh_grant(party, metadata, refresh_token)
    if persist is not None:
        persist(answer)
    return accept_answer(party, metadata, answer, subject=subject, renewal=True, error=TokenRefreshError)


def revoke(party: RelyingParty, refresh_token: str) -> Revocation:
    """Revoke a refresh token, and with it the grant, where the provider can (RFC 7009).

    Never raises for what the provider or the network does: whoever signs out forgets the token in any case.
    """
    try:
        metadata = party.metadata()
        if metadata.revocation_endpoint is None:
            return Revocation(False, f"{party.provider.name} has no revocation endpoint")
        form = {"token": refresh_token, "token_type_hint": "refresh_token"}
        answer = post(party, metadata, metadata.revocation_endpoint, form)
    except CognitoFederationError as failure:
        return Revocation(False, failure.what)
    if answer.status == 200:
        return Revocation(True)
    error = error_in(answer, secrets=secrets_of(party.client, form))
    return Revocation(False, f"{answer.host} answered {answer.status} ({error})")
