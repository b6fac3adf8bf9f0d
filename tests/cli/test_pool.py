"""The administrator's command against the demo's account: what it makes lets users in, and what breaks is found."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest

from botocore_cognito_federation.administration.design import TAG
from botocore_cognito_federation.cli.app import run
from botocore_cognito_federation.demo.world import World
from tests.cli.home import ModuleHome

pytestmark = pytest.mark.thorough

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
        return (
            "--name",
            NAME,
            "--region",
            self.world.region,
            *named,
            "--tags",
            "--flow",
            "basic",
            "--policy",
            str(self.policy),
        )

    def run(self, *words: str) -> tuple[int, str, str]:
        code = run(list(words))
        out, err = self.capture.readouterr()
        return code, out, err

    def pool(self, command: str, *words: str) -> tuple[int, str, str]:
        return self.run("pool", command, *self.flags, *words)

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

    def update(self, pool_id: str, **changes: Any) -> None:
        cognito = self.client("cognito-identity")
        described = cognito.describe_identity_pool(IdentityPoolId=pool_id)
        del described["ResponseMetadata"]
        cognito.update_identity_pool(**{**described, **changes})


@pytest.fixture
def office(
    world: World, inside: ModuleHome, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> Iterator[Office]:
    keys = world.admin_credentials
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", keys["aws_access_key_id"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", keys["aws_secret_access_key"])
    policy = tmp_path / "policy.json"
    statement = {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": f"arn:aws:s3:::{world.bucket}"}
    policy.write_text(json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    office = Office(world, inside, policy, capsys)
    yield office
    world.clear_faults()
    assert office.pool("delete", "--yes")[0] == 0


def test_a_user_lists_s3_through_what_create_made(office: Office, world: World, inside: ModuleHome) -> None:
    pool_id = office.create("--profile", "made", "--offline")
    text = inside.config.read_text()
    section = text.index("[profile made]") + len("[profile made]")
    keys = f"\ncognito_token_file = {inside.path / 'token'}\ncognito_endpoint_url = {world.endpoint_url}"
    inside.config.write_text(text[:section] + keys + text[section:])
    assert f"cognito_identity_pool_id = {pool_id}" in text
    (inside.path / "token").write_text(world.provider.issue("ada"))
    done = inside.run("credential-process", "--profile", "made", AWS_ACCESS_KEY_ID=None, AWS_SECRET_ACCESS_KEY=None)
    assert done.returncode == 0, done.stderr
    made = json.loads(done.stdout)
    s3 = boto3.client(
        "s3",
        region_name=world.region,
        endpoint_url=world.endpoint_url,
        aws_access_key_id=made["AccessKeyId"],
        aws_secret_access_key=made["SecretAccessKey"],
        aws_session_token=made["SessionToken"],
    )
    assert s3.list_objects_v2(Bucket=world.bucket)["KeyCount"] >= 1


def test_create_changes_nothing_when_it_is_run_again(office: Office) -> None:
    pool_id = office.create()
    code, out, err = office.pool("create")
    assert (code, out.strip()) == (0, pool_id)
    assert "nothing to change" in err


def test_create_shows_the_differences_and_changes_nothing_without_a_yes(office: Office) -> None:
    pool_id = office.create()
    office.update(pool_id, AllowClassicFlow=False)
    code, out, err = office.pool("create")
    assert (code, out) == (2, "")
    assert "- Pool: AllowClassicFlow is false, not true" in err
    assert not office.client("cognito-identity").describe_identity_pool(IdentityPoolId=pool_id)["AllowClassicFlow"]


def test_an_update_leaves_the_other_providers_of_a_pool(office: Office) -> None:
    pool_id = office.create()
    google = {"accounts.google.com": "1.apps.googleusercontent.com"}
    office.update(pool_id, SupportedLoginProviders=google, AllowClassicFlow=False)
    office.create()
    described = office.client("cognito-identity").describe_identity_pool(IdentityPoolId=pool_id)
    assert described["SupportedLoginProviders"] == google
    assert described["AllowClassicFlow"]


def swap(statement: dict[str, Any], operator: str, key: str, value: str) -> None:
    statement["Condition"][operator][f"{PRINCIPAL}:{key}"] = value


DEFECTS: dict[str, tuple[Callable[[Office, str], object], str]] = {
    "wrong aud": (lambda o, p: o.trust(lambda s: swap(s, "StringEquals", "aud", "eu-west-1:0")), "its aud is not"),
    "wrong amr": (
        lambda o, p: o.trust(lambda s: swap(s, "ForAnyValue:StringLike", "amr", "unauthenticated")),
        "its amr is not authenticated",
    ),
    "no TagSession": (
        lambda o, p: o.trust(lambda s: s.update(Action=["sts:AssumeRoleWithWebIdentity"])),
        "does not allow sts:TagSession",
    ),
    "AssumeRole": (
        lambda o, p: o.trust(lambda s: s.update(Action=["sts:AssumeRole", "sts:TagSession"])),
        "does not allow sts:AssumeRoleWithWebIdentity",
    ),
    "wrong principal": (
        lambda o, p: o.trust(lambda s: s.update(Principal={"Federated": "cognito-identity.amazon.com"})),
        "does not name the principal",
    ),
    "client ID not listed": (
        lambda o, p: o.client("iam").remove_client_id_from_open_id_connect_provider(
            OpenIDConnectProviderArn=o.provider_arn(), ClientID=o.world.provider.client_id
        ),
        "does not list client ID",
    ),
    "no provider in IAM": (
        lambda o, p: o.client("iam").delete_open_id_connect_provider(OpenIDConnectProviderArn=o.provider_arn()),
        "IAM has no OIDC provider",
    ),
    "classic flow off": (lambda o, p: o.update(p, AllowClassicFlow=False), "AllowClassicFlow is false"),
    "provider not in the pool": (
        lambda o, p: o.update(p, OpenIdConnectProviderARNs=[]),
        "OpenIdConnectProviderARNs is",
    ),
    "guests let in": (
        lambda o, p: o.update(p, AllowUnauthenticatedIdentities=True),
        "AllowUnauthenticatedIdentities is true",
    ),
    "role not attached": (
        lambda o, p: o.client("cognito-identity").set_identity_pool_roles(IdentityPoolId=p, Roles={}),
        "The pool does not use role",
    ),
    "no tags": (
        lambda o, p: o.client("cognito-identity").set_principal_tag_attribute_map(
            IdentityPoolId=p, IdentityProviderName=o.world.provider.login_key, UseDefaults=False
        ),
        "carry no principal tags",
    ),
    "no permissions": (
        lambda o, p: o.client("iam").delete_role_policy(RoleName=ROLE, PolicyName="cognito-federation"),
        "has no policy",
    ),
}


@pytest.mark.parametrize("defect", DEFECTS)
def test_check_finds_a_defect_and_the_command_that_it_names_removes_it(office: Office, defect: str) -> None:
    break_it, words = DEFECTS[defect]
    pool_id = office.create()
    assert office.pool("check")[0] == 0
    break_it(office, pool_id)
    code, out, err = office.pool("check")
    assert code == 1
    assert words in out
    assert len(out.splitlines()) == 1
    command = shlex.split(err.strip().partition("run: ")[2])
    assert office.run(*command[1:])[0] == 0
    assert office.pool("check")[:2] == (0, "")


def test_check_prints_json(office: Office) -> None:
    code, out, _ = office.pool("check", "--json")
    document = json.loads(out)
    assert code == 1
    assert len(document["differences"]) >= 4
    assert document["fix"].startswith("cognito-federation pool create ")
    office.create()
    assert json.loads(office.pool("check", "--json")[1])["fix"] is None


CALLS = (
    "CreateOpenIDConnectProvider",
    "CreateIdentityPool",
    "CreateRole",
    "PutRolePolicy",
    "SetIdentityPoolRoles",
    "SetPrincipalTagAttributeMap",
)


@pytest.mark.parametrize("operation", CALLS)
def test_create_goes_on_after_a_failure_at_any_call(office: Office, world: World, operation: str) -> None:
    world.fault(operation, times=1, status=400, code="AccessDenied", message="no")
    code, out, err = office.pool("create", "--yes")
    assert (code, out) == (6, "")
    statement = json.loads(err[err.index('{"Effect"') : err.index("}", err.index('{"Effect"')) + 1])
    assert statement["Action"].endswith(f":{operation}")
    assert operation == CALLS[0] or "Run the same command again" in err
    office.create()
    assert office.pool("check")[0] == 0


def test_delete_leaves_what_it_did_not_make(office: Office, world: World) -> None:
    pool_id = office.create()
    iam = office.client("iam")
    iam.untag_role(RoleName=ROLE, TagKeys=[TAG])
    assert office.pool("delete", "--yes")[0] == 0
    assert iam.get_role(RoleName=ROLE)
    assert office.client("iam").list_open_id_connect_providers()["OpenIDConnectProviderList"] == []
    iam.tag_role(RoleName=ROLE, Tags=[{"Key": TAG, "Value": pool_id}])


def test_two_pools_of_one_name_are_told_apart_by_their_id(office: Office) -> None:
    cognito = office.client("cognito-identity")
    ids = [
        cognito.create_identity_pool(IdentityPoolName=NAME, AllowUnauthenticatedIdentities=False)["IdentityPoolId"]
        for _ in range(2)
    ]
    code, _, err = office.pool("check")
    assert code == 4
    assert "--identity-pool-id" in err
    for one in ids:
        cognito.delete_identity_pool(IdentityPoolId=one)


def test_another_account_is_refused_before_any_change(office: Office, world: World) -> None:
    code, _, err = office.pool("create", "--yes", "--account-id", "999999999999")
    assert code == 4
    assert f"account {world.account_id}, not 999999999999" in err
    assert not world.calls("CreateIdentityPool")


def test_a_wrong_issuer_is_found_before_any_change(office: Office, world: World) -> None:
    code, _, err = office.pool("create", "--yes", "--profile", "made", "--issuer", f"{world.provider.issuer}/other")
    assert code in (4, 7)
    assert len(err.splitlines()) == 1
    assert not world.calls("CreateOpenIDConnectProvider")


def test_the_policy_for_administrators_names_every_call_that_was_made(office: Office, world: World) -> None:
    office.create()
    office.pool("delete", "--yes")
    statements = json.loads(office.run("pool", "policy")[1])["Statement"]
    made = {f"{call.service}:{call.operation}" for call in world.calls() if call.service in ("iam", "cognito-identity")}
    assert made <= {action for one in statements for action in one["Action"]}
    reading = json.loads(office.run("pool", "policy", "--read-only")[1])["Statement"]
    actions = [action for one in reading for action in one["Action"]]
    assert not [one for one in actions if not one.partition(":")[2].startswith(("Describe", "Get", "List"))]
