"""Signing in to a user pool by password: every question the pool may have, and the session that is kept."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from botocore_cognito_federation.errors import SignInFailedError, SignInRequiredError
from botocore_cognito_federation.sign_in.password import session_of_tokens, sign_in_with_password
from botocore_cognito_federation.user_pool import Challenge, CodeMismatchError, Device, UserPoolTokens
from tests.servers import ministack
from tests.signin.places import Home, finished
from tests.user_pool import live_pool


def tokens() -> UserPoolTokens:
    import jwt

    claims = {"sub": "1-2-3", "email": "ada@example.com", "iss": "https://pool.example", "exp": 2_000_000_000}
    id_token = jwt.encode(claims, "no signature matters here, at 32 bytes", algorithm="HS256")
    return UserPoolTokens(id_token, "access", "refresh", 2_000_000_000.0, "ada", Device("key", "group"))


@dataclass
class Pool:
    """A pool that asks these challenges in turn."""

    asks: list[Challenge]
    heard: list[tuple[str, Any]] = field(default_factory=list)
    wrong_codes: int = 0

    def _next(self) -> UserPoolTokens | Challenge:
        return self.asks.pop(0) if self.asks else tokens()

    def sign_in(self, username: str, password: str) -> UserPoolTokens | Challenge:
        self.heard.append(("sign_in", (username, password)))
        return self._next()

    def confirm_sign_in(self, challenge: Challenge, answer: str) -> UserPoolTokens | Challenge:
        self.heard.append((challenge.name, answer))
        if self.wrong_codes:
            self.wrong_codes -= 1
            raise CodeMismatchError("The code is wrong")
        return self._next()

    def set_up_totp(self, challenge: Challenge) -> Challenge:
        return Challenge("MFA_SETUP", {}, "s", "ada", totp_secret="BASE32")

    def complete_new_password(
        self, challenge: Challenge, new: str, attributes: Mapping[str, str]
    ) -> UserPoolTokens | Challenge:
        self.heard.append(("new password", (new, dict(attributes))))
        return self._next()

    def send_custom_challenge_answer(self, challenge: Challenge, answer: str) -> UserPoolTokens | Challenge:
        self.heard.append(("custom", answer))
        return self._next()


@dataclass
class Person:
    """Answers questions by their words."""

    answers: Mapping[str, str]
    asked: list[tuple[str, bool]] = field(default_factory=list)
    told: list[str] = field(default_factory=list)

    def say(self, text: str) -> None:
        self.told.append(text)

    def question(self, text: str, *, secret: bool = False) -> str:
        self.asked.append((text, secret))
        return next(answer for words, answer in self.answers.items() if words in text)


def challenge(name: str, **parameters: str) -> Challenge:
    return Challenge(name, parameters, "s", "ada")


Case = tuple[Challenge, dict[str, str], tuple[str, Any]]
CASES: list[Case] = [
    (challenge("SMS_MFA", CODE_DELIVERY_DESTINATION="+***12"), {"sent to +***12": "123 456"}, ("SMS_MFA", "123456")),
    (challenge("SOFTWARE_TOKEN_MFA"), {"authenticator": "123456"}, ("SOFTWARE_TOKEN_MFA", "123456")),
    (
        challenge("SELECT_MFA_TYPE", MFAS_CAN_CHOOSE='["SMS_MFA","EMAIL_OTP"]'),
        {"Which of SMS_MFA, EMAIL_OTP": "EMAIL_OTP"},
        ("SELECT_MFA_TYPE", "EMAIL_OTP"),
    ),
    (challenge("MFA_SETUP"), {"code it shows": "111111"}, ("MFA_SETUP", "111111")),
    (
        challenge("NEW_PASSWORD_REQUIRED", requiredAttributes='["userAttributes.name"]'),
        {"New password": "new", "same again": "new", "name": "Ada"},
        ("new password", ("new", {"name": "Ada"})),
    ),
    (challenge("CUSTOM_CHALLENGE", question="7*6"), {"7*6": "42"}, ("custom", "42")),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case[0].name)
def test_each_challenge_is_asked_and_answered(case: Case) -> None:
    asked, answers, heard = case
    pool, person = Pool([asked]), Person({"Password of ada": "hunter2", **answers})
    found = sign_in_with_password(pool, "ada", person)  # type: ignore[arg-type]  # a stand-in
    assert found.username == "ada"
    assert pool.heard == [("sign_in", ("ada", "hunter2")), heard]
    assert ("Password of ada", True) in person.asked
    assert "hunter2" not in "".join(person.told)


def test_a_wrong_code_is_asked_for_again_three_times_at_most() -> None:
    asked = challenge("SOFTWARE_TOKEN_MFA")
    answers = {"User name": "ada", "Password": "secret", "authenticator": "000000"}
    sign_in_with_password(Pool([asked], wrong_codes=2), None, Person(answers))  # type: ignore[arg-type]  # a stand-in
    with pytest.raises(CodeMismatchError):
        sign_in_with_password(Pool([asked], wrong_codes=3), None, Person(answers))  # type: ignore[arg-type]  # as above


def test_two_different_new_passwords_are_refused() -> None:
    person = Person({"Password of": "secret", "New password": "one", "same again": "two"})
    with pytest.raises(SignInFailedError, match="differ"):
        sign_in_with_password(Pool([challenge("NEW_PASSWORD_REQUIRED")]), "ada", person)  # type: ignore[arg-type]  # as above


def test_an_unknown_challenge_and_one_that_never_ends_are_said() -> None:
    person = Person({"Password of": "secret", "Answer": "42"})
    with pytest.raises(SignInFailedError, match="WEB_AUTHN"):
        sign_in_with_password(Pool([challenge("WEB_AUTHN")]), "ada", person)  # type: ignore[arg-type]  # as above
    with pytest.raises(SignInFailedError, match="on and on"):
        sign_in_with_password(Pool([challenge("CUSTOM_CHALLENGE")] * 20), "ada", person)  # type: ignore[arg-type]  # as above


def test_the_session_names_the_person_and_the_device() -> None:
    session = session_of_tokens(tokens(), signed_in_at=1.0, generation="g")
    assert (session.subject, session.who, session.device_key) == ("1-2-3", "ada@example.com", "key")
    assert session.user["username"] == "ada"
    assert session.refresh_token == "refresh"
    assert "refresh" not in repr(session)


@pytest.mark.slow
def test_a_login_by_password_is_kept_and_a_logout_revokes_it(home: Home, tmp_path: Path) -> None:
    with ministack.running(tmp_path) as server:
        pool = live_pool.make(server)
        subject = pool.add_user()
        home.session = {"cognito_identity_pool_id": home.world.pool_id}
        home.write(
            cognito_provider="user-pool",
            cognito_user_pool_id=pool.pool_id,
            cognito_client_id=pool.client_id,
            cognito_username="ada",
        )
        home.more = {"AWS_ENDPOINT_URL_COGNITO_IDENTITY_PROVIDER": server.endpoint_url}
        process = home.start("login", stdin=subprocess.PIPE)
        done = finished(process, live_pool.PASSWORD + "\n")
        # The identity pool of the tests does not know this user pool, and says so after the sign-in is kept.
        assert done.code == 6, done.err
        assert live_pool.PASSWORD not in done.err + home.texts()
        session = home.session_document()
        assert (session["subject"], session["user"]["username"]) == (subject, "ada")
        wrong = finished(home.start("login", stdin=subprocess.PIPE), "Wrong-Password-1\n")
        assert wrong.code == 5, wrong.err
        left = home.run("logout")
        assert left.code == 0
        assert "not revoked" not in left.err
        pool_of = pool.user_pool()
        with pytest.raises(SignInRequiredError):
            pool_of.refresh(UserPoolTokens("", "", session["refresh_token"], 0.0, "ada"))
