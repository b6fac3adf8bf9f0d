"""The ready-made handlers: token files, variables, commands, URLs, and refresh tokens at real token endpoints."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from botocore_cognito_federation import CognitoFederation, NonRetryableError, TemporaryError, handlers
from botocore_cognito_federation.demo.world import World
from botocore_cognito_federation.handlers import GrantHandler
from botocore_cognito_federation.identity_providers import Endpoints, resolve
from tests.application.conftest import Maker, Time


def renewed(world: World, make: Maker, clock: Time, handler: Any) -> bool:
    federation = make(refresh_handlers={world.provider.login_key: handler})
    federation.federated_sign_in(world.provider.login_key, world.provider.issue("ada", lifetime=1800))
    clock.pass_by(3700)
    return federation.current_credentials().authenticated


def test_a_token_comes_from_a_file_a_variable_a_command_or_a_url(
    world: World, make: Maker, clock: Time, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock.pass_by(3700)
    lasting = world.provider.issue("ada", lifetime=90_000)
    clock.ahead = 0.0
    world.clock_offset = 0.0
    (tmp_path / "token").write_text(lasting)
    (tmp_path / "token.json").write_text(json.dumps({"inner": {"jwt": lasting}}))
    monkeypatch.setenv("LOGIN_TOKEN", lasting)
    printing = f"{sys.executable} -c \"print(open('{tmp_path}/token').read())\""
    made = [
        handlers.token_file(str(tmp_path / "token")),
        handlers.token_file(str(tmp_path / "token.json"), field="inner.jwt"),
        handlers.token_env("LOGIN_TOKEN"),
        handlers.token_command(printing),
        handlers.token_url(f"{world.provider.issuer}/token?subject=ada"),
    ]
    for handler in made:
        assert renewed(world, make, clock, handler)
        clock.ahead = 0.0
        world.clock_offset = 0.0


class TokenEndpoint:
    """A token endpoint that rotates refresh tokens and accepts each only once."""

    def __init__(self, server: HTTPServer, tokens: Any) -> None:
        self.forms: list[dict[str, str]] = []
        self.good = "first-refresh-token"
        self.tokens = tokens
        server.expect_request("/token").respond_with_handler(self.answer)
        server.expect_request("/revoke").respond_with_handler(self.revoke)
        self.revoked: list[str] = []

    def answer(self, request: Request) -> Response:
        form = {name: values[0] for name, values in parse_qs(request.get_data(as_text=True)).items()}
        self.forms.append(form)
        sent = form.get("refresh_token") or form.get("fb_exchange_token")
        if sent != self.good:
            return Response(json.dumps({"error": "invalid_grant"}), 400, content_type="application/json")
        self.good = f"refresh-token-{len(self.forms)}"
        answer = {"refresh_token": self.good, "expires_in": 3600, **self.tokens()}
        return Response(json.dumps(answer), content_type="application/json")

    def revoke(self, request: Request) -> Response:
        self.revoked.append(parse_qs(request.get_data(as_text=True))["token"][0])
        return Response("")


@pytest.fixture
def endpoint(world: World, httpserver: HTTPServer) -> TokenEndpoint:
    issuer = world.provider.issuer
    httpserver.expect_request("/.well-known/openid-configuration").respond_with_json(
        {
            "issuer": httpserver.url_for(""),
            "jwks_uri": f"{issuer}/jwks",
            "token_endpoint": httpserver.url_for("/token"),
            "revocation_endpoint": httpserver.url_for("/revoke"),
        }
    )
    return TokenEndpoint(
        httpserver, lambda: {"id_token": world.provider.issue("ada", iss=httpserver.url_for(""), lifetime=1800)}
    )


def test_an_oidc_handler_spends_refresh_tokens_and_reports_each_rotation_first(
    world: World, make: Maker, clock: Time, httpserver: HTTPServer, endpoint: TokenEndpoint
) -> None:
    world.trust_issuer(httpserver.url_for(""), [world.provider.client_id])
    stored: list[str] = []
    handler = handlers.oidc(
        httpserver.url_for(""), world.provider.client_id, "first-refresh-token", on_rotation=stored.append
    )
    federation = make(refresh_handlers={httpserver.url_for(""): handler})
    first = handler()
    assert federation.federated_sign_in(httpserver.url_for(""), first["token"]).authenticated
    federation.sign_out()
    assert stored == ["refresh-token-1"]
    assert endpoint.revoked == ["refresh-token-1"]
    assert "refresh-token" not in repr(handler)


def test_a_long_job_survives_its_expiries_and_its_successor_goes_on_with_the_refresh_token_it_stored(
    world: World, make: Maker, clock: Time, httpserver: HTTPServer, endpoint: TokenEndpoint, tmp_path: Path
) -> None:
    issuer = httpserver.url_for("")
    world.trust_issuer(issuer, [world.provider.client_id])
    # Dated by the real clock, with which the handler verifies, and valid by the clock that the test controls.
    endpoint.tokens = lambda: {"id_token": world.provider.issue("ada", iss=issuer, lifetime=1800, iat=int(time.time()))}
    stored = tmp_path / "refresh-token"
    stored.write_text("first-refresh-token")

    def job() -> CognitoFederation:
        renew = handlers.oidc(issuer, world.provider.client_id, stored.read_text, on_rotation=stored.write_text)
        federation = make(refresh_handlers={issuer: renew})
        federation.federated_sign_in(issuer, **renew())
        return federation

    federation = job()
    client = federation.session().client("s3")
    identities = {federation.current_credentials().identity_id}
    for spent in (2, 3, 4):
        clock.pass_by(3700)
        assert client.get_object(Bucket=world.bucket, Key=world.object_key)["ContentLength"] > 0
        identities.add(federation.current_credentials().identity_id)
        assert stored.read_text() == f"refresh-token-{spent}"
    identities.add(job().current_credentials().identity_id)
    assert stored.read_text() == "refresh-token-5"
    assert len(endpoint.forms) == 5
    assert len(identities) == 1


def test_a_grant_that_has_ended_is_not_tried_again(
    world: World, make: Maker, httpserver: HTTPServer, endpoint: TokenEndpoint
) -> None:
    handler = handlers.oidc(httpserver.url_for(""), world.provider.client_id, lambda: "spent")
    with pytest.raises(NonRetryableError, match="sign in"):
        handler()
    assert len(endpoint.forms) == 1


def test_a_rotation_that_cannot_be_stored_ends_the_renewal(
    world: World, httpserver: HTTPServer, endpoint: TokenEndpoint
) -> None:
    def full(_: str) -> None:
        raise TemporaryError("the disk is full")

    handler = handlers.oidc(httpserver.url_for(""), world.provider.client_id, "first-refresh-token", on_rotation=full)
    with pytest.raises(TemporaryError, match="disk"):
        handler()


@pytest.mark.parametrize(("alias", "field"), [("facebook", "fb_exchange_token"), ("amazon", "refresh_token")])
def test_facebook_and_amazon_give_access_tokens(
    world: World, make: Maker, clock: Time, httpserver: HTTPServer, alias: str, field: str
) -> None:
    key = resolve(alias).login_key
    assert key
    tokens = TokenEndpoint(httpserver, lambda: {"access_token": f"{alias}-next"})
    real_clock = replace(
        resolve(alias),
        endpoints=Endpoints("https://x.example", httpserver.url_for("/token"), "https://x.example", "id"),
    )
    world.register_opaque_token(key, f"{alias}-first", "ada", 1800)
    world.register_opaque_token(key, f"{alias}-next", "ada", 90_000)
    handler = GrantHandler(real_clock, "app", "first-refresh-token", "secret")
    federation = make(refresh_handlers={alias: handler})
    before = federation.federated_sign_in(key, f"{alias}-first", expires_at=clock.now() + 1800)
    clock.pass_by(3700)
    assert federation.current_credentials().identity_id == before.identity_id
    assert tokens.forms[0][field] == "first-refresh-token"
    assert tokens.forms[0]["client_secret"] == "secret"


def test_each_provider_has_its_handler_and_nothing_is_asked_before_it_is_called() -> None:
    assert repr(handlers.google("id", "token")) == "GrantHandler('google', 'id')"
    assert repr(handlers.facebook("id", "token", "secret")) == "GrantHandler('facebook', 'id')"
    assert repr(handlers.amazon("id", "token")) == "GrantHandler('amazon', 'id')"
