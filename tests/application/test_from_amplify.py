"""Each row of the table "From AWS Amplify": what Amplify does, done here against servers that verify."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

import botocore_cognito_federation
from botocore_cognito_federation import Challenge, CognitoFederation, NotSignedInError, UserPool, UserPoolTokens
from botocore_cognito_federation.demo import World
from botocore_cognito_federation.demo.records import UserPoolFacts
from botocore_cognito_federation.demo.user_pool.second_factors import totp
from botocore_cognito_federation.errors import CognitoFederationError, SignInFailedError, SignInRequiredError
from botocore_cognito_federation.events import NAMES, Event
from tests.docs.pages import ROOT
from tests.servers.demo_user_pools import PASSWORD, knows_passkeys, user_pool
from tests.servers.software_authenticator import SoftwareAuthenticator

from .conftest import Time

pytestmark = pytest.mark.thorough

NEW = "Another-Horse-2"
PAGE = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")


@dataclass
class Place:
    """A pool with the user ada, and a federation with it.

    Attributes:
        heard: the names of the federation's events.
    """

    world: World
    facts: UserPoolFacts
    pool: UserPool
    federation: CognitoFederation
    clock: Time
    heard: list[str] = field(default_factory=list)

    @property
    def code(self) -> str:
        return self.world.messages("ada")[-1].code

    def signed_in(self, password: str = PASSWORD) -> UserPoolTokens:
        """Sign ada in, and return the tokens."""
        assert self.federation.sign_in("ada", password).identity_id
        return self.federation.user_pool_tokens()

    def of_provider(self) -> str:
        """Sign bob in with another provider's token, and return that provider."""
        provider = self.world.provider.login_key
        self.federation.federated_sign_in(provider, self.world.provider.issue("bob"), user={"name": "Bob"})
        return provider


@pytest.fixture
def place(world: World, clock: Time) -> Place:
    factors = ("PASSWORD", "EMAIL_OTP", "WEB_AUTHN") if knows_passkeys() else ("PASSWORD",)
    facts = world.add_user_pool(
        first_factors=factors,
        relying_party="auth.example.com",
        mfa="OPTIONAL",
        mfa_kinds=("SOFTWARE_TOKEN_MFA",),
        devices="USER_OPT_IN",
        custom_auth=("7*6=42",),
    )
    world.add_user(facts.user_pool_id, "ada", PASSWORD, email="ada@example.com", nickname="a")
    pool = user_pool(world, facts, clock=clock.now)
    renew = {world.provider.login_key: lambda: world.provider.issue("bob")}
    federation = CognitoFederation(world.pool_id, user_pool=pool, refresh_handlers=renew, clock=clock.library_clock)
    made = Place(world, facts, pool, federation, clock)

    def hear(event: Event) -> None:
        made.heard.append(event.name)

    for name in NAMES:
        federation.on(name, hear)
    return made


Row = tuple[str, str]
ROWS: dict[Row, Callable[[Place], None]] = {}


def row(v5: str, v6: str) -> Callable[[Callable[[Place], None]], Callable[[Place], None]]:
    def of(test: Callable[[Place], None]) -> Callable[[Place], None]:
        ROWS[v5, v6] = test
        return test

    return of


def table() -> list[list[str]]:
    section = PAGE[PAGE.index("### From AWS Amplify") : PAGE.index("### Events")]
    lines = [line for line in section.splitlines() if line.startswith("|")][2:]
    return [[cell.strip() for cell in line[1:-1].split("|")] for line in lines]


def asked(answer: object, name: str) -> Challenge:
    assert isinstance(answer, Challenge)
    assert answer.name == name
    return answer


def needs_passkeys() -> None:
    if not knows_passkeys():
        pytest.skip("this botocore has no choice-based sign-in")


def test_every_row_has_its_test_and_names_what_there_is() -> None:
    rows = table()
    assert sorted((v5, v6) for v5, v6, _ in rows) == sorted(ROWS)
    there = {*dir(UserPool), *dir(CognitoFederation), *dir(botocore_cognito_federation), *dir(Challenge)}
    named = {name for _, _, here in rows for name in re.findall(r"`(?:UserPool\.)?([a-z]+(?:_[a-z]+)*)[(`]", here)}
    assert named - there <= {"preferred_challenge", "client_metadata", "validation_data"}


@pytest.mark.parametrize("key", ROWS, ids=[f"{v5}, {v6}" for v5, v6 in ROWS])
def test_each_row_does_what_it_does_in_amplify(place: Place, key: Row) -> None:
    ROWS[key](place)


@row("`signUp`", "`signUp`")
@row("`confirmSignUp`", "`confirmSignUp`")
@row("`resendSignUp`", "`resendSignUpCode`")
def sign_up(place: Place) -> None:
    place.pool.sign_up("bob", PASSWORD, {"email": "bob@example.com"})
    place.pool.resend_sign_up("bob")
    place.pool.confirm_sign_up("bob", place.world.messages("bob")[-1].code)
    assert place.federation.sign_in("bob", PASSWORD).identity_id


@row("", "`autoSignIn` after a sign-up without a password")
def auto_sign_in(place: Place) -> None:
    needs_passkeys()
    made = place.pool.sign_up("bob", attributes={"email": "bob@example.com"}, auto_sign_in=True)
    signed_in = place.pool.confirm_sign_up(made, place.world.messages("bob")[-1].code)
    assert signed_in is not None
    assert place.federation.federate(signed_in).identity_id  # type: ignore[union-attr]  # no challenge follows


@row("`signIn`", "`signIn`")
def sign_in(place: Place) -> None:
    assert place.signed_in().username == "ada"
    with pytest.raises(CognitoFederationError, match="sign_out"):
        place.federation.federated_sign_in("google", "a token")  # as Amplify's page says


@row("", '`signIn` with `authFlowType: "USER_AUTH"`')
@row("", "step `CONTINUE_SIGN_IN_WITH_FIRST_FACTOR_SELECTION`")
def user_auth(place: Place) -> None:
    needs_passkeys()
    select = asked(place.federation.sign_in("ada", auth_flow="USER_AUTH"), "SELECT_CHALLENGE")
    assert "EMAIL_OTP" in select.choices
    challenge = asked(place.federation.confirm_sign_in(select, "EMAIL_OTP"), "EMAIL_OTP")
    assert place.federation.confirm_sign_in(challenge, place.code).identity_id  # type: ignore[union-attr]


@row("", "`preferredChallenge`")
def preferred_challenge(place: Place) -> None:
    needs_passkeys()
    challenge = asked(place.federation.sign_in("ada", preferred_challenge="EMAIL_OTP"), "EMAIL_OTP")
    assert place.federation.confirm_sign_in(challenge, place.code).identity_id  # type: ignore[union-attr]


def with_totp(place: Place) -> str:
    tokens = place.signed_in()
    ready = place.pool.set_up_totp(tokens)
    place.pool.verify_totp_setup(tokens, totp(ready.secret, int(time.time()) // 30))
    place.pool.update_mfa_preference(tokens, totp="PREFERRED")
    assert place.pool.fetch_mfa_preference(tokens).preferred == "totp"
    place.federation.sign_out()
    return ready.secret


@row("`confirmSignIn`", "`confirmSignIn`")
@row("`setupTOTP`", "`setUpTOTP`")
@row("`verifyTotpToken`", "`verifyTOTPSetup`")
@row("`getPreferredMFA`", "`fetchMFAPreference`")
@row("`setPreferredMFA`", "`updateMFAPreference`")
def second_factor(place: Place) -> None:
    secret = with_totp(place)
    challenge = asked(place.federation.sign_in("ada", PASSWORD), "SOFTWARE_TOKEN_MFA")
    code = totp(secret, int(time.time()) // 30 + 1)
    assert place.federation.confirm_sign_in(challenge, code).identity_id  # type: ignore[union-attr]


@row("`completeNewPassword`", "`confirmSignIn` with the new password")
def new_password(place: Place) -> None:
    place.world.add_user(place.facts.user_pool_id, "eve", PASSWORD, temporary=True, email="eve@example.com")
    challenge = asked(place.federation.sign_in("eve", PASSWORD), "NEW_PASSWORD_REQUIRED")
    assert place.federation.complete_new_password(challenge, NEW).identity_id  # type: ignore[union-attr]


@row("`sendCustomChallengeAnswer`", "`confirmSignIn` with the answer")
def custom_challenge(place: Place) -> None:
    challenge = asked(place.federation.sign_in("ada", auth_flow="CUSTOM_AUTH"), "CUSTOM_CHALLENGE")
    assert place.federation.send_custom_challenge_answer(challenge, "42").identity_id  # type: ignore[union-attr]


@row("`clientMetadata`, `validationData`", "`options.clientMetadata`")
def metadata(place: Place) -> None:
    found = place.federation.sign_in("ada", PASSWORD, validation_data={"v": "1"}, client_metadata={"c": "1"})
    assert found.identity_id  # type: ignore[union-attr]  # what reaches which trigger: test_account_requests.py


@row("`forgotPassword`", "`resetPassword`")
@row("`forgotPasswordSubmit`", "`confirmResetPassword`")
def forgotten_password(place: Place) -> None:
    place.pool.forgot_password("ada")
    place.pool.forgot_password_submit("ada", place.code, NEW)
    assert place.signed_in(NEW)


@row("`changePassword`", "`updatePassword`")
def change_password(place: Place) -> None:
    place.pool.change_password(place.signed_in(), PASSWORD, NEW)
    place.federation.sign_out()
    assert place.signed_in(NEW)


@row("`userAttributes`", "`fetchUserAttributes`")
@row("`updateUserAttributes`", "`updateUserAttributes`")
@row("`deleteUserAttributes`", "`deleteUserAttributes`")
@row("`verifyCurrentUserAttribute`", "`sendUserAttributeVerificationCode`")
@row("`verifyCurrentUserAttributeSubmit`", "`confirmUserAttribute`")
def attributes(place: Place) -> None:
    tokens = place.signed_in()
    place.pool.update_user_attributes(tokens, {"email": "ada@example.org"})
    place.pool.verify_user_attribute(tokens, "email")
    place.pool.verify_user_attribute_submit(tokens, "email", place.code)
    place.pool.delete_user_attributes(tokens, ["nickname"])
    found = place.pool.fetch_user_attributes(tokens)
    assert (found["email"], found["email_verified"], "nickname" in found) == ("ada@example.org", "true", False)


@row("`deleteUser`", "`deleteUser`")
def delete_user(place: Place) -> None:
    place.pool.delete_user(place.signed_in())
    place.federation.sign_out()
    with pytest.raises(SignInFailedError):
        place.federation.sign_in("ada", PASSWORD)


@row("", "`associateWebAuthnCredential`")
@row("", "`listWebAuthnCredentials`")
@row("", "`deleteWebAuthnCredential`")
def passkeys(place: Place) -> None:
    needs_passkeys()
    tokens, passkey = place.signed_in(), SoftwareAuthenticator()
    place.pool.register_passkey(tokens, passkey)
    place.federation.sign_out()
    challenge = asked(place.federation.sign_in("ada", preferred_challenge="WEB_AUTHN"), "WEB_AUTHN")
    assert place.federation.use_passkey(challenge, passkey).identity_id  # type: ignore[union-attr]
    tokens = place.federation.user_pool_tokens()
    (found,) = place.pool.list_passkeys(tokens)
    place.pool.delete_passkey(tokens, found)
    assert place.pool.list_passkeys(tokens) == []


@row("`fetchDevices`", "`fetchDevices`")
@row("`rememberDevice`", "`rememberDevice`")
@row("`forgetDevice`", "`forgetDevice`")
def devices(place: Place) -> None:
    tokens = place.signed_in()
    place.pool.remember_device(tokens)
    assert [device.remembered for device in place.pool.fetch_devices(tokens)] == [True]
    place.pool.forget_device(tokens)
    assert place.pool.fetch_devices(tokens) == ()


@row("`currentSession`", "`fetchAuthSession().tokens`")
def current_session(place: Place) -> None:
    before = place.signed_in()
    place.clock.pass_by(3601)
    with pytest.raises(SignInRequiredError):
        place.pool.fetch_user_attributes(before)
    assert place.pool.fetch_user_attributes(place.federation.user_pool_tokens())


@row("`currentCredentials`", "`fetchAuthSession().credentials`")
def current_credentials(place: Place) -> None:
    place.signed_in()
    assert place.federation.session().client("sts").get_caller_identity()["Arn"]
    assert place.federation.current_credentials().identity_id


@row("`currentAuthenticatedUser({bypassCache: true})`", "`fetchAuthSession({forceRefresh: true})`")
def forced(place: Place) -> None:
    before = place.signed_in()
    keys = place.federation.current_credentials().access_key
    assert place.federation.current_credentials(force=True).access_key != keys
    assert place.federation.user_pool_tokens().id_token != before.id_token


@row("`currentAuthenticatedUser`", "`getCurrentUser`")
def current_user(place: Place) -> None:
    place.signed_in()
    user = place.federation.current_authenticated_user()
    assert (user["email"], bool(user["id"])) == ("ada@example.com", True)


@row("`signOut`", "`signOut`")
def sign_out(place: Place) -> None:
    tokens = place.signed_in()
    place.federation.sign_out()
    with pytest.raises(NotSignedInError):
        place.federation.current_credentials()
    with pytest.raises(SignInRequiredError):
        place.pool.refresh(tokens)


@row("`signOut({global: true})`", "`signOut({global: true})`")
def global_sign_out(place: Place) -> None:
    elsewhere = place.pool.sign_in("ada", PASSWORD)
    assert isinstance(elsewhere, UserPoolTokens)
    place.pool.sign_out(place.signed_in(), everywhere=True)
    with pytest.raises(SignInRequiredError):
        place.pool.refresh(elsewhere)


@row("`federatedSignIn(provider, {token, …}, user)`", "a `credentialsProvider` of your own")
@row('`Cache.getItem("federatedInfo")`', "")
def federated_sign_in(place: Place) -> None:
    provider = place.of_provider()
    info: Any = place.federation.federated_info()
    assert (info["provider"], info["user"]["name"]) == (provider, "Bob")
    assert place.federation.current_authenticated_user()["name"] == "Bob"


@row("`federatedSignIn({provider})`", "`signInWithRedirect`")
def with_redirect(place: Place) -> None:
    assert callable(botocore_cognito_federation.login)  # through a browser: tests/sign_in/test_browser_to_s3.py


@row("`refreshHandlers`", "a `tokenProvider` of your own")
@row("Hub `tokenRefresh`", "Hub `tokenRefresh`")
def refresh_handlers(place: Place) -> None:
    place.of_provider()
    place.federation.current_credentials(force=True)
    assert "token-refresh" in place.heard


@row("Hub `signIn`", "Hub `signedIn`")
@row("Hub `signOut`", "Hub `signedOut`")
def hub(place: Place) -> None:
    place.signed_in()
    place.federation.sign_out()
    assert [name for name in place.heard if name.startswith("sign-")] == ["sign-in", "sign-out"]


@row("Hub `signIn_failure`", "Hub `signInWithRedirect_failure`")
def hub_failure(place: Place) -> None:
    with pytest.raises(SignInFailedError):
        place.federation.sign_in("ada", "Wrong-Horse-1")
    assert place.heard == ["sign-in-failure"]


@row("Hub `tokenRefresh_failure`", "Hub `tokenRefresh_failure`")
def hub_refresh_failure(place: Place) -> None:
    place.pool.sign_out(place.signed_in(), everywhere=True)
    with pytest.raises(SignInRequiredError):
        place.federation.current_credentials(force=True)
    assert "token-refresh-failure" in place.heard
