"""The identity providers: the token that Cognito wants from each, its `Logins` key, and how users sign in there.

Any OpenID Connect provider works by its domain or issuer URL without an entry here; an entry exists only if a provider
differs. Standard library only: every start of the program reads the settings through this module.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Literal, NoReturn

from ._util.urls import LOCALHOST, UnsafeURLError, parse_url
from .messages import shown_url

if TYPE_CHECKING:
    from .errors import ConfigurationError

Kind = Literal["oidc", "oauth2", "developer", "saml", "guest", "external"]
TokenKind = Literal["id_token", "access_token", "saml_assertion", "none"]

_ID: TokenKind = "id_token"
_ACCESS: TokenKind = "access_token"
_ASSERTION: TokenKind = "saml_assertion"
_NO: TokenKind = "none"

#: The kinds of tokens by their short names (RFC 8693, section 3).
TOKEN_TYPES = {
    name: f"urn:ietf:params:oauth:token-type:{name}"
    for name in ("access_token", "id_token", "jwt", "refresh_token", "saml1", "saml2")
}
DEFAULT_REDIRECT_PORTS = (8400, 18400)
MAXIMUM_LOGIN_KEY = 128
"""Characters of a `Logins` key: IdentityProviderName of the GetId operation."""


@dataclass(frozen=True)
class Endpoints:
    """The endpoints of a provider that has no discovery document."""

    authorization: str
    token: str
    user_info: str
    user_id_field: str


@dataclass(frozen=True)
class IdentityProvider:
    """One identity provider.

    Attributes:
        name: the alias (``google``) or the domain; for messages and for the stores.
        kind: users can sign in to ``oidc`` and ``oauth2`` providers; ``external`` tokens come from a token source only.
        login_key: key of the `Logins` map; None for guests, and for developer tokens, whose own `iss` names it (it
            differs by partition).
        issuer: OIDC issuer URL; None if there is none.
        issuer_is_exact: the issuer was configured, so not even a trailing slash may differ.
        issuer_aliases: other `iss` values that the provider puts into its ID tokens.
        token_kind: the kind of token that Cognito takes.
        scopes: the scopes requested by default, limited to those in the discovery document.
        authorization_parameters: further parameters of every authorization request.
        redirect_ports: default callback ports; 0 is an ephemeral one (RFC 8252, section 7.3).
        asks_consent_for_refresh_token: the provider issues a refresh token only after ``prompt=consent``, which is then
            requested.
        long_lived_exchange: an access token is exchanged for a long-lived one, which can later renew itself.
        endpoints: for ``oauth2``.
        refresh_remedy: the provider's setting without which sessions cannot be renewed.
        no_sign_in_reason: why interactive sign-in is impossible; empty if it is possible.
    """

    name: str
    kind: Kind
    login_key: str | None
    issuer: str | None = None
    issuer_is_exact: bool = False
    issuer_aliases: tuple[str, ...] = ()
    token_kind: TokenKind = _ID
    scopes: tuple[str, ...] = ()
    authorization_parameters: tuple[tuple[str, str], ...] = ()
    redirect_ports: tuple[int, ...] = DEFAULT_REDIRECT_PORTS
    asks_consent_for_refresh_token: bool = False
    long_lived_exchange: bool = False
    endpoints: Endpoints | None = None
    refresh_remedy: str = ""
    no_sign_in_reason: str = ""

    @property
    def accepted_issuers(self) -> tuple[str, ...]:
        """Every `iss` that an ID token of this provider may carry, as configured (discovery may add a slash)."""
        return ((self.issuer,) if self.issuer else ()) + self.issuer_aliases


_INSTEAD = "set cognito_token_file, cognito_token_command or cognito_refresh_handler instead"

_OIDC = IdentityProvider(
    name="",
    kind="oidc",
    login_key=None,
    scopes=("openid", "email", "profile", "offline_access"),
    # OpenID Connect Core, section 11: without consent a provider may ignore offline_access silently.
    asks_consent_for_refresh_token=True,
    refresh_remedy="let the provider's application issue refresh tokens (scope offline_access) that renew the ID token",
)

_NAMED = {
    "google": replace(
        _OIDC,
        name="google",
        login_key="accounts.google.com",
        issuer="https://accounts.google.com",
        # Google's OpenID Connect reference: iss is "https://accounts.google.com or accounts.google.com".
        issuer_aliases=("accounts.google.com",),
        scopes=("openid", "email", "profile"),
        authorization_parameters=(("access_type", "offline"),),
        redirect_ports=(0,),
        refresh_remedy="remove this application's access in the Google account, then sign in again",
    ),
    "facebook": IdentityProvider(
        name="facebook",
        kind="oauth2",
        login_key="graph.facebook.com",
        token_kind=_ACCESS,
        scopes=("public_profile", "email"),
        long_lived_exchange=True,
        endpoints=Endpoints(
            "https://www.facebook.com/dialog/oauth",
            "https://graph.facebook.com/oauth/access_token",
            "https://graph.facebook.com/me?fields=id,name,email",
            "id",
        ),
        refresh_remedy="configure the app secret: without it Facebook gives no long-lived token",
    ),
    "amazon": IdentityProvider(
        name="amazon",
        kind="oauth2",
        login_key="www.amazon.com",
        token_kind=_ACCESS,
        scopes=("profile",),
        endpoints=Endpoints(
            "https://www.amazon.com/ap/oa",
            "https://api.amazon.com/auth/o2/token",
            "https://api.amazon.com/user/profile",
            "user_id",
        ),
        refresh_remedy="use an Amazon security profile that allows the authorization code grant",
    ),
    "apple": replace(
        _OIDC,
        name="apple",
        login_key="appleid.apple.com",
        issuer="https://appleid.apple.com",
        scopes=("openid", "email", "name"),
        asks_consent_for_refresh_token=False,
        no_sign_in_reason=f"Apple redirects to https pages only, never to this machine: {_INSTEAD}",
    ),
    "twitter": IdentityProvider(
        name="twitter",
        kind="external",
        login_key="api.twitter.com",
        token_kind=_ACCESS,
        no_sign_in_reason=f"Cognito takes OAuth 1 tokens of Twitter, with no sign-in here: {_INSTEAD}",
    ),
    "developer": IdentityProvider(
        name="developer",
        kind="developer",
        login_key=None,
        no_sign_in_reason="developer identities come from cognito_developer_provider or a refresh handler",
    ),
    "guest": IdentityProvider(
        name="guest",
        kind="guest",
        login_key=None,
        token_kind=_NO,
        no_sign_in_reason="guests do not sign in",
    ),
}

_ALIAS_OF_DOMAIN = {provider.login_key: name for name, provider in _NAMED.items() if provider.login_key}

_DEVELOPER_DOMAIN = re.compile(r"cognito-identity(-us-gov|\.[a-z]{2,4}(-[a-z]+)+-\d)?\.amazonaws\.(com|com\.cn|eu)\Z")
_ENTRA = frozenset({"login.microsoftonline.com", "login.microsoftonline.us", "login.partner.microsoftonline.cn"})
_PRINCIPALS = {
    "us-gov-west-1": "cognito-identity-us-gov.amazonaws.com",
    "us-gov-east-1": "cognito-identity.us-gov-east-1.amazonaws.com",
    "cn-north-1": "cognito-identity.cn-north-1.amazonaws.com.cn",
}
_USER_POOL_DOMAIN = re.compile(r"cognito-idp\.[a-z0-9-]+\.amazonaws\.(?:com|com\.cn|eu)/([\w-]+_[0-9A-Za-z]+)\Z")
_USER_POOL_ID = re.compile(r"([a-z]{2,}(?:-[a-z]+)+-\d)_[0-9A-Za-z]{1,55}\Z")
_SAML_ARN = re.compile(r"arn:aws[a-z-]*:iam::\d{12}:saml-provider/[\w.-]{1,128}\Z")
_OIDC_ARN = re.compile(r"arn:aws[a-z-]*:iam::\d{12}:oidc-provider/(.+)\Z")
_HOST = r"(?:[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])"
_ISSUER = re.compile(rf"(https?)://({_HOST}(?::\d{{1,5}})?)((?:/[A-Za-z0-9._~!$&'()*+,;=:@%|-]*)*)\Z")


@lru_cache(maxsize=64)  # a server asks for the same ones at each sign-in of its users
def resolve(
    provider: str,
    *,
    issuer: str | None = None,
    login_key: str | None = None,
    user_pool_id: str | None = None,
) -> IdentityProvider:
    """Return the identity provider that `cognito_provider` and the related keys name.

    Args:
        provider: an alias, a domain (with path and port), or an issuer URL; ``user-pool``, ``saml`` or the ARN of a
            SAML provider.
        issuer: `cognito_issuer`, if it is not ``https://<provider>``.
        login_key: `cognito_login_key`, if the derived one is wrong.
        user_pool_id: `cognito_user_pool_id`, needed with ``user-pool``.

    Raises:
        ConfigurationError: a value is malformed, or a required one is missing.
    """
    provider = provider.strip()
    if provider == "saml" or provider.startswith("arn:"):
        return _saml(provider, login_key)
    domain = re.sub(r"\Ahttps://", "", provider, flags=re.IGNORECASE).removesuffix("/")
    pool = _USER_POOL_DOMAIN.match(domain)
    if provider == "user-pool" or pool:
        found = _user_pool(pool.group(1) if pool else user_pool_id)
    elif is_developer(provider):
        found = _NAMED["developer"]
    else:
        alias = _ALIAS_OF_DOMAIN.get(domain.lower(), provider.lower())
        found = _NAMED.get(alias) or _open_id(provider)
    if issuer is not None:
        found = _with_issuer(found, issuer)
    if login_key is not None:
        found = replace(found, login_key=login_key)
    elif found.kind == "oidc" and found.login_key is None and found.issuer is not None:
        found = replace(found, login_key=derive_login_key(found.issuer))
    _check_login_key(found.login_key)
    return found


def is_developer(provider: str) -> bool:
    """Return whether `cognito_provider` means developer-authenticated identities: the alias or a partition's domain."""
    domain = provider.strip().lower().removeprefix("https://").removesuffix("/")
    return domain == "developer" or _DEVELOPER_DOMAIN.match(domain) is not None


def pool_principal(region: str) -> str | None:
    """Return the federated principal that the roles of a region's identity pools trust; None if it is not public.

    Amazon Cognito developer guide, "Amazon Cognito in AWS GovCloud (US)"; for China the AWS SDK for Android.
    """
    if region.startswith(("eusc-", "us-iso", "eu-isoe")):
        return None
    return _PRINCIPALS.get(region, "cognito-identity.amazonaws.com")


def derive_login_key(issuer: str) -> str:
    """Return the `Logins` key of an issuer: without scheme and one trailing slash, with path, case and port unchanged.

    Auth0's issuer ends in a slash and its key does not (aws-amplify/amplify-flutter#3478).
    """
    return re.sub(r"\Ahttps?://", "", issuer, flags=re.IGNORECASE).removesuffix("/")


def user_pool_issuer(user_pool_id: str) -> str:
    """Return the issuer of a Cognito user pool.

    Raises:
        ConfigurationError: `user_pool_id` is not REGION_NAME.
    """
    match = _USER_POOL_ID.match(user_pool_id)
    if match is None:
        _refuse(
            f"cognito_user_pool_id is not a user pool ID: {user_pool_id[:60]!r}",
            "Write it as the console shows it: eu-west-1_AbCdEfGhI",
        )
    region = match.group(1)
    suffix = {"cn": "amazonaws.com.cn", "eusc": "amazonaws.eu"}.get(region.partition("-")[0], "amazonaws.com")
    return f"https://cognito-idp.{region}.{suffix}/{user_pool_id}"


def _user_pool(user_pool_id: str | None) -> IdentityProvider:
    if not user_pool_id:
        _refuse("provider user-pool needs the user pool", "Set cognito_user_pool_id")
    return replace(
        _OIDC,
        name="user-pool",
        issuer=user_pool_issuer(user_pool_id),
        # A user pool issues a refresh token for every authorization code and does not know offline_access.
        scopes=("openid", "email", "profile"),
        asks_consent_for_refresh_token=False,
        refresh_remedy="enable refresh tokens for the app client of the user pool",
    )


def _saml(provider: str, login_key: str | None) -> IdentityProvider:
    oidc = _OIDC_ARN.match(provider)
    if oidc:
        _refuse("cognito_provider is the ARN of an OIDC provider", f"Set cognito_provider = {oidc.group(1)[:150]}")
    arn = login_key or provider
    if not _SAML_ARN.match(arn):
        _refuse(
            "provider saml needs the ARN of the SAML provider as the login key",
            "Set cognito_login_key = arn:aws:iam::ACCOUNT:saml-provider/NAME",
        )
    return IdentityProvider(
        name="saml",
        kind="saml",
        login_key=arn,
        token_kind=_ASSERTION,
        no_sign_in_reason=f"SAML assertions are posted to web pages: {_INSTEAD}",
    )


def names() -> list[str]:
    """The providers that have a name of their own."""
    return sorted([*_NAMED, "saml", "user-pool"])


def _open_id(provider: str) -> IdentityProvider:
    url = provider if "://" in provider else f"https://{provider}"
    if "://" not in provider and "." not in provider and ":" not in provider:
        _refuse(
            f"cognito_provider = {provider[:60]!r} is neither a known provider nor a domain",
            f"Use one of {', '.join(names())}, a domain or an issuer URL",
        )
    _check_issuer(url, "cognito_provider")
    return replace(
        _OIDC,
        name=derive_login_key(url),
        issuer=url,
        # Entra ID issues refresh tokens for offline_access without it; with it, users whose tenant leaves consent to
        # administrators are refused (Microsoft identity platform, "prompt" in the OAuth 2.0 authorization code flow).
        asks_consent_for_refresh_token=derive_login_key(url).partition("/")[0].lower() not in _ENTRA,
    )


def _with_issuer(provider: IdentityProvider, issuer: str) -> IdentityProvider:
    if provider.kind != "oidc":
        _refuse(f"cognito_issuer has no meaning for provider {provider.name}", "Remove it")
    _check_issuer(issuer, "cognito_issuer")
    # An alias has its own key and exceptions only with its own issuer; `derive_login_key` decides for any other.
    key = provider.login_key if issuer.removesuffix("/") == provider.issuer else None
    return replace(provider, issuer=issuer, issuer_is_exact=True, issuer_aliases=(), login_key=key)


def _check_issuer(url: str, setting: str) -> None:
    if _ISSUER.match(url) is None:
        _refuse(
            f"{setting} is not an issuer: {shown_url(url)[:100]!r}",
            "Write a domain or an https URL, without query, fragment or user name",
        )
    try:
        # localhost is checked when it is resolved: the name of an issuer that calls itself localhost cannot be changed.
        parse_url(url, plain_http_hosts=(LOCALHOST,))
    except UnsafeURLError as flaw:
        _refuse(f"{setting} {flaw}", flaw.remedy)


def _check_login_key(key: str | None) -> None:
    if key is None:
        return
    if not key or len(key) > MAXIMUM_LOGIN_KEY or "://" in key or any(not "!" <= c <= "~" for c in key):
        _refuse(
            f"The Logins key {key[:60]!r}{'…' if len(key) > 60 else ''} is not one Cognito takes"
            f" (1 to {MAXIMUM_LOGIN_KEY} characters, the issuer without its scheme)",
            "Set cognito_login_key to the provider name as the identity pool shows it",
        )


def _refuse(what: str, remedy: str) -> NoReturn:
    raise _configuration_error(what, remedy)


def _configuration_error(what: str, remedy: str) -> ConfigurationError:
    from .errors import ConfigurationError  # `errors` imports botocore, which this module must not do.

    return ConfigurationError(what, remedy=remedy)
