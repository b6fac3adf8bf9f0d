"""``token``: the login token, for tools that talk to the application behind the provider themselves."""

from __future__ import annotations

import json

import click

from ..assembly import federation_for
from ..config.settings import Settings
from ..errors import ConfigurationError
from .options import chosen_settings, profile_option, session_option


def login_token(settings: Settings) -> tuple[str, dict[str, object]]:
    """The login token, fresh, and its claims (empty for one that is no JWT).

    Raises:
        CognitoFederationError: there is none.
    """
    login = federation_for(settings).login()
    if login is None:
        raise ConfigurationError("Guests have no login token")
    return login.token.value, dict(login.token.claims)


@click.command("token")
@profile_option
@session_option
@click.option("--claims", is_flag=True, help="Print the claims in it instead.")
def command(profile: str | None, session: str | None, claims: bool) -> None:
    """Print the login token. Whoever has it is you until it expires."""
    token, found = login_token(chosen_settings(profile, session))
    if not claims:
        click.echo(token)
        return
    if not found:
        raise ConfigurationError("The login token of this provider is not a JWT and has no claims to show")
    click.echo(json.dumps(found, indent=2, ensure_ascii=False))
