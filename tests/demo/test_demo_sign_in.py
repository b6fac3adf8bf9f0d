"""People sign in to the demo's provider, which refuses what a strict provider refuses."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import jwt
import pytest
import requests

from botocore_cognito_federation.demo import World
from botocore_cognito_federation.demo.authorization_server import DEVICE_GRANT
from botocore_cognito_federation.demo.grants import CODE_SECONDS, DEVICE_SECONDS, GRANT_SECONDS

pytestmark = pytest.mark.thorough

VERIFIER = "v" * 43
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
REDIRECT = "http://127.0.0.1:8400/callback"


@dataclass
class Client:
    """An application and one browser, spoken for by plain HTTP."""

    world: World
    browser: requests.Session = field(default_factory=requests.Session)

    @property
    def issuer(self) -> str:
        return self.world.provider.issuer

    def authorize(self, **changes: str) -> requests.Response:
        """Open the address of a sign-in; an empty change removes a parameter."""
        usual = {
            "client_id": self.world.provider.client_id,
            "redirect_uri": REDIRECT,
            "response_type": "code",
            "scope": "openid email offline_access",
            "state": "s1",
            "nonce": "n1",
            "code_challenge": CHALLENGE,
            "code_challenge_method": "S256",
        }
        query = urlencode({name: value for name, value in {**usual, **changes}.items() if value})
        return self.browser.get(f"{self.issuer}/authorize?{query}", allow_redirects=False)

    def choose(self, page: requests.Response, person: str, **changes: str) -> requests.Response:
        """Press a button of a page."""
        fields = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', page.text))
        action = re.findall(r'action="([^"]*)"', page.text)[0]
        return self.browser.post(action, {**fields, "person": person, **changes}, allow_redirects=False)

    def code(self, person: str = "ada", **changes: str) -> str:
        return answer(self.choose(self.authorize(**changes), person))["code"]

    def token(self, **form: str) -> requests.Response:
        usual = {"client_id": self.world.provider.client_id}
        form = {name: value for name, value in {**usual, **form}.items() if value}
        return requests.post(f"{self.issuer}/token", form)

    def exchange(self, code: str, **changes: str) -> requests.Response:
        usual = {"code": code, "redirect_uri": REDIRECT, "code_verifier": VERIFIER}
        return self.token(grant_type="authorization_code", **{**usual, **changes})

    def refresh(self, token: str) -> requests.Response:
        return self.token(grant_type="refresh_token", refresh_token=token)

    def post(self, path: str, **form: str) -> requests.Response:
        return requests.post(f"{self.issuer}/{path}", {"client_id": self.world.provider.client_id, **form})


@pytest.fixture
def client(world: World) -> Client:
    return Client(world)


def answer(response: requests.Response) -> dict[str, str]:
    """Return what a redirect tells the application."""
    assert response.status_code == 303, response.text
    target = response.headers["location"]
    assert target.startswith(f"{REDIRECT}?")
    return dict(parse_qsl(urlsplit(target).query))


def error(response: requests.Response) -> str:
    assert response.status_code == 400, response.text
    return str(response.json()["error"])


def claims(client: Client, token: str) -> dict[str, Any]:
    """Verify an ID token by discovery, as another library does."""
    jwks = requests.get(f"{client.issuer}/.well-known/openid-configuration").json()["jwks_uri"]
    key = jwt.PyJWKClient(jwks).get_signing_key_from_jwt(token)
    found: dict[str, Any] = jwt.decode(
        token, key, ["RS256"], audience=client.world.provider.client_id, issuer=client.issuer
    )
    return found


def test_a_choice_on_the_page_becomes_tokens_about_that_person(client: Client) -> None:
    page = client.authorize(login_hint="zofia")
    buttons = re.findall(r'<button name="person" value="(\w*)"', page.text)
    assert buttons == ["zofia", "ada", "bob", ""]
    assert "default-src 'none'" in page.headers["content-security-policy"]
    told = answer(client.choose(page, "zofia"))
    assert (told["state"], told["iss"]) == ("s1", client.issuer)
    tokens = client.exchange(told["code"]).json()
    found = claims(client, tokens["id_token"])
    assert (found["sub"], found["name"], found["nonce"]) == ("zofia", "Žofie Nováková", "n1")
    half = base64.urlsafe_b64encode(hashlib.sha256(tokens["access_token"].encode()).digest()[:16])
    assert found["at_hash"] == half.rstrip(b"=").decode()
    bearer = {"Authorization": f"Bearer {tokens['access_token']}"}
    assert requests.get(f"{client.issuer}/userinfo", headers=bearer).json()["groups"] == ["analysts"]
    assert requests.get(f"{client.issuer}/userinfo").status_code == 401


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"scope": "email"}, "invalid_scope"),
        ({"code_challenge": ""}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"prompt": "none"}, "login_required"),
    ],
)
def test_a_request_that_is_wrong_is_answered_to_the_application(
    client: Client, changes: dict[str, str], code: str
) -> None:
    told = answer(client.authorize(**changes))
    assert (told["error"], told["state"], told["iss"]) == (code, "s1", client.issuer)


@pytest.mark.parametrize(
    "changes",
    [
        {"client_id": "stranger"},
        {"redirect_uri": "https://evil.example/callback"},
        {"redirect_uri": "http://127.0.0.1.evil.example/callback"},
        {"redirect_uri": "http://127.0.0.1:8400@evil.example/callback"},
        {"redirect_uri": ""},
    ],
)
def test_nothing_is_sent_to_an_address_that_is_not_the_applications(client: Client, changes: dict[str, str]) -> None:
    page = client.authorize(**changes)
    assert (page.status_code, page.headers.get("location")) == (400, None)


def test_a_page_counts_once_and_only_in_the_browser_that_opened_it(client: Client) -> None:
    page = client.authorize()
    assert Client(client.world).choose(page, "ada").status_code == 400
    assert client.choose(page, "ada").status_code == 400
    page = client.authorize()
    assert answer(client.choose(page, ""))["error"] == "access_denied"
    assert client.choose(page, "ada").status_code == 400
    by_name = requests.get(f"{client.issuer}/authorize", headers={"Host": "evil.example"})
    assert by_name.status_code == 421


def test_a_browser_stays_signed_in_until_the_session_is_ended(client: Client) -> None:
    client.code("bob")
    assert "Continue as Bob" in client.authorize().text
    assert "Continue" not in client.authorize(prompt="login").text
    code = answer(client.authorize(prompt="none"))["code"]
    assert claims(client, client.exchange(code).json()["id_token"])["sub"] == "bob"
    assert "error" in answer(Client(client.world).authorize(prompt="none"))
    ended = client.browser.get(
        f"{client.issuer}/logout",
        params={"post_logout_redirect_uri": REDIRECT, "state": "s2"},
        allow_redirects=False,
    )
    assert answer(ended) == {"state": "s2"}
    assert answer(client.authorize(prompt="none"))["error"] == "login_required"


@pytest.mark.parametrize(
    "changes",
    [{"code_verifier": "w" * 43}, {"code_verifier": ""}, {"redirect_uri": "http://127.0.0.1:8400/other"}],
)
def test_a_code_is_only_for_who_asked_for_it(client: Client, changes: dict[str, str]) -> None:
    code = client.code()
    assert error(client.exchange(code, **changes)) == "invalid_grant"
    assert error(client.exchange(code)) == "invalid_grant"


def test_a_code_used_twice_ends_what_the_first_use_brought(client: Client) -> None:
    code = client.code()
    token = client.exchange(code).json()["refresh_token"]
    assert error(client.exchange(code)) == "invalid_grant"
    assert error(client.refresh(token)) == "invalid_grant"


def test_a_code_that_is_late_and_a_client_that_is_unknown_are_refused(client: Client, world: World) -> None:
    assert error(client.exchange(client.code(), client_id="second-client")) == "invalid_client"
    code = client.code()
    world.clock_offset = CODE_SECONDS + 1
    assert error(client.exchange(code)) == "invalid_grant"


def test_refresh_tokens_rotate_and_the_use_of_an_old_one_ends_the_grant(client: Client) -> None:
    first = client.exchange(client.code()).json()["refresh_token"]
    answered = client.refresh(first).json()
    assert "nonce" not in claims(client, answered["id_token"])
    second = answered["refresh_token"]
    assert second != first
    third = client.refresh(second).json()["refresh_token"]
    assert error(client.refresh(first)) == "invalid_grant"
    assert error(client.refresh(third)) == "invalid_grant"


def test_without_offline_access_there_is_no_refresh_token_and_an_idle_one_ends(client: Client, world: World) -> None:
    assert "refresh_token" not in client.exchange(client.code(scope="openid")).json()
    token = client.exchange(client.code()).json()["refresh_token"]
    world.clock_offset = GRANT_SECONDS + 1
    assert error(client.refresh(token)) == "invalid_grant"


def test_revoking_ends_the_grant_and_an_unknown_token_is_revoked_already(client: Client) -> None:
    tokens = client.exchange(client.code()).json()
    assert client.post("revoke", token="invented").status_code == 200
    assert client.post("revoke", token=tokens["refresh_token"]).status_code == 200
    assert error(client.refresh(tokens["refresh_token"])) == "invalid_grant"
    bearer = {"Authorization": f"Bearer {tokens['access_token']}"}
    assert requests.get(f"{client.issuer}/userinfo", headers=bearer).status_code == 401


def test_a_device_waits_for_the_person_who_enters_its_code(client: Client, world: World) -> None:
    asked = client.post("device_authorization", scope="openid offline_access").json()

    def poll() -> requests.Response:
        return client.token(grant_type=DEVICE_GRANT, device_code=asked["device_code"])

    assert [error(poll()), error(poll())] == ["authorization_pending", "slow_down"]
    page = client.browser.get(asked["verification_uri"], params={"user_code": asked["user_code"].lower()})
    assert client.choose(page, "bob", browser="another").status_code == 400
    assert "signed in as Bob" in client.choose(page, "bob").text
    tokens = poll().json()
    assert (claims(client, tokens["id_token"])["sub"], bool(tokens["refresh_token"])) == ("bob", True)
    assert error(poll()) == "invalid_grant"
    refused = client.post("device_authorization", scope="openid").json()
    client.choose(client.browser.get(refused["verification_uri_complete"]), "")
    assert error(client.token(grant_type=DEVICE_GRANT, device_code=refused["device_code"])) == "access_denied"
    late = client.post("device_authorization", scope="openid").json()
    world.clock_offset = DEVICE_SECONDS + 1
    assert error(client.token(grant_type=DEVICE_GRANT, device_code=late["device_code"])) == "expired_token"
    assert "Enter the code" in client.browser.get(late["verification_uri_complete"]).text


def test_a_repeated_parameter_is_an_error(client: Client) -> None:
    query = f"client_id={client.world.provider.client_id}&redirect_uri={REDIRECT}&state=s1&scope=openid&scope=email"
    found = client.browser.get(f"{client.issuer}/authorize?{query}", allow_redirects=False)
    assert answer(found)["error"] == "invalid_request"
