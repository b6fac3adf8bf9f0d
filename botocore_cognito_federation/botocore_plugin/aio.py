"""The counterpart for aiobotocore: the same provider, loaded by ``await``; blocking calls run in a thread.

The inner Cognito client is a plain botocore client in that thread: an aiobotocore client would need the event loop that
is waiting for it.
"""

from __future__ import annotations

import asyncio
import weakref
from typing import TYPE_CHECKING, Any

from aiobotocore.credentials import AioCredentialResolver, AioCredentials, AioRefreshableCredentials
from aiobotocore.session import AioSession
from botocore.credentials import CredentialProvider, ReadOnlyCredentials

from .._util.workers import in_thread
from .acting import ActingProvider, acting_user, prepare_s3
from .credentials import APPLICATION_METHOD, RefreshableCognitoCredentials

if TYPE_CHECKING:
    from .shared import ApplicationCredentials

#: The running renewal task of each credentials object, for all sessions that share the object.
_renewals: weakref.WeakKeyDictionary[RefreshableCognitoCredentials, asyncio.Task[None]] = weakref.WeakKeyDictionary()
#: The attributes that the signing code of aiobotocore reads, here and on botocore's own class.
_PUBLISHED = ("_access_key", "_secret_key", "_token", "_account_id", "_expiry_time", "_frozen_credentials")


class AioRefreshableCognitoCredentials(AioRefreshableCredentials):  # type: ignore[misc]  # aiobotocore has no types
    """`AioRefreshableCredentials` that are renewed through the shared `RefreshableCognitoCredentials`.

    One task renews in a thread; the other tasks get the credentials that are still usable, or wait without blocking the
    event loop.
    """

    def __init__(self, shared: RefreshableCognitoCredentials) -> None:
        super().__init__(
            access_key="",
            secret_key="",
            token="",
            expiry_time=shared._expiry_time,
            refresh_using=None,
            method=shared.method,
        )
        self._shared = shared

    async def get_frozen_credentials(self) -> ReadOnlyCredentials:
        """Return the current credentials, consistent with each other.

        Raises:
            CognitoFederationError: no credentials are available.
        """
        await self._refresh()
        frozen: ReadOnlyCredentials = self._shared._frozen_credentials
        return frozen

    def refresh_needed(self, refresh_in: int | None = None) -> bool:
        return self._shared.refresh_needed(refresh_in)

    async def _refresh(self) -> None:
        if self._shared.refresh_needed():
            await self._renew_once()
        for name in _PUBLISHED:
            setattr(self, name, getattr(self._shared, name))

    async def _renew_once(self) -> None:
        renewal = _renewals.get(self._shared)
        if renewal is None or renewal.done() or renewal.get_loop() is not asyncio.get_running_loop():
            renewal = _renewals[self._shared] = asyncio.create_task(in_thread(self._shared._refresh))
            # No task waits for this failure any more, and the next caller gets it as well.
            renewal.add_done_callback(lambda done: done.cancelled() or done.exception())
        elif self._shared.is_usable():
            return
        # Shielded: the cancellation of one task must not cancel the renewal for the tasks that also wait for it.
        await asyncio.shield(renewal)


class AioProvider(CredentialProvider):
    """The provider in the chain of an `aiobotocore.session.AioSession`.

    Args:
        provider: the provider for a chain of botocore.
    """

    def __init__(self, provider: CredentialProvider) -> None:
        super().__init__()
        self.METHOD, self.CANONICAL_NAME = provider.METHOD, provider.CANONICAL_NAME
        self._provider = provider

    async def load(self) -> Any:
        shared = await in_thread(self._provider.load)
        return None if shared is None else AioRefreshableCognitoCredentials(shared)


class AioActingCredentials(AioCredentials):  # type: ignore[misc]  # aiobotocore has no types
    """Credentials of the user for whom the running task acts, asked for at each signature."""

    method = APPLICATION_METHOD
    #: A client asks for it without awaiting, so it cannot be fetched; botocore uses it only to choose an endpoint.
    account_id = None

    def __init__(self) -> None:
        """Do not call the base class, which sets keys."""

    async def get_frozen_credentials(self) -> ReadOnlyCredentials:
        """Return the user's credentials, consistent with each other.

        Raises:
            CognitoFederationError: the task acts for no user, or no credentials of the user are available.
        """
        return await AioRefreshableCognitoCredentials(acting_user()).get_frozen_credentials()


class AioActingProvider(ActingProvider):
    """The only provider of an asynchronous session for many users."""

    async def load(self) -> AioActingCredentials:  # type: ignore[override]
        return AioActingCredentials()


class AioOnlyProvider(CredentialProvider):
    """The only provider of an asynchronous session of one federation."""

    METHOD = APPLICATION_METHOD
    CANONICAL_NAME = "customCognitoFederationApplication"

    def __init__(self, credentials: ApplicationCredentials) -> None:
        self._credentials = credentials

    async def load(self) -> AioRefreshableCognitoCredentials:
        return AioRefreshableCognitoCredentials(self._credentials)


def session_with(credentials: ApplicationCredentials, region: str) -> AioSession:
    """Return an aiobotocore session whose clients use these credentials and no others."""
    return _session_of(AioOnlyProvider(credentials), region)


def session_for_many_users(region: str) -> AioSession:
    """Return an aiobotocore session whose clients sign for the user for whom the running task acts."""
    session = _session_of(AioActingProvider(), region)
    prepare_s3(session)
    return session


def _session_of(provider: CredentialProvider, region: str) -> AioSession:
    session = AioSession()
    session.register_component("credential_provider", AioCredentialResolver(providers=[provider]))
    session.set_config_variable("region", region)
    return session
