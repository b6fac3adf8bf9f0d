"""Signs a person in, then proves it by exchanging the token for AWS credentials."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ..cache.answers import forget_answers
from ..cache.base import Store
from ..cache.sessions import Session
from ..config.loader import default_directory
from ..config.settings import Settings
from ..credentials import FederatedCredentials
from ..errors import (
    CognitoFederationError,
    SignInRequiredError,
    StorageError,
    TemporaryError,
    reworded,
    without_frames,
)
from ..factory import fetcher_for
from .interactive import Environment, LoginOptions, sign_in_only
from .terminal import Screen

if TYPE_CHECKING:
    from botocore.session import Session as BotocoreSession


@dataclass(frozen=True)
class SignedIn:
    """A sign-in that is kept and proved.

    Attributes:
        session: what is kept.
        credentials: the AWS credentials it gives; None for a session that has no identity pool of its own: it is there
            for profiles, or to be linked, and an exchange by itself would make an identity nobody wants.
        joined: another process signed in while this one waited.
    """

    session: Session
    credentials: FederatedCredentials | None
    joined: bool = False


def sign_in(
    settings: Settings,
    *,
    store: Store,
    screen: Screen,
    options: LoginOptions,
    environment: Environment,
    open_session: Callable[[str], BotocoreSession] | None = None,
) -> SignedIn:
    """Sign a person in and exchange the token.

    Args:
        settings: the configuration.
        store: where the session is stored.
        screen: what the person sees.
        options: what the person asked for.
        environment: the machine.
        open_session: see `fetcher_for`.

    Raises:
        SignInFailedError: refused, cancelled, timed out, or somebody else is signed in.
        ConfigurationError: there is nothing to sign in to, or it cannot work.
        TemporaryError, StorageError, FederationRefusedError: as they say; a session that was kept stays.
        KeyboardInterrupt: at once.
    """
    session, joined = sign_in_only(settings, store=store, screen=screen, options=options, environment=environment)
    if settings.profile is None and settings.origin("identity_pool_id").layer != "session":
        return SignedIn(session, None, joined)
    # Where the provider has ended the sign-in at once, another one would end the same way.
    quiet = replace(settings, auto_login="never")
    federation = fetcher_for(quiet, store=store, environ=environment.environ, open_session=open_session)
    try:
        # Also where some are kept and live: people sign in again because their groups or the pool's roles have changed.
        credentials = federation.credentials() if joined else federation.fetch_fresh()
    except CognitoFederationError as error:
        raise _though_signed_in(error, session) from None
    if not joined:
        with contextlib.suppress(StorageError):
            forget_answers(default_directory(environment.environ))
    return SignedIn(session, credentials, joined)


def _though_signed_in(error: CognitoFederationError, session: Session) -> CognitoFederationError:
    """What hindered the exchange, said to somebody whose sign-in is kept, so that they need not sign in again."""
    if isinstance(error, SignInRequiredError):
        return error  # they have signed out meanwhile, or the provider has ended it at once
    remedy = error.remedy
    if isinstance(error, TemporaryError | StorageError):
        remedy = f"{remedy}; there is no need to sign in again" if remedy else "Use the profile; that tries again"
    what = f"{session.who} is signed in, but AWS credentials could not be obtained: {error.what}"
    return without_frames(reworded(error, what=what, remedy=remedy))
