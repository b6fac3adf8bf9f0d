from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from botocore_cognito_federation.cli.account import parse_browser_command
from botocore_cognito_federation.errors import ConfigurationError
from botocore_cognito_federation.sign_in.browser import (
    BrowserLauncher,
    PrivatePage,
    can_open_browser,
    open_browser,
    why_no_file_is_read,
)
from tests.servers.oidc_provider.browser import followed

URL = "http://127.0.0.1:8400/start/abc"
CONTAINER = "/.dockerenv"
WSL = "/proc/sys/fs/binfmt_misc/WSLInterop"


@pytest.mark.parametrize(
    ("environ", "platform", "files", "reason"),
    [
        ({"DISPLAY": ":0"}, "linux", (), ""),
        ({"WAYLAND_DISPLAY": "wayland-0"}, "linux", (), ""),
        ({}, "linux", (), "no display"),
        ({}, "darwin", (), ""),
        ({}, "win32", (), ""),
        ({"DISPLAY": ":0", "SSH_CONNECTION": "x"}, "linux", (), "SSH session"),
        ({"SSH_TTY": "x"}, "darwin", (), "SSH session"),
        ({"SSH_CLIENT": "x", "BROWSER": "firefox"}, "linux", (), "SSH session"),
        ({"DISPLAY": ":0"}, "linux", (CONTAINER,), "container"),
        ({"DISPLAY": ":0"}, "linux", ("/run/.containerenv",), "container"),
        ({"BROWSER": "/helper"}, "linux", (CONTAINER,), ""),
        ({"CI": "true", "DISPLAY": ":0"}, "linux", (), "CI job"),
        ({"CI": "false", "DISPLAY": ":0"}, "linux", (), ""),
        ({"CODESPACES": "true", "BROWSER": "x"}, "linux", (), "codespace"),
        ({"CLOUD_SHELL": "true"}, "linux", (), "cloud shell"),
        ({"AWS_EXECUTION_ENV": "CloudShell"}, "linux", (), "cloud shell"),
        ({"WSL_DISTRO_NAME": "Debian"}, "linux", (), ""),
        ({}, "linux", (WSL,), ""),
    ],
)
def test_whether_a_browser_can_be_opened_and_why_not(
    environ: dict[str, str], platform: str, files: tuple[str, ...], reason: str
) -> None:
    can, why = can_open_browser(environ, platform=platform, exists=lambda path: path in files)
    assert can == (reason == "")
    assert reason in why
    assert bool(why) != can


@pytest.fixture
def page() -> Iterator[PrivatePage]:
    with PrivatePage(URL, os.environ) as made:
        yield made


@pytest.fixture
def recorder(tmp_path: Path) -> tuple[str, Path]:
    """A launcher that records its arguments, prints to stdout, and exits with the code in RECORD_EXIT."""
    script, record = tmp_path / "launch.py", tmp_path / "record"
    script.write_text(
        "import os, sys\n"
        f"open({str(record)!r}, 'w').write('\\n'.join(sys.argv[1:]))\n"
        "print('launcher noise')\n"
        "sys.exit(int(os.environ.get('RECORD_EXIT', '0')))\n"
    )
    return str(script), record


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--app=%s", "-x"], ["--app={}", "-x"]),
        (["-x"], ["-x", "{}"]),
        (["a b", "$(id)", ";", "%s"], ["a b", "$(id)", ";", "{}"]),
    ],
)
def test_a_configured_command_gets_the_address_and_no_shell(
    recorder: tuple[str, Path],
    page: PrivatePage,
    words: list[str],
    expected: list[str],
    capfd: pytest.CaptureFixture[str],
) -> None:
    script, record = recorder
    assert open_browser(page, command=[sys.executable, script, *words])
    assert record.read_text().split("\n") == [word.format(page.uri) for word in expected]
    assert capfd.readouterr().out == ""


def test_a_command_that_fails_did_not_open_a_browser(recorder: tuple[str, Path], page: PrivatePage) -> None:
    script, _ = recorder
    assert not open_browser(page, command=[sys.executable, script], environ={**os.environ, "RECORD_EXIT": "3"})


def test_a_command_that_is_not_there_is_a_configuration_error(page: PrivatePage) -> None:
    with pytest.raises(ConfigurationError, match="no-such-browser"):
        open_browser(page, command=["/no-such-browser"])


@pytest.fixture
def running_browser() -> Iterator[list[str]]:
    """A browser that runs until the test is over; a thread of the product waits for its end, and each test for that."""
    before = psutil.Process().children()
    yield [sys.executable, "-c", "import time; time.sleep(60)"]
    for process in set(psutil.Process().children()) - set(before):
        process.kill()


def test_a_browser_that_keeps_running_counts_as_opened(
    running_browser: list[str], page: PrivatePage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("botocore_cognito_federation.sign_in.browser.LAUNCH_TIME", 0.1)
    assert open_browser(page, command=running_browser)


def test_a_browser_that_keeps_running_is_not_waited_for_once_it_has_fetched_the_page(
    running_browser: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("botocore_cognito_federation.sign_in.browser.LAUNCH_TIME", 60)
    with BrowserLauncher(command=running_browser) as launcher:
        threading.Timer(0.05, launcher.arrived).start()
        assert launcher.open(URL)


def test_the_browser_variable_is_respected_and_stdout_stays_clean(
    recorder: tuple[str, Path], page: PrivatePage, capfd: pytest.CaptureFixture[str]
) -> None:
    script, record = recorder
    assert open_browser(page, environ={**os.environ, "BROWSER": f"{sys.executable} {script} %s"})
    assert record.read_text() == page.uri
    assert capfd.readouterr().out == ""


def test_no_browser_at_all_is_said(tmp_path: Path, page: PrivatePage) -> None:
    assert not open_browser(page, environ={"PATH": str(tmp_path), "BROWSER": str(tmp_path / "nothing")})


def test_the_current_folder_is_not_searched_for_modules(
    tmp_path: Path, page: PrivatePage, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "webbrowser.py").write_text("open('hijacked', 'w')\n")
    monkeypatch.chdir(tmp_path)
    open_browser(page, environ={"PATH": str(tmp_path), "BROWSER": "nothing"})
    assert not (tmp_path / "hijacked").exists()


# --- the private page -------------------------------------------------------------------------------------------------


@pytest.mark.skipif(os.name == "nt", reason="modes are POSIX")
@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_the_address_stands_in_a_file_that_only_this_user_reads_and_that_is_gone_afterwards(
    tmp_path: Path, umask: int
) -> None:
    before = os.umask(umask)
    try:
        tmp_path.chmod(0o700)
        with PrivatePage(URL, {"XDG_RUNTIME_DIR": str(tmp_path)}) as made:
            file = Path(made.uri.removeprefix("file://"))
            assert stat.S_IMODE(file.stat().st_mode) == 0o600
            assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
            assert file.parent.parent == tmp_path
            assert followed(made.uri) == URL
            assert "abc" not in made.uri
        assert not list(tmp_path.iterdir())
        made.remove()
    finally:
        os.umask(before)


@pytest.mark.skipif(os.name == "nt", reason="modes are POSIX")
@pytest.mark.parametrize("mode", [0o755, 0o777])
def test_a_runtime_directory_that_others_may_enter_is_none(tmp_path: Path, mode: int) -> None:
    tmp_path.chmod(mode)
    with PrivatePage(URL, {"XDG_RUNTIME_DIR": str(tmp_path)}) as made:
        assert str(tmp_path) not in made.uri
    with PrivatePage(URL, {"XDG_RUNTIME_DIR": "."}) as made:
        assert Path.cwd().as_uri() not in made.uri


def test_an_address_is_text_in_the_page_and_never_markup() -> None:
    odd = 'http://127.0.0.1:8400/start/"><script>alert(1)</script>&x'
    with PrivatePage(odd, os.environ) as made:
        assert "<script>" not in Path(made.uri.removeprefix("file://")).read_text()
        assert followed(made.uri) == odd


@pytest.mark.parametrize("url", ["file:///etc/passwd", "javascript:1", "http://x/ y", "http://x/\n", "x"])
def test_only_web_addresses_get_into_a_page(url: str) -> None:
    with pytest.raises(ValueError, match="not an address"):
        PrivatePage(url, os.environ)


def test_pages_that_killed_processes_left_are_removed_and_those_of_others_are_not(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    environ = {"XDG_RUNTIME_DIR": str(tmp_path)}
    left, recent, foreign = PrivatePage(URL, environ), PrivatePage(URL, environ), tmp_path / "something-else"
    for one in (left, recent):
        one._write()
    foreign.mkdir()
    for old in (Path(left.uri.removeprefix("file://")).parent, foreign):
        os.utime(old, (1e9, 1e9))
    with PrivatePage(URL, environ):
        assert len(list(tmp_path.iterdir())) == 3
    assert {path.name for path in tmp_path.iterdir()} == {
        Path(recent.uri.removeprefix("file://")).parent.name,
        "something-else",
    }


PAGE_OPEN = """
import os, sys, time
from botocore_cognito_federation.sign_in.browser import PrivatePage
with PrivatePage("http://127.0.0.1:1/start/x", os.environ) as page:
    print(page.uri, flush=True)
    if sys.argv[1] == "exit":
        sys.exit(3)
    if sys.argv[1] == "error":
        raise SystemError
    time.sleep(60)
"""


@pytest.mark.skipif(os.name == "nt", reason="signals are POSIX")
@pytest.mark.parametrize(
    ("end", "code"),
    [("exit", 3), ("error", 1), (signal.SIGINT, -2), (signal.SIGTERM, -15), (signal.SIGHUP, -1)],
)
def test_however_a_process_ends_its_page_goes_with_it(tmp_path: Path, end: object, code: int) -> None:
    tmp_path.chmod(0o700)
    with subprocess.Popen(
        [sys.executable, "-c", PAGE_OPEN, str(end)],
        env={**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith(tmp_path.as_uri())
        if isinstance(end, signal.Signals):
            process.send_signal(end)
        assert process.wait(30) == code
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(os.name == "nt", reason="signals are POSIX")
def test_the_handler_of_a_program_that_handles_a_signal_itself_stays(tmp_path: Path) -> None:
    program = (
        "import os, signal\n"
        "from botocore_cognito_federation.sign_in.browser import PrivatePage\n"
        "mine = lambda *_: print('mine', flush=True)\n"
        "signal.signal(signal.SIGTERM, mine)\n"
        "with PrivatePage('http://127.0.0.1:1/', os.environ): os.kill(os.getpid(), signal.SIGTERM)\n"
        "print(signal.getsignal(signal.SIGTERM) is mine, signal.getsignal(signal.SIGHUP) == signal.SIG_DFL)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["mine", "True", "True"]


# --- browsers that cannot read the private file -----------------------------------------------------------------------

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="these packages are Linux's")


def program(path: Path, content: str = "#!/bin/sh\n") -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    path.chmod(0o755)
    return str(path)


@linux
@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("firefox", '#!/bin/sh\nexec /snap/bin/firefox "$@"\n', "Snap"),
        ("flatpak/exports/bin/org.mozilla.firefox", "#!/bin/sh\n", "Flatpak"),
        ("firefox", '#!/bin/sh\nexec flatpak run org.mozilla.firefox "$@"\n', "Flatpak"),
        ("wslview", "#!/bin/sh\n", "WSL"),
        ("chrome.exe", "MZ", "WSL"),
        ("bin/helpers/browser.sh", "#!/bin/sh\n", "another machine"),
        ("firefox", '#!/bin/sh\nexec /usr/lib/firefox/firefox "$@"\n', ""),
        ("firefox", "\x7fELF /snap/bin/ flatpak run", ""),
    ],
)
def test_a_browser_that_cannot_read_the_file_is_not_started_and_its_user_is_told_why(
    tmp_path: Path, name: str, content: str, why: str
) -> None:
    browser = program(tmp_path / name, content)
    assert why in why_no_file_is_read({}, [browser, "%s"])
    assert bool(why_no_file_is_read({}, [browser])) == bool(why)
    assert bool(why_no_file_is_read({"BROWSER": f"{browser} %s:other"})) == bool(why)
    assert why in why_no_file_is_read({"BROWSER": Path(browser).name, "PATH": str(Path(browser).parent)})
    if why:
        said: list[str] = []
        with BrowserLauncher(command=[browser], say=said.append) as launcher:
            assert not launcher.open(URL)
        assert why in said[0]
        assert URL not in said[0]


@linux
@pytest.mark.parametrize(
    ("folder", "entry", "why"),
    [
        ("own/applications", "Exec=env HINT=x /snap/bin/firefox %u", "Snap"),
        ("own/flatpak/exports/share/applications", "Exec=/usr/bin/firefox %u", "Flatpak"),
        ("own/applications", "Exec=/usr/bin/flatpak run --branch=stable org.mozilla.firefox %u", "Flatpak"),
        ("shared/applications", 'Name=Firefox\nExec="/opt/firefox/firefox" %u', ""),
        ("shared/applications", "Exec=xdg-open %u", ""),
        ("nowhere", "Exec=/snap/bin/firefox", ""),
    ],
)
def test_the_default_browser_of_the_desktop_is_looked_up(tmp_path: Path, folder: str, entry: str, why: str) -> None:
    program(tmp_path / "bin" / "xdg-settings", "#!/bin/sh\necho browser.desktop\n")
    program(tmp_path / folder / "browser.desktop", f"[Desktop Entry]\n{entry}\n")
    environ = {
        "PATH": f"{tmp_path}/bin:{os.environ['PATH']}",
        "DISPLAY": ":0",
        "XDG_DATA_HOME": str(tmp_path / "own"),
        "XDG_DATA_DIRS": str(tmp_path / "shared"),
    }
    found = why_no_file_is_read(environ)
    assert why in found
    assert bool(found) == bool(why)


@linux
def test_the_browser_of_windows_reads_no_files_of_wsl() -> None:
    assert "WSL" in why_no_file_is_read({"WSL_DISTRO_NAME": "Debian", "PATH": os.environ["PATH"]})


@linux
def test_a_place_that_takes_no_file_opens_no_browser(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> str:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tempfile.mkdtemp", full)
    said: list[str] = []
    with BrowserLauncher(command=["true"], say=said.append) as launcher:
        assert not launcher.open(URL)
    assert "No space left on device" in said[0]


# --- what children inherit --------------------------------------------------------------------------------------------


def test_a_browser_gets_the_library_path_from_before_a_frozen_caller(tmp_path: Path, page: PrivatePage) -> None:
    show = f"import os; open({str(tmp_path / 'shown')!r}, 'w').write(os.environ.get('LD_LIBRARY_PATH', 'none'))"
    bundle = tmp_path / "dist"
    bundle.mkdir()
    (bundle / "base_library.zip").touch()
    for before, changed, expected in (
        ("/before", f"{bundle}:/before", "/before"),
        ("", str(bundle), "none"),
        (None, f"{bundle}:/mine", "/mine"),
        (None, str(bundle), "none"),
        (None, "/mine", "/mine"),
    ):
        environ = {**os.environ, "LD_LIBRARY_PATH": changed}
        if before is not None:
            environ["LD_LIBRARY_PATH_ORIG"] = before
        assert open_browser(page, command=[sys.executable, "-c", show], environ=environ)
        assert (tmp_path / "shown").read_text() == expected


def test_a_command_line_is_split_without_a_shell() -> None:
    assert parse_browser_command("'/opt/my browser/run' --app=%s") == ("/opt/my browser/run", "--app=%s")


@pytest.mark.parametrize("text", ["", "  ", "'open"])
def test_a_command_line_that_cannot_be_split_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError):
        parse_browser_command(text)
