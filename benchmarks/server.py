"""``python -m benchmarks.server [--write]``: the users of one server, in ways that differ, all in one run.

`--write` writes the section "A server's users" of ``docs/performance.md``. Requests go to a stub on loopback that costs
next to nothing (`stub.py`), so what is measured is the client.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.clients.installer import REPOSITORY, Installer, Unavailable

from . import stub
from .measuring import Unmeasurable

FILE = REPOSITORY / "docs" / "performance.md"
BEGIN = "<!-- server: written by python -m benchmarks.server --write -->"
END = "<!-- end of server -->"
_HERE = Path(__file__).parent
#: Users of one client, of clients of their own, and at once in one event loop.
USERS, EACH, AT_ONCE = 10_000, 300, 500
#: Seconds until the stub's identity pool answers the users who come at once.
_DELAY = 0.1
_ROUNDS = 3

WAYS = {
    "one": ("`FederatedUsers`, one client", USERS),
    "each": ("`CognitoFederation`, a client for each user", EACH),
    "hand": ("boto3 with fixed keys, one session, a client for each user", EACH),
    "refreshable": ("boto3-refresh-session, a session and a client for each user", EACH),
    "javascript": ("AWS SDK for JavaScript, `fromCognitoIdentityPool`, a client for each user", EACH),
}
COLUMNS = {
    "users": "users",
    "clients": "clients",
    "threads": "threads",
    "kb": "kB a user",
    "sign_in_cpu": "CPU ms of a sign-in with its first call",
    "cpu": "CPU ms a call",
    "p50": "p50 ms",
    "p99": "p99 ms",
    "per_second": "calls a second, 8 threads",
    "wrong": "calls signed for another user",
}
_TEXT = """## A server's users

One client serves all users of `FederatedUsers`; everything else here has a client for each user. Each user signs in
with a token of their own and makes one call; then 3,000 calls are made, each for a user chosen at random, one after the
other, and 3,000 more by 8 threads. Every answer says for whom the request was signed. The servers are a stub on
loopback, so these are the costs of the client. What has a client for each user is measured with fewer
users, and costs the more the more there are.

{table}

Per user, `FederatedUsers` takes {memory:.3f} x the memory of a client with fixed keys for each user, and {sign_in:.2f}
x the CPU until the first answer. The other columns are as noisy as the machine was busy.

{loops}

Measured on {date} by `python -m benchmarks.server --write`, on a machine whose load was {load:.0f} on {cores} cores;
times on the wall are longer for that, CPU and memory are not."""
_LOOPS = """{users} users who sign in at once, in one event loop, where the identity pool answers after 100 ms:

| | all signed in after | CPU ms a user | longest stall of the loop | of its own CPU | 99 of 100, own CPU | threads |
|---|---|---|---|---|---|---|
{rows}

A stall is how much later than it wanted a task runs that sleeps for a millisecond, again and again. On the wall it has
what other programs took; "of its own CPU" is what this program itself computed meanwhile. Median of {rounds} runs that
alternate. The goal of 20 ms is missed in such a crowd. The 48 threads that do the work take turns of 5 ms with the loop
(`sys.getswitchinterval`), and aiobotocore computes all requests in the loop. With 12 threads 99 of 100 stalls were
below 17 ms of its own CPU on 2026-11-29, but the crowd took twice as long."""


@contextlib.contextmanager
def _stub(delay: float = 0.0) -> Iterator[str]:
    environment = {**os.environ, stub.DELAY: str(delay)}
    command = [sys.executable, str(_HERE / "stub.py")]
    server = subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        yield server.stdout.readline().strip()
    finally:
        server.kill()
        server.communicate()


def _told(command: list[str], home: Path, **variables: str) -> dict[str, float]:
    own = {"HOME": str(home), "AWS_CONFIG_FILE": os.devnull, "AWS_EC2_METADATA_DISABLED": "true", **variables}
    passed_on = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PYTHON"))}
    done = subprocess.run(
        command, env={**passed_on, "AWS_DEFAULT_REGION": "eu-west-1", **own}, capture_output=True, text=True
    )
    if done.returncode:
        raise Unmeasurable(done.stderr[-500:])
    found: dict[str, float] = json.loads(done.stdout)
    return found


def ways(installer: Installer, home: Path) -> dict[str, dict[str, float]]:
    """Return the figures of each way."""
    python = installer.python("benchmarks-server", "boto3-refresh-session", project=True) / "python"
    found = {}
    with _stub() as address:
        for name, (_, users) in WAYS.items():
            if name == "javascript":
                found[name] = _javascript(installer, home, address, users)
            else:
                command = [str(python), str(_HERE / "server_program.py"), name, str(users)]
                found[name] = _told(command, home, BENCHMARK_STUB=address)
            found[name]["users"] = users
            found[name]["wrong"] += found[name].get("wrong_at_once", 0)
            sys.stdout.write(f"{name}: {found[name]}\n")
            sys.stdout.flush()
    return found


def _javascript(installer: Installer, home: Path, address: str, users: int) -> dict[str, float]:
    modules = installer.npm("javascript-server", "@aws-sdk/client-s3@3", "@aws-sdk/credential-providers@3")
    tokens = home / "tokens.json"
    tokens.write_text(json.dumps([stub.token(str(number)) for number in range(users)]))
    command = ["node", "--expose-gc", str(_HERE / "server_program.mjs"), address, str(users), str(tokens)]
    return _told(command, home, BENCHMARK_MODULES=str(modules))


def loops(installer: Installer, home: Path) -> dict[str, dict[str, float]]:
    """Return the figures of a crowd in one event loop, with this product and by aiobotocore alone."""
    python = installer.python("benchmarks-aio", "aiobotocore", project=True) / "python"
    told: dict[str, list[dict[str, float]]] = {"loop": [], "bare-loop": []}
    with _stub(_DELAY) as address:
        for _ in range(_ROUNDS):
            for name, runs in told.items():
                command = [str(python), str(_HERE / "server_program.py"), name, str(AT_ONCE)]
                runs.append(_told(command, home, BENCHMARK_STUB=address))
    middle = {
        name: {key: sorted(run[key] for run in runs)[_ROUNDS // 2] for key in runs[0]} for name, runs in told.items()
    }
    sys.stdout.write(f"{middle}\n")
    return middle


def text(found: Mapping[str, Mapping[str, float]], crowd: Mapping[str, Mapping[str, float]]) -> str:
    """Return the section of the page."""
    head = ["| | " + " | ".join(COLUMNS.values()) + " |", "|---" * (len(COLUMNS) + 1) + "|"]
    lines = [f"| {WAYS[name][0]} | {_cells(row)} |" for name, row in found.items()]
    names = {"loop": "`AsyncCognitoFederation`", "bare-loop": "aiobotocore alone, one client, nothing stored"}
    milliseconds = dict.fromkeys(("stall", "stall_cpu", "stall_cpu_p99"), "{:.0f} ms")
    units = {"seconds": "{:.1f} s", "cpu": "{:.1f}", **milliseconds, "threads": "{:.0f}"}
    rows = [
        f"| {names[name]} | {' | '.join(unit.format(row[key]) for key, unit in units.items())} |"
        for name, row in crowd.items()
    ]
    one, hand = found["one"], found["hand"]
    return _TEXT.format(
        table="\n".join(head + lines),
        memory=one["kb"] / hand["kb"],
        sign_in=one["sign_in_cpu"] / hand["sign_in_cpu"],
        loops=_LOOPS.format(users=AT_ONCE, rows="\n".join(rows), rounds=_ROUNDS),
        date=time.strftime("%Y-%m-%d", time.gmtime()),
        load=os.getloadavg()[2],
        cores=os.cpu_count(),
    )


def _cells(row: Mapping[str, float]) -> str:
    return " | ".join(_figure(row.get(key)) for key in COLUMNS)


def _figure(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:.1f}"


def section(page: str) -> str:
    """Return the section of a page with its marks; empty if it has none."""
    begin, end = page.find(BEGIN), page.find(END)
    return page[begin : end + len(END)] if begin >= 0 else ""


def write(words: str) -> None:
    """Put the section in its place on the page, or at its end."""
    page = FILE.read_text(encoding="utf-8")
    before, new = section(page), f"{BEGIN}\n\n{words}\n\n{END}"
    FILE.write_text(page.replace(before, new) if before else f"{page.rstrip()}\n\n{new}\n", encoding="utf-8")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.server", description=__doc__)
    parser.add_argument("--write", action="store_true", help="write the section of docs/performance.md")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="cognito-benchmarks-") as folder:
        home = Path(folder)
        installer = Installer(home, sys.executable)
        try:
            words = text(ways(installer, home), loops(installer, home))
        except (Unavailable, Unmeasurable) as failure:
            sys.stderr.write(f"{failure}\n")
            return 1
    sys.stdout.write(f"{words}\n")
    if chosen.write:
        write(words)
    return 0


if __name__ == "__main__":
    sys.exit(main())
