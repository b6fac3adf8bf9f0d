"""What serves the credentials of a configuration, with a sign-in in between where ``cognito_auto_login`` says so."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from .assembly import federation_for, real_patience
from .cache import store_for
from .errors import SignInRequiredError

if TYPE_CHECKING:
    from botocore.session import Session

    from .config.settings import Settings
    from .credentials import FederatedCredentials
    from .federation import Served

logger = logging.getLogger(__name__)


def serving_for(
    settings: Settings,
    *,
    session: Callable[[], Session] | None = None,
    time_left: Callable[[], float] | None = None,
    only_for: str | None = None,
    last: FederatedCredentials | None = None,
) -> Callable[[], Served]:
    """`Federation.serve` of a configuration, which signs in by itself where that is needed and wanted.

    Args:
        session: see `assembly.federation_for`.
        time_left: seconds the caller has for it; None where it can wait for a person.
        only_for: see `Federation`.
        last: see `Federation`.
    """
    store = store_for(settings, os.environ)
    federation = federation_for(settings, session=session, store=store, only_for=only_for, last=last)
    if settings.auto_login == "never":
        return federation.serve
    from .sign_in.auto import signed_in_automatically

    now = real_patience().now

    def serve() -> Served:
        try:
            return federation.serve()
        except SignInRequiredError as required:
            if not signed_in_automatically(settings, store, os.environ, now, time_left):
                raise
            logger.debug("Signed in because of: %s", required.what)
            return federation.serve()

    return serve
