"""A user pool's hosted pages: the usual browser sign-in, which asks for no password here."""

from __future__ import annotations

import pytest

from tests.sign_in.home import SignInHome

pytestmark = pytest.mark.thorough


@pytest.mark.parametrize("more", [{}, {"cognito_username": "ada", "cognito_grant": "auth-code"}])
def test_a_user_pool_signs_in_on_its_pages_unless_a_password_is_wanted(home: SignInHome, more: dict[str, str]) -> None:
    """The pages are the certified provider's: AWS's own are not available here, and `cognito_issuer` names it."""
    home.write(cognito_provider="user-pool", cognito_user_pool_id="eu-west-1_Hosted123", **more)
    done = home.login()
    assert done.code == 0, done.err
    assert "ada@example.com" in done.err
    assert "Password" not in done.err
    assert home.run("credential-process").code == 0
