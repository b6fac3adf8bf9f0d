"""The output for the user and the input: on a terminal a countdown and lines of any length, in a pipe neither."""

from __future__ import annotations

import io
import os
import sys
import threading
from dataclasses import replace

import pytest

from botocore_cognito_federation.errors import SignInFailedError
from botocore_cognito_federation.oidc.client import SignInPrompt
from botocore_cognito_federation.sign_in.login import Flow, LoginOptions, choose_flow
from botocore_cognito_federation.sign_in.terminal import TerminalScreen, read_line, wording
from tests.sign_in.home import SignInHome, finished
from tests.sign_in.test_automatic import shown_on

pytestmark = pytest.mark.thorough

posix = pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals are POSIX")


def written(descriptor: int, data: bytes) -> threading.Thread:
    """Write in a thread: a terminal accepts no more than its reader has read."""

    def write() -> None:
        view = memoryview(data)
        while view:
            view = view[os.write(descriptor, view[:512]) :]

    thread = threading.Thread(target=write, daemon=True)
    thread.start()
    return thread


@posix
def test_a_line_longer_than_a_terminal_takes_at_once_comes_whole() -> None:
    import pty
    import termios

    own_end, theirs = pty.openpty()
    mode = termios.tcgetattr(theirs)
    mode[3] &= ~termios.ECHO  # nothing reads the echo here
    termios.tcsetattr(theirs, termios.TCSANOW, mode)
    url = "http://127.0.0.1:8400/callback?code=" + "x" * 9000
    done: list[str] = []
    reader = threading.Thread(target=lambda: done.append(read_line(theirs, 30)), daemon=True)
    reader.start()
    while termios.tcgetattr(theirs)[3] & termios.ICANON:
        pass
    written(own_end, b"ab\x7f\x7f" + url.encode() + b"\n")
    reader.join(30)
    assert done == [url]
    assert termios.tcgetattr(theirs)[3] & termios.ICANON
    os.close(own_end)
    os.close(theirs)


@posix
def test_what_follows_the_line_is_left_for_the_next_reader() -> None:
    reading, writing = os.pipe()
    os.write(writing, b"\n  \nfirst\nsecond\n")
    assert read_line(reading, 5) == "first"
    assert os.read(reading, 100) == b"second\n"
    os.close(writing)
    assert read_line(reading, 5) == ""
    os.close(reading)


@posix
def test_no_input_in_time_is_an_empty_line() -> None:
    reading, writing = os.pipe()
    assert read_line(reading, 0.05) == ""
    os.close(reading)
    os.close(writing)


@posix
def test_a_terminal_shows_the_time_left_and_clears_it(home: SignInHome) -> None:
    own_end, theirs = os.openpty()
    process = home.start("login", "--no-browser", "--timeout", "2", stderr=theirs)
    os.close(theirs)
    shown = shown_on(own_end)
    assert finished(process).code == 5
    assert "Waiting for the sign-in, 0:02 left" in shown
    assert shown.rpartition("Waiting")[2].count("\x1b[K") == 1
    assert shown.rstrip().endswith("Sign in again")  # no browser has been at the provider


def test_nobody_to_type_is_an_error_with_another_way() -> None:
    prompt = SignInPrompt("paste", "https://x.example/")
    with pytest.raises(SignInFailedError, match="cognito-federation login in a terminal"):
        TerminalScreen(sys.stderr).ask(prompt)
    with pytest.raises(SignInFailedError, match="--use-device-code"):
        TerminalScreen(sys.stderr).ask(replace(prompt, has_device_codes=True))


@pytest.mark.parametrize("kind", ["browser", "paste", "device"])
def test_the_url_always_stands_on_a_line_of_its_own(kind: str) -> None:
    prompt = SignInPrompt(kind, "https://x.example/auth?state=1", user_code="AB-CD")  # type: ignore[arg-type]  # literal
    assert "\n  https://x.example/auth?state=1\n" in wording(prompt) + "\n"


class Grant:
    """The two settings that choose a flow."""

    def __init__(self, grant: str = "auto", by_password: bool = False) -> None:
        self.grant, self.signs_in_to_user_pool = grant, by_password


HERE, ELSEWHERE = (True, ""), (False, "this is an SSH session")


@pytest.mark.parametrize(
    ("grant", "choices", "browser", "back", "codes", "expected"),
    [
        (Grant(), LoginOptions(), HERE, True, True, Flow("browser", opens=True)),
        (Grant(), LoginOptions(), ELSEWHERE, True, True, ("device", "SSH")),
        (Grant(), LoginOptions(), ELSEWHERE, True, False, ("paste", "SSH")),
        (Grant(), LoginOptions(), HERE, False, True, ("paste", "cognito_redirect_uri")),
        (Grant(), LoginOptions(no_browser=True), ELSEWHERE, True, True, Flow("browser")),
        (Grant(), LoginOptions(browser_command=("x",)), ELSEWHERE, True, True, Flow("browser", opens=True)),
        (Grant(), LoginOptions(remote=True), HERE, True, True, Flow("paste")),
        (Grant("device-code"), LoginOptions(), HERE, True, True, Flow("device")),
        (Grant("device-code"), LoginOptions(remote=True), HERE, True, True, Flow("paste")),
        (Grant("remote"), LoginOptions(), HERE, True, True, Flow("paste")),
        (Grant("remote"), LoginOptions(use_device_code=True), HERE, True, True, Flow("device")),
        (Grant("auth-code"), LoginOptions(), ELSEWHERE, True, True, ("browser", "SSH")),
        (Grant("srp", by_password=True), LoginOptions(), ELSEWHERE, True, True, Flow("password")),
    ],
)
def test_the_way_to_sign_in(
    grant: Grant, choices: LoginOptions, browser: tuple[bool, str], back: bool, codes: bool, expected: object
) -> None:
    way = choose_flow(grant, choices, browser=browser, comes_back_here=back, has_device_codes=lambda: codes)  # type: ignore[arg-type]  # a stand-in
    if isinstance(expected, Flow):
        assert way == expected
    else:
        assert isinstance(expected, tuple)
        assert way.kind == expected[0]
        assert expected[1] in way.why


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_on_a_terminal_a_person_reads_what_helps_when_a_sign_in_does_not_get_on() -> None:
    prompt = SignInPrompt("browser", "http://127.0.0.1:8400/start/x", browser_opened=True, expires_in=60.0)
    unopened = replace(prompt, stalled="unopened", helps="Set this")
    unanswered = replace(prompt, stalled="unanswered", helps="Set this")
    terminal, pipe = Terminal(), io.StringIO()
    for out in (terminal, pipe):
        with TerminalScreen(out) as screen:
            for shown in (prompt, unopened, unanswered):
                screen.announce(shown)
    assert "\x1b[KNo browser has come yet. Open this URL on this machine:\n\n  http://127" in terminal.getvalue()
    assert "The browser has not come back yet. Set this\n" in terminal.getvalue()
    assert "No browser has come yet." in pipe.getvalue()
    assert "Set this" not in pipe.getvalue()
    assert "\x1b" not in pipe.getvalue()
