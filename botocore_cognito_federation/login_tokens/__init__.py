"""The sources of login tokens, and their registry, which is the only list of them.

Everything that depends on the existing sources derives from these declarations: the configuration keys and their
combinations, the providers, the cached responses, the sharing between sessions, and the remedies.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .base import Binding, SourceDeclaration
from .developer import DEVELOPER
from .handler import HANDLER
from .local import COMMAND, FILE, VARIABLE
from .session import GUEST, SIGN_IN
from .url import AZURE, GCP, GITHUB_ACTIONS, URL

if TYPE_CHECKING:
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
    if settings.logins or not has_ready_answer(settings, environ):
        return None
    return source_of(settings).bindings(settings)
