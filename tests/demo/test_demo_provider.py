"""The OpenID provider on its own port: discovery, keys, and tokens over HTTP."""

from __future__ import annotations

import json
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import jwt
import pytest

from botocore_cognito_federation.demo import World
from botocore_cognito_federation.errors import ConfigurationError

pytestmark = pytest.mark.thorough


def _get(url: str, body: bytes | None = None, content_type: str = "application/x-www-form-urlencoded") -> Any:
    with urlopen(Request(url, body, {"Content-Type": content_type})) as answer:
        return json.loads(answer.read())


def _error(url: str, body: bytes | None = None) -> int:
    with pytest.raises(HTTPError) as caught:
        urlopen(Request(url, body))
    return caught.value.code


def test_an_independent_client_verifies_its_tokens_by_discovery(world: World) -> None:
    document = _get(f"{world.provider.issuer}/.well-known/openid-configuration")
    assert document["issuer"] == world.provider.issuer
    token = world.provider.issue("ada", groups=["staff"])
    key = jwt.PyJWKClient(document["jwks_uri"]).get_signing_key_from_jwt(token)
    claims = jwt.decode(token, key, ["RS256"], audience="demo-client", issuer=world.provider.issuer)
    assert (claims["sub"], claims["groups"], claims["email"]) == ("ada", ["staff"], "ada@example.com")


def test_the_key_set_holds_no_private_part(world: World) -> None:
    (key,) = _get(f"{world.provider.issuer}/jwks")["keys"]
    assert set(key) == {"kty", "n", "e", "kid", "use", "alg"}


def test_an_issuer_may_have_a_path() -> None:
    with World(issuer_path="/realms/demo") as world:
        assert world.provider.issuer.endswith("/realms/demo")
        document = _get(f"{world.provider.issuer}/.well-known/openid-configuration")
        assert document["jwks_uri"] == f"{world.provider.issuer}/jwks"
        assert _error(world.provider.issuer.replace("/realms/demo", "/jwks")) == 404


@pytest.mark.parametrize("how", ["get", "form", "json"])
def test_tokens_are_minted_over_http(world: World, cognito: Any, how: str) -> None:
    parameters = {"subject": "bob", "lifetime": "120", "department": "Sales"}
    url = f"{world.provider.issuer}/token"
    if how == "get":
        answer = _get(f"{url}?{urlencode(parameters)}")
    elif how == "form":
        answer = _get(url, urlencode(parameters).encode())
    else:
        answer = _get(url, json.dumps(parameters).encode(), "application/json")
    claims = jwt.decode(answer["token"], options={"verify_signature": False})
    assert (claims["sub"], claims["department"], claims["exp"] - claims["iat"]) == ("bob", "Sales", 120)
    assert answer["expires_at"] - claims["exp"] in (0, 1)
    assert cognito.get_id(IdentityPoolId=world.pool_id, Logins={world.provider.login_key: answer["id_token"]})


def test_bad_tokens_are_minted_over_http_too(world: World, cognito: Any, refused: Any) -> None:
    token = _get(f"{world.provider.issuer}/token?flaw=tampered")["token"]
    answer = refused(cognito.get_id, IdentityPoolId=world.pool_id, Logins={world.provider.login_key: token})
    assert answer.message == "Invalid login token. Couldn't verify signed token."


@pytest.mark.parametrize("query", ["flaw=none-such", "lifetime=long", "lifetime=nan"])
def test_a_wish_that_makes_no_sense_is_a_bad_request(world: World, query: str) -> None:
    assert _error(f"{world.provider.issuer}/token?{query}") == 400


def test_an_unknown_flaw_is_an_error_that_names_the_known(world: World) -> None:
    with pytest.raises(ConfigurationError, match="other-key"):
        world.provider.issue(flaw="nonsense")  # type: ignore[arg-type]  # the point of the test


def test_keys_can_rotate_with_an_overlap(world: World, cognito: Any) -> None:
    old = world.provider.issue()
    world.provider.rotate_keys(keep_old=True)
    for token in (world.provider.issue(), old):
        assert cognito.get_id(IdentityPoolId=world.pool_id, Logins={world.provider.login_key: token})
    world.rotate_keys()


def test_its_endpoints_take_faults(world: World) -> None:
    url = f"{world.provider.issuer}/token"
    world.fault("provider:token", status=503)
    world.fault("provider:token", code="invalid_request")
    world.fault("provider:token", close=True)
    assert [_error(url), _error(url)] == [503, 400]
    with pytest.raises(ConnectionError):
        urlopen(url)
    world.fault("provider:token", missing_keys=["token"])
    assert "token" not in _get(url)
    assert [call.status for call in world.calls("provider:token")] == [503, 400, 0, 200]


def test_its_tokens_are_dated_by_the_worlds_clock(world: World) -> None:
    before = jwt.decode(world.provider.issue(), options={"verify_signature": False})["iat"]
    world.clock_offset = 86_400
    after = jwt.decode(world.provider.issue(), options={"verify_signature": False})["iat"]
    assert 86_400 <= after - before <= 86_430
