"""Opening a browser: without a shell, with nothing on our stdout, and without a secret in a command line.

What a program is started with stands in the list of processes, which every user of the machine reads. So a browser is
given the address of a private file, and the page in that file sends it on. A browser that cannot read such a file is
not started; its user opens the address by hand: Snap and Flatpak packages see a file system of their own, the browser
of Windows under WSL another user's. They are recognised by the path of their program or desktop entry, and by the
environment.
"""

from __future__ import annotations

import contextlib
import html
import os
import shlex
import shutil
import stat
import subprocess
import sys
import tempfile
import threading
import time
import webbrowser
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from urllib.parse import urlsplit

from .._util.files import is_own
from .._util.processes import calling_before_the_end, environment_without_chain
from ..errors import ConfigurationError

LAUNCH_TIME = 2.0
"""Seconds a launcher has to fail; one that is still running then is a browser."""

_WEBBROWSER = "import sys, webbrowser; sys.exit(0 if webbrowser.open(sys.argv[1]) else 1)"

_PREFIX = "cognito-federation-page-"
_NAME = "sign-in.html"
#: Seconds after which a page is one that a killed process has left.
_ABANDONED = 3600.0
_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="referrer" content="no-referrer">
<meta http-equiv="refresh" content="0;url={address}">
<title>Opening</title>
</head>
<body><p><a href="{address}" rel="noreferrer">Go on</a></p></body>
</html>
"""


def can_open_browser(
    environ: Mapping[str, str],
    *,
    platform: str = sys.platform,
    exists: Callable[[str], bool] = os.path.exists,
) -> tuple[bool, str]:
    """Whether there is a browser for this machine that can come back here; else the reason, for the user.

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
    if not platform.startswith("linux") or is_wsl(environ, exists=exists):
        return True, ""
    if environ.get("DISPLAY") or environ.get("WAYLAND_DISPLAY"):
        return True, ""
    return False, "there is no display (neither DISPLAY nor WAYLAND_DISPLAY is set)"


class PrivatePage:
    """A file that only this user reads, whose page sends a browser on to an address; inside ``with``.

    The file has mode 0600 in a fresh directory of mode 0700. It is gone after ``with``, after `remove`, and when a
    signal ends the process that would otherwise do so at once.

    Args:
        address: http or https, a secret.
        environ: the process environment, for the place of temporary files.

    Attributes:
        settled: set when a browser has been at the address, or the program that should open one has ended.

    Raises:
        OSError: on entering, the file cannot be made.
    """

    def __init__(self, address: str, environ: Mapping[str, str]) -> None:
        if urlsplit(address).scheme not in ("http", "https") or any(not "!" <= c <= "~" for c in address):
            raise ValueError("not an address for a browser")
        self._address = address
        self._environ = environ
        self.settled = threading.Event()
        self._path = ""
        self._removed = False
        self._cleanup = contextlib.ExitStack()
        self._lock = threading.RLock()  # re-entered by a signal in the thread that holds it

    @property
    def uri(self) -> str:
        """The ``file:`` address of the page, which reveals nothing."""
        return Path(self._path).as_uri()

    def __enter__(self) -> PrivatePage:
        self._cleanup.enter_context(calling_before_the_end(self.remove))
        try:
            self._write()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.remove()
        self._cleanup.close()

    def remove(self) -> None:
        """Remove the file, from any thread and any number of times."""
        with self._lock:
            if self._path and not self._removed:
                self._removed = True
                _remove_page(os.path.dirname(self._path))

    def _write(self) -> None:
        place = _place_of_pages(self._environ)
        _remove_abandoned(place)
        folder = tempfile.mkdtemp(prefix=_PREFIX, dir=place)
        self._path = os.path.join(folder, _NAME)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)
        with os.fdopen(os.open(self._path, flags, 0o600), "w", encoding="utf-8") as file:
            file.write(_PAGE.format(address=html.escape(self._address, quote=True)))


def _place_of_pages(environ: Mapping[str, str]) -> str:
    """The user's own runtime directory, which does not outlive the login to the machine; else that of temporary files.

    XDG Base Directory Specification: it is owned by the user, with mode 0700. One that is not is no such directory.
    """
    place = environ.get("XDG_RUNTIME_DIR", "")
    if os.path.isabs(place):
        with contextlib.suppress(OSError):
            status = os.lstat(place)
            if stat.S_ISDIR(status.st_mode) and is_own(status) and not status.st_mode & 0o077:
                return place
    return tempfile.gettempdir()


def _remove_page(folder: str) -> None:
    with contextlib.suppress(OSError):
        os.unlink(os.path.join(folder, _NAME))
    with contextlib.suppress(OSError):
        os.rmdir(folder)


def _remove_abandoned(place: str) -> None:
    """Remove what killed processes left; the addresses in it have long ceased to lead anywhere."""
    with contextlib.suppress(OSError), os.scandir(place) as entries:
        for entry in entries:
            if entry.name.startswith(_PREFIX) and entry.is_dir(follow_symlinks=False):
                status = entry.stat(follow_symlinks=False)
                if is_own(status) and status.st_mtime < time.time() - _ABANDONED:
                    _remove_page(entry.path)


class BrowserLauncher:
    """Opens an address in a browser, by way of a private file; a context manager that removes the file.

    Args:
        command: argument vector with ``%s`` for the address (appended where there is none), run without a shell.
        environ: of the browser; default is our own.
        say: shows the user why no browser is opened.
    """

    def __init__(
        self,
        *,
        command: Sequence[str] | None = None,
        environ: Mapping[str, str] | None = None,
        say: Callable[[str], None] | None = None,
    ) -> None:
        self._command = command
        self._environ = os.environ if environ is None else environ
        self._say = say
        self._page: PrivatePage | None = None

    def __enter__(self) -> BrowserLauncher:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        page, self._page = self._page, None
        if page is not None:
            page.__exit__(kind, error, trace)

    def open(self, address: str) -> bool:
        """Open `address`, a secret, and return whether a browser took it. To be called once.

        Raises:
            ConfigurationError: the command cannot be started.
        """
        reason = why_no_file_is_read(self._environ, self._command)
        page = PrivatePage(address, self._environ)
        if not reason:
            self._page = page
            try:
                page.__enter__()
            except OSError as error:
                reason = f"the private file for it cannot be made ({error.strerror})"
        if reason:
            if self._say is not None:
                self._say(f"No browser is opened: {reason}, and would have to be told the address in public")
            return False
        opened = open_browser(page, command=self._command, environ=self._environ)
        if not opened:
            page.remove()
        return opened

    def arrived(self) -> None:
        """Note that the browser has fetched the address: the file has done its duty."""
        page = self._page
        if page is not None:
            page.settled.set()
            page.remove()


def open_browser(
    page: PrivatePage, *, command: Sequence[str] | None = None, environ: Mapping[str, str] | None = None
) -> bool:
    """Open a private page and return whether a browser took it.

    Args:
        command: argument vector with ``%s`` for the address (appended where there is none), run without a shell.
        environ: of the launcher; default is our own.

    Raises:
        ConfigurationError: `command` cannot be started.
    """
    environ = environment_without_chain(os.environ if environ is None else environ)
    if command:
        filled = [word.replace("%s", page.uri) for word in command]
        argv = filled if filled != list(command) else [*filled, page.uri]
        try:
            return _launched(argv, environ, page.settled)
        except OSError:
            raise ConfigurationError(
                f"The browser command {command[0]!r} cannot be started", remedy="Check --browser-command"
            ) from None
    # webbrowser runs in a process of its own because some launchers print to the stdout they inherit, and ours holds
    # data; -I keeps the current folder off its sys.path. An embedded Python may have no executable, and that of a
    # frozen one is no Python.
    if not sys.executable or getattr(sys, "frozen", False):
        return webbrowser.open(page.uri)
    try:
        return _launched([sys.executable, "-I", "-c", _WEBBROWSER, page.uri], environ, page.settled)
    except OSError:
        return False


def _launched(argv: Sequence[str], environ: Mapping[str, str], settled: threading.Event) -> bool:
    """Start a launcher and wait until it has ended, a browser has fetched the page, or it counts as a browser."""
    settled.clear()
    process = subprocess.Popen(
        argv,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=dict(environ),
        start_new_session=True,  # Ctrl-C at our terminal ends the sign-in, not the browser
    )
    ended = threading.Event()

    def wait_for_end() -> None:
        process.wait()
        ended.set()
        settled.set()

    threading.Thread(target=wait_for_end, name="cognito-federation-browser", daemon=True).start()
    settled.wait(LAUNCH_TIME)
    return not ended.is_set() or process.returncode == 0


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
