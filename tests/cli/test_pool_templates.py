"""The texts of `pool template`: their tools take them, and what is made from them lets users in."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import hcl2
import pytest
from botocore import UNSIGNED
from botocore.config import Config

from botocore_cognito_federation.demo.world import World
from tests.administration.terraform_arguments import PACKAGE, RECORD, arguments_of
from tests.cli.office import Office
from tests.servers.tool_cache import lacking, npm_folder

pytestmark = pytest.mark.thorough

SAML = "arn:aws:iam::111122223333:saml-provider/corp"
ROLE_ARN = "arn:aws:iam::111122223333:role/Admins"
GOOGLE = ("--provider", "google", "--client-id", "1.apps.googleusercontent.com")
#: Every kind of provider and every option, each at least once.
DESIGNS: dict[str, tuple[str, ...]] = {
    "oidc": ("--provider", "corp.eu.auth0.com", "--client-id", "a", "--client-id", "b", "--tags"),
    "oidc with a path": ("--provider", "login.microsoftonline.com/x/v2.0", "--client-id", "a", "--roles-from-token"),
    "classic flow": ("--provider", "idp.example", "--client-id", "a", "--flow", "basic", "--guests"),
    "google": (*GOOGLE, "--role-rule", f"hd=corp.example={ROLE_ARN}", "--allow-ambiguous"),
    "google with two clients": (*GOOGLE, "--client-id", "2.apps.googleusercontent.com", "--roles-from-token"),
    "facebook": ("--provider", "facebook", "--client-id", "1", "--allow", "bedrock"),
    "user pool": (
        *("--provider", "user-pool", "--user-pool-id", "eu-west-1_AbCdEfGhI", "--client-id", "a1", "--client-id", "b2"),
        *("--roles-from-token", "--tags", "--allow", "s3-prefix:my-bucket"),
    ),
    "saml": ("--provider", SAML, "--managed-policy", "arn:aws:iam::aws:policy/ReadOnlyAccess"),
    "developer": ("--developer-provider", "login.corp", "--guests"),
    "no pool": ("--provider", "idp.example", "--client-id", "a", "--flow", "web-identity", "--allow", "bedrock"),
    "no pool, shared issuer": (
        *("--provider", "token.actions.githubusercontent.com", "--client-id", "sts.amazonaws.com"),
        *("--flow", "web-identity", "--subject", "repo:corp/app:*"),
    ),
}
REGIONS = {"aws": "eu-west-1", "aws-us-gov": "us-gov-west-1", "aws-cn": "cn-north-1"}

Print = Callable[..., str]


@pytest.fixture
def template(office: Office) -> Print:
    def printed(form: str, *flags: str, region: str = "eu-west-1") -> str:
        code, out, err = office.run("pool", "template", "--format", form, "--region", region, *flags)
        assert (code, err) == (0, "")
        return out

    return printed


@pytest.mark.slow
def test_cloudformation_has_nothing_to_say_against_a_template(template: Print) -> None:
    from cfnlint.api import ManualArgs, lint  # which takes seconds to import

    config = ManualArgs(regions=["eu-west-1"])
    found = {which: lint(template("cloudformation", *flags), config=config) for which, flags in DESIGNS.items()}
    assert found == {which: [] for which in DESIGNS}


@pytest.mark.parametrize("partition", REGIONS)
@pytest.mark.parametrize("form", ["cloudformation", "terraform", "aws-cli"])
def test_a_template_has_the_arns_and_the_principal_of_its_partition(form: str, partition: str, template: Print) -> None:
    flags = ("--provider", "idp.example", "--client-id", "a", "--allow", "s3-prefix:my-bucket")
    text = template(form, *flags, region=REGIONS[partition])
    assert set(re.findall(r"arn:(aws[\w-]*):", text)) == {partition}
    principal = {
        "aws": "cognito-identity.amazonaws.com",
        "aws-us-gov": "cognito-identity-us-gov.amazonaws.com",
        "aws-cn": "cognito-identity.cn-north-1.amazonaws.com.cn",
    }[partition]
    assert set(re.findall(r"cognito-identity[\w.-]*\.amazonaws\.com(?:\.cn)?", text)) == {principal}


@pytest.mark.parametrize("form", ["cloudformation", "terraform", "aws-cli"])
def test_auth0_has_its_issuer_with_the_slash_and_its_login_key_without(form: str, template: Print) -> None:
    text = template(form, "--provider", "corp.eu.auth0.com", "--client-id", "a", "--tags")
    assert set(re.findall(r"corp\.eu\.auth0\.com/?", text)) == {"corp.eu.auth0.com/", "corp.eu.auth0.com"}
    direct = template(form, "--provider", "corp.eu.auth0.com", "--client-id", "a", "--flow", "web-identity")
    assert "corp.eu.auth0.com/:aud" in direct


def lists_s3(world: World, credentials: dict[str, Any]) -> bool:
    s3 = boto3.client(
        "s3",
        region_name=world.region,
        endpoint_url=world.endpoint_url,
        aws_access_key_id=credentials["AccessKeyId"],
        aws_secret_access_key=credentials.get("SecretKey") or credentials["SecretAccessKey"],
        aws_session_token=credentials["SessionToken"],
    )
    return int(s3.list_objects_v2(Bucket=world.bucket)["KeyCount"]) > 0


def provider_flags(world: World) -> tuple[str, ...]:
    provider = world.provider
    return ("--provider", provider.login_key, "--issuer", provider.issuer, "--client-id", provider.client_id)


def test_a_user_signs_in_through_a_stack_in_which_every_resource_is_real(
    office: Office, world: World, template: Print
) -> None:
    flags = (*provider_flags(world), "--tags", "--guests", "--roles-from-token", "--allow-ambiguous")
    flags = (*flags, "--policy", str(office.policy))
    text = template("cloudformation", *flags)
    stacks = office.client("cloudformation")
    stacks.create_stack(StackName="corp", TemplateBody=text, Capabilities=["CAPABILITY_IAM"])
    stack = stacks.describe_stacks(StackName="corp")["Stacks"][0]
    (pool_id,) = [one["OutputValue"] for one in stack["Outputs"]]
    made = stacks.describe_stack_resources(StackName="corp")["StackResources"]
    assert {one["LogicalResourceId"] for one in made} == set(json.loads(text)["Resources"])
    iam, cognito = office.client("iam"), office.client("cognito-identity")
    assert iam.get_open_id_connect_provider(OpenIDConnectProviderArn=office.provider_arn())["ClientIDList"]
    attached = cognito.get_identity_pool_roles(IdentityPoolId=pool_id)
    roles = {one["RoleName"] for one in iam.list_roles()["Roles"]}
    assert {arn.rpartition("/")[2] for arn in attached["Roles"].values()} <= roles
    assert len(attached["Roles"]) == 2
    assert attached["RoleMappings"][office.provider_arn()]["Type"] == "Token"
    tags = cognito.get_principal_tag_attribute_map(
        IdentityPoolId=pool_id, IdentityProviderName=world.provider.login_key
    )
    assert tags["UseDefaults"]
    assert lists_s3(world, office.sign_in(pool_id))
    assert office.run("pool", "check", "--region", world.region, *flags)[:2] == (0, "")
    stacks.delete_stack(StackName="corp")
    assert pool_id not in [one["IdentityPoolId"] for one in cognito.list_identity_pools(MaxResults=60)["IdentityPools"]]


def test_a_stack_that_aws_would_refuse_is_refused(office: Office, world: World, template: Print) -> None:
    text = template("cloudformation", "--provider", "idp.example", "--client-id", "a")
    document = json.loads(text)
    statement = document["Resources"]["AuthenticatedRole"]["Properties"]["AssumeRolePolicyDocument"]["Statement"][0]
    del statement["Condition"]
    stacks = office.client("cloudformation")
    with pytest.raises(Exception, match=r"500|Malformed|condition"):
        stacks.create_stack(StackName="open", TemplateBody=json.dumps(document), Capabilities=["CAPABILITY_IAM"])


def run_script(office: Office, world: World, text: str, folder: Path) -> str:
    """Run a script with the AWS CLI; return its last line."""
    program = shutil.which("aws")
    if program is None:
        lacking("the AWS CLI is not installed")
    wrapper = folder / "aws"  # Debian's is older than AWS_ENDPOINT_URL
    wrapper.write_text(f'#!/bin/sh\nexec "{program}" --endpoint-url {world.endpoint_url} "$@"\n')
    wrapper.chmod(0o755)
    path = f"{folder}:{os.environ['PATH']}"
    done = subprocess.run(
        ["sh", "-c", text], env={**os.environ, "PATH": path}, capture_output=True, text=True, timeout=90
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()[-1]


def test_a_user_signs_in_through_what_the_script_for_the_aws_cli_has_made(
    office: Office, world: World, template: Print, tmp_path: Path
) -> None:
    flags = (*provider_flags(world), "--tags", "--guests", "--name", "corp", "--policy", str(office.policy))
    pool_id = run_script(office, world, template("aws-cli", *flags), tmp_path)
    assert lists_s3(world, office.sign_in(pool_id))
    assert office.run("pool", "check", "--region", world.region, *flags)[:2] == (0, "")


def test_a_user_assumes_the_role_of_a_template_without_a_pool(office: Office, world: World, template: Print) -> None:
    flags = (*provider_flags(world), "--flow", "web-identity", "--subject", "ad*", "--policy", str(office.policy))
    stacks = office.client("cloudformation")
    text = template("cloudformation", *flags)
    stacks.create_stack(StackName="corp", TemplateBody=text, Capabilities=["CAPABILITY_IAM"])
    (arn,) = [one["OutputValue"] for one in stacks.describe_stacks(StackName="corp")["Stacks"][0]["Outputs"]]
    sts = boto3.client(
        "sts",
        region_name=world.region,
        endpoint_url=world.endpoint_url,
        config=Config(signature_version=UNSIGNED),
    )
    asked = {"RoleArn": arn, "RoleSessionName": "me", "DurationSeconds": 43_200}
    answer = sts.assume_role_with_web_identity(**asked, WebIdentityToken=world.provider.issue("ada"))
    assert lists_s3(world, answer["Credentials"])
    with pytest.raises(Exception, match="AccessDenied"):
        sts.assume_role_with_web_identity(**asked, WebIdentityToken=world.provider.issue("bob"))
    stacks.delete_stack(StackName="corp")


@pytest.mark.parametrize("which", DESIGNS)
def test_terraform_parses_and_every_argument_is_one_of_the_provider(which: str, template: Print) -> None:
    document = plain(hcl2.loads(template("terraform", *DESIGNS[which])))
    known = json.loads(RECORD.read_text())["resources"]
    resources = [(kind, body) for one in document["resource"] for kind, (body,) in named(one)]
    assert resources
    for kind, body in resources:
        compare(kind, body, known[kind])


def named(resource: dict[str, Any]) -> list[tuple[str, list[Any]]]:
    return [(kind, list(bodies.values())) for kind, bodies in resource.items()]


def plain(value: Any) -> Any:
    """Return a parsed document without quotes and marks, which some versions of the parser leave in."""
    if isinstance(value, dict):
        return {plain(key): plain(one) for key, one in value.items() if key != "__is_block__"}
    if isinstance(value, list):
        return [plain(one) for one in value]
    return value.strip('"') if isinstance(value, str) else value


def compare(where: str, body: dict[str, Any], known: dict[str, Any]) -> None:
    assert body.keys() <= known.keys(), where
    assert {name for name, required in known.items() if required is True} <= body.keys(), where
    for name, value in body.items():
        if isinstance(known[name], dict):
            for block in value:
                compare(f"{where}.{name}", block, known[name])


def test_terraform_leaves_the_variables_of_policies_alone(template: Print) -> None:
    text = template("terraform", *DESIGNS["user pool"])
    assert "$${cognito-identity.amazonaws.com:sub}" in text
    assert "${cognito" not in text.replace("$${", "")


@pytest.mark.slow
def test_the_record_of_terraform_s_arguments_is_that_of_the_provider() -> None:
    folder = npm_folder("cdktf-provider-aws", PACKAGE) / "node_modules" / "@cdktf" / "provider-aws"
    record = json.loads(RECORD.read_text())
    assert (record["from"], record["resources"]) == (PACKAGE, arguments_of(folder))
