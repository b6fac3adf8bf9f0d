"""How a person signs in: with the browser here, a code on any device, the redirected address pasted, a password."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from ..config.settings import Settings
from ..oidc.flows import DEFAULT_TIMEOUT

Kind = Literal["browser", "device", "paste", "password"]


@dataclass(frozen=True)
class Choices:
    """What the person asked for on the command line or in the call.

    Attributes:
        no_browser: the address is shown, not opened; the answer still comes to this machine.
        use_device_code: sign in with a code.
        remote: sign in by pasting the redirected address.
        browser_command: argument vector of the browser to open.
        port: the only port to listen on.
        timeout: seconds for the person.
        force: somebody else than the one signed in so far may sign in.
        login_hint: the account the provider should suggest.
        only_joins: having waited for another sign-in that came to nothing, do not begin one.
    """

    no_browser: bool = False
    use_device_code: bool = False
    remote: bool = False
    browser_command: tuple[str, ...] | None = None
    port: int | None = None
    timeout: float = DEFAULT_TIMEOUT
    force: bool = False
    login_hint: str | None = None
    only_joins: bool = False


@dataclass(frozen=True)
class Way:
    """One way to sign in.

    Attributes:
        opens: a browser is opened; otherwise only the address is shown.
        why: why it is not the way most people expect; empty where it is.
        instead: what to try when the provider does not let this client go this way; None where the person chose it.
    """

    kind: Kind
    opens: bool = False
    why: str = ""
    instead: Kind | None = None


def choose_way(
    settings: Settings,
    choices: Choices,
    *,
    browser: tuple[bool, str],
    comes_back_here: bool,
    has_device_codes: Callable[[], bool],
) -> Way:
    """The way for a configuration, on this machine.

    Args:
        browser: whether a browser can be opened here, else why not.
        comes_back_here: whether the configured redirect is an address of this machine.
        has_device_codes: whether the provider's discovery document has the device grant; asked only where it matters.
    """
    possible, reason = browser
    if choices.remote:
        return Way("paste")
    if choices.use_device_code:
        return Way("device")
    if choices.browser_command is not None:
        return Way("browser", opens=True)
    if choices.no_browser:
        return Way("browser")
    if settings.signs_in_by_password:
        return Way("password")
    if settings.grant == "device-code":
        return Way("device")
    if settings.grant == "remote":
        return Way("paste")
    if settings.grant == "auth-code":
        return Way("browser", opens=possible, why="" if possible else f"No browser can be opened here: {reason}")
    if not comes_back_here:
        return Way("paste", why="cognito_redirect_uri is not an address of this machine")
    if possible:
        return Way("browser", opens=True)
    why = f"No browser can be opened here: {reason}"
    return Way("device", why=why, instead="paste") if has_device_codes() else Way("paste", why=why)
