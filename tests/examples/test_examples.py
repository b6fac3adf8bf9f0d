"""Every example in `docs/examples`, run as by a user."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from botocore_cognito_federation import FederatedUsers, UserPoolTokens
from botocore_cognito_federation.demo.world import World
from tests.application.test_user_pool_federation import made
from tests.cache import engines
from tests.examples import backends
from tests.examples.conftest import EXAMPLES, Run
from tests.servers import ministack as ministack_server
from tests.user_pool.live_pool import PASSWORD, totp

pytestmark = pytest.mark.thorough


def test_google_id_token(world: World, run: Run) -> None:
    assert "Ada is eu-west-1:" in run("google_id_token", GOOGLE_ID_TOKEN=world.provider.issue("ada"))
    said = run("google_id_token", status=1, GOOGLE_ID_TOKEN=world.provider.issue("ada", flaw="wrong-audience"))
    assert said.startswith("Not signed in: ")
    assert "Traceback" not in said


def test_facebook_access_token(world: World, run: Run) -> None:
    world.register_opaque_token("graph.facebook.com", "EAAB-example", "fb-ada", 3600)
    options = {"FACEBOOK_APP_ID": "1", "FACEBOOK_APP_SECRET": "s"}
    assert run("facebook_access_token", FACEBOOK_ACCESS_TOKEN="EAAB-example", **options).startswith(
        "Ada has eu-west-1:"
    )


def test_auth0_refresh_handler(world: World, run: Run) -> None:
    said = run(
        "auth0_refresh_handler",
        AUTH0_DOMAIN=world.provider.login_key,
        AUTH0_ID_TOKEN=world.provider.issue("ada", lifetime=30, iat=int(time.time()) - 3570),
        AUTH0_TOKEN_URL=f"{world.provider.issuer}/token?subject=ada",
    )
    assert said.startswith("Ada\n20")
    assert len(world.calls("provider:token")) == 1


def test_developer_identities(world: World, run: Run, tmp_path: Path) -> None:
    keys = world.admin_credentials
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws" / "credentials").write_text(
        "[backend]\n" + "".join(f"{name} = {value}\n" for name, value in keys.items())
    )
    said = run(
        "developer_identities",
        DEVELOPER_PROVIDER=world.developer_provider,
        DEVELOPER_USER="user-1",
        BACKEND_PROFILE="backend",
    )
    assert said.startswith("eu-west-1:")


def test_read_the_cached_token(world: World, run: Run) -> None:
    assert "set LOGIN_TOKEN" in run("read_the_cached_token", status=1)
    token = world.provider.issue("ada")
    first = run("read_the_cached_token", LOGIN_TOKEN=token)
    assert f"{len(token)} characters" in first
    assert run("read_the_cached_token") == first


def test_subscribe_to_events(world: World, run: Run) -> None:
    said = run("subscribe_to_events", LOGIN_TOKEN=world.provider.issue("ada")).splitlines()
    assert [line.split()[0] for line in said] == ["sign-in-failure", "sign-in", "sign-out"]


def test_lambda_trigger_metadata(run: Run, tmp_path: Path) -> None:
    with ministack_server.running(tmp_path) as server:
        journal = tmp_path / "journal"
        site = made(server, journal=journal)
        site.live.add_user()
        said = run(
            "lambda_trigger_metadata",
            IDENTITY_POOL_ID=site.identity_pool_id,
            USER_POOL_ID=site.live.pool_id,
            USER_POOL_CLIENT_ID=site.live.client_id,
            POOL_USERNAME="ada",
            POOL_PASSWORD=PASSWORD,
            COGNITO_IDP_ENDPOINT_URL=server.endpoint_url,
        )
        assert said.startswith("eu-west-1:")
        events = [json.loads(line) for line in journal.read_text().splitlines()]
        seen = [event["request"].get("clientMetadata") for event in events]
        assert {"app": "reports"} in seen


def test_user_pool_accounts(run: Run, tmp_path: Path) -> None:
    with ministack_server.running(tmp_path) as server:
        site = made(server)
        variables = {
            "IDENTITY_POOL_ID": site.identity_pool_id,
            "USER_POOL_ID": site.live.pool_id,
            "USER_POOL_CLIENT_ID": site.live.client_id,
            "POOL_USERNAME": "ada",
            "POOL_PASSWORD": PASSWORD,
            "COGNITO_IDP_ENDPOINT_URL": server.endpoint_url,
        }
        first = run("user_pool_accounts", typed="123456\n", POOL_EMAIL="ada@example.com", **variables)
        signed_in = site.live.user_pool().sign_in("ada", PASSWORD)
        assert isinstance(signed_in, UserPoolTokens)
        secret = site.live.require_totp(signed_in.access_token)
        code = totp(secret)
        wrong = f"{(int(code) + 500_000) % 10**6:06d}"
        second = run("user_pool_accounts", typed=f"{wrong}\n{code}\n", **variables)
        assert second.count("SOFTWARE_TOKEN_MFA") == 2
        assert first.splitlines()[-1] == second.splitlines()[-1]
        assert first.splitlines()[-1].startswith("ada is eu-west-1:")


def test_service_clients(world: World, run: Run) -> None:
    token = world.provider.issue("ada")
    assert run("service_clients", LOGIN_TOKEN=token, BUCKET=world.bucket).split() == ["1", "1", "1"]


#: Examples of what a browser's library has no page about.
OF_SERVERS = {"backend_fastapi", "backend_flask", "etl_s3fs", "worker_celery"}


def test_every_example_is_run_and_says_which_part_of_the_page_it_answers() -> None:
    with_aiobotocore = (Path(__file__).parents[1] / "aio" / "test_examples.py").read_text()
    for path in EXAMPLES.glob("*.py"):
        assert f"test_{path.stem}" in globals() or f"def test_{path.stem}(" in with_aiobotocore
        assert path.stem in OF_SERVERS or 'Answers "' in path.read_text()


def test_backend_flask(world: World, tmp_path: Path) -> None:
    pytest.importorskip("flask")
    with backends.running(world, tmp_path, "flask", "--app", "backend_flask", "run", "--port") as url:
        backends.check_two_users_at_the_same_time(world, url)
        backends.check_what_a_user_is_told(world, url)


@pytest.mark.skipif(shutil.which("redis-server") is None, reason="no redis-server")
def test_worker_celery(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two users hand a task each to a worker process, which writes as the one whose handle it got."""
    celery = pytest.importorskip("celery")
    broker = f"redis://127.0.0.1:{engines.redis_port()}/7"
    for name, value in world.environment(tmp_path).items():
        monkeypatch.setenv(name, value)
    users = FederatedUsers(world.pool_id, cache="file")
    keys, app = {}, celery.Celery(broker=broker)
    people = [users.federation() for _ in range(2)]
    for name, user in zip(("ada", "bob"), people, strict=True):
        credentials = user.federated_sign_in(world.provider.login_key, world.provider.issue(name))
        keys[credentials.access_key] = name
        app.send_task("report", [user.handle, name])
    world.reset_journal()
    environment = {
        **world.environment(tmp_path),
        "PATH": "/usr/bin:/bin",
        "PYTHONPATH": f"{EXAMPLES.parents[1]}:{EXAMPLES}",
        "AWS_DEFAULT_REGION": world.region,
        "BROKER_URL": broker,
        "IDENTITY_POOL_ID": world.pool_id,
        "BUCKET": world.bucket,
    }
    command = [sys.executable, "-m", "celery", "--app", "worker_celery", "worker", "--pool", "threads"]
    worker = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, cwd=tmp_path)
    try:
        for _ in range(600):
            written = world.calls("PutObject")
            if len(written) == 2:
                break
            assert worker.poll() is None, worker.communicate()[1].decode()
            time.sleep(0.05)
    finally:
        worker.kill()
        worker.communicate(timeout=60)
    assert sorted(keys[call.access_key] for call in written) == ["ada", "bob"]
