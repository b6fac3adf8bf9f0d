"""Refuses a sign-in in which another provider of the configuration could pass off its answer as the one waited for.

Mix-up (RFC 9700, section 4.4): a provider sends the browser on to another one, with our redirect URI, and is then given
the other one's code. It needs two issuers with one redirect URI, and a provider that does not name itself in its
answers (RFC 9207). New profiles have a redirect URI of their own for each issuer.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from ..config.loader import load_session_settings, settings_of_session
from ..config.precedence import SESSION_SECTION, has_our_keys
from ..config.settings import Settings
from ..errors import CognitoFederationError, ConfigurationError
from ..identity_providers import IdentityProvider
from ..oidc.authorization import Redirect, issuer_of, loopback_redirect, redirect_uri_of_its_own
from ..oidc.client import OIDCClient
from ..oidc.discovery import discover

if TYPE_CHECKING:
    from botocore.session import Session


def refuse_shared_redirect(settings: Settings, party: OIDCClient, session: Session | None = None) -> None:
    """Refuse to sign in where another issuer of the configuration has the same redirect URI and one names itself not.

    Args:
        session: what has read the configuration; default a new one.

    Raises:
        ConfigurationError: naming the redirect URI to register.
        TemporaryError: the provider that signs in cannot be asked what it promises.
    """
    mine = issuer_of(party.provider)
    others = {
        issuer_of(other): other
        for other in _providers_with(_redirect(settings, party.provider), session)
        if issuer_of(other) != mine
    }
    if not others:
        return
    silent = party.provider if not party.metadata().answers_with_iss else _first_silent(others, party)
    if silent is None:
        return
    other = next(iter(others)) if silent is party.provider else issuer_of(silent)
    raise ConfigurationError(
        f"{mine} and {other} have the same redirect URI, and {issuer_of(silent)} does not promise to name itself in its"
        " answers (RFC 9207), so that an answer of one could be taken for one of the other",
        remedy=_remedy(settings, party.provider),
    )


def _first_silent(others: Mapping[str, IdentityProvider], party: OIDCClient) -> IdentityProvider | None:
    """Return a provider that does not name itself. One that cannot be asked has no say: the one that signs in does."""
    for other in others.values():
        try:
            metadata = discover(party.http, other, party.documents, now=party.clock.now())
        except CognitoFederationError:
            continue
        if not metadata.answers_with_iss:
            return other
    return None


def _remedy(settings: Settings, provider: IdentityProvider) -> str:
    redirect = _redirect(settings, provider)
    if not isinstance(redirect, Redirect):
        return "Give one of the two another cognito_redirect_uri"
    uri = redirect_uri_of_its_own(provider, redirect.host)
    own = loopback_redirect(uri, redirect.ports)
    register = " and ".join(own.registration(port) for port in own.ports)
    return f"Register {register} at {provider.name}, and set cognito_redirect_uri = {uri}"


def _providers_with(redirect: Redirect | str, session: Session | None) -> Iterator[IdentityProvider]:
    """The providers of the configuration that people sign in to with this redirect URI."""
    for settings in _every_sign_in(session):
        provider = settings.provider
        if provider is None or provider.no_sign_in_reason:
            continue
        if _are_one(redirect, _redirect(settings, provider)):
            yield provider


def _redirect(settings: Settings, provider: IdentityProvider) -> Redirect | str:
    try:
        return loopback_redirect(settings.redirect_uri, settings.redirect_ports or provider.redirect_ports)
    except ConfigurationError:
        return settings.redirect_uri or ""


def _are_one(one: Redirect | str, other: Redirect | str) -> bool:
    """Return whether a provider that knows one would take the other. Port 0 is any port."""
    if not isinstance(one, Redirect) or not isinstance(other, Redirect):
        return one == other
    ports = set(one.ports) & set(other.ports) or 0 in one.ports or 0 in other.ports
    return bool(ports) and (one.host, one.path) == (other.host, other.path)


def _every_sign_in(session: Session | None) -> Iterator[Settings]:
    """The settings of every profile and session; what is wrong with one of them is told to those who use it."""
    if session is None:
        from botocore.session import Session as NewSession

        session = NewSession()
    config = session.full_config
    for name, section in config.get("profiles", {}).items():
        if isinstance(section, Mapping) and has_our_keys(section):
            try:
                settings = settings_of_session(session, name, in_use=False)
            except ConfigurationError:
                continue
            if settings is not None:
                yield settings
    for title in config:
        if title.startswith(SESSION_SECTION):
            try:
                yield load_session_settings(title[len(SESSION_SECTION) :], environ={})
            except ConfigurationError:
                continue
