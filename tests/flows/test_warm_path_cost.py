"""The warm path of an installed wheel: its imports, and its instructions compared with ``benchmarks/baseline.json``."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from benchmarks import baseline, laboratory
from benchmarks.measuring import Unmeasurable, imports
from tests.clients.installer import Unavailable, promised

pytestmark = pytest.mark.slow
PYTHONS = baseline.interpreters()


@pytest.fixture(scope="module")
def installed() -> Iterator[laboratory.Laboratory]:
    try:
        with laboratory.opened() as found:
            yield found
    except Unavailable as reason:
        (pytest.fail if promised() else pytest.skip)(str(reason))


def test_a_cold_credential_process_is_seen_to_import_more(installed: laboratory.Laboratory) -> None:
    """The measurement itself: it would detect an import."""
    command = [installed.python, str(installed.bin / "cognito-federation"), "version"]
    assert "click" in imports(command, installed.environment)


@pytest.mark.parametrize("version", PYTHONS)
def test_on_every_python_a_warm_credential_process_costs_no_more_than_it_did(version: str) -> None:
    try:
        now = baseline.measured(PYTHONS[version])
    except (Unavailable, Unmeasurable) as reason:
        (pytest.fail if promised() else pytest.skip)(str(reason))
    assert baseline.failures(version, now, counting=promised()) == []
