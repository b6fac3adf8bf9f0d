from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from botocore_cognito_federation.errors import ConfigurationError
from botocore_cognito_federation.sign_in.browser import can_open_browser, open_browser, parse_browser_command

URL = "http://127.0.0.1:8400/start/abc"
CONTAINER = "/.dockerenv"
WSL = "/proc/sys/fs/binfmt_misc/WSLInterop"


@pytest.mark.parametrize(
    ("environ", "platform", "files", "programs", "reason"),
    [
        ({"DISPLAY": ":0"}, "linux", (), (), ""),
        ({"WAYLAND_DISPLAY": "wayland-0"}, "linux", (), (), ""),
        ({}, "linux", (), (), "no display"),
        ({}, "darwin", (), (), ""),
        ({}, "win32", (), (), ""),
        ({"DISPLAY": ":0", "SSH_CONNECTION": "x"}, "linux", (), (), "SSH session"),
        ({"SSH_TTY": "x"}, "darwin", (), (), "SSH session"),
        ({"SSH_CLIENT": "x", "BROWSER": "firefox"}, "linux", (), (), "SSH session"),
        ({"DISPLAY": ":0"}, "linux", (CONTAINER,), (), "container"),
        ({"DISPLAY": ":0"}, "linux", ("/run/.containerenv",), (), "container"),
        ({"BROWSER": "/helper"}, "linux", (CONTAINER,), (), ""),
        ({"CI": "true", "DISPLAY": ":0"}, "linux", (), (), "CI job"),
        ({"CI": "false", "DISPLAY": ":0"}, "linux", (), (), ""),
        ({"CODESPACES": "true", "BROWSER": "x"}, "linux", (), (), "codespace"),
        ({"CLOUD_SHELL": "true"}, "linux", (), (), "cloud shell"),
        ({"AWS_EXECUTION_ENV": "CloudShell"}, "linux", (), (), "cloud shell"),
        ({"WSL_DISTRO_NAME": "Debian"}, "linux", (), ("wslview",), ""),
        ({}, "linux", (WSL,), ("powershell.exe",), ""),
        ({"WSL_INTEROP": "x"}, "linux", (), (), "WSL"),
    ],
)
def test_whether_a_browser_can_be_opened_and_why_not(
    environ: dict[str, str], platform: str, files: tuple[str, ...], programs: tuple[str, ...], reason: str
) -> None:
    can, why = can_open_browser(
        environ,
        platform=platform,
        exists=lambda path: path in files,
        which=lambda name: f"/bin/{name}" if name in programs else None,
    )
    assert can == (reason == "")
    assert reason in why
    assert bool(why) != can


@pytest.fixture
def recorder(tmp_path: Path) -> tuple[str, Path]:
    """A launcher that writes its arguments down, prints to stdout, and exits with what RECORD_EXIT says."""
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
        (["--app=%s", "-x"], [f"--app={URL}", "-x"]),
        (["-x"], ["-x", URL]),
        (["a b", "$(id)", ";", "%s"], ["a b", "$(id)", ";", URL]),
    ],
)
def test_a_configured_command_gets_the_address_and_no_shell(
    recorder: tuple[str, Path], words: list[str], expected: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    script, record = recorder
    assert open_browser(URL, command=[sys.executable, script, *words])
    assert record.read_text().split("\n") == expected
    assert capfd.readouterr().out == ""


def test_a_command_that_fails_did_not_open_a_browser(recorder: tuple[str, Path]) -> None:
    script, _ = recorder
    assert not open_browser(URL, command=[sys.executable, script], environ={**os.environ, "RECORD_EXIT": "3"})


def test_a_command_that_is_not_there_is_a_configuration_error() -> None:
    with pytest.raises(ConfigurationError, match="no-such-browser"):
        open_browser(URL, command=["/no-such-browser"])


def test_a_browser_that_keeps_running_counts_as_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("botocore_cognito_federation.sign_in.browser.LAUNCH_TIME", 0.1)
    assert open_browser(URL, command=[sys.executable, "-c", "import time; time.sleep(1)"])


def test_the_browser_variable_is_respected_and_stdout_stays_clean(
    recorder: tuple[str, Path], capfd: pytest.CaptureFixture[str]
) -> None:
    script, record = recorder
    assert open_browser(URL, environ={**os.environ, "BROWSER": f"{sys.executable} {script} %s"})
    assert record.read_text() == URL
    assert capfd.readouterr().out == ""


def test_no_browser_at_all_is_said(tmp_path: Path) -> None:
    assert not open_browser(URL, environ={"PATH": str(tmp_path), "BROWSER": str(tmp_path / "nothing")})


def test_the_current_folder_is_not_searched_for_modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "webbrowser.py").write_text("open('hijacked', 'w')\n")
    monkeypatch.chdir(tmp_path)
    open_browser(URL, environ={"PATH": str(tmp_path), "BROWSER": "nothing"})
    assert not (tmp_path / "hijacked").exists()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="WSL is a Linux")
@pytest.mark.parametrize("program", ["wslview", "powershell.exe"])
def test_wsl_opens_the_browser_of_windows(tmp_path: Path, program: str) -> None:
    launcher = tmp_path / program
    launcher.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > {tmp_path}/record\n')
    launcher.chmod(0o755)
    found = {program: str(launcher)}
    assert open_browser(URL, environ={"WSL_DISTRO_NAME": "Debian", "PATH": os.environ["PATH"]}, which=found.get)
    assert URL in (tmp_path / "record").read_text()


@pytest.mark.parametrize("url", ["file:///etc/passwd", "javascript:1", "http://x/'; calc", "http://x/`id`", "x"])
def test_only_plain_web_addresses_reach_a_launcher(url: str) -> None:
    with pytest.raises(ValueError, match="not an address"):
        open_browser(url, command=["true"])


def test_a_command_line_is_split_without_a_shell() -> None:
    assert parse_browser_command("'/opt/my browser/run' --app=%s") == ("/opt/my browser/run", "--app=%s")


@pytest.mark.parametrize("text", ["", "  ", "'open"])
def test_a_command_line_that_cannot_be_split_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError):
        parse_browser_command(text)
