"""Keep a world running in the foreground: prints what a shell must set, stops cleanly on SIGINT and SIGTERM.

``python -m botocore_cognito_federation.demo.serve`` is its plain form. The walkthrough of ``cognito-federation demo``
belongs beside this module; it needs `World`, `DrivenWorld.write_home` and `home.child_environment`.
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
from .world import World


def serve(
    home: Path | None = None,
    *,
    executable: str | None = None,
    out: TextIO | None = None,
    until: threading.Event | None = None,
    world: World | None = None,
) -> None:
    """Run a world until a signal or `until`.

    Args:
        home: a home directory to write the profiles into; default a temporary one, removed at the end.
        executable: the ``cognito-federation`` command for the profiles; default the one beside this interpreter.
        out: where the exports go, default stdout; they are complete when the world answers.
        until: set it to stop from another thread; signals are only handled when serving on the main thread.
        world: a world not yet started, for other options than the defaults.
    """
    stopping = until or threading.Event()
    restore = _stop_on_signals(stopping)
    try:
        with tempfile.TemporaryDirectory(prefix="cognito-demo-") as temporary, world or World() as running:
            directory = Path(temporary) if home is None else home
            running.write_home(directory, executable or find_executable())
            stream = out or sys.stdout
            stream.write(exports(running.environment(directory)))
            stream.write(f"# profiles: demo, demo-native, chained, chained-native, classic, guest; in {directory}\n")
            stream.write(f"# bucket: {running.bucket}; a login token: curl {running.provider.issuer}/token\n")
            stream.write(f"# controls: {running.endpoint_url}/_demo/; Ctrl-C stops it all\n")
            stream.flush()
            stopping.wait()
    finally:
        restore()


def exports(environment: Mapping[str, str]) -> str:
    """Shell lines that set an environment (POSIX shells). HOME stays the user's own: the files are named outright."""
    return "".join(f"export {name}={shlex.quote(value)}\n" for name, value in environment.items() if name != "HOME")


def find_executable() -> str:
    """The ``cognito-federation`` command: beside this interpreter, else on the PATH.

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
