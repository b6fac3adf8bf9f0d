"""What a notebook shows of credentials, and the error when a worker pool tries to pickle a federation."""

from __future__ import annotations

import copy
import pickle

import pytest

from botocore_cognito_federation import FederatedCredentials, UserPoolTokens
from tests.application.conftest import Maker

CREDENTIALS = FederatedCredentials(
    "ASIAEXAMPLEKEY", "secret-key-of-ada", "session-token-of-ada", 1_800_000_000.0, 1_799_996_400.5, "eu-west-1:guid"
)


def test_credentials_show_their_times_as_iso_8601_and_no_secret() -> None:
    shown = repr(CREDENTIALS)
    assert "issued=2027-01-15T07:00:00Z" in shown
    assert "expires=2027-01-15T08:00:00Z" in shown
    assert "eu-west-1:guid" in shown
    for secret in (CREDENTIALS.access_key, CREDENTIALS.secret_key, CREDENTIALS.token):
        assert secret not in shown


def test_credentials_with_a_number_that_is_not_a_time_are_shown_too() -> None:
    odd = FederatedCredentials("a", "b", "c", float("inf"), 1e20, "eu-west-1:guid")
    assert "expires=inf" in repr(odd)


def test_tokens_of_a_user_pool_show_their_time_as_iso_8601_and_no_token() -> None:
    shown = repr(UserPoolTokens("id.token", "access.token", "refresh.token", 1_800_000_000.0, "ada"))
    assert shown == "UserPoolTokens(username='ada', expires=2027-01-15T08:00:00Z, device=None)"


@pytest.mark.parametrize("send", [pickle.dumps, copy.copy, copy.deepcopy])
def test_a_federation_that_is_pickled_says_in_one_sentence_what_to_send_instead(make: Maker, send: object) -> None:
    assert callable(send)
    with pytest.raises(TypeError) as refused:
        send(make())
    sentence = str(refused.value)
    assert "cannot be pickled" in sentence
    assert "CognitoFederation.from_profile" in sentence
    assert "current_credentials()" in sentence
    assert "\n" not in sentence


def test_credentials_themselves_can_be_sent() -> None:
    assert pickle.loads(pickle.dumps(CREDENTIALS)) == CREDENTIALS
