"""The programs of a machine on which the files of a page are run."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from botocore_cognito_federation.demo.serve import find_executable

#: A stand-in for the AWS CLI: it takes its credentials from the environment as any SDK does.
AWS = f"""#!{sys.executable}
import boto3, sys
assert sys.argv[1:] == ["s3", "ls"]
print([each["Name"] for each in boto3.client("s3").list_buckets()["Buckets"]])
"""


@pytest.fixture
def bin(tmp_path: Path) -> Path:
    """A folder with `aws`, an installer that does nothing, and this tool."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "aws").write_text(AWS)
    for installer in ("pip", "pipx"):
        (folder / installer).write_text('#!/bin/sh\n[ "$1 $2" = "install botocore-cognito-federation" ]\n')
    for program in folder.iterdir():
        program.chmod(0o700)
    (folder / "cognito-federation").symlink_to(find_executable())
    return folder
