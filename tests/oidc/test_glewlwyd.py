"""Against glewlwyd, whose behaviour is legal and unusual: see tests/servers/glewlwyd.py."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import botocore.session
import pytest

from botocore_cognito_federation._util.concurrency import Clock
from botocore_cognito_federation.cache.base import MemoryStore
from botocore_cognito_federation.cache.sessions import Session, Sessions
from botocore_cognito_federation.config.profiles import load_settings
from botocore_cognito_federation.config.settings import Settings
from botocore_cognito_federation.demo import World
from botocore_cognito_federation.errors import SignInFailedError, SignInRequiredError
from botocore_cognito_federation.factory import fetcher_for, system_clock
from botocore_cognito_federation.identity_pool.client import Clients
from botocore_cognito_federation.login_tokens import source_of
from botocore_cognito_federation.login_tokens.base import RefreshContext, SourceContext
from botocore_cognito_federation.oidc.authorization import effective_scopes, loopback_redirect
from botocore_cognito_federation.oidc.client import AuthenticationResult, OIDCClient, SignInPrompt, TokenAnswer
from botocore_cognito_federation.oidc.flows import authorize_device, poll, sign_in_with_device
from botocore_cognito_federation.oidc.tokens import (
    GrantEndedError,
    NoIdTokenError,
    refresh_tokens,
    revoke,
    validate_response,
)
from tests.oidc.conftest import FakeClock
from tests.oidc.person import Person, sign_in
from tests.servers import glewlwyd
from tests.servers.glewlwyd import Glewlwyd

pytestmark = pytest.mark.thorough

MakeClient = Callable[..., OIDCClient]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Glewlwyd]:
    with glewlwyd.running(tmp_path_factory.mktemp("glewlwyd")) as running:
        yield running


@pytest.fixture
def oidc_client(server: Glewlwyd, make_client: MakeClient) -> OIDCClient:
    return make_client(server.issuer, "native")


@pytest.fixture
def signed_in(server: Glewlwyd, oidc_client: OIDCClient) -> AuthenticationResult:
    return sign_in(oidc_client, Person(server.browser()), loopback_redirect(server.redirect_uri, ()))


# --- signing in with a browser ------------------------------------------------------------------------------------


def test_code_and_pkce_sign_in_at_the_one_registered_port(server: Glewlwyd, oidc_client: OIDCClient) -> None:
    person = Person(server.browser())
    found = sign_in(oidc_client, person, loopback_redirect(server.redirect_uri, ()))
    assert found.user_label == "Ada (ada@example.com)"
    assert found.issuer == server.issuer
    assert found.refresh_token
    assert "Signed in as <strong>Ada (ada@example.com)</strong>" in person.page()


def test_endpoints_are_used_as_the_provider_spells_them_double_slash_and_all(
    server: Glewlwyd, oidc_client: OIDCClient
) -> None:
    assert oidc_client.metadata().token_endpoint == f"{server.origin}//api/oidc/token"
    person = Person(server.browser())
    sign_in(oidc_client, person, loopback_redirect(server.redirect_uri, ()))
    assert any(url.startswith(f"{server.origin}//api/oidc/auth?") for url in person.browser.visited)


def test_only_scopes_the_provider_has_are_asked_for(oidc_client: OIDCClient) -> None:
    assert effective_scopes(oidc_client, oidc_client.metadata()) == ("openid",)


def test_at_a_port_it_does_not_know_the_message_names_the_redirect_to_register(
    server: Glewlwyd, oidc_client: OIDCClient
) -> None:
    person = Person(server.browser())
    with pytest.raises(SignInFailedError, match="The sign-in was not finished") as caught:
        sign_in(oidc_client, person, loopback_redirect(None, (0,)), timeout=1)
    assert person.answer().status_code == 403
    assert "register http://127.0.0.1/callback (with any port) there" in caught.value.remedy
    assert "or set cognito_redirect_ports to a port it knows" in caught.value.remedy


# --- what its ID token is bound to --------------------------------------------------------------------------------


def test_its_id_token_names_the_client_twice_and_the_access_token(signed_in: AuthenticationResult) -> None:
    assert (signed_in.claims["aud"], signed_in.claims["azp"]) == ("native", "native")
    assert signed_in.claims["at_hash"]
    assert signed_in.subject not in (None, "ada")  # opaque


@pytest.mark.parametrize(
    ("client", "access_token", "message"),
    [("confidential", None, "for another client"), ("native", "another-access-token", "at_hash")],
)
def test_its_id_token_is_refused_where_it_belongs_to_something_else(
    server: Glewlwyd,
    signed_in: AuthenticationResult,
    make_client: MakeClient,
    client: str,
    access_token: str | None,
    message: str,
) -> None:
    oidc_client = make_client(server.issuer, client)
    answer = TokenAnswer(id_token=signed_in.id_token, access_token=access_token or signed_in.access_token)
    with pytest.raises(SignInFailedError, match=message):
        validate_response(oidc_client, oidc_client.metadata(), answer)


# --- renewing -----------------------------------------------------------------------------------------------------


def test_a_refresh_without_an_id_token_stores_the_new_refresh_token_then_names_the_providers_setting(
    oidc_client: OIDCClient, signed_in: AuthenticationResult
) -> None:
    stored: list[TokenAnswer] = []
    with pytest.raises(NoIdTokenError, match="renewed the session without an ID token") as caught:
        refresh_tokens(oidc_client, signed_in.refresh_token or "", subject=signed_in.subject, persist=stored.append)
    assert stored == [caught.value.answer]
    assert stored[0].rotated
    assert stored[0].refresh_token not in (None, signed_in.refresh_token)
    assert oidc_client.provider.refresh_remedy in caught.value.remedy


def test_the_stored_refresh_token_is_the_one_that_works(
    oidc_client: OIDCClient, signed_in: AuthenticationResult
) -> None:
    current = signed_in.refresh_token or ""
    for _ in range(3):
        with pytest.raises(NoIdTokenError) as caught:
            refresh_tokens(oidc_client, current)
        assert caught.value.answer.refresh_token not in (None, current)
        current = caught.value.answer.refresh_token or ""


def test_a_refresh_token_used_twice_asks_for_a_sign_in_without_being_called_dead(
    oidc_client: OIDCClient, signed_in: AuthenticationResult
) -> None:
    with pytest.raises(NoIdTokenError) as first:
        refresh_tokens(oidc_client, signed_in.refresh_token or "")
    for token in (signed_in.refresh_token, first.value.answer.refresh_token):
        with pytest.raises(SignInRequiredError, match=r"did not renew .* \(HTTP 400, no error code\)") as caught:
            refresh_tokens(oidc_client, token or "")
        assert not isinstance(caught.value, GrantEndedError | NoIdTokenError)


@pytest.mark.parametrize(
    ("client", "secret", "revoked"), [("confidential", glewlwyd.SECRET, True), ("native", None, False)]
)
def test_signing_out_revokes_where_glewlwyd_lets_the_client_and_says_so_where_not(
    server: Glewlwyd, make_client: MakeClient, client: str, secret: str | None, revoked: bool
) -> None:
    oidc_client = make_client(server.issuer, client, secret)
    found = sign_in(oidc_client, Person(server.browser()), loopback_redirect(server.redirect_uri, ()))
    outcome = revoke(oidc_client, found.refresh_token or "")
    assert outcome.revoked is revoked
    assert ("401" in outcome.reason) is not revoked
    expected = SignInRequiredError if revoked else NoIdTokenError
    with pytest.raises(expected) as caught:
        refresh_tokens(oidc_client, found.refresh_token or "")
    assert type(caught.value) is expected


# --- the stored session ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class StoredSession:
    """A signed-in user's session as `login` leaves it, on the way to AWS."""

    settings: Settings
    store: MemoryStore = field(default_factory=MemoryStore)

    @property
    def sessions(self) -> Sessions:
        return Sessions(self.settings, self.store)

    def put(self, answer: AuthenticationResult) -> None:
        self.sessions.write(
            Session(
                sign_in_id="sign-in-1",
                subject=answer.subject,
                user={"email": "ada@example.com"},
                login_token=answer.login_token,
                token_expires_at=answer.expires_at,
                refresh_token=answer.refresh_token,
                signed_in_at=time.time(),
                sign_out_epoch=self.sessions.sign_out_epoch(),
            )
        )

    def fetch(self, *, later: float) -> str:
        """Return the login token, requested `later` seconds from now."""
        later_clock = replace(system_clock(), now=lambda: time.time() + later)
        clients = Clients(self.settings, botocore.session.Session)
        source = source_of(self.settings).open(
            self.settings, SourceContext(self.store, {}, later_clock, clients, pytest.fail)
        )
        assert source is not None
        return source.fetch(RefreshContext()).value

    def refresh_token(self) -> str | None:
        session = self.sessions.read()
        assert session is not None
        return session.refresh_token


@pytest.fixture
def stored_session(server: Glewlwyd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., StoredSession]:
    def make(pool_id: str = "eu-west-1:00000000-0000-0000-0000-000000000000", endpoint_url: str = "") -> StoredSession:
        lines = [
            "[profile ada]",
            "region = eu-west-1",
            f"cognito_identity_pool_id = {pool_id}",
            f"cognito_provider = {server.issuer.removeprefix('http://')}",
            f"cognito_issuer = {server.issuer}",
            "cognito_client_id = native",
            *([f"cognito_endpoint_url = {endpoint_url}"] if endpoint_url else []),
        ]
        (tmp_path / "config").write_text("\n".join(lines) + "\n")
        monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
        monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
        monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        return StoredSession(load_settings("ada", environ={}))

    return make


def test_a_session_whose_refresh_brings_no_id_token_is_stored_with_the_rotated_refresh_token(
    signed_in: AuthenticationResult, stored_session: Callable[..., StoredSession]
) -> None:
    stored = stored_session()
    stored.put(signed_in)
    assert stored.fetch(later=0) == signed_in.login_token
    with pytest.raises(SignInRequiredError, match="without an ID token") as caught:
        stored.fetch(later=7200)
    assert "Run: cognito-federation login --profile ada. To be spared that, let the provider" in caught.value.remedy
    rotated = stored.refresh_token()
    assert rotated not in (None, signed_in.refresh_token)
    with pytest.raises(SignInRequiredError, match="without an ID token"):  # the rotated one was good
        stored.fetch(later=7200)
    assert stored.refresh_token() not in (None, rotated)


def test_a_session_whose_refresh_token_was_used_elsewhere_asks_for_a_sign_in_and_is_not_forgotten(
    oidc_client: OIDCClient, signed_in: AuthenticationResult, stored_session: Callable[..., StoredSession]
) -> None:
    stored = stored_session()
    stored.put(signed_in)
    with pytest.raises(NoIdTokenError):
        refresh_tokens(oidc_client, signed_in.refresh_token or "")
    with pytest.raises(SignInRequiredError, match="HTTP 400, no error code") as caught:
        stored.fetch(later=7200)
    assert caught.value.remedy == "Run: cognito-federation login --profile ada"
    assert stored.refresh_token() == signed_in.refresh_token


def test_its_sign_in_gets_credentials_from_an_identity_pool(
    server: Glewlwyd, world: World, signed_in: AuthenticationResult, stored_session: Callable[..., StoredSession]
) -> None:
    world.trust_issuer(server.issuer, ["native"])
    stored = stored_session(world.pool_id, world.endpoint_url)
    stored.put(signed_in)
    credentials = fetcher_for(stored.settings, store=stored.store, environ={}).credentials()
    assert credentials.identity_id.startswith("eu-west-1:")
    assert [(c.operation, c.status) for c in world.calls()] == [("GetId", 200), ("GetCredentialsForIdentity", 200)]


# --- signing in by device code ------------------------------------------------------------------------------------


def test_a_device_signs_in_once_the_code_is_entered(server: Glewlwyd, make_client: MakeClient, patient: Clock) -> None:
    def enter(prompt: SignInPrompt) -> None:
        assert prompt.complete_url is not None
        assert "deviceComplete" in server.browser().open(prompt.complete_url).headers["location"]

    found = sign_in_with_device(make_client(server.issuer, "native", clock=patient), announce=enter)
    assert found.user_label == "Ada (ada@example.com)"
    assert found.claims["azp"] == "native"
    assert found.refresh_token


def test_a_poller_in_a_hurry_is_slowed_down_for_good_each_time_the_server_says_so(
    server: Glewlwyd, make_client: MakeClient, patient: Clock, fake_clock: FakeClock
) -> None:
    """The poller's clock is ahead of the server's, so every poll but the first comes too early."""
    with pytest.raises(SignInFailedError, match="The code was not entered within 40 seconds"):
        sign_in_with_device(make_client(server.issuer, "native", clock=patient), announce=lambda p: None, timeout=40)
    assert fake_clock.slept == [2, 2, 7, 12, 17]


def test_a_device_that_was_told_to_slow_down_is_signed_in_at_the_next_poll(
    server: Glewlwyd, make_client: MakeClient
) -> None:
    """In real time: two polls in a second are too many, and after five more seconds polling works again."""
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if seconds > 1:
            assert server.browser().open(device.verification_uri_complete or "")
        threading.Event().wait(seconds)

    oidc_client = make_client(server.issuer, "native", clock=Clock(sleep=sleep))
    metadata = oidc_client.metadata()
    device = replace(authorize_device(oidc_client, metadata), interval=0.1)
    answer = poll(oidc_client, metadata, device, 60)
    assert [round(pause, 1) for pause in slept] == [0.1, 0.1, 5.1]
    assert validate_response(oidc_client, metadata, answer).user_label == "Ada (ada@example.com)"
