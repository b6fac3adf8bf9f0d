"""The commands about who is signed in: ``login``, ``refresh``, ``logout``, ``whoami`` and ``token``."""

from __future__ import annotations

import os
import shlex
import sys
import time
from dataclasses import replace
from datetime import datetime

import click
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError

from .._fast_path import CacheQuery
from ..botocore_plugin.provider import session_of_other_profile
from ..cache import STORES
from ..cache.base import CREDENTIALS, SESSIONS, Store
from ..cache.file import FileStore
from ..cache.sessions import Sessions
from ..config.configure import signs_people_in
from ..config.profiles import load_session_settings, load_settings
from ..config.settings import Settings
from ..errors import (
    CognitoFederationError,
    ConfigurationError,
    FederationRefusedError,
    SignInRequiredError,
    TemporaryError,
)
from ..factory import (
    default_directory,
    everything_stored,
    fetcher_for,
    other_stores,
    signed_in_here,
    store_for,
    system_clock,
)
from ..identity_pool.aws import call, suppress_wire_logs
from ..identity_pool.client import Clients
from ..identity_pool.errors import CallContext
from ..login_token import LoginToken
from ..messages import LONGEST_CODE, printable, shown_time, span
from ..sign_in.login import LoginOptions, SignedIn
from ..sign_in.logout import SignedOut, forget_scope, scopes_left_over, sign_out
from ..sign_in.terminal import TerminalScreen, read_line
from .app import chosen_settings, json_option, print_json, print_line, profile_option, session_option
from .roles import chosen_role, offered_roles, write_role


def report(settings: Settings, signed_in: SignedIn) -> str:
    """Who signed in, and until when that holds."""
    session, credentials = signed_in.session, signed_in.credentials
    first = f"{'Joined the sign-in of' if signed_in.joined else 'Signed in as'} {session.label}"
    lines = [f"{first}, {settings.scope}"]
    if credentials is not None:
        until = credentials.expiration.astimezone()
        lines.append(f"AWS credentials until {until:%H:%M} ({_left(credentials.expires_at)})")
    if session.refresh_token is not None:
        lines.append("The sign-in renews itself for as long as the identity provider allows")
    elif session.token_expires_at is not None:
        provider = settings.provider
        help_for_it = f"; {provider.refresh_remedy}" if provider and provider.refresh_remedy else ""
        lines.append(
            f"The sign-in ends in {_left(session.token_expires_at)}: the provider gave no refresh token{help_for_it}"
        )
    return "\n".join(lines)


def _left(at: float) -> str:
    return span(max(0.0, at - time.time()))


def run_login(settings: Settings, options: LoginOptions) -> None:
    """Sign in on this terminal and say who it was.

    Raises:
        CognitoFederationError: the sign-in failed.
    """
    if not STORES[settings.cache].outlives_process:
        raise ConfigurationError(
            f"cognito_cache = {settings.cache} holds a sign-in only in the process that made it, and this one ends now",
            remedy="Set cognito_cache = file or keyring, or call botocore_cognito_federation.login() in Python",
        )
    screen = TerminalScreen(sys.stderr, read_line=lambda timeout: read_line(0, timeout))
    signed_in = signed_in_here(settings, screen, options, open_session=session_of_other_profile)
    screen.say(report(settings, signed_in))


def parse_browser_command(text: str) -> tuple[str, ...]:
    """A configured command as an argument vector; ``%s`` in it stands for the address.

    Raises:
        ConfigurationError: it is empty, or its quotes do not close.
    """
    try:
        # On Windows a backslash separates folders; non-POSIX splitting keeps it, and the quotes with it.
        words = shlex.split(text, posix=os.name != "nt")
    except ValueError:
        words = []
    words = [word.strip('"') for word in words] if os.name == "nt" else words
    if not words:
        raise ConfigurationError("The browser command is empty or its quotes do not close", remedy="Correct it")
    return tuple(words)


@click.command("login")
@profile_option
@session_option
@click.option("--no-browser", is_flag=True, help="Open nothing; open the printed URL on this machine yourself.")
@click.option("--use-device-code", is_flag=True, help="Sign in with a code, on any device.")
@click.option("--remote", is_flag=True, help="Sign in anywhere and paste the address it ends on.")
@click.option("--browser-command", metavar="C", help="The browser to open; %s in it stands for the address.")
@click.option("--port", type=click.IntRange(0, 65535), metavar="N", help="The port to listen on.")
@click.option(
    "--timeout", type=click.FloatRange(1, 3600), default=300.0, show_default=True, metavar="S", help="Seconds to wait."
)
@click.option("--if-needed", is_flag=True, help="Do nothing if credentials are available without a sign-in.")
@click.option("--force", is_flag=True, help="Let another user than the one signed in so far sign in.")
@click.option("--login-hint", metavar="U", help="The account the provider should suggest.")
@click.option(
    "--role",
    metavar="[ROLE]",
    is_flag=False,
    flag_value="",
    help="Write this role of the user into the profile; without ROLE, pick it from a list.",
)
def login_command(
    profile: str | None,
    session: str | None,
    no_browser: bool,
    use_device_code: bool,
    remote: bool,
    browser_command: str | None,
    port: int | None,
    timeout: float,
    if_needed: bool,
    force: bool,
    login_hint: str | None,
    role: str | None,
) -> None:
    """Sign in. The URL is always printed; a browser opens where one can be."""
    ways = {
        "--no-browser": no_browser and not use_device_code,  # the AWS CLI takes both: a code opens nothing by itself
        "--use-device-code": use_device_code,
        "--remote": remote,
        "--browser-command": browser_command is not None,
    }
    chosen = [name for name, given in ways.items() if given]
    if len(chosen) > 1:
        raise click.UsageError(f"{' and '.join(chosen)} exclude each other")
    options = LoginOptions(
        no_browser=no_browser,
        use_device_code=use_device_code,
        remote=remote,
        browser_command=parse_browser_command(browser_command) if browser_command is not None else None,
        port=port,
        timeout=timeout,
        force=force,
        login_hint=login_hint,
    )
    settings = chosen_settings(profile, session)
    if role is not None and settings.profile is None:
        raise click.UsageError("--role goes with a profile, which it is written into")
    if if_needed and (why_not := why_no_sign_in(settings)) is not None:
        print_line(f"{why_not}, {settings.scope}", err=True)
    elif role is None:
        run_login(settings, options)
    else:
        _sign_in_to_choose(settings, options)
    if role is not None:
        store = store_for(settings, os.environ)
        write_role(settings, chosen_role(offered_roles(settings), role), store)


def _sign_in_to_choose(settings: Settings, options: LoginOptions) -> None:
    """Sign in, also where the pool gives no role yet: which one is chosen afterwards.

    Raises:
        CognitoFederationError: no user is signed in.
    """
    try:
        run_login(settings, options)
    except FederationRefusedError as refused:
        if Sessions(settings, store_for(settings, os.environ)).read() is None:
            raise
        print_line(refused.line, err=True)


def why_no_sign_in(settings: Settings) -> str | None:
    """Why no sign-in is needed; None where one is. The sign-in is tried for that, and renewed where that is due.

    Raises:
        CognitoFederationError: it cannot be tried now, or a sign-in would not help.
    """
    store = store_for(settings, os.environ)
    fetcher = fetcher_for(replace(settings, auto_login="never"), store=store, open_session=session_of_other_profile)
    try:
        if settings.profile is None:
            fetcher.login()
        else:
            fetcher.credentials()
    except SignInRequiredError:
        return None
    session = Sessions(settings, store).read() if signs_people_in(settings) else None
    return f"{session.user_name} is signed in already" if session else "No sign-in is needed"


@click.command("refresh")
@profile_option
def refresh_command(profile: str | None) -> None:
    """Renew the login token and the AWS credentials now, because groups or roles of the user have changed.

    Programs that run have the new credentials when theirs are due to be renewed.
    """
    settings = chosen_settings(profile, None)
    fetcher = fetcher_for(settings, open_session=session_of_other_profile)
    credentials = fetcher.fetch_fresh(new_token=True)
    FileStore(default_directory(os.environ)).forget_answers()
    until = credentials.expiration.astimezone()
    print_line(
        f"Renewed {settings.scope}: AWS credentials until {until:%H:%M} ({_left(credentials.expires_at)})", err=True
    )


def settings_of_scope(scope: str) -> Settings | None:
    """The settings whose sign-ins have this scope, or None where the configuration no longer has them."""
    kind, _, name = scope.partition(" ")
    try:
        found = load_session_settings(name) if kind == "session" else load_settings(name)
    except ConfigurationError:
        return None
    return found if found.scope == scope else None  # a profile that names a session now has left its own scope


def stored_scopes(store: Store) -> list[str]:
    """Every scope of which anything is stored."""
    kinds = (SESSIONS, CREDENTIALS)
    return sorted({str(document.get("scope")) for kind in kinds for _, document in store.documents(kind)})


def say(scope: str, done: SignedOut) -> None:
    """What happened, on stderr."""
    print_line(f"{scope}: {f'signed out {done.user_name}' if done.user_name else 'no user was signed in'}", err=True)
    if done.revocation is not None and not done.revocation.revoked:
        print_line(f"  The refresh token was forgotten here but not revoked: {done.revocation.reason}", err=True)
    if done.credentials_until is not None:
        until = datetime.fromtimestamp(done.credentials_until).astimezone()
        print_line(
            f"  AWS credentials that programs already have are valid until {until:%H:%M}; nothing ends them"
            " before that",
            err=True,
        )


@click.command("logout")
@profile_option
@session_option
@click.option("--all", "everything", is_flag=True, help="Of every profile and session.")
@click.option("--no-revoke", is_flag=True, help="Forget the refresh token without revoking it at the provider.")
def logout_command(profile: str | None, session: str | None, everything: bool, no_revoke: bool) -> None:
    """Sign out: forget tokens and AWS credentials, and revoke the refresh token at the provider (RFC 7009)."""
    if not everything:
        settings = chosen_settings(profile, session)
        _sign_out_everywhere(settings, not no_revoke)
        return
    if profile is not None or session is not None:
        raise click.UsageError("--all goes without --profile and --session")
    store = everything_stored(os.environ)
    for scope in stored_scopes(store):
        found = settings_of_scope(scope)
        if found is not None:
            _sign_out_everywhere(found, not no_revoke)
        else:
            for ended in forget_scope(scope, store=store, environ=os.environ, revoking=not no_revoke):
                say(scope, ended)
    # What is damaged names no scope, and may hold tokens all the same.
    FileStore(default_directory(os.environ)).delete_all(SESSIONS)


def _sign_out_everywhere(settings: Settings, revoking: bool) -> None:
    """Sign out where the configuration stores things, and end what an earlier configuration has left anywhere."""
    store = store_for(settings, os.environ)
    ended = [(settings.scope, sign_out(settings, store=store, environ=os.environ, revoking=revoking))]
    for other in (store, *other_stores(store, os.environ)):
        if other is not store and Sessions(settings, other).read_of_any_epoch() is not None:
            ended.append((settings.scope, sign_out(settings, store=other, environ=os.environ, revoking=revoking)))
        for scope in (settings.scope, *scopes_left_over(settings, other, os.environ)):
            left = forget_scope(scope, store=other, environ=os.environ, revoking=revoking, like=settings)
            ended += [(f"{scope}, left by an earlier configuration", each) for each in left]
    shown = [(scope, done) for scope, done in ended if done.user_name is not None] or ended[:1]
    for scope, done in shown:
        say(scope, done)


def identity_of(settings: Settings, chained: str | None = None) -> dict[str, str | None]:
    """What STS GetCallerIdentity answers to the credentials, and the person behind them as far as it is known.

    Args:
        settings: the configuration.
        chained: the profile that assumes its role with the credentials of this configuration, where it is asked about.

    Raises:
        CognitoFederationError: there are no credentials, or STS cannot be asked.
    """
    store = store_for(settings, os.environ)
    credentials = fetcher_for(settings, store=store, open_session=session_of_other_profile).credentials()
    keys = (credentials.access_key, credentials.secret_key, credentials.token)
    if chained is not None:
        keys = keys_of_chain(chained)
    clients = Clients(settings)
    client = clients.sts(access_key=keys[0], secret_key=keys[1], token=keys[2])
    answer = call(
        client.get_caller_identity,
        arguments={},
        needs=("Account", "Arn", "UserId"),
        facts=lambda: CallContext(pool=settings.identity_pool_id or "", profile=settings.profile or "default"),
        clock=system_clock(),
    )
    session = Sessions(settings, store).read()
    return {
        "who": session.user_name if session else None,
        "subject": session.subject if session else credentials.subject,
        "identity_id": credentials.identity_id,
        "account": answer.body["Account"],
        "arn": answer.body["Arn"],
        "user_id": answer.body["UserId"],
        "expires_at": shown_time(credentials.expires_at) if chained is None else None,  # botocore does not tell
    }


def keys_of_chain(profile: str) -> tuple[str, str, str]:
    """The keys of the role that a profile assumes, as botocore gets them.

    Raises:
        FederationRefusedError: STS refuses the role.
        TemporaryError: it cannot be asked.
        ConfigurationError: the profile is wrong.
    """
    try:
        with suppress_wire_logs():
            found = session_of_other_profile(profile).get_credentials()
            frozen = found.get_frozen_credentials() if found is not None else None
    except ClientError as refused:
        code = printable(refused.response.get("Error", {}).get("Code"), LONGEST_CODE)
        raise FederationRefusedError(
            f"STS refused to assume the role of profile {profile!r} ({code})",
            remedy="Let the role trust the role of the sign-in, or correct role_arn",
        ) from None
    except HTTPClientError:
        raise TemporaryError(f"STS could not be asked to assume the role of profile {profile!r}") from None
    except BotoCoreError as error:
        if isinstance(error, CognitoFederationError):
            raise
        raise ConfigurationError(
            f"botocore has no credentials for profile {profile!r} ({type(error).__name__})",
            remedy="Correct role_arn and source_profile there",
        ) from None
    if frozen is None or not (frozen.access_key and frozen.secret_key and frozen.token):
        raise ConfigurationError(f"botocore has no credentials of a role for profile {profile!r}")
    return frozen.access_key, frozen.secret_key, frozen.token


#: Longest value of a principal tag (cognito-identity, PrincipalTagValue).
_LONGEST_TAG = 256


def mappable_claims(settings: Settings) -> dict[str, str]:
    """The claims of the login token that an identity pool can map to principal tags: texts that fit a tag.

    Which of them it does map, its administrators can read (GetPrincipalTagAttributeMap); no operation shows the tags of
    a session to the session itself.

    Raises:
        CognitoFederationError: there is no login token.
    """
    claims = login_token(settings).claims
    return {name: text for name, text in claims.items() if isinstance(text, str) and len(text) <= _LONGEST_TAG}


@click.command("whoami")
@profile_option
@click.option("--tags", is_flag=True, help="Also the claims that can be session tags, and those of the further role.")
@json_option
def whoami_command(profile: str | None, tags: bool, as_json: bool) -> None:
    """Who AWS says you are (STS GetCallerIdentity), and who signed in."""
    settings, named = chosen_settings(profile, None), CacheQuery(profile, os.environ).profile
    identity = identity_of(settings, None if named == (settings.profile or "default") else named)
    claims = mappable_claims(settings) if tags else {}
    further = dict(settings.assume_role_tags)
    if as_json:
        print_json({**identity, "claims": claims, "further_role_tags": further} if tags else identity)
        return
    for name, value in identity.items():
        if value is not None:
            print_line(f"{name.replace('_', ' '):12} {value}")
    for name, text in claims.items():
        print_line(f"{'claim':12} {name} = {text}")
    for name, text in further.items() if tags else ():
        print_line(f"{'tag':12} {name} = {text}")
    if tags and settings.assume_role_arn is not None:
        print_line("Tags that the pool maps from claims end with its role; the further role has its own", err=True)
    elif tags:
        print_line("The pool's administrators decide which claims become tags of the session", err=True)


def login_token(settings: Settings) -> LoginToken:
    """The login token, fresh.

    Raises:
        CognitoFederationError: there is none.
    """
    login = fetcher_for(settings, open_session=session_of_other_profile).login()
    if login is None:
        raise ConfigurationError("Guests have no login token")
    return login.token
