"""Servers that fork their workers from a master that has the AWS client already: uwsgi and celery.

All workers get credentials, none hangs, and the identity pool is asked once.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.clients.installer import Installer, Unavailable, promised
from tests.home import Home, finished

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="neither of them forks there"),
]

_WORKERS = 4
#: What both import in the master, before it forks.
_CLIENT = """
import os, threading, time
import boto3
from botocore_cognito_federation import install

install()
credentials = boto3.Session(profile_name="demo-native").get_credentials()

def answer():
    time.sleep(0.3)  # so that each worker gets one of the calls
    return f"{os.getpid()} {credentials.get_frozen_credentials().access_key}"
"""
_UWSGI = """
from client import answer

def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [answer().encode()]
"""
_CELERY = """
from pathlib import Path
from celery import Celery
from client import answer

here = Path(__file__).parent
for name in ("queue", "results"):
    (here / name).mkdir(exist_ok=True)
app = Celery("tasks", broker="filesystem://", backend=f"file://{here}/results")
app.conf.update(
    broker_transport_options={"data_folder_in": f"{here}/queue", "data_folder_out": f"{here}/queue"},
    worker_prefetch_multiplier=1,
)
ask = app.task(name="ask")(answer)
"""
_ASK_CELERY = """
import json, sys
from celery import group
from tasks import ask
print(json.dumps(group(ask.s() for _ in range(int(sys.argv[1])))().get(timeout=60)))
"""


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of executables of an environment with both."""
    try:
        return Installer(tmp_path_factory.mktemp("wheel")).python("prefork", "boto3", "pyuwsgi", "celery", project=True)
    except Unavailable as missing:
        if promised():
            raise
        pytest.skip(str(missing))


@pytest.fixture
def program(home: Home) -> Home:
    """A home with the programs' modules."""
    for name, text in {"client": _CLIENT, "served": _UWSGI, "tasks": _CELERY}.items():
        (home.path / f"{name}.py").write_text(text)
    return home


def judged(answers: list[str], home: Home) -> None:
    """Several workers had answered, all with the credentials of the one exchange."""
    workers = {answer.split()[0] for answer in answers}
    keys = {answer.split()[1] for answer in answers}
    assert len(workers) > 1, answers
    assert len(keys) == 1, answers
    assert home.count("GetCredentialsForIdentity") == 1


@pytest.fixture
def served(program: Home, programs: Path, threads: bool) -> Iterator[str]:
    """The URL of uwsgi."""
    words = ["--http-socket", "127.0.0.1:0", "--master", "--processes", str(_WORKERS), "--wsgi-file", "served.py"]
    words += ["--die-on-term", "--need-app", *(["--enable-threads"] if threads else [])]
    process = program.spawn([str(programs / "uwsgi"), *words], {"PYTHONHOME": None}, stderr=subprocess.STDOUT)
    lines: list[bytes] = []
    bound, ready = threading.Event(), threading.Event()
    port: list[int] = []

    def read() -> None:
        for line in process.stdout:
            lines.append(line)
            if found := re.search(rb"bound to TCP address 127\.0\.0\.1:(\d+)", line):
                port.append(int(found.group(1)))
                bound.set()
            if b"spawned uWSGI worker" in line and f"worker {_WORKERS} ".encode() in line:
                ready.set()

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    try:
        assert bound.wait(60), lines
        assert ready.wait(60), lines
        yield f"http://127.0.0.1:{port[0]}/"
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
        reader.join(5)
        process.stdout.close()


@pytest.mark.parametrize("threads", [False, True], ids=["without threads of its own", "with threads"])
def test_workers_of_uwsgi_renew_once_and_all_answer(program: Home, served: str, threads: bool) -> None:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def ask(_: int) -> str:
        with opener.open(served, timeout=60) as answer:
            return str(answer.read().decode())

    with ThreadPoolExecutor(2 * _WORKERS) as callers:
        judged(list(callers.map(ask, range(2 * _WORKERS))), program)


def test_workers_of_celery_renew_once_and_all_answer(program: Home, programs: Path) -> None:
    python = str(programs / "python")
    words = ["-A", "tasks", "worker", "--pool", "prefork", "--concurrency", str(_WORKERS)]
    words += ["--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel", "warning"]
    variables = {"PYTHONPATH": str(program.path), "C_FORCE_ROOT": "1"}
    worker = program.spawn([python, "-m", "celery", *words], variables, stderr=subprocess.STDOUT)
    try:
        asked = finished(program.spawn([python, "-c", _ASK_CELERY, str(2 * _WORKERS)], variables))
        assert asked.code == 0, asked
        judged(json.loads(asked.out), program)
    finally:
        worker.terminate()
        worker.communicate(timeout=30)
        shutil.rmtree(program.path / "queue", ignore_errors=True)
