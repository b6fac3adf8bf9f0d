"""One client for many users: threads, tasks, generators and transfers keep them apart."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import gc
import io
import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import boto3
import pytest
from boto3.s3.transfer import TransferConfig
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.exceptions import ClientError

from botocore_cognito_federation import (
    CognitoFederation,
    ConfigurationError,
    FederatedUsers,
    FederationRefusedError,
    NotSignedInError,
)
from botocore_cognito_federation.demo.world import World
from tests.application.conftest import Time
from tests.flows.test_exchanged_tokens import unsigned

Maker = Callable[..., FederatedUsers]


@pytest.fixture
def many(world: World, clock: Time) -> Maker:
    def made(pool: str | None = None, **options: Any) -> FederatedUsers:
        return FederatedUsers(pool or world.pool_id, clock=clock.library_clock, **options)

    return made


class App:
    """Users with one client, and what tells for whom a request was signed."""

    def __init__(self, world: World, users: FederatedUsers) -> None:
        self.world, self.users = world, users
        self.session = users.session()
        self.sts = self.session.client("sts")
        self.s3 = self.session.client("s3")
        self.names: dict[str, str] = {}

    def sign_in(self, name: str) -> CognitoFederation:
        user = self.users.federation()
        credentials = user.federated_sign_in(self.world.provider.login_key, self.world.provider.issue(name))
        self.names[credentials.access_key] = name
        return user

    def caller(self) -> str:
        """Return the user for whom a request of the one client is signed."""
        url = self.sts.generate_presigned_url("get_caller_identity")
        assert self.sts.get_caller_identity()["Arn"]
        return self.names[url.split("X-Amz-Credential=")[1].split("%2F")[0]]

    def signers(self, operation: str) -> set[str]:
        return {self.names[call.access_key] for call in self.world.calls(operation)}


@pytest.fixture
def app(world: World, many: Maker) -> App:
    return App(world, many())


def test_one_client_signs_for_the_user_of_the_block(app: App) -> None:
    ada, bob = app.sign_in("ada"), app.sign_in("bob")
    with app.users.acting_as(ada):
        assert app.caller() == "ada"
        with app.users.acting_as(bob):
            assert app.caller() == "bob"
        assert app.caller() == "ada"
    with app.users.acting_as(bob):
        assert app.caller() == "bob"
    assert app.signers("GetCallerIdentity") == {"ada", "bob"}


def test_outside_of_any_block_a_request_is_refused_and_never_signed_for_the_last_user(app: App) -> None:
    with pytest.raises(NotSignedInError, match="acts for no user"):
        app.caller()
    with app.users.acting_as(app.sign_in("ada")):
        app.caller()
    with pytest.raises(NotSignedInError, match="acts for no user"):
        app.caller()
    with pytest.raises(NotSignedInError), app.users.acting_as(app.users.federation()):
        app.caller()


def test_a_user_who_signs_out_inside_the_block_signs_no_more(app: App) -> None:
    ada = app.sign_in("ada")
    with app.users.acting_as(ada):
        app.caller()
        ada.sign_out()
        with pytest.raises(NotSignedInError):
            app.caller()


def test_generators_of_two_users_that_take_turns_do_not_mix(app: App) -> None:
    def callers(user: CognitoFederation) -> Iterator[str]:
        with app.users.acting_as(user):
            while True:
                yield app.caller()

    first, second = callers(app.sign_in("ada")), callers(app.sign_in("bob"))
    assert [next(each) for _ in range(3) for each in (first, second)] == ["ada", "bob"] * 3
    with pytest.raises(NotSignedInError, match="suspended"):
        app.caller()
    first.close()
    assert next(second) == "bob"
    second.close()
    with pytest.raises(NotSignedInError, match="acts for no user"):
        app.caller()


def test_a_thread_has_no_user_of_a_generator_whichever_of_both_sides_started_it(app: App) -> None:
    def in_thread() -> str:
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(contextvars.copy_context().run, app.caller).result()

    def callers(user: CognitoFederation) -> Iterator[str]:
        with app.users.acting_as(user):
            yield app.caller()
            yield in_thread()

    first = callers(app.sign_in("ada"))
    assert next(first) == "ada"
    with pytest.raises(NotSignedInError, match="cannot tell"):
        in_thread()
    with app.users.acting_as(app.sign_in("bob")):
        assert in_thread() == "bob"
    with pytest.raises(NotSignedInError, match="cannot tell"):
        next(first)


def test_context_managers_that_enter_a_block_for_their_caller_work(app: App) -> None:
    @contextlib.contextmanager
    def as_user(user: CognitoFederation) -> Iterator[None]:
        with app.users.acting_as(user):
            yield

    class Request:
        def __init__(self, user: CognitoFederation) -> None:
            self.block = app.users.acting_as(user)

        def __enter__(self) -> None:
            self.block.__enter__()

        def __exit__(self, *details: Any) -> None:
            self.block.__exit__(*details)

    ada, bob = app.sign_in("ada"), app.sign_in("bob")
    with as_user(ada):
        assert app.caller() == "ada"
        with Request(bob):
            assert app.caller() == "bob"
        with contextlib.ExitStack() as stack:
            stack.enter_context(as_user(bob))
            assert app.caller() == "bob"
        assert app.caller() == "ada"


def test_threads_without_the_callers_context_have_no_user(app: App) -> None:
    with ThreadPoolExecutor(1) as pool, app.users.acting_as(app.sign_in("ada")):
        with pytest.raises(NotSignedInError, match="acts for no user"):
            pool.submit(app.caller).result()
        assert pool.submit(contextvars.copy_context().run, app.caller).result() == "ada"


def test_a_block_that_ends_in_another_thread_or_is_used_twice_is_an_error(app: App) -> None:
    block = app.users.acting_as(app.sign_in("ada"))
    block.__enter__()
    failures: list[BaseException] = []

    def leave() -> None:
        try:
            block.__exit__(None, None, None)
        except ConfigurationError as error:
            failures.append(error)

    thread = threading.Thread(target=leave)
    thread.start()
    thread.join()
    assert "another thread" in str(failures[0])
    with pytest.raises(ConfigurationError, match="in use already"):
        block.__enter__()
    with pytest.raises(ConfigurationError, match="not a str"):
        app.users.acting_as("ada")  # type: ignore[arg-type]


@pytest.mark.parametrize("count", [8, pytest.param(200, marks=pytest.mark.thorough)])
def test_no_request_of_interleaved_users_is_signed_for_another(app: App, count: int) -> None:
    users = {f"user-{number}": app.sign_in(f"user-{number}") for number in range(count)}

    async def task(name: str) -> tuple[str, list[str]]:
        with app.users.acting_as(users[name]):
            seen = [await asyncio.to_thread(app.caller)]
            await asyncio.sleep(0)
            inner = asyncio.create_task(asyncio.to_thread(app.caller))
            seen.append(
                await asyncio.get_running_loop().run_in_executor(None, contextvars.copy_context().run, app.caller)
            )
            return name, [*seen, await inner]

    async def work() -> list[tuple[str, list[str]]]:
        return await asyncio.gather(*map(task, users))

    for name, seen in asyncio.run(work()):
        assert seen == [name] * 3


@pytest.fixture
def writable(world: World) -> Iterator[None]:
    """Lets users write to the bucket; removes what they wrote."""
    admin = boto3.Session(region_name=world.region, **world.admin_credentials)
    iam = admin.client("iam", endpoint_url=world.endpoint_url)
    policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}
    where = {"RoleName": world.authenticated_role_arn.rpartition("/")[2], "PolicyName": "write"}
    iam.put_role_policy(**where, PolicyDocument=json.dumps(policy))
    yield
    iam.delete_role_policy(**where)
    for each in admin.resource("s3", endpoint_url=world.endpoint_url).Bucket(world.bucket).objects.all():
        if each.key != world.object_key:
            each.delete()


@pytest.mark.usefixtures("writable")
def test_transfers_of_a_user_are_signed_for_that_user_in_all_their_threads(app: App, tmp_path: Path) -> None:
    config = TransferConfig(multipart_threshold=5 << 20, multipart_chunksize=5 << 20)
    data, bucket = b"x" * (11 << 20), app.world.bucket
    (tmp_path / "data").write_bytes(data)
    signed: set[tuple[str, str]] = set()

    def note(request: AWSPreparedRequest, **_: Any) -> None:
        """Note the user of the key, and the one for whom the request is signed."""
        signed.add((request.url.split("/")[-2], app.names[str(request.headers["Authorization"]).split("/")[0][-20:]]))

    app.s3.meta.events.register("before-send.s3", note)

    def transfers(user: CognitoFederation, name: str) -> bytes:
        with app.users.acting_as(user):
            app.s3.upload_file(str(tmp_path / "data"), bucket, f"{name}/1", Config=config)
            app.s3.upload_fileobj(io.BytesIO(b"small"), bucket, f"{name}/2")
            app.s3.copy({"Bucket": bucket, "Key": f"{name}/1"}, bucket, f"{name}/3", SourceClient=app.s3)
            app.session.resource("s3").Bucket(bucket).download_file(f"{name}/3", str(tmp_path / name), Config=config)
            return (tmp_path / name).read_bytes()

    def uploads(user: CognitoFederation, name: str) -> Iterator[None]:
        with app.users.acting_as(user):
            while True:
                yield app.s3.upload_fileobj(io.BytesIO(b"small"), bucket, f"{name}/4")

    ada, bob = app.sign_in("ada"), app.sign_in("bob")
    with ThreadPoolExecutor(2) as pool:
        for done in (pool.submit(transfers, ada, "ada"), pool.submit(transfers, bob, "bob")):
            assert done.result() == data
    first, second = uploads(ada, "ada"), uploads(bob, "bob")
    for each in (first, second, first):
        next(each)
    assert signed == {("ada", "ada"), ("bob", "bob")}
    with pytest.raises(NotSignedInError):
        app.s3.upload_fileobj(io.BytesIO(b"small"), bucket, "none")


def test_requests_to_directory_buckets_use_no_session_that_another_user_began(app: App) -> None:
    s3, signed = app.session.client("s3", endpoint_url=None), []

    def answer(request: AWSPreparedRequest, **_: Any) -> AWSResponse:
        signed.append((request.url.rpartition("/")[2], str(request.headers["Authorization"])))
        answered = AWSResponse(request.url, 404, {}, None)
        answered._content = b""
        return answered

    s3.meta.events.register("before-send.s3", answer)
    for name in ("ada", "bob"):
        with app.users.acting_as(app.sign_in(name)), pytest.raises(ClientError):
            s3.get_object(Bucket="data--euw1-az1--x-s3", Key="k")
    assert [(path, app.names[each.split("Credential=")[1].split("/")[0]]) for path, each in signed] == [
        ("k", "ada"),
        ("k", "bob"),
    ]


def test_a_user_is_found_again_by_the_handle_in_this_and_in_another_process(
    world: World, many: Maker, tmp_path: Path
) -> None:
    users = many(cache="file")
    app = App(world, users)
    ada, bob = app.sign_in("ada"), app.sign_in("bob")
    assert users.resume(ada.handle) is ada
    handle, key = ada.handle, ada.current_credentials().access_key
    world.reset_journal()
    program = (
        "import sys; from botocore_cognito_federation import FederatedUsers;"
        "user = FederatedUsers(sys.argv[1], cache='file').resume(sys.argv[2]);"
        "print(user.current_credentials().access_key, user.current_authenticated_user()['id'])"
    )
    for each, of in ((handle, ada), (bob.handle, bob)):
        argv = [sys.executable, "-c", program, world.pool_id, each]
        done = subprocess.run(argv, capture_output=True, text=True, check=True)
        now = of.current_credentials()
        assert done.stdout.split() == [now.access_key, now.identity_id]
    assert ada.current_credentials().access_key == key
    assert world.calls() == []
    assert handle not in "".join(map(str, (tmp_path / "home").rglob("*")))


def test_a_user_who_signed_out_elsewhere_is_not_resumed_and_signs_no_more(world: World, many: Maker) -> None:
    here, there = many(cache="file"), many(cache="file")
    app = App(world, here)
    ada, bob = app.sign_in("ada"), app.sign_in("bob")
    there.resume(ada.handle).sign_out()
    with pytest.raises(NotSignedInError):
        ada.current_credentials()
    with pytest.raises(NotSignedInError, match="No user is signed in under this handle"):
        there.resume(ada.handle)
    with here.acting_as(bob):
        assert app.caller() == "bob"


@pytest.mark.parametrize("handle", ["", "x", None, 7, "a\n", "0" * 41, "../../sessions/x"])
def test_what_is_no_handle_is_refused(many: Maker, handle: Any) -> None:
    with pytest.raises(ConfigurationError, match="no handle"):
        many().resume(handle)


def test_a_handle_of_another_pool_or_an_invented_one_is_refused(world: World, many: Maker, make: Any) -> None:
    handle = many(world.guest_pool_id).federation().handle
    users = many()
    with pytest.raises(ConfigurationError, match="another identity pool"):
        users.resume(handle)
    with pytest.raises(NotSignedInError):
        users.resume(users.federation().handle[:-1] + "_")
    with pytest.raises(ConfigurationError, match="of one user"):
        _ = make().handle


@pytest.mark.parametrize("cache", ["memory", "file"])
def test_a_forged_token_gets_nothing_of_the_user_it_names(world: World, many: Maker, cache: str) -> None:
    app = App(world, many(cache=cache))
    ada, mallory, stranger = app.sign_in("ada"), app.sign_in("mallory"), app.users.federation()
    forged = unsigned(sub="ada", iss=world.provider.issuer, aud="demo-client", exp=4_000_000_000)
    for attacker in (mallory, stranger):
        with pytest.raises(FederationRefusedError):
            attacker.federated_sign_in(world.provider.login_key, forged)
    with pytest.raises(NotSignedInError):
        stranger.current_credentials()
    for user, name in ((ada, "ada"), (mallory, "mallory")):
        with app.users.acting_as(app.users.resume(user.handle)):
            assert app.caller() == name


def test_guests_of_one_application_have_identities_of_their_own(world: World, many: Maker) -> None:
    users = many(world.guest_pool_id)
    first, second = users.federation(), users.federation()
    identities = [each.federated_sign_in("guest").identity_id for each in (first, second)]
    assert identities[0] != identities[1]
    assert [each.current_credentials().identity_id for each in (first, second)] == identities


def test_a_user_whom_nothing_refers_to_any_more_is_found_again_and_costs_no_object(world: World, many: Maker) -> None:
    app = App(world, users := many())
    handle = app.sign_in("ada").handle
    gc.collect()
    assert not list(users._users)
    with users.acting_as(users.resume(handle)):
        assert app.caller() == "ada"
