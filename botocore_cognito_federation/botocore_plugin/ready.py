"""Credentials objects made of an answer that is kept ready, without resolving the configuration it came from.

Resolving it takes as long as all the rest of a program's way to its first request. An answer counts for exactly one
configuration, so whoever finds it need not know what that says before it is time to renew.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import datetime, timezone
from json import loads
from threading import Lock
from time import time
from typing import TYPE_CHECKING, Any

from ..process import ENTRY, FIELD, Question, read_answer
from .credentials import FederationCredentials

if TYPE_CHECKING:
    from collections.abc import Callable

    from botocore.session import Session

    from ..credentials import FederatedCredentials
    from ..federation import Served
    from ..process import ReadyAnswer
    from ..settings import Settings

    Place = tuple[str, tuple[str, ...]]

#: One object for all sessions that ask the same question with a token from the same place.
_ready: dict[Place, FederationCredentials] = {}
#: Those of them whose configuration `shared` has not looked at so far.
_unresolved: list[tuple[FederationCredentials, Later]] = []
#: From then on configurations are resolved: objects of equal ones are one, however often a file was rewritten.
_MOST = 16
_lock = Lock()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=lambda: globals().update(_lock=Lock()))

#: Whether some configuration was resolved in this process, which makes it cheap to resolve another.
_resolving = False


class Later:
    """What is needed to resolve a configuration later on as it is now.

    Attributes:
        environ: the variables of now.
    """

    def __init__(self, question: Question, answer: ReadyAnswer, session: Session, profile: str | None) -> None:
        self.environ = dict(os.environ)
        self._question = question
        self._answer = answer
        self._profile = profile
        self._full_config: Mapping[str, Any] | None = session.full_config
        self._config_file = str(session.get_config_variable("config_file"))
        self._session = beside(session, profile)
        self._settings: Settings | None = None
        self._serve: Callable[[], Served] | None = None

    def settings(self) -> Settings:
        """The settings.

        Raises:
            CognitoFederationError: they are wrong, which no answer was ever made of.
        """
        if self._settings is None:
            from ..settings.load import settings_of_config

            assert self._full_config is not None
            found = settings_of_config(self._full_config, self._config_file, self._profile, environ=self.environ)
            assert found is not None  # the answer was made of it
            self._settings, self._full_config = found, None
        return self._settings

    def serve(self) -> Served:
        """What the federation of these settings serves, to whom the answer belonged."""
        if self._serve is None:
            from .shared import serving

            who = self._answer.who.partition(FIELD)[0]
            self._serve = serving(self.settings(), self._question, self._session, who=who, last=self._last())
        return self._serve()

    def _last(self) -> FederatedCredentials | None:
        """What the answer held, if nobody has signed out since."""
        from ..credentials import FederatedCredentials
        from ..ready_answer import bindings_of

        # With no token source they are the generations alone, which come first.
        if not self._answer.bindings.startswith(bindings_of(self.settings(), (), self._question) or FIELD):
            return None
        access_key, secret_key, token, account_id, expiration = _parts(self._answer)
        identity_id = self._answer.who.partition(FIELD)[2]
        return FederatedCredentials(
            access_key,
            secret_key,
            token,
            expiration.timestamp(),
            self._answer.issued,
            identity_id,
            account_id,
            not self.settings().is_guest,
        )


def beside(session: Session, profile: str | None) -> Callable[[], Session]:
    """Makes the session of our own calls, for the same profile, with what another one has read of AWS's models.

    They are the most of what a client costs: 24,000 objects for the endpoints alone, which the session reads for its
    own clients anyway. Read again in a thread beside an event loop, they held that loop up for some 20 ms.
    """
    loader = session.get_component("data_loader")

    def make() -> Session:
        from botocore.loaders import Loader
        from botocore.session import Session

        made = Session(profile=profile)
        # Not that of a copy of botocore which a tool carries: it has models of another version.
        if isinstance(loader, Loader):
            made.register_component("data_loader", loader)
        return made

    return make


def ready_credentials(question: Question, session: Session, profile: str | None) -> FederationCredentials | None:
    """Credentials for the answer that is kept ready for a question; None where there is none that is fresh.

    Args:
        question: the question.
        session: the session that asks it; it has read the configuration that the question is about.
        profile: its profile.
    """
    answer = read_answer(question)
    if answer is None or answer.kind != "credentials" or not answer.is_fresh(time()):
        return None
    place = (question.fingerprint, _token_place(answer))
    with _lock:
        found = _ready.get(place)
        if found is None and not _resolving and len(_ready) < _MOST:
            later = Later(question, answer, session, profile)
            found = FederationCredentials(later.serve)
            *keys, expiration = _parts(answer)
            found.put(keys, expiration=expiration, serve_until=answer.until, ask_again_at=answer.refresh_at)
            _ready[place] = found
            _unresolved.append((found, later))
        return found


def take_unresolved() -> list[tuple[FederationCredentials, Later]]:
    """The objects that `shared` has to know of from now on."""
    global _resolving
    with _lock:
        _resolving = True
        taken = _unresolved[:]
        _unresolved.clear()
        return taken


def _token_place(answer: ReadyAnswer) -> tuple[str, ...]:
    """Where the login token is: the value of a variable, or the path of a file, whatever it holds."""
    entries = answer.bindings.split(ENTRY)
    return tuple(entry if entry.startswith("variable") else entry.rpartition(FIELD)[0] for entry in entries)


def _parts(answer: ReadyAnswer) -> tuple[str, str, str, str | None, datetime]:
    """Access key, secret key, token, account and expiry."""
    document = loads(answer.text)
    keys = document["AccessKeyId"], document["SecretAccessKey"], document["SessionToken"], document.get("AccountId")
    return *keys, datetime.fromisoformat(document["Expiration"].rstrip("Z")).replace(tzinfo=timezone.utc)
