"""Sessions, `install`, sign-out, profiles, and what importing costs."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import botocore.loaders
import botocore.session
import pytest

from botocore_cognito_federation import (
    CognitoFederation,
    ConfigurationError,
    NotSignedInError,
    SignInRequiredError,
    uninstall,
)
from botocore_cognito_federation.demo.world import World
from tests.application.conftest import Maker, Time
from tests.application.test_renewal import Handler, signed_in
from tests.home import rewritten


@pytest.fixture(autouse=True)
def _nothing_stays_installed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    yield
    uninstall()


def hello(client: Any, world: World) -> bytes:
    body: bytes = client.get_object(Bucket=world.bucket, Key=world.object_key)["Body"].read()
    return body


def test_clients_of_a_session_renew_their_credentials(world: World, make: Maker, clock: Time) -> None:
    federation = signed_in(world, make, handler := Handler(world))
    client = federation.session().client("s3")
    assert hello(client, world)
    clock.pass_by(3700)
    assert hello(client, world)
    assert handler.calls == 1


def test_a_session_has_the_pools_region_or_the_one_asked_for_and_takes_no_keys(make: Maker) -> None:
    assert make().session().region_name == "eu-west-1"
    assert make(region_name="eu-north-1").session().region_name == "eu-north-1"
    assert make().session(region_name="us-east-2").region_name == "us-east-2"
    with pytest.raises(ConfigurationError, match="keys"):
        make().session(aws_access_key_id="AKIA")


def test_sessions_read_each_of_botocores_models_once_and_share_nothing_else(
    make: Maker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(botocore.session, "create_loader", botocore.loaders.create_loader)  # as outside of the tests
    own = tmp_path / "home" / ".aws" / "models" / "sqs" / "2012-11-05"
    one, other = (make().botocore_session().get_component("data_loader") for _ in range(2))
    assert one.load_service_model("sns", "service-2") is other.load_service_model("sns", "service-2")
    assert one.search_paths is not other.search_paths
    own.mkdir(parents=True)
    (own / "service-2.json").write_text('{"metadata": {"mine": true}}')
    one.search_paths.insert(0, str(tmp_path / "home" / ".aws" / "models"))
    assert one.load_service_model("sqs", "service-2")["metadata"] == {"mine": True}
    assert "mine" not in other.load_service_model("sqs", "service-2")["metadata"]


def test_a_session_may_be_made_before_the_sign_in_and_never_falls_through_to_another_identity(
    world: World, make: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIASOMEBODYELSE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x" * 40)
    federation = make()
    client = federation.session().client("s3")
    with pytest.raises(NotSignedInError):
        hello(client, world)
    federation.federated_sign_in(world.provider.login_key, world.provider.issue())
    assert hello(client, world)
    federation.sign_out()
    with pytest.raises(NotSignedInError):
        hello(client, world)


def test_after_install_plain_clients_use_the_federation_before_keys_of_the_environment(
    world: World, make: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIASOMEBODYELSE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x" * 40)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    assert boto3.client("s3")._request_signer._credentials.access_key == "AKIASOMEBODYELSE"
    federation = signed_in(world, make)
    stop = federation.install()
    for session in (boto3, boto3.Session(), federation.session()):
        assert hello(session.client("s3"), world)
    keys = botocore.session.Session().get_credentials().get_frozen_credentials()
    assert keys.access_key == federation.current_credentials().access_key
    stop()
    assert botocore.session.Session().get_credentials().access_key == "AKIASOMEBODYELSE"
    assert boto3.Session().get_credentials().access_key == "AKIASOMEBODYELSE"


def test_install_leaves_sessions_with_keys_or_a_profile_of_their_own_alone(
    world: World, make: Maker, tmp_path: Path
) -> None:
    (tmp_path / "home" / ".aws").mkdir(exist_ok=True)
    (tmp_path / "home" / ".aws" / "credentials").write_text(
        "[other]\naws_access_key_id = AKIAOTHER\naws_secret_access_key = x\n"
    )
    signed_in(world, make).install()
    assert boto3.Session(profile_name="other").get_credentials().access_key == "AKIAOTHER"
    own = boto3.Session(aws_access_key_id="AKIAOWN", aws_secret_access_key="x")
    assert own.get_credentials().access_key == "AKIAOWN"


def test_the_last_installed_federation_counts_and_uninstall_takes_it_out(world: World, make: Maker) -> None:
    first, second = signed_in(world, make), make()
    second.federated_sign_in(world.provider.login_key, world.provider.issue("bob"))
    first.install()
    second.install()
    keys = boto3.Session().get_credentials().get_frozen_credentials()
    assert keys.access_key == second.current_credentials().access_key
    uninstall()
    assert boto3.Session().get_credentials() is None


def test_sign_out_forgets_everything_revokes_and_survives_a_revocation_that_fails(
    world: World, make: Maker, told: Any, tmp_path: Path
) -> None:
    class Revoking(Handler):
        revoked = 0

        def revoke(self) -> None:
            self.revoked += 1
            raise RuntimeError("the provider is away")

    federation = signed_in(world, make, handler := Revoking(world), cache="file")
    events = told(federation)
    token = federation.federated_info()["token"]
    federation.sign_out()
    assert handler.revoked == 1
    assert events[-1].name == "sign-out"
    assert events[-1].error is not None
    cache = tmp_path / "home" / ".aws" / "cognito-federation"
    assert not any(token in path.read_text(errors="replace") for path in cache.rglob("*.json"))
    for ask in (federation.current_credentials, federation.current_authenticated_user, federation.federated_info):
        with pytest.raises(NotSignedInError):
            ask()
    federation.federated_sign_in(world.provider.login_key, world.provider.issue())
    federation.sign_out(revoke=False)
    assert handler.revoked == 1


def test_what_sign_outs_leave_behind_is_removed_once_no_renewal_can_be_in_flight(
    world: World, make: Maker, tmp_path: Path
) -> None:
    federation = make(cache="file")
    marks = tmp_path / "home" / ".aws" / "cognito-federation" / "generations"

    def in_and_out() -> int:
        federation.federated_sign_in(world.provider.login_key, world.provider.issue())
        federation.sign_out()
        return len(list(marks.glob("*.json")))

    assert [in_and_out() for _ in range(3)] == [2, 4, 6]
    for path in marks.glob("*.json"):
        mark = rewritten(path)
        rewritten(path, **{name: value - 7200 for name, value in mark.items() if name.endswith("_at")})
    assert in_and_out() == 2


def test_from_profile_returns_what_the_command_line_returns_and_leaves_signing_in_to_it(
    world: World, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    world.write_home(home, "/nonexistent/cognito-federation")
    federation = CognitoFederation.from_profile("demo")
    world.reset_journal()
    credentials = federation.current_credentials()
    environment = {**world.environment(home), "PATH": "/usr/bin:/bin", "PYTHONPATH": str(Path.cwd())}
    command = [sys.executable, "-m", "botocore_cognito_federation", "credential-process", "--profile", "demo"]
    output = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=60).stdout
    assert credentials.access_key in output
    assert len(world.calls("GetCredentialsForIdentity")) == 1
    assert federation.current_authenticated_user()["email"] == "ada@example.com"
    assert hello(federation.session().client("s3"), world)
    with pytest.raises(ConfigurationError, match="login"):
        federation.federated_sign_in("google", "token")
    with pytest.raises(ConfigurationError, match="login"):
        federation.sign_in("ada", "password")
    heard: list[Any] = []
    federation.on("sign-out", heard.append)
    federation.sign_out()
    assert len(heard) == 1
    assert federation.current_credentials().access_key != credentials.access_key


def test_from_profile_of_an_interactive_profile_names_the_command_that_signs_in(world: World, tmp_path: Path) -> None:
    path = tmp_path / "home" / ".aws" / "config"
    path.parent.mkdir(exist_ok=True)
    path.write_text(
        f"[profile dev]\ncognito_identity_pool_id = {world.pool_id}\ncognito_provider = corp.example.com\n"
        "cognito_client_id = abc\n"
    )
    federation = CognitoFederation.from_profile("dev")
    with pytest.raises(SignInRequiredError, match="cognito-federation login --profile dev"):
        federation.current_credentials()
    federation.sign_out()
    with pytest.raises(ConfigurationError, match="no profile"):
        CognitoFederation.from_profile("none-such")


def test_from_profile_of_a_guest_knows_no_user_and_links_no_login(world: World, tmp_path: Path) -> None:
    world.write_home(tmp_path / "home", "/nonexistent/cognito-federation")
    federation = CognitoFederation.from_profile("guest")
    assert not federation.current_credentials().authenticated
    with pytest.raises(NotSignedInError, match=r"not an authenticated user.*cognito_provider"):
        federation.current_authenticated_user()
    world.reset_journal()
    with pytest.raises(ConfigurationError, match="signs in as its profile says"):
        federation.link(world.provider.login_key, world.provider.issue())
    assert world.calls() == []


def test_importing_the_package_is_free_and_a_token_sign_in_never_imports_requests(world: World, tmp_path: Path) -> None:
    script = (
        "import sys, botocore_cognito_federation as package\n"
        "assert 'botocore' not in sys.modules and 'json' not in sys.modules, 'import costs'\n"
        "package.handlers, package.Event, package.FederatedCredentials\n"
        "federation = package.CognitoFederation(sys.argv[1])\n"
        "federation.federated_sign_in(sys.argv[2], sys.stdin.read())\n"
        "federation.current_credentials()\n"
        "heavy = {'requests', 'jwt', 'click', 'http.server', 'boto3'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    environment = {**world.environment(tmp_path / "home"), "PYTHONPATH": str(Path.cwd())}
    subprocess.run(
        [sys.executable, "-c", script, world.pool_id, world.provider.login_key],
        env=environment,
        input=world.provider.issue(),
        text=True,
        check=True,
        timeout=60,
    )
