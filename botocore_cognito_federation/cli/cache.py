"""``cache``: what is kept, where, and forgetting it."""

from __future__ import annotations

import os
import time

import click

from .._fast_path import cache_directory
from ..cache import everything_kept, store_for
from ..cache.answers import forget_answers
from ..cache.base import CREDENTIALS, FAILURES, IDENTITIES, SESSIONS, Store
from ..cache.sessions import EVERYTHING, begin_generation, delete_sign_ins, forget_credentials
from ..config.loader import load_settings
from ..config.settings import Settings
from ..credentials import FederatedCredentials
from ..messages import span
from .options import profile_option


@click.group("cache")
def command() -> None:
    """List or clear what is kept."""


@command.command("path")
def path() -> None:
    """Print the directory."""
    click.echo(cache_directory(os.environ))


@command.command("list")
def list_entries() -> None:
    """List the AWS credentials that are kept; none of them is shown."""
    for key, document in everything_kept(os.environ).documents(CREDENTIALS):
        kept = FederatedCredentials.from_document(document)
        if kept is None:
            continue
        left = kept.expires_at - time.time()
        until = f"{span(left)} left" if left > 0 else "expired"
        who = document.get("who") or kept.identity_id
        click.echo(f"{key[:12]}  {document.get('scope')}  {document.get('provider')}  {who}  {until}")


def _forget_shared(store: Store, settings: Settings) -> int:
    """Credentials that another profile keeps for the same pool and provider would be handed out to this one too."""
    key = settings.provider.login_key if settings.provider else None
    shared = [
        entry
        for entry, document in store.documents(CREDENTIALS)
        if document.get("pool") == settings.identity_pool_id and key in (None, document.get("provider"))
    ]
    for entry in shared:
        store.delete(CREDENTIALS, entry)
    return len(shared)


@command.command("clear")
@profile_option
@click.option("--credentials", is_flag=True, help="Keep the sign-in, forget the AWS credentials only.")
@click.option("--all", "everything", is_flag=True, help="Of every profile.")
def clear(profile: str | None, credentials: bool, everything: bool) -> None:
    """Forget the sign-in, AWS credentials and identity IDs; `logout` also revokes, and should be the first choice."""
    settings = None if everything else load_settings(profile)
    if settings is None:
        store, scope = everything_kept(os.environ), EVERYTHING
        scopes = {str(document.get("scope")) for _, document in store.documents(SESSIONS)}
    else:
        store, scope = store_for(settings, os.environ), settings.scope
        scopes = {scope}
    signed_out = 0
    for name in () if credentials else scopes:
        begin_generation(store, name)
        signed_out += delete_sign_ins(store, name)
    forgotten = forget_credentials(store, scope) + (_forget_shared(store, settings) if settings else 0)
    for key, _ in list(store.documents(FAILURES)):
        store.delete(FAILURES, key)
    for key, document in list(store.documents(IDENTITIES)):
        # Another profile's stay: a guest whose identity ID is forgotten never gets that identity again.
        if not credentials and scope in (EVERYTHING, document.get("scope")):
            store.delete(IDENTITIES, key)
    forget_answers(cache_directory(os.environ))
    also = f" and {signed_out} sign-in{'s' if signed_out != 1 else ''}" if signed_out else ""
    click.echo(f"Forgot {forgotten} set{'s' if forgotten != 1 else ''} of AWS credentials{also}", err=True)
