"""A child that is forked while another thread of its parent imports: it imports for itself, and nothing hangs."""

from __future__ import annotations

import os

import pytest

from tests.home import Home

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform has no fork")

#: Executes modules slowly, like a cold disk: they stay half imported for a while.
SLOW_IMPORTS = """
import os, signal, sys, threading, time, warnings
from importlib.machinery import PathFinder

warnings.simplefilter("ignore", DeprecationWarning)  # of a fork beside threads, which is what this is about

class Slowly:
    def __init__(self, names, seconds):
        self.names, self.seconds = names, seconds
    def find_spec(self, name, path=None, target=None):
        if not name.startswith(self.names) or name.startswith("botocore_cognito_federation._"):
            return None
        spec = PathFinder.find_spec(name, path)
        if spec is None or spec.loader is None or not hasattr(spec.loader, "get_code"):
            return spec
        loader, execute = spec.loader, spec.loader.exec_module
        def exec_module(module):
            time.sleep(self.seconds / 2)
            execute(module)
            time.sleep(self.seconds / 2)
        loader.exec_module = exec_module
        return spec

def fork_and(act):
    child = os.fork()
    if not child:
        signal.alarm(60)
        try:
            act()
        except BaseException as error:
            os.write(2, repr(error).encode())
            os._exit(1)
        os._exit(0)
    return child

def ends(children):
    return [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
"""

HALF_IMPORTED = (
    SLOW_IMPORTS
    + """
sys.path.insert(0, os.getcwd())
os.mkdir("package")
open("package/__init__.py", "w").write("import package.done\\nimport package.slow\\nfrom package.slow import answer\\n")
open("package/done.py", "w").write("import package\\nseen = package\\n")
open("package/slow.py", "w").write("import time\\ntime.sleep(0.5)\\nanswer = 42\\n")
from botocore_cognito_federation._util.concurrency import prepare_for_forks
prepare_for_forks()

def use():
    import package
    import package.slow
    assert package.answer == package.slow.answer == 42
    assert package.done.seen is package
    assert sys.modules["package"] is package

def use_and_import_more():
    use()
    import package.done, package.slow

thread = threading.Thread(target=use)
thread.start()
while "package.slow" not in sys.modules:
    time.sleep(0.001)
child = fork_and(use_and_import_more)
assert ends([child]) == [0]
thread.join()
use()
"""
)

PREFORK = (
    SLOW_IMPORTS
    + """
import boto3, botocore_cognito_federation
botocore_cognito_federation.install()
credentials = boto3.Session(profile_name="demo").get_credentials()
credentials._refresh_at = 0.0  # ready or not, they are to be renewed now
sys.meta_path.insert(0, Slowly(NAMES, SECONDS))
thread = threading.Thread(target=credentials.get_frozen_credentials)
thread.start()
children = []
for _ in range(CHILDREN):
    children.append(fork_and(credentials.get_frozen_credentials))
    time.sleep(PAUSE)
codes = ends(children)
thread.join()
assert set(codes) == {0}, codes
print(len(codes))
"""
)


def prefork(home: Home, *, names: tuple[str, ...], seconds: float, children: int, pause: float) -> None:
    head = f"NAMES, SECONDS, CHILDREN, PAUSE = {names!r}, {seconds}, {children}, {pause}\n"
    done = home.python(head + PREFORK)
    assert (done.code, done.out, done.err) == (0, f"{children}\n".encode(), b""), done


def test_a_child_imports_anew_what_another_thread_had_half_imported_at_the_fork(home: Home) -> None:
    done = home.python(HALF_IMPORTED)
    assert (done.code, done.err) == (0, b""), done


def test_a_child_retains_what_its_own_thread_is_importing(home: Home) -> None:
    code = """
        import os, sys
        from botocore_cognito_federation._util.concurrency import prepare_for_forks
        prepare_for_forks()
        sys.path.insert(0, os.getcwd())
        text = "import os\\nchild = os.fork()\\nif not child:\\n    import forking as me\\nnumber = 7\\n"
        open("forking.py", "w").write(text)
        import forking
        if not forking.child:
            os._exit(forking.number if forking.me is forking else 1)
        print(os.waitstatus_to_exitcode(os.waitpid(forking.child, 0)[1]))
    """
    done = home.python(code)
    assert done.out == b"7\n", done


@pytest.mark.parametrize(
    ("slow", "ready"),
    [
        pytest.param(("filelock",), False, marks=pytest.mark.thorough),
        (("botocore.httpsession", "urllib3"), False),
        (("botocore_cognito_federation.fetcher", "botocore_cognito_federation.identity_pool"), True),
    ],
    ids=["filelock", "httpsession", "federation"],
)
def test_children_forked_during_the_first_renewal_of_their_parent_have_credentials(
    home: Home, slow: tuple[str, ...], ready: bool
) -> None:
    if ready:
        assert home.ask().key
    prefork(home, names=slow, seconds=0.1, children=6, pause=0.03)


@pytest.mark.slow
def test_hundreds_of_children_forked_during_slow_imports_all_have_credentials(home: Home) -> None:
    for number in range(10):
        if number % 2:
            assert home.ask().key
        names = ("filelock", "jwt", "requests", "urllib3", "botocore.", "botocore_cognito_federation.")
        prefork(home, names=names, seconds=0.02, children=40, pause=0.05)
        for path in [*home.documents("credentials"), *home.answers()]:
            path.unlink()


def test_a_lock_held_by_another_thread_at_the_fork_is_open_in_the_child_and_may_be_taken_twice(home: Home) -> None:
    code = """
        import os, threading
        from botocore_cognito_federation._util.concurrency import ForkSafeRLock
        lock, held, over = ForkSafeRLock(), threading.Event(), threading.Event()
        def hold():
            with lock:
                held.set()
                over.wait()
        thread = threading.Thread(target=hold)
        thread.start()
        held.wait()
        child = os.fork()
        if not child:
            with lock, lock:
                os._exit(7)
        over.set()
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    """
    done = home.python(code)
    assert done.out == b"7\n", done
