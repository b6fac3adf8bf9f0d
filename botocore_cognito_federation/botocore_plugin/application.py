"""botocore's side of an application's own federation: its place in every session's chain, and its shared clients."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from botocore.credentials import CredentialProvider, CredentialResolver, ReadOnlyCredentials
from botocore.loaders import JSONFileLoader, Loader

from ..errors import NotSignedInError
from ..events import Events
from ..identity_pool.client import Clients
from .credentials import APPLICATION_METHOD as METHOD
from .credentials import RefreshableCognitoCredentials

if TYPE_CHECKING:
    from botocore.session import Session

    from ..config.settings import Settings
    from ..credentials import FetchResult


class ApplicationCredentials(RefreshableCognitoCredentials):
    """Credentials of an application's federation: all its sessions and clients share one object.

    Args:
        fetch: returns a `FetchResult`.
        clock: returns seconds since the epoch.
        marker: represents the federation in the check for refresh handlers that wait for it.
        events: the events of a renewal are emitted after these credentials are in place.
    """

    def __init__(
        self, fetch: Callable[[], FetchResult], clock: Callable[[], float], *, marker: object, events: Events
    ) -> None:
        super().__init__(fetch, clock)
        self._marker = marker
        self._events = events
        self._sign_outs = 0

    def forget(self) -> None:
        """Forget the credentials: the next caller gets those of the user who is signed in then."""
        self._sign_outs += 1
        self._refresh_at = self._usable_until = 0.0

    def get_frozen_credentials(self) -> ReadOnlyCredentials:
        sign_outs = self._sign_outs
        frozen = super().get_frozen_credentials()
        if sign_outs != self._sign_outs:
            self._refresh_at = self._usable_until = 0.0
            raise NotSignedInError("The user signed out meanwhile", remedy="Sign in, then try again")
        return frozen

    def _renew(self) -> None:
        from .._util.concurrency import refuse_reentry

        refuse_reentry(self._marker, "The refresh handler")
        with self._events.held():
            super()._renew()

    def _publish(self, result: FetchResult) -> None:
        sign_outs = self._sign_outs
        super()._publish(result)
        if sign_outs != self._sign_outs:
            self._refresh_at = self._usable_until = 0.0


class ApplicationProvider(CredentialProvider):
    """The installed federation, for sessions that were given neither keys nor a profile.

    A profile or keys in the environment are not a session's own. An application that installs its federation wants it
    to be used, on a developer's machine with ``AWS_PROFILE`` as well as on a platform that sets keys (AWS Lambda).
    """

    METHOD = METHOD
    CANONICAL_NAME = "customCognitoFederationApplication"

    def __init__(self, session: Session) -> None:
        self._session = session

    def load(self) -> Any:
        if self._session.instance_variables().get("profile") is not None:
            return None
        return _installed


class AioApplicationProvider(ApplicationProvider):
    """The provider of the installed federation in the chain of an `aiobotocore.session.AioSession`."""

    async def load(self) -> Any:
        found = super().load()
        if found is None:
            return None
        from .aio import AioRefreshableCognitoCredentials

        return AioRefreshableCognitoCredentials(found)


class _Only(CredentialProvider):
    METHOD = METHOD
    CANONICAL_NAME = ApplicationProvider.CANONICAL_NAME

    def __init__(self, credentials: ApplicationCredentials) -> None:
        self._credentials = credentials

    def load(self) -> Any:
        return self._credentials


_installed: ApplicationCredentials | None = None


def session_with(credentials: ApplicationCredentials, region: str) -> Session:
    """Return a botocore session whose clients use these credentials and no others."""
    from botocore.session import Session

    session = share_models(Session())
    session.register_component("credential_provider", CredentialResolver(providers=[_Only(credentials)]))
    session.set_config_variable("region", region)
    return session


def installed() -> ApplicationCredentials | None:
    """Return the credentials of the installed federation, or None."""
    return _installed


def set_installed(credentials: ApplicationCredentials | None) -> None:
    """Install the credentials of a federation, in place of any others."""
    global _installed
    _installed = credentials


#: Sets of clients that one process shares at once: pools' regions, endpoints, and variables that change.
_MOST_SHARED = 8
#: The settings that a client depends on.
_OF_CLIENTS = ("identity_pool_id", "region_name", "endpoint_url")
#: Variables that botocore reads in addition to AWS_* and *_PROXY, and those that unsigned calls do not depend on.
_OTHERS = ("HOME", "USERPROFILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
_KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")


def shared_clients(settings: Settings, environ: Mapping[str, str]) -> Clients:
    """Return the clients that all federations of this process with the same endpoints share.

    An application makes a federation for each of its users, and one client costs as much as a hundred calls: 190 ms and
    8 MB, measured with botocore 1.44. The variables for endpoints, proxies and certificates are part of the key.
    """
    variables = tuple(sorted(each for each in environ.items() if _shapes_calls(each[0])))
    return _shared(type(settings)(**{name: getattr(settings, name) for name in _OF_CLIENTS}), variables)


@lru_cache(maxsize=_MOST_SHARED)
def _shared(settings: Settings, variables: tuple[tuple[str, str], ...]) -> Clients:
    from botocore.session import Session

    return Clients(settings, lambda: share_models(Session()))


def _shapes_calls(variable: str) -> bool:
    if variable in _KEYS:
        return False
    return variable.startswith("AWS_") or variable.lower().endswith("_proxy") or variable in _OTHERS


#: The directory of the models that botocore ships.
_ITS_OWN = Loader.BUILTIN_DATA_PATH


def share_models(session: Session) -> Session:
    """Let a session use botocore's own models that were already read; other models it reads itself."""
    session.get_component("data_loader").file_loader = _Shared()
    return session


class _Shared(JSONFileLoader):
    def load_file(self, file_path: str) -> Any:
        return _read(file_path) if file_path.startswith(_ITS_OWN) else super().load_file(file_path)


@lru_cache(maxsize=256)
def _read(file_path: str) -> Any:
    return JSONFileLoader().load_file(file_path)
