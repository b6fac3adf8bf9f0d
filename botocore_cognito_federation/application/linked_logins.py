"""Further logins of the signed-in user's identity: linked by Cognito, and removed again."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import replace
from typing import TYPE_CHECKING

from ..credentials import FederatedCredentials
from ..errors import ClearsFrames, ConfigurationError
from ..events import Event, Events
from ..login_token import LinkedLogin
from .arguments import Expiry, login_token, provider_key, resolved_provider

if TYPE_CHECKING:
    from .._util.concurrency import Clock
    from ..identity_providers import IdentityProvider
    from ..login_token import LoginToken
    from .sign_in import CurrentSignIn


class LinkedLogins(ClearsFrames, ABC):
    """The members of a federation that concern further logins."""

    _clock: Clock
    _events: Events

    @abstractmethod
    def current_credentials(self, force: bool = False, *, min_remaining: float | None = None) -> FederatedCredentials:
        """Return the AWS credentials of the signed-in user, renewed if needed."""

    @abstractmethod
    def _current(self) -> CurrentSignIn:
        """Return the present sign-in; raises `NotSignedInError`."""

    @abstractmethod
    def _guest_becomes(self, provider: str, token: str, expires_at: Expiry) -> CurrentSignIn:
        """Sign in the user whose login a guest's identity has just got."""

    @abstractmethod
    def _forget_shared(self) -> None:
        """Make clients ask for credentials anew."""

    def link(self, provider: str, token: str, *, expires_at: Expiry = None) -> str:
        """Link another provider's login to the identity of the signed-in user. Only `unlink` removes it.

        If that login had its own identity, Cognito merges the two and disables the newer one. If that was this
        federation's, its credentials are renewed at once and the event ``identity-changed`` names the previous one.

        Args:
            provider: the other provider; see `federated_sign_in`.
            token: its token.
            expires_at: when the token expires; see `federated_sign_in`.

        Returns:
            The identity ID that both logins have from now on.

        Raises:
            NotSignedInError: the user is not signed in.
            FederationRefusedError: Cognito refused, for example because either identity has another login of that
                provider.
        """
        sign_in = self._current()
        resolved = resolved_provider(provider)
        checked = login_token(resolved, token, expires_at=expires_at, identity_id=None, now=self._clock.now())
        sign_in.pool.pool_id()
        own = self.current_credentials().user_id
        identity_id = _link(sign_in, own, resolved, checked)
        if sign_in.is_guest:
            sign_in = self._guest_becomes(provider, token, expires_at)
            if identity_id != own:
                sign_in.emit(Event("identity-changed", identity_id=identity_id, previous_identity_id=own))
        elif identity_id != own:
            with self._events.held():
                sign_in.verify()
                self._forget_shared()
        return identity_id

    def unlink(self, provider: str) -> None:
        """Remove a linked login from the identity of the signed-in user (UnlinkIdentity).

        Args:
            provider: the provider of the login.

        Raises:
            ConfigurationError: it is the login of this sign-in.
            NotSignedInError: the user is not signed in.
            FederationRefusedError: Cognito refused.
        """
        sign_in = self._current()
        sign_in.pool.pool_id()
        _unlink(sign_in, self.current_credentials().user_id, resolved_provider(provider))


def _link(sign_in: CurrentSignIn, identity_id: str, provider: IdentityProvider, token: LoginToken | None) -> str:
    """Link another login to an identity.

    Returns:
        The identity ID that all its logins have from now on.

    Raises:
        ConfigurationError: guests and developer identities are not linked this way, nor a login with itself.
        FederationRefusedError, TemporaryError: see `IdentityPool.exchange`.
    """
    if token is None:
        raise ConfigurationError("A guest login cannot be linked", remedy="Sign in as guest, then link a provider")
    if provider.kind == "developer":
        raise ConfigurationError(
            "Developer logins are linked by GetOpenIdTokenForDeveloperIdentity",
            remedy="Let your backend name identity_id and both logins there",
        )
    other = sign_in.login_of(provider, token)
    if sign_in.is_guest:
        return sign_in.pool.exchange(identity_id, other).credentials.user_id
    own = sign_in.login()
    if own.key == other.key:
        raise ConfigurationError(f"{own.key} is the provider of this sign-in", remedy="Link another provider")
    together = replace(own, linked=(LinkedLogin(other.key, other.token.subject, other.token),))
    return sign_in.pool.exchange(identity_id, together).credentials.user_id


def _unlink(sign_in: CurrentSignIn, identity_id: str, provider: IdentityProvider) -> None:
    """Remove a login from an identity.

    Raises:
        ConfigurationError: it is the login of this sign-in, which would lose its own identity.
        FederationRefusedError, TemporaryError: see `IdentityPool.unlink`.
    """
    own = sign_in.login()
    key = provider_key(provider)
    if own.key == key:
        raise ConfigurationError(
            f"{key} is the provider of this sign-in, which would lose its identity",
            remedy="Sign in with a linked provider first",
        )
    sign_in.pool.unlink(identity_id, own, key)
