from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.servers import ministack as ministack_server

from . import wire as wire_module


@pytest.fixture(autouse=True)
def _no_aws_settings(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Remove the profiles, credentials and endpoints of the person who runs the tests."""
    import os

    for name in list(os.environ):
        if name.startswith(("AWS_", "COGNITO_FEDERATION_")):
            monkeypatch.delenv(name)
    nothing = tmp_path_factory.getbasetemp() / "no-such-file"
    monkeypatch.setenv("AWS_CONFIG_FILE", str(nothing))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(nothing))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture
def wire() -> Iterator[wire_module.Wire]:
    with wire_module.serving() as server:
        yield server


@pytest.fixture(scope="session")
def ministack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ministack_server.Ministack]:
    with ministack_server.running(tmp_path_factory.mktemp("ministack")) as server:
        yield server
