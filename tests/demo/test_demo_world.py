"""The world as a whole: loopback only, several at once, gone when stopped, quiet."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from typing import Any
from urllib.error import URLError
from urllib.parse import urlsplit
from urllib.request import urlopen

import boto3
import pytest

from botocore_cognito_federation.demo import World
from botocore_cognito_federation.demo import world as world_module

pytestmark = pytest.mark.thorough


def _admin_s3(world: World) -> Any:
    return boto3.client("s3", region_name=world.region, endpoint_url=world.endpoint_url, **world.admin_credentials)


def test_it_listens_on_loopback_only(world: World) -> None:
    for url in (world.endpoint_url, world.provider.issuer, world.second_provider.issuer):
        assert urlsplit(url).hostname == "127.0.0.1"
        with socket.socket() as probe, pytest.raises(ConnectionRefusedError):
            probe.connect(("127.0.0.2", urlsplit(url).port))


def test_two_worlds_do_not_see_each_other_and_one_goes_on_after_the_other(world: World) -> None:
    with World() as other:
        assert other.account_id != world.account_id
        assert [b["Name"] for b in _admin_s3(other).list_buckets()["Buckets"]] == [other.bucket]
        assert [b["Name"] for b in _admin_s3(world).list_buckets()["Buckets"]] == [world.bucket]
        foreign = World.add_pool(other)
        assert foreign != world.pool_id
    body = _admin_s3(world).get_object(Bucket=world.bucket, Key=world.object_key)["Body"].read()
    assert body.startswith(b"Hello")


def test_a_stopped_world_answers_nowhere_and_frees_its_threads_and_enforcement() -> None:
    from moto import settings

    before = threading.active_count()
    enforced = settings.INITIAL_NO_AUTH_ACTION_COUNT
    with World() as world:
        urls = [world.endpoint_url, world.provider.issuer, world.second_provider.issuer]
        assert settings.INITIAL_NO_AUTH_ACTION_COUNT == 0
    world.stop()
    assert enforced == settings.INITIAL_NO_AUTH_ACTION_COUNT
    for url in urls:
        with pytest.raises(URLError):
            urlopen(url)
    for _ in range(200):
        if threading.active_count() <= before:
            break
        threading.Event().wait(0.01)
    assert threading.active_count() <= before


def test_a_start_that_fails_leaves_nothing_running(monkeypatch: pytest.MonkeyPatch) -> None:
    from moto import settings

    enforced = settings.INITIAL_NO_AUTH_ACTION_COUNT

    def fail(*_: Any) -> None:
        raise RuntimeError("no stage today")

    monkeypatch.setattr(world_module, "set_stage", fail)
    world = World()
    with pytest.raises(RuntimeError, match="no stage"):
        world.start()
    assert enforced == settings.INITIAL_NO_AUTH_ACTION_COUNT
    with pytest.raises(URLError):
        urlopen(world.provider.issuer)


def test_a_constructor_does_nothing() -> None:
    before = threading.active_count()
    World()
    assert threading.active_count() == before


def test_the_options_of_the_constructor_hold_from_the_start() -> None:
    with World(credential_lifetime=77, clock_offset=5, region="us-east-1") as world:
        assert (world.credential_lifetime, world.clock_offset) == (77, 5)
        assert world.pool_id.startswith("us-east-1:")
        assert _admin_s3(world).list_buckets()["Buckets"]


def test_importing_the_package_needs_neither_moto_nor_flask() -> None:
    program = "import sys; import botocore_cognito_federation.demo; print('moto' in sys.modules, 'jwt' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert done.stdout.split() == ["False", "False"]


def test_objects_of_many_megabytes_go_through_whole(world: World) -> None:
    s3 = _admin_s3(world)
    body = bytes(range(256)) * 40_000
    s3.put_object(Bucket=world.bucket, Key="large", Body=body)
    assert s3.get_object(Bucket=world.bucket, Key="large")["Body"].read() == body
    assert s3.head_object(Bucket=world.bucket, Key="large")["ContentLength"] == len(body)
    s3.delete_object(Bucket=world.bucket, Key="large")
