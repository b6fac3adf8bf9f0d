"""Worker processes that start as new interpreters, with the profile's line or `initializer=install`."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from botocore_cognito_federation.config.helper_line import helper_command
from tests.home import Home

pytestmark = pytest.mark.thorough

WORK = """
import boto3

def key_of(profile):
    return boto3.Session(profile_name=profile).get_credentials().get_frozen_credentials().access_key
"""
PROGRAM = """
import json, os, sys
sys.path.insert(0, os.getcwd())
from work import key_of
from botocore_cognito_federation import install

if __name__ == "__main__":
    install()
    profile, initializer = PROFILE, INITIALIZER
    with POOL as workers:
        print(json.dumps(workers.submit(key_of, profile).result(60)))
"""
POOLS = {
    "spawn": "__import__('concurrent.futures').futures.ProcessPoolExecutor(1, "
    "mp_context=__import__('multiprocessing').get_context('spawn'), initializer=initializer)",
    "forkserver": "__import__('concurrent.futures').futures.ProcessPoolExecutor(1, "
    "mp_context=__import__('multiprocessing').get_context('forkserver'), initializer=initializer)",
    "loky": "__import__('loky').ProcessPoolExecutor(1, initializer=initializer)",
}


class Metadata:
    """A stand-in for the instance metadata service; `asked` records the requests."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        asked = self.asked

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                asked.append(self.path)
                self.send_error(404)

            do_PUT = do_GET

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"


@pytest.fixture
def metadata() -> Iterator[Metadata]:
    found = Metadata()
    threading.Thread(target=found.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    yield found
    found.server.shutdown()
    found.server.server_close()


@pytest.mark.parametrize("how", POOLS)
@pytest.mark.parametrize("by", ["the line of configure", "initializer"])
def test_a_worker_has_the_profiles_credentials_and_never_asks_for_the_machines(
    home: Home, metadata: Metadata, how: str, by: str
) -> None:
    if how == "loky":
        pytest.importorskip("loky")
    line = helper_command("worker") if by == "the line of configure" else ""
    home.profile("worker", credential_process=line, cognito_token_file=str(home.token))
    (home.path / "work.py").write_text(WORK)
    program = PROGRAM.replace("PROFILE", "'worker'").replace("INITIALIZER", "None" if line else "install")
    (home.path / "program.py").write_text(program.replace("POOL", POOLS[how]))
    done = home.python(
        "import runpy; runpy.run_path('program.py', run_name='__main__')"
        if how != "loky"
        else (home.path / "program.py").read_text(),
        AWS_EC2_METADATA_DISABLED=None,
        AWS_EC2_METADATA_SERVICE_ENDPOINT=metadata.url,
    )
    assert done.code == 0, done.err.decode()
    assert json.loads(done.out) == home.ask("worker").key
    assert metadata.asked == []


def test_without_either_a_worker_knows_nothing_of_the_profile(home: Home, metadata: Metadata) -> None:
    """The documentation warns of this; it also shows that the stand-in works."""
    home.profile("worker", credential_process="", cognito_token_file=str(home.token))
    (home.path / "work.py").write_text(WORK)
    program = PROGRAM.replace("PROFILE", "'worker'").replace("INITIALIZER", "None").replace("POOL", POOLS["spawn"])
    (home.path / "program.py").write_text(program)
    done = home.python(
        "import runpy; runpy.run_path('program.py', run_name='__main__')",
        AWS_EC2_METADATA_DISABLED=None,
        AWS_EC2_METADATA_SERVICE_ENDPOINT=metadata.url,
    )
    assert done.code != 0
    assert metadata.asked
