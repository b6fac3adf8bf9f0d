"""``user-pool``: what users of a Cognito user pool do with their own accounts, on a terminal.

Passwords and codes are typed on the terminal and stand in no argument. The commands about a signed-in user renew the
sign-in first: its access token is not stored.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

import click

from ..cache.sessions import Sessions
from ..config.profiles import load_settings
from ..config.settings import Settings
from ..errors import ConfigurationError, TemporaryError
from ..factory import store_for, system_clock
from ..login_tokens.base import RefreshContext
from ..login_tokens.session import RefreshTokenProvider, user_pool_refresher
from ..messages import login_command, printable, run_with_profile, shell_command
from ..sign_in.logout import sign_out
from ..sign_in.password import TRIES, security_key, show_secret, typed_name, with_code, with_new_password
from ..sign_in.terminal import Questions, terminal_dialogue
from ..user_pool import (
    CodeDelivery,
    CodeMismatchError,
    UsernameExistsError,
    UserPool,
    UserPoolTokens,
    WrongPasswordError,
    user_pool_of,
)
from .account import say
from .app import json_option, print_json, print_line, profile_option

#: Seconds for everything that is typed.
_TIME_LIMIT = 600.0
_STATES = {"on": "ENABLED", "off": "DISABLED", "preferred": "PREFERRED", "not-preferred": "NOT_PREFERRED"}

F = TypeVar("F", bound=Callable[..., Any])


@click.group("user-pool", context_settings={"help_option_names": ["-h", "--help"]})
def user_pool_command() -> None:
    """Your own account at a Cognito user pool: sign-up, passwords, second factors, devices, passkeys."""


def _pool_of(profile: str | None) -> tuple[Settings, UserPool]:
    settings = load_settings(profile)
    if settings.user_pool_id is None:
        raise ConfigurationError(
            f"{settings.scope} has no user pool", remedy="Name a profile with cognito_provider = user-pool"
        )
    return settings, user_pool_of(settings, store_for(settings, os.environ), os.environ)


def _signed_in(profile: str | None) -> tuple[Settings, UserPool, UserPoolTokens]:
    """The pool of a profile, and the tokens of its sign-in, newly renewed."""
    settings, pool = _pool_of(profile)
    if not settings.signs_in_to_user_pool:
        raise ConfigurationError(
            f"{settings.scope} signs in on the user pool's pages, and their tokens are not for the own account",
            remedy="Set cognito_grant = srp and sign in again",
        )
    store, found = store_for(settings, os.environ), list[UserPoolTokens]()
    source = RefreshTokenProvider(
        Sessions(settings, store),
        store,
        refresher=lambda: user_pool_refresher(lambda: pool, renewed=found.append),
        login=login_command(settings),
        clock=system_clock().now,
    )
    for _ in range(2):
        source.fetch(RefreshContext(force=True))
        if found:
            return settings, pool, found[-1]
    raise TemporaryError("Another process has just renewed this sign-in", remedy="Try again")


@contextmanager
def _asking() -> Any:
    """Where the user is asked; nothing is asked where there is no terminal."""
    with terminal_dialogue(
        _TIME_LIMIT, again="Run the command again", elsewhere="Run the command in a terminal"
    ) as ask:
        yield ask


def _name(settings: Settings, ask: Questions) -> str:
    return settings.username or typed_name(ask)


def _say_sent(ask: Questions, sent: CodeDelivery | None) -> None:
    medium = {"EMAIL": "by e-mail", "SMS": "by SMS"}.get(sent.medium, "") if sent is not None else ""
    to = f" to {printable(sent.destination, 80)}" if sent is not None and sent.destination else ""
    ask.say(" ".join(word for word in ("A code was sent", medium) if word) + to)


def _told(ask: Questions, text: str) -> None:
    ask.say(f"{text[:1].upper()}{text[1:]}")


@user_pool_command.command("sign-up")
@profile_option
@click.option("--email", metavar="A", help="Your e-mail address.")
@click.option("--attribute", "attributes", metavar="NAME=VALUE", multiple=True, help="Another attribute.")
@click.option("--no-password", is_flag=True, help="Sign in with codes that are sent, and have no password.")
def sign_up_command(profile: str | None, email: str | None, attributes: tuple[str, ...], no_password: bool) -> None:
    """Create an account, and confirm it with the code that is sent."""
    settings, pool = _pool_of(profile)
    given = {**_pairs(attributes), **({"email": email} if email else {})}
    with _asking() as ask:
        name = _name(settings, ask)
        try:
            if no_password:
                made = pool.sign_up(name, None, given)
            else:
                made = with_new_password(ask, lambda password: pool.sign_up(name, password, given))
        except UsernameExistsError as taken:
            raise UsernameExistsError(taken.what, remedy=_with_an_account(settings)) from None
        if not made.confirmed:
            _say_sent(ask, made.code_delivery)
            _confirm(pool, name, ask)
    print_line(f"The account is confirmed. Sign in: {login_command(settings)}", err=True)


def _with_an_account(settings: Settings) -> str:
    """Return what to do if the name has an account: the user's own, confirmed or not, or that of another person."""
    confirm = run_with_profile(settings.profile or "default", "user-pool", "confirm-sign-up", "--resend")
    other = "another cognito_username" if settings.username else "another name"
    return (
        f"If it is yours: {login_command(settings)}; if you never entered the code that was sent for it, first "
        f"{confirm[:1].lower()}{confirm[1:]}. If it is not yours, choose {other}"
    )


@user_pool_command.command("confirm-sign-up")
@profile_option
@click.option("--resend", is_flag=True, help="Send another code first.")
def confirm_sign_up_command(profile: str | None, resend: bool) -> None:
    """Confirm a new account with the code that was sent."""
    settings, pool = _pool_of(profile)
    with _asking() as ask:
        name = _name(settings, ask)
        if resend:
            _say_sent(ask, pool.resend_sign_up(name))
        _confirm(pool, name, ask)
    print_line(f"The account is confirmed. Sign in: {login_command(settings)}", err=True)


def _confirm(pool: UserPool, name: str, ask: Questions) -> None:
    with_code(ask, "The code", False, lambda code: pool.confirm_sign_up(name, code))


@user_pool_command.command("forgot-password")
@profile_option
def forgot_password_command(profile: str | None) -> None:
    """Set a new password with a code that is sent to you."""
    settings, pool = _pool_of(profile)
    with _asking() as ask:
        name = _name(settings, ask)
        _say_sent(ask, pool.forgot_password(name))
        _set_with_code(pool, name, ask)
    print_line(f"The new password is set. Sign in: {login_command(settings)}", err=True)


def _set_with_code(pool: UserPool, name: str, ask: Questions) -> None:
    """Code and password go to the pool together; only what it refuses is asked again."""
    code = ask.question("The code")

    def use(password: str) -> None:
        nonlocal code
        for left in reversed(range(TRIES)):
            try:
                return pool.forgot_password_submit(name, re.sub(r"[\s-]", "", code) or "-", password)
            except CodeMismatchError as wrong:
                if not left:
                    raise
                _told(ask, wrong.what)
                code = ask.question("The code")

    with_new_password(ask, use)


@user_pool_command.command("password")
@profile_option
def password_command(profile: str | None) -> None:
    """Change your password."""
    _, pool, tokens = _signed_in(profile)
    with _asking() as ask:
        old = ask.question("Current password", secret=True)

        def use(new: str) -> None:
            nonlocal old
            for left in reversed(range(TRIES)):
                try:
                    return pool.change_password(tokens, old, new)
                except WrongPasswordError as wrong:
                    if not left:
                        raise
                    _told(ask, wrong.what)
                    old = ask.question("Current password", secret=True)

        with_new_password(ask, use)
    print_line("The password is changed", err=True)


@user_pool_command.command("attributes")
@profile_option
@click.option("--set", "changes", metavar="NAME=VALUE", multiple=True, help="Change an attribute.")
@click.option("--delete", "deleted", metavar="NAME", multiple=True, help="Delete an attribute.")
@click.option("--verify", metavar="NAME", help="Verify email or phone_number with a code that is sent.")
@json_option
def attributes_command(
    profile: str | None, changes: tuple[str, ...], deleted: tuple[str, ...], verify: str | None, as_json: bool
) -> None:
    """Show the attributes of your account, or change them."""
    given = _pairs(changes)
    _, pool, tokens = _signed_in(profile)
    sent = pool.update_user_attributes(tokens, given) if given else ()
    if deleted:
        pool.delete_user_attributes(tokens, deleted)
    if verify is not None:
        found = pool.verify_user_attribute(tokens, verify)
        sent = (*sent, found if found is not None else CodeDelivery("", "", verify))
    for delivery in sent:
        _verify(pool, tokens, delivery)
    if not (given or deleted or verify):
        _show(pool.fetch_user_attributes(tokens), as_json)


def _verify(pool: UserPool, tokens: UserPoolTokens, sent: CodeDelivery) -> None:
    with _asking() as ask:
        _say_sent(ask, sent)
        name = sent.attribute
        with_code(ask, "The code", False, lambda code: pool.verify_user_attribute_submit(tokens, name, code))
    print_line(f"{name} is verified", err=True)


def _show(found: Mapping[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(dict(found))
    for name, value in () if as_json else found.items():
        print_line(f"{name}: {value}")


@user_pool_command.command("mfa")
@profile_option
@click.option(
    "--set-up", is_flag=True, help="Set up an authenticator application, and turn it on as the preferred one."
)
@click.option("--totp", type=click.Choice(list(_STATES)), help="The authenticator application.")
@click.option("--sms", type=click.Choice(list(_STATES)), help="Codes by SMS.")
@click.option("--email", type=click.Choice(list(_STATES)), help="Codes by e-mail.")
@json_option
def mfa_command(
    profile: str | None, set_up: bool, totp: str | None, sms: str | None, email: str | None, as_json: bool
) -> None:
    """Show your second factors, set one up, or turn them on and off."""
    wanted = {"totp": totp, "sms": sms, "email": email}
    if set_up and totp is None:
        wanted["totp"] = "not-preferred" if "preferred" in (sms, email) else "preferred"
    _, pool, tokens = _signed_in(profile)
    if set_up:
        _set_up(pool, tokens)
    given: dict[str, Any] = {name: _STATES[state] for name, state in wanted.items() if state is not None}
    if given:
        pool.update_mfa_preference(tokens, **given)
    found = pool.fetch_mfa_preference(tokens)
    if as_json:
        print_json({"enabled": list(found.enabled), "preferred": found.preferred})
        return
    for name in found.enabled:
        print_line(f"{name}{' (preferred)' if name == found.preferred else ''}")
    if not found.enabled:
        print_line("No second factor is on", err=True)


def _set_up(pool: UserPool, tokens: UserPoolTokens) -> None:
    with _asking() as ask:
        ready = pool.set_up_totp(tokens)
        show_secret(ask, "Add this secret", ready.secret, ready.otpauth_uri(pool.user_pool_id))
        with_code(ask, "The code it shows", True, lambda code: pool.verify_totp_setup(tokens, code))


@user_pool_command.command("devices")
@profile_option
@click.option("--remember", metavar="KEY", help="Remember a device: it takes the place of the second factor.")
@click.option("--forget", metavar="KEY", help="Forget a device; sign-ins made on it end.")
@json_option
def devices_command(profile: str | None, remember: str | None, forget: str | None, as_json: bool) -> None:
    """Show the devices that the user pool knows, remember one, or forget one."""
    settings, pool, tokens = _signed_in(profile)
    if remember is not None:
        pool.remember_device(tokens, device_key=remember)
    if forget is not None:
        pool.forget_device(tokens, device_key=forget)
    if forget is not None and forget == tokens.device_key:
        print_line(f"This sign-in ends with that device. Sign in: {login_command(settings)}", err=True)
    devices = [
        {
            "key": device.key,
            "name": device.name,
            "remembered": device.remembered,
            "this": device.key == tokens.device_key,
            "last_used": device.authenticated_at.isoformat() if device.authenticated_at is not None else None,
        }
        for device in pool.fetch_devices(tokens)
    ]
    if as_json:
        print_json(devices)
        return
    for device in devices:
        marks = [word for word in ("remembered", "this") if device[word]]
        print_line("  ".join(str(part) for part in (device["key"], device["name"], *marks) if part))


@user_pool_command.command("passkeys")
@profile_option
@click.option("--register", is_flag=True, help="Register a passkey on a security key at this machine.")
@click.option("--delete", "deleted", metavar="ID", help="Delete a passkey.")
@json_option
def passkeys_command(profile: str | None, register: bool, deleted: str | None, as_json: bool) -> None:
    """Show your passkeys, register one, or delete one."""
    _, pool, tokens = _signed_in(profile)
    if deleted is not None:
        pool.delete_passkey(tokens, deleted)
    if register:
        with _asking() as ask:
            pool.register_passkey(tokens, security_key(ask))
    passkeys = [
        {
            "id": passkey.credential_id,
            "name": passkey.name,
            "relying_party": passkey.relying_party,
            "created": passkey.created_at.isoformat() if passkey.created_at is not None else None,
        }
        for passkey in pool.list_passkeys(tokens)
    ]
    if as_json:
        print_json(passkeys)
        return
    for passkey in passkeys:
        print_line("  ".join(str(passkey[part]) for part in ("id", "name", "relying_party")))
    if not passkeys:
        print_line("There is no passkey", err=True)


@user_pool_command.command("sign-out-everywhere")
@profile_option
def sign_out_everywhere_command(profile: str | None) -> None:
    """End all your sign-ins at the user pool, on every device, and forget the one of this profile."""
    settings, pool, tokens = _signed_in(profile)
    pool.sign_out(tokens, everywhere=True)
    _forget(settings)


@user_pool_command.command("delete-account")
@profile_option
@click.option("--yes", is_flag=True, help="Do it: an account cannot be brought back.")
def delete_account_command(profile: str | None, yes: bool) -> None:
    """Delete your account at the user pool for good."""
    if not yes:
        again = shell_command("cognito-federation", "user-pool", "delete-account", "--yes")
        raise click.UsageError(f"A deleted account cannot be brought back. To delete it, run: {again}")
    settings, pool, tokens = _signed_in(profile)
    pool.delete_user(tokens)
    print_line(f"The account {printable(tokens.username, 128)} is deleted", err=True)
    _forget(settings)


def _forget(settings: Settings) -> None:
    """Forget the sign-in here; the pool has ended it already, so nothing is revoked."""
    store = store_for(settings, os.environ)
    say(settings.scope, sign_out(settings, store=store, environ=os.environ, revoking=False))


def _pairs(words: tuple[str, ...]) -> dict[str, str]:
    found = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not name or not equals:
            raise click.UsageError(f"{word!r} is not NAME=VALUE")
        found[name] = value
    return found
