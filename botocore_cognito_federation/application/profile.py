"""A profile of ``~/.aws/config`` behind the Python API: the sign-in, stores and token sources of the command line."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..cache import store_for
from ..cache.sessions import Session, Sessions, current_epoch, end_sign_in
from ..config.loader import load_settings
from ..errors import CognitoFederationError, ConfigurationError, NotSignedInError
from ..events import NAMES, Event, Events
from ..factory import fetcher_for, system_clock
from ..fetcher import CredentialFetcher, FetchResult
from ..identity_pool.aws import Clients
from ..identity_pool.client import IdentityPool, Login
from ..messages import login_command
from .arguments import Expiry, user_mapping
from .federation import CognitoFederation

if TYPE_CHECKING:
    from botocore.session import Session as BotocoreSession

    from ..cache.base import Store
    from ..config.settings import Settings
    from ..credentials import FederatedCredentials
    from ..identity_providers import IdentityProvider
    from ..login_token import LoginToken
    from ..user_pool import Challenge, UserPool, UserPoolTokens


class ProfileFederation(CognitoFederation):
    """The federation of a profile. Signing in is the command line's part; everything else is as in `CognitoFederation`.

    Args:
        profile: its name; None for botocore's own order.

    Raises:
        ConfigurationError: there is no such profile, or it is wrong.
    """

    def __init__(self, profile: str | None) -> None:
        settings = load_settings(profile)
        super().__init__(settings.identity_pool_id, region_name=settings.region_name)
        self._settings = replace(settings, region_name=settings.region_name or settings.pool_region)
        self._store = store_for(settings, os.environ)
        self._profile_settings = settings
        self._made: CredentialFetcher | None = None

    def __repr__(self) -> str:
        return f"CognitoFederation.from_profile({self._profile_settings.profile or 'default'!r})"

    def federated_sign_in(
        self,
        provider: str,
        token: str | None = None,
        *,
        expires_at: Expiry = None,
        identity_id: str | None = None,
        user: Mapping[str, Any] | None = None,
    ) -> FederatedCredentials:
        """Refused: a profile says itself how one signs in.

        Raises:
            ConfigurationError: always.
        """
        raise self._not_here()

    def _federated(self, ask: Callable[[UserPool], UserPoolTokens | Challenge]) -> FederatedCredentials | Challenge:
        raise self._not_here()

    @property
    def _how_to_sign_in(self) -> str:
        if self._profile_settings.is_guest:
            return "Set cognito_provider to the provider of the profile's users"
        return f"Run: {login_command(self._profile_settings)}"

    def _not_here(self) -> ConfigurationError:
        return ConfigurationError(f"{self!r} signs in as its profile says", remedy=self._how_to_sign_in)

    def _current(self) -> ProfileSignIn:
        if self._made is None:
            inner = Events()
            for name in NAMES:
                inner.on(name, self._events.emit)
            self._made = fetcher_for(self._profile_settings, store=self._store, events=inner)
        return ProfileSignIn(self._profile_settings, self._store, self._made, self._events)

    def link(self, provider: str, token: str, *, expires_at: Expiry = None) -> str:
        """As in `CognitoFederation`; a guest's profile cannot become that of a user.

        Raises:
            ConfigurationError: the profile is a guest's.
        """
        if self._profile_settings.is_guest:
            raise self._not_here()
        return super().link(provider, token, expires_at=expires_at)

    def _let_go(self) -> None:
        # What served so far must not serve any more.
        self._made = None


class ProfileSignIn:
    """Whoever is signed in under a profile, as of now."""

    def __init__(self, settings: Settings, store: Store, federation: CredentialFetcher, events: Events) -> None:
        self._settings = settings
        self._store = store
        self._federation = federation
        self._events = events
        self._sessions = Sessions(settings, store)
        self._sign_out_epoch = current_epoch(store, settings.scope)
        self.pool = IdentityPool(settings, Clients(settings, self._botocore_session), system_clock())

    def _botocore_session(self) -> BotocoreSession:
        from botocore.session import Session

        return Session(profile=self._settings.profile)

    @property
    def is_guest(self) -> bool:
        return self._settings.is_guest

    def verify(self) -> FederatedCredentials:
        """Exchange the login of now, whatever is kept."""
        return self._federation.fetch_fresh()

    def fetch(self) -> FetchResult:
        """Credentials, renewed where needed."""
        return self._federation.fetch()

    def login(self) -> Login:
        """The login of now."""
        login = self._federation.login()
        if login is None:
            raise NotSignedInError("Guests have no login")
        return login

    def login_of(self, provider: IdentityProvider, token: LoginToken) -> Login:
        """The login that another provider's token makes at the same pool."""
        return Login.of(token, replace(self._settings, provider=provider))

    def info(self) -> Mapping[str, Any]:
        """The login token as it is kept, or as its source gives it now."""
        session = self._sessions.read()
        token = session.token() if session is not None else None
        if token is None and not self.is_guest:
            token = self.login().token
        named: Mapping[str, Any] = session.user if session is not None else user_mapping(None, token)
        provider = self._settings.provider
        return {
            "provider": provider.name if provider is not None else token.issuer if token is not None else None,
            "token": token.value if token is not None else None,
            "expires_at": token.expires_at if token is not None else None,
            "identity_id": self._federation.credentials().identity_id,
            "user": dict(named),
        }

    def is_current(self) -> bool:
        """Whether no sign-out came since."""
        return current_epoch(self._store, self._settings.scope) == self._sign_out_epoch

    def clear_current(self) -> None:
        """A profile keeps no record beside its session."""

    def forget(self) -> Session | None:
        """Forget session and credentials."""
        from ..sign_in.logout import take_away

        end_sign_in(self._store, self._settings.scope)
        return take_away(self._sessions, self._store)

    def revoke(self, session: Session | None) -> Exception | None:
        """Revoke the session's refresh token at its provider, where there is one."""
        if session is None or session.refresh_token is None:
            return None
        from ..sign_in.logout import revoke_session

        revocation = revoke_session(self._settings, self._store, os.environ, session.refresh_token)
        return None if revocation.revoked else CognitoFederationError(revocation.reason)

    def emit(self, event: Event) -> None:
        """Emit an event, as one of this profile."""
        provider = self._settings.provider
        self._events.emit(replace(event, provider=provider.name if provider is not None else None))
