"""The twin for aiobotocore: the same provider, loaded by ``await``; whatever blocks runs in a thread.

The inner Cognito client stays a plain botocore client in that thread: aiobotocore's would need the loop that is
waiting for it.
"""

from __future__ import annotations

import asyncio
from typing import Any

from aiobotocore.credentials import AioRefreshableCredentials
from botocore.credentials import ReadOnlyCredentials

from .credentials import FederationCredentials
from .provider import CognitoFederationProvider


class AioFederationCredentials(AioRefreshableCredentials):  # type: ignore[misc]  # aiobotocore has no types
    """`AioRefreshableCredentials` whose renewal is that of the shared `FederationCredentials`.

    One task renews in a thread; the others are served what lives meanwhile, or wait for it without holding the loop.
    """

    def __init__(self, shared: FederationCredentials) -> None:
        super().__init__(
            access_key="",
            secret_key="",
            token="",
            expiry_time=shared._expiry_time,
            refresh_using=None,
            method=shared.method,
        )
        self._shared = shared
        self._renewal: asyncio.Task[None] | None = None

    async def get_frozen_credentials(self) -> ReadOnlyCredentials:
        """The credentials of now.

        Raises:
            CognitoFederationError: there are none.
        """
        await self._refresh()
        frozen: ReadOnlyCredentials = self._shared._frozen_credentials
        return frozen

    async def _refresh(self) -> None:
        if self._shared.refresh_needed():
            await self._renew_once()
        for name in ("_access_key", "_secret_key", "_token", "_account_id", "_expiry_time", "_frozen_credentials"):
            setattr(self, name, getattr(self._shared, name))

    async def _renew_once(self) -> None:
        renewal = self._renewal
        if renewal is None or renewal.done() or renewal.get_loop() is not asyncio.get_running_loop():
            renewal = self._renewal = asyncio.ensure_future(asyncio.to_thread(self._shared._refresh))
        # Shielded: a task that is cancelled must not take the renewal away from those that wait for it too.
        await asyncio.shield(renewal)


class AioCognitoFederationProvider(CognitoFederationProvider):
    """The provider in the chain of an `aiobotocore.session.AioSession`."""

    async def load(self) -> Any:
        shared = await asyncio.to_thread(super().load)
        return None if shared is None else AioFederationCredentials(shared)
