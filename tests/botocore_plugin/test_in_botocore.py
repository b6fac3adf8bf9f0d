"""In botocore: the chain, its parents, threads, forks and recursion; a managed profile never gets another identity."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import boto3
import botocore.session
import pytest
from botocore.credentials import CredentialResolver

import botocore_cognito_federation as federation
from botocore_cognito_federation._util.concurrency import ForkSafeLock
from botocore_cognito_federation._util.processes import environment_for_children, environment_without_chain
from botocore_cognito_federation.botocore_plugin import provider, shared
from botocore_cognito_federation.botocore_plugin import provider as chain
from botocore_cognito_federation.botocore_plugin.credentials import RefreshableCognitoCredentials
from botocore_cognito_federation.errors import CognitoFederationError, ConfigurationError, FederationRefusedError


def methods(session) -> list[str]:
    return [each.METHOD for each in session.get_component("credential_provider").providers]


def cache_key(profile: str) -> str:
    return boto3.Session(profile_name=profile).get_credentials().get_frozen_credentials().access_key


def test_the_provider_stands_right_before_custom_process(inside):
    stock = methods(botocore.session.Session())
    federation.install()
    federation.install()
    chain = methods(botocore.session.Session())
    place = chain.index("custom-process")
    assert chain[place - 1] == "cognito-federation"
    assert [name for name in chain if name != "cognito-federation"] == stock
    federation.uninstall()
    federation.uninstall()
    assert methods(botocore.session.Session()) == stock


def test_natively_no_process_is_started_and_buckets_are_listed(inside, monkeypatch):
    federation.install()
    monkeypatch.setattr("subprocess.Popen", None)
    buckets = boto3.Session(profile_name="demo").client("s3").list_buckets()["Buckets"]
    assert [bucket["Name"] for bucket in buckets] == [inside.world.bucket]
    assert boto3.Session(profile_name="demo").get_credentials().method == "cognito-federation"


def test_natively_and_through_credential_process_it_is_one_set_of_credentials(inside):
    through_process = cache_key("demo")
    federation.install()
    assert cache_key("demo") == through_process
    assert inside.spent == (1, 1)


@pytest.mark.parametrize("installed", [True, False], ids=["native", "process"])
def test_role_arn_with_source_profile_works(inside, installed):
    if installed:
        federation.install()
    profile = "chained-native" if installed else "chained"
    session = boto3.Session(profile_name=profile)
    assert session.client("sts").get_caller_identity()["Arn"].split("/")[-2] == "DemoChained"
    assert inside.spent == (1, 1)


def test_variables_do_not_touch_the_parent_of_a_source_profile(inside, monkeypatch):
    federation.install()
    monkeypatch.setenv("COGNITO_FEDERATION_ROLE_ARN", "arn:aws:iam::111122223333:role/Nobody")
    session = boto3.Session(profile_name="chained-native")
    assert session.client("sts").get_caller_identity()["Arn"].split("/")[-2] == "DemoChained"


def test_a_default_session_made_before_install_gets_the_provider(inside, monkeypatch):
    monkeypatch.setenv("AWS_PROFILE", "demo-native")
    boto3.setup_default_session()
    assert boto3.DEFAULT_SESSION.get_credentials() is None
    federation.install()
    assert boto3.client("s3").list_buckets()["Buckets"]
    federation.uninstall()
    assert "cognito-federation" not in methods(boto3.DEFAULT_SESSION._session)


def test_profiles_that_are_not_managed_are_left_to_the_stock_chain(inside):
    inside.section("profile static", aws_access_key_id="AKIASTATIC", aws_secret_access_key="x")
    federation.install()
    assert cache_key("static") == "AKIASTATIC"
    assert boto3.Session(profile_name="static").get_credentials().method == "config-file"


def test_keys_in_the_environment_win_as_they_do_over_credential_process(inside, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAENV")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    monkeypatch.setenv("AWS_PROFILE", "demo-native")
    federation.install()
    assert boto3.Session().get_credentials().access_key == "AKIAENV"
    assert cache_key("demo-native").startswith("ASIA")


def test_sessions_and_clients_of_one_profile_share_one_object(inside):
    federation.install()
    objects = {id(boto3.Session(profile_name="demo").get_credentials()) for _ in range(5)}
    assert len(objects) == 1
    for _ in range(3):
        boto3.Session(profile_name="demo").client("s3").list_buckets()
    assert inside.spent == (1, 1)


def test_sessions_with_another_token_in_the_variable_share_nothing(inside, monkeypatch):
    federation.install()
    inside.profile("ci", cognito_token_env="CI_TOKEN")
    keys, tokens = [], {who: inside.world.provider.issue(who) for who in ("ada", "bob")}
    for who in ("ada", "bob", "ada"):
        monkeypatch.setenv("CI_TOKEN", tokens[who])
        keys.append(cache_key("ci"))
    assert keys[0] == keys[2] != keys[1]
    assert inside.spent == (2, 2)


def test_a_worker_that_sets_a_token_for_each_job_shares_the_last_few_objects(inside, monkeypatch):
    federation.install()
    inside.profile("ci", cognito_token_env="CI_TOKEN")
    monkeypatch.setattr(shared, "_MOST_SHARED", 2)
    tokens = [inside.world.provider.issue(who) for who in ("ada", "bob", "eve")]
    held = []
    for token in (*tokens, tokens[1], tokens[0]):
        monkeypatch.setenv("CI_TOKEN", token)
        held.append(boto3.Session(profile_name="ci").get_credentials())
    assert len(shared._shared) == 2
    assert held[3] is held[1]
    assert held[4] is not held[0]
    assert held[4].get_frozen_credentials() == held[0].get_frozen_credentials()


def test_a_client_never_gets_another_users_credentials_when_the_variable_changes(inside, monkeypatch):
    federation.install()
    inside.profile("ci", cognito_token_env="CI_TOKEN")
    monkeypatch.setenv("CI_TOKEN", inside.world.provider.issue("ada"))
    held = boto3.Session(profile_name="ci").get_credentials()
    first = held.get_frozen_credentials().access_key
    held._refresh_at = 0
    monkeypatch.setenv("CI_TOKEN", inside.world.provider.issue("bob"))
    with pytest.raises(federation.FederationRefusedError, match="another user's token"):
        held.get_frozen_credentials()
    monkeypatch.setenv("CI_TOKEN", inside.world.provider.issue("ada", jti="a renewed one"))
    assert held.get_frozen_credentials().access_key != first
    assert inside.spent == (1, 2)


def test_credentials_first_used_after_the_variable_changed_are_no_other_users(inside, monkeypatch):
    profile = inside.profile("ci", cognito_token_env="CI_TOKEN")
    federation.install()
    monkeypatch.setenv("CI_TOKEN", inside.world.provider.issue("ada"))
    of_ada = boto3.Session(profile_name=profile).get_credentials()
    monkeypatch.setenv("CI_TOKEN", inside.world.provider.issue("bob"))
    with pytest.raises(FederationRefusedError, match="another user's token"):
        of_ada.get_frozen_credentials()
    assert boto3.Session(profile_name=profile).get_credentials().get_frozen_credentials().access_key


def test_a_client_goes_on_with_the_next_opaque_token(inside):
    world = inside.world
    world.register_opaque_token("graph.facebook.com", "opaque-1", "ada")
    world.register_opaque_token("graph.facebook.com", "opaque-2", "ada")
    federation.install()
    inside.token.write_text("opaque-1")
    keys = (
        f"cognito_identity_pool_id = {world.pool_id}",
        "cognito_provider = facebook",
        f"cognito_token_file = {inside.token}",
        f"cognito_endpoint_url = {world.endpoint_url}",
    )
    with inside.config.open("a") as config:
        config.write("\n".join(("", "[profile fb]", "region = eu-west-1", *keys, "")))
    held = boto3.Session(profile_name="fb").get_credentials()
    first = held.get_frozen_credentials().access_key
    inside.token.write_text("opaque-2")
    held._refresh_at = 0
    assert held.get_frozen_credentials().access_key != first


def in_threads(count: int, ask) -> list[object]:
    results: list[object] = []
    start = threading.Barrier(count)

    def run() -> None:
        start.wait()
        try:
            results.append(ask())
        except Exception as error:
            results.append(error)

    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(results) == count
    return results


def test_32_threads_make_one_exchange(inside):
    federation.install()
    session = boto3.Session(profile_name="demo")
    keys = in_threads(32, lambda: session.get_credentials().get_frozen_credentials().access_key)
    assert len(set(keys)) == 1
    assert inside.spent == (1, 1)


@pytest.mark.thorough
def test_32_threads_share_one_failure(inside):
    federation.install()
    inside.world.fault("GetId", times=99, delay=0.3, code="ResourceNotFoundException", message="IdentityPool 'x' ...")
    credentials = boto3.Session(profile_name="demo").get_credentials()
    errors = in_threads(32, credentials.get_frozen_credentials)
    assert {type(error) for error in errors} == {FederationRefusedError}
    assert inside.count("GetId") == 1
    assert len({id(error) for error in errors}) == 32
    with pytest.raises(FederationRefusedError):
        credentials.get_frozen_credentials()
    assert inside.count("GetId") == 2


def test_a_failed_first_fetch_is_not_cached(inside):
    federation.install()
    inside.world.fault("GetId", code="ResourceNotFoundException", message="IdentityPool 'x' not found.")
    credentials = boto3.Session(profile_name="demo").get_credentials()
    with pytest.raises(FederationRefusedError):
        credentials.get_frozen_credentials()
    assert credentials.get_frozen_credentials().access_key.startswith("ASIA")


@pytest.mark.thorough
def test_a_child_forked_during_a_renewal_gets_credentials_too(home):
    home.world.fault("GetId", delay=1.5)
    done = home.python("""
        import os, threading, time, boto3, botocore_cognito_federation
        botocore_cognito_federation.install()
        credentials = boto3.Session(profile_name="demo").get_credentials()
        renewing = threading.Thread(target=credentials.get_frozen_credentials)
        renewing.start()
        time.sleep(0.7)
        child = os.fork()
        key = credentials.get_frozen_credentials().access_key
        os.write(1, (key + "\\n").encode())
        if child == 0:
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        renewing.join()
    """)
    assert done.code == 0, done
    first, second = done.out.decode().split()
    assert first == second
    assert home.spent == (1, 1)


def test_a_lock_held_at_the_fork_is_open_in_the_child_and_one_for_all_its_threads(monkeypatch):
    lock = ForkSafeLock()
    assert lock.acquire(0)
    assert not lock.acquire(0)
    monkeypatch.setattr("os.getpid", lambda: -1)
    assert lock.acquire(0)
    assert not lock.acquire(0)
    lock.release()
    monkeypatch.undo()
    assert not lock.acquire(0)
    lock.release()
    assert lock.acquire(0)


def test_botocore_never_sees_credentials_whose_renewal_failed_as_long_as_they_are_usable(inside):
    result = inside.federation().fetch()
    clock = [result.refresh_at - 1]
    asked: list[float] = []

    def fetch():
        asked.append(clock[0])
        return result if len(asked) == 1 else inside.federation().fetch()

    credentials = RefreshableCognitoCredentials(fetch, lambda: clock[0])
    for _ in range(1000):
        credentials.get_frozen_credentials()
    assert len(asked) == 1
    assert credentials.refresh_needed() is False


# Registration that fails leaves the stock chain (invariant 15)


def test_where_registration_fails_the_stock_chain_is_left(inside, monkeypatch):
    stock = methods(botocore.session.Session())

    def broken(*_, **__):
        raise RuntimeError("broken")

    monkeypatch.setattr(chain, "_made", broken)
    federation.install()
    assert methods(botocore.session.Session()) == stock
    assert cache_key("demo").startswith("ASIA")


def test_a_chain_without_assume_role_is_left_as_it_is_and_install_does_not_raise(inside):
    boto3.setup_default_session()
    session = boto3.DEFAULT_SESSION._session
    stock = session.get_component("credential_provider").providers
    own = CredentialResolver([each for each in stock if each.METHOD != "assume-role"])
    session.register_component("credential_provider", own)
    before = methods(session)
    federation.install()
    assert methods(session) == before


# A managed profile never gets another identity (invariant 15)


@pytest.fixture
def other_identity(monkeypatch) -> Iterator[list[str]]:
    """An instance-metadata service and a container endpoint later in the chain, with another identity."""
    asked: list[str] = []
    document = {
        "Code": "Success",
        "AccessKeyId": "AKIAANOTHER",
        "SecretAccessKey": "x",
        "Token": "y",
        "Expiration": "2099-01-01T00:00:00Z",
    }

    class Handler(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            self.answer(b"imds-token")

        def do_GET(self) -> None:
            is_list = self.path.endswith("/security-credentials/")
            self.answer(b"another-role" if is_list else json.dumps(document).encode())

        def answer(self, body: bytes) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        where = f"http://127.0.0.1:{server.server_port}"
        monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", where)
        monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "false")
        yield asked
        server.shutdown()


BEHIND = ("metadata", "container")
BROKEN = {
    "a bad token": lambda home: home.token.write_text("no token"),
    "no token": lambda home: home.token.unlink(),
    "a refusal": lambda home: home.world.fault(
        "*", times=99, code="NotAuthorizedException", message="Token is inactive"
    ),
    "no network": lambda home: home.world.fault("*", times=99, close=True),
    "a typing error": lambda home: home.config.write_text(
        home.config.read_text().replace("cognito_issuer", "cognito_isuer")
    ),
    "a missing session": lambda home: home.config.write_text(
        home.config.read_text().replace("[cognito-session demo]", "[cognito-session gone]")
    ),
}


WAYS = [
    *((broken, way, behind) for broken in BROKEN for way in ("demo-native", "chained-native") for behind in BEHIND),
    *((broken, way, "metadata") for broken in ("a bad token", "a typing error") for way in ("demo", "chained")),
]


@pytest.mark.parametrize(("broken", "way", "behind"), WAYS)
def test_when_this_package_is_broken_no_other_credentials_are_used(
    inside, other_identity, monkeypatch, broken, way, behind
):
    """Natively, and through credential_process if the provider is not installed."""
    if behind == "container":
        where = provider.os.environ["AWS_EC2_METADATA_SERVICE_ENDPOINT"]
        monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{where}/container")
        monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    if way.endswith("native"):
        federation.install()
    monkeypatch.setattr("time.sleep", lambda _: None)
    BROKEN[broken](inside)
    with pytest.raises(Exception) as error:  # noqa: PT011 - whichever it is, there are no credentials
        boto3.Session(profile_name=way).get_credentials().get_frozen_credentials()
    assert "AKIAANOTHER" not in str(error.value)
    assert other_identity == []


def test_the_stand_ins_would_be_used_by_a_profile_that_is_not_managed(inside, other_identity, monkeypatch):
    inside.section("profile plain", region="eu-west-1")
    federation.install()
    assert cache_key("plain") == "AKIAANOTHER"
    where = provider.os.environ["AWS_EC2_METADATA_SERVICE_ENDPOINT"]
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{where}/container")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    assert cache_key("plain") == "AKIAANOTHER"
    assert "/container" in other_identity


# Recursion (invariant 10)


@pytest.mark.parametrize(
    "command", ["credential-process --profile {}", "export --profile {}"], ids=["credential-process", "export"]
)
@pytest.mark.thorough
def test_a_token_command_that_asks_its_own_profile_ends(home, command):
    from botocore_cognito_federation.demo.serve import find_executable

    home.profile("a", cognito_token_command=f"{find_executable()} {command.format('b')}")
    home.profile("b", cognito_token_command=f"{find_executable()} {command.format('a')}")
    home.profile("self", cognito_token_command=f"{find_executable()} {command.format('self')}")
    home.ask("self").refused(5)
    home.ask("a").refused(5)
    assert home.spent == (0, 0)


def test_a_token_command_may_use_another_profile(home):
    from botocore_cognito_federation.demo.serve import find_executable

    script = home.path / "get-token"
    script.write_text(
        f"#!/bin/sh\n{find_executable()} credential-process --profile demo >/dev/null && cat {home.token}\n"
    )
    script.chmod(0o755)
    home.profile("a", cognito_token_command=str(script))
    assert home.ask("a").key
    assert home.spent == (1, 1)


def test_natively_a_profile_in_the_chain_is_refused(inside, monkeypatch):
    federation.install()
    for name, value in environment_for_children({}, "demo").items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError, match="its own credentials"):
        cache_key("demo")


def test_a_chain_has_four_links_at_most_and_a_users_program_begins_its_own():
    environ: dict[str, str] = {}
    for name in "abcd":
        environ = environment_for_children(environ, name)
    with pytest.raises(ConfigurationError, match="longer than 4"):
        environment_for_children(environ, "e")
    with pytest.raises(ConfigurationError, match="its own"):
        environment_for_children(environ, "b")
    assert environment_for_children(environment_without_chain(environ), "b")


def test_an_error_comes_without_the_variables_of_the_calls_that_led_to_it(inside):
    """Crash reporters send local variables, and the login token is one of them."""
    import traceback

    inside.world.fault("GetId", times=9, code="NotAuthorizedException", message="Token is not from here")
    federation.install()
    with pytest.raises(CognitoFederationError) as caught:
        boto3.Session(profile_name="demo").client("sts").get_caller_identity()
    told = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    assert inside.token.read_text()[:40] not in "".join(told.format())
    assert caught.value.__context__ is None
