"""Runs a world in the foreground: prints the variables for a shell, and stops cleanly on SIGINT and SIGTERM.

``python -m botocore_cognito_federation.demo.serve`` does the same without the command line's options.
"""

from __future__ import annotations

import shlex
import shutil
import signal
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TextIO

from .. import ConfigurationError
from .people import PEOPLE
from .records import Message
from .world import USER_PASSWORD, World


def serve(
    home: Path | None = None,
    *,
    executable: str | None = None,
    helper: str | None = None,
    out: TextIO | None = None,
    until: threading.Event | None = None,
    world: World | None = None,
) -> None:
    """Run a world until a signal or `until`.

    Args:
        home: a home directory for the profiles; by default a temporary one, which is removed at the end.
        executable: the ``cognito-federation`` command for the profiles; by default the one next to this interpreter.
        helper: how ``credential_process`` starts that command; see `DrivenWorld.write_home`.
        out: the stream for the exports, by default stdout; they are complete when the world answers.
        until: an event that stops the world when set; signals are handled only on the main thread.
        world: a world that has not been started, for other options than the defaults.
    """
    stopping = until or threading.Event()
    restore = _stop_on_signals(stopping)
    try:
        with tempfile.TemporaryDirectory(prefix="cognito-demo-") as temporary, world or World() as running:
            directory = Path(temporary) if home is None else home
            running.write_home(directory, executable or find_executable(), helper)
            stream = out or sys.stdout
            stream.write(exports(running.environment(directory)))
            names = ", ".join(subject.title() for subject in PEOPLE)
            stream.write(
                "# sign in: cognito-federation login --profile demo-people; then: aws s3 ls --profile demo-people\n"
            )
            stream.write(f"# people, without passwords: {names}\n")
            stream.write(
                "# further profiles: demo, demo-native, chained, chained-native, classic, web-identity, guest, "
                "passwordless\n"
            )
            stream.write(f"# home: {directory}\n")
            stream.write(
                "# passwordless: cognito-federation login --profile passwordless signs ada in to a user pool, with the "
                f"password {USER_PASSWORD} or with a code, which appears here\n"
            )
            stream.write(f"# bucket: {running.bucket}; a login token: curl {running.provider.issuer}/token\n")
            stream.write(
                "# the administrator's keys, for cognito-federation pool create and check: admin_access_key_id and "
                f"admin_secret_access_key of curl {running.endpoint_url}/_demo/world\n"
            )
            stream.write(f"# controls: {running.endpoint_url}/_demo/; Ctrl-C stops it all\n")
            stream.flush()
            running.user_pools.directory.on_message = lambda message: _show(message, stream)
            stopping.wait()
    finally:
        restore()


def _show(message: Message, stream: TextIO) -> None:
    """Show an e-mail or SMS that a user pool sent."""
    kind = "e-mail" if message.medium == "EMAIL" else message.medium
    stream.write(f"# {kind} to {message.destination}: your code is {message.code}\n")
    stream.flush()


def exports(environment: Mapping[str, str]) -> str:
    """Return shell lines that set an environment (POSIX shells). HOME is not changed: the variables name the files."""
    return "".join(f"export {name}={shlex.quote(value)}\n" for name, value in environment.items() if name != "HOME")


def find_executable() -> str:
    """Return the path of the ``cognito-federation`` command: next to this interpreter, or else on the PATH.

    Raises:
        ConfigurationError: it is not installed.
    """
    beside = Path(sys.executable).with_name("cognito-federation")
    found = str(beside) if beside.exists() else shutil.which("cognito-federation")
    if not found:
        raise ConfigurationError(
            "the command cognito-federation is not installed in the environment of this Python",
            remedy="pip install botocore-cognito-federation",
        )
    return found


def _stop_on_signals(stopping: threading.Event) -> Callable[[], None]:
    if threading.current_thread() is not threading.main_thread():
        return lambda: None
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number in before:
        signal.signal(number, lambda *_: stopping.set())

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    return restore


if __name__ == "__main__":
    serve()
