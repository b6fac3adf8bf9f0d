"""A world in another process: run in the foreground, controlled over HTTP, stopped by a signal without leftovers."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import jwt
import pytest

from botocore_cognito_federation.demo import RemoteWorld, World
from botocore_cognito_federation.demo.driving import DrivenWorld
from botocore_cognito_federation.errors import ConfigurationError, TemporaryError

pytestmark = pytest.mark.thorough

PROGRAM = "from botocore_cognito_federation.demo.serve import serve; serve(executable='/bin/true')"


@pytest.fixture
def remote(world: World) -> RemoteWorld:
    return RemoteWorld(world.endpoint_url).connect()


@pytest.fixture
def world_process(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], list[str]]]:
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line.rstrip("\n"))
        if "Ctrl-C" in line:
            break
    yield process, lines
    process.kill()
    process.wait()
    process.stdout.close()
    if process.stderr:
        process.stderr.close()


def test_it_has_every_member_of_a_driven_world(world: World, remote: RemoteWorld) -> None:
    names = {name for name in dir(DrivenWorld) if not name.startswith("_")} | set(DrivenWorld.__annotations__)
    assert {name for name in names if not hasattr(remote, name)} == set()
    assert remote.facts == world.facts
    assert remote.admin_credentials == world.admin_credentials


def test_its_tokens_are_the_providers(world: World, remote: RemoteWorld, cognito: Any) -> None:
    for provider in (remote.provider, remote.second_provider):
        token = provider.issue("bob", lifetime=60, nickname="Bobby")
        claims = jwt.decode(token, options={"verify_signature": False})
        assert (claims["sub"], claims["nickname"], claims["iss"]) == ("bob", "Bobby", provider.issuer)
        assert cognito.get_id(IdentityPoolId=remote.pool_id, Logins={provider.login_key: token})


def test_its_journal_is_the_worlds(world: World, remote: RemoteWorld, sign_in: Any) -> None:
    sign_in()
    assert remote.calls() == world.calls()
    assert remote.calls("GetId") == world.calls("GetId")
    remote.reset_journal()
    assert world.calls() == []


def test_its_controls_move_the_world(
    world: World, remote: RemoteWorld, cognito: Any, logins: Any, refused: Any
) -> None:
    remote.clock_offset = 100.5
    assert (remote.clock_offset, world.clock_offset) == (100.5, 100.5)
    remote.credential_lifetime = 42
    assert (remote.credential_lifetime, world.credential_lifetime) == (42, 42)
    remote.fault("GetId", code="Broken", times=2)
    assert refused(cognito.get_id, IdentityPoolId=remote.pool_id).code == "Broken"
    remote.clear_faults()
    known = cognito.get_id(IdentityPoolId=remote.pool_id, Logins=logins())["IdentityId"]
    remote.forget_identities()
    assert cognito.get_id(IdentityPoolId=remote.pool_id, Logins=logins())["IdentityId"] != known
    remote.disable_provider()
    assert "supported provider" in refused(cognito.get_id, IdentityPoolId=remote.pool_id, Logins=logins()).message
    remote.enable_provider()
    stale = logins()
    remote.rotate_keys()
    assert "verify" in refused(cognito.get_id, IdentityPoolId=remote.pool_id, Logins=stale).message
    remote.provider.rotate_keys(keep_old=True)
    assert cognito.get_id(IdentityPoolId=remote.pool_id, Logins=logins())


def test_pools_issuers_and_opaque_tokens_can_be_added(remote: RemoteWorld, cognito: Any) -> None:
    pool_id = remote.add_pool(allow_guests=True, guest_role=remote.guest_role_arn, custom_roles=[remote.other_role_arn])
    guest = cognito.get_id(IdentityPoolId=pool_id)["IdentityId"]
    assert cognito.get_credentials_for_identity(IdentityId=guest)["Credentials"]
    remote.register_opaque_token("www.amazon.com", "Atza|remote", "amzn1.account.ADA")
    assert cognito.get_id(IdentityPoolId=pool_id, Logins={"www.amazon.com": "Atza|remote"})
    assert remote.trust_issuer("https://idp.example/realms/x/", ["client"]) == "idp.example/realms/x"


def test_wrong_arguments_are_a_configuration_error(remote: RemoteWorld) -> None:
    with pytest.raises(ConfigurationError, match="refuses this control"):
        remote.fault("GetId", status=9000)
    with pytest.raises(ConfigurationError, match="other-key"):
        remote.provider.issue(flaw="nonsense")  # type: ignore[arg-type]  # the point of the test


def test_a_world_that_is_gone_is_a_temporary_error() -> None:
    with World() as gone:
        url = gone.endpoint_url
    with pytest.raises(TemporaryError, match="still running"):
        RemoteWorld(url).connect()


@pytest.mark.parametrize(
    "headers", [{"Origin": "https://evil.example"}, {"Host": "evil.example"}, {"Host": "127.0.0.1.evil.example:80"}]
)
def test_the_controls_answer_no_web_page(world: World, headers: dict[str, str]) -> None:
    with pytest.raises(HTTPError) as caught:
        urlopen(Request(f"{world.endpoint_url}/_demo/world", headers=headers))
    assert caught.value.code == 403
    assert world.facts.admin_secret_access_key not in caught.value.read().decode()


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "localhost:80"])
def test_the_controls_answer_this_machine_with_and_without_a_port(world: World, host: str) -> None:
    with urlopen(Request(f"{world.endpoint_url}/_demo/world", headers={"Host": host})) as answer:
        assert json.load(answer)["pool_id"] == world.pool_id


@pytest.mark.parametrize(("path", "body"), [("nothing", None), ("nothing", b"{}")])
def test_an_unknown_control_is_not_found(world: World, path: str, body: bytes | None) -> None:
    with pytest.raises(HTTPError) as caught:
        urlopen(Request(f"{world.endpoint_url}/_demo/{path}", body))
    assert caught.value.code == 404


@pytest.mark.parametrize("body", [b"no json", b"[]", b'{"surprise": 1}'])
def test_arguments_that_are_no_object_of_known_names_are_a_bad_request(world: World, body: bytes) -> None:
    with pytest.raises(HTTPError) as caught:
        urlopen(Request(f"{world.endpoint_url}/_demo/clock", body))
    assert caught.value.code == 400
    assert json.loads(caught.value.read())["error"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_world_in_the_foreground_can_be_used_and_leaves_nothing_behind(
    world_process: tuple[subprocess.Popen[str], list[str]], tmp_path: Path, number: signal.Signals
) -> None:
    process, lines = world_process
    exports = dict(shlex.split(line)[1].split("=", 1) for line in lines if line.startswith("export "))
    assert Path(exports["AWS_CONFIG_FILE"]).read_text().startswith("[profile demo]")
    assert Path(exports["AWS_CONFIG_FILE"]).is_relative_to(tmp_path)
    remote = RemoteWorld(exports["AWS_ENDPOINT_URL"]).connect()
    assert remote.provider.issue()
    process.send_signal(number)
    assert process.wait(20) == 0
    assert process.stderr is not None
    assert process.stderr.read() == ""
    assert [path.name for path in tmp_path.iterdir()] == []


def test_driving_a_world_needs_no_moto(tmp_path: Path, world: World) -> None:
    program = (
        "import sys; sys.modules.update(moto=None, werkzeug=None, flask=None)\n"
        "from botocore_cognito_federation.demo import RemoteWorld\n"
        f"print(len(RemoteWorld({world.endpoint_url!r}).connect().provider.issue()))\n"
        "try:\n    from botocore_cognito_federation.demo import World\n"
        "except Exception as error:\n    print(type(error).__name__, error)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    first, second = done.stdout.splitlines()
    assert int(first) > 300
    assert second.startswith("ConfigurationError")
    assert 'pip install "botocore-cognito-federation[demo]"' in second
