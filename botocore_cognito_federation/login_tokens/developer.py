"""Developer-authenticated identities: the identity pool's own token for a user whom the developer authenticated."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..errors import CognitoFederationError, ConfigurationError, TokenRefreshError
from ..login_token import LoginToken
from ..messages import login_command, shell_command
from .base import RefreshContext, SourceContext, SourceDeclaration

if TYPE_CHECKING:
    from botocore.credentials import ReadOnlyCredentials
    from botocore.session import Session

    from .._util.concurrency import Clock
    from ..config.settings import Settings
    from ..identity_pool.client import Clients
    from ..identity_pool.errors import CallContext


class DeveloperTokenProvider:
    """``cognito_developer_provider``, ``_user`` and ``_profile`` (GetOpenIdTokenForDeveloperIdentity).

    The token is valid for 15 minutes, Cognito's default, and is exchanged immediately; each renewal requests another.

    Args:
        settings: the configuration.
        clients: makes the signed client.
        clock: the clock.
        open_session: opens a botocore session for another profile, which may be one of this tool.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        clients: Clients,
        clock: Clock,
        open_session: Callable[[str], Session],
    ) -> None:
        self._settings = settings
        self._clients = clients
        self._clock = clock
        self._open_session = open_session

    @property
    def description(self) -> str:
        return f"cognito_developer_provider {self._settings.developer_provider}"

    def fetch(self, context: RefreshContext) -> LoginToken:
        from ..identity_pool.aws import call

        settings = self._settings
        assert settings.developer_provider is not None, "made for developer-authenticated identities"
        assert settings.developer_profile is not None, "checked with the settings"
        if settings.developer_profile == (settings.profile or "default"):
            raise ConfigurationError(
                f"cognito_developer_profile of profile {settings.developer_profile!r} is that profile itself",
                remedy="Name a profile with credentials of its own",
            )
        client = self._clients.signing_cognito_identity(
            credentials_of_profile(settings.developer_profile, self._open_session)
        )
        # No IdentityId: naming one would link the user to it permanently. The answer names the user's identity.
        arguments: dict[str, Any] = {
            "IdentityPoolId": settings.identity_pool_id,
            "Logins": {settings.developer_provider: settings.developer_user},
        }
        answer = call(
            client.get_open_id_token_for_developer_identity,
            arguments=arguments,
            needs=("IdentityId", "Token"),
            facts=self._facts,
            clock=self._clock,
        )
        identity_id = str(answer.body["IdentityId"])
        if settings.identity_id is not None and settings.identity_id != identity_id:
            raise ConfigurationError(
                f"cognito_identity_id is {settings.identity_id}, but the developer user's identity is {identity_id}",
                remedy="Correct or remove cognito_identity_id",
            )
        return LoginToken.of(str(answer.body["Token"]), identity_id=identity_id)

    def _facts(self) -> CallContext:
        from ..identity_pool.errors import CallContext

        return CallContext(
            pool=self._settings.identity_pool_id or "",
            profile=self._settings.developer_profile or "",
            login_key=self._settings.developer_provider or "",
            now=self._clock.now(),
        )


def credentials_of_profile(profile: str, open_session: Callable[[str], Session]) -> ReadOnlyCredentials:
    """Return the credentials of another profile, through botocore's complete chain.

    Raises:
        ConfigurationError: there is no such profile, or it has no credentials.
        TokenRefreshError: its credentials are not available now.
        CognitoFederationError: it is a profile of this tool, and that failed.
    """
    from botocore.exceptions import BotoCoreError, ProfileNotFound

    try:
        found = open_session(profile).get_credentials()
        if found is not None:
            return found.get_frozen_credentials()
    except CognitoFederationError:
        raise
    except ProfileNotFound:
        raise ConfigurationError(f"cognito_developer_profile names {profile!r}, which is not a profile") from None
    except BotoCoreError as error:
        raise TokenRefreshError(
            f"Profile {profile!r} (cognito_developer_profile) has no credentials now ({type(error).__name__})",
            remedy=f"Run: {shell_command('aws', 'sts', 'get-caller-identity', '--profile', profile)}",
        ) from None
    raise ConfigurationError(
        f"Profile {profile!r} (cognito_developer_profile) has no credentials",
        remedy=f"Run: {shell_command('aws', 'configure', '--profile', profile)}",
    )


def _open(settings: Settings, context: SourceContext) -> DeveloperTokenProvider:
    return DeveloperTokenProvider(
        settings, clients=context.clients, clock=context.clock, open_session=context.open_session
    )


DEVELOPER = SourceDeclaration(
    "developer_user",
    _open,
    lambda settings: f"Run: {login_command(settings)}",
    address_is_fixed=True,
    runs_in_process=True,
)
