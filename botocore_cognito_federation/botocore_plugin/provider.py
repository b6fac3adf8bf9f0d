"""The credential provider: silent for every profile that is not ours, and for ours never a way past a failure.

Where an answer is stored ready for exactly the question that a session asks, as `_fast_path` reads it, its credentials
are served and nothing else is imported: the configuration is resolved when they are to be renewed.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from botocore.credentials import CredentialProvider

from .._fast_path import CHAIN_VARIABLE, CacheQuery, expanded
from .._util.concurrency import prepare_for_forks
from .credentials import METHOD
from .deferred import ready_credentials

if TYPE_CHECKING:
    from collections.abc import Callable

    from botocore.session import Session


class CognitoFederationProvider(CredentialProvider):
    """Credentials for a profile with ``cognito_*`` keys.

    Args:
        session: the botocore session whose configuration counts.
        profile_name: the profile; None for the session's own, looked up when credentials are loaded, because boto3
            sets it only after the session was made.
        in_use: False for the parent of a ``source_profile``, which variables do not touch.
        files: the configuration files as `_fast_path.configuration_files` saw them before the session read them; None
            where nobody looked.
        open_session: opens a session for another profile, which may be one of this tool; the default knows none.
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
        """Credentials, or None for a profile that is not ours.

        Raises:
            CognitoFederationError: the profile is ours and wrong; botocore's chain ends here.
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
        """What ``credential-process`` would be asked; None where this session may know another configuration."""
        if self._files is None or not self._in_use or CHAIN_VARIABLE in os.environ:
            return None
        own = [expanded(str(self._session.get_config_variable(name))) for name in ("config_file", "credentials_file")]
        query = CacheQuery(profile or "default", os.environ)
        return query if query.files == self._files and own == [*query.files[:2]] else None


def _plain_session(profile: str) -> Session:
    from botocore.session import Session

    return Session(profile=profile)


def _count_feature() -> None:
    """Tell AWS, as its own providers do, that credentials came by way of a profile."""
    try:
        from botocore.useragent import register_feature_id  # botocore 1.37.3
    except ImportError:
        return
    register_feature_id("CREDENTIALS_PROFILE")
