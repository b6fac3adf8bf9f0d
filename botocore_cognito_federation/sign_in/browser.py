"""Opening a browser without surprises: no shell, nothing on our stdout, and an honest answer where there is none."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import threading
import webbrowser
from collections.abc import Callable, Mapping, Sequence
from urllib.parse import urlsplit

from ..errors import ConfigurationError

LAUNCH_TIME = 2.0
"""Seconds a launcher has to fail; one that is still running then is a browser."""

_WSL_INTEROP = "/proc/sys/fs/binfmt_misc/WSLInterop"
_WEBBROWSER = "import sys, webbrowser; sys.exit(0 if webbrowser.open(sys.argv[1]) else 1)"


def can_open_browser(
    environ: Mapping[str, str],
    *,
    platform: str = sys.platform,
    exists: Callable[[str], bool] = os.path.exists,
    which: Callable[[str], str | None] = shutil.which,
) -> tuple[bool, str]:
    """Whether a browser on this machine can be opened and come back here; else the reason, for the user.

    ``BROWSER`` counts as a browser in containers and without a display, where it is set on purpose (development
    containers forward it), but not over SSH: the browser would open there and the user is here.
    """
    for name in ("SSH_CONNECTION", "SSH_CLIENT", "SSH_TTY"):
        if environ.get(name):
            return False, f"this is an SSH session ({name} is set)"
    if environ.get("CODESPACES"):
        return False, "this is a codespace (CODESPACES is set)"
    if environ.get("CLOUD_SHELL") or environ.get("AWS_EXECUTION_ENV") == "CloudShell":
        return False, "this is a cloud shell"
    if environ.get("CI", "").lower() not in ("", "0", "false"):
        return False, "this is a CI job (CI is set)"
    if environ.get("BROWSER"):
        return True, ""
    if exists("/.dockerenv") or exists("/run/.containerenv"):
        return False, "this is a container"
    if not platform.startswith("linux"):
        return True, ""
    if is_wsl(environ, exists=exists):
        found = which("wslview") or which("powershell.exe")
        return (True, "") if found else (False, "this is WSL, with neither wslview nor powershell.exe on the PATH")
    if environ.get("DISPLAY") or environ.get("WAYLAND_DISPLAY"):
        return True, ""
    return False, "there is no display (neither DISPLAY nor WAYLAND_DISPLAY is set)"


def is_wsl(environ: Mapping[str, str], *, exists: Callable[[str], bool] = os.path.exists) -> bool:
    """Whether this is the Windows Subsystem for Linux, whose browser is on the Windows side."""
    return bool(environ.get("WSL_DISTRO_NAME") or environ.get("WSL_INTEROP")) or exists(_WSL_INTEROP)


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
        raise ConfigurationError("The browser command is empty or its quotes do not close", remedy="Mend it")
    return tuple(words)


def open_browser(
    url: str,
    *,
    command: Sequence[str] | None = None,
    environ: Mapping[str, str] | None = None,
    which: Callable[[str], str | None] = shutil.which,
) -> bool:
    """Open `url` and return whether a browser took it.

    Args:
        url: the one-shot address of a sign-in; it stands in the process list.
        command: argument vector with ``%s`` for the address (appended where there is none), run without a shell.
        environ: of the launcher; default is our own.

    Raises:
        ConfigurationError: `command` cannot be started.
    """
    if urlsplit(url).scheme not in ("http", "https") or any(not "!" <= c <= "~" or c in "'\"`$" for c in url):
        raise ValueError("not an address for a browser")
    environ = os.environ if environ is None else environ
    if command:
        filled = [word.replace("%s", url) for word in command]
        argv = filled if filled != list(command) else [*filled, url]
        try:
            return _launched(argv, environ)
        except OSError:
            raise ConfigurationError(
                f"The browser command {command[0]!r} cannot be started", remedy="Check --browser-command"
            ) from None
    argv = _default_launcher(url, environ, which)
    try:
        return _launched(argv, environ) if argv else webbrowser.open(url)
    except OSError:
        return False


def _default_launcher(url: str, environ: Mapping[str, str], which: Callable[[str], str | None]) -> list[str]:
    if sys.platform.startswith("linux") and not environ.get("BROWSER") and is_wsl(environ):
        viewer, shell = which("wslview"), which("powershell.exe")
        if viewer:
            return [viewer, url]
        if shell:
            return [shell, "-NoProfile", "-NonInteractive", "-Command", f"Start-Process '{url}'"]
    # webbrowser runs in a process of its own because some launchers print to the stdout they inherit, and ours holds
    # data; -I keeps the current folder off its sys.path. An embedded Python may have no executable.
    return [sys.executable, "-I", "-c", _WEBBROWSER, url] if sys.executable else []


def _launched(argv: Sequence[str], environ: Mapping[str, str]) -> bool:
    process = subprocess.Popen(
        argv,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=dict(environ),
        start_new_session=True,  # Ctrl-C at our terminal ends the sign-in, not the browser
    )
    try:
        return process.wait(LAUNCH_TIME) == 0
    except subprocess.TimeoutExpired:
        threading.Thread(target=process.wait, name="cognito-federation-browser", daemon=True).start()
        return True
