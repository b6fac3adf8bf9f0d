"""``status``: what is signed in and cached, until when, as whom; no network."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from typing import Any

import click

from ..credentials import FederatedCredentials
from ..settings import load_settings
from ..shadowing import what_shadows
from ..storage import FileStore, default_directory
from ..storage.base import CREDENTIALS, NOTES
from ..times import span
from .options import json_option, profile_option

#: Notes older than this concern nobody any more.
_NOTE_LIFE = 86_400


def credentials_of(store: FileStore, scope: str | None) -> list[dict[str, Any]]:
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


def notes_of(store: FileStore) -> list[str]:
    """What was worth a word lately, newest last."""
    recent = [document for _, document in store.documents(NOTES) if time.time() - _at(document) < _NOTE_LIFE]
    return [str(document.get("text")) for document in sorted(recent, key=_at)]


def _at(document: Mapping[str, Any]) -> float:
    at = document.get("at")
    return float(at) if isinstance(at, int | float) else 0.0


@click.command("status")
@profile_option
@json_option
@click.option("--all", "everything", is_flag=True, help="Of every profile.")
@click.option("--check", is_flag=True, help="Print nothing; exit 0 when AWS credentials live, else 3.")
def command(profile: str | None, as_json: bool, everything: bool, check: bool) -> int:
    """What is signed in and cached, until when, as whom; no network."""
    store = FileStore(default_directory(os.environ))
    settings = None if everything else load_settings(profile)
    entries = credentials_of(store, settings.scope if settings else None)
    living = [entry for entry in entries if entry["seconds_left"] > 0]
    if check:
        return 0 if living else 3
    warnings = what_shadows(settings, os.environ) if settings else []
    if as_json:
        click.echo(json.dumps({"credentials": entries, "notes": notes_of(store), "warnings": warnings}, indent=2))
        return 0
    if settings:
        click.echo(f"profile {settings.profile or 'default'}, identity pool {settings.identity_pool_id}")
    for entry in living:
        who = entry["who"] or entry["identity_id"]
        click.echo(f"  AWS credentials for {who} ({entry['provider']}), {span(entry['seconds_left'])} left")
    if not living:
        click.echo("  no AWS credentials kept; the next use gets them")
    for note in notes_of(store):
        click.echo(f"  note: {note}")
    for warning in warnings:
        click.echo(f"  warning: {warning}")
    return 0
