"""How many cases there are, and what each is judged by."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from botocore_cognito_federation.errors import CognitoFederationError
from botocore_cognito_federation.messages import LONGEST_LINE

#: What stands in everything secret that a case holds.
SECRET = "hunter2hunter2hunter2"
#: Seconds a case may take; a case that waits for a limit of the product's would.
LIMIT = 20
_TESTS = 10
_EXIT_CODES = frozenset({3, 4, 5, 6, 7, 8})
_HERE = str(Path(__file__).parent)
_cases: Counter[str] = Counter()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--cases", type=int, default=500, help="how many cases are fuzzed in all; the full run has 100000")


def pytest_configure(config: pytest.Config) -> None:
    cases = config.getoption("--cases", 500)
    settings.register_profile(
        "fuzz",
        max_examples=max(1, cases // _TESTS),
        derandomize=cases <= 500,
        deadline=None,
        database=None,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
    )
    if _asked_for(config):
        settings.load_profile("fuzz")


def _asked_for(config: pytest.Config) -> bool:
    return any("fuzz" in Path(argument).parts for argument in config.args)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """The fuzzers run only where they are asked for by name."""
    here = [item for item in items if str(item.path).startswith(_HERE)]
    if here and not _asked_for(config):
        items[:] = [item for item in items if item not in here]
        config.hook.pytest_deselected(items=here)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if _cases:
        terminalreporter.section(f"fuzzing, {sum(_cases.values()):,} cases")
        for name, number in _cases.items():
            terminalreporter.write_line(f"{number:9,} {name}")


@pytest.fixture(scope="session", autouse=True)
def _no_proxy(_clean_environment: None) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
            patch.delenv(name, raising=False)
            patch.delenv(name.lower(), raising=False)
        yield


def judged(name: str, call: Callable[[], Any]) -> Any:
    """Call the product; what it returns, or None where it raised an error of its own. Any other error is a finding."""
    _cases[name] += 1
    began = time.monotonic()
    try:
        return call()
    except CognitoFederationError as error:
        judge_line(error.exit_code, error.line)
        return None
    finally:
        assert time.monotonic() - began < LIMIT


def judge_line(code: int, line: str) -> None:
    assert code in _EXIT_CODES, (code, line)
    assert SECRET not in line, line
    assert line.isprintable(), line
    assert len(line) <= 2 * LONGEST_LINE, line


@dataclass
class Answers:
    """A server whose answers a case chooses, by the path's end; anything else is asked of `fallback`."""

    bodies: dict[str, tuple[int, str, bytes]] = field(default_factory=dict)
    fallback: tuple[int, str, bytes] = (404, "text/plain", b"")
    url: str = ""

    def put(self, path: str, body: bytes, *, status: int = 200, kind: str = "application/json") -> None:
        self.bodies[path] = (status, kind, body)


@pytest.fixture(scope="module")
def answers() -> Iterator[Answers]:
    found = Answers()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            status, kind, body = found.bodies.get(self.path, found.fallback)
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET

        def log_message(self, format: str, *args: Any) -> None:
            """Cases are counted, not shown."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    found.url = f"http://127.0.0.1:{server.server_address[1]}"
    yield found
    server.shutdown()
    server.server_close()
