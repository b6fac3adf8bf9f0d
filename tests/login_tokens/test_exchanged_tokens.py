"""A user's token is exchanged for the login token: profiles in real processes, against a provider that verifies."""

from __future__ import annotations

import pytest

from botocore_cognito_federation.config.profiles import load_settings
from botocore_cognito_federation.errors import ConfigurationError
from tests.login_tokens.home import ProfileHome, caller

BOTH = pytest.mark.parametrize("source", ["token-exchange", pytest.param("on-behalf-of", marks=pytest.mark.thorough)])


def profile(home: ProfileHome, source: str, **more: str) -> str:
    keys = {
        "cognito_provider": home.world.provider.issuer,
        "cognito_client_id": home.world.provider.client_id,
        "cognito_token_source": source,
    }
    if "cognito_subject_token_env" not in more:
        keys["cognito_subject_token_file"] = str(home.path / "subject")
    home.profile("api", **{**keys, **more})
    return "api"


def subject(home: ProfileHome, user: str = "ada", **more: object) -> str:
    """A token that the provider issued to the program that called this service."""
    token = home.world.provider.issue(user, audience="front-end", **more)  # type: ignore[arg-type]
    home.file("subject", token)
    return token


def exchanges(home: ProfileHome) -> int:
    return len([call for call in home.world.calls() if call.operation == "provider:token"])


@BOTH
def test_the_users_own_token_would_be_refused_and_the_exchanged_one_gives_credentials(
    home: ProfileHome, source: str
) -> None:
    subject(home)
    name = profile(home, source)
    home.profile("bare", cognito_token_file=str(home.path / "subject"))
    assert home.run("credential-process", "--profile", "bare").returncode == 6
    assert "assumed-role" in caller(home.world, home.credential_process(name))


@pytest.mark.thorough
def test_an_unchanged_token_is_exchanged_once_and_another_users_token_gives_that_users_credentials(
    home: ProfileHome,
) -> None:
    subject(home)
    name = profile(home, "token-exchange")
    first = home.credential_process(name)
    assert home.credential_process(name) == first
    assert exchanges(home) == 1
    subject(home, "bob")
    assert home.credential_process(name) != first
    subject(home, "ada")
    assert home.credential_process(name) == first
    assert exchanges(home) == 3


@pytest.mark.thorough
def test_a_fixed_identity_is_answered_for_only_after_the_token_of_the_caller_was_exchanged(home: ProfileHome) -> None:
    ada = subject(home)
    name = profile(home, "on-behalf-of", cognito_subject_token_env="USER_TOKEN")
    home.credential_process(name, USER_TOKEN=ada)
    identity = next(call for call in home.world.calls() if call.operation == "GetId").identity_id
    name = profile(home, "on-behalf-of", cognito_subject_token_env="USER_TOKEN", cognito_identity_id=str(identity))
    home.credential_process(name, USER_TOKEN=ada)
    forged = home.world.second_provider.issue("ada")
    done = home.run("credential-process", "--profile", name, USER_TOKEN=forged)
    assert (done.returncode, done.stdout) == (5, "")


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("source", "keys", "flaw", "code", "said"),
    [
        ("token-exchange", {}, "tampered", 5, "did not exchange the token (invalid_request: the subject token is not"),
        ("on-behalf-of", {}, "other-key", 5, "did not exchange the token (invalid_grant: the subject token is not"),
        ("token-exchange", {}, "expired", 5, "holds a token that expired"),
        ("token-exchange", {"cognito_token_audience": "other"}, None, 4, "issues no token for this audience"),
        ("token-exchange", {"cognito_client_id": "other"}, None, 4, "does not take this client (invalid_client"),
        (
            "token-exchange",
            {"cognito_subject_token_type": "saml2"},
            None,
            5,
            "subject_token_type is missing or unknown",
        ),
        ("token-exchange", {"cognito_subject_token_file": "/nowhere/token"}, None, 4, "does not exist"),
        (
            "on-behalf-of",
            {"cognito_subject_token_env": "USER_TOKEN"},
            None,
            4,
            "(cognito_subject_token_env) is not set",
        ),
    ],
)
def test_each_failure_is_the_tokens_the_callers_or_the_configurations_and_quotes_no_token(
    home: ProfileHome, source: str, keys: dict[str, str], flaw: str | None, code: int, said: str
) -> None:
    token = subject(home, flaw=flaw)
    done = home.run("credential-process", "--profile", profile(home, source, **keys))
    assert (done.returncode, done.stdout) == (code, "")
    assert said in done.stderr
    assert token.split(".")[2] not in done.stderr


@pytest.mark.parametrize(
    ("written", "remedy"), [("access-token", "access_token"), ("idtoken", "id_token"), ("?", "must be one of")]
)
def test_a_kind_of_token_that_is_not_one_is_named_with_the_one_that_is_meant(
    inside: ProfileHome, written: str, remedy: str
) -> None:
    name = profile(inside, "token-exchange", cognito_subject_token_type=written)
    with pytest.raises(ConfigurationError, match="cognito_subject_token_type") as refused:
        load_settings(name)
    assert remedy in refused.value.line
