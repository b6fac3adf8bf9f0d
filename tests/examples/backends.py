"""A back end of `docs/examples` in a process of its own, and two users who send it requests at the same time."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import requests

from botocore_cognito_federation.demo.world import World
from tests.cache.engines import free_port
from tests.examples.conftest import EXAMPLES


@contextmanager
def running(world: World, home: Path, *command: str) -> Iterator[str]:
    """Run a server of which the command ends with the option for its port; yield its address."""
    port = free_port()
    environment = {
        **world.environment(home),
        "PATH": "/usr/bin:/bin",
        "PYTHONPATH": f"{EXAMPLES.parents[1]}:{EXAMPLES}",
        "AWS_DEFAULT_REGION": world.region,
        "IDENTITY_POOL_ID": world.pool_id,
        "LOGIN_PROVIDER": world.provider.login_key,
        "BUCKET": world.bucket,
    }
    process = subprocess.Popen([sys.executable, "-m", *command, str(port)], env=environment, stderr=subprocess.PIPE)
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(600):
            try:
                requests.get(url, timeout=60)
                break
            except requests.ConnectionError:
                assert process.poll() is None, process.communicate()[1].decode()
                time.sleep(0.05)
        yield url
    finally:
        process.kill()
        process.communicate(timeout=60)


def check_two_users_at_the_same_time(world: World, url: str) -> None:
    """Sign in two users; each writes and reads notes of the same names, at the same time as the other."""
    people = {}
    for name in ("ada", "bob"):
        people[name] = requests.Session()
        answer = people[name].post(f"{url}/sign-in", data=world.provider.issue(name), timeout=60)
        assert (answer.status_code, answer.text) == (200, "Signed in\n")
    assert people["ada"].get(f"{url}/notes/missing", timeout=60).status_code in (403, 404)
    world.reset_journal()

    def notes(name: str) -> set[str]:
        found = set()
        for number in range(10):
            address = f"{url}/notes/note-{number}"
            cookies = people[name].cookies.get_dict()
            assert requests.put(address, data=f"of {name}", cookies=cookies, timeout=60).status_code == 200
            found.add(requests.get(address, cookies=cookies, timeout=60).text)
        return found

    with ThreadPoolExecutor(8) as pool:
        found = {name: [pool.submit(notes, name) for _ in range(2)] for name in people for _ in range(2)}
        assert {name: {frozenset(each.result()) for each in tasks} for name, tasks in found.items()} == {
            name: {frozenset({f"of {name}"})} for name in people
        }
    keys = {name: [call.access_key for call in world.calls(name)] for name in ("PutObject", "GetObject")}
    assert [len(set(found)) for found in keys.values()] == [2, 2]
    assert world.calls("GetCredentialsForIdentity") == []


def check_what_a_user_is_told(world: World, url: str) -> None:
    """Send what is no token, a refused one, an invented handle, and requests while Cognito is away."""
    assert requests.get(f"{url}/notes/x", timeout=60).status_code == 401
    assert requests.get(f"{url}/notes/x", cookies={"user": "invented"}, timeout=60).status_code == 401
    refused = world.provider.issue("eve", flaw="wrong-audience")
    assert [requests.post(f"{url}/sign-in", data=each, timeout=60).status_code for each in ("no token", refused)] == [
        401,
        403,
    ]
    world.fault("GetId", times=100, status=500, code="InternalErrorException")
    world.fault("GetCredentialsForIdentity", times=100, status=500, code="InternalErrorException")
    assert requests.post(f"{url}/sign-in", data=world.provider.issue("new"), timeout=100).status_code == 503
    world.clear_faults()
    with requests.Session() as person:
        person.post(f"{url}/sign-in", data=world.provider.issue("ada"), timeout=60)
        handle = person.cookies.get_dict()
        assert person.post(f"{url}/sign-out", timeout=60).text == "Signed out\n"
        assert requests.get(f"{url}/notes/note-1", cookies=handle, timeout=60).status_code == 401
