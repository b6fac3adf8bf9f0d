"""The warm path of an installed wheel: what it imports, and its instructions against ``benchmarks/baseline.json``."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from benchmarks import baseline, laboratory, warm_path
from benchmarks.measuring import imports
from tests.clients.rooms import Unavailable, promised

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def installed() -> Iterator[laboratory.Laboratory]:
    try:
        with laboratory.opened() as found:
            yield found
    except Unavailable as reason:
        (pytest.fail if promised() else pytest.skip)(str(reason))


def test_a_warm_credential_process_imports_nothing_but_itself(installed: laboratory.Laboratory) -> None:
    assert warm_path.extra_imports(installed) == warm_path.OWN_MODULES


def test_a_cold_credential_process_is_seen_to_import_more(installed: laboratory.Laboratory) -> None:
    """The measurement itself: it would notice an import."""
    command = [installed.python, str(installed.bin / "cognito-federation"), "version"]
    assert "click" in imports(command, installed.environment)


def test_a_warm_credential_process_costs_no_more_than_it_did(installed: laboratory.Laboratory) -> None:
    assert baseline.check(installed, counting=promised()) == []
