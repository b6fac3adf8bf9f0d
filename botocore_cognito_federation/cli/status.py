"""``status``: who is signed in and what is cached, until when; no network."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import click

from ..cache import everything_kept, store_for
from ..cache.base import CREDENTIALS, NOTES, SESSIONS, Store
from ..cache.sessions import Session, sign_in_generation
from ..config.configure import signs_people_in
from ..config.precedence import what_shadows
from ..config.settings import Settings
from ..credentials import FederatedCredentials
from ..errors import StorageError
from ..messages import login_command, span
from .options import chosen_settings, json_option, profile_option, session_option

#: Notes older than this concern nobody any more.
_NOTE_LIFE = 86_400


def credentials_of(store: Store, scope: str | None) -> list[dict[str, Any]]:
    """The sets of AWS credentials that are kept for a scope (None: for all), without the credentials."""
    now = time.time()
    return [
        {
            "scope": document.get("scope"),
            "provider": document.get("provider"),
            "who": document.get("who"),
            "identity_id": document.get("identity_id"),
            "expires_at": document.get("expires_at"),
            "seconds_left": max(0, round(float(document.get("expires_at", 0)) - now)),
        }
        for _, document in store.documents(CREDENTIALS)
        if (scope is None or document.get("scope") == scope) and FederatedCredentials.from_document(document)
    ]


def sign_ins_of(store: Store, scope: str | None) -> list[dict[str, Any]]:
    """The sign-ins of a scope (None: of all) that no sign-out has ended, without their tokens."""
    now = time.time()
    found = []
    for _, document in store.documents(SESSIONS):
        session, of = Session.from_document(document), str(document.get("scope"))
        if session is None or scope not in (None, of) or session.generation != sign_in_generation(store, of):
            continue
        token = session.token()
        expires_at = token.expires_at if token else None
        lives = token is not None and (expires_at is None or now < expires_at)
        found.append(
            {
                "scope": of,
                "who": session.who,
                "subject": session.subject,
                "signed_in_at": session.signed_in_at,
                "token_expires_at": expires_at,
                "renews_itself": session.refresh_token is not None,
                "signed_in": lives or session.refresh_token is not None,
            }
        )
    return found


def notes_of(store: Store) -> list[str]:
    """What was worth a word lately, newest last."""
    recent = [document for _, document in store.documents(NOTES) if time.time() - _at(document) < _NOTE_LIFE]
    return [str(document.get("text")) for document in sorted(recent, key=_at)]


def _at(document: Mapping[str, Any]) -> float:
    at = document.get("at")
    return float(at) if isinstance(at, int | float) else 0.0


def sign_in_line(entry: Mapping[str, Any], *, naming_scope: bool) -> str:
    """A sign-in as one line for people."""
    who = f"{entry['who']} ({entry['scope']})" if naming_scope else entry["who"]
    if not entry["signed_in"]:
        return f"the sign-in of {who} has ended"
    if entry["renews_itself"]:
        return f"signed in as {who}; renews itself"
    expires_at = entry["token_expires_at"]
    left = "with no known end" if expires_at is None else f"for another {span(max(0.0, expires_at - time.time()))}"
    return f"signed in as {who} {left}; no refresh token"


@dataclass(frozen=True)
class Overview:
    """What ``status`` has found.

    Attributes:
        needs_sign_in: whether the next use needs a person; None where the store cannot say.
        sign_ins: see `sign_ins_of`.
        credentials: see `credentials_of`.
        notes: see `notes_of`.
        warnings: what keeps the configuration from working, or the store from answering.
    """

    needs_sign_in: bool | None
    sign_ins: list[dict[str, Any]]
    credentials: list[dict[str, Any]]
    notes: list[str]
    warnings: list[str]

    @property
    def living(self) -> list[dict[str, Any]]:
        """The credentials that have not expired."""
        return [entry for entry in self.credentials if entry["seconds_left"] > 0]


def overview_of(settings: Settings | None, store: Store, warnings: list[str]) -> Overview:
    """What is kept for settings, or for everybody (None).

    Raises:
        StorageError: the store cannot be asked.
    """
    scope = settings.scope if settings else None
    found = Overview(False, sign_ins_of(store, scope), credentials_of(store, scope), notes_of(store), warnings)
    signed_in = bool(found.living) or any(entry["signed_in"] for entry in found.sign_ins)
    return replace(found, needs_sign_in=not signed_in and (settings is None or signs_people_in(settings)))


def say(found: Overview, settings: Settings | None) -> None:
    """The same for people."""
    for entry in found.sign_ins:
        click.echo(f"  {sign_in_line(entry, naming_scope=settings is None)}")
    for entry in found.living:
        who = entry["who"] or entry["identity_id"]
        click.echo(f"  AWS credentials for {who} ({entry['provider']}), {span(entry['seconds_left'])} left")
    if found.needs_sign_in:
        click.echo(f"  nobody is signed in{f'. Run: {login_command(settings)}' if settings else ''}")
    elif found.needs_sign_in is False and not found.living:
        click.echo("  no AWS credentials kept; the next use gets them")
    for note in found.notes:
        click.echo(f"  note: {note}")
    for warning in found.warnings:
        click.echo(f"  warning: {warning}")


@click.command("status")
@profile_option
@session_option
@json_option
@click.option("--all", "everything", is_flag=True, help="Of every profile.")
@click.option("--check", is_flag=True, help="Print nothing; exit 3 when the next use needs a sign-in, else 0.")
def command(profile: str | None, session: str | None, as_json: bool, everything: bool, check: bool) -> int:
    """What is signed in and cached, until when, as whom; no network."""
    settings = None if everything else chosen_settings(profile, session)
    store = store_for(settings, os.environ) if settings else everything_kept(os.environ)
    warnings = what_shadows(settings, os.environ) if settings and session is None else []
    try:
        found = overview_of(settings, store, warnings)
    except StorageError as error:
        if check:
            raise
        found = Overview(None, [], [], notes_of(store), [*warnings, error.line])
    if check:
        return 3 if found.needs_sign_in else 0
    if as_json:
        click.echo(json.dumps(asdict(found), indent=2))
        return 0
    if settings:
        shown = f"session {session}" if session else f"profile {settings.profile or 'default'}"
        click.echo(f"{shown}, identity pool {settings.identity_pool_id}")
    say(found, settings)
    return 0
