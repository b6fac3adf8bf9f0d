"""No answer of AWS, or of an impersonator, reaches a message with control characters or without a limit."""

from __future__ import annotations

import pytest

from botocore_cognito_federation.errors import CognitoFederationError
from tests.home import Home
from tests.user_pool import wire as w


def test_an_error_code_and_message_of_aws_are_cleaned_and_cut_where_they_enter(home: Home) -> None:
    code, message = "A\x1b[31mB" + "C" * 3000, "x\x1b]0;OWNED\x07\u202ey" + "d " * 3000
    home.world.fault("GetId", code=code, message=message, times=9)
    line = home.ask().refused(6)
    assert line.isprintable()
    assert len(line) < 700


@pytest.mark.parametrize("code", ["A\x1b[31mB", "C" * 3000])
def test_an_error_of_a_user_pool_is_cleaned_and_cut_where_it_enters(code: str) -> None:
    with w.serving() as wire:
        wire.answers["InitiateAuth"] = [w.error(code, "x\x1b]0;OWNED\x07\u202ey " * 300)]
        with pytest.raises(CognitoFederationError) as caught:
            wire.pool().sign_in("ada", "a password", auth_flow="USER_PASSWORD_AUTH")
    assert caught.value.line.isprintable()
    assert len(caught.value.line) < 700


def test_a_password_with_odd_characters_that_a_user_pool_quotes_is_masked_before_the_text_is_cleaned() -> None:
    password = "two  spaces\u200band more"
    with w.serving() as wire:
        wire.answers["InitiateAuth"] = [w.error("OddException", f"not {password} here")]
        with pytest.raises(CognitoFederationError) as caught:
            wire.pool().sign_in("ada", password, auth_flow="USER_PASSWORD_AUTH")
    assert "spaces" not in caught.value.line
