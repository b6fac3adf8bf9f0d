"""One client for many users: each request is signed for the user for whom the running code acts.

A context variable says for whom. A new thread or asyncio task has a copy of its parent's, so nothing that another one
does changes it. A generator has none: what it sets inside a ``with`` block stays set while it is suspended, for what
runs in between. Therefore a block also counts only while the function that contains it is running, which the stack
shows; and a thread or task does not inherit the block of a generator, because it cannot see whether the generator or
what runs in between has started it. A wrong answer here would sign one user's request for another.
"""

from __future__ import annotations

import functools
import inspect
import sys
import threading
from contextvars import Context, ContextVar, copy_context
from copy import copy
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Any

from botocore.credentials import CredentialProvider, Credentials, ReadOnlyCredentials

from ..errors import ConfigurationError, NotSignedInError
from .credentials import APPLICATION_METHOD

if TYPE_CHECKING:
    from collections.abc import Callable

    from botocore.session import Session

    from .shared import ApplicationCredentials

_REMEDY = "Put `with users.acting_as(…)` around the call, in the function that makes it or in one that calls it"
#: A function that enters a block for its caller; the block is then the caller's.
_ENTERS = frozenset({"__enter__", "__aenter__", "enter_context", "enter_async_context"})
_SUSPENDABLE = inspect.CO_GENERATOR | inspect.CO_ASYNC_GENERATOR
_current: ContextVar[Acting | None] = ContextVar("cognito-federation user", default=None)
_thread = threading.local()


class Acting:
    """A ``with`` block that acts as one user.

    Args:
        credentials: those of the user.

    Raises:
        ConfigurationError: the block ends in another thread, task or context than the one that it began in.
    """

    def __init__(self, credentials: ApplicationCredentials) -> None:
        self.credentials = credentials
        self._place: object = None
        self._function: FrameType | None = None
        self._around: Acting | None = None
        self._is_of_a_generator = False

    def __enter__(self) -> None:
        if self._place is not None:
            raise ConfigurationError("This block is in use already", remedy="Call users.acting_as for each block")
        self._around, self._place = _current.get(), _place()
        self._function = _function_of_the_block()
        self._is_of_a_generator = bool(self._function.f_code.co_flags & _SUSPENDABLE)
        _current.set(self)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._function = None
        if _place() is not self._place:
            if error is None:
                raise ConfigurationError(
                    "This block ends in another thread, task or context than the one that it began in", remedy=_REMEDY
                )
            return
        last = _current.get()
        while last is not None and last._place is self._place and last._function is None:
            last = last._around
        _current.set(last)

    def user(self) -> ApplicationCredentials:
        """Return the credentials of the user for whom the running code acts, if this is its innermost block.

        Raises:
            NotSignedInError: it acts for none, or it cannot be told for whom.
        """
        here = _place()
        block: Acting | None = self
        while block is not None:
            if block._place is not here:  # It was in effect where this thread or task was started.
                if block._is_of_a_generator:
                    raise NotSignedInError(
                        "A thread or task cannot tell whether the generator with the block started it", remedy=_REMEDY
                    )
                return block.credentials
            if block._function is not None and _is_running(block._function):
                return block.credentials
            block = block._around
        raise NotSignedInError("The block that acts for a user is suspended or has ended here", remedy=_REMEDY)


def acting_user() -> ApplicationCredentials:
    """Return the credentials of the user for whom the running code acts.

    Raises:
        NotSignedInError: it acts for none, or it cannot be told for whom.
    """
    acting = _current.get()
    if acting is None:
        raise NotSignedInError("This code acts for no user", remedy=_REMEDY)
    return acting.user()


def _place() -> object:
    """Return an object that stands for the running asyncio task, or else for the thread."""
    if "asyncio" in sys.modules:
        import asyncio

        try:
            task = asyncio.current_task()
        except RuntimeError:  # No event loop runs in this thread.
            task = None
        if task is not None:
            return task
    try:
        return _thread.place
    except AttributeError:
        _thread.place = object()
        return _thread.place


def _function_of_the_block() -> FrameType:
    """Return the frame of the function whose block it is: not that of a context manager which enters it for another."""
    frame = sys._getframe(2)
    while (caller := frame.f_back) is not None:
        enters = frame.f_code.co_name in _ENTERS
        is_context_manager = frame.f_code.co_flags & _SUSPENDABLE and caller.f_code.co_name in _ENTERS
        if not enters and not is_context_manager:
            break
        frame = caller
    return frame


def _is_running(function: FrameType) -> bool:
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame is not function:
        frame = frame.f_back
    return frame is not None


class ActingCredentials(Credentials):
    """Credentials of the user for whom the running code acts, asked for at each signature."""

    method = APPLICATION_METHOD

    def __init__(self) -> None:
        """Do not call the base class, which sets keys."""

    access_key = property(lambda self: acting_user().access_key)
    secret_key = property(lambda self: acting_user().secret_key)
    token = property(lambda self: acting_user().token)
    account_id = property(lambda self: acting_user().account_id)

    def get_frozen_credentials(self) -> ReadOnlyCredentials:
        """Return the user's credentials, consistent with each other.

        Raises:
            CognitoFederationError: the code acts for no user, or no credentials of the user are available.
        """
        return acting_user().get_frozen_credentials()


class ActingProvider(CredentialProvider):
    """The only provider of a session for many users."""

    METHOD = APPLICATION_METHOD
    CANONICAL_NAME = "customCognitoFederationUsers"

    def load(self) -> ActingCredentials:
        return ActingCredentials()


def prepare_s3(session: Session) -> None:
    """Keep users apart in what S3 clients do beside a signature.

    Transfers work in threads of their own, which have no user: their calls are made with the caller's. Sessions of
    directory buckets (CreateSession) are cached by bucket and not by user: each request there is signed by itself.
    """
    emitter = session.get_component("event_emitter")
    emitter.register_first("choose-signer.s3", _sign_without_session)
    # Last, after boto3 has added the methods for transfers.
    emitter.register_last("creating-client-class.s3", _transfer_as_the_caller)


def _sign_without_session(signature_version: Any, **_: Any) -> str | None:
    """Choose the signature by credentials where botocore would begin a session of a directory bucket.

    The setting `s3_disable_express_session_auth` does the same, but older versions of botocore lack it.
    """
    return "s3v4" if str(signature_version).startswith("v4-s3express") else None


def _transfer_as_the_caller(class_attributes: dict[str, Any], **_: Any) -> None:
    for name in ("upload_file", "download_file", "copy", "upload_fileobj", "download_fileobj"):
        if name in class_attributes:
            class_attributes[name] = _in_context_of_the_caller(class_attributes[name])


def _in_context_of_the_caller(method: Callable[..., Any]) -> Callable[..., Any]:
    """Return a transfer method of boto3 whose threads make their calls in the context of its caller."""
    signature = inspect.signature(method)

    @functools.wraps(method)
    def transfer(self: Any, *args: Any, **kwargs: Any) -> Any:
        from boto3.s3.transfer import TransferConfig

        context = copy_context()
        context.run(_current.set, Acting(acting_user()))
        bound = signature.bind(_InContext(self, context), *args, **kwargs)
        config = copy(bound.arguments.get("Config") or TransferConfig())
        config.preferred_transfer_client = "classic"  # The CRT signs in threads that know no context.
        bound.arguments["Config"] = config
        if bound.arguments.get("SourceClient") is not None:
            bound.arguments["SourceClient"] = _InContext(bound.arguments["SourceClient"], context)
        return method(*bound.args, **bound.kwargs)

    return transfer


class _InContext:
    """A client whose calls are made in a context, from whichever thread."""

    def __init__(self, client: Any, context: Context) -> None:
        self._client, self._context = client, context

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._client, name)
        if not callable(found):
            return found
        # A copy, because two threads cannot be in one context at once.
        return lambda *args, **kwargs: self._context.copy().run(found, *args, **kwargs)
