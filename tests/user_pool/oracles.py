"""Other clients' SRP arithmetic, each in its own process that answers each line with one line of JSON."""

from __future__ import annotations

import base64
import contextlib
import json
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tests.servers.tool_cache import npm_folder, python_in_venv

PYCOGNITO = "pycognito==2024.5.1"
AMAZON_JS = "amazon-cognito-identity-js@6.3.21"

_PYTHON = """
import base64, json, sys
from pycognito.aws_srp import AWSSRP
for line in sys.stdin:
    q = json.loads(line)
    srp = AWSSRP(q["user"], q["password"], "x_" + q["group"], "client", client=object())
    srp.small_a_value = int(q["a"], 16)
    srp.large_a_value = srp.calculate_a()
    key = srp.get_password_authentication_key(q["user"], q["password"], int(q["b"], 16), q["salt"])
    print(json.dumps({"A": "%x" % srp.large_a_value, "key": base64.b64encode(key).decode()}), flush=True)
"""

_NODE = """
const load = name => { const m = require('amazon-cognito-identity-js/lib/' + name); return m.default || m; };
const Helper = load('AuthenticationHelper'), Big = load('BigInteger');
require('readline').createInterface({ input: process.stdin }).on('line', line => {
  const q = JSON.parse(line);
  const helper = new Helper(q.group);
  helper.smallAValue = new Big(q.a, 16);
  helper.largeAValue = null;
  helper.getLargeAValue((err, A) => {
    helper.getPasswordAuthenticationKey(q.user, q.password, new Big(q.b, 16), new Big(q.salt, 16), (err, key) => {
      console.log(JSON.stringify({ A: A.toString(16), key: Buffer.from(key).toString('base64') }));
    });
  });
});
"""


class Oracle:
    """A process that computes session keys."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def session_key(self, *, group: str, user: str, password: str, a: int, b: int, salt: str) -> tuple[int, bytes]:
        """Return A and the session key for a private key a, a server's B and a salt in hexadecimal."""
        question = {"group": group, "user": user, "password": password, "a": f"{a:x}", "b": f"{b:x}", "salt": salt}
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps(question) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, "the oracle died"
        answer: dict[str, Any] = json.loads(line)
        return int(answer["A"], 16), base64.b64decode(answer["key"])


@contextlib.contextmanager
def _asked(command: Sequence[str], cwd: Path) -> Iterator[Oracle]:
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=cwd) as process:
        try:
            yield Oracle(process)
        finally:
            process.kill()


@contextlib.contextmanager
def pycognito(folder: Path) -> Iterator[Oracle]:
    """pycognito's AWSSRP."""
    with _asked([str(python_in_venv("pycognito", PYCOGNITO)), "-c", _PYTHON], folder) as oracle:
        yield oracle


@contextlib.contextmanager
def amazon_js(folder: Path) -> Iterator[Oracle]:
    """AWS's own AuthenticationHelper."""
    with _asked(["node", "-e", _NODE], npm_folder("amazon-js", AMAZON_JS)) as oracle:
        yield oracle
