"""Several logins on one identity: Cognito links what is sent together, and UnlinkIdentity takes one off."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ..errors import ConfigurationError
from ..identity_pool.client import LinkedLogin
from .arguments import provider_key

if TYPE_CHECKING:
    from ..identity_providers import IdentityProvider
    from ..login_token import LoginToken
    from .sign_in import CurrentSignIn


def link(sign_in: CurrentSignIn, identity_id: str, provider: IdentityProvider, token: LoginToken | None) -> str:
    """Put another login on an identity.

    Returns:
        The identity ID that all its logins have from now on.

    Raises:
        ConfigurationError: guests and developer identities are not linked this way, nor a login with itself.
        FederationRefusedError, TemporaryError: see `identity_pool.IdentityPool.exchange`.
    """
    if token is None:
        raise ConfigurationError("A guest login cannot be linked", remedy="Sign in as guest, then link a provider")
    if provider.kind == "developer":
        raise ConfigurationError(
            "Developer logins are linked by GetOpenIdTokenForDeveloperIdentity",
            remedy="Let your backend name identity_id and both logins there",
        )
    other = sign_in.login_of(provider, token)
    if sign_in.is_guest:
        return sign_in.pool.exchange(identity_id, other).credentials.identity_id
    own = sign_in.login()
    if own.key == other.key:
        raise ConfigurationError(f"{own.key} is the provider of this sign-in", remedy="Link another provider")
    together = replace(own, linked=(LinkedLogin(other.key, other.token.subject, other.token),))
    return sign_in.pool.exchange(identity_id, together).credentials.identity_id


def unlink(sign_in: CurrentSignIn, identity_id: str, provider: IdentityProvider) -> None:
    """Take a login off an identity.

    Raises:
        ConfigurationError: it is the login of this very sign-in, which would lose its own identity.
        FederationRefusedError, TemporaryError: see `identity_pool.IdentityPool.unlink`.
    """
    own = sign_in.login()
    key = provider_key(provider)
    if own.key == key:
        raise ConfigurationError(
            f"{key} is the provider of this sign-in, which would lose its identity",
            remedy="Sign in with a linked provider first",
        )
    sign_in.pool.unlink(identity_id, own, key)
