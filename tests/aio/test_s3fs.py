"""s3fs, and so pandas, dask and fsspec: a profile in ``~/.aws/config`` is all they need."""

from __future__ import annotations

import os

import pytest

from botocore_cognito_federation.demo import World

from .conftest import REQUIRED

# The environment with the oldest aiobotocore has no s3fs: s3fs pins aiobotocore too.
if REQUIRED and os.environ.get("BCF_TEST_S3FS") == "1":
    import s3fs
else:
    s3fs = pytest.importorskip("s3fs")


@pytest.mark.parametrize("profile", ["demo-native", "chained-native"])
def test_s3fs_reads_with_the_profile_alone(world: World, profile: str) -> None:
    fs = s3fs.S3FileSystem(profile=profile, skip_instance_cache=True)
    assert fs.cat_file(f"{world.bucket}/{world.object_key}")
    assert len(world.calls("GetCredentialsForIdentity")) == 1


def test_s3fs_lists_with_many_reads_and_one_fetch(world: World) -> None:
    fs = s3fs.S3FileSystem(profile="demo-native", skip_instance_cache=True)
    path = f"{world.bucket}/{world.object_key}"
    assert len(fs.cat([path])) == 1
    assert {fs.cat_file(path) for _ in range(5)} == {fs.cat_file(path)}
    assert len(world.calls("GetCredentialsForIdentity")) == 1
