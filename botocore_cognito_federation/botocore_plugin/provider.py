"""The credential provider: silent for every profile that is not ours, and for ours never a way past a failure."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from botocore.credentials import CredentialProvider

from ..assembly import serving_for
from ..process import bound
from ..profile_chain import refuse_a_circle
from ..settings import Settings, settings_of_session
from ..settings.keys import NAMED_URLS
from ..storage import default_directory
from ..tokens import token_bindings
from .credentials import METHOD, FederationCredentials

if TYPE_CHECKING:
    from botocore.session import Session

#: What tells a platform's token endpoint whose token is asked for; see `tokens.platforms`.
_OF_PLATFORMS = (
    "ACTIONS_ID_TOKEN_REQUEST_URL",
    "ACTIONS_ID_TOKEN_REQUEST_TOKEN",
    "AZURE_CLIENT_ID",
    "GCE_METADATA_HOST",
    "IDENTITY_ENDPOINT",
    "IDENTITY_HEADER",
)

#: One credentials object for all sessions and clients of a configuration in this process.
_shared: dict[tuple[Settings, str, tuple[str, ...]], FederationCredentials] = {}
_shared_lock = threading.Lock()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=lambda: globals().update(_shared_lock=threading.Lock()))


class CognitoFederationProvider(CredentialProvider):
    """Credentials for a profile with ``cognito_*`` keys.

    Args:
        session: the botocore session whose configuration counts.
        profile_name: the profile; None for the session's own, looked up when credentials are loaded, because boto3
            sets it only after the session was made.
        in_use: False for the parent of a ``source_profile``, which variables do not touch.
    """

    METHOD = METHOD
    CANONICAL_NAME = "customCognitoFederation"

    def __init__(self, session: Session, profile_name: str | None = None, *, in_use: bool = True) -> None:
        self._session = session
        self._profile_name = profile_name
        self._in_use = in_use

    def load(self) -> Any:
        """Credentials, or None for a profile that is not ours.

        Raises:
            CognitoFederationError: the profile is ours and wrong; botocore's chain ends here.
        """
        settings = self._settings()
        if settings is None:
            return None
        refuse_a_circle(os.environ, settings.profile)
        _count_feature()
        return shared_credentials(settings, self._session)

    def _settings(self) -> Settings | None:
        profile = self._profile_name or self._session.get_config_variable("profile")
        return settings_of_session(self._session, profile, in_use=self._in_use)


def shared_credentials(settings: Settings, session: Session) -> FederationCredentials:
    """The credentials object of a configuration: the same one for every session of this process.

    Args:
        session: the one that asks; see `_beside`.
    """
    key = (settings, default_directory(os.environ), _token_place(settings))
    with _shared_lock:
        found = _shared.get(key)
        if found is None:
            found = _shared[key] = FederationCredentials(
                serving_for(settings, session=_beside(session, settings.profile), one_identity=True)
            )
        return found


def _beside(session: Session, profile: str | None) -> Callable[[], Session]:
    """Makes the session of our own calls, for the same profile, with what another one has read of AWS's models.

    They are the most of what a client costs: 24,000 objects for the endpoints alone, which the session reads for its
    own clients anyway. Read again in a thread beside an event loop, they held that loop up for some 20 ms.
    """
    from botocore.loaders import Loader
    from botocore.session import Session

    loader = session.get_component("data_loader")

    def make() -> Session:
        made = Session(profile=profile)
        # Not that of a copy of botocore which a tool carries: it has models of another version.
        if isinstance(loader, Loader):
            made.register_component("data_loader", loader)
        return made

    return make


def _token_place(settings: Settings) -> tuple[str, ...]:
    """Where the login token is, as far as this process's variables say it: its own value, or the path of a file.

    A worker that sets them for each job in turn must not get one job's identity for the next one.
    """
    bindings = token_bindings(settings) or ()
    names = [settings.token_headers_env] if settings.token_headers_env else []
    if settings.token_url in NAMED_URLS:
        names += _OF_PLATFORMS
    return (
        *(bound(binding.kind, binding.name) if binding.kind == "variable" else binding.name for binding in bindings),
        *(bound("variable", name) for name in names),
    )


def _count_feature() -> None:
    """Tell AWS, as its own providers do, that credentials came by way of a profile."""
    try:
        from botocore.useragent import register_feature_id  # botocore 1.37.3
    except ImportError:
        return
    register_feature_id("CREDENTIALS_PROFILE")
