"""One credentials object for all sessions and clients of a configuration in this process."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING

from ..assembly import federation_for
from ..errors import CognitoFederationError
from ..federation import who_of
from ..process import state_of_variable
from ..profile_chain import refuse_a_circle
from ..ready_answer import keeping_served
from ..serving import serving_for
from ..settings import Settings, settings_of_session
from ..settings.keys import NAMED_URLS
from ..storage import default_directory
from ..tokens import token_bindings
from .credentials import FederationCredentials
from .ready import beside, take_unresolved

if TYPE_CHECKING:
    from botocore.session import Session

    from ..credentials import FederatedCredentials
    from ..federation import Served
    from ..process import Question

#: What tells a platform's token endpoint whose token is asked for; see `tokens.platforms`.
_OF_PLATFORMS = (
    "ACTIONS_ID_TOKEN_REQUEST_URL",
    "ACTIONS_ID_TOKEN_REQUEST_TOKEN",
    "AZURE_CLIENT_ID",
    "GCE_METADATA_HOST",
    "IDENTITY_ENDPOINT",
    "IDENTITY_HEADER",
)

_Key = tuple[Settings, str, tuple[str, ...]]

_shared: dict[_Key, FederationCredentials] = {}
_shared_lock = threading.Lock()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=lambda: globals().update(_shared_lock=threading.Lock()))


def credentials_of_session(
    session: Session, profile: str | None, *, in_use: bool, question: Question | None
) -> FederationCredentials | None:
    """The credentials of a session's profile, or None where the profile is not ours.

    Args:
        question: what ``credential-process`` would be asked; None where an answer must not be kept for it.

    Raises:
        CognitoFederationError: the profile is ours and wrong.
    """
    settings = settings_of_session(session, profile, in_use=in_use)
    if settings is None:
        return None
    refuse_a_circle(os.environ, settings.profile)
    return shared_credentials(settings, session, question)


def shared_credentials(settings: Settings, session: Session, question: Question | None = None) -> FederationCredentials:
    """The credentials object of a configuration: the same one for every session of this process.

    Args:
        session: the one that asks; see `beside`.
        question: see `credentials_of_session`.
    """
    key = _key(settings, os.environ)
    with _shared_lock:
        for credentials, later in take_unresolved():
            with suppress(CognitoFederationError):
                _shared.setdefault(_key(later.settings(), later.environ), credentials)
        found = _shared.get(key)
        if found is None:
            serve = serving(settings, question, beside(session, settings.profile), who=_whose(settings))
            found = _shared[key] = FederationCredentials(serve)
        return found


def serving(
    settings: Settings,
    question: Question | None,
    session: Callable[[], Session],
    *,
    who: str = "",
    last: FederatedCredentials | None = None,
) -> Callable[[], Served]:
    """What serves the credentials of a configuration to one identity, and keeps them ready for others who ask.

    Args:
        question: see `credentials_of_session`.
        session: see `beside`.
        who: whose they are so far; see `federation.Served`.
        last: see `federation.Federation`.
    """
    serve = serving_for(settings, session=session, only_for=who, last=last)
    return serve if question is None else keeping_served(question, settings, serve)


def _whose(settings: Settings) -> str:
    """Whose the token is that a variable or a file holds now; the object is theirs, though it may be used later on."""
    if settings.logins or not (settings.token_env or settings.token_file):
        return ""
    try:
        return who_of(federation_for(settings).login())
    except CognitoFederationError:
        return ""  # told to whoever asks for credentials


def _key(settings: Settings, environ: Mapping[str, str]) -> _Key:
    return settings, default_directory(environ), _token_place(settings, environ)


def _token_place(settings: Settings, environ: Mapping[str, str]) -> tuple[str, ...]:
    """Where the login token is, as far as variables say it: its own value, or the path of a file.

    A worker that sets them for each job in turn must not get one job's identity for the next one.
    """
    bindings = token_bindings(settings) or ()
    names = [binding.name for binding in bindings if binding.kind == "variable"]
    names += [settings.token_headers_env] if settings.token_headers_env else []
    if settings.token_url in NAMED_URLS:
        names += _OF_PLATFORMS
    files = (binding.name for binding in bindings if binding.kind != "variable")
    return (*files, *(f"{name}={state_of_variable(name, environ)}" for name in names))
