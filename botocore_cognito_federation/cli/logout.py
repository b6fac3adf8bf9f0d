"""``logout``: forget tokens and credentials, and revoke at the provider."""

from __future__ import annotations

import os
from datetime import datetime

import click

from ..cache import everything_kept, store_for
from ..cache.base import CREDENTIALS, SESSIONS, Store
from ..config.loader import load_session_settings, load_settings
from ..config.settings import Settings
from ..errors import ConfigurationError
from ..sign_in.logout import SignedOut, forget_scope, sign_out
from .options import chosen_settings, profile_option, session_option


def settings_of_scope(scope: str) -> Settings | None:
    """The settings whose sign-ins have this scope, or None where the configuration no longer has them."""
    kind, _, name = scope.partition(" ")
    try:
        return load_session_settings(name) if kind == "session" else load_settings(name)
    except ConfigurationError:
        return None


def scopes_kept(store: Store) -> list[str]:
    """Every scope of which anything is kept."""
    kinds = (SESSIONS, CREDENTIALS)
    return sorted({str(document.get("scope")) for kind in kinds for _, document in store.documents(kind)})


def say(scope: str, done: SignedOut) -> None:
    """What happened, on stderr."""
    click.echo(f"{scope}: {f'signed out {done.who}' if done.who else 'nobody was signed in'}", err=True)
    if done.revocation is not None and not done.revocation.revoked:
        click.echo(f"  The refresh token was forgotten here but not revoked: {done.revocation.reason}", err=True)
    if done.credentials_until is not None:
        until = datetime.fromtimestamp(done.credentials_until).astimezone()
        click.echo(
            f"  AWS credentials that programs have already been given live until {until:%H:%M}; nothing ends them"
            " before that",
            err=True,
        )


@click.command("logout")
@profile_option
@session_option
@click.option("--all", "everything", is_flag=True, help="Of every profile and session.")
@click.option("--no-revoke", is_flag=True, help="Forget the refresh token without revoking it at the provider.")
def command(profile: str | None, session: str | None, everything: bool, no_revoke: bool) -> None:
    """Sign out: forget tokens and AWS credentials, and revoke the refresh token at the provider (RFC 7009)."""
    if not everything:
        settings = chosen_settings(profile, session)
        say(settings.scope, _signed_out(settings, not no_revoke))
        return
    if profile is not None or session is not None:
        raise click.UsageError("--all goes without --profile and --session")
    store = everything_kept(os.environ)
    for scope in scopes_kept(store):
        found = settings_of_scope(scope)
        if found is not None:
            say(scope, _signed_out(found, not no_revoke))
        forgotten = forget_scope(scope, store=store, environ=os.environ)
        if found is None or forgotten.who is not None:
            say(scope, forgotten)


def _signed_out(settings: Settings, revoking: bool) -> SignedOut:
    return sign_out(settings, store=store_for(settings, os.environ), environ=os.environ, revoking=revoking)
