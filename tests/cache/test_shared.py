"""What a shared cache promises beside the contract of stores: secrecy, conditional writes, life without its engine."""

from __future__ import annotations

import base64
import contextlib
import logging
import shutil
import threading
import time
import traceback
import types
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from botocore_cognito_federation import ConfigurationError, FederatedUsers, NotSignedInError, StorageError
from botocore_cognito_federation.cache import dynamodb, shared
from botocore_cognito_federation.cache.base import CREDENTIALS, EPOCHS, IDENTITIES, SESSIONS, cache_key
from botocore_cognito_federation.cache.encryption import Encryption
from botocore_cognito_federation.cache.sessions import Session, Sessions
from botocore_cognito_federation.config.settings import Settings
from botocore_cognito_federation.demo import World
from botocore_cognito_federation.login_tokens.base import RefreshContext
from botocore_cognito_federation.login_tokens.session import RefreshedTokens, RefreshTokenProvider
from tests.cache import engines

KEY, OTHER = cache_key({"what": "a"}), cache_key({"what": "b"})
SECRET = "a refresh token"
Opener = Callable[..., Any]


def redis_of(place: str) -> Opener:
    return lambda **options: engines.redis_cache(place, **options)


def postgres_of(place: str, address: str | None = None) -> Opener:
    def opened(**options: Any) -> Any:
        store = engines.postgres_cache(place, address, **options)
        store.create_table()
        return store

    return opened


def dynamodb_of(place: str) -> Opener:
    def opened(**options: Any) -> Any:
        store = engines.dynamodb_cache(place, **options)
        store.create_table()
        return store

    return opened


#: A missing server is a failure in continuous integration, which installs both.
REDIS = pytest.param(redis_of, marks=pytest.mark.skipif(shutil.which("redis-server") is None, reason="no redis-server"))
POSTGRES = pytest.param(postgres_of, marks=pytest.mark.skipif(not engines.HAS_POSTGRES, reason="no PostgreSQL"))

DYNAMODB = pytest.param(dynamodb_of, marks=pytest.mark.thorough)


@pytest.fixture(params=[REDIS, POSTGRES, DYNAMODB], ids=["redis", "postgres", "dynamodb"])
def opened(request: pytest.FixtureRequest, tmp_path: Any) -> Opener:
    opener: Opener = request.param("t" + cache_key({"place": tmp_path})[:20])
    return opener


def test_an_entry_moved_under_another_users_key_or_kind_does_not_open(opened: Opener) -> None:
    store = opened()
    store.write(IDENTITIES, KEY, {"identity_id": "ada"})
    data = store._get(IDENTITIES, KEY)
    store._put(IDENTITIES, OTHER, data, None)
    store._put(CREDENTIALS, KEY, data, None)
    assert store.read(IDENTITIES, OTHER) is None
    assert store.read(CREDENTIALS, KEY) is None
    assert store.read(IDENTITIES, KEY) == {"identity_id": "ada"}


def test_nothing_that_was_stored_can_be_read_in_the_engine(opened: Opener) -> None:
    store = opened()
    store.write(SESSIONS, KEY, {"refresh_token": SECRET})
    assert SECRET.encode() not in store._get(SESSIONS, KEY)


def test_no_two_encryptions_of_one_document_have_a_nonce_in_common() -> None:
    encryption = Encryption([bytes(32)])
    sealed = [encryption.encrypt(b"the same", kind=SESSIONS, key=KEY) for _ in range(500)]
    assert len({data[5:17] for data in sealed}) == len({data[17:] for data in sealed}) == 500


def _with_password(engine: str) -> Any:
    """A store whose address holds a password, and leads nowhere."""
    keys = {"encryption_keys": [bytes(32)]}
    if engine == "redis":
        import redis

        from botocore_cognito_federation import RedisCache

        return RedisCache(redis.Redis.from_url(f"redis://u:{SECRET}@127.0.0.1:9", retry=None), **keys)
    from psycopg_pool import ConnectionPool

    from botocore_cognito_federation import PostgresCache

    conninfo = f"host=127.0.0.1 port=9 user=u password='{SECRET}' connect_timeout=2"
    return PostgresCache(ConnectionPool(conninfo, min_size=0, max_size=1, timeout=0.1, open=True), **keys)


@pytest.mark.parametrize("engine", ["redis", "postgres"])
def test_no_error_of_a_shared_cache_shows_the_password_in_the_address_of_its_engine(engine: str) -> None:
    store = _with_password(engine)
    calls = [
        lambda: store.read(SESSIONS, KEY),
        lambda: store.write(SESSIONS, KEY, {}),
        store.lock("a", timeout=0).__enter__,
    ]
    for call in calls:
        with pytest.raises(StorageError) as raised:
            call()
        shown = traceback.TracebackException.from_exception(raised.value, capture_locals=True)
        assert SECRET not in "".join(shown.format())
    assert SECRET not in repr(store)


@pytest.mark.skipif(shutil.which("redis-server") is None, reason="no redis-server")
def test_what_others_have_put_into_redis_is_passed_over(tmp_path: Any) -> None:
    place = "t" + cache_key({"place": tmp_path})[:20]
    store, other = engines.redis_cache(f"{place}[*]"), engines.redis_cache(f"{place}*")
    for each in (store, other):
        each.write(CREDENTIALS, KEY, {"n": each._prefix})
    for name in (f"{place}[*]:credentials:".encode() + b"\xff", f"{place}[*]:credentials:short".encode()):
        store._client.set(name, b"\x01")
    assert list(store.documents(CREDENTIALS)) == [(KEY, {"n": store._prefix})]
    assert list(other.documents(CREDENTIALS)) == [(KEY, {"n": other._prefix})]


@pytest.mark.skipif(not engines.HAS_POSTGRES, reason="no PostgreSQL")
def test_a_pool_of_postgresql_whose_password_is_fetched_for_each_connection_locks_too(tmp_path: Any) -> None:

    from botocore_cognito_federation import PostgresCache

    asked: list[str] = []
    address = engines.postgres_address()

    def fetched() -> str:
        asked.append("conninfo")
        return address

    pool: Any = types.SimpleNamespace(conninfo=fetched, kwargs=lambda: {"application_name": "tests"})
    store = PostgresCache(pool, encryption_keys=[bytes(32)])
    with store.lock("a", timeout=0) as taken, store.lock("a", timeout=0) as taken_again:
        assert (taken, taken_again, asked) == (True, False, ["conninfo"] * 2)


@pytest.mark.thorough
@pytest.mark.parametrize("item", [{}, {"body": {"S": "x"}}, {"body": {"B": b""}}])
def test_what_others_have_put_into_dynamodb_is_passed_over(tmp_path: Any, item: dict[str, Any]) -> None:
    store = dynamodb_of("t" + cache_key({"place": tmp_path})[:20])()
    for kind in (CREDENTIALS, SESSIONS, "lock"):
        store._client.put_item(TableName=store._table, Item={**dynamodb._id(kind, KEY), **item})
    assert (store.read(CREDENTIALS, KEY), store.read(SESSIONS, KEY)) == (None, None)
    assert list(store.documents(CREDENTIALS)) == []
    with store.lock(KEY, timeout=0) as taken:
        assert not taken


def test_a_new_key_encrypts_and_the_old_one_still_opens_until_it_is_removed(opened: Opener) -> None:
    old, new = bytes(32), base64.b64encode(b"n" * 32).decode()
    opened(encryption_keys=[old]).write(SESSIONS, KEY, {"n": 1})
    both = opened(encryption_keys=[new, old])
    assert both.read(SESSIONS, KEY) == {"n": 1}
    both.write(CREDENTIALS, KEY, {"n": 2})
    only = opened(encryption_keys=[new])
    assert only.read(CREDENTIALS, KEY) == {"n": 2}
    with pytest.raises(StorageError, match="not among encryption_keys"):
        only.read(SESSIONS, KEY)
    assert opened(encryption_keys=[old]).read(CREDENTIALS, KEY) is None


@pytest.mark.parametrize("keys", [[], ["not base64!"], [b"short"], [base64.b64encode(b"short").decode()], [7]])
def test_keys_that_are_none_are_refused(keys: list[Any]) -> None:
    with pytest.raises(ConfigurationError, match="key"):
        Encryption(keys)


def test_a_process_that_takes_too_long_to_renew_a_session_does_not_overwrite_the_next_one(
    opened: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared, "_LONGEST_CHANGE", 0.2)
    monkeypatch.setattr(shared, "_LONGEST_RETURN", 0.1)
    here, there = opened(), opened()
    here.write(SESSIONS, KEY, {"refresh_token": "first"})
    with here.reserved(SESSIONS, KEY, {}) as write, there.reserved(SESSIONS, KEY, {}) as write_there:
        write_there({"refresh_token": "second"})
        with pytest.raises(StorageError, match="Another host"):
            write({"refresh_token": "third"})
    assert here.read(SESSIONS, KEY) == {"refresh_token": "second"}


def test_a_sign_out_during_a_renewal_wins(opened: Opener) -> None:
    here, there = opened(), opened()
    here.write(SESSIONS, KEY, {"refresh_token": "first"})
    with here.reserved(SESSIONS, KEY, {}) as write:
        there.delete(SESSIONS, KEY)
        with pytest.raises(StorageError, match="Another host"):
            write({"refresh_token": "second"})
    assert there.read(SESSIONS, KEY) is None


def test_hosts_whose_locks_the_engine_has_lost_use_a_refresh_token_once(opened: Opener) -> None:
    """Sixteen of them want to renew; none has the lock, as after a failover.

    One that looks between the two writes of a renewal may renew once more, with the new refresh token.
    """
    settings = Settings("eu-central-1:00000000-0000-0000-0000-000000000001")
    used: list[str] = []
    answers: list[str] = []

    def renew(session: Session, store_refresh_token: Callable[[str | None], None]) -> RefreshedTokens:
        used.append(session.refresh_token or "")
        time.sleep(0.05)
        store_refresh_token(f"{session.refresh_token}+")
        return RefreshedTokens("new", time.time() + 3600, f"{session.refresh_token}+")

    def provider() -> RefreshTokenProvider:
        store = opened()
        store.lock = lambda name, *, timeout: contextlib.nullcontext(True)
        return RefreshTokenProvider(
            Sessions(settings, store), store, refresher=lambda: renew, login="login", clock=time.time
        )

    Sessions(settings, opened()).write(Session("id", None, {}, "old", 1.0, "first", 0.0, ""))

    def fetch(host: RefreshTokenProvider) -> None:
        try:
            answers.append(host.fetch(RefreshContext()).value)
        except StorageError:
            answers.append("try again")

    threads = [threading.Thread(target=fetch, args=(provider(),)) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(used) == len(set(used))
    assert len(answers) == 16
    assert "new" in answers
    assert set(answers) <= {"new", "try again"}
    stored = Sessions(settings, opened()).read()
    assert stored is not None
    assert (stored.login_token, stored.refresh_token) == ("new", f"{used[-1]}+")


def test_a_lock_that_is_held_for_long_is_not_given_to_another(opened: Opener) -> None:
    here, there = opened(), opened()
    with here.lock("a", timeout=0) as taken, there.lock("a", timeout=1.3) as taken_there:
        assert (taken, taken_there) == (True, False)


@pytest.mark.thorough
@pytest.mark.parametrize("ahead", [300.0, -300.0])
def test_a_host_whose_clock_differs_by_five_minutes_neither_takes_a_lock_that_is_held_nor_loses_what_is_stored(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any, ahead: float
) -> None:
    place = "t" + cache_key({"place": tmp_path})[:20]
    here, there = dynamodb_of(place)(), dynamodb_of(place)(lock_seconds=0.5)
    here._put(CREDENTIALS, KEY, here._sealed(CREDENTIALS, KEY, {"n": 1}), 60)
    with here.lock("a", timeout=0) as taken:
        monkeypatch.setattr(dynamodb, "time", types.SimpleNamespace(**vars(time)), raising=True)
        dynamodb.time.time = lambda: time.time() + ahead  # type: ignore[attr-defined]
        with there.lock("a", timeout=0.8) as taken_there:
            assert (taken, taken_there) == (True, False)
        assert there.read(CREDENTIALS, KEY) == {"n": 1}


def test_an_entry_of_a_later_format_is_a_miss_and_a_sign_in_of_one_is_an_error_and_stays(
    opened: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = opened()
    with monkeypatch.context() as later:
        later.setattr("botocore_cognito_federation.cache.shared.FORMAT", 99)
        for kind in (CREDENTIALS, SESSIONS):
            store.write(kind, KEY, {"n": 1})
    assert opened().read(CREDENTIALS, KEY) is None
    with pytest.raises(StorageError, match="later version"):
        opened().read(SESSIONS, KEY)
    data = bytearray(store._get(SESSIONS, KEY))
    data[0] += 1  # the version of the encryption
    store._put(SESSIONS, KEY, bytes(data), None)
    with pytest.raises(StorageError, match="later version"):
        opened().read(SESSIONS, KEY)
    assert store._get(SESSIONS, KEY) == data


def test_the_clock_of_an_engine_is_compared_with_that_of_this_host(opened: Opener) -> None:
    assert abs(opened().clock_ahead()) < 60


def test_a_refresh_token_that_another_host_has_renewed_meanwhile_is_not_spent(opened: Opener) -> None:
    """A host that was stopped for long has lost its lock."""
    here, there = (Sessions(Settings("eu-west-1:guid"), opened()) for _ in range(2))
    session = Session("id", "ada", {}, "token", None, "first", 0.0, "")
    here.write(session)
    stale = there.read()
    assert stale is not None
    with here.reserved(session) as write:
        write(replace(session, refresh_token="second"))
    with pytest.raises(StorageError, match="Another host"), there.reserved(stale):
        pytest.fail("the first token would have been spent twice")


@pytest.mark.skipif(shutil.which("redis-server") is None, reason="no redis-server")
def test_a_wrong_password_and_a_read_only_replica_of_redis_are_said(tmp_path: Any) -> None:
    server, port = engines.redis_server("--requirepass", "open sesame")
    try:
        with pytest.raises(StorageError, match="refuses this user or this password"):
            engines.redis_cache("t", port).read(CREDENTIALS, KEY)
    finally:
        server.kill()
    server, port = engines.redis_server("--replicaof", "127.0.0.1", "1", "--replica-serve-stale-data", "yes")
    try:
        with pytest.raises(StorageError, match="read-only replica"):
            engines.redis_cache("t", port).write(CREDENTIALS, KEY, {})
    finally:
        server.kill()


@pytest.mark.skipif(not engines.HAS_POSTGRES, reason="no PostgreSQL")
def test_a_wrong_password_a_read_only_replica_and_a_missing_table_of_postgresql_are_said(tmp_path: Any) -> None:
    address = engines.postgres_address()
    place = "t" + cache_key({"place": tmp_path})[:20]
    with pytest.raises(StorageError, match="The table of the shared cache is not in PostgreSQL"):
        engines.postgres_cache(place).read(CREDENTIALS, KEY)
    postgres_of(place)()
    for parts, words in (
        ("user=locked password=wrong", "refuses this user or this password"),
        ("options='-c default_transaction_read_only=on'", "read-only replica"),  # which a standby is by itself
    ):
        with pytest.raises(StorageError, match=words):
            engines.postgres_cache(place, f"{address} {parts}").write(CREDENTIALS, KEY, {})


@pytest.mark.thorough
def test_a_missing_table_and_refused_credentials_of_dynamodb_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    store = engines.dynamodb_cache("missing")
    with pytest.raises(StorageError, match="The table of the shared cache is not in DynamoDB"):
        store.read(CREDENTIALS, KEY)
    answer = {"Error": {"Code": "UnrecognizedClientException", "Message": "The security token is invalid"}}
    monkeypatch.setattr(store, "_get", lambda *_: (_ for _ in ()).throw(ClientError(answer, "GetItem")))
    with pytest.raises(StorageError, match="refuses this user"):  # moto takes any credentials
        store.read(CREDENTIALS, KEY)


class Engine:
    """A server that a test kills and starts again, with a store on it."""

    def __init__(self, server: engines.Server, opener: Opener) -> None:
        self.kill, self.start, self.open = server.kill, server.start, opener


DYNAMODB = pytest.param(dynamodb_of, marks=pytest.mark.thorough)


@pytest.fixture(params=[REDIS, POSTGRES, DYNAMODB], ids=["redis", "postgres", "dynamodb"])
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    if request.param is redis_of:
        server, port = engines.redis_server()
        engine = Engine(server, lambda **options: engines.redis_cache("t", port, **options))
    elif request.param is dynamodb_of:
        server, port = engines.dynamodb_relay()
        dynamodb_of("t")()
        engine = Engine(server, lambda **options: engines.dynamodb_cache("t", port, **options))
    else:
        server, address = engines.postgres_server()
        engine = Engine(server, postgres_of("t", address))
    yield engine
    engine.kill()


@pytest.mark.thorough
def test_without_the_engine_what_was_read_is_used_no_refresh_token_is_spent_and_no_restart_is_needed(
    engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    store = engine.open()
    store.write(CREDENTIALS, KEY, {"n": 1})
    store.write(SESSIONS, KEY, {"refresh_token": SECRET})
    engine.kill()
    with caplog.at_level(logging.WARNING):
        assert (store.read(CREDENTIALS, KEY), store.read(CREDENTIALS, KEY)) == ({"n": 1}, {"n": 1})
    assert len([each for each in caplog.records if each.name.startswith("botocore_cognito_federation")]) == 1
    with pytest.raises(StorageError, match="does not answer"), store.reserved(SESSIONS, KEY, {}):
        pytest.fail("a refresh token would have been spent")
    with pytest.raises(StorageError):
        store.read(EPOCHS, OTHER)  # Perhaps the user has signed out there.
    engine.start()
    for _ in range(600):  # A pool of connections waits for some seconds between its attempts.
        with contextlib.suppress(StorageError):
            store.write(IDENTITIES, KEY, {})
            break
        time.sleep(0.05)
    assert engine.open().read(SESSIONS, KEY) == store.read(SESSIONS, KEY) == {"refresh_token": SECRET}
    with store.reserved(SESSIONS, KEY, {}) as write:
        write({"refresh_token": "next"})


@pytest.mark.thorough
def test_a_successor_that_the_engine_did_not_take_is_written_when_it_answers_again(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, other = engine.open(), engine.open()
    store.write(SESSIONS, KEY, {"refresh_token": "first"})
    with store.reserved(SESSIONS, KEY, {}) as write:
        engine.kill()
        starting = threading.Timer(0.3, engine.start)
        starting.start()
        write({"refresh_token": "second"})
        starting.join()
    assert store.read(SESSIONS, KEY) == {"refresh_token": "second"}
    monkeypatch.setattr(shared, "_PATIENCE", 0.0)
    with store.reserved(SESSIONS, KEY, {}) as write:
        engine.kill()
        with pytest.raises(StorageError, match="does not answer"):
            write({"refresh_token": "third"})
    assert store.read(SESSIONS, KEY) == {"refresh_token": "third"}
    engine.start()
    for _ in range(600):
        store.read(SESSIONS, KEY)
        with contextlib.suppress(StorageError):
            if other.read(SESSIONS, KEY) == {"refresh_token": "third"}:
                break
        time.sleep(0.05)
    assert other.read(SESSIONS, KEY) == {"refresh_token": "third"}


@pytest.mark.skipif(shutil.which("redis-server") is None, reason="no redis-server")
def test_a_redis_that_may_lose_sign_ins_gets_none(tmp_path: Any) -> None:
    server, port = engines.redis_server("--appendonly", "no")
    try:
        store = engines.redis_cache("t", port)
        store.write(CREDENTIALS, KEY, {"n": 1})
        store._client.set(store._name(SESSIONS, KEY), store._sealed(SESSIONS, KEY, {}))  # as before a change of Redis
        for write in (lambda: store.write(SESSIONS, KEY, {}), lambda: store.reserved(SESSIONS, KEY, {}).__enter__()):
            with pytest.raises(ConfigurationError, match="appendonly"):
                write()
    finally:
        server.kill()


def test_users_of_one_application_on_two_hosts_share_sign_ins_and_requests(
    opened: Opener, world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    for name, value in world.environment(tmp_path).items():
        monkeypatch.setenv(name, value)
    here, there = (FederatedUsers(world.pool_id, cache=opened()) for _ in range(2))
    user = here.federation()
    credentials = user.federated_sign_in(world.provider.login_key, world.provider.issue("ada"))
    world.reset_journal()
    same = there.resume(user.handle)
    answers: list[str] = []
    threads = [threading.Thread(target=lambda: answers.append(same.current_credentials().access_key)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert (set(answers), len(answers), world.calls()) == ({credentials.access_key}, 8, [])
    same.sign_out()
    with pytest.raises(NotSignedInError):
        user.current_credentials()
