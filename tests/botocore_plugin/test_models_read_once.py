"""The cost of AWS's models in addition to a session: this package's client reads none that the session has read."""

from __future__ import annotations

import gc
import os
import weakref
from collections import Counter

import botocore.session
import pytest
from botocore.loaders import JSONFileLoader, Loader, create_loader

import botocore_cognito_federation as federation


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Count how often each model file is parsed."""
    found: Counter[str] = Counter()
    load = JSONFileLoader.load_file

    def counting(self, file_path):
        answer = load(self, file_path)
        if answer is not None:
            found[os.path.basename(file_path)] += 1
        return answer

    monkeypatch.setattr(JSONFileLoader, "load_file", counting)
    # The tests share one loader to save time; outside of them each session makes its own.
    monkeypatch.setattr(botocore.session, "create_loader", create_loader)
    return found


def test_the_session_and_the_fetch_of_its_credentials_read_each_model_once(inside, read):
    federation.install()
    client = botocore.session.Session(profile="demo-native").create_client("s3")
    gc.collect()  # the session; its client uses its models
    assert client.list_buckets()["Buckets"]
    assert inside.spent == (1, 1)
    assert read["endpoints"] == 1
    assert read["partitions"] == 1


def test_the_fetch_of_shared_credentials_reads_nothing_that_a_later_session_has_read(inside, read):
    federation.install()
    credentials = botocore.session.Session(profile="demo-native").get_credentials()
    gc.collect()  # the first session
    session = botocore.session.Session(profile="demo-native")
    assert session.create_client("s3")
    assert session.get_credentials() is credentials
    assert read["endpoints"] == 1
    assert credentials.get_frozen_credentials().access_key
    assert read["endpoints"] == read["partitions"] == 1


@pytest.mark.thorough
@pytest.mark.parametrize("ready", [True, False])
def test_credentials_do_not_hold_the_models_of_a_session_that_is_gone(inside, read, ready):
    if ready:
        assert inside.ask("demo-native").key
    federation.install()
    session = botocore.session.Session(profile="demo-native")
    session.create_client("s3")
    models = weakref.ref(session.get_component("data_loader"))
    credentials = session.get_credentials()
    del session
    gc.collect()
    assert models() is None
    # They work without them.
    credentials._refresh_at = 0.0
    assert credentials.get_frozen_credentials().access_key


def test_a_session_with_models_of_another_botocore_does_not_share_them(inside):
    class Vendored:
        """The loader of a copy of botocore: the same methods, another class."""

        def __init__(self) -> None:
            self._own = Loader(include_default_search_paths=True)
            self.asked: list[str] = []

        def __getattr__(self, name):
            self.asked.append(name)
            return getattr(self._own, name)

    federation.install()
    session = botocore.session.Session(profile="demo-native")
    session.register_component("data_loader", loader := Vendored())
    credentials = session.get_credentials()
    loader.asked.clear()
    assert credentials.get_frozen_credentials().access_key
    assert loader.asked == []
