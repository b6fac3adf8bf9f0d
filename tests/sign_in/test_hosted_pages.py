"""A user pool's hosted pages: the usual browser sign-in, which asks for no password here."""

from __future__ import annotations

from pathlib import Path

import pytest

from botocore_cognito_federation.demo.world import World
from tests.servers import oidc_provider
from tests.sign_in.home import SignInHome, later, renewals

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


def test_a_sign_in_outlives_that_pool_create_writes_the_user_pool_into_an_older_profile(
    tmp_path: Path, world: World
) -> None:
    """Before, `pool create` named the user pool by its domain alone."""
    with oidc_provider.running(OP_PREFIX="/eu-west-1_Hosted123") as provider:
        home = SignInHome(tmp_path / "home", world, provider)
        keys = {name.upper(): value for name, value in world.admin_credentials.items()}
        of_user_pool = ("--provider", "user-pool", "--user-pool-id", "eu-west-1_Hosted123")
        flags = ("--name", "hosted", "--region", "eu-west-1", *of_user_pool, "--issuer", provider.issuer)
        create = ("pool", "create", *flags, "--client-id", "native", "--yes", "--offline")
        made = home.write().run(*create, **keys)
        assert made.code == 0, made.err
        world.trust_issuer(provider.issuer, ["native"])
        home.profile_keys = {
            "cognito_identity_pool_id": made.out.strip(),
            "cognito_provider": "cognito-idp.eu-west-1.amazonaws.com/eu-west-1_Hosted123",
            "cognito_issuer": provider.issuer,
            "cognito_client_id": "native",
            "cognito_redirect_ports": "0",
            # A user pool gives a refresh token without these.
            "cognito_scopes": "openid email profile offline_access",
            "cognito_auth_params": "prompt=consent",
        }
        home.write()
        signed_in = home.login()
        assert signed_in.code == 0, signed_in.err
        before = home.run("credential-process").document["AccessKeyId"]

        again = home.run(*create, "--profile", "dev", **keys)
        assert again.code == 0, again.err
        assert "Corrected: Profile dev lacks cognito_provider, cognito_user_pool_id" in again.err
        assert again.err.splitlines()[-1] == "ada@example.com is signed in with profile dev, and stays so"
        assert "cognito_provider = user-pool" in home.config.read_text()
        assert home.run("credential-process").document["AccessKeyId"] == before
        renewed = later(home, 7200, "credential-process")
        assert renewed.code == 0, renewed.err
        assert (renewed.document["AccessKeyId"] != before, renewals(provider)) == (True, 1)
