"""Which browsers cannot read a private file of this user: those in a sandbox, and those on another machine.

Snap and Flatpak packages see a file system of their own, the browser of Windows under WSL another user's. They are
recognised by the path of their program or desktop entry, and by the environment.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from .._util.subprocess import environment_without_chain

#: Seconds the desktop has to say which browser is its default.
_TOOL_TIME = 2.0
_WSL_INTEROP = "/proc/sys/fs/binfmt_misc/WSLInterop"


def is_wsl(environ: Mapping[str, str], *, exists: Callable[[str], bool] = os.path.exists) -> bool:
    """Whether this is the Windows Subsystem for Linux, whose browser is on the Windows side."""
    return bool(environ.get("WSL_DISTRO_NAME") or environ.get("WSL_INTEROP")) or exists(_WSL_INTEROP)


def why_no_file_is_read(environ: Mapping[str, str], command: Sequence[str] | None = None) -> str:
    """Say why the browser that would start cannot read a private file of this user; empty where it can.

    What is not recognised here is noticed because no browser comes.

    Args:
        command: the configured one; None for ``BROWSER``, or else the default browser of the desktop.
    """
    if not sys.platform.startswith("linux"):
        return ""
    program = next(iter(command or ()), "") or _first_word(environ.get("BROWSER", "").partition(os.pathsep)[0])
    if program:
        return _sandbox_of(program, environ)
    if is_wsl(environ):
        return "the browser is on the Windows side of WSL"
    if os.path.exists("/.flatpak-info"):
        return "this program runs in a Flatpak sandbox, and the browser outside of it"
    return _sandbox_of_default_browser(environ)


def _sandbox_of(program: str, environ: Mapping[str, str], *, is_default: bool = False) -> str:
    path = shutil.which(program, path=environ.get("PATH")) or program
    real, name = os.path.realpath(path), os.path.basename(path).lower()
    if name in ("xdg-open", "sensible-browser", "gio") and not is_default:
        return _sandbox_of_default_browser(environ)
    script = _script(real)
    if any(p.startswith(("/snap/", "/var/lib/snapd/")) for p in (path, real)) or os.path.basename(real) == "snap":
        return "the browser is a Snap package"
    if "/snap/bin/" in script:  # Ubuntu's /usr/bin/firefox
        return "the browser is a Snap package"
    if "/flatpak/" in path or "/flatpak/" in real or name.startswith("flatpak") or "flatpak run" in script:
        return "the browser is a Flatpak package"
    if name in ("wslview", "wsl-open") or name.endswith(".exe"):
        return "the browser is on the Windows side of WSL"
    if path.endswith("/helpers/browser.sh"):
        return "the editor opens the browser on another machine"
    return ""


def _script(path: str) -> str:
    """Return the beginning of a shell script; empty for other programs."""
    try:
        with open(path, "rb") as file:
            beginning = file.read(8192)
    except OSError:
        return ""
    return beginning.decode("latin-1") if beginning.startswith(b"#!") else ""


def _sandbox_of_default_browser(environ: Mapping[str, str]) -> str:
    entry = _default_desktop_entry(environ)
    if entry.startswith("/var/lib/snapd/"):
        return "the browser is a Snap package"
    if "/flatpak/" in entry:
        return "the browser is a Flatpak package"
    try:
        lines = Path(entry).read_text(encoding="utf-8", errors="replace").splitlines() if entry else []
    except OSError:
        lines = []
    started = next((line.partition("=")[2] for line in lines if line.startswith("Exec=")), "")
    program = _first_word(started)
    return _sandbox_of(program, environ, is_default=True) if program else ""


def _default_desktop_entry(environ: Mapping[str, str]) -> str:
    """Return the path of the desktop entry of the default browser; empty where there is no desktop to ask."""
    tool = shutil.which("xdg-settings", path=environ.get("PATH"))
    if tool is None:
        return ""
    try:
        answer = subprocess.run(
            [tool, "get", "default-web-browser"],
            env=environment_without_chain(environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=_TOOL_TIME,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    name = answer.stdout.decode("utf-8", "replace").strip()
    if not name.endswith(".desktop") or "/" in name:
        return ""
    own = environ.get("XDG_DATA_HOME") or os.path.join(os.path.expanduser("~"), ".local", "share")
    shared = (environ.get("XDG_DATA_DIRS") or "/usr/local/share:/usr/share").split(":")
    packages = ("/var/lib/snapd/desktop", "/var/lib/flatpak/exports/share", f"{own}/flatpak/exports/share")
    found = (os.path.join(folder, "applications", name) for folder in (own, *shared, *packages))
    return next((path for path in found if os.path.isfile(path)), "")


def _first_word(text: str) -> str:
    """Return the program of a command line, without the ``env NAME=value`` of desktop entries."""
    try:
        words = shlex.split(text)
    except ValueError:
        words = text.split()
    return next((word for word in words if word != "env" and "=" not in word), "")
