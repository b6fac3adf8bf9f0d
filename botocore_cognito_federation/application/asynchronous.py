"""`AsyncCognitoFederation` and `AsyncUserPool`: the same members as those without Async, to be awaited.

The work is done by the same code, in a limited number of threads that all of them share, so that no user has a thread
and nothing blocks the event loop.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import Callable, Coroutine, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Concatenate, Generic, NoReturn, ParamSpec, SupportsIndex, TypeVar

from .._util.workers import in_thread
from ..credentials import FederatedCredentials
from ..errors import ClearsFrames, ConfigurationError
from ..user_pool import UserPool
from .arguments import RefreshHandler
from .federation import CognitoFederation

if TYPE_CHECKING:
    from aiobotocore.session import AioSession

    from ..events import Callback, EventName
    from .users import FederatedUsers

P = ParamSpec("P")
R = TypeVar("R")
B = TypeVar("B")


class _Awaited(ClearsFrames, Generic[B]):
    """An object whose methods block, and the same methods to be awaited."""

    blocking: B

    def __repr__(self) -> str:
        return f"Async{self.blocking!r}"

    def __reduce_ex__(self, protocol: SupportsIndex) -> NoReturn:
        raise TypeError(f"A {type(self).__name__} cannot be pickled or copied")

    async def _call(self, function: Callable[[], R]) -> R:
        return await in_thread(function)


def _awaited(method: Callable[Concatenate[Any, P], R]) -> Callable[Concatenate[Any, P], Coroutine[Any, Any, R]]:
    """Return the method of an asynchronous class that has this method of the blocking object called."""

    @functools.wraps(method)
    async def call(self: Any, *args: P.args, **kwargs: P.kwargs) -> R:
        answer: R = await self._call(partial(getattr(self.blocking, method.__name__), *args, **kwargs))
        return answer

    return call  # type: ignore[return-value]  # its first parameter has a name


class AsyncUserPool(_Awaited[UserPool]):
    """A user pool for programs on asyncio: the operations of `UserPool`, to be awaited.

    Args:
        user_pool_id: see `UserPool`.
        client_id: see `UserPool`.
        options: every other argument of `UserPool`.

    Raises:
        ConfigurationError: an argument is wrong.
    """

    def __init__(self, user_pool_id: str, client_id: str, **options: Any) -> None:
        #: The same user pool, for code that blocks.
        self.blocking = UserPool(user_pool_id, client_id, **options)

    @property
    def user_pool_id(self) -> str:
        return self.blocking.user_pool_id

    sign_in = _awaited(UserPool.sign_in)
    confirm_sign_in = _awaited(UserPool.confirm_sign_in)
    set_up_totp = _awaited(UserPool.set_up_totp)
    complete_new_password = _awaited(UserPool.complete_new_password)
    send_custom_challenge_answer = _awaited(UserPool.send_custom_challenge_answer)
    answer_challenge = _awaited(UserPool.answer_challenge)
    remember_device = _awaited(UserPool.remember_device)
    refresh = _awaited(UserPool.refresh)
    revoke = _awaited(UserPool.revoke)
    sign_out = _awaited(UserPool.sign_out)
    sign_up = _awaited(UserPool.sign_up)
    confirm_sign_up = _awaited(UserPool.confirm_sign_up)
    resend_sign_up = _awaited(UserPool.resend_sign_up)
    forgot_password = _awaited(UserPool.forgot_password)
    forgot_password_submit = _awaited(UserPool.forgot_password_submit)
    change_password = _awaited(UserPool.change_password)
    update_user_attributes = _awaited(UserPool.update_user_attributes)
    verify_user_attribute = _awaited(UserPool.verify_user_attribute)
    verify_user_attribute_submit = _awaited(UserPool.verify_user_attribute_submit)
    use_passkey = _awaited(UserPool.use_passkey)
    register_passkey = _awaited(UserPool.register_passkey)
    start_passkey_registration = _awaited(UserPool.start_passkey_registration)
    complete_passkey_registration = _awaited(UserPool.complete_passkey_registration)
    list_passkeys = _awaited(UserPool.list_passkeys)
    delete_passkey = _awaited(UserPool.delete_passkey)
    verify_totp_setup = _awaited(UserPool.verify_totp_setup)
    update_mfa_preference = _awaited(UserPool.update_mfa_preference)
    fetch_mfa_preference = _awaited(UserPool.fetch_mfa_preference)
    fetch_auth_factors = _awaited(UserPool.fetch_auth_factors)
    fetch_devices = _awaited(UserPool.fetch_devices)
    forget_device = _awaited(UserPool.forget_device)
    fetch_user_attributes = _awaited(UserPool.fetch_user_attributes)
    delete_user_attributes = _awaited(UserPool.delete_user_attributes)
    delete_user = _awaited(UserPool.delete_user)


class AsyncCognitoFederation(_Awaited[CognitoFederation]):
    """A federation for programs on asyncio: the members of `CognitoFederation`, to be awaited.

    Cancelling a call stops the waiting and not the work: what has begun is finished and stored.

    Args:
        identity_pool_id: ``REGION:GUID``.
        refresh_handlers: see `CognitoFederation.refresh_handlers`; coroutine functions run in the event loop of the
            program.
        user_pool: the user pool for `sign_in`.
        options: every other argument of `CognitoFederation`.

    Raises:
        ConfigurationError: an argument is wrong.
    """

    def __init__(
        self,
        identity_pool_id: str,
        *,
        refresh_handlers: Mapping[str, RefreshHandler] | None = None,
        user_pool: AsyncUserPool | UserPool | None = None,
        **options: Any,
    ) -> None:
        handlers = {name: self._on_the_loop(handler) for name, handler in (refresh_handlers or {}).items()}
        pool = user_pool.blocking if isinstance(user_pool, AsyncUserPool) else user_pool
        self._use(CognitoFederation(identity_pool_id, refresh_handlers=handlers, user_pool=pool, **options))

    def _use(self, federation: CognitoFederation) -> None:
        #: The same federation, for code that blocks.
        self.blocking = federation
        self._loop: asyncio.AbstractEventLoop | None = None
        self._asking: asyncio.Task[FederatedCredentials] | None = None

    @classmethod
    def of(cls, federation: CognitoFederation) -> AsyncCognitoFederation:
        """Return the asynchronous counterpart of a federation, such as one of `FederatedUsers`.

        Args:
            federation: the federation, which can be used on.

        Raises:
            ConfigurationError: this is not a federation.
        """
        if not isinstance(federation, CognitoFederation):
            raise ConfigurationError(
                f"AsyncCognitoFederation.of takes a CognitoFederation, not a {type(federation).__name__}",
                remedy="Pass the object, not its handle or its identity pool",
            )
        made = cls.__new__(cls)
        made._use(federation)
        return made

    @classmethod
    async def resume(cls, users: FederatedUsers, handle: str) -> AsyncCognitoFederation:
        """Return the federation of one of many users, signed in here or in another process with the same cache.

        Args:
            users: the users.
            handle: see `FederatedUsers.resume`.

        Raises:
            ConfigurationError: this is not a handle, or one of another identity pool.
            NotSignedInError: nobody is signed in under this handle.
        """
        return cls.of(await in_thread(lambda: users.resume(handle)))

    @classmethod
    async def from_profile(cls, profile: str | None = None) -> AsyncCognitoFederation:
        """Return the federation of a profile in ``~/.aws/config``, with the same stores as the command line.

        Args:
            profile: its name; by default botocore's own choice.

        Raises:
            ConfigurationError: there is no such profile, or it is wrong.
        """
        return cls.of(await in_thread(lambda: CognitoFederation.from_profile(profile)))

    @property
    def handle(self) -> str:
        """The name under which `FederatedUsers.resume` finds this user again.

        Raises:
            ConfigurationError: the federation was not made by `FederatedUsers`.
        """
        return self.blocking.handle

    def on(self, name: EventName, callback: Callback) -> Callable[[], None]:
        """Subscribe to an event; callbacks run in a thread, not in the event loop.

        Args:
            name: the name of the event.
            callback: called with each `Event` of that name.

        Returns:
            A function that ends the subscription.

        Raises:
            ConfigurationError: there is no such event, or the callback is not callable.
        """
        return self.blocking.on(name, callback)

    def aio_session(self, *, current_user: bool = False, min_remaining: float | None = None) -> AioSession:
        """Return an aiobotocore session whose clients use and renew these credentials; see `CognitoFederation.session`.

        Args:
            current_user: whether the clients sign for whoever is signed in at the time of the request.
            min_remaining: seconds for which the credentials of each request must be valid.

        Raises:
            ConfigurationError: aiobotocore is not installed.
        """
        return self.blocking.aio_session(current_user=current_user, min_remaining=min_remaining)

    async def current_credentials(
        self, force: bool = False, *, min_remaining: float | None = None
    ) -> FederatedCredentials:
        """Return the AWS credentials of the signed-in user, renewed if needed; see `CognitoFederation`.

        Args:
            force: renew login token and credentials now, because groups or roles of the user have changed.
            min_remaining: seconds for which the credentials must be valid.

        Returns:
            The credentials.

        Raises:
            NotSignedInError: the user is not signed in. Guest credentials never replace a user's.
            SignInRequiredError: the login token has expired and cannot be renewed.
            CognitoFederationError: the renewal failed and no credentials are usable.
        """
        if force or min_remaining:
            ask = partial(self.blocking.current_credentials, force, min_remaining=min_remaining)
            return await (self._call(ask) if force else self._in_thread(ask))
        at_hand = self.blocking._at_hand()
        if at_hand is not None:
            return at_hand
        asking = self._asking
        if asking is None or asking.done() or asking.get_loop() is not asyncio.get_running_loop():
            asking = self._asking = asyncio.create_task(self._in_thread(self.blocking.current_credentials))
            # The tasks that wait for it raise its failure; perhaps all of them have been cancelled.
            asking.add_done_callback(lambda done: done.cancelled() or done.exception())
        return await asyncio.shield(asking)

    federated_sign_in = _awaited(CognitoFederation.federated_sign_in)
    user_pool_tokens = _awaited(CognitoFederation.user_pool_tokens)
    current_authenticated_user = _awaited(CognitoFederation.current_authenticated_user)
    federated_info = _awaited(CognitoFederation.federated_info)
    link = _awaited(CognitoFederation.link)
    unlink = _awaited(CognitoFederation.unlink)
    sign_out = _awaited(CognitoFederation.sign_out)
    sign_in = _awaited(CognitoFederation.sign_in)
    federate = _awaited(CognitoFederation.federate)
    confirm_sign_in = _awaited(CognitoFederation.confirm_sign_in)
    complete_new_password = _awaited(CognitoFederation.complete_new_password)
    send_custom_challenge_answer = _awaited(CognitoFederation.send_custom_challenge_answer)
    answer_challenge = _awaited(CognitoFederation.answer_challenge)
    use_passkey = _awaited(CognitoFederation.use_passkey)

    async def _call(self, function: Callable[[], R]) -> R:
        # What was asked for before does not answer what is asked for afterwards: this call may change the user.
        self._asking = None
        try:
            return await self._in_thread(function)
        finally:
            self._asking = None

    async def _in_thread(self, function: Callable[[], R]) -> R:
        self._loop = asyncio.get_running_loop()
        return await in_thread(function)

    def _on_the_loop(self, handler: RefreshHandler) -> RefreshHandler:
        """Return a handler that runs a coroutine function in the program's event loop, whose objects it may use."""
        if not inspect.iscoroutinefunction(handler):
            return handler

        @functools.wraps(handler)
        async def call(*args: Any, **kwargs: Any) -> Any:
            answer, loop = handler(*args, **kwargs), self._loop
            if loop is None or not loop.is_running():
                return await answer
            return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(answer, loop))

        return call
