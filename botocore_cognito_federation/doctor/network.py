"""What can be wrong between here and there: the provider, the clock, the identity pool, and the token between them."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from email.utils import parsedate_to_datetime

from .._util.http import HttpClient, ServerBusyError
from .._util.log import quiet_botocore
from ..assembly import federation_for, real_patience
from ..cache.base import Store
from ..config.configure import check_provider, signs_people_in
from ..config.settings import Settings
from ..errors import CognitoFederationError, ConfigurationError, SignInRequiredError, TemporaryError
from ..identity_pool.aws import Clients
from ..identity_pool.client import IdentityPool, Login, fixed_identity
from ..identity_providers import derive_login_key
from .findings import Finding

logger = logging.getLogger(__name__)

#: Seconds by which a clock may be off unnoticed; AWS refuses signatures from 300.
_UNNOTICED = 60.0
_REFUSED_FROM = 240.0


def provider(settings: Settings, store: Store) -> Iterator[Finding]:
    """Whether the identity provider is there and is who it says."""
    if not signs_people_in(settings):
        return
    try:
        check_provider(settings, store)
        yield Finding("provider", "ok", f"{settings.provider.name if settings.provider else ''} answers for its issuer")
    except CognitoFederationError as error:
        yield Finding.of("provider", error)


def clocks(settings: Settings, clients: Clients) -> Iterator[Finding]:
    """Whether this machine's clock agrees with the provider's and with AWS's."""
    addresses = {}
    if settings.provider is not None and settings.provider.issuer is not None and signs_people_in(settings):
        issuer = settings.provider.issuer.removesuffix("/")
        addresses["the identity provider"] = f"{issuer}/.well-known/openid-configuration"
    with quiet_botocore():
        addresses["Cognito"] = str(clients.cognito_identity().meta.endpoint_url)
    for whose, address in addresses.items():
        yield from _clock(whose, address, HttpClient(ca_bundle=settings.ca_bundle))


def _clock(whose: str, address: str, http: HttpClient) -> Iterator[Finding]:
    try:
        theirs = _date(http.get(address).headers.get("date"))
    except ServerBusyError:
        return
    except TemporaryError as error:
        yield Finding.of("network" if whose == "Cognito" else "provider", error)
        return
    except CognitoFederationError as error:
        logger.debug("No clock to compare with at %s: %s", address, error.what)
        return
    if theirs is None:
        return
    ahead = time.time() - theirs
    side = "ahead of" if ahead > 0 else "behind"
    what = f"This machine's clock is {abs(round(ahead))} s {side} that of {whose}"
    if abs(ahead) >= _REFUSED_FROM:
        yield Finding("clock", "error", what, "Set the clock, or let it be set (NTP)", ConfigurationError.exit_code)
    elif abs(ahead) >= _UNNOTICED:
        yield Finding("clock", "warning", what, "Set the clock, or let it be set (NTP)")
    else:
        yield Finding("clock", "ok", f"This machine's clock agrees with that of {whose}")


def _date(text: str | None) -> float | None:
    try:
        return parsedate_to_datetime(text).timestamp() if text else None
    except (ValueError, TypeError, OverflowError):
        return None


def token_and_pool(settings: Settings, store: Store, clients: Clients) -> Iterator[Finding]:
    """Whether the login token fits the configuration, the identity pool takes it, and the roles can be had.

    Guests are not tried: every try without a known identity would make a new one.
    """
    if settings.is_guest:
        return
    try:
        login = federation_for(settings, store=store).login()
    except SignInRequiredError:
        return  # said already
    except CognitoFederationError as error:
        yield Finding.of("login token", error)
        return
    if login is None:
        return
    yield from _claims(settings, login)
    pool = IdentityPool(settings, clients, real_patience())
    try:
        identity_id = fixed_identity(settings, login) or pool.get_id(login)
        credentials = pool.exchange(identity_id, login).credentials
    except CognitoFederationError as error:
        yield Finding.of("identity pool", error)
        return
    what = f"{settings.identity_pool_id} takes the token and gives credentials: identity {credentials.identity_id}"
    yield Finding("identity pool", "ok", what)


def _claims(settings: Settings, login: Login) -> Iterator[Finding]:
    claims = login.token.claims
    audience = claims.get("aud")
    audiences = [audience] if isinstance(audience, str) else audience if isinstance(audience, list) else []
    if settings.client_id is not None and audiences and settings.client_id not in audiences:
        what = f"The login token is for {', '.join(map(str, audiences))[:200]}, not for cognito_client_id"
        yield Finding("audience", "warning", what, "Let the identity pool's provider have the audience of the token")
    issuer = login.token.issuer
    configured = settings.provider.accepted_issuers if settings.provider else ()
    if issuer is not None and configured and issuer.removesuffix("/") not in {i.removesuffix("/") for i in configured}:
        what = f"The login token comes from {issuer[:200]}, and the configuration names {configured[0]}"
        yield Finding("issuer", "error", what, f"Set cognito_provider = {derive_login_key(issuer)[:200]}", 4)
