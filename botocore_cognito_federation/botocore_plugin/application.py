"""botocore's side of an application's own federation: sessions made for it, and its place in every session's chain."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from botocore.credentials import CredentialProvider, CredentialResolver, ReadOnlyCredentials

from ..errors import NotSignedInError
from ..events import Events
from .credentials import APPLICATION_METHOD as METHOD
from .credentials import RefreshableCognitoCredentials

if TYPE_CHECKING:
    from botocore.session import Session

    from ..credentials import FetchResult


class ApplicationCredentials(RefreshableCognitoCredentials):
    """Credentials of an application's federation: all its sessions and clients share one object.

    Args:
        fetch: returns a `FetchResult`.
        clock: returns seconds since the epoch.
        marker: represents the federation in the check for refresh handlers that wait for it.
        events: the events of a renewal are emitted after these credentials are in place.
    """

    def __init__(
        self, fetch: Callable[[], FetchResult], clock: Callable[[], float], *, marker: object, events: Events
    ) -> None:
        super().__init__(fetch, clock)
        self._marker = marker
        self._events = events
        self._sign_outs = 0

    def forget(self) -> None:
        """Forget the credentials: the next caller gets those of the user who is signed in then."""
        self._sign_outs += 1
        self._refresh_at = self._usable_until = 0.0

    def get_frozen_credentials(self) -> ReadOnlyCredentials:
        sign_outs = self._sign_outs
        frozen = super().get_frozen_credentials()
        if sign_outs != self._sign_outs:
            self._refresh_at = self._usable_until = 0.0
            raise NotSignedInError("The user signed out meanwhile", remedy="Sign in, then try again")
        return frozen

    def _renew(self) -> None:
        from .._util.concurrency import refuse_reentry

        refuse_reentry(self._marker, "The refresh handler")
        with self._events.held():
            sign_outs = self._sign_outs
            super()._renew()
            if sign_outs != self._sign_outs:
                self._refresh_at = self._usable_until = 0.0


class ApplicationProvider(CredentialProvider):
    """The installed federation, for sessions that were given neither keys nor a profile.

    A profile or keys in the environment are not a session's own. An application that installs its federation wants it
    to be used, on a developer's machine with ``AWS_PROFILE`` as well as on a platform that sets keys (AWS Lambda).
    """

    METHOD = METHOD
    CANONICAL_NAME = "customCognitoFederationApplication"

    def __init__(self, session: Session) -> None:
        self._session = session

    def load(self) -> Any:
        if self._session.instance_variables().get("profile") is not None:
            return None
        return _installed


class AioApplicationProvider(ApplicationProvider):
    """The provider of the installed federation in the chain of an `aiobotocore.session.AioSession`."""

    async def load(self) -> Any:
        found = super().load()
        if found is None:
            return None
        from .aio import AioRefreshableCognitoCredentials

        return AioRefreshableCognitoCredentials(found)


class _Only(CredentialProvider):
    METHOD = METHOD
    CANONICAL_NAME = ApplicationProvider.CANONICAL_NAME

    def __init__(self, credentials: ApplicationCredentials) -> None:
        self._credentials = credentials

    def load(self) -> Any:
        return self._credentials


_installed: ApplicationCredentials | None = None


def session_with(credentials: ApplicationCredentials, region: str) -> Session:
    """A botocore session whose clients use these credentials and no others."""
    from ..identity_pool.client import session_of_shared_models

    session = session_of_shared_models()
    session.register_component("credential_provider", CredentialResolver(providers=[_Only(credentials)]))
    session.set_config_variable("region", region)
    return session


def installed() -> ApplicationCredentials | None:
    """Return the credentials of the installed federation, or None."""
    return _installed


def set_installed(credentials: ApplicationCredentials | None) -> None:
    """Install the credentials of a federation, in place of any others."""
    global _installed
    _installed = credentials
