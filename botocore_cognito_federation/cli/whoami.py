"""``whoami``: who AWS says this is, and who signed in."""

from __future__ import annotations

import json
import os

import click
from botocore.session import Session as BotocoreSession

from ..assembly import federation_for, real_patience
from ..cache import store_for
from ..cache.sessions import Sessions
from ..config.settings import Settings
from ..identity_pool.aws import Clients, call
from ..identity_pool.errors import CallFacts
from .options import chosen_settings, json_option, profile_option


def identity_of(settings: Settings) -> dict[str, str | None]:
    """What STS GetCallerIdentity answers to the credentials, and the person behind them as far as it is known.

    Raises:
        CognitoFederationError: there are no credentials, or STS cannot be asked.
    """
    store = store_for(settings, os.environ)
    credentials = federation_for(settings, store=store).credentials()
    clients = Clients(settings, lambda: BotocoreSession(profile=settings.profile))
    client = clients.sts(access_key=credentials.access_key, secret_key=credentials.secret_key, token=credentials.token)
    answer = call(
        client.get_caller_identity,
        arguments={},
        needs=("Account", "Arn", "UserId"),
        facts=CallFacts(pool=settings.identity_pool_id, profile=settings.profile or "default"),
        patience=real_patience(),
    )
    session = Sessions(settings, store).read()
    return {
        "who": session.who if session else None,
        "subject": session.subject if session else None,
        "identity_id": credentials.identity_id,
        "account": answer.body["Account"],
        "arn": answer.body["Arn"],
        "user_id": answer.body["UserId"],
        "expires_at": f"{credentials.expiration:%Y-%m-%dT%H:%M:%SZ}",
    }


@click.command("whoami")
@profile_option
@json_option
def command(profile: str | None, as_json: bool) -> None:
    """Who AWS says this is (STS GetCallerIdentity), and who signed in."""
    identity = identity_of(chosen_settings(profile, None))
    if as_json:
        click.echo(json.dumps(identity, indent=2))
        return
    for name, value in identity.items():
        if value is not None:
            click.echo(f"{name.replace('_', ' '):12} {value}")
