"""A shared cache that a configuration names: this machine first, the engine for what it lacks, each failure said."""

from __future__ import annotations

import base64
import json
import os
import time
import types
from collections.abc import Iterator
from pathlib import Path

import pytest

from botocore_cognito_federation.cache import local_first
from botocore_cognito_federation.cache.base import CREDENTIALS, IDENTITIES
from botocore_cognito_federation.cache.file import FileStore
from botocore_cognito_federation.cache.local_first import LocalFirstStore
from botocore_cognito_federation.cache.named import open_engine
from botocore_cognito_federation.config.profiles import load_settings
from botocore_cognito_federation.demo.serve import find_executable
from botocore_cognito_federation.demo.world import World
from botocore_cognito_federation.errors import ConfigurationError
from tests.cache import engines
from tests.home import Home

KEY = base64.b64encode(engines.KEY).decode()
pytestmark = [pytest.mark.thorough, pytest.mark.skipif(not engines.HAS_REDIS, reason="no redis-server")]


class Host(Home):
    """A machine whose profile ``demo`` has a shared cache."""

    def share(self, engine: str, url: str, **keys: str) -> Host:
        """Give the profile a shared cache; `keys` override the usual ones."""
        key_file = self.path / "cache.key"
        key_file.write_text(f"{KEY}\n")
        key_file.chmod(0o600)
        lines = {"cognito_cache": engine, "cognito_cache_url": url, "cognito_cache_key_file": str(key_file), **keys}
        text = self.config.read_text()
        head = "[profile demo]\n"
        assert head in text
        added = "".join(f"{name} = {value}\n" for name, value in lines.items())
        self.config.write_text(text.replace(head, head + added))
        return self


@pytest.fixture(scope="module")
def redis() -> Iterator[tuple[engines.Server, int]]:
    server, port = engines.redis_server()
    yield server, port
    server.kill()


@pytest.fixture
def url(redis: tuple[engines.Server, int]) -> str:
    import redis as client

    with client.Redis(port=redis[1]) as connection:
        connection.flushall()
    return f"redis://127.0.0.1:{redis[1]}/0"


def host(world: World, place: Path) -> Host:
    world.write_home(place, find_executable())
    return Host(place, world)


@pytest.fixture
def hosts(world: World, tmp_path: Path) -> list[Host]:
    """Two machines with the same login token of one user."""
    here, there = (host(world, tmp_path / name) for name in ("here", "there"))
    there.token.write_text(here.token.read_text())
    return [here, there]


def test_a_second_machine_uses_what_the_first_has_fetched_and_a_warm_call_needs_no_engine(
    hosts: list[Host], url: str, redis: tuple[engines.Server, int]
) -> None:
    here, there = (each.share("redis", url) for each in hosts)
    key = here.ask().key
    assert here.spent == (1, 1)
    assert there.ask().key == key
    assert there.spent == (1, 1)
    redis[0].kill()
    try:
        assert (here.ask().key, there.ask().key) == (key, key)
        there.forget_answers()
        assert there.ask().key == key  # from the files, without the engine
        assert there.documents("notes") == []
    finally:
        redis[0].start()


@pytest.mark.thorough
def test_without_the_engine_a_cold_call_works_with_one_note_and_doctor_and_status_name_the_cache(
    hosts: list[Host],
) -> None:
    here = hosts[0].share("redis", "redis://127.0.0.1:1/0")
    assert here.ask().key
    (note,) = here.documents("notes")
    assert "Redis does not answer" in json.loads(note.read_text())["text"]
    found = json.loads(here.run("doctor", "--profile", "demo", "--json").out)["findings"]
    (said,) = [each for each in found if each["check"] == "shared cache"]
    assert (said["severity"], said["exit_code"]) == ("error", 8)
    assert b"shared cache: redis://127.0.0.1:1/0; sign-ins: on this machine" in here.run("status", "-p", "demo").out


def test_doctor_says_once_what_stops_several_of_its_checks(hosts: list[Host], tmp_path: Path) -> None:
    key_file = tmp_path / "open.key"
    key_file.write_text("key")
    key_file.chmod(0o644)
    here = hosts[0].share("redis", "redis://127.0.0.1:1/0", cognito_cache_key_file=str(key_file))
    found = json.loads(here.run("doctor", "--profile", "demo", "--json").out)["findings"]
    (said,) = [each for each in found if "can be read or written by others" in each["what"]]
    assert (said["check"], said["severity"], said["exit_code"]) == ("shared cache", "error", 4)


@pytest.mark.thorough
def test_doctor_says_that_the_engine_takes_what_is_written(hosts: list[Host], url: str) -> None:
    found = json.loads(hosts[0].share("redis", url).run("doctor", "--profile", "demo", "--json").out)["findings"]
    assert [(each["severity"], each["what"]) for each in found if each["check"] == "shared cache"] == [
        ("ok", f"Redis at {url} takes what is written")
    ]


@pytest.mark.thorough
def test_a_password_comes_from_the_variable_and_is_shown_nowhere(hosts: list[Host]) -> None:
    server, port = engines.redis_server("--requirepass", "hunter2")
    try:
        here = hosts[0].share("redis", f"redis://127.0.0.1:{port}/0")
        assert here.ask().key
        (note,) = here.documents("notes")
        assert "refuses this user or this password" in json.loads(note.read_text())["text"]
        note.unlink()
        here.forget_answers()
        for path in here.documents("credentials"):
            path.unlink()
        with_password = {"COGNITO_FEDERATION_CACHE_URL": f"redis://:hunter2@127.0.0.1:{port}/0"}
        assert here.ask(**with_password).key
        assert here.documents("notes") == []
        for words in (["status"], ["explain"], ["doctor"]):
            result = here.run(*words, "-p", "demo", **with_password)
            assert b"hunter2" not in result.out + result.err
        assert "hunter2" not in here.texts()
    finally:
        server.kill()


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"cognito_cache_url": "redis://:hunter2@127.0.0.1/0"}, "has a password in it"),
        ({"cognito_cache_url": "postgresql://127.0.0.1/db"}, "must begin with redis://"),
        ({"cognito_cache_key_env": "KEY"}, "contradict each other"),
        ({"cognito_cache_key_file": "/nowhere/key"}, "cannot be read: No such file"),
        ({"cognito_cache_key_file": "open.key"}, "can be read or written by others than this user. Run: chmod 600"),
        ({"cognito_cache_key_file": "short.key"}, "16 bytes and not 32"),
        ({"cognito_cache_key_file": "empty.key"}, "holds no key"),
        ({"cognito_cache_sessions": "postgres"}, "also needs cognito_cache_sessions_url"),
        ({"cognito_cache": "file", "cognito_cache_sessions": "same"}, "goes only with a shared cache"),
    ],
)
def test_a_wrong_configuration_is_one_clear_error(hosts: list[Host], keys: dict[str, str], said: str) -> None:
    here = hosts[0]
    for name, text, mode in (
        ("open.key", KEY, 0o644),
        ("short.key", base64.b64encode(bytes(16)).decode(), 0o600),
        ("empty.key", "", 0o600),
    ):
        (here.path / name).write_text(text)
        (here.path / name).chmod(mode)
    if not keys.get("cognito_cache_key_file", "/").startswith("/"):
        keys = {"cognito_cache_key_file": str(here.path / keys["cognito_cache_key_file"])}
    line = here.share(**{"engine": "redis", "url": "redis://127.0.0.1:1/0", **keys}).ask().refused(4)
    assert said in line
    assert "hunter2" not in line


@pytest.mark.parametrize("place", ["file", "variable"])
@pytest.mark.parametrize(
    ("engine", "url"),
    [
        ("redis", "redis://u:hunter2/x@127.0.0.1:1/0"),
        ("redis", "redis://:hunter2#x@127.0.0.1:1"),
        ("redis", "redis://u:1?hunter2@127.0.0.1:1"),
        ("redis", "redis://u:1/hunter2@127.0.0.1:1"),
        ("postgres", "postgresql://u:hunter2/x@127.0.0.1/d"),
        ("postgres", "postgresql://u:hunter2%zz@127.0.0.1/d"),
        ("postgres", "postgresql://127.0.0.1:1/d?sslpassword=hunter2&x=%zz"),
    ],
)
def test_a_password_that_was_not_quoted_for_a_url_is_shown_nowhere(
    inside: Home, monkeypatch: pytest.MonkeyPatch, engine: str, url: str, place: str
) -> None:
    monkeypatch.setenv("CACHE_KEY", KEY)
    if place == "variable":
        monkeypatch.setenv("COGNITO_FEDERATION_CACHE_URL", url)
    keys = {"cognito_cache": engine, "cognito_cache_key_env": "CACHE_KEY", "cognito_cache_url": url}
    inside.profile("shared", **(keys if place == "file" else {**keys, "cognito_cache_url": ""}))
    with pytest.raises(ConfigurationError) as refused:
        open_engine(engine, "cache_url", load_settings("shared"), os.environ)
    assert "hunter2" not in refused.value.line


def test_keys_that_were_rotated_away_cost_a_fetch_and_lose_nothing(hosts: list[Host], url: str) -> None:
    here, there = (each.share("redis", url) for each in hosts)
    key = here.ask().key
    new = base64.b64encode(bytes(reversed(range(32)))).decode()
    (there.path / "cache.key").write_text(f"{new},{KEY}")
    assert there.ask().key == key  # the old key opens what the first has written
    (there.path / "cache.key").write_text(new)
    for path in there.documents("credentials"):
        path.unlink()
    there.forget_answers()
    assert there.ask().key != key
    assert there.documents("notes") == []


def test_where_no_file_can_be_written_the_engine_takes_the_place_of_the_files(hosts: list[Host], url: str) -> None:
    """As in containers with a read-only file system."""
    here, there = (each.share("redis", url) for each in hosts)
    key = here.ask().key
    there.cache.parent.joinpath("cognito-federation").write_text("no directory")
    assert there.ask().key == key


def test_an_engine_that_does_not_answer_is_waited_for_once_in_half_a_minute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    shared = engines.redis_cache("t", port=1)
    monkeypatch.setattr(
        type(shared), "_get", lambda store, kind, key: asked.append(kind) or store._client.get(key), raising=True
    )
    local = FileStore(str(tmp_path / "cache"))
    store = LocalFirstStore(local, lambda: shared, None, "profile demo", "session", lambda document: False)
    store.write(CREDENTIALS, "key", {"scope": "profile demo", "expires_at": 1})
    with store.lock("key", timeout=0) as taken:
        assert (taken, store.read(CREDENTIALS, "key")) == (True, {"scope": "profile demo", "expires_at": 1})
    assert asked == []
    later = time.monotonic() + 31
    monkeypatch.setattr(local_first, "time", types.SimpleNamespace(monotonic=lambda: later))
    assert store.read(IDENTITIES, "key") is None
    assert asked == [IDENTITIES]


@pytest.mark.thorough
@pytest.mark.skipif(not engines.HAS_POSTGRES, reason="no PostgreSQL")
def test_postgresql_and_dynamodb_share_credentials_too_once_their_table_is_made(
    hosts: list[Host], tmp_path: Path
) -> None:
    for engine, url, variables in (
        ("postgres", f"postgresql://tests@127.0.0.1:{postgres_port()}/postgres", {}),
        (
            "dynamodb",
            f"dynamodb://eu-west-1/{tmp_path.parent.name}",
            {
                "AWS_ENDPOINT_URL_DYNAMODB": f"http://127.0.0.1:{engines.dynamodb_port()}",
                "AWS_ACCESS_KEY_ID": "tests",
                "AWS_SECRET_ACCESS_KEY": "tests",
            },
        ),
    ):
        texts = [each.config.read_text() for each in hosts]
        here, there = (each.share(engine, url) for each in hosts)
        assert here.run("cache", "create-table", "-p", "demo", **variables).code == 0
        key = here.ask(**variables).key
        assert (there.ask(**variables).key, there.documents("notes")) == (key, [])
        for each, text in zip(hosts, texts, strict=True):
            each.config.write_text(text)
            each.run("cache", "clear", "-p", "demo")


def postgres_port() -> str:
    return dict(word.split("=") for word in engines.postgres_address().split())["port"]
