"""`doctor` checks what a sign-in needs without a browser, and says what it has not tried."""

from __future__ import annotations

import fcntl
import json
import os
import socket
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from botocore_cognito_federation._fast_path import CacheQuery
from botocore_cognito_federation.cache.file import FileStore
from botocore_cognito_federation.demo.serve import find_executable
from botocore_cognito_federation.demo.world import World
from botocore_cognito_federation.doctor import CheckResult
from botocore_cognito_federation.doctor.checks import run_checks
from botocore_cognito_federation.errors import StorageError
from botocore_cognito_federation.messages import lock_holder
from tests.home import Home

pytestmark = pytest.mark.thorough

REDIRECT = "http://127.0.0.1:8411/callback"
RSA_KEY = json.loads(
    jwt.algorithms.RSAAlgorithm.to_jwk(rsa.generate_private_key(public_exponent=65537, key_size=2048).public_key())
)
EC_KEY = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(ec.generate_private_key(ec.SECP256R1()).public_key()))
RSA_KEY.pop("key_ops")


@pytest.fixture(scope="module")
def one_world(_clean_environment: None) -> Iterator[World]:
    with World() as world:
        yield world


@pytest.fixture
def home(world: World, tmp_path: Path) -> Home:
    path = tmp_path / "home"
    world.write_home(path, find_executable())
    return Home(path, world)


def login_page(request: Request) -> Response:
    """What a provider answers to ``prompt=none``: back to a redirect that it knows, or a page of its own."""
    asked = request.args
    assert asked["prompt"] == "none"
    if asked["client_id"] != "known" or asked["redirect_uri"] != REDIRECT:
        return Response("unknown client", 400, content_type="text/html")
    answer = {"error": "login_required", "state": asked["state"]}
    return Response(status=302, headers={"Location": f"{REDIRECT}?{urlencode(answer)}"})


def token_endpoint(request: Request) -> Response:
    """The error codes of RFC 6749, section 5.2."""
    code = "invalid_grant" if request.form["client_id"] == "known" else "invalid_client"
    return Response(json.dumps({"error": code}), 400, content_type="application/json")


Provider = Callable[..., dict[str, str]]


@pytest.fixture
def provider(httpserver: HTTPServer) -> Provider:
    """An OpenID provider; answers the keys of a profile that signs in there."""

    def start(page: Callable[[Request], Response] = login_page, keys: object = None, **metadata: Any) -> dict[str, str]:
        base = httpserver.url_for("").rstrip("/")
        document = {
            "issuer": base,
            "authorization_endpoint": f"{base}/authorize",
            "token_endpoint": f"{base}/token",
            "jwks_uri": f"{base}/jwks",
            **metadata,
        }
        httpserver.expect_request("/.well-known/openid-configuration").respond_with_json(document)
        httpserver.expect_request("/authorize").respond_with_handler(page)
        httpserver.expect_request("/token").respond_with_handler(token_endpoint)
        httpserver.expect_request("/jwks").respond_with_json({"keys": keys or [{**RSA_KEY, "kid": "1"}]})
        return {"cognito_provider": base.removeprefix("http://"), "cognito_issuer": base}

    return start


def errors_of(home: Home, keys: Mapping[str, str], **changed: str) -> dict[str, str]:
    """The errors that are found for a profile that signs in at a provider, without that nobody is signed in."""
    usual = {"cognito_client_id": "known", "cognito_redirect_uri": REDIRECT}
    home.profile("person", **{**usual, **keys, **changed})
    results = run_checks("person", os.environ)
    assert any(each.check == "sign-in" and each.exit_code == 3 for each in results)
    return {each.check: each.what for each in results if each.severity == "error" and each.check != "sign-in"}


def of(check: str, results: list[CheckResult]) -> CheckResult:
    return next(each for each in results if each.check == check)


def test_a_provider_that_knows_the_client_and_has_keys_is_in_order(inside: Home, provider: Provider) -> None:
    assert errors_of(inside, provider()) == {}
    ok = {each.what for each in run_checks("person", os.environ) if each.severity == "ok"}
    assert "The provider knows the client and its redirect URI" in ok


def test_a_preferred_passkey_without_its_library_is_found(inside: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    inside.profile(
        "person",
        cognito_identity_pool_id=inside.world.pool_id,
        cognito_provider="user-pool",
        cognito_user_pool_id=inside.world.user_pool_id,
        cognito_issuer=inside.world.user_pool_issuer,
        cognito_client_id=inside.world.user_pool_client_id,
        cognito_preferred_challenge="WEB_AUTHN",
    )
    wanted = 'Run: pip install "botocore-cognito-federation[passkey]"'
    assert wanted not in {each.remedy for each in run_checks("person", os.environ)}
    monkeypatch.setitem(sys.modules, "fido2", None)
    assert wanted in {each.remedy for each in run_checks("person", os.environ)}


def test_a_missing_client_id_is_found(inside: Home, provider: Provider) -> None:
    found = errors_of(inside, provider(), cognito_client_id="")
    assert "needs an OAuth client ID" in found["sign-in client"]


def test_a_client_id_that_the_provider_does_not_know_is_found_without_a_browser(
    inside: Home, provider: Provider
) -> None:
    found = errors_of(inside, provider(), cognito_client_id="unknown")
    assert "does not take this client (invalid_client)" in found["sign-in client"]


def test_a_client_that_only_the_token_endpoint_refuses_is_found(inside: Home, provider: Provider) -> None:
    def page(_: Request) -> Response:
        return Response("<form>", content_type="text/html")

    found = errors_of(inside, provider(page), cognito_client_id="unknown")
    assert "invalid_client" in found["sign-in client"]


def test_a_redirect_that_is_not_registered_is_found_with_what_to_register(inside: Home, provider: Provider) -> None:
    found = errors_of(inside, provider(), cognito_redirect_uri="http://127.0.0.1:8412/callback")
    assert "http://127.0.0.1:8412/callback (HTTP 400)" in found["sign-in client"]


def test_a_scope_that_the_client_may_not_ask_for_is_found(inside: Home, provider: Provider) -> None:
    def page(request: Request) -> Response:
        answer = {"error": "invalid_scope", "error_description": "no offline_access", "state": request.args["state"]}
        return Response(status=302, headers={"Location": f"{REDIRECT}?{urlencode(answer)}"})

    found = errors_of(inside, provider(page))
    assert found["sign-in client"] == "The provider would refuse the sign-in (invalid_scope: no offline_access)"


def test_a_page_that_tells_nothing_is_said_to_be_untried(inside: Home, provider: Provider) -> None:
    def page(_: Request) -> Response:
        return Response("<form>", content_type="text/html")

    assert errors_of(inside, provider(page)) == {}
    results = [each for each in run_checks("person", os.environ) if each.severity == "skipped"]
    assert of("sign-in client", results).what == f"Whether {REDIRECT} is registered is seen only in a browser"


@pytest.mark.parametrize("address", ["http://127.0.0.1:9/jwks", "nowhere"])
def test_keys_that_cannot_be_had_are_found(
    inside: Home, provider: Provider, httpserver: HTTPServer, address: str
) -> None:
    uri = address if address.startswith("http") else httpserver.url_for("/nowhere")
    assert "are not available, and no ID token can be verified" in errors_of(inside, provider(jwks_uri=uri))["provider"]


def test_keys_that_identity_pools_do_not_take_are_found(inside: Home, provider: Provider) -> None:
    found = errors_of(inside, provider(keys=[{**EC_KEY, "kid": "1", "alg": "ES256"}]))
    assert "has no key to sign with (its keys: ES256), and identity pools take RSA" in found["signing keys"]


def test_a_device_sign_in_that_the_provider_does_not_offer_is_found(inside: Home, provider: Provider) -> None:
    assert "no sign-in by device code" in errors_of(inside, provider(), cognito_grant="device-code")["provider"]


def test_a_provider_that_does_not_answer_is_asked_once_and_the_rest_is_said_to_be_untried(inside: Home) -> None:
    heard = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def hang_up() -> None:
            while True:
                try:
                    caller, _ = listener.accept()
                except OSError:
                    return
                heard.append(caller)
                caller.close()

        threading.Thread(target=hang_up, daemon=True).start()
        base = f"http://127.0.0.1:{listener.getsockname()[1]}"
        keys = {"cognito_provider": base.removeprefix("http://"), "cognito_issuer": base}
        line = f"{find_executable()} credential-process --profile person"
        found = errors_of(inside, keys, credential_process=line)
        assert "cannot be reached" in found["provider"]
        assert len(heard) == 1
        results = run_checks("person", os.environ)
        assert of("helper run", results).severity == "skipped"
        assert of("identity pool", results).severity == "skipped"
        listener.shutdown(socket.SHUT_RDWR)


def test_a_wrong_client_is_not_asked_for_again_once_the_user_is_signed_in_nor_offline(
    inside: Home, provider: Provider, httpserver: HTTPServer
) -> None:
    inside.profile("person", **{"cognito_client_id": "known", "cognito_redirect_uri": REDIRECT, **provider()})
    run_checks("person", os.environ, offline=True)
    assert httpserver.log == []


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("pool", "said"),
    [("{own}", "has no guest access"), ("eu-west-1:00000000-0000-0000-0000-000000000000", "does not exist")],
)
def test_guests_that_a_pool_does_not_let_in_are_found_by_the_line(inside: Home, pool: str, said: str) -> None:
    pool_id = pool.format(own=inside.world.pool_id)
    line = f"{find_executable()} credential-process --profile visitor"
    keys = {"cognito_provider": "guest", "cognito_issuer": "", "credential_process": line}
    inside.profile("visitor", cognito_identity_pool_id=pool_id, **keys)
    results = run_checks("visitor", os.environ)
    found = of("helper run", results)
    assert (found.severity, found.exit_code) in (("error", 6), ("error", 4))
    assert said in found.what
    assert of("identity pool", results).severity == "skipped"


@pytest.mark.thorough
def test_a_guest_is_tried_with_the_identity_that_it_has(inside: Home) -> None:
    assert of("helper run", run_checks("guest", os.environ)).severity == "ok"
    assert inside.count("GetId") == 1
    assert of("identity pool", run_checks("guest", os.environ)).severity == "ok"
    assert inside.count("GetId") == 1


def test_the_process_that_gets_the_answer_now_is_named_with_its_pid(inside: Home) -> None:
    path = Path(f"{CacheQuery('demo', os.environ).path}.lock")
    path.parent.mkdir(parents=True, mode=0o700)
    path.parent.parent.chmod(0o700)
    with path.open("wb") as lock:
        lock.write(b" " + lock_holder())
        lock.flush()
        fcntl.flock(lock, fcntl.LOCK_EX)
        found = of("locks", run_checks("demo", os.environ, offline=True))
        assert f"Process {os.getpid()} (" in found.what
        assert "it took the lock" in found.what
    assert not [each for each in run_checks("demo", os.environ, offline=True) if each.check == "locks"]


def test_a_place_in_which_no_lock_can_be_taken_is_found(inside: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> object:
        raise StorageError("The lock x cannot be taken: No locks available", remedy="Set another place")

    monkeypatch.setattr(FileStore, "lock", refuse)
    assert "cannot be taken" in of("store", run_checks("demo", os.environ, offline=True)).what
