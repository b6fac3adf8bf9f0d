"""``login``: the interactive sign-in."""

from __future__ import annotations

import os
import sys
import time

import click

from ..cache import store_for
from ..config.settings import Settings
from ..errors import ConfigurationError
from ..messages import span
from ..sign_in.browser import parse_browser_command
from ..sign_in.login import Choices, Machine, SignedIn, sign_in
from ..sign_in.terminal import TerminalScreen, typed_line
from .options import chosen_settings, profile_option, session_option


def report(settings: Settings, signed_in: SignedIn) -> str:
    """Who signed in, and until when that holds."""
    session, credentials = signed_in.session, signed_in.credentials
    label = session.user.get("name") or session.who
    address = session.user.get("email")
    who = f"{label} ({address})" if address and address != label else label
    first = f"{'Joined the sign-in of' if signed_in.joined else 'Signed in as'} {who}"
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


def run_login(settings: Settings, choices: Choices) -> None:
    """Sign in on this terminal and say who it was.

    Raises:
        CognitoFederationError: nobody signed in.
    """
    if settings.cache == "memory":
        raise ConfigurationError(
            "cognito_cache = memory keeps a sign-in in the process that made it, and this one ends now",
            remedy="Set cognito_cache = file or keyring, or call botocore_cognito_federation.login() in Python",
        )
    screen = TerminalScreen(sys.stderr, read_line=lambda timeout: typed_line(0, timeout))
    signed_in = sign_in(
        settings,
        store=store_for(settings, os.environ),
        screen=screen,
        choices=choices,
        machine=Machine(os.environ),
    )
    screen.say(report(settings, signed_in))


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
@click.option("--force", is_flag=True, help="Let somebody else than the one signed in so far sign in.")
@click.option("--login-hint", metavar="U", help="The account the provider should suggest.")
def command(
    profile: str | None,
    session: str | None,
    no_browser: bool,
    use_device_code: bool,
    remote: bool,
    browser_command: str | None,
    port: int | None,
    timeout: float,
    force: bool,
    login_hint: str | None,
) -> None:
    """Sign in. The URL is always printed; a browser opens where one can be."""
    ways = {
        "--no-browser": no_browser,
        "--use-device-code": use_device_code,
        "--remote": remote,
        "--browser-command": browser_command is not None,
    }
    chosen = [name for name, given in ways.items() if given]
    if len(chosen) > 1:
        raise click.UsageError(f"{' and '.join(chosen)} exclude each other")
    choices = Choices(
        no_browser=no_browser,
        use_device_code=use_device_code,
        remote=remote,
        browser_command=parse_browser_command(browser_command) if browser_command is not None else None,
        port=port,
        timeout=timeout,
        force=force,
        login_hint=login_hint,
    )
    run_login(chosen_settings(profile, session), choices)
