"""The administrator's command against the demo's account: what it makes lets users in, and what breaks is found."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from botocore_cognito_federation.administration.design import TAG
from botocore_cognito_federation.demo.world import World
from tests.cli.home import ModuleHome
from tests.cli.office import PRINCIPAL, ROLE, Office

pytestmark = pytest.mark.thorough


def test_a_user_lists_s3_through_what_create_made(office: Office, world: World, home: ModuleHome) -> None:
    pool_id = office.create("--profile", "made", "--offline")
    text = home.config.read_text()
    section = text.index("[profile made]") + len("[profile made]")
    keys = f"\ncognito_token_file = {home.path / 'token'}\ncognito_endpoint_url = {world.endpoint_url}"
    home.config.write_text(text[:section] + keys + text[section:])
    assert f"cognito_identity_pool_id = {pool_id}" in text
    (home.path / "token").write_text(world.provider.issue("ada"))
    done = home.run("credential-process", "--profile", "made", AWS_ACCESS_KEY_ID=None, AWS_SECRET_ACCESS_KEY=None)
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


#: Defects with which users still get credentials: too many, or useless ones.
LET_IN = {"guests let in", "no tags", "no permissions"}


@pytest.mark.parametrize("defect", DEFECTS)
def test_check_finds_a_defect_and_the_command_that_it_names_removes_it(office: Office, defect: str) -> None:
    break_it, words = DEFECTS[defect]
    pool_id = office.create()
    assert office.pool("check")[0] == 0
    break_it(office, pool_id)
    if defect not in LET_IN:
        with pytest.raises(ClientError):
            office.sign_in(pool_id, classic=defect == "classic flow off")
    code, out, err = office.pool("check")
    assert code == 1
    assert words in out
    assert len(out.splitlines()) == 1
    command = shlex.split(err.strip().partition("run: ")[2])
    assert office.run(*command[1:])[0] == 0
    assert office.pool("check")[:2] == (0, "")
    assert office.sign_in(pool_id, classic=defect == "classic flow off")


def test_check_prints_json(office: Office) -> None:
    code, out, _ = office.pool("check", "--json")
    document = json.loads(out)
    assert code == 1
    assert len(document["differences"]) >= 4
    assert document["fix"].startswith("cognito-federation pool create ")
    office.create()
    assert json.loads(office.pool("check", "--json")[1])["fix"] is None


def test_delete_leaves_what_it_did_not_make(office: Office, world: World) -> None:
    office.create()
    iam = office.client("iam")
    iam.untag_role(RoleName=ROLE, TagKeys=[TAG])
    assert office.pool("delete", "--yes")[0] == 0
    assert iam.get_role(RoleName=ROLE)
    assert office.client("iam").list_open_id_connect_providers()["OpenIDConnectProviderList"] == []


def test_the_policy_for_administrators_names_every_call_that_was_made(office: Office, world: World) -> None:
    statements = json.loads(office.run("pool", "policy")[1])["Statement"]
    world.reset_journal()
    office.create()
    office.pool("delete", "--yes")
    made = {f"{call.service}:{call.operation}" for call in world.calls() if call.service in ("iam", "cognito-identity")}
    assert made <= {action for one in statements for action in one["Action"]}
    reading = json.loads(office.run("pool", "policy", "--read-only")[1])["Statement"]
    actions = [action for one in reading for action in one["Action"]]
    assert not [one for one in actions if not one.partition(":")[2].startswith(("Describe", "Get", "List"))]
