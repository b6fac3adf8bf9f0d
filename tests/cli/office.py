"""An administrator at work in the demo world: the command line in this process, and clients to look behind it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore import UNSIGNED
from botocore.config import Config

from botocore_cognito_federation.cli.app import run
from botocore_cognito_federation.demo.world import World
from tests.cli.home import ModuleHome

NAME = "corp"
ROLE = "corp-authenticated"
PRINCIPAL = "cognito-identity.amazonaws.com"


@dataclass
class Office:
    """An administrator at work: the command line with the account's keys, and clients to look behind it."""

    world: World
    home: ModuleHome
    policy: Path
    capture: Any

    @property
    def flags(self) -> tuple[str, ...]:
        provider = self.world.provider
        named = ("--provider", provider.login_key, "--issuer", provider.issuer, "--client-id", provider.client_id)
        wanted = ("--tags", "--flow", "basic", "--policy", str(self.policy))
        return ("--name", NAME, "--region", self.world.region, *named, *wanted)

    def run(self, *words: str) -> tuple[int, str, str]:
        code = run(list(words))
        out, err = self.capture.readouterr()
        return code, out, err

    def pool(self, command: str, *words: str) -> tuple[int, str, str]:
        return self.run("pool", command, *self.flags, *words)

    def refused(self, command: str, *words: str) -> str:
        """Run a command that must be refused, and return the one line that says why."""
        code, out, err = self.pool(command, *words)
        lines = [line for line in err.splitlines() if not line.startswith(("- ", "Corrected: ", "Look at this: "))]
        assert code in (4, 6, 7), (code, out, err)
        assert (out, len(lines)) == ("", 1), err
        return lines[0]

    def create(self, *words: str) -> str:
        code, out, err = self.pool("create", "--yes", *words)
        assert code == 0, err
        return out.strip()

    def client(self, service: str) -> Any:
        made = self.world.admin_credentials
        return boto3.client(service, region_name=self.world.region, endpoint_url=self.world.endpoint_url, **made)

    def trust(self, change: Callable[[dict[str, Any]], None]) -> None:
        iam = self.client("iam")
        document = iam.get_role(RoleName=ROLE)["Role"]["AssumeRolePolicyDocument"]
        change(document["Statement"][0])
        iam.update_assume_role_policy(RoleName=ROLE, PolicyDocument=json.dumps(document))

    def provider_arn(self) -> str:
        (one,) = self.client("iam").list_open_id_connect_providers()["OpenIDConnectProviderList"]
        return str(one["Arn"])

    def sign_in(self, pool_id: str, *, classic: bool = False, **options: Any) -> dict[str, Any]:
        """Return the credentials of a user who has signed in through the pool, or the pool's token (classic flow)."""
        config = Config(signature_version=UNSIGNED, retries={"total_max_attempts": 1})
        cognito = boto3.client(
            "cognito-identity", region_name=self.world.region, endpoint_url=self.world.endpoint_url, config=config
        )
        logins = {self.world.provider.login_key: self.world.provider.issue("ada", **options)}
        identity_id = cognito.get_id(IdentityPoolId=pool_id, Logins=logins)["IdentityId"]
        if classic:
            return {"Token": cognito.get_open_id_token(IdentityId=identity_id, Logins=logins)["Token"]}
        credentials = cognito.get_credentials_for_identity(IdentityId=identity_id, Logins=logins)["Credentials"]
        return dict(credentials)

    def pools(self, name: str = NAME) -> list[str]:
        listed = self.client("cognito-identity").list_identity_pools(MaxResults=60)["IdentityPools"]
        return [one["IdentityPoolId"] for one in listed if one["IdentityPoolName"] == name]

    def clear(self, roles: set[str]) -> None:
        """Remove everything but these roles and the world's own pools."""
        iam, cognito = self.client("iam"), self.client("cognito-identity")
        for name in (NAME, "other"):
            for pool_id in self.pools(name):
                cognito.delete_identity_pool(IdentityPoolId=pool_id)
        for one in iam.list_open_id_connect_providers()["OpenIDConnectProviderList"]:
            iam.delete_open_id_connect_provider(OpenIDConnectProviderArn=one["Arn"])
        for role in {one["RoleName"] for one in iam.list_roles()["Roles"]} - roles:
            for attached in iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"]:
                iam.detach_role_policy(RoleName=role, PolicyArn=attached["PolicyArn"])
            for policy in iam.list_role_policies(RoleName=role)["PolicyNames"]:
                iam.delete_role_policy(RoleName=role, PolicyName=policy)
            iam.delete_role(RoleName=role)

    def update(self, pool_id: str, **changes: Any) -> None:
        cognito = self.client("cognito-identity")
        described = cognito.describe_identity_pool(IdentityPoolId=pool_id)
        del described["ResponseMetadata"]
        cognito.update_identity_pool(**{**described, **changes})


def office_in(
    home: ModuleHome, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capture: Any, partition: str = "aws"
) -> Office:
    """Return the office of a world's administrator, whose keys this process then has."""
    world = home.world
    keys = world.admin_credentials
    for name, value in home.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", keys["aws_access_key_id"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", keys["aws_secret_access_key"])
    monkeypatch.setenv("AWS_ENDPOINT_URL", world.endpoint_url)
    policy = tmp_path / "policy.json"
    statement = {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": f"arn:{partition}:s3:::{world.bucket}"}
    policy.write_text(json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    return Office(world, home, policy, capture)


@pytest.fixture
def office(
    world: World, home: ModuleHome, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> Iterator[Office]:
    """The office of the world's administrator; what a test has made in the account is gone afterwards."""
    office = office_in(home, tmp_path, monkeypatch, capsys)
    iam = office.client("iam")
    before = {one["RoleName"] for one in iam.list_roles()["Roles"]}
    world.reset_journal()
    yield office
    world.clear_faults()
    office.clear(before)
