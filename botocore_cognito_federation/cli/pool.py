"""The administrator's command: ``pool template``, ``create``, ``check``, ``delete`` and ``policy``."""

from __future__ import annotations

import functools
import json
import os
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar, cast

import boto3
import click
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, ProfileNotFound
from click.core import ParameterSource

from ..config.configure import Files, Request, check_provider, make_plan, write_changes
from ..config.profiles import load_settings
from ..errors import ConfigurationError
from ..factory import store_for
from ..identity_pool.administration import POLICY_NAME, TAG, Administrator, Design, Difference, explained
from ..identity_providers import IdentityProvider, pool_principal, resolve
from ..messages import shell_command
from .app import json_option, print_data, print_json, print_line, profile_flag

F = TypeVar("F", bound=Callable[..., Any])

#: What each command of an administrator calls.
_READS = (
    "cognito-identity:DescribeIdentityPool",
    "cognito-identity:GetIdentityPoolRoles",
    "cognito-identity:GetPrincipalTagAttributeMap",
    "cognito-identity:ListIdentityPools",
    "iam:GetOpenIDConnectProvider",
    "iam:GetRole",
    "iam:GetRolePolicy",
    "iam:ListAttachedRolePolicies",
    "iam:ListRolePolicies",
    "iam:ListRoleTags",
)
_WRITES = (
    "cognito-identity:CreateIdentityPool",
    "cognito-identity:DeleteIdentityPool",
    "cognito-identity:SetIdentityPoolRoles",
    "cognito-identity:SetPrincipalTagAttributeMap",
    "cognito-identity:TagResource",
    "cognito-identity:UpdateIdentityPool",
    "iam:AddClientIDToOpenIDConnectProvider",
    "iam:AttachRolePolicy",
    "iam:CreateOpenIDConnectProvider",
    "iam:CreateRole",
    "iam:DeleteOpenIDConnectProvider",
    "iam:DeleteRole",
    "iam:DeleteRolePolicy",
    "iam:DetachRolePolicy",
    "iam:PassRole",
    "iam:PutRolePolicy",
    "iam:TagOpenIDConnectProvider",
    "iam:TagRole",
    "iam:UpdateAssumeRolePolicy",
)

_OPTIONS = (
    click.option("--name", metavar="NAME", default="cognito-federation", help="The identity pool's name."),
    click.option("--region", metavar="R", help="The pool's region; default is that of the administrator's profile."),
    click.option("--provider", metavar="P", help="google, facebook, amazon, apple, user-pool, or a domain."),
    click.option("--issuer", metavar="URL", help="Issuer URL, where it is not https://PROVIDER."),
    click.option("--user-pool-id", metavar="ID", help="With provider user-pool: which one."),
    click.option("--client-id", "client_ids", metavar="ID", multiple=True, help="OAuth client; may be repeated."),
    click.option("--classic", is_flag=True, help="Also take the classic flow (cognito_flow = basic)."),
    click.option("--guests", is_flag=True, help="Also let users in who are not signed in, with a role of their own."),
    click.option("--tags", is_flag=True, help="Tag sessions with the user's sub and aud."),
    click.option("--policy", "policy_file", metavar="FILE", help="The permissions of signed-in users, a JSON policy."),
    click.option("--allow", metavar="SET", multiple=True, help="Ready-made permissions: s3-prefix:BUCKET or bedrock."),
    click.option("--managed-policy", "managed", metavar="ARN", multiple=True, help="A policy to attach."),
    click.option("--identity-pool-id", metavar="ID", help="An existing pool, where the name is not enough."),
)
_ADMIN = click.option("--admin-profile", metavar="NAME", help="The administrator's profile; default is boto3's choice.")
_ACCOUNT = click.option("--account-id", metavar="N", help="Refuse to work in any other AWS account.")


def design_options(function: F) -> F:
    """The options that say what is wanted; the command gets a `Design` and the profile."""

    @functools.wraps(function)
    def with_design(*args: Any, **given: Any) -> Any:
        names = ("name", "region", "provider", "issuer", "user_pool_id", "client_ids", "classic", "guests", "tags")
        more = ("policy_file", "allow", "managed", "identity_pool_id")
        mine = {name: given.pop(name) for name in (*names, *more)}
        design = _design(mine, given["profile"], given.get("admin_profile"))
        return function(*args, design=design, **given)

    for option in reversed(_OPTIONS):
        with_design = option(with_design)
    return profile_flag(cast(F, with_design))


def _design(given: Mapping[str, Any], profile: str | None, admin_profile: str | None) -> Design:
    pool_id, client_ids, classic = given["identity_pool_id"] or "", given["client_ids"], given["classic"]
    provider: IdentityProvider | None = None
    if given["provider"]:
        provider = resolve(given["provider"], issuer=given["issuer"], user_pool_id=given["user_pool_id"])
    elif profile:
        settings = load_settings(profile)
        provider, pool_id = settings.provider, pool_id or settings.identity_pool_id
        client_ids = client_ids or ((settings.client_id,) if settings.client_id else ())
        classic = classic or settings.flow == "basic"
    if provider is None or not provider.login_key or provider.kind == "saml":
        raise ConfigurationError(
            "There is no provider to make a pool for", remedy="Name it: --provider DOMAIN --client-id ID"
        )
    if not client_ids:
        raise ConfigurationError(
            "There is no client ID, and a pool takes only tokens for listed ones", remedy="Name it: --client-id ID"
        )
    region = given["region"] or pool_id.partition(":")[0] or _session(admin_profile).region_name
    if not region:
        raise ConfigurationError("There is no region for the pool", remedy="Name it: --region eu-west-1")
    permissions = _permissions(given["policy_file"], given["allow"], region)
    return Design(
        given["name"], region, provider, client_ids, classic, given["guests"], given["tags"], permissions,
        given["managed"], pool_id,
    )  # fmt: skip


def _permissions(policy_file: str | None, allowed: tuple[str, ...], region: str) -> dict[str, Any] | None:
    statements: list[Any] = []
    if policy_file:
        try:
            document = json.loads(Path(policy_file).read_text(encoding="utf-8"))
            found = document["Statement"]
            statements += found if isinstance(found, list) else [found]
        except (OSError, ValueError, KeyError, TypeError):
            raise ConfigurationError(
                f"{policy_file} holds no policy", remedy='It needs JSON: {"Version": "2012-10-17", "Statement": […]}'
            ) from None
    partition = boto3.Session().get_partition_for_region(region)
    for one in allowed:
        kind, _, argument = one.partition(":")
        if kind == "s3-prefix" and argument:
            own, arn = f"${{{pool_principal(region)}:sub}}", f"arn:{partition}:s3:::{argument}"
            listing = {"StringLike": {"s3:prefix": [f"{own}/*"]}}
            statements += [
                {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": arn, "Condition": listing},
                {
                    "Effect": "Allow",
                    "Action": ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"],
                    "Resource": f"{arn}/{own}/*",
                },
            ]
        elif one == "bedrock":
            actions = ["bedrock:InvokeModel", "bedrock:InvokeModelWithResponseStream", "bedrock:ListInferenceProfiles"]
            statements.append({"Effect": "Allow", "Action": actions, "Resource": "*"})
        else:
            raise click.UsageError(f"--allow takes s3-prefix:BUCKET or bedrock, not {one!r}")
    return {"Version": "2012-10-17", "Statement": statements} if statements else None


def _session(admin_profile: str | None) -> boto3.Session:
    try:
        return boto3.Session(profile_name=admin_profile)
    except ProfileNotFound:
        raise ConfigurationError(
            f"There is no profile {admin_profile!r} for the administrator",
            remedy="aws configure list-profiles lists them",
        ) from None


def _administrator(design: Design, admin_profile: str | None, account_id: str | None) -> Administrator:
    session = _session(admin_profile)
    try:
        caller = session.client("sts", region_name=design.region).get_caller_identity()
    except NoCredentialsError:
        raise ConfigurationError(
            "There are no AWS credentials of an administrator", remedy="Name their profile: --admin-profile NAME"
        ) from None
    except (ClientError, BotoCoreError) as error:
        raise explained(error, []) from None
    if account_id and caller["Account"] != account_id:
        raise ConfigurationError(
            f"The administrator's credentials are of account {caller['Account']}, not {account_id}",
            remedy="Name another profile: --admin-profile NAME",
        )
    partition = str(caller["Arn"]).split(":")[1]
    if session.get_partition_for_region(design.region) != partition:
        raise ConfigurationError(
            f"Region {design.region} is not in partition {partition}, of which the administrator's credentials are",
            remedy="Name a region of it with --region, or another profile with --admin-profile",
        )
    cognito = session.client("cognito-identity", region_name=design.region)
    iam = session.client("iam", region_name=design.region)
    return Administrator(design, cognito, iam, account_id=caller["Account"], partition=partition)


def _found(look: Callable[[], list[Difference]]) -> list[Difference]:
    try:
        return look()
    except (ClientError, BotoCoreError) as error:
        raise explained(error, []) from None


def _apply(changes: list[Difference], verb: str) -> None:
    done: list[str] = []
    for change in changes:
        try:
            change.apply()
        except (ClientError, BotoCoreError) as error:
            raise explained(error, done) from None
        done.append(change.what)
        print_line(f"{verb}: {change.what}", err=True)


def _agreed(yes: bool) -> bool:
    if yes:
        return True
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise click.UsageError("Nothing has been changed. Run it again with --yes to do this")
    return click.confirm("Do this?", default=False, err=True)


@click.group("pool")
def pool_command() -> None:
    """Make, check and delete an identity pool with its provider and roles, as an administrator of the AWS account."""


@pool_command.command("create")
@design_options
@_ADMIN
@_ACCOUNT
@click.option("--offline", is_flag=True, help="Do not ask the provider for its discovery document.")
@click.option("--yes", is_flag=True, help="Do it without asking.")
def create(
    design: Design, profile: str | None, admin_profile: str | None, account_id: str | None, offline: bool, yes: bool
) -> None:
    """Make what is missing, and correct what differs; shows it first. Can be run again after any failure."""
    files = Files.of(os.environ)
    name = profile or "default"
    plan = make_plan(Request(name, None, _keys(design, f"{design.region}:{_NO_POOL}")), files) if profile else None
    if plan and not offline:
        check_provider(plan.settings, store_for(plan.settings, os.environ))
    administrator = _administrator(design, admin_profile, account_id)
    changes = _found(administrator.differences)
    for change in changes:
        print_line(f"- {change.what}", err=True)
    if not changes:
        print_line("Everything is there: nothing to change", err=True)
    elif not _agreed(yes):
        return
    _apply(changes, "Corrected")
    keys = _keys(design, administrator.pool_id)
    if plan:
        plan = make_plan(Request(name, None, keys), files)
        write_changes(plan.changes, files, store_for(plan.settings, os.environ))
        print_line(f"Then run: {shell_command('cognito-federation', 'login', '--profile', name)}", err=True)
    else:
        flags = [word for key, value in keys.items() for word in (f"--{key.replace('_', '-')}", value)]
        print_line(f"Then run: {shell_command('cognito-federation', 'configure', *flags)}", err=True)
    print_data(administrator.pool_id)


_NO_POOL = "00000000-0000-0000-0000-000000000000"


def _keys(design: Design, pool_id: str) -> dict[str, str]:
    """Return the configuration keys of a user of the pool."""
    provider = design.provider
    known = provider.name if provider.name != "user-pool" and not design.needs_iam_provider else design.login_key
    keys = {"identity_pool_id": pool_id, "provider": known, "client_id": design.client_ids[0]}
    if provider.issuer_is_exact and provider.issuer:
        keys["issuer"] = provider.issuer
    return keys


@pool_command.command("check")
@design_options
@_ADMIN
@_ACCOUNT
@json_option
def check(design: Design, profile: str | None, admin_profile: str | None, account_id: str | None, as_json: bool) -> int:
    """Say what would refuse whom, with the command that corrects it; exit code 1 if there is anything."""
    administrator = _administrator(design, admin_profile, account_id)
    found = [one.what for one in _found(administrator.differences)]
    fix = shell_command("cognito-federation", "pool", "create", *_given_flags(profile), "--yes")
    if as_json:
        print_json({"identity_pool_id": administrator.pool_id, "differences": found, "fix": fix if found else None})
        return 1 if found else 0
    for what in found:
        print_line(what)
    print_line(f"To correct it, run: {fix}" if found else "Everything is as it should be", err=True)
    return 1 if found else 0


def _given_flags(profile: str | None) -> list[str]:
    """Return the options of this command as they were given, for `create`."""
    context, words = click.get_current_context(), ["--profile", profile] if profile else []
    for option in context.command.params:
        name, value = option.name or "", context.params.get(option.name or "")
        if name in ("profile", "as_json") or context.get_parameter_source(name) is not ParameterSource.COMMANDLINE:
            continue
        for one in value if isinstance(value, tuple) else (value,):
            words += [option.opts[0]] if one is True else [option.opts[0], str(one)]
    return words


@pool_command.command("delete")
@design_options
@_ADMIN
@_ACCOUNT
@click.option("--yes", is_flag=True, help="Do it without asking.")
def delete(design: Design, profile: str | None, admin_profile: str | None, account_id: str | None, yes: bool) -> None:
    """Delete what create made (it has a tag), and nothing else."""
    administrator = _administrator(design, admin_profile, account_id)
    found = _found(administrator.removals)
    if not found:
        print_line(f"There is nothing with the tag {TAG}={design.name}", err=True)
        return
    for one in found:
        print_line(f"- {one.what}", err=True)
    if _agreed(yes):
        _apply(found, "Deleted")


@pool_command.command("policy")
@click.option("--read-only", is_flag=True, help="What check needs, and no more.")
def policy(read_only: bool) -> None:
    """Print the IAM policy that an administrator needs for these commands."""
    actions = sorted(_READS if read_only else (*_READS, *_WRITES))
    statement = {"Sid": "CognitoFederationPool", "Effect": "Allow", "Action": actions, "Resource": "*"}
    print_json({"Version": "2012-10-17", "Statement": [statement]})


@pool_command.command("template")
@design_options
@click.option("--format", "form", type=click.Choice(["cloudformation", "terraform"]), default="cloudformation",
              help="Which text; default is cloudformation (JSON).")  # fmt: skip
def template(design: Design, profile: str | None, form: str) -> None:
    """Print the same set-up as text for CloudFormation or Terraform; asks no service."""
    if form == "cloudformation":
        print_json(_cloudformation(design))
    else:
        print_data(_terraform(design))


def _cloudformation(design: Design) -> dict[str, Any]:
    resources: dict[str, Any] = {}
    if design.needs_iam_provider:
        properties: dict[str, Any] = {"Url": design.provider.issuer, "ClientIdList": list(design.client_ids)}
        resources["Provider"] = {"Type": "AWS::IAM::OIDCProvider", "Properties": properties}
    pool = {"Ref": "IdentityPool"}
    properties = design.pool_members({"Fn::GetAtt": ["Provider", "Arn"]})
    resources["IdentityPool"] = {"Type": "AWS::Cognito::IdentityPool", "Properties": properties}
    roles = {}
    for kind, name in design.roles.items():
        title = name.rpartition("-")[2].capitalize() + "Role"
        properties = {"AssumeRolePolicyDocument": design.trust(pool, kind)}
        if kind == "authenticated" and design.permissions:
            properties["Policies"] = [{"PolicyName": POLICY_NAME, "PolicyDocument": design.permissions}]
        if kind == "authenticated" and design.managed_policies:
            properties["ManagedPolicyArns"] = list(design.managed_policies)
        resources[title] = {"Type": "AWS::IAM::Role", "Properties": properties}
        roles[kind] = {"Fn::GetAtt": [title, "Arn"]}
    attached = {"IdentityPoolId": pool, "Roles": roles}
    resources["RoleAttachment"] = {"Type": "AWS::Cognito::IdentityPoolRoleAttachment", "Properties": attached}
    if design.tags:
        tags = {"IdentityPoolId": pool, "IdentityProviderName": design.login_key, "UseDefaults": True}
        resources["PrincipalTags"] = {"Type": "AWS::Cognito::IdentityPoolPrincipalTag", "Properties": tags}
    return {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Resources": resources,
        "Outputs": {"IdentityPoolId": {"Value": pool}},
    }


class _Reference(str):
    """A Terraform expression, which is written without quotes."""


def _terraform(design: Design) -> str:
    pool = _Reference("aws_cognito_identity_pool.this.id")
    blocks: list[tuple[str, str, dict[str, Any]]] = []
    if design.needs_iam_provider:
        made = {"url": design.provider.issuer, "client_id_list": list(design.client_ids)}
        blocks.append(("aws_iam_openid_connect_provider", "this", made))
    members = design.pool_members(_Reference("aws_iam_openid_connect_provider.this.arn"))
    blocks.append(("aws_cognito_identity_pool", "this", {_snake(key): value for key, value in members.items()}))
    for kind, name in design.roles.items():
        trust = _Encoded(design.trust(pool, kind))
        blocks.append(("aws_iam_role", kind, {"name": name, "assume_role_policy": trust}))
    role = _Reference("aws_iam_role.authenticated.name")
    if design.permissions:
        inline = {"name": POLICY_NAME, "role": role, "policy": _Encoded(dict(design.permissions))}
        blocks.append(("aws_iam_role_policy", "authenticated", inline))
    for number, arn in enumerate(design.managed_policies):
        attached = {"role": role, "policy_arn": arn}
        blocks.append(("aws_iam_role_policy_attachment", f"authenticated_{number}", attached))
    roles = {kind: _Reference(f"aws_iam_role.{kind}.arn") for kind in design.roles}
    blocks.append(("aws_cognito_identity_pool_roles_attachment", "this", {"identity_pool_id": pool, "roles": roles}))
    if design.tags:
        tags = {"identity_pool_id": pool, "identity_provider_name": design.login_key, "use_defaults": True}
        blocks.append(("aws_cognito_identity_pool_provider_principal_tag", "this", tags))
    text = [_block(kind, name, arguments) for kind, name, arguments in blocks]
    return "\n".join([*text, f'output "identity_pool_id" {{\n  value = {pool}\n}}'])


class _Encoded(dict[str, Any]):
    """A document that Terraform encodes as JSON."""


def _snake(name: str) -> str:
    if name == "OpenIdConnectProviderARNs":
        return "openid_connect_provider_arns"
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()


def _block(kind: str, name: str, arguments: Mapping[str, Any]) -> str:
    lines = []
    for key, value in arguments.items():
        if key == "cognito_identity_providers":  # blocks, not a list
            for one in value:
                inner = "\n".join(f"    {_snake(inner)} = {_hcl(what)}" for inner, what in one.items())
                lines.append(f"  {key} {{\n{inner}\n  }}")
        else:
            lines.append(f"  {key} = {_hcl(value)}")
    return f'resource "{kind}" "{name}" {{\n' + "\n".join(lines) + "\n}\n"


def _hcl(value: Any) -> str:
    if isinstance(value, _Reference):
        return str(value)
    if isinstance(value, _Encoded):
        return f"jsonencode({_hcl(dict(value))})"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_hcl(key)} = {_hcl(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_hcl, value)) + "]"
    return json.dumps(value).replace("${", "$${").replace("%{", "%%{")
