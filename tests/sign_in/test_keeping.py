"""The last step of a sign-in: which user may replace which, and what is stored."""

from __future__ import annotations

import threading
import time
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from botocore_cognito_federation.cache.base import CREDENTIALS, SESSIONS, MemoryStore
from botocore_cognito_federation.cache.sessions import Sessions, SessionWriter, begin_epoch
from botocore_cognito_federation.config.settings import Settings
from botocore_cognito_federation.credentials import FederatedCredentials
from botocore_cognito_federation.errors import ConfigurationError, SignInFailedError, SignInRequiredError, StorageError
from botocore_cognito_federation.factory import fetcher_for
from botocore_cognito_federation.identity_pool.client import Exchanged
from botocore_cognito_federation.identity_providers import resolve
from botocore_cognito_federation.login_token import Login
from botocore_cognito_federation.oidc.client import AuthenticationResult, SignInPrompt
from botocore_cognito_federation.sign_in import login as perform
from botocore_cognito_federation.sign_in import logout
from botocore_cognito_federation.sign_in.login import Environment, LoginOptions, sign_in_only
from tests.oidc.fake_provider import unsigned

pytestmark = pytest.mark.thorough

NOW = 1_800_000_000.0
SETTINGS = Settings("eu-west-1:1", profile="dev", session="corp", client_id="app", provider=resolve("idp.example"))


def answer(subject: str = "ada", refresh_token: str | None = "refresh", lives: float = 3600) -> AuthenticationResult:
    return AuthenticationResult(
        token_kind="id_token",
        id_token="x.y.z",
        access_token=None,
        refresh_token=refresh_token,
        expires_at=NOW + lives,
        claims={"sub": subject, "email": f"{subject}@example.com", "name": " "},
        issuer="https://idp.example",
    )


class WriterOfAnswers(SessionWriter):
    """Stores the session of an answer, as a sign-in does."""

    def __call__(self, answer: AuthenticationResult) -> None:
        self.write(answer.session(signed_in_at=NOW, sign_out_epoch=self.sign_out_epoch), answer.user_label)


def writer(store: MemoryStore, *, force: bool = False) -> WriterOfAnswers:
    return WriterOfAnswers(SETTINGS, store, force=force, now=lambda: NOW)


def test_a_sign_in_is_stored_with_the_name_of_the_user() -> None:
    store = MemoryStore()
    writer(store)(answer())
    session = Sessions(SETTINGS, store).read()
    assert session is not None
    assert (session.subject, session.user, session.signed_in_at) == ("ada", {"email": "ada@example.com"}, NOW)


def test_a_refresh_token_that_did_not_come_again_stays_the_one_before() -> None:
    store = MemoryStore()
    writer(store)(answer(refresh_token="first"))
    writer(store)(answer(refresh_token=None))
    session = Sessions(SETTINGS, store).read()
    assert session is not None
    assert session.refresh_token == "first"


def test_nothing_of_another_user_is_taken_over() -> None:
    store = MemoryStore()
    writer(store)(answer(refresh_token="of ada"))
    store.write(CREDENTIALS, "key", {"scope": SETTINGS.scope})
    before = Sessions(SETTINGS, store).sign_out_epoch()
    taking_over = writer(store, force=True)
    taking_over(answer("grace", refresh_token=None))
    session = Sessions(SETTINGS, store).read()
    assert session is not None
    assert (session.subject, session.refresh_token) == ("grace", None)
    assert session.sign_out_epoch != before
    assert store.read(CREDENTIALS, "key") is None
    assert taking_over.replaced is not None
    assert taking_over.replaced.refresh_token == "of ada"


def nameless(refresh_token: str | None) -> AuthenticationResult:
    """A sign-in at a provider that did not name the user."""
    return replace(answer(refresh_token=refresh_token), claims={})


def test_two_sign_ins_of_unknown_users_share_nothing() -> None:
    store = MemoryStore()
    writer(store)(nameless("of the first"))
    store.write(CREDENTIALS, "key", {"scope": SETTINGS.scope})
    writer(store)(nameless(None))
    session = Sessions(SETTINGS, store).read()
    assert session is not None
    assert session.refresh_token is None
    assert store.read(CREDENTIALS, "key") is None


def test_credentials_that_stay_after_the_session_was_lost_go_with_the_next_sign_in() -> None:
    store = MemoryStore()
    store.write(CREDENTIALS, "key", {"scope": SETTINGS.scope})
    before = Sessions(SETTINGS, store).sign_out_epoch()
    writer(store)(answer())
    session = Sessions(SETTINGS, store).read()
    assert session is not None
    assert session.sign_out_epoch != before
    assert store.read(CREDENTIALS, "key") is None


def test_another_user_is_refused_while_the_first_one_is_signed_in_and_changes_nothing() -> None:
    store = MemoryStore()
    writer(store)(answer())
    with pytest.raises(SignInFailedError, match=r"grace@example\.com signed in, but ada@example\.com is signed in"):
        writer(store)(answer("grace"))
    session = Sessions(SETTINGS, store).read()
    assert session is not None
    assert session.subject == "ada"


def test_another_user_may_follow_one_whose_sign_in_has_ended() -> None:
    store = MemoryStore()
    writer(store)(answer(refresh_token=None, lives=-1))
    writer(store)(answer("grace"))
    session = Sessions(SETTINGS, store).read()
    assert session is not None
    assert session.subject == "grace"


def test_a_sign_out_in_between_wins() -> None:
    store = MemoryStore()
    late = writer(store)
    begin_epoch(store, SETTINGS.scope)
    with pytest.raises(SignInFailedError, match="signed out during"):
        late(answer())
    assert Sessions(SETTINGS, store).read() is None


class Screen:
    """Show nothing."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def __enter__(self) -> Screen:
        return self

    def __exit__(self, *_: object) -> None: ...

    def say(self, text: str) -> None:
        self.said.append(text)

    def announce(self, prompt: SignInPrompt) -> None: ...

    def ask(self, prompt: SignInPrompt) -> str:
        return ""

    def question(self, text: str, *, secret: bool = False) -> str:
        return ""


def no_browser(environ: Any) -> tuple[bool, str]:
    return False, "this is a container"


def test_a_client_without_the_device_grant_has_to_paste_and_is_told_why(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: Any, **__: Any) -> None:
        raise ConfigurationError("idp.example gives this client no device code")

    def pasted(oidc_client: Any, redirect_uri: str, *, accept: Any, **_: Any) -> None:
        assert redirect_uri == "http://127.0.0.1:8400/callback"
        accept(answer())

    def metadata(self: Any) -> Any:
        return type("Metadata", (), {"device_authorization_endpoint": "https://idp.example/device"})

    monkeypatch.setattr(perform, "sign_in_with_device", refused)
    monkeypatch.setattr(perform, "sign_in_with_paste", pasted)
    monkeypatch.setattr(perform.OIDCClient, "metadata", metadata)
    screen, environment = Screen(), Environment({}, can_open=no_browser)
    session, joined = sign_in_only(
        SETTINGS, store=MemoryStore(), screen=screen, options=LoginOptions(), environment=environment
    )
    assert (session.subject, joined) == ("ada", False)
    assert screen.said == [
        "No browser can be opened here: this is a container",
        "idp.example gives this client no device code",
    ]


def test_one_who_only_joins_does_not_begin_after_waiting_in_vain(monkeypatch: pytest.MonkeyPatch) -> None:
    import contextlib

    class Busy(MemoryStore):
        tries = 0

        @contextlib.contextmanager
        def lock(self, name: str, *, timeout: float) -> Any:
            Busy.tries += name.startswith("login-")
            yield timeout > 0

    screen = Screen()
    with pytest.raises(SignInFailedError, match="did not succeed"):
        sign_in_only(
            SETTINGS, store=Busy(), screen=screen, options=LoginOptions(only_joins=True), environment=Environment({})
        )
    assert Busy.tries == 2
    assert screen.said == ["Another sign-in of session corp is under way; waiting for it"]


@dataclass
class Pool:
    """An identity pool that gives credentials for any token."""

    asked: list[str] = field(default_factory=list)

    def ahead(self, login: object) -> AbstractContextManager[None]:
        return nullcontext()

    def patience(self, seconds: float) -> AbstractContextManager[None]:
        return nullcontext()

    def get_id(self, login: Login) -> str:
        self.asked.append("GetId")
        return "eu-west-1:identity"

    def exchange(self, identity_id: str, login: Login) -> Exchanged:
        now = time.time()
        return Exchanged(FederatedCredentials("ASIA", "secret", "token", now + 3600, now, identity_id), None)


@pytest.mark.parametrize(("when", "asked"), [("after the sign-in", []), ("during the exchange", ["GetId"])])
def test_who_signs_out_right_after_the_sign_in_gets_no_credentials_and_leaves_none(
    monkeypatch: pytest.MonkeyPatch, when: str, asked: list[str]
) -> None:
    settings, store = replace(SETTINGS, grant="remote"), MemoryStore()

    class SigningOut(Screen):
        def __exit__(self, *_: object) -> None:
            if when == "after the sign-in":
                begin_epoch(store, settings.scope)

    class SigningOutPool(Pool):
        def exchange(self, identity_id: str, login: Login) -> Exchanged:
            logout.end_sign_in(store, settings.scope)
            return super().exchange(identity_id, login)

    def pasted(oidc_client: Any, redirect_uri: str, *, accept: Any, **_: Any) -> None:
        until = time.time() + 3600
        token = unsigned({"sub": "ada", "iss": "https://idp.example", "exp": until})
        accept(replace(answer(), id_token=token, expires_at=until))

    monkeypatch.setattr(perform, "sign_in_with_paste", pasted)
    pool: Any = SigningOutPool()
    with pytest.raises(SignInRequiredError):
        perform.sign_in(
            settings,
            store=store,
            screen=SigningOut(),
            options=LoginOptions(),
            environment=Environment({}, can_open=no_browser),
            fetcher=replace(fetcher_for(settings, store=store, environ={}), pool=pool),
        )
    assert pool.asked == asked
    assert not list(store.documents(CREDENTIALS))


@pytest.fixture
def revoked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the refresh tokens that the provider is asked to revoke."""
    tokens: list[str] = []
    monkeypatch.setattr(logout, "revoke_session", lambda *arguments: tokens.append(arguments[-1]))
    monkeypatch.setattr(
        perform.OIDCClient, "metadata", lambda self: type("M", (), {"device_authorization_endpoint": None})
    )
    return tokens


def signed_in_by_pasting(
    monkeypatch: pytest.MonkeyPatch, settings: Settings, store: MemoryStore, given: AuthenticationResult
) -> None:
    def pasted(oidc_client: Any, redirect_uri: str, *, accept: Any, **_: Any) -> None:
        accept(given)

    monkeypatch.setattr(perform, "sign_in_with_paste", pasted)
    environment = Environment({}, can_open=no_browser)
    sign_in_only(settings, store=store, screen=Screen(), options=LoginOptions(), environment=environment)


@pytest.mark.parametrize(("pool", "expected"), [("eu-west-1_1", ["first"]), (None, [])])
def test_the_next_sign_in_of_a_person_revokes_the_token_before_where_that_ends_no_more_than_it(
    monkeypatch: pytest.MonkeyPatch, revoked: list[str], pool: str | None, expected: list[str]
) -> None:
    settings, store = replace(SETTINGS, user_pool_id=pool), MemoryStore()
    for token in ("first", "second"):
        signed_in_by_pasting(monkeypatch, settings, store, answer(refresh_token=token))
        session = Sessions(settings, store).read()
        assert session is not None
        assert session.refresh_token == token
    assert revoked == expected


def test_the_same_token_again_is_not_revoked(monkeypatch: pytest.MonkeyPatch, revoked: list[str]) -> None:
    settings, store = replace(SETTINGS, user_pool_id="eu-west-1_1"), MemoryStore()
    for token in ("one", "one", None):
        signed_in_by_pasting(monkeypatch, settings, store, answer(refresh_token=token))
    assert revoked == []


def test_a_sign_in_that_may_not_be_stored_leaves_no_token_that_nothing_knows_of(
    monkeypatch: pytest.MonkeyPatch, revoked: list[str]
) -> None:
    store = MemoryStore()
    signed_in_by_pasting(monkeypatch, SETTINGS, store, answer(refresh_token="of ada"))
    with pytest.raises(SignInFailedError):
        signed_in_by_pasting(monkeypatch, SETTINGS, store, answer("grace", refresh_token="of grace"))
    assert revoked == ["of grace"]


def test_a_sign_in_that_cannot_be_written_leaves_no_token_that_nothing_knows_of(
    monkeypatch: pytest.MonkeyPatch, revoked: list[str]
) -> None:
    class Full(MemoryStore):
        def write(self, kind: str, key: str, document: Any) -> None:
            if kind == SESSIONS:
                raise StorageError("The disk is full")
            super().write(kind, key, document)

    with pytest.raises(StorageError, match="The disk is full"):
        signed_in_by_pasting(monkeypatch, SETTINGS, Full(), answer(refresh_token="lost"))
    assert revoked == ["lost"]


def test_a_provider_that_does_not_answer_a_revocation_holds_nothing_up(
    monkeypatch: pytest.MonkeyPatch, revoked: list[str]
) -> None:
    silent = threading.Event()
    monkeypatch.setattr(logout, "_REVOCATION_TIME", 0.05)
    monkeypatch.setattr(logout, "revoke_session", lambda *_: silent.wait(60))
    settings, store = replace(SETTINGS, user_pool_id="eu-west-1_1"), MemoryStore()
    try:
        for token in ("first", "second"):
            signed_in_by_pasting(monkeypatch, settings, store, answer(refresh_token=token))
    finally:
        silent.set()
    session = Sessions(settings, store).read()
    assert session is not None
    assert session.refresh_token == "second"
