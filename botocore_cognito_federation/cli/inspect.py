"""The commands that show what is stored: ``status`` and ``cache``."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import click

from .._fast_path import CacheQuery
from ..cache import STORES
from ..cache.answers import bindings_of_check, last_failure, put_check
from ..cache.base import CREDENTIALS, EVERYTHING, FAILURES, IDENTITIES, NOTES, SESSIONS, Store, sign_in_epoch
from ..cache.file import FileStore
from ..cache.local_first import LocalFirstStore
from ..cache.sessions import Session, Sessions, forget_credentials, session_key
from ..cache.shared import TableStore
from ..config.configure import signs_people_in
from ..config.profiles import find_overrides
from ..config.settings import Settings
from ..credentials import FederatedCredentials
from ..errors import ConfigurationError, StorageError
from ..factory import default_directory, everything_stored, store_for
from ..messages import login_command, shown_profile, shown_time_or_none, shown_url, span
from ..sign_in.logout import scopes_left_over
from .account import settings_of_scope
from .app import (
    chosen_settings,
    json_option,
    print_data,
    print_json,
    print_line,
    profile_option,
    session_option,
)

#: Notes older than this are obsolete.
_NOTE_LIFE = 86_400
#: Seconds for which the answer of ``status --check`` counts at most.
_LONGEST_CHECK = 86_400


def credentials_of(store: Store, scope: str | None) -> list[dict[str, Any]]:
    """The sets of AWS credentials that are cached for a scope (None: for all), without the credentials."""
    now = time.time()
    return [
        {
            "scope": document.get("scope"),
            "provider": document.get("provider"),
            "who": document.get("who"),
            "role_arn": document.get("role"),
            "identity_id": document.get("identity_id"),
            "subject": document.get("subject"),
            "expires_at": document.get("expires_at"),
            "seconds_left": max(0, round(float(document.get("expires_at", 0)) - now)),
        }
        for _, document in store.documents(CREDENTIALS)
        if (scope is None or document.get("scope") == scope) and FederatedCredentials.from_document(document)
    ]


def sign_ins_of(store: Store, settings: Settings | None, *, can_renew: bool = True) -> list[dict[str, Any]]:
    """The sign-ins of settings (None: of all) that no sign-out has ended, without their tokens.

    Also those that an earlier configuration has left.

    Args:
        can_renew: whether a refresh token can be used: its successor has to be stored.
    """
    now = time.time()
    found = []
    scopes = {settings.scope, *scopes_left_over(settings, store, os.environ)} if settings else None
    for key, document in store.documents(SESSIONS):
        session, of = Session.from_document(document), str(document.get("scope"))
        if session is None or session.sign_out_epoch != sign_in_epoch(store, of):
            continue
        if scopes is not None and of not in scopes:
            continue
        configured = settings if settings and of == settings.scope else settings_of_scope(of)
        token = session.token()
        expires_at = token.expires_at if token else None
        is_valid = token is not None and (expires_at is None or now < expires_at)
        found.append(
            {
                "scope": of,
                "who": session.user_name,
                "subject": session.subject,
                "signed_in_at": session.signed_in_at,
                "token_expires_at": expires_at,
                "has_refresh_token": session.refresh_token is not None,
                "renews_itself": session.refresh_token is not None and can_renew,
                "signed_in": is_valid or session.refresh_token is not None,
                "is_left_over": configured is None or session_key(configured) != key,
            }
        )
    return found


def notes_of(store: Store) -> list[str]:
    """What was worth a word lately, newest last."""
    recent = [document for _, document in store.documents(NOTES) if time.time() - _at(document) < _NOTE_LIFE]
    return [str(document.get("text")) for document in sorted(recent, key=_at)]


def _at(document: Mapping[str, Any]) -> float:
    at = document.get("at")
    try:
        return float(at) if isinstance(at, int | float) else 0.0
    except OverflowError:  # JSON may hold integers that are longer than a float
        return 0.0


def sign_in_line(entry: Mapping[str, Any], *, naming_scope: bool) -> str:
    """A sign-in as one line for people."""
    user = f"{entry['who']} ({entry['scope']})" if naming_scope else entry["who"]
    if entry["is_left_over"]:
        return f"an earlier configuration has left the sign-in of {user}; logout ends it"
    if not entry["signed_in"]:
        return f"the sign-in of {user} has ended"
    if entry["renews_itself"]:
        return f"signed in as {user}; renews itself"
    expires_at = entry["token_expires_at"]
    left = "with no known end" if expires_at is None else f"for another {span(max(0.0, expires_at - time.time()))}"
    why = "the cache cannot be written, so nothing renews it" if entry["has_refresh_token"] else "no refresh token"
    return f"signed in as {user} {left}; {why}"


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
    def usable(self) -> list[dict[str, Any]]:
        """The credentials that have not expired."""
        return [entry for entry in self.credentials if entry["seconds_left"] > 0]

    @property
    def current(self) -> list[dict[str, Any]]:
        """The sign-ins that the configuration as it is uses."""
        return [entry for entry in self.sign_ins if not entry["is_left_over"]]


def overview_of(settings: Settings | None, store: Store, warnings: list[str], *, can_renew: bool = True) -> Overview:
    """What is stored for settings, or for all scopes (None); `can_renew` as for `sign_ins_of`.

    Raises:
        StorageError: the store cannot be asked.
    """
    scope = settings.scope if settings else None
    sign_ins = sign_ins_of(store, settings, can_renew=can_renew)
    found = Overview(False, sign_ins, credentials_of(store, scope), notes_of(store), warnings)
    return replace(found, needs_sign_in=_needs_sign_in(found, settings, store))


def _needs_sign_in(found: Overview, settings: Settings | None, store: Store) -> bool:
    signed_in = any(entry["signed_in"] for entry in found.current)
    if settings is None:
        return not signed_in and not found.usable
    if signed_in or not signs_people_in(settings):
        return False
    # A sign-in that has ended still says whose credentials are cached; without one no process can tell.
    session = Sessions(settings, store).read()
    return session is None or session.login_token is None or not found.usable


def say(found: Overview, settings: Settings | None, *, can_store: bool) -> None:
    """Print an overview; `can_store` says whether the next use can store its credentials."""
    for entry in found.sign_ins:
        print_line(f"  {sign_in_line(entry, naming_scope=settings is None)}")
    for entry in found.usable:
        user = entry["who"] or entry["identity_id"] or entry["subject"]
        role = f" as {entry['role_arn'].rpartition('/')[2]}" if isinstance(entry["role_arn"], str) else ""
        print_line(f"  AWS credentials for {user} ({entry['provider']}){role}, {span(entry['seconds_left'])} left")
    if found.needs_sign_in:
        print_line(f"  not signed in{f'. Run: {login_command(settings)}' if settings else ''}")
    elif found.needs_sign_in is False and not found.usable:
        print_line(f"  no AWS credentials cached{'; the next use gets them' if can_store else ''}")
    for note in found.notes:
        print_line(f"  note: {note}")
    for warning in found.warnings:
        print_line(f"  warning: {warning}")


def _true_until(found: Overview) -> float:
    """Until when an overview says whether a sign-in is needed, if nothing is written."""
    ends = [entry["expires_at"] for entry in found.usable]
    ends += [
        None if entry["renews_itself"] else entry["token_expires_at"] for entry in found.current if entry["signed_in"]
    ]
    longest = time.time() + _LONGEST_CHECK
    return min(longest, max(longest if end is None else float(end) for end in ends)) if ends else longest


def _failed_lately(settings: Settings) -> list[str]:
    """What the helper said last, which a program that started it may not have shown."""
    failed = last_failure(CacheQuery(settings.profile, os.environ))
    if failed is None or time.time() - failed[0] >= _NOTE_LIFE:
        return []
    return [f"credential_process failed recently: {failed[1]}"]


@click.command("status")
@profile_option
@session_option
@json_option
@click.option("--all", "everything", is_flag=True, help="Of every profile.")
@click.option("--check", is_flag=True, help="Print nothing; exit 3 when the next use needs a sign-in, else 0.")
def status_command(profile: str | None, session: str | None, as_json: bool, everything: bool, check: bool) -> int:
    """What is signed in and cached, until when, as whom; no network."""
    query = CacheQuery(profile, os.environ)
    bindings = bindings_of_check(query)
    settings = None if everything else chosen_settings(profile, session)
    store = store_for(settings, os.environ) if settings else everything_stored(os.environ)
    warnings = []
    if settings and session is None:
        warnings = [*find_overrides(settings, os.environ), *_failed_lately(settings)]
    why = None
    if settings is None or STORES[settings.cache].outlives_process:
        why = FileStore(default_directory(os.environ)).why_unusable()
        warnings += [f"{why.what}, so each call starts anew. {why.remedy}"] if why else []
    try:
        found = overview_of(settings, store, warnings, can_renew=why is None)
    except StorageError as error:
        if check:
            raise
        found = Overview(None, [], [], notes_of(store), [*warnings, error.line])
    shared = _shared_cache(settings, store)
    if check:
        code = 3 if found.needs_sign_in else 0
        if settings and session is None and settings.cache == "file":
            put_check(query, bindings, code, _true_until(found))
        return code
    if as_json:
        named = query.profile if settings and session is None else None
        source = settings.profile if settings and named not in (None, settings.profile or "default") else None
        print_json({"profile": named, "source_profile": source, **with_shown_times(asdict(found)), **shared})
        return 0
    if settings:
        shown = f"session {session}" if session else shown_profile(query.profile, settings)
        print_line(f"{shown}, {settings.issued_by}")
    for described_cache in shared.values():
        print_line(f"  shared cache: {described_cache['url']}; sign-ins: {described_cache['sign_ins']}")
    say(found, settings, can_store=why is None)
    return 0


def _shared_cache(settings: Settings | None, store: Store) -> dict[str, dict[str, str]]:
    """The shared cache of a configuration, if there is one; whether it answers is for ``doctor`` to say."""
    if settings is None or not isinstance(store, LocalFirstStore):
        return {}
    sessions = {"local": "on this machine", "same": "there too"}.get(
        settings.cache_sessions, shown_url(settings.cache_sessions_url or "")
    )
    return {"shared_cache": {"url": shown_url(settings.cache_url or ""), "sign_ins": sessions}}


def with_shown_times(value: Any) -> Any:
    """A document in which each time, whose name ends in ``_at``, is ISO 8601."""
    if isinstance(value, dict):
        return {
            name: shown_time_or_none(each) if name.endswith("_at") else with_shown_times(each)
            for name, each in value.items()
        }
    return [with_shown_times(each) for each in value] if isinstance(value, list) else value


@click.group("cache")
def cache_command() -> None:
    """List or clear what is cached."""


@cache_command.command("path")
@json_option
def path(as_json: bool) -> None:
    """Print the directory."""
    directory = default_directory(os.environ)
    if as_json:
        print_json({"path": directory})
    else:
        print_data(directory)


@cache_command.command("list")
@json_option
def list_entries(as_json: bool) -> None:
    """List the cached AWS credentials, without showing them."""
    if as_json:
        print_json({"credentials": with_shown_times(credentials_of(everything_stored(os.environ), None))})
        return
    for key, document in everything_stored(os.environ).documents(CREDENTIALS):
        cached = FederatedCredentials.from_document(document)
        if cached is None:
            continue
        left = cached.expires_at - time.time()
        until = f"{span(left)} left" if left > 0 else "expired"
        user = document.get("who") or cached.user_id
        print_line(f"{key[:12]}  {document.get('scope')}  {document.get('provider')}  {user}  {until}")


def _forget_shared(store: Store, settings: Settings) -> int:
    """Warn of credentials cached for another profile with the same pool and provider, which this one would get too."""
    key = settings.provider.login_key if settings.provider else None
    role = None if settings.identity_pool_id else settings.assume_role_arn or settings.role_arn
    shared = [
        entry
        for entry, document in store.documents(CREDENTIALS)
        if document.get("pool") == settings.identity_pool_id
        and key in (None, document.get("provider"))
        and role in (None, document.get("role"))
    ]
    for entry in shared:
        store.delete(CREDENTIALS, entry)
    return len(shared)


@cache_command.command("create-table")
@profile_option
def create_table(profile: str | None) -> None:
    """Make the table of a shared cache, once, as a user who may make tables."""
    store = store_for(chosen_settings(profile, None), os.environ)
    if not isinstance(store, LocalFirstStore):
        raise ConfigurationError("This profile has no shared cache", remedy="Set cognito_cache = postgres or dynamodb")
    for engine in store.engines():
        if isinstance(engine, TableStore):
            engine.create_table()
            print_line(f"The table is in {engine.engine}", err=True)
        else:
            print_line(f"{engine.engine} needs no table", err=True)


@cache_command.command("clear")
@profile_option
@click.option("--credentials", is_flag=True, help="Forget the AWS credentials only, not the identity IDs.")
@click.option("--all", "everything", is_flag=True, help="Of every profile.")
def clear(profile: str | None, credentials: bool, everything: bool) -> None:
    """Forget AWS credentials and identity IDs, which the next use fetches again. The sign-in stays: `logout` ends it.

    A sign-in that was only forgotten here would go on at the provider, with a refresh token that nothing can revoke.
    """
    settings = None if everything else chosen_settings(profile, None)
    if settings is None:
        store, scope = everything_stored(os.environ), EVERYTHING
    else:
        store, scope = store_for(settings, os.environ), settings.scope
    scopes = [scope, *(scopes_left_over(settings, store, os.environ) if settings else ())]
    forgotten = sum(forget_credentials(store, each) for each in scopes)
    forgotten += _forget_shared(store, settings) if settings else 0
    for key, _ in list(store.documents(FAILURES)):
        store.delete(FAILURES, key)
    for key, document in list(store.documents(IDENTITIES)):
        # Another profile's stay: a guest whose identity ID is forgotten never gets that identity again.
        if not credentials and scope in (EVERYTHING, document.get("scope")):
            store.delete(IDENTITIES, key)
    FileStore(default_directory(os.environ)).forget_answers()
    print_line(f"Forgot {forgotten} set{'s' if forgotten != 1 else ''} of AWS credentials", err=True)
    staying = [document for _, document in store.documents(SESSIONS) if scope in (EVERYTHING, document.get("scope"))]
    if staying:
        print_line("The sign-in stays. To end it, run: cognito-federation logout", err=True)
