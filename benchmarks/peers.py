"""Other credential helpers, each with its answer in its own cache or in a file, so that none of them calls anybody."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

from tests.clients.installer import Unavailable

from .laboratory import Laboratory
from .measuring import Command

#: What the warm path is held against.
SSO_UTIL = "peer.sso"

_START_URL = "https://example.awsapps.com/start"
_KEYS = {"AccessKeyId": "ASIAEXAMPLE", "SecretAccessKey": "secret", "SessionToken": "token"}
_CONFIG = f"""[profile sso]
region = eu-west-1
sso_start_url = {_START_URL}
sso_region = eu-west-1
sso_account_id = 123456789012
sso_role_name = Reader

[profile static]
region = eu-west-1
aws_access_key_id = AKIAEXAMPLE
aws_secret_access_key = secret
"""
# The peer itself says under which name it will look for the credentials.
_FILL_CACHE = """
import json, sys
from botocore.credentials import JSONFileCache, SSOCredentialFetcher
folder, start_url, credentials = sys.argv[1:]
fetcher = SSOCredentialFetcher(start_url, "eu-west-1", "Reader", "123456789012", None)
cache = JSONFileCache(folder)
cache[fetcher._create_cache_key()] = {"ProviderType": "sso", "Credentials": json.loads(credentials)}
"""


def commands(laboratory: Laboratory) -> tuple[dict[str, Command], dict[str, str]]:
    """The peers that install here by their key in `rows`, ready to run; and why the others are not there."""
    home = laboratory.scratch / "peers"
    (home / ".aws").mkdir(parents=True)
    (home / ".aws" / "config").write_text(_CONFIG)
    found: dict[str, Command] = {}
    missing: dict[str, str] = {}
    makers: dict[str, Callable[[Laboratory, Path], Command]] = {
        SSO_UTIL: _aws_sso_util,
        "peer.cli2": _aws_cli,
        "peer.export": _aws_export_credentials,
    }
    for name, make in makers.items():
        try:
            own = [f"HOME={home}", f"AWS_CONFIG_FILE={home}/.aws/config"]
            found[name] = _tried(["/usr/bin/env", *own, *make(laboratory, home)], laboratory.environment)
        except Unavailable as reason:
            missing[name] = str(reason)
    return found, missing


def _tried(command: Command, environment: Mapping[str, str]) -> Command:
    """The command, once it has worked."""
    told = subprocess.run(command, env=dict(environment), capture_output=True, text=True, timeout=60)
    if told.returncode or "AccessKeyId" not in told.stdout:
        raise Unavailable(f"does not work here: {' '.join((told.stderr or told.stdout).split())[-120:]}")
    return command


def _aws_sso_util(laboratory: Laboratory, home: Path) -> Command:
    environment = laboratory.installer.python("aws-sso-util", "aws-sso-util")
    credentials = json.dumps({**_KEYS, "Expiration": "2099-01-01T00:00:00Z"})
    cache = str(home / ".aws" / "cli" / "cache")
    subprocess.run([str(environment / "python"), "-c", _FILL_CACHE, cache, _START_URL, credentials], check=True)
    return [str(environment / "aws-sso-util"), "credential-process", "--profile", "sso"]


def _aws_export_credentials(laboratory: Laboratory, home: Path) -> Command:
    # Breaks with the account ID that botocore's credentials have had since.
    environment = laboratory.installer.python("aws-export-credentials", "aws-export-credentials", "botocore<1.36")
    return [str(environment / "aws-export-credentials"), "--profile", "static", "--json"]


def _aws_cli(laboratory: Laboratory, home: Path) -> Command:
    aws = laboratory.installer.debian("aws", "awscli", accept=lambda text: text.startswith("aws-cli/2."))
    return [aws, "configure", "export-credentials", "--profile", "static", "--format", "process"]
