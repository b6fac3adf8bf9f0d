"""`FederatedUsers`: many users of one application, and clients that sign each request for the user it is made for."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

from .._util.concurrency import ForkSafeLock
from ..errors import ConfigurationError, NotSignedInError
from .arguments import RefreshHandler
from .federation import CognitoFederation

if TYPE_CHECKING:
    import boto3
    from aiobotocore.session import AioSession
    from botocore.session import Session

    from ..cache.shared import SharedStore
    from ..user_pool import UserPool
    from .asynchronous import AsyncCognitoFederation

#: What `secrets.token_urlsafe` makes of 24 bytes, after the mark of the pool.
_HANDLE = re.compile(r"([0-9a-f]{8})\.[A-Za-z0-9_-]{32}", re.ASCII)


class FederatedUsers:
    """The users of one application at an identity pool. Threads and asyncio tasks may share it.

    Each user has a `CognitoFederation`. All of them have one cache, and a client of `session` serves all of them::

        users = FederatedUsers("eu-central-1:…")
        s3 = users.session().client("s3")
        ada = users.federation()
        ada.federated_sign_in("google", token)
        with users.acting_as(ada):
            s3.list_buckets()

    Args:
        identity_pool_id: ``REGION:GUID``; None with ``flow="web-identity"``.
        cache: see `CognitoFederation`; with ``memory`` all users are those of this object.
        refresh_handlers: see `CognitoFederation`.
        user_pool: see `CognitoFederation`.
        options: every other argument of `CognitoFederation`.

    Raises:
        ConfigurationError: an argument is wrong.
    """

    def __init__(
        self,
        identity_pool_id: str | None,
        *,
        cache: str | SharedStore = "memory",
        refresh_handlers: Mapping[str, RefreshHandler] | None = None,
        user_pool: UserPool | None = None,
        **options: Any,
    ) -> None:
        self._model = _User(
            identity_pool_id, cache=cache, refresh_handlers=refresh_handlers, user_pool=user_pool, **options
        )
        place = f"{self._model._settings.place} {self._model._settings.endpoint_url or ''}"
        self._mark = hashlib.sha256(place.encode()).hexdigest()[:8]
        self._users: WeakValueDictionary[str, _User] = WeakValueDictionary()
        self._turns = ForkSafeLock()

    def __repr__(self) -> str:
        return f"FederatedUsers({self._model._settings.place!r})"

    def federation(self) -> CognitoFederation:
        """Return a federation for one more user, who has still to be signed in."""
        return self._user(f"{self._mark}.{secrets.token_urlsafe(24)}")

    def resume(self, handle: str) -> CognitoFederation:
        """Return the federation of a user who is signed in, in this process or in another one with the same cache.

        Args:
            handle: `CognitoFederation.handle`.

        Raises:
            ConfigurationError: this is not a handle, or one of another identity pool.
            NotSignedInError: nobody is signed in under this handle: its user has signed out, or it is invented.
        """
        found = _HANDLE.fullmatch(handle) if isinstance(handle, str) else None
        if found is None:
            raise ConfigurationError("This is no handle of a user", remedy="Pass the value of CognitoFederation.handle")
        if found[1] != self._mark:
            raise ConfigurationError(
                "This handle is of another identity pool or endpoint", remedy=f"{self!r} resumes its own users only"
            )
        user = self._user(handle)
        if not user.is_signed_in():
            raise NotSignedInError("No user is signed in under this handle", remedy="Sign the user in again")
        return user

    def acting_as(self, federation: CognitoFederation | AsyncCognitoFederation) -> AbstractContextManager[None]:
        """Return a context manager: inside, clients of `session` and `aio_session` sign as this user.

        It counts in the function that contains the ``with`` block, in what that function calls, and in threads and
        tasks that get a copy of its context, as asyncio tasks do. It does not count in what runs while the function is
        suspended, as a generator is between two items: there, as outside of any block, a request raises
        `NotSignedInError`. A block inside a block is for the inner user.

        Args:
            federation: the user's.

        Raises:
            ConfigurationError: this is not a federation.
        """
        from ..botocore_plugin.acting import Acting

        federation = getattr(federation, "blocking", federation)
        if not isinstance(federation, CognitoFederation):
            raise ConfigurationError(
                f"acting_as takes a CognitoFederation, not a {type(federation).__name__}",
                remedy="Pass users.federation() or users.resume(handle)",
            )
        return Acting(federation._credentials())

    def session(self, **kwargs: Any) -> boto3.Session:
        """Return a boto3 session whose clients sign for the user for whom the running code acts.

        Such clients sign requests to S3 directory buckets one by one, because the sessions of these buckets are cached
        for a bucket and not for a user. Their transfers never use the AWS CRT.

        Args:
            kwargs: as for `boto3.Session`.

        Raises:
            ConfigurationError: keys were passed as well.
        """
        return self._model.session(botocore_session=self._botocore_session(), **kwargs)

    def _botocore_session(self) -> Session:
        from ..botocore_plugin.acting import ActingProvider, prepare_s3
        from ..botocore_plugin.shared import session_of

        session = session_of(ActingProvider(), str(self._model._settings.region_name))
        prepare_s3(session)
        return session

    def aio_session(self) -> AioSession:
        """Return an aiobotocore session whose clients sign for the user for whom the running task acts.

        Raises:
            ConfigurationError: aiobotocore is not installed.
        """
        from ..botocore_plugin.shared import aio_module

        session: AioSession = aio_module().session_for_many_users(str(self._model._settings.region_name))
        return session

    def _user(self, handle: str) -> _User:
        with self._turns:
            user = self._users.get(handle)
            if user is None:
                user = self._users[handle] = self._model.another(handle)
            return user


class _User(CognitoFederation):
    """The federation of one of many users, with the arguments of the others."""

    def another(self, handle: str) -> _User:
        """Return the federation of another user."""
        made = _User.__new__(_User)
        made._use(self._settings, self._handlers, self._user_pool, self._store, self._clock, handle)
        return made

    def is_signed_in(self) -> bool:
        return self._context().records.read() is not None
