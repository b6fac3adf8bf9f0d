"""The arguments of an application, checked before any call, and converted to settings and tokens."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping
from dataclasses import replace
from datetime import datetime
from functools import lru_cache
from typing import Any, TypeAlias

from .. import identity_providers
from ..config import further_role
from ..config.keys import KEYS, BadValue, check_roles, is_without_pool
from ..config.loader import region_in
from ..config.settings import Origin, Settings
from ..errors import ConfigurationError, InvalidTokenError, TokenRefreshError
from ..identity_providers import IdentityProvider
from ..login_token import LoginToken, checked_text, expiry_seconds

#: The expiry of a token: seconds or milliseconds since 1970, or an aware datetime; None if the token itself says it.
Expiry: TypeAlias = float | datetime | None

#: Claims that describe the user, under the names that Amplify's pages use.
_CLAIMS_OF_A_USER = ("name", "email", "phone_number", "preferred_username")


def checked(name: str, value: str) -> Any:
    """Check a value of the configuration key of the same name.

    Raises:
        ConfigurationError: the key does not allow it.
    """
    if not isinstance(value, str):
        raise ConfigurationError(f"{name} must be a str, not {type(value).__name__}")
    try:
        return KEYS[name].read(value)
    except BadValue as bad:
        raise ConfigurationError(f"{name} {bad}") from None


#: Arguments that take an object where a profile has text, and what makes a value of it.
_OF_OBJECTS: Mapping[str, tuple[type, Callable[[Any], object]]] = {
    "assume_role_policy": (Mapping, further_role.written_policy),
    "assume_role_policy_arns": (Iterable, further_role.checked_policy_arns),
    "assume_role_tags": (Mapping, lambda tags: further_role.checked_tags(tags.items())),
}

#: What an option of a federation may be; a number is one of seconds.
Option: TypeAlias = "str | int | Mapping[str, Any] | Iterable[str] | None"


def base_settings(identity_pool_id: str | None, *, region_name: str | None, **options: Option) -> Settings:
    """Return the settings that all sign-ins of one federation share.

    Raises:
        ConfigurationError: a value is malformed, or two contradict each other.
    """
    reads_variables = region_name is None and identity_pool_id is None
    values = (identity_pool_id, region_name, *options.values())
    if not reads_variables and all(value is None or type(value) in (str, int) for value in values):
        return _same_settings(identity_pool_id, region_name=region_name, **options)  # type: ignore[arg-type]  # looked at
    return _checked_settings(identity_pool_id, region_name=region_name, **options)


def _checked_settings(identity_pool_id: str | None, *, region_name: str | None, **options: Option) -> Settings:
    window = options.pop("refresh_window", None)
    values = {name: _option(name, value) for name, value in options.items() if value is not None}
    if identity_pool_id is not None:
        values["identity_pool_id"] = checked("identity_pool_id", identity_pool_id)
    elif not is_without_pool(values.get("flow")):
        raise ConfigurationError(
            "identity_pool_id is None", remedy="Pass REGION:GUID, or flow='web-identity' and role_arn for none"
        )
    check_roles(values, {name: Origin("argument", name) for name in values})
    settings = Settings(
        identity_pool_id=values.pop("identity_pool_id", None),
        refresh_window=None if window is None else checked("refresh_window", str(window)),
        endpoint=values.get("endpoint_url"),
        **values,
    )
    if region_name is None and identity_pool_id is None:
        region_name = region_in(os.environ)[0]
    return replace(settings, region_name=region_name or settings.pool_region)


#: A server makes a federation for each of its users, with the same arguments, and settings do not change.
_same_settings = lru_cache(maxsize=64, typed=True)(_checked_settings)


def _option(name: str, value: Option) -> Any:
    kind, read = _OF_OBJECTS.get(name, (None, None))
    if read is None or kind is None or isinstance(value, str) or not isinstance(value, kind):
        return checked(name, str(value))
    try:
        return read(value)
    except (TypeError, ValueError) as bad:
        why = str(bad) if type(bad) is ValueError else "holds what JSON cannot hold"
        raise ConfigurationError(f"{name} {why}") from None


def resolved_provider(provider: str) -> IdentityProvider:
    """Return the identity provider of an alias, a domain or an issuer URL.

    Raises:
        ConfigurationError: the provider is empty or malformed.
    """
    if not isinstance(provider, str) or not provider.strip():
        raise ConfigurationError("A sign-in needs a provider", remedy="Pass its name (google) or its domain")
    try:
        return identity_providers.resolve(provider)
    except ConfigurationError as error:
        what = error.what.replace("cognito_provider = ", "provider ").replace("cognito_provider", "provider")
        raise ConfigurationError(what, remedy=_remedy(provider, error.remedy)) from None


def _remedy(provider: str, of_a_profile: str) -> str:
    """Return the remedy for an application where a profile would set a key."""
    if provider == "saml":
        return "Pass that ARN as the provider: arn:aws:iam::ACCOUNT:saml-provider/NAME"
    if provider == "user-pool":
        return "Pass cognito-idp.REGION.amazonaws.com/USER_POOL_ID, or make it user_pool= and call sign_in"
    return of_a_profile.replace("Set cognito_provider =", "Pass")


def provider_key(provider: IdentityProvider) -> str:
    """Return one key for a provider, whichever of its names was used: an alias and its domain are the same."""
    return provider.login_key or provider.name


def login_token(
    provider: IdentityProvider, token: str | None, *, expires_at: Expiry, identity_id: str | None, now: float
) -> LoginToken | None:
    """Return the token of a sign-in; None for guests.

    Raises:
        ConfigurationError: it is missing, `expires_at` is not a time, or a developer's identity ID is missing.
        InvalidTokenError: it is empty or malformed. No call was made.
    """
    if provider.kind == "guest":
        if token or expires_at is not None:
            raise ConfigurationError("Guests have no token", remedy="Pass 'guest' alone, or the token's own provider")
        return None
    if not isinstance(token, str):
        what = "has no token" if token is None else f"has a token that is not a str but {type(token).__name__}"
        raise ConfigurationError(f"The sign-in with {provider.name} {what}", remedy="Pass the token the provider gave")
    if provider.kind == "developer" and not identity_id:
        raise ConfigurationError(
            "A developer sign-in needs identity_id",
            remedy="Pass the IdentityId that GetOpenIdTokenForDeveloperIdentity returned with the token",
        )
    if identity_id is not None:
        checked("identity_id", identity_id)
    try:
        end = expiry_seconds(expires_at, now=now)
    except TokenRefreshError as error:
        # An argument is wrong: repeating the call with it cannot help.
        raise ConfigurationError(error.what, remedy=error.remedy) from None
    try:
        checked_token = LoginToken.of(checked_text(token, "The token"), expires_at=end)
    except TokenRefreshError as error:
        raise InvalidTokenError(error.what, remedy=error.remedy) from None
    if provider.token_kind == "id_token" and not checked_token.claims:
        raise InvalidTokenError(
            f"The token of {provider.name} is not a JWT, the only kind that identity pools take from OpenID Connect",
            remedy="Pass the provider's ID token; access tokens are for 'facebook' and 'amazon'",
        )
    return checked_token


def check_without_pool(settings: Settings, provider: IdentityProvider, identity_id: str | None) -> None:
    """Refuse a sign-in that needs an identity pool where there is none.

    Raises:
        ConfigurationError: STS takes no such login, or an identity was named.
    """
    if settings.identity_pool_id is not None:
        return
    if provider.kind not in ("oidc", "oauth2"):
        raise ConfigurationError(
            f"Without an identity pool STS takes no login of {provider.name}",
            remedy="Pass identity_pool_id, and leave out flow",
        )
    if identity_id is not None:
        raise ConfigurationError("Without an identity pool there are no identities", remedy="Leave out identity_id")


def user_mapping(user: Mapping[str, Any] | None, token: LoginToken | None) -> dict[str, Any]:
    """Return the user information that the application gave, or the claims of the token that name the user.

    Raises:
        ConfigurationError: it is not a mapping that JSON can hold.
    """
    if user is None:
        claims = token.claims if token is not None else {}
        return {name: claims[name] for name in _CLAIMS_OF_A_USER if isinstance(claims.get(name), str)}
    if not isinstance(user, Mapping):
        raise ConfigurationError(f"user must be a mapping, not {type(user).__name__}")
    try:
        copied = json.loads(json.dumps(dict(user)))
    except (TypeError, ValueError):
        raise ConfigurationError(
            "user holds what cannot be stored", remedy="Pass names with strings, numbers, lists and mappings"
        ) from None
    assert isinstance(copied, dict)
    return copied


RefreshHandler = Callable[..., Any]


class RefreshHandlers(MutableMapping[str, RefreshHandler]):
    """Provider -> refresh handler; may be changed at any time.

    Amplify looks a handler up under the very string of the sign-in (aws-amplify/amplify-js#7889); here ``google``,
    ``accounts.google.com`` and ``https://accounts.google.com`` are the same key.
    """

    def __init__(self, handlers: Mapping[str, RefreshHandler] | None = None) -> None:
        self._handlers: dict[str, RefreshHandler] = {}
        self.update(handlers or {})

    def __getitem__(self, provider: str) -> RefreshHandler:
        return self._handlers[_key(provider)]

    def __setitem__(self, provider: str, handler: RefreshHandler) -> None:
        if not callable(handler):
            raise ConfigurationError(
                f"The refresh handler of {provider} is a {type(handler).__name__}", remedy="Pass a function"
            )
        self._handlers[_key(provider)] = handler

    def __delitem__(self, provider: str) -> None:
        del self._handlers[_key(provider)]

    def __iter__(self) -> Iterator[str]:
        return iter(dict(self._handlers))

    def __len__(self) -> int:
        return len(self._handlers)

    def __repr__(self) -> str:
        return f"RefreshHandlers({', '.join(self)})"


def _key(provider: str) -> str:
    return provider_key(resolved_provider(provider))
