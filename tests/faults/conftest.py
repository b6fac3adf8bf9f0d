"""The options of the bench, its world, and its figures."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.faults import page
from tests.faults.judges import Tally
from tests.faults.world import FaultWorld, running

_FIGURES = pytest.StashKey[list[page.Figures]]()
_HERE = str(Path(__file__).parent)
_BEGAN = pytest.StashKey[float]()
#: What takes longest comes first.
_ORDER = ("rotation", "kills", "fleets", "soak", "processes", "network", "signals", "disks", "clocks", "streams")


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("fault bench")
    group.addoption("--full", action="store_true", help="the full bench; the short one takes a minute or two")
    group.addoption("--share", type=float, default=1.0, help="of the full bench's rounds, e.g. 0.1")
    group.addoption("--seed", type=int, default=None, help="of everything random; printed at the end")
    group.addoption("--write", action="store_true", help="put the figures on docs/reliability.md")


@dataclass(frozen=True)
class Scale:
    """How much is tried."""

    full: bool
    share: float

    def __call__(self, short: int, full: int) -> int:
        return max(short, round(full * self.share)) if self.full else short


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_FIGURES] = []
    config.stash[_BEGAN] = time.time()
    if config.getoption("--seed", None) is None:
        config.option.seed = random.SystemRandom().randrange(10**6) if config.getoption("--full", False) else 1


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """The bench runs only where it is asked for by name."""
    here = [item for item in items if str(item.path).startswith(_HERE)]
    if here and not any("faults" in Path(argument).parts for argument in config.args):
        items[:] = [item for item in items if item not in here]
        config.hook.pytest_deselected(items=here)
    elif here:
        items.sort(key=lambda item: _place(item) if item in here else -1)


def _place(item: pytest.Item) -> int:
    return _ORDER.index(item.path.stem.removeprefix("test_"))


@pytest.fixture(scope="session")
def scale(request: pytest.FixtureRequest) -> Scale:
    return Scale(request.config.getoption("--full"), request.config.getoption("--share"))


@pytest.fixture
def dice(request: pytest.FixtureRequest) -> random.Random:
    """Random, and the same for a seed and a test."""
    return random.Random(f"{request.config.getoption('--seed')} {request.node.name}")


@pytest.fixture
def tally(request: pytest.FixtureRequest) -> Iterator[Tally]:
    """The figures of one test; in a full run that writes, they are stored when it has ended."""
    words = request.node.name.removeprefix("test_").replace("_", " ").replace("[", " (").replace("]", ")")
    began, found, config = time.time(), Tally(words), request.config
    yield found
    if not found.done:
        return
    figures = page.Figures(
        family=found.family,
        place=[_place(request.node), *request.node.location[1:2]],
        done=dict(found.done),
        ends={str(code): number for code, number in found.ends.items()},
        wrong={kind: len(cases) for kind, cases in found.wrong.items()},
        remarks=found.remarks,
        seed=config.getoption("--seed"),
        seconds=round(time.time() - began, 1),
    )
    config.stash[_FIGURES].append(figures)
    if config.getoption("--full") and config.getoption("--write"):
        page.store(figures)


@pytest.fixture(scope="session")
def one_bench(tmp_path_factory: pytest.TempPathFactory, _clean_environment: None) -> Iterator[FaultWorld]:
    with running(tmp_path_factory.mktemp("faults")) as world:
        yield world


@pytest.fixture
def bench(one_bench: FaultWorld) -> Iterator[FaultWorld]:
    """The session's world, as new."""
    yield one_bench
    for relay in (one_bench.pool, one_bench.issuer):
        relay.harm, relay.on_request, relay.on_answer = "", None, None
    one_bench.provider.behave(id_token_life=3600, wait_before=0, wait_after=0)
    one_bench.aws.clear_faults()
    one_bench.aws.credential_lifetime = 3600


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    rows = config.stash[_FIGURES]
    if not rows:
        return
    seed, minutes = config.getoption("--seed"), (time.time() - config.stash[_BEGAN]) / 60
    terminalreporter.section(f"fault bench, seed {seed}, {minutes:.1f} minutes")
    terminalreporter.write_line(page.table(rows))
    if config.getoption("--full") and config.getoption("--write"):
        page.write(page.stored())
