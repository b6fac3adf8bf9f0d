"""Renewing by hand although nothing has expired, and signing in only where that is needed."""

from __future__ import annotations

import pytest

from botocore_cognito_federation.demo.world import World
from tests.home import rewritten
from tests.servers.oidc_provider import OidcProvider
from tests.sign_in.home import SignInHome, renewals

pytestmark = pytest.mark.thorough


def test_refresh_renews_token_and_credentials_although_neither_has_expired(
    home: SignInHome, provider: OidcProvider, world: World
) -> None:
    home.login()
    before, first = renewals(provider), home.session_document()
    key = home.ask("dev").document["AccessKeyId"]
    done = home.run("refresh", "dev")
    assert (done.code, done.out) == (0, "")
    assert done.err.startswith("Renewed session corp: AWS credentials until ")
    assert renewals(provider) == before + 1
    # Two tokens of one second are equal, letter by letter; a refresh token is never given twice.
    assert home.session_document()["refresh_token"] != first["refresh_token"]
    assert home.ask("dev").document["AccessKeyId"] != key
    assert renewals(provider) == before + 1


def test_a_refresh_that_fails_leaves_what_there_was(home: SignInHome, provider: OidcProvider, world: World) -> None:
    home.login()
    key = home.ask("dev").document["AccessKeyId"]
    world.fault("GetCredentialsForIdentity", times=20, status=500, code="InternalErrorException")
    assert home.run("refresh", "dev").code == 7
    assert home.ask("dev").document["AccessKeyId"] == key


def test_where_no_user_is_signed_in_refresh_names_the_command(home: SignInHome) -> None:
    assert "login --profile dev" in home.run("refresh", "dev").refused(3)


def test_login_if_needed_signs_in_once(home: SignInHome, provider: OidcProvider) -> None:
    first = home.login("--if-needed")
    assert first.code == 0, first.err
    assert "Signed in as" in first.err
    before = home.session_document()
    again = home.run("login", "--if-needed", "--profile", "dev")
    assert (again.code, again.out) == (0, "")
    assert again.err.endswith("is signed in already, session corp\n")
    assert home.session_document() == before
    assert home.run("login", "--if-needed", "--session", "corp").err == again.err


def test_login_if_needed_signs_in_where_the_provider_has_ended_the_sign_in(
    home: SignInHome, provider: OidcProvider
) -> None:
    home.login()
    (path,) = home.documents("sessions")
    rewritten(path, refresh_token="ended", token_expires_at=1.0)
    for credentials in home.documents("credentials"):
        credentials.unlink()
    done = home.login("--if-needed")
    assert "Signed in as" in done.err, done


def test_a_profile_that_needs_no_sign_in_is_told_so(home: SignInHome, world: World) -> None:
    world.write_token(home.path, subject="job")
    home.section(
        "profile job",
        cognito_identity_pool_id=world.pool_id,
        cognito_endpoint_url=world.endpoint_url,
        cognito_provider=world.provider.login_key,
        cognito_issuer=world.provider.issuer,
        cognito_token_file=str(home.token),
    )
    done = home.run("login", "job", "--if-needed")
    assert (done.code, done.err) == (0, "No sign-in is needed, profile job\n")
