"""A refresh handler that spends a refresh token at the provider (RFC 6749, section 6)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from .._util.concurrency import ForkSafeLock
from ..errors import NonRetryableError, SignInRequiredError, TemporaryError
from ..identity_providers import IdentityProvider
from .arguments import resolved_provider

if TYPE_CHECKING:
    from ..oidc.client import RelyingParty, TokenAnswer

KeepRotated = Callable[[str], object]


class GrantHandler:
    """New login tokens of one user at one provider, for as long as the provider renews them.

    Args:
        provider: an alias, a domain, an issuer URL, or a ready `IdentityProvider`.
        client_id, client_secret: the application's OAuth client.
        refresh_token: the refresh token (of Facebook the access token), or a function that gives the newest one kept.
        on_rotation: called with each new refresh token before anything that came with it is used.

    Raises:
        ConfigurationError: the provider is malformed.
    """

    def __init__(
        self,
        provider: str | IdentityProvider,
        client_id: str,
        refresh_token: str | Callable[[], str],
        client_secret: str | None = None,
        *,
        on_rotation: KeepRotated | None = None,
    ) -> None:
        self._provider = provider if isinstance(provider, IdentityProvider) else resolved_provider(provider)
        self._client_id = client_id
        self._client_secret = client_secret
        self._first = refresh_token
        self._rotated: str | None = None
        self._on_rotation = on_rotation
        self._turns = ForkSafeLock()
        self._made: RelyingParty | None = None

    def __repr__(self) -> str:
        return f"GrantHandler({self._provider.name!r}, {self._client_id!r})"

    def __call__(self) -> Mapping[str, Any]:
        """A new login token.

        Raises:
            NonRetryableError: the provider has ended the grant; the user has to sign in again.
            TemporaryError: it cannot be asked now.
            CognitoFederationError: anything else.
        """
        from ..oidc.tokens import refresh_tokens

        with self._turns:
            try:
                answer = refresh_tokens(self._party(), self._newest(), persist=self._keep)
            except TemporaryError:
                raise
            except SignInRequiredError as ended:
                raise NonRetryableError(ended.what, remedy="Let the user sign in with the provider again") from None
        return {"token": answer.login_token, "expires_at": answer.expires_at}

    def revoke(self) -> None:
        """Revoke the refresh token, where the provider can (RFC 7009).

        Raises:
            TemporaryError: it was not revoked; the error says why.
        """
        from ..oidc.tokens import revoke

        revocation = revoke(self._party(), self._newest())
        if not revocation.revoked:
            raise TemporaryError(f"The refresh token was not revoked: {revocation.reason}")

    def _newest(self) -> str:
        if callable(self._first):
            return self._first()
        return self._rotated or self._first

    def _keep(self, answer: TokenAnswer) -> None:
        if answer.refresh_token is None or answer.refresh_token == self._newest():
            return
        self._rotated = answer.refresh_token
        if self._on_rotation is not None:
            self._on_rotation(answer.refresh_token)

    def _party(self) -> RelyingParty:
        if self._made is None:
            from ..oidc.client import Client, RelyingParty

            self._made = RelyingParty(self._provider, Client(self._client_id, self._client_secret))
        return self._made
