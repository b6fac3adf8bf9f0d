"""The sign-in of a profile of ``~/.aws/config``, as `CognitoFederation.from_profile` uses it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..cache.base import current_epoch
from ..cache.sessions import Session, Sessions, end_sign_in
from ..credentials import FetchResult
from ..errors import CognitoFederationError, NotSignedInError
from ..events import Event, Events
from ..factory import identity_pool_for
from ..fetcher import CredentialFetcher
from ..login_token import Login
from .arguments import user_mapping

if TYPE_CHECKING:
    from ..cache.base import Store
    from ..config.settings import Settings
    from ..credentials import FederatedCredentials
    from ..identity_providers import IdentityProvider
    from ..login_token import LoginToken


class ProfileSignIn:
    """The user who is signed in under a profile at present."""

    def __init__(self, settings: Settings, store: Store, fetcher: CredentialFetcher, events: Events) -> None:
        self._settings = settings
        self._store = store
        self._fetcher = fetcher
        self._events = events
        self._sessions = Sessions(settings, store)
        self._sign_out_epoch = current_epoch(store, settings.scope)
        self.pool = identity_pool_for(settings)

    @property
    def is_guest(self) -> bool:
        return self._settings.is_guest

    def verify(self, *, new_token: bool = False) -> FederatedCredentials:
        """Exchange the present login, whatever is cached; with `new_token` its token is renewed first."""
        return self._fetcher.fetch_fresh(new_token=new_token)

    def fetch(self) -> FetchResult:
        """Return credentials, renewed if needed."""
        return self._fetcher.fetch()

    def login(self) -> Login:
        """Return the present login."""
        login = self._fetcher.login()
        if login is None:
            raise NotSignedInError("Guests have no login")
        return login

    def login_of(self, provider: IdentityProvider, token: LoginToken) -> Login:
        """Return the login that another provider's token stands for at the same pool."""
        return Login.of(token, replace(self._settings, provider=provider))

    def info(self) -> Mapping[str, Any]:
        """Return the cached login token, or the one that its source returns now."""
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
            "identity_id": self._fetcher.credentials().identity_id,
            "user": dict(named),
        }

    def is_current(self) -> bool:
        """Return whether no sign-out happened since."""
        return current_epoch(self._store, self._settings.scope) == self._sign_out_epoch

    def clear_current(self) -> None:
        """Do nothing: a profile has no record in addition to its session."""

    def forget(self) -> Session | None:
        """Delete session and credentials."""
        from ..sign_in.sessions import take_away

        end_sign_in(self._store, self._settings.scope)
        return take_away(self._sessions, self._store)

    def revoke(self, session: Session | None) -> Exception | None:
        """Revoke the session's refresh token at its provider, if there is one."""
        if session is None or session.refresh_token is None:
            return None
        from ..sign_in.sessions import revoke_session

        revocation = revoke_session(self._settings, self._store, os.environ, session.refresh_token)
        return None if revocation.revoked else CognitoFederationError(revocation.reason)

    def emit(self, event: Event) -> None:
        """Emit an event, as one of this profile."""
        provider = self._settings.provider
        self._events.emit(replace(event, provider=provider.name if provider is not None else None))
