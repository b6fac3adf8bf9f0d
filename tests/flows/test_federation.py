"""The federation with a scripted identity pool: freshness, stale if error, identities, and failures."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field

import hypothesis
import pytest
from hypothesis import strategies as st

from botocore_cognito_federation._util.concurrency import Clock
from botocore_cognito_federation.cache.base import CREDENTIALS, FAILURES, IDENTITIES, MemoryStore, current_epoch
from botocore_cognito_federation.cache.credentials import CredentialCache
from botocore_cognito_federation.cache.file import FileStore
from botocore_cognito_federation.cache.sessions import begin_epoch, forget_credentials
from botocore_cognito_federation.config.settings import Settings
from botocore_cognito_federation.credentials import FederatedCredentials
from botocore_cognito_federation.errors import (
    CognitoFederationError,
    ConfigurationError,
    FederationRefusedError,
    NonRetryableError,
    Retry,
    SignInRequiredError,
    StorageError,
    TemporaryError,
    TokenRefreshError,
)
from botocore_cognito_federation.fetcher import CredentialFetcher
from botocore_cognito_federation.identity_pool.client import Exchanged
from botocore_cognito_federation.login_token import Login, LoginToken

START = 1_800_000_000.0
POOL = "eu-west-1:11111111-2222-3333-4444-555555555555"
ONE, TWO = f"eu-west-1:{'1' * 8}", f"eu-west-1:{'2' * 8}"


def refused(retry: Retry, what: str = "refused") -> FederationRefusedError:
    error = FederationRefusedError(what)
    error.retry = retry
    return error


@dataclass
class ScriptedPool:
    """Returns scripted answers; a list entry that is an error is raised once."""

    clock: Callable[[], float]
    identities: list[str] = field(default_factory=lambda: [ONE])
    script: list[CognitoFederationError | str] = field(default_factory=list)
    always: CognitoFederationError | None = None
    lifetime: float = 3600.0
    asked: list[str] = field(default_factory=list)
    looked_up: int = 0
    before: Callable[[], object] = lambda: None

    def ahead(self, login: object) -> AbstractContextManager[None]:
        return nullcontext()

    def patience(self, seconds: float) -> AbstractContextManager[None]:
        return nullcontext()

    def get_id(self, login: Login | None) -> str:
        self.looked_up += 1
        return self.identities[min(self.looked_up, len(self.identities)) - 1]

    def exchange(self, identity_id: str, login: Login | None) -> Exchanged:
        self.asked.append(identity_id)
        self.before()
        if self.always is not None:
            raise self.always
        step = self.script.pop(0) if self.script else identity_id
        if isinstance(step, CognitoFederationError):
            raise step
        now = self.clock()
        number = len(self.asked)
        vended = FederatedCredentials(f"AK{number}", "SK", "T", now + self.lifetime, now, step)
        return Exchanged(vended, None)


@dataclass
class Source:
    tokens: list[LoginToken | CognitoFederationError]
    description: str = "a test's token source"
    fetched: int = 0

    def fetch(self, context) -> LoginToken:
        self.fetched += 1
        token = self.tokens[0] if len(self.tokens) == 1 else self.tokens.pop(0)
        if isinstance(token, CognitoFederationError):
            raise token
        return token


def token(subject: str = "ada", value: str | None = None) -> LoginToken:
    return LoginToken(value or f"token-of-{subject}", None, None, {"sub": subject, "iss": "https://idp.example"})


@dataclass
class _PresentSource:
    """The source that the bench has at the time of a call: a program's own gives another token each time."""

    bench: Bench

    @property
    def description(self) -> str:
        return self.bench.source.description

    def fetch(self, context) -> LoginToken:
        return self.bench.source.fetch(context)


@dataclass
class Bench:
    store: object
    now: float = START
    source: Source = field(default_factory=lambda: Source([token()]))
    settings: Settings = field(default_factory=lambda: Settings(POOL, profile="p"))
    answers_by_claims: bool = False
    dice: float = 0.5

    def __post_init__(self) -> None:
        self.pool = ScriptedPool(lambda: self.now)

    def federation(self, **more) -> CredentialFetcher:
        clock = Clock(sleep=lambda _: None, random=lambda: self.dice, now=lambda: self.now)
        return CredentialFetcher(
            self.settings,
            source=_PresentSource(self),
            pool=self.pool,
            cache=CredentialCache(self.settings, self.store, clock),
            clock=clock,
            answers_by_claims=lambda: self.answers_by_claims,
            **more,
        )


@pytest.fixture(params=["memory", "file"])
def bench(request, tmp_path) -> Bench:
    return Bench(MemoryStore() if request.param == "memory" else FileStore(str(tmp_path / "cache")))


def test_fresh_credentials_are_not_renewed_until_a_third_or_twenty_minutes_before_their_end(bench):
    federation = bench.federation()
    result = federation.fetch()
    assert result.refresh_at == START + 2400
    bench.now = START + 2399
    assert federation.credentials().access_key == "AK1"
    bench.now = START + 2400
    assert federation.credentials().access_key == "AK2"
    bench.pool.lifetime = 90.0
    bench.now += 3600
    assert federation.fetch().refresh_at == bench.now + 60


def test_a_temporary_failure_never_takes_usable_credentials_away_and_is_cached_for_half_a_minute(bench):
    federation = bench.federation()
    federation.fetch()
    bench.pool.always = TemporaryError("down")
    bench.now = START + 2500
    result = federation.fetch()
    assert result.credentials.access_key == "AK1"
    assert bench.now + 20 <= result.refresh_at <= bench.now + 40
    for _ in range(5):
        bench.federation().fetch()
    assert len(bench.pool.asked) == 2
    bench.now += 40
    federation.fetch()
    assert len(bench.pool.asked) == 3
    bench.now = START + 3540 - 1
    assert federation.credentials().access_key == "AK1"
    bench.now = START + 3540
    with pytest.raises(TemporaryError, match="down"):
        federation.fetch()
    bench.pool.always = None
    bench.now += 60
    assert federation.credentials().access_key != "AK1"


def test_what_is_returned_despite_a_failure_is_never_asked_for_again_after_its_end(bench):
    federation = bench.federation()
    federation.fetch()
    bench.pool.always = TemporaryError("down")
    bench.now = START + 3530
    assert federation.fetch().refresh_at == START + 3540


@pytest.mark.parametrize(
    ("error", "usable"),
    [
        (TemporaryError("x"), True),
        (StorageError("x"), True),
        (SignInRequiredError("x"), True),
        (TokenRefreshError("x"), True),
        (refused(Retry.TOKEN), True),
        (refused(Retry.NEVER), False),
        (refused(Retry.BRIEF), False),
        (refused(Retry.IDENTITY), False),
        (ConfigurationError("x"), False),
        (NonRetryableError("x"), False),
    ],
    ids=lambda value: f"{type(value).__name__}-{getattr(value, 'retry', '')}" if not isinstance(value, bool) else None,
)
def test_only_a_definitive_answer_is_raised_despite_usable_credentials(bench, error, usable):
    federation = bench.federation()
    federation.fetch()
    bench.pool.always = error
    bench.now = START + 2500
    if usable:
        assert federation.credentials().access_key == "AK1"
    else:
        with pytest.raises(type(error)):
            federation.fetch()
    # Nothing is deleted either way: cached data stays.
    assert [document["access_key"] for _, document in bench.store.documents(CREDENTIALS)] == ["AK1"]


@pytest.mark.parametrize("left", [61, 65, 75, 95])
def test_a_failure_in_the_last_minutes_is_no_reason_to_fail_once_the_service_answers_again(bench, left):
    bench.federation().fetch()
    bench.pool.always = TemporaryError("down")
    bench.now = START + 3600 - left
    assert bench.federation().credentials().access_key == "AK1"
    bench.pool.always = None
    for second in range(61):
        bench.now = START + 3600 - left + second
        assert bench.federation().credentials()


def test_a_cached_failure_is_for_waiting_processes_once_the_credentials_have_expired(bench):
    """Documents of earlier versions, and credentials that another process has cleared meanwhile."""
    bench.federation().fetch()
    bench.pool.script = [TemporaryError("down")]
    bench.now = START + 2500
    bench.federation().fetch()
    ((key, _),) = bench.store.documents(CREDENTIALS)
    bench.store.delete(CREDENTIALS, key)
    bench.now += 5
    assert bench.federation().credentials().access_key == "AK3"


def test_a_failure_from_before_the_clock_was_set_back_prevents_no_attempt(bench):
    bench.pool.script = [TemporaryError("down")]
    bench.now = START + 86_400
    with pytest.raises(TemporaryError):
        bench.federation().fetch()
    bench.now = START
    assert bench.federation().credentials()


def test_a_failure_that_names_a_far_time_prevents_attempts_no_longer_than_any_other(bench):
    bench.federation().fetch()
    bench.pool.script = [TemporaryError("down")]
    bench.now = START + 2500
    bench.federation().fetch()
    ((key, failure),) = bench.store.documents(FAILURES)
    bench.store.write(FAILURES, key, {**failure, "retry_at": START + 1_000_000})
    bench.now += 40
    assert bench.federation().credentials().access_key == "AK3"


def test_a_definitive_refusal_with_nothing_usable_prevents_no_attempt(bench):
    bench.federation().fetch()
    bench.pool.script = [refused(Retry.NEVER)]
    bench.now = START + 2500
    with pytest.raises(FederationRefusedError):
        bench.federation().fetch()
    bench.now += 1
    assert bench.federation().credentials().access_key == "AK3"


@hypothesis.given(
    dice=st.floats(0, 1),
    down_from=st.integers(2300, 3700),
    down_for=st.floats(0.5, 900),
    pauses=st.lists(st.floats(0.1, 40), min_size=20, max_size=80),
)
def test_no_caller_fails_while_credentials_are_usable_nor_after_the_service_answers_again(
    dice, down_from, down_for, pauses
):
    bench = Bench(MemoryStore(), dice=dice)
    bench.federation().fetch()
    bench.now, ends = START + 2250, START + 3540
    for pause in pauses:
        bench.now += pause
        down = down_from <= bench.now - START < down_from + down_for
        bench.pool.always = TemporaryError("down") if down else None
        try:
            result = bench.federation().fetch()
            ends = result.credentials.expires_at - 60
            assert result.refresh_at <= ends
        except TemporaryError:
            assert bench.now >= ends
            assert down


@pytest.mark.parametrize("took", [0, 1, 10, 30, 50])
def test_a_caller_that_asks_after_a_failed_attempt_tries_itself_where_nothing_is_usable(bench, took):
    bench.pool.script = [TemporaryError("down")] * 3
    bench.pool.before = lambda: setattr(bench, "now", bench.now + took)
    for asked in (1, 2, 3):
        with pytest.raises(TemporaryError):
            bench.federation().fetch()
        assert len(bench.pool.asked) == asked
        bench.now += 0.1
    assert bench.federation().credentials().access_key == "AK4"


@pytest.mark.parametrize("took", [0, 1, 10, 30, 50])
def test_callers_that_ask_before_a_failed_attempt_ends_share_its_failure(bench, took):
    bench.pool.always = TemporaryError("down")
    failed: list[str] = []
    federations = [bench.federation() for _ in range(9)]

    def ask(federation: CredentialFetcher) -> None:
        with pytest.raises(TemporaryError) as raised:
            federation.fetch()
        failed.append(raised.value.what)

    waiting = [threading.Thread(target=ask, args=(federation,)) for federation in federations[1:]]

    def last() -> None:
        bench.pool.before = lambda: None
        for thread in waiting:
            thread.start()
        deadline = time.monotonic() + 30
        while bench.source.fetched < len(federations) and time.monotonic() < deadline:
            time.sleep(0.001)  # each has asked once its token has been read
        bench.now += took

    bench.pool.before = last
    ask(federations[0])
    for thread in waiting:
        thread.join()
    assert failed == ["down"] * len(federations)
    assert len(bench.pool.asked) == 1


def test_a_definitive_failure_with_nothing_usable_is_retried_by_the_next_caller(bench):
    bench.pool.always = refused(Retry.NEVER)
    for count in (1, 2):
        with pytest.raises(FederationRefusedError):
            bench.federation().fetch()
        assert len(bench.pool.asked) == count
        bench.now += 0.001


def test_a_success_ends_the_cached_failure(bench):
    bench.pool.script = [TemporaryError("down")]
    with pytest.raises(TemporaryError):
        bench.federation().fetch()
    assert list(bench.store.documents(FAILURES))
    bench.now += 5
    bench.federation().fetch()
    assert not list(bench.store.documents(FAILURES))


@pytest.mark.parametrize(
    "damage",
    [
        {"class": ["x"]},
        {"class": "os.system"},
        {"class": "Any"},
        {"at": float("inf")},
        {"at": 10**400},
        {"retry_at": "soon"},
        {"retry_at": START + 10**9},
        {"at": START + 10**6, "retry_at": START + 10**6 + 30},
        {},
    ],
    ids=repr,
)
def test_a_damaged_cached_failure_prevents_no_attempt(bench, damage):
    bench.federation().fetch()
    ((key, _),) = bench.store.documents(CREDENTIALS)
    whole = {"at": START - 5, "retry_at": START + 20, "class": "TemporaryError", "what": "x", "remedy": ""}
    bench.store.write(FAILURES, key, {**whole, **damage} if damage else {})
    bench.now = START + 2500
    assert bench.federation().credentials().access_key == "AK2"


@pytest.mark.parametrize(
    "damage",
    [
        {"expires_at": float("inf")},
        {"expires_at": 10**400},
        {"expires_at": 1e15},
        {"expires_at": float("nan")},
        {"expires_at": "tomorrow"},
        {"expires_at": True},
        {"issued_at": float("-inf")},
        {"access_key": ""},
        {"token": None},
        {"authenticated": "yes"},
        {"account_id": 123},
        {"generation": "other"},
    ],
    ids=repr,
)
def test_damaged_credentials_are_a_miss(bench, damage):
    bench.federation().fetch()
    ((key, document),) = bench.store.documents(CREDENTIALS)
    bench.store.write(CREDENTIALS, key, {**document, **damage})
    assert bench.federation().credentials().access_key == "AK2"


@pytest.mark.parametrize("damage", ["", "garbage", "eu-west-1:1\n", "x" * 300, 7, None])
def test_a_damaged_identity_id_is_looked_up_again(bench, damage):
    bench.federation().fetch()
    ((key, document),) = bench.store.documents(IDENTITIES)
    bench.store.write(IDENTITIES, key, {**document, "identity_id": damage})
    bench.now = START + 3000
    bench.federation().fetch()
    assert bench.pool.looked_up == 2
    assert bench.pool.asked == [ONE, ONE]


def test_a_stale_identity_is_dropped_and_looked_up_once(bench):
    bench.federation().fetch()
    bench.pool.identities = [ONE, TWO]
    bench.pool.script = [refused(Retry.IDENTITY)]
    bench.now = START + 3000
    assert bench.federation().credentials().identity_id == TWO
    assert (bench.pool.looked_up, bench.pool.asked) == (2, [ONE, ONE, TWO])
    bench.now = START + 6000
    bench.federation().fetch()
    assert (bench.pool.looked_up, bench.pool.asked[-1]) == (2, TWO)


def test_an_identity_that_is_refused_again_after_the_look_up_is_an_error_and_no_loop(bench):
    bench.pool.always = refused(Retry.IDENTITY)
    with pytest.raises(FederationRefusedError):
        bench.federation().fetch()
    assert (bench.pool.looked_up, len(bench.pool.asked)) == (1, 1)
    bench.now += 1
    with pytest.raises(FederationRefusedError):
        bench.federation().fetch()
    assert (bench.pool.looked_up, len(bench.pool.asked)) == (2, 3)


def test_a_refusal_of_another_kind_does_not_cost_the_identity(bench):
    bench.federation().fetch()
    bench.pool.script = [refused(Retry.NEVER)]
    bench.now = START + 3000
    with pytest.raises(FederationRefusedError):
        bench.federation().fetch()
    bench.now += 60
    bench.federation().fetch()
    assert bench.pool.looked_up == 1


def test_the_identity_that_cognito_answers_is_adopted(bench):
    bench.pool.script = [TWO]
    assert bench.federation().credentials().identity_id == TWO
    bench.now = START + 3000
    bench.federation().fetch()
    assert bench.pool.asked == [ONE, TWO]
    assert bench.pool.looked_up == 1


def test_a_refused_token_is_asked_for_once_more_and_the_newer_one_is_used(bench):
    bench.source = Source([token(value="old"), token(value="new")])
    bench.pool.script = [refused(Retry.TOKEN)]
    assert bench.federation().credentials().access_key == "AK2"
    assert bench.source.fetched == 2


def test_a_refused_token_that_stays_the_same_is_not_sent_twice(bench):
    bench.pool.always = refused(Retry.TOKEN)
    with pytest.raises(FederationRefusedError):
        bench.federation().fetch()
    assert len(bench.pool.asked) == 1


def test_a_newer_token_of_another_user_is_refused(bench):
    bench.source = Source([token("ada"), token("eve")])
    bench.pool.script = [refused(Retry.TOKEN)]
    with pytest.raises(FederationRefusedError, match="another user"):
        bench.federation().fetch()
    assert not list(bench.store.documents(CREDENTIALS))


def test_two_subjects_have_two_entries_and_two_identities(bench):
    bench.pool.identities = [ONE, TWO]
    bench.source = Source([token("ada")])
    ada = bench.federation().credentials()
    bench.source = Source([token("eve")])
    eve = bench.federation().credentials()
    assert (ada.identity_id, eve.identity_id) == (ONE, TWO)
    bench.source = Source([token("ada")])
    assert bench.federation().credentials() == ada


def test_credentials_that_are_dead_on_arrival_are_an_error_about_the_clock(bench):
    bench.pool.lifetime = -3600
    with pytest.raises(TemporaryError, match="clock"):
        bench.federation().fetch()
    assert not list(bench.store.documents(CREDENTIALS))
    with pytest.raises(TemporaryError, match="clock"):
        bench.federation().fetch()
    assert len(bench.pool.asked) == 1


def test_credentials_from_before_the_clock_stepped_back_are_renewed(bench):
    bench.federation().fetch()
    bench.now = START - 3600
    assert bench.federation().credentials().access_key == "AK2"


@pytest.mark.parametrize("forget", [forget_credentials, begin_epoch, lambda store, _: forget_credentials(store)])
def test_a_sign_out_during_the_exchange_wins_over_what_the_exchange_brings(bench, forget):
    bench.pool.before = lambda: forget(bench.store, bench.settings.scope)
    bench.federation().fetch()
    bench.pool.before = lambda: None
    assert bench.federation().credentials().access_key == "AK2"
    assert bench.federation().credentials().access_key == "AK2"


def test_forgetting_one_scope_leaves_the_others(bench):
    bench.federation().fetch()
    forget_credentials(bench.store, "profile other")
    assert bench.federation().credentials().access_key == "AK1"
    assert current_epoch(bench.store, "profile p") == ""


def test_a_store_that_cannot_be_written_still_works_once_per_process(bench, monkeypatch):
    def full(*_):
        raise StorageError("full")

    monkeypatch.setattr(bench.store, "write", full)
    federation = bench.federation()
    assert federation.credentials() == federation.credentials()
    assert len(bench.pool.asked) == 1


def test_a_store_without_locks_still_lets_threads_take_turns(bench, monkeypatch):
    def lockless(*_, **__):
        raise StorageError("no locks here")

    monkeypatch.setattr(bench.store, "lock", lockless)
    assert in_threads(16, bench.federation()) == {"AK1"}
    assert len(bench.pool.asked) == 1


def test_threads_of_two_federations_of_one_configuration_make_one_exchange(bench):
    federations = [bench.federation(), bench.federation()]
    assert in_threads(16, *federations) == {"AK1"}
    assert len(bench.pool.asked) == 1


def in_threads(count: int, *federations: CredentialFetcher) -> set[str]:
    keys: list[str] = []
    start = threading.Barrier(count)

    def ask(number: int) -> None:
        start.wait()
        keys.append(federations[number % len(federations)].credentials().access_key)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(keys) == count
    return set(keys)


def test_a_guest_login_never_follows_from_a_missing_token(bench):
    bench.source = Source([TokenRefreshError("no token")])
    with pytest.raises(TokenRefreshError):
        bench.federation().fetch()
    assert bench.pool.asked == []


def test_the_federation_returns_its_last_credentials_when_its_token_source_is_down(bench):
    bench.source = Source([token(), TemporaryError("source down")])
    federation = bench.federation()
    federation.fetch()
    bench.now = START + 2500
    assert federation.credentials().access_key == "AK1"
    bench.now = START + 3550
    with pytest.raises(TemporaryError, match="source down"):
        federation.fetch()
