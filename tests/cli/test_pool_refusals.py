"""What can go wrong for an administrator: each is one clear line, and nothing half-made is left unmentioned."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pytest_httpserver import HTTPServer

from botocore_cognito_federation.administration.access import READS, WRITES
from botocore_cognito_federation.administration.design import TAG
from botocore_cognito_federation.demo.world import World
from tests.cli.home import ModuleHome
from tests.cli.office import NAME, PRINCIPAL, ROLE, Office, office_in

pytestmark = pytest.mark.thorough

#: A trust policy of a role that somebody else has made.
NOBODY: dict[str, Any] = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}
CALLS = (
    "CreateOpenIDConnectProvider",
    "CreateIdentityPool",
    "CreateRole",
    "PutRolePolicy",
    "SetIdentityPoolRoles",
    "SetPrincipalTagAttributeMap",
)
#: An answer of each that is lost after its work was done; the other calls return nothing that is needed.
LOST = {
    "CreateOpenIDConnectProvider": {"truncate": True},
    "CreateIdentityPool": {"missing_keys": ("IdentityPoolId",)},
    "CreateRole": {"truncate": True},
}


@pytest.mark.parametrize("operation", CALLS)
def test_create_goes_on_after_a_refusal_of_any_call(office: Office, world: World, operation: str) -> None:
    world.fault(operation, times=1, status=400, code="AccessDenied", message="no")
    line = office.refused("create", "--yes")
    statement = json.loads(line[line.index('{"Effect"') : line.index("}") + 1])
    assert statement["Action"].endswith(f":{operation}")
    assert operation == CALLS[0] or "Corrected before: " in line
    office.create()
    assert office.pool("check")[0] == 0


@pytest.mark.parametrize("operation", LOST)
def test_create_makes_nothing_twice_when_an_answer_is_lost(office: Office, world: World, operation: str) -> None:
    world.fault(operation, times=1, **LOST[operation])
    assert "Run the same command again" in office.refused("create", "--yes")
    office.create()
    assert len(office.pools()) == 1
    assert office.pool("check")[0] == 0


@pytest.mark.parametrize("operation", CALLS)
def test_delete_takes_back_what_a_failed_create_has_made(office: Office, world: World, operation: str) -> None:
    world.fault(operation, times=1, status=400, code="AccessDenied", message="no")
    office.refused("create", "--yes")
    assert office.pool("delete", "--yes")[0] == 0
    iam = office.client("iam")
    assert office.pools() == []
    assert not [one for one in iam.list_roles()["Roles"] if one["RoleName"].startswith(NAME)]
    assert iam.list_open_id_connect_providers()["OpenIDConnectProviderList"] == []


def test_create_waits_for_what_iam_has_just_made(office: Office, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    monkeypatch.setattr("botocore_cognito_federation.administration.access.time.sleep", pauses.append)
    world.fault("CreateIdentityPool", times=2, status=400, code="InvalidParameterException", message="not there yet")
    office.create()
    assert len([pause for pause in pauses if pause == 2.0]) == 2


def test_a_role_of_that_name_which_is_of_another_owner_stays_as_it_is(office: Office, world: World) -> None:
    iam = office.client("iam")
    iam.create_role(RoleName=ROLE, AssumeRolePolicyDocument=json.dumps(NOBODY))
    line = office.refused("create", "--yes")
    assert f"There is a role {ROLE}, which was not made by this tool" in line
    assert not world.calls("CreateIdentityPool")
    assert not world.calls("CreateOpenIDConnectProvider")
    assert iam.get_role(RoleName=ROLE)["Role"]["AssumeRolePolicyDocument"] == NOBODY


def test_a_role_of_another_pool_stays_as_it_is_until_that_pool_is_gone(office: Office, world: World) -> None:
    iam, cognito = office.client("iam"), office.client("cognito-identity")
    members = {"IdentityPoolName": "other", "AllowUnauthenticatedIdentities": False}
    other = cognito.create_identity_pool(**members)["IdentityPoolId"]
    tags = [{"Key": TAG, "Value": other}]
    iam.create_role(RoleName=ROLE, AssumeRolePolicyDocument=json.dumps(NOBODY), Tags=tags)
    assert f"made for identity pool {other}" in office.refused("create", "--yes")
    cognito.delete_identity_pool(IdentityPoolId=other)
    office.sign_in(office.create())


def test_a_role_that_the_pool_uses_is_corrected_and_what_else_it_trusts_stays(office: Office) -> None:
    iam, cognito = office.client("iam"), office.client("cognito-identity")
    pool_id = cognito.create_identity_pool(IdentityPoolName=NAME, AllowUnauthenticatedIdentities=False)[
        "IdentityPoolId"
    ]
    machine = {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}
    arn = iam.create_role(RoleName="Own", AssumeRolePolicyDocument=json.dumps({**NOBODY, "Statement": [machine]}))[
        "Role"
    ]["Arn"]
    cognito.set_identity_pool_roles(IdentityPoolId=pool_id, Roles={"authenticated": arn})
    office.create()
    office.sign_in(pool_id)
    assert NOBODY["Statement"][0] in iam.get_role(RoleName="Own")["Role"]["AssumeRolePolicyDocument"]["Statement"]
    _, _, err = office.pool("delete", "--yes")
    assert "was not made by this tool, and stays" in err
    assert office.pools() == [pool_id]


@pytest.fixture
def elsewhere(
    request: pytest.FixtureRequest, home: ModuleHome, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> Iterator[Office]:
    region, partition = request.param
    with World(region=region) as world:
        yield office_in(ModuleHome(home.path, world, environ=home.environ), tmp_path, monkeypatch, capsys, partition)


PARTITIONS = (
    ("us-gov-west-1", "aws-us-gov"),
    ("us-gov-east-1", "aws-us-gov"),
    ("cn-north-1", "aws-cn"),
)


@pytest.mark.parametrize("elsewhere", PARTITIONS, indirect=True)
def test_a_pool_of_another_partition_has_its_own_principal_and_arns(elsewhere: Office) -> None:
    pool_id = elsewhere.create()
    elsewhere.sign_in(pool_id)
    assert elsewhere.pool("check")[:2] == (0, "")
    elsewhere.trust(lambda one: one.update(Principal={"Federated": PRINCIPAL}, Condition={}))
    assert "does not name the principal cognito-identity" in elsewhere.pool("check")[1]


@pytest.mark.parametrize("region", ["cn-north-1", "us-gov-west-1"])
def test_credentials_of_another_partition_are_refused_before_any_change(
    office: Office, world: World, region: str
) -> None:
    office.policy.write_text(office.policy.read_text().replace("arn:aws:s3:::", "*"))
    line = office.refused("create", "--yes", "--region", region)
    assert re.search(f"in {region}, which is in partition aws-(cn|us-gov)", line)
    assert not world.calls("CreateOpenIDConnectProvider")


def test_arns_of_another_partition_are_refused_before_any_call(office: Office, world: World) -> None:
    arn = "arn:aws-cn:iam::aws:policy/ReadOnlyAccess"
    assert "ARNs there begin with arn:aws:" in office.refused("create", "--yes", "--managed-policy", arn)
    assert world.calls() == []


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--region", "nowhere"), "AWS has no region 'nowhere'"),
        (("--name", "two words"), "no name of a pool"),
        (("--identity-pool-id", "us-east-1:0-0"), "is in region us-east-1, not in eu-west-1"),
        (("--role-rule", "x"), "no rule for a role"),
        (("--roles-from-token",), "The classic flow works with no role mapping"),
        (("--provider", "facebook", "--client-id", "2"), "cognito_issuer has no meaning"),
        (("--client-id", "a b"), "is no client ID"),
        (("--policy", "/nowhere"), "holds no policy"),
        (("--allow", "everything"), "no ready-made permissions"),
        (("--admin-profile", "nobody"), "There is no profile 'nobody'"),
    ],
)
def test_bad_input_is_one_line_before_any_call(
    office: Office, world: World, flags: tuple[str, ...], words: str
) -> None:
    assert words in office.refused("create", "--yes", *flags)
    assert not [call for call in world.calls() if call.service in ("iam", "cognito-identity")]


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--provider", "facebook", "--client-id", "1", "--client-id", "2"), "takes one client ID"),
        (("--provider", "google", "--client-id", "abc"), "no client ID of Google"),
        (("--provider", "idp.example"), "There is no client ID"),
        (("--provider", "guest"), "A pool has no provider guest"),
        (("--provider", "developer"), "needs a name"),
        (("--region", "eusc-de-east-1", "--provider", "idp.example", "--client-id", "1"), "is not public"),
        (
            ("--flow", "web-identity", "--provider", "token.actions.githubusercontent.com", "--client-id", "sts"),
            "Say whose to trust: --subject",
        ),
        ((), "There is no provider"),
    ],
)
def test_a_template_needs_what_a_pool_needs(office: Office, flags: tuple[str, ...], words: str) -> None:
    region = () if "--region" in flags else ("--region", "eu-west-1")
    code, out, err = office.run("pool", "template", *region, *flags)
    assert (code, out, len(err.splitlines())) == (4, "", 1)
    assert words in err


def test_a_profile_that_cannot_be_written_is_found_before_any_change(office: Office, world: World) -> None:
    office.home.section("profile fixed", aws_access_key_id="AKIA", aws_secret_access_key="x")
    assert "static keys" in office.refused("create", "--yes", "--profile", "fixed")
    assert not world.calls("CreateOpenIDConnectProvider")


def test_an_explicit_deny_is_lifted_and_not_outvoted(office: Office, world: World) -> None:
    text = (
        "User: arn:aws:iam::111122223333:user/x is not authorized to perform: iam:CreateRole on resource:"
        " arn:aws:iam::111122223333:role/corp-authenticated with an explicit deny in a service control policy"
    )
    world.fault("CreateRole", status=403, code="AccessDenied", message=text)
    line = office.refused("create", "--yes")
    assert "do not allow iam:CreateRole. A Deny statement in the service control policy has to be lifted. Corr" in line


def test_another_account_is_refused_before_any_change(office: Office, world: World) -> None:
    line = office.refused("create", "--yes", "--account-id", "999999999999")
    assert f"account {world.account_id}, not 999999999999" in line
    assert not world.calls("CreateIdentityPool")


def test_a_pool_of_another_account_is_no_pool_of_this_one(office: Office, world: World) -> None:
    line = office.refused("create", "--yes", "--identity-pool-id", "eu-west-1:00000000-0000-0000-0000-000000000001")
    assert f"Account {world.account_id} has no identity pool eu-west-1:00000000" in line
    assert not world.calls("CreateIdentityPool")


def test_two_pools_of_one_name_are_told_apart_by_their_id(office: Office) -> None:
    cognito = office.client("cognito-identity")
    members = {"IdentityPoolName": NAME, "AllowUnauthenticatedIdentities": False}
    ids = [cognito.create_identity_pool(**members)["IdentityPoolId"] for _ in range(2)]
    line = office.refused("check")
    assert "--identity-pool-id: " in line
    assert all(one in line for one in ids)


def test_a_wrong_issuer_is_found_before_any_change(office: Office, world: World) -> None:
    office.refused("create", "--yes", "--issuer", f"{world.provider.issuer}/other")
    assert not world.calls("CreateOpenIDConnectProvider")


@pytest.mark.parametrize("code", ["invalid_client", "unauthorized_client"])
def test_a_client_that_the_provider_does_not_know_is_found_before_any_change(
    office: Office, world: World, httpserver: HTTPServer, code: str
) -> None:
    issuer = httpserver.url_for("").rstrip("/").replace("localhost", "127.0.0.1")
    document = {
        "issuer": issuer,
        "authorization_endpoint": f"{issuer}/authorize",
        "token_endpoint": f"{issuer}/token",
        "jwks_uri": f"{issuer}/jwks",
    }
    httpserver.expect_request("/.well-known/openid-configuration").respond_with_json(document)
    httpserver.expect_request("/token", method="POST").respond_with_json({"error": code}, status=401)
    named = ("--provider", issuer.partition("://")[2], "--issuer", issuer)
    line = office.refused("create", "--yes", *named)
    client_id = world.provider.client_id
    assert f"knows no client {client_id!r} without a secret: it answers {code}" in line
    assert not world.calls("CreateOpenIDConnectProvider")


class Clerk:
    """An administrator with the permissions that `pool policy` prints, less one."""

    def __init__(self, office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
        self.office, self.iam = office, office.client("iam")
        self.iam.create_user(UserName="clerk")  # only one test makes one
        key = self.iam.create_access_key(UserName="clerk")["AccessKey"]
        self.keys = key["AccessKeyId"], key["SecretAccessKey"]
        self.monkeypatch = monkeypatch
        document = json.loads(office.run("pool", "policy", "--name", NAME)[1])
        for statement in document["Statement"]:
            # moto compares every resource of IAM with "*"; iam:PassRole is compared by the demo.
            statement["Resource"] = [statement["Resource"], "*"] if statement["Sid"] != "Roles" else ["*"]
        self.statements = document["Statement"]

    def lacks(self, action: str) -> None:
        statements = [{**one, "Action": [each for each in one["Action"] if each != action]} for one in self.statements]
        text = json.dumps({"Version": "2012-10-17", "Statement": statements})
        self.iam.put_user_policy(UserName="clerk", PolicyName="p", PolicyDocument=text)

    def work(self, *words: str) -> tuple[int, str]:
        with self.monkeypatch.context() as patch:
            patch.setenv("AWS_ACCESS_KEY_ID", self.keys[0])
            patch.setenv("AWS_SECRET_ACCESS_KEY", self.keys[1])
            code, _, err = self.office.pool(*words)
        return code, err.splitlines()[-1] if err else ""


@pytest.fixture
def clerk(office: Office, monkeypatch: pytest.MonkeyPatch) -> Clerk:
    return Clerk(office, monkeypatch)


#: What each command needs, in the order in which it asks; `create` goes on where it was refused.
STEPS: dict[str, tuple[str, ...]] = {
    "create": (
        "cognito-identity:ListIdentityPools",
        "iam:GetOpenIDConnectProvider",
        "iam:GetRole",
        "iam:CreateOpenIDConnectProvider",
        "iam:TagOpenIDConnectProvider",
        "cognito-identity:CreateIdentityPool",
        "cognito-identity:TagResource",
        "iam:CreateRole",
        "iam:TagRole",
        "cognito-identity:DescribeIdentityPool",
        "cognito-identity:GetIdentityPoolRoles",
        "iam:PutRolePolicy",
        "iam:ListRolePolicies",
        "iam:AttachRolePolicy",
        "iam:ListAttachedRolePolicies",
        "iam:GetRolePolicy",
        "cognito-identity:SetIdentityPoolRoles",
        "iam:PassRole",
        "cognito-identity:SetPrincipalTagAttributeMap",
        "cognito-identity:GetPrincipalTagAttributeMap",
    ),
    "correct": (
        "iam:AddClientIDToOpenIDConnectProvider",
        "cognito-identity:UpdateIdentityPool",
        "iam:UpdateAssumeRolePolicy",
    ),
    "delete": (
        "cognito-identity:DeleteIdentityPool",
        "iam:DetachRolePolicy",
        "iam:DeleteRolePolicy",
        "iam:DeleteRole",
        "iam:DeleteOpenIDConnectProvider",
    ),
}


def test_each_missing_permission_is_named_with_the_statement_that_grants_it(office: Office, clerk: Clerk) -> None:
    damage: dict[str, Callable[[], object]] = {"create": lambda: None, "delete": lambda: None}

    def break_it() -> None:
        office.client("iam").remove_client_id_from_open_id_connect_provider(
            OpenIDConnectProviderArn=office.provider_arn(), ClientID=office.world.provider.client_id
        )
        office.update(office.pools()[0], AllowClassicFlow=False)
        office.trust(lambda one: one.update(Action="sts:AssumeRole"))

    damage["correct"] = break_it
    document = office.policy.read_text()
    arn = office.client("iam").create_policy(PolicyName="own", PolicyDocument=document)["Policy"]["Arn"]
    for step, actions in STEPS.items():
        damage[step]()
        command = ("delete",) if step == "delete" else ("create", "--managed-policy", arn)
        for action in actions:
            clerk.lacks(action)
            code, line = clerk.work(*command, "--yes")
            assert code == 6, (action, line)
            assert f"The administrator's credentials do not allow {action}" in line
            statement = json.loads(line[line.index('{"Effect"') : line.index("}") + 1])
            assert (statement["Action"], statement["Effect"]) == (action, "Allow")
        clerk.lacks("")
        assert clerk.work(*command, "--yes")[0] == 0
    assert {action for actions in STEPS.values() for action in actions} == {*READS, *WRITES}
