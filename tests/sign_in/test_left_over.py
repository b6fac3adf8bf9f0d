"""What an earlier configuration has left: `status` tells it apart, and `logout` ends it at its own provider."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from botocore_cognito_federation.cache.file import FileStore
from botocore_cognito_federation.cli.app import app
from botocore_cognito_federation.demo.world import World
from botocore_cognito_federation.errors import StorageError
from tests.home import rewritten
from tests.servers.oidc_provider import OidcProvider
from tests.sign_in.home import SignInHome

pytestmark = pytest.mark.thorough


def revoked(provider: OidcProvider) -> int:
    return len(provider.journal("grant revoked"))


@pytest.fixture
def corrected(home: SignInHome) -> SignInHome:
    """A home whose client ID was corrected after the sign-in."""
    assert home.login().code == 0
    return home.write(cognito_client_id="other")


def test_after_a_corrected_client_id_status_says_what_the_helper_says(corrected: SignInHome) -> None:
    assert corrected.ask("dev").code == 3
    assert corrected.run("status", "--check").code == 3
    shown = corrected.run("status").out
    assert "  an earlier configuration has left the sign-in of ada@example.com; logout ends it\n" in shown
    assert "  not signed in. Run: cognito-federation login --profile dev\n" in shown
    document = json.loads(corrected.run("status", "--json").out)
    assert document["needs_sign_in"] is True
    assert [entry["is_left_over"] for entry in document["sign_ins"]] == [True]
    (everywhere,) = json.loads(corrected.run("status", "--all", "--json").out)["sign_ins"]
    assert everywhere["is_left_over"] is True


@pytest.mark.parametrize("words", [("logout",), ("logout", "--session", "corp"), ("logout", "--all")], ids=" ".join)
def test_logout_ends_what_an_earlier_configuration_has_left_and_revokes_it_with_its_own_client(
    corrected: SignInHome, provider: OidcProvider, words: tuple[str, ...]
) -> None:
    before = revoked(provider)
    done = corrected.run(*words)
    assert done.code == 0, done.err
    assert "session corp, left by an earlier configuration: signed out ada@example.com\n" in done.err
    assert "no user was signed in" not in done.err
    assert "not revoked" not in done.err
    assert revoked(provider) == before + 1
    assert corrected.documents("sessions") == []
    assert "no user was signed in" in corrected.run("logout").err


def test_a_profile_that_names_a_session_now_leaves_nothing_of_its_own_behind(
    home: SignInHome, provider: OidcProvider
) -> None:
    keys = "".join(f"{key} = {value}\n" for key, value in home.session.items())
    home.config.write_text(f"[profile dev]\nregion = eu-west-1\n{keys}")
    assert home.login().code == 0
    home.write()
    assert "has left the sign-in of ada@example.com" in home.run("status").out
    before = revoked(provider)
    assert "profile dev, left by an earlier configuration: signed out" in home.run("logout").err
    assert revoked(provider) == before + 1
    assert home.documents("sessions") == home.documents("credentials") == []


def test_a_session_that_no_section_has_any_more_belongs_to_the_profile_that_signed_in(home: SignInHome) -> None:
    assert home.login().code == 0
    keys = "".join(f"{key} = {value}\n" for key, value in home.session.items())
    home.config.write_text(f"[profile dev]\nregion = eu-west-1\n{keys}")
    assert "session corp, left by an earlier configuration: signed out" in home.run("logout").err
    assert home.documents("sessions") == []


def test_a_session_that_other_profiles_still_name_is_not_touched(home: SignInHome) -> None:
    assert home.login().code == 0
    keys = "".join(f"{key} = {value}\n" for key, value in home.session.items())
    home.config.write_text(
        f"[profile dev]\nregion = eu-west-1\n{keys}\n[profile other]\ncognito_session = corp\n"
        f"\n[cognito-session corp]\n{keys}"
    )
    assert "no user was signed in" in home.run("logout", "dev").err
    assert len(home.documents("sessions")) == 1
    assert home.run("status", "--check", "--profile", "other").code == 0


def test_what_an_older_version_has_left_is_forgotten_and_the_reason_is_true(corrected: SignInHome) -> None:
    rewritten(*corrected.documents("sessions"), made_with=None)
    done = corrected.run("logout")
    assert "not revoked: nothing says any more at which provider it was made\n" in done.err
    assert corrected.documents("sessions") == []


def test_a_cache_that_cannot_be_written_renews_nothing(home: SignInHome, monkeypatch: pytest.MonkeyPatch) -> None:
    """Root writes everywhere, so the place only says that it cannot be written."""
    home.login()
    for name, value in home.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(FileStore, "why_unusable", lambda _: StorageError("It cannot be written"))
    shown = CliRunner().invoke(app, ["status"]).output
    assert "renews itself" not in shown
    assert "the cache cannot be written, so nothing renews it" in shown


def test_cache_clear_forgets_the_credentials_of_what_is_left_too(
    home: SignInHome, world: World, tmp_path: Path
) -> None:
    keys = "".join(f"{key} = {value}\n" for key, value in home.session.items())
    home.config.write_text(f"[profile dev]\nregion = eu-west-1\n{keys}")
    assert home.login().code == 0
    assert len(home.documents("credentials")) == 1
    home.write()
    assert home.run("cache", "clear", "dev").code == 0
    assert home.documents("credentials") == []
