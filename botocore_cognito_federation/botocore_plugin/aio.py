"""The twin for aiobotocore: the same provider, loaded by ``await``; whatever blocks runs in a thread.

The inner Cognito client stays a plain botocore client in that thread: aiobotocore's would need the loop that is
waiting for it.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import threading
import weakref
from collections.abc import Callable
from typing import Any, TypeVar

from aiobotocore.credentials import AioRefreshableCredentials
from botocore.credentials import CredentialProvider, ReadOnlyCredentials

from ..errors import ConfigurationError
from .credentials import RefreshableCognitoCredentials

T = TypeVar("T")

#: The renewal of each credentials object that runs in an event loop, for all sessions that share the object.
_renewals: weakref.WeakKeyDictionary[RefreshableCognitoCredentials, asyncio.Task[None]] = weakref.WeakKeyDictionary()
#: What the signing code of aiobotocore reads, here and on botocore's own class.
_PUBLISHED = ("_access_key", "_secret_key", "_token", "_account_id", "_expiry_time", "_frozen_credentials")


class AioRefreshableCognitoCredentials(AioRefreshableCredentials):  # type: ignore[misc]  # aiobotocore has no types
    """`AioRefreshableCredentials` whose renewal is that of the shared `RefreshableCognitoCredentials`.

    One task renews in a thread; the others are served what lives meanwhile, or wait for it without holding the loop.
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
        """The credentials of now, consistent with each other.

        Raises:
            CognitoFederationError: there are none.
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
            # A failure that nobody waited for any more is no news: the next one who asks has it too.
            renewal.add_done_callback(lambda done: done.cancelled() or done.exception())
        elif self._shared.is_usable():
            return
        # Shielded: a task that is cancelled must not take the renewal away from those that wait for it too.
        await asyncio.shield(renewal)


class AioProvider(CredentialProvider):
    """The provider in the chain of an `aiobotocore.session.AioSession`.

    Args:
        provider: the one that a chain of botocore would have.
    """

    def __init__(self, provider: CredentialProvider) -> None:
        super().__init__()
        self.METHOD, self.CANONICAL_NAME = provider.METHOD, provider.CANONICAL_NAME
        self._provider = provider

    async def load(self) -> Any:
        shared = await in_thread(self._provider.load)
        return None if shared is None else AioRefreshableCognitoCredentials(shared)


async def in_thread(function: Callable[[], T]) -> T:
    """What `function` returns, called in a thread of its own with the context variables of the caller.

    Not `asyncio.to_thread`: its few threads may all wait for these very credentials, and the end of `asyncio.run`
    waits for them, which would be the time limit of a refresh handler that hangs.

    Raises:
        ConfigurationError: the event loop is not asyncio's.
    """
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        raise ConfigurationError(
            "In process, aiobotocore is served on asyncio only",
            remedy="Under trio let the profile use credential_process",
        ) from None
    answer: asyncio.Future[T] = loop.create_future()
    context = contextvars.copy_context()

    def publish(value: T | None, failure: BaseException | None) -> None:
        if answer.cancelled():
            return
        if failure is not None:
            answer.set_exception(failure)
        else:
            answer.set_result(value)  # type: ignore[arg-type]  # T itself may be Optional

    def work() -> None:
        value, failure = None, None
        try:
            value = context.run(function)
        except BaseException as error:  # noqa: BLE001 - raised where it is awaited
            failure = error
        with contextlib.suppress(RuntimeError):  # the loop has been closed meanwhile
            loop.call_soon_threadsafe(publish, value, failure)

    threading.Thread(target=work, name="cognito-federation renewal", daemon=True).start()
    return await answer
