"""The credentials of another profile, for developer-authenticated identities: they may be ours too."""

from __future__ import annotations

from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ProfileNotFound

from ..errors import CognitoFederationError, ConfigurationError, TokenRefreshError
from ..messages import shell_command
from .chain import session_of_other_profile

if TYPE_CHECKING:
    from botocore.credentials import ReadOnlyCredentials


def credentials_of_profile(profile: str) -> ReadOnlyCredentials:
    """The credentials of another profile, by botocore's whole chain.

    Raises:
        ConfigurationError: there is no such profile, or it has no credentials.
        TokenRefreshError: its credentials cannot be had now.
        CognitoFederationError: it is a profile of ours, and that failed.
    """
    try:
        found = session_of_other_profile(profile).get_credentials()
        if found is not None:
            return found.get_frozen_credentials()
    except CognitoFederationError:
        raise
    except ProfileNotFound:
        raise ConfigurationError(f"cognito_developer_profile names {profile!r}, which is no profile") from None
    except BotoCoreError as error:
        raise TokenRefreshError(
            f"Profile {profile!r} (cognito_developer_profile) has no credentials for now ({type(error).__name__})",
            remedy=f"Run: {shell_command('aws', 'sts', 'get-caller-identity', '--profile', profile)}",
        ) from None
    raise ConfigurationError(
        f"Profile {profile!r} (cognito_developer_profile) has no credentials",
        remedy=f"Run: {shell_command('aws', 'configure', '--profile', profile)}",
    )
