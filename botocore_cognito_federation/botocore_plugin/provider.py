"""The credential provider: silent for every profile that is not ours, and for ours never a way past a failure.

Where an answer is stored ready for exactly the question that a session asks, as `_fast_path` reads it, its credentials
are served and nothing else is imported: the configuration is resolved when they are to be renewed.

`install` uses botocore's public initializers, which run while a session is made and before boto3 has told it its
profile; the provider is therefore put into the chain only when the chain is first asked for. Where anything about that
fails, the stock chain is left as it is.
"""

from __future__ import annotations

import inspect
import logging
import os
import sys
from functools import partial
from typing import TYPE_CHECKING, Any

from botocore.credentials import CredentialProvider

from .._fast_path import CHAIN_VARIABLE, CacheQuery, configuration_files, expanded
from .._util.concurrency import prepare_for_forks
from .credentials import APPLICATION_METHOD, METHOD, ready_credentials

if TYPE_CHECKING:
    from collections.abc import Callable

    from botocore.credentials import CredentialResolver
    from botocore.session import Session

    from .application import ApplicationCredentials

    Files = tuple[str, str, str, str]


class CognitoFederationProvider(CredentialProvider):
    """Credentials for a profile with ``cognito_*`` keys.

    Args:
        session: the botocore session whose configuration counts.
        profile_name: the profile; None for the session's own, looked up when credentials are loaded, because boto3
            sets it only after the session was made.
        in_use: False for the parent of a ``source_profile``, which variables do not touch.
        files: the configuration files as `_fast_path.configuration_files` saw them before the session read them; None
            where nobody looked.
        open_session: opens a session for another profile, which may be one of this tool; the default knows none.
    """

    METHOD = METHOD
    CANONICAL_NAME = "customCognitoFederation"

    def __init__(
        self,
        session: Session,
        profile_name: str | None = None,
        *,
        in_use: bool = True,
        files: tuple[str, str, str, str] | None = None,
        open_session: Callable[[str], Session] | None = None,
    ) -> None:
        self._session = session
        self._profile_name = profile_name
        self._in_use = in_use
        self._files = files
        self._open_session = open_session or _plain_session

    def load(self) -> Any:
        """Credentials, or None for a profile that is not ours.

        Raises:
            CognitoFederationError: the profile is ours and wrong; botocore's chain ends here.
        """
        profile = self._profile_name or self._session.get_config_variable("profile")
        query = self._query(profile)
        found = ready_credentials(query, self._session, profile, self._open_session) if query is not None else None
        if found is None:
            prepare_for_forks()
            from .shared import credentials_of_session

            found = credentials_of_session(
                self._session, profile, in_use=self._in_use, query=query, open_session=self._open_session
            )
        if found is not None:
            _count_feature()
        return found

    def _query(self, profile: str | None) -> CacheQuery | None:
        """What ``credential-process`` would be asked; None where this session may know another configuration."""
        if self._files is None or not self._in_use or CHAIN_VARIABLE in os.environ:
            return None
        own = [expanded(str(self._session.get_config_variable(name))) for name in ("config_file", "credentials_file")]
        query = CacheQuery(profile or "default", os.environ)
        return query if query.files == self._files and own == [*query.files[:2]] else None


def _plain_session(profile: str) -> Session:
    from botocore.session import Session

    return Session(profile=profile)


def _count_feature() -> None:
    """Tell AWS, as its own providers do, that credentials came by way of a profile."""
    try:
        from botocore.useragent import register_feature_id  # botocore 1.37.3
    except ImportError:
        return
    register_feature_id("CREDENTIALS_PROFILE")


logger = logging.getLogger(__name__)
_COMPONENT = "credential_provider"
#: The same precedence in process and by ``credential_process``.
_BEFORE = "custom-process"


def install() -> None:
    """Give every botocore session of this process the provider; existing default sessions are mended too.

    From here on profiles with ``cognito_*`` keys work in boto3 without a process being started. Calling it again does
    nothing.

    NOTE: A worker process that starts as a new interpreter (multiprocessing by spawn or forkserver, loky, dask, ray)
    knows nothing of it. It is served by the profile's ``credential_process``, or installs the provider itself:
    ``initializer=install``. Python offers no way to reach it from here that is not a patch of multiprocessing.
    """
    import botocore

    register_in(botocore)
    session = _default_session()
    if session is not None:
        _decorate_or_leave(session.get_component(_COMPONENT), session)


def install_application(credentials: ApplicationCredentials) -> None:
    """Make an application's federation the source of every session without keys or a profile of its own."""
    from .application import set_installed

    set_installed(credentials)
    install()
    session: Any = _default_session()
    if session is not None:
        # What it has resolved so far came from elsewhere.
        session._credentials = None


def uninstall_application(credentials: ApplicationCredentials) -> None:
    """Take an application's federation out again; does nothing where another one is installed meanwhile."""
    from .application import installed, set_installed

    if installed() is credentials:
        set_installed(None)
        _forget_in_default_session()


def _forget_in_default_session() -> None:
    from .application import ApplicationCredentials

    session: Any = _default_session()
    if session is not None and isinstance(session._credentials, ApplicationCredentials):
        session._credentials = None


def register_in(botocore_module: Any) -> None:
    """Register with a botocore module: the one everybody imports, or the copy that the AWS CLI carries."""
    if hasattr(botocore_module, "register_initializer"):
        uninitialized = initialize not in getattr(botocore_module, "_INITIALIZERS", ())
        if uninitialized:
            botocore_module.register_initializer(initialize)


def uninstall() -> None:
    """Take the provider out of future sessions and of the default session; credentials in use go on working."""
    import botocore

    from .application import set_installed

    try:
        botocore.unregister_initializer(initialize)
    except ValueError:
        logger.debug("The provider was not installed")
    set_installed(None)
    _forget_in_default_session()
    session = _default_session()
    if session is not None:
        _undecorate(session.get_component(_COMPONENT))


def initialize(session: Session) -> None:
    """What botocore calls for each new session."""
    files = configuration_files(os.environ)
    session.lazy_register_component(_COMPONENT, partial(_decorated_chain, session, files))


def _decorated_chain(session: Any, files: Files) -> CredentialResolver:
    resolver = session._create_credential_resolver()  # the stock chain has no public maker
    return _decorate_or_leave(resolver, session, files)


def _decorate_or_leave(resolver: CredentialResolver, session: Any, files: Files | None = None) -> CredentialResolver:
    try:
        return decorate(resolver, session, files=files)
    except Exception:
        # A failure to register leaves the stock chain; credential_process still serves the profile.
        logger.warning("cognito-federation could not join botocore's credential chain", exc_info=True)
        return resolver


def session_of_other_profile(profile: str) -> Session:
    """A session for another profile than the one in use, with the provider in its chain, installed or not.

    Our variables do not touch that profile, as they do not touch the parent of a ``source_profile``.
    """
    from botocore.session import Session

    session = Session(profile=profile)
    resolver = session.get_component(_COMPONENT)
    _undecorate(resolver)
    decorate(resolver, session, in_use=False)
    return session


def decorate(
    resolver: CredentialResolver, session: Session, *, in_use: bool = True, files: Files | None = None
) -> CredentialResolver:
    """Put the provider into a chain, and into the chain of ``source_profile``; does nothing the second time.

    Args:
        in_use: see `CognitoFederationProvider`.
        files: see `CognitoFederationProvider`.
    """
    _join_application(resolver, session)
    if any(provider.METHOD == METHOD for provider in resolver.providers):
        return resolver
    is_async = inspect.iscoroutinefunction(resolver.load_credentials)
    make = partial(_made, is_async, session, open_session=session_of_other_profile)
    # What may fail comes first, so that a chain is joined whole or not at all.
    assume_role: Any = resolver.get_provider("assume-role")
    parents = _ParentProfiles(assume_role._profile_provider_builder, make)
    resolver.insert_before(_BEFORE, make(in_use=in_use, files=files))
    assume_role._profile_provider_builder = parents
    return resolver


def _join_application(resolver: CredentialResolver, session: Session) -> None:
    """Put the installed federation first: it is what the application asked for."""
    application = sys.modules.get(f"{__package__}.application")
    if application is None or application.installed() is None:
        return
    if not any(provider.METHOD == APPLICATION_METHOD for provider in resolver.providers):
        is_async = inspect.iscoroutinefunction(resolver.load_credentials)
        provider = application.AioApplicationProvider if is_async else application.ApplicationProvider
        resolver.providers.insert(0, provider(session))


def _undecorate(resolver: CredentialResolver) -> None:
    if any(provider.METHOD == APPLICATION_METHOD for provider in resolver.providers):
        resolver.remove(APPLICATION_METHOD)
    if not any(provider.METHOD == METHOD for provider in resolver.providers):
        return
    resolver.remove(METHOD)
    assume_role: Any = resolver.get_provider("assume-role")
    builder = assume_role._profile_provider_builder
    if isinstance(builder, _ParentProfiles):
        assume_role._profile_provider_builder = builder.stock


def _made(is_async: bool, session: Session, profile_name: str | None = None, **options: Any) -> CredentialProvider:
    """The provider for one kind of chain: aiobotocore awaits what it loads."""
    provider = CognitoFederationProvider(session, profile_name, **options)
    if is_async:
        from .aio import AioProvider

        return AioProvider(provider)
    return provider


class _ParentProfiles:
    """botocore's `ProfileProviderBuilder` with our provider in front of the process provider.

    ``role_arn`` with ``source_profile`` builds a chain of its own for the parent, which asks only this builder.
    """

    def __init__(self, stock: Any, make: partial[CredentialProvider]) -> None:
        self.stock = stock
        self._make = make

    def providers(self, profile_name: str, disable_env_vars: bool = False) -> list[Any]:
        providers = list(self.stock.providers(profile_name, disable_env_vars))
        methods = [provider.METHOD for provider in providers]
        place = methods.index(_BEFORE) if _BEFORE in methods else len(providers)
        providers.insert(place, self._make(profile_name, in_use=False))
        return providers

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stock, name)


def _default_session() -> Session | None:
    boto3 = sys.modules.get("boto3")
    default = getattr(boto3, "DEFAULT_SESSION", None)
    session: Session | None = getattr(default, "_session", None)
    return session
