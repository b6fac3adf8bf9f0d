"""A call with a time limit, with a clock that the test controls."""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Callable

import pytest

from botocore_cognito_federation._util import concurrency
from botocore_cognito_federation._util.concurrency import BackendTimeoutError, DeadlineExceeded, TimeLimit, call_within


class Clock:
    """Advances by a number of seconds each time it is read."""

    def __init__(self, *steps: float) -> None:
        self._steps = iter(steps)
        self._now = 0.0

    def __call__(self) -> float:
        self._now += next(self._steps, 0.0)
        return self._now


def test_the_time_for_which_a_process_was_stopped_does_not_count() -> None:
    resumed = threading.Event()
    clock = Clock(0.0, 3600.0)  # stopped for an hour during the first wait

    def call() -> str:
        assert resumed.wait(30)
        return "an answer"

    threading.Timer(0.3, resumed.set).start()
    assert call_within(30.0, call, name="test", monotonic=clock) == "an answer"


def test_a_call_that_does_not_return_is_given_up_after_its_time() -> None:
    never = threading.Event()
    with pytest.raises(DeadlineExceeded):
        call_within(2.0, never.wait, name="test", monotonic=Clock(*([1.0] * 20)))
    never.set()


def name_of_the_thread() -> tuple[str, int]:
    return threading.current_thread().name, threading.get_ident()


def test_calls_one_after_another_are_made_by_one_thread_which_soon_ends() -> None:
    made = [call_within(30.0, name_of_the_thread, name=f"call {number}") for number in range(5)]
    assert [name for name, _ in made] == [f"call {number}" for number in range(5)]
    assert len({thread for _, thread in made}) < 5  # one, unless this process rested for long between two of them
    while any(thread.name.startswith("call ") for thread in threading.enumerate()):
        time.sleep(0.01)


def test_a_thread_that_is_left_behind_makes_no_other_call_and_ends_after_its_own() -> None:
    later = threading.Event()
    with pytest.raises(DeadlineExceeded) as late:
        call_within(0.2, later.wait, name="late")
    assert call_within(30.0, name_of_the_thread, name="next")[0] == "next"
    assert late.value.call.is_running()
    later.set()
    while late.value.call.is_running():
        time.sleep(0.01)


def test_calls_at_once_have_a_thread_each_and_what_they_raise_reaches_their_callers() -> None:
    everybody = threading.Barrier(40)
    found: list[object] = []

    def ask(number: int) -> None:
        def call() -> int:
            everybody.wait(30)
            if number % 2:
                raise ValueError(number)
            return number

        for _ in range(25):
            try:
                found.append((number, call_within(30.0, call, name="crowd")))
            except ValueError as error:
                found.append((number, *error.args))

    crowd = [threading.Thread(target=ask, args=(number,)) for number in range(40)]
    for thread in crowd:
        thread.start()
    for thread in crowd:
        thread.join()
    assert sorted(found) == [(number, number) for number in range(40) for _ in range(25)]


def test_a_thread_that_is_given_a_call_when_its_time_is_over_takes_the_next_one_too() -> None:
    """The window is a few instructions wide; the lock of the thread holds it open."""
    thread, ended = concurrency._Thread(), threading.Event()
    taken, given = threading.Event(), threading.Event()

    class LateLock:
        """A lock whose first wait ends without it, and whose first release is the last thing that `give` does."""

        def __init__(self) -> None:
            self.lock = threading.Lock()
            self.lock.acquire()
            self.has_timed_out = False

        def acquire(self, timeout: float = -1) -> bool:
            if timeout >= 0 and not self.has_timed_out:
                self.has_timed_out = True
                taken.set()
                assert given.wait(30)
                return False
            return self.lock.acquire(timeout=timeout)

        def release(self) -> None:
            given.set()
            ended.wait(1)  # A thread that takes the call before the release ends it now.
            self.lock.release()

    thread._has_a_call = LateLock()  # type: ignore[assignment]
    concurrency._idle.append(thread)
    thread._thread.start()
    assert taken.wait(30)
    for _ in range(2):
        call = concurrency.TimedCall(ended.set, "late")
        concurrency._idle.remove(thread)
        thread.give(call)
        call.outcome(30.0)
    with contextlib.suppress(ValueError):  # It has ended by itself.
        concurrency._idle.remove(thread)
        thread.give(None)


def test_what_a_call_raised_and_what_its_caller_holds_go_without_the_garbage_collector() -> None:
    class Secret:
        pass

    def failing(secret: Secret) -> None:
        call_within(30.0, lambda: int("x" if secret else "y"), name="failing")

    secret = Secret()
    held = weakref.ref(secret)
    gc.disable()
    try:
        with contextlib.suppress(ValueError):
            failing(secret)
        del secret
        deadline = time.monotonic() + 30
        while held() is not None and time.monotonic() < deadline:  # the thread lets go of the call a moment later
            time.sleep(0.01)
        assert held() is None
    finally:
        gc.enable()


def test_a_wait_that_is_interrupted_when_the_call_has_ended_is_not_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    limit = TimeLimit(30.0)

    class Interrupted(concurrency.TimedCall[int]):
        def outcome(self, limit: float, monotonic: Callable[[], float] = time.monotonic) -> int:
            super().outcome(limit, monotonic)
            assert self._under_way.acquire()  # Ctrl-C comes between the acquire and the release in `outcome`.
            raise KeyboardInterrupt

    monkeypatch.setattr(concurrency, "TimedCall", Interrupted)
    with pytest.raises(KeyboardInterrupt):
        limit(int)
    monkeypatch.undo()
    assert limit(lambda: "an answer") == "an answer"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
def test_a_child_makes_its_own_calls_whatever_its_parent_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(concurrency, "_IDLE", 30.0)
    never, limit = threading.Event(), TimeLimit(0.2)
    with pytest.raises(BackendTimeoutError):
        limit(never.wait)
    with pytest.raises(BackendTimeoutError):
        limit(int)
    call_within(30.0, int, name="before")  # leaves a thread without a call
    assert concurrency._idle
    child = os.fork()
    if child == 0:
        with contextlib.suppress(BaseException):
            os._exit(0 if limit(lambda: "own") == "own" else 1)
        os._exit(2)
    assert not concurrency._idle
    assert "before" not in {thread.name for thread in threading.enumerate()}  # Python warns of threads at a fork
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    never.set()


#: Forks as C code does that knows nothing of Python's hooks (uWSGI), with threads that have no call at the moment. The
#: child, and a child of its own that Python forks, have to make their calls.
_FORKED_IN_C = """
import asyncio, ctypes, os, signal, threading, time
from botocore_cognito_federation._util import concurrency, workers
from botocore_cognito_federation._util.concurrency import ForkSafeLock, call_within, in_turn

concurrency._IDLE = 300.0
lock, held = ForkSafeLock(), threading.Event()

def hold():
    with lock, in_turn("name", 1):
        held.set()
        threading.Event().wait()

def ask():
    with lock, in_turn("name", 1) as taken:
        assert taken
    assert call_within(300.0, os.getpid, name="call") == os.getpid()
    assert asyncio.run(workers.in_thread(os.getpid)) == os.getpid()

ask()
assert concurrency._idle and workers._workers._threads
threading.Thread(target=hold, daemon=True).start()
held.wait()
time.sleep(0.2)  # If a thread waited for the GIL at the fork, CPython's own condition would hang in the child.
child = ctypes.PyDLL(None).fork()
if child == 0:
    try:
        signal.alarm(60)  # ends what waits in vain
        if "once more" in os.environ["TESTS_FORKS"]:
            grandchild = os.fork()
            if grandchild:
                os._exit(os.waitstatus_to_exitcode(os.waitpid(grandchild, 0)[1]))
        ask()
        ask()
        os._exit(0)
    finally:
        os._exit(1)
os._exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
@pytest.mark.parametrize("forks", ["in C", "in C, and once more in Python"])
def test_a_child_that_c_code_forked_waits_for_no_thread_and_no_lock_of_its_parent(forks: str) -> None:
    environ = os.environ | {"TESTS_FORKS": forks}
    done = subprocess.run(
        [sys.executable, "-c", _FORKED_IN_C], env=environ, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr


#: Waits with a limit of 1.5 s for what takes 0.3 s, in every way the product waits that must not split a renewal.
_WAITING = """
import os, shlex, sys, threading, time
from botocore_cognito_federation._util.concurrency import TimeLimit, call_within
from botocore_cognito_federation._util.processes import uninterrupted, wait_for_work
from botocore_cognito_federation._util.processes import run_for_output

def slow():
    time.sleep(0.3)
    return "came"

done = []

def signalled():
    work = threading.Thread(target=uninterrupted, args=(lambda: done.append(slow()),))
    work.start()
    time.sleep(0.1)
    wait_for_work(1.5)
    return done[0]

command = shlex.join([sys.executable, "-S", "-c", "import time; time.sleep(0.3); print('came')"])
ways = {
    "call": lambda: call_within(1.5, slow, name="test"),
    "keyring": lambda: TimeLimit(1.5)(slow),
    "signal": signalled,
    "command": lambda: run_for_output(command, name="it", environ=os.environ, time_limit=1.5).decode().strip(),
}

def one(name, way):
    try:
        found = way()
    except Exception as error:
        found = repr(error)
    os.write(1, f"{name}: {found}\\n".encode())

threads = [threading.Thread(target=one, args=item) for item in ways.items()]
for thread in threads:
    thread.start()
os.write(1, b"begun\\n")
"""


@pytest.mark.thorough
@pytest.mark.skipif(sys.platform == "win32", reason="no process is stopped there")
def test_no_wait_of_a_process_that_was_stopped_gives_up_what_came_meanwhile() -> None:
    with subprocess.Popen([sys.executable, "-c", _WAITING], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"begun\n"
        process.send_signal(signal.SIGSTOP)
        time.sleep(2)
        process.send_signal(signal.SIGCONT)
        assert {line.strip() for line in process.stdout} == {
            b"call: came",
            b"keyring: came",
            b"signal: came",
            b"command: came",
        }
