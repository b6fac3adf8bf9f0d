"""The sources of login tokens, and their registry, which is the only list of them.

Everything that depends on the existing sources derives from these declarations: the configuration keys and their
combinations, the providers, the cached responses, the sharing between sessions, and the remedies.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .base import Binding, CachedTokenProvider, LoginTokenProvider, RefreshContext, SourceContext, SourceDeclaration
from .ci import BUILDKITE, CIRCLECI, GITLAB
from .developer import DEVELOPER
from .exchange import ON_BEHALF_OF, TOKEN_EXCHANGE
from .handler import HANDLER
from .local import COMMAND, FILE, VARIABLE
from .session import GUEST, SIGN_IN
from .url import AZURE, GCP, GITHUB_ACTIONS, URL

if TYPE_CHECKING:
    from .._util.concurrency import Clock
    from ..config.settings import Settings
    from ..login_token import LoginToken

#: In the order in which messages name them.
SOURCES: tuple[SourceDeclaration, ...] = (
    FILE,
    VARIABLE,
    URL,
    COMMAND,
    HANDLER,
    GITHUB_ACTIONS,
    GCP,
    AZURE,
    GITLAB,
    CIRCLECI,
    BUILDKITE,
    TOKEN_EXCHANGE,
    ON_BEHALF_OF,
    DEVELOPER,
)


def workload_keys() -> tuple[str, ...]:
    """Return the keys that select a workload's token source; at most one may be set.

    The keys of developer-authenticated users are not among them: those are three keys that belong together.
    """
    return tuple(dict.fromkeys(source.key for source in SOURCES if source is not DEVELOPER))


def names_of(key: str) -> tuple[str, ...]:
    """Return the names of sources that a key accepts as its value: ``token_source``, and for some ``token_url``."""
    by_url = key == "token_url"
    return tuple(
        source.name for source in SOURCES if source.name and (source.key == key or (by_url and source.is_token_url))
    )


def selected(values: Mapping[str, Any]) -> SourceDeclaration | None:
    """Return the source that the values of keys select; None for interactive sign-ins and for guests."""
    named = values.get("token_source") or values.get("token_url")
    for source in SOURCES:
        if source.name and source.name == named and (source.is_token_url or values.get("token_source")):
            return source
    return next((source for source in SOURCES if not source.name and values.get(source.key) is not None), None)


def options() -> tuple[str, ...]:
    """Return the keys that belong to some token sources only."""
    return tuple(dict.fromkeys(option for source in SOURCES for option in source.options))


def source_of(settings: Settings) -> SourceDeclaration:
    """Return the token source of a configuration."""
    if settings.is_guest:
        return GUEST
    return selected(vars(settings)) or SIGN_IN


def token_at_hand(settings: Settings, environ: Mapping[str, str]) -> LoginToken | None:
    """Return the token that a variable or a file holds; None if a service has to be asked for one.

    Raises:
        CognitoFederationError: there is no token, or no readable one.
    """
    source = source_of(settings)
    return source.read(settings, environ) if source.read is not None else None


def address_is_fixed(settings: Settings, environ: Mapping[str, str]) -> bool:
    """Return whether no variable, argument or file of an attacker can decide where the login token comes from."""
    fixed = source_of(settings).address_is_fixed
    return fixed if isinstance(fixed, bool) else fixed(settings, environ)


def answers_by_claims(settings: Settings, environ: Mapping[str, str]) -> bool:
    """Return whether cached credentials may be returned for the claims of a token that was not itself exchanged.

    Otherwise an attacker could supply a token that names another user, or name another provider that has a user of the
    same name.
    """
    provider_is_fixed = not any(
        settings.origin(name).layer in ("environment", "flag") for name in ("provider", "issuer", "login_key")
    )
    return address_is_fixed(settings, environ) and (source_of(settings).knows_user or provider_is_fixed)


def tells_users_apart(settings: Settings, environ: Mapping[str, str]) -> bool:
    """Return whether the configuration and the bindings identify the user, without asking any service.

    A command or a URL may answer for another user each time, and says so only when it is asked. A handler is code of
    this process; asking it for each session would call it recursively if it uses its own profile.
    """
    is_one_user = source_of(settings).runs_in_process or bool(settings.developer_user)
    return is_one_user or has_ready_answer(settings, environ)


def has_ready_answer(settings: Settings, environ: Mapping[str, str]) -> bool:
    """Return whether a cached response may be reused while the bindings are unchanged, without a new token."""
    source = source_of(settings)
    user_is_known = source.knows_user or settings.identity_id is not None
    return source.read is not None or (user_is_known and address_is_fixed(settings, environ))


def bindings_of_answer(settings: Settings, environ: Mapping[str, str]) -> tuple[Binding, ...] | None:
    """Return what a cached response depends on; None if a token must be fetched each time.

    Linked logins have their own sign-out epochs, so no response is cached for them.
    """
    source = source_of(settings)
    if settings.logins or not (source.bindings_name_user or has_ready_answer(settings, environ)):
        return None
    return source.bindings(settings)


logger = logging.getLogger(__name__)

#: Seconds before the second and third attempt, give or take a quarter, and those after which none begins. What takes
#: longer is no short trouble, and the caller has limits of its own.
_PAUSES = (0.5, 1.5)
_LATEST_ATTEMPT = 4.0


class RetryingTokenProvider(LoginTokenProvider):
    """Asks a provider again that fails quickly and may succeed in a moment, where no credentials are valid.

    A second of errors is waited out. What is sent again is what the next process would send: a provider that rotates
    refresh tokens, and did so before it failed, has ended the sign-in either way.

    Args:
        provider: asks a server, without attempts of its own.
        clock: the clock.
    """

    def __init__(self, provider: LoginTokenProvider, clock: Clock) -> None:
        self._provider = provider
        self._clock = clock

    @property
    def description(self) -> str:
        return self._provider.description

    def fetch(self, context: RefreshContext) -> LoginToken:
        from ..errors import TemporaryError  # imports botocore, which a token from a file does not need

        began = self._clock.now()
        for pause in () if context.has_valid_credentials else _PAUSES:
            try:
                return self._provider.fetch(context)
            except TemporaryError as error:
                pause = max(pause * (0.75 + self._clock.random() / 2), error.retry_after or 0.0)
                if self._clock.now() + pause - began > _LATEST_ATTEMPT:
                    raise
                logger.debug("%s; asking again in %.1f s", error.what, pause)
            self._clock.sleep(pause)
        return self._provider.fetch(context)


class RetryingCachedTokenProvider(RetryingTokenProvider, CachedTokenProvider):
    """Asks again for the token of a sign-in; see `RetryingTokenProvider`."""

    _provider: CachedTokenProvider

    def __init__(self, provider: CachedTokenProvider, clock: Clock) -> None:
        super().__init__(provider, clock)

    def cached_token(self) -> LoginToken:
        return self._provider.cached_token()


def open_provider(settings: Settings, context: SourceContext) -> LoginTokenProvider | None:
    """Open the token provider of a configuration; None for guests.

    Args:
        settings: the configuration.
        context: everything that the provider may use.

    Returns:
        The provider; one that asks a server is asked again where that may help.
    """
    declared = source_of(settings)
    provider = declared.open(settings, context)
    if provider is None or not declared.asks_server:
        return provider
    if isinstance(provider, CachedTokenProvider):
        return RetryingCachedTokenProvider(provider, context.clock)
    return RetryingTokenProvider(provider, context.clock)
