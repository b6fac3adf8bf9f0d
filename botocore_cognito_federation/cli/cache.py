"""``cache``: what is kept, where, and forgetting it."""

from __future__ import annotations

import os
import time

import click

from ..ready_answer import forget_answers
from ..settings import load_settings
from ..sign_out import delete_credentials, delete_sign_ins, forget_credentials
from ..storage import Store, default_directory, everything_kept, store_for
from ..storage.base import CREDENTIALS, FAILURES, IDENTITIES, SESSIONS
from ..times import span
from .options import profile_option


@click.group("cache")
def command() -> None:
    """List or clear what is kept."""


@command.command("path")
def path() -> None:
    """Print the directory."""
    click.echo(default_directory(os.environ))


@command.command("list")
def list_entries() -> None:
    """List the AWS credentials that are kept; none of them is shown."""
    for key, document in everything_kept(os.environ).documents(CREDENTIALS):
        left = float(document.get("expires_at", 0)) - time.time()
        until = f"{span(left)} left" if left > 0 else "expired"
        who = document.get("who") or document.get("identity_id")
        click.echo(f"{key[:12]}  {document.get('scope')}  {document.get('provider')}  {who}  {until}")


@command.command("clear")
@profile_option
@click.option("--credentials", is_flag=True, help="Keep the sign-in, forget the AWS credentials only.")
@click.option("--all", "everything", is_flag=True, help="Of every profile.")
def clear(profile: str | None, credentials: bool, everything: bool) -> None:
    """Forget the sign-in, AWS credentials and identity IDs; `logout` also revokes, and should be the first choice."""
    store: Store
    if everything:
        store = everything_kept(os.environ)
        kinds = (CREDENTIALS, SESSIONS)
        scopes = {str(document.get("scope")) for kind in kinds for _, document in store.documents(kind)}
    else:
        settings = load_settings(profile)
        store, scopes = store_for(settings, os.environ), {settings.scope}
    forget = delete_credentials if credentials else forget_credentials
    forgotten = sum(forget(store, scope) for scope in scopes)
    signed_out = 0 if credentials else sum(delete_sign_ins(store, scope) for scope in scopes)
    for kind in (FAILURES,) if credentials else (FAILURES, IDENTITIES):
        for key, _ in list(store.documents(kind)):
            store.delete(kind, key)
    forget_answers(default_directory(os.environ))
    also = f" and {signed_out} sign-in{'s' if signed_out != 1 else ''}" if signed_out else ""
    click.echo(f"Forgot {forgotten} set{'s' if forgotten != 1 else ''} of AWS credentials{also}", err=True)
