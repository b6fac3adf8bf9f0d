"""One examination: everything on this machine, then, unless it is to stay offline, everything beyond it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping

from botocore.session import Session

from ..cache import store_for
from ..config.loader import load_settings
from ..config.settings import Settings
from ..errors import CognitoFederationError
from ..identity_pool.aws import Clients
from . import local, network
from .findings import Finding, by_severity

logger = logging.getLogger(__name__)


def examine(profile: str | None, environ: Mapping[str, str], *, offline: bool = False) -> list[Finding]:
    """Look at everything; worst first. Nothing is changed, and nobody is asked to sign in."""
    try:
        settings = load_settings(profile)
    except CognitoFederationError as error:
        return [Finding.of("configuration", error)]
    found = [Finding("configuration", "ok", f"Profile {settings.profile or 'default'} is a configuration")]
    for look in _looks(settings, environ, offline):
        try:
            found.extend(look())
        except CognitoFederationError as error:
            found.append(Finding.of("examination", error))
    return by_severity(found)


def _looks(settings: Settings, environ: Mapping[str, str], offline: bool) -> Iterator[Callable[[], Iterator[Finding]]]:
    store = store_for(settings, environ)
    yield lambda: local.shadows(settings, environ)
    yield lambda: local.helper(settings, environ)
    yield lambda: local.places(settings, store, environ)
    yield lambda: local.names(settings)
    yield lambda: local.sign_in(settings, store)
    yield lambda: local.redirect_ports(settings)
    yield lambda: local.notes(store)
    if offline:
        return
    clients = Clients(settings, lambda: Session(profile=settings.profile))
    yield lambda: network.provider(settings, store)
    yield lambda: network.clocks(settings, clients)
    yield lambda: network.token_and_pool(settings, store, clients)
