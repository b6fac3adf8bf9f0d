"""The credential provider: it ignores profiles of other tools, and ends the chain on a failure of its own.

If a cached response exists for exactly the query of a session, as `_fast_path` reads it, its credentials are used and
nothing else is imported: the configuration is resolved when they have to be refreshed.

`install` uses botocore's public initializers, which run while a session is made and before boto3 sets its profile. The
provider is therefore put into the chain when the chain is first requested. If that fails in any way, the stock chain
stays as it is.
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

    from .shared import ApplicationCredentials

    Files = tuple[str, str, str, str]


class CognitoFederationProvider(CredentialProvider):
    """Credentials for a profile with ``cognito_*`` keys.

    Args:
        session: the botocore session whose configuration counts.
        profile_name: the profile; None for the session's own, which is read when credentials are loaded, because boto3
            sets it only after it has made the session.
        in_use: False for the parent of a ``source_profile``, to which variables do not apply.
        files: the configuration files as `_fast_path.configuration_files` saw them before the session read them; None
            if they were not looked at.
        open_session: opens a session for another profile, which may be one of this tool; the default supports none.
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
        """Return credentials, or None for a profile that this tool does not manage.

        Raises:
            CognitoFederationError: the profile is one of this tool, and wrong; botocore's chain ends here.
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
        """Return the query of ``credential-process``; None if this session may know another configuration."""
        if self._files is None or not self._in_use or CHAIN_VARIABLE in os.environ:
            return None
        own = [expanded(str(self._session.get_config_variable(name))) for name in ("config_file", "credentials_file")]
        query = CacheQuery(profile or "default", os.environ)
        return query if query.files == self._files and own == [*query.files[:2]] else None


def _plain_session(profile: str) -> Session:
    from botocore.session import Session

    return Session(profile=profile)


def _count_feature() -> None:
    """Tell AWS, like botocore's own providers, that the credentials came from a profile."""
    try:
        from botocore.useragent import register_feature_id  # botocore 1.37.3
    except ImportError:
        return
    register_feature_id("CREDENTIALS_PROFILE")


logger = logging.getLogger(__name__)
_COMPONENT = "credential_provider"
#: The same precedence in process and with ``credential_process``.
_BEFORE = "custom-process"


def install() -> None:
    """Give every botocore session of this process the provider; existing default sessions are included.

    From now on profiles with ``cognito_*`` keys work in boto3 without a process being started. Calling it again does
    nothing.

    NOTE: A worker process that starts as a new interpreter (multiprocessing by spawn or forkserver, loky, dask, ray)
    does not inherit this. It uses the profile's ``credential_process``, or installs the provider itself:
    ``initializer=install``. Reaching such a process from here would need a patch of multiprocessing.
    """
    import botocore

    register_in(botocore)
    session = _default_session()
    if session is not None:
        _decorate_or_leave(session.get_component(_COMPONENT), session)


def install_application(credentials: ApplicationCredentials) -> None:
    """Make an application's federation the source of every session without its own keys or profile."""
    from .shared import set_installed

    set_installed(credentials)
    install()
    session: Any = _default_session()
    if session is not None:
        # Credentials that it resolved so far came from another source.
        session._credentials = None


def uninstall_application(credentials: ApplicationCredentials) -> None:
    """Remove an application's federation; does nothing if another one has been installed meanwhile."""
    from .shared import installed, set_installed

    if installed() is credentials:
        set_installed(None)
        _forget_in_default_session()


def _forget_in_default_session() -> None:
    from .shared import ApplicationCredentials

    session: Any = _default_session()
    if session is not None and isinstance(session._credentials, ApplicationCredentials):
        session._credentials = None


def register_in(botocore_module: Any) -> None:
    """Register with a botocore module: the usual one, or the copy that the AWS CLI carries."""
    if hasattr(botocore_module, "register_initializer"):
        uninitialized = initialize not in getattr(botocore_module, "_INITIALIZERS", ())
        if uninitialized:
            botocore_module.register_initializer(initialize)


def uninstall() -> None:
    """Remove the provider from future sessions and from the default session; credentials in use continue to work."""
    import botocore

    from .shared import set_installed

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
    """Prepare a new session; botocore calls this for each one."""
    files = configuration_files(os.environ)
    session.lazy_register_component(_COMPONENT, partial(_decorated_chain, session, files))


def _decorated_chain(session: Any, files: Files) -> CredentialResolver:
    resolver = session._create_credential_resolver()  # The stock chain has no public factory.
    return _decorate_or_leave(resolver, session, files)


def _decorate_or_leave(resolver: CredentialResolver, session: Any, files: Files | None = None) -> CredentialResolver:
    try:
        return decorate(resolver, session, files=files)
    except Exception:
        # A failure to register leaves the stock chain; credential_process still works for the profile.
        logger.warning("cognito-federation could not join botocore's credential chain", exc_info=True)
        return resolver


def session_of_other_profile(profile: str) -> Session:
    """Return a session for another profile than the one in use, with the provider in its chain, installed or not.

    The variables of this tool do not apply to that profile, just as they do not apply to the parent of a
    ``source_profile``.
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
        resolver: the chain.
        session: its session.
        in_use: see `CognitoFederationProvider`.
        files: see `CognitoFederationProvider`.
    """
    _join_application(resolver, session)
    if any(provider.METHOD == METHOD for provider in resolver.providers):
        return resolver
    is_async = inspect.iscoroutinefunction(resolver.load_credentials)
    make = partial(_made, is_async, session, open_session=session_of_other_profile)
    # Calls that may fail come first, so that the provider joins a chain either completely or not at all.
    assume_role: Any = resolver.get_provider("assume-role")
    parents = _ParentProfiles(assume_role._profile_provider_builder, make)
    resolver.insert_before(_BEFORE, make(in_use=in_use, files=files))
    assume_role._profile_provider_builder = parents
    return resolver


def _join_application(resolver: CredentialResolver, session: Session) -> None:
    """Put the installed federation first, because the application asked for it."""
    shared = sys.modules.get(f"{__package__}.shared")  # without it nothing can have been installed
    if shared is None or shared.installed() is None:
        return
    if not any(provider.METHOD == APPLICATION_METHOD for provider in resolver.providers):
        is_async = inspect.iscoroutinefunction(resolver.load_credentials)
        provider = shared.AioApplicationProvider if is_async else shared.ApplicationProvider
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
    """Return the provider for one kind of chain: aiobotocore awaits the result of `load`."""
    provider = CognitoFederationProvider(session, profile_name, **options)
    if is_async:
        from .aio import AioProvider

        return AioProvider(provider)
    return provider


class _ParentProfiles:
    """botocore's `ProfileProviderBuilder` with this tool's provider before the process provider.

    ``role_arn`` with ``source_profile`` builds a separate chain for the parent, which asks only this builder.
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
