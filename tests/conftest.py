"""Fixtures for every folder of tests: one demo world a session, a home directory a test, the helper as a process."""

from __future__ import annotations

import contextlib
import functools
import inspect
import os
import signal
import threading
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import botocore.hooks
import botocore.session
import hypothesis
import pytest
import werkzeug.serving

from botocore_cognito_federation._util import concurrency, workers
from botocore_cognito_federation.demo.serve import find_executable
from botocore_cognito_federation.demo.world import World
from tests.home import Home
from tests.selection import is_left_out

# No test waits on the clock: the time that an example takes depends on the load of the machine.
hypothesis.settings.register_profile("without deadlines", deadline=None)
hypothesis.settings.load_profile("without deadlines")


def pytest_configure() -> None:
    # A shell that runs the tests in the background makes them and their children ignore these signals.
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Import no module of which ``-m`` takes out every test."""
    test_module = collection_path.name.startswith("test_") and collection_path.suffix == ".py"
    return True if test_module and is_left_out(collection_path, config.getoption("markexpr")) else None


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the score of the table of broken set-ups, where its rows were run."""
    from tests.doctor.set_ups.runner import score_lines

    reports = [each for outcome in ("passed", "failed", "xfailed") for each in terminalreporter.getreports(outcome)]
    for line in score_lines(value for each in reports for name, value in each.user_properties if name == "set-up"):
        terminalreporter.write_line(line)


@pytest.fixture(scope="session", autouse=True)
def _clean_environment() -> Iterator[None]:
    """Remove the variables of the user who runs the tests, and disable the metadata service."""
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name.startswith(("AWS_", "BOTO_", "COGNITO_FEDERATION_", "_COGNITO_FEDERATION_", "MOTO_")):
                patch.delenv(name)
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        patch.setenv("NO_PROXY", "127.0.0.1")
        patch.setenv("no_proxy", "127.0.0.1")
        yield


@pytest.fixture(scope="session", autouse=True)
def _service_models_are_read_once() -> Iterator[None]:
    """Share one loader of botocore's service models: reading them takes a third of a second for each session."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(botocore.session, "create_loader", functools.cache(botocore.session.create_loader))
        yield


@pytest.fixture(scope="session", autouse=True)
def _handlers_of_sessions_are_looked_at_quickly() -> Iterator[None]:
    """Answer two questions of botocore more quickly, which took two thirds of each of its thousands of sessions here.

    It asks of each of a session's handlers whether it accepts ``**kwargs``, which a flag of its code says, and by which
    name its event goes today, which no session changes.
    """
    slow, names = botocore.hooks.EventAliaser._alias_event_name, {}

    def accepts_kwargs(function: Any) -> object:
        if type(function) in (types.FunctionType, types.MethodType) and not hasattr(function, "__signature__"):
            return function.__code__.co_flags & inspect.CO_VARKEYWORDS
        return inspect.getfullargspec(function)[2]

    def alias_event_name(self: botocore.hooks.EventAliaser, name: str) -> str:
        if self._event_aliases != botocore.hooks.EVENT_ALIASES:
            return slow(self, name)
        if name not in names:
            names[name] = slow(self, name)
        return names[name]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(botocore.hooks, "accepts_kwargs", accepts_kwargs)
        patch.setattr(botocore.hooks.EventAliaser, "_alias_event_name", alias_event_name)
        yield


@pytest.fixture(scope="session", autouse=True)
def _servers_stop_at_once() -> Iterator[None]:
    """Let a server of pytest-httpserver stop quickly: it checks only every half second whether it should."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(werkzeug.serving.BaseWSGIServer.serve_forever, "__defaults__", (0.02,))
        yield


@pytest.fixture(scope="session", autouse=True)
def _threads_without_work_end_at_once() -> Iterator[None]:
    """Let the threads of asynchronous calls end soon: each test waits for those it has left."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(workers._workers, "_idle", 0.05)
        yield


@pytest.fixture(scope="session")
def httpserver_listen_address() -> tuple[str, int]:
    """Replace the stock fixture in all folders: one server for the session, at a literal loopback address."""
    return "127.0.0.1", 0


@pytest.fixture(scope="session")
def one_world(_clean_environment: None) -> Iterator[World]:
    with World() as world:
        yield world


def end_what_is_left(home: Path) -> None:
    """End what a test has left at work: its calls would stand in the journal of the next test."""
    concurrency._end_idle()  # They end by themselves soon; a thousand tests would wait for that.
    for thread in threading.enumerate():
        if thread.name.startswith("cognito-federation") and thread.name != "cognito-federation-keyring":
            thread.join(1)
    wanted = f"\0HOME={home}".encode()
    for number in filter(str.isdigit, os.listdir("/proc") if os.path.isdir("/proc") else ()):
        with contextlib.suppress(OSError), open(f"/proc/{number}/environ", "rb", buffering=0) as environment:
            if wanted in b"\0" + environment.read():
                os.kill(int(number), signal.SIGKILL)


@pytest.fixture
def world(one_world: World, tmp_path: Path) -> Iterator[World]:
    """The session's world, reset."""
    one_world.reset_journal()
    yield one_world
    end_what_is_left(tmp_path)
    one_world.clock_offset = 0
    one_world.credential_lifetime = 3600
    one_world.clear_faults()
    one_world.forget_identities()
    one_world.enable_provider()


@pytest.fixture
def home(world: World, tmp_path: Path) -> Home:
    """A home with the demo profiles and a good token of ``ada``."""
    path = tmp_path / "home"
    world.write_home(path, find_executable())
    return Home(path, world)


@pytest.fixture
def inside(home: Home, monkeypatch: pytest.MonkeyPatch) -> Iterator[Home]:
    """The same home, used by this process: its variables, and nothing shared from an earlier test."""
    from botocore_cognito_federation import uninstall
    from botocore_cognito_federation.botocore_plugin import shared

    for name, value in home.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(shared, "_shared", {})
    monkeypatch.setattr("boto3.DEFAULT_SESSION", None)
    yield home
    uninstall()
