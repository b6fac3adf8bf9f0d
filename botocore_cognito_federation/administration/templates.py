"""Prints a design as text for CloudFormation, Terraform or the AWS CLI."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Mapping
from typing import Any

from .design import AUTHENTICATED, LONGEST_SESSION, POLICY_NAME, Design


def cloudformation(design: Design) -> str:
    """Return a template in JSON; it needs CAPABILITY_IAM."""
    resources: dict[str, Any] = {}
    if design.needs_iam_provider:
        properties: dict[str, Any] = {"Url": design.issuer, "ClientIdList": list(design.client_ids)}
        resources["Provider"] = {"Type": "AWS::IAM::OIDCProvider", "Properties": properties}
    provider: dict[str, Any] = {"Fn::GetAtt": ["Provider", "Arn"]}
    pool: dict[str, Any] = {"Ref": "IdentityPool"}
    value: dict[str, Any]
    if design.flow == "web-identity":
        trust = {"AssumeRolePolicyDocument": design.trust_without_pool(provider), "MaxSessionDuration": LONGEST_SESSION}
        resources["AuthenticatedRole"] = _cloudformation_role(design, AUTHENTICATED, trust)
        output, value = "RoleArn", {"Fn::GetAtt": ["AuthenticatedRole", "Arn"]}
    else:
        resources |= _cloudformation_pool(design, pool, provider)
        output, value = "IdentityPoolId", pool
    template = {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Resources": resources,
        "Outputs": {output: {"Value": value}},
    }
    return json.dumps(template, indent=2)


def _cloudformation_pool(design: Design, pool: dict[str, Any], provider: dict[str, Any]) -> dict[str, Any]:
    resources: dict[str, Any] = {
        "IdentityPool": {"Type": "AWS::Cognito::IdentityPool", "Properties": design.pool_members(provider)}
    }
    roles = {}
    for kind, name in design.roles.items():
        title = name.rpartition("-")[2].capitalize() + "Role"
        resources[title] = _cloudformation_role(design, kind, {"AssumeRolePolicyDocument": design.trust(pool, kind)})
        roles[kind] = {"Fn::GetAtt": [title, "Arn"]}
    attached: dict[str, Any] = {"IdentityPoolId": pool, "Roles": roles}
    if mappings := _mappings(design, provider):
        named = {f"Mapping{number}": {"IdentityProvider": key, **mapping} for number, (key, mapping) in mappings}
        attached["RoleMappings"] = named
    resources["RoleAttachment"] = {"Type": "AWS::Cognito::IdentityPoolRoleAttachment", "Properties": attached}
    if design.tags:
        tags = {"IdentityPoolId": pool, "IdentityProviderName": design.login_key, "UseDefaults": True}
        resources["PrincipalTags"] = {"Type": "AWS::Cognito::IdentityPoolPrincipalTag", "Properties": tags}
    return resources


def _cloudformation_role(design: Design, kind: str, properties: dict[str, Any]) -> dict[str, Any]:
    if kind == AUTHENTICATED and design.permissions:
        properties["Policies"] = [{"PolicyName": POLICY_NAME, "PolicyDocument": design.permissions}]
    if kind == AUTHENTICATED and design.managed_policies:
        properties["ManagedPolicyArns"] = list(design.managed_policies)
    return {"Type": "AWS::IAM::Role", "Properties": properties}


def _mappings(design: Design, provider: Any) -> list[tuple[int, tuple[Any, dict[str, Any]]]]:
    """Return the role mappings by number; a provider that the template makes is no string that could be a key."""
    marker = "PROVIDER"
    mappings = design.role_mappings(marker).items()
    return [(number, (provider if key == marker else key, one)) for number, (key, one) in enumerate(mappings, 1)]


class _Expression(str):
    """A Terraform expression, which is written without quotes."""


class _Encoded(dict[str, Any]):
    """A document that Terraform encodes as JSON."""


class _Blocks(list[Any]):
    """Blocks of one name inside a resource."""


def terraform(design: Design) -> str:
    """Return a configuration for the provider hashicorp/aws."""
    provider = _Expression("aws_iam_openid_connect_provider.this.arn")
    blocks: list[tuple[str, str, dict[str, Any]]] = []
    if design.needs_iam_provider:
        made = {"url": design.issuer, "client_id_list": list(design.client_ids)}
        blocks.append(("aws_iam_openid_connect_provider", "this", made))
    if design.flow == "web-identity":
        trust = _Encoded(design.trust_without_pool(provider))
        role = {"name": design.roles[AUTHENTICATED], "assume_role_policy": trust}
        blocks.append(("aws_iam_role", AUTHENTICATED, {**role, "max_session_duration": LONGEST_SESSION}))
        output = 'output "role_arn" {\n  value = aws_iam_role.authenticated.arn\n}'
    else:
        blocks += _terraform_pool(design, provider)
        output = 'output "identity_pool_id" {\n  value = aws_cognito_identity_pool.this.id\n}'
    blocks += _terraform_permissions(design)
    text = [_resource(kind, name, arguments) for kind, name, arguments in blocks]
    head = 'terraform {\n  required_providers {\n    aws = {\n      source = "hashicorp/aws"\n    }\n  }\n}\n'
    return "\n".join([head, *text, output])


def _terraform_pool(design: Design, provider: _Expression) -> list[tuple[str, str, dict[str, Any]]]:
    pool = _Expression("aws_cognito_identity_pool.this.id")
    members = {_snake(key): value for key, value in design.pool_members(provider).items()}
    if "cognito_identity_providers" in members:
        members["cognito_identity_providers"] = _Blocks(members["cognito_identity_providers"])
    blocks = [("aws_cognito_identity_pool", "this", members)]
    for kind, name in design.roles.items():
        trust = _Encoded(design.trust(pool, kind))
        blocks.append(("aws_iam_role", kind, {"name": name, "assume_role_policy": trust}))
    roles = {kind: _Expression(f"aws_iam_role.{kind}.arn") for kind in design.roles}
    attached: dict[str, Any] = {"identity_pool_id": pool, "roles": roles}
    mappings = _Blocks()
    for _, (key, mapping) in _mappings(design, provider):
        rules = mapping.get("RulesConfiguration", {}).get("Rules", ())
        block = {name: value for name, value in mapping.items() if name != "RulesConfiguration"}
        mappings.append({"IdentityProvider": key, **block, **({"MappingRule": _Blocks(rules)} if rules else {})})
    if mappings:
        attached["role_mapping"] = mappings
    blocks.append(("aws_cognito_identity_pool_roles_attachment", "this", attached))
    if design.tags:
        tags = {"identity_pool_id": pool, "identity_provider_name": design.login_key, "use_defaults": True}
        blocks.append(("aws_cognito_identity_pool_provider_principal_tag", "this", tags))
    return blocks


def _terraform_permissions(design: Design) -> list[tuple[str, str, dict[str, Any]]]:
    role = _Expression("aws_iam_role.authenticated.name")
    blocks: list[tuple[str, str, dict[str, Any]]] = []
    if design.permissions:
        inline = {"name": POLICY_NAME, "role": role, "policy": _Encoded(dict(design.permissions))}
        blocks.append(("aws_iam_role_policy", AUTHENTICATED, inline))
    for number, arn in enumerate(design.managed_policies, 1):
        attached = {"role": role, "policy_arn": arn}
        blocks.append(("aws_iam_role_policy_attachment", f"{AUTHENTICATED}_{number}", attached))
    return blocks


def _snake(name: str) -> str:
    """Return an argument's name: Terraform has the members of the API in other letters."""
    name = {"OpenIdConnectProviderARNs": "OpenidConnectProviderArns", "SamlProviderARNs": "SamlProviderArns"}.get(
        name, name.replace("ARN", "Arn")
    )
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()


def _resource(kind: str, name: str, arguments: Mapping[str, Any]) -> str:
    return f'resource "{kind}" "{name}" {{\n' + "\n".join(_lines(arguments, "  ")) + "\n}\n"


def _lines(arguments: Mapping[str, Any], indent: str) -> list[str]:
    lines = []
    for key, value in arguments.items():
        if isinstance(value, _Blocks):
            for one in value:
                inner = _lines({_snake(name): what for name, what in one.items()}, indent + "  ")
                lines += [f"{indent}{_snake(key)} {{", *inner, f"{indent}}}"]
        else:
            lines.append(f"{indent}{key} = {_hcl(value, indent)}")
    return lines


def _hcl(value: Any, indent: str) -> str:
    if isinstance(value, _Expression):
        return str(value)
    if isinstance(value, _Encoded):
        return f"jsonencode({_hcl(dict(value), indent)})"
    if isinstance(value, Mapping):
        inner = "".join(f"{indent}  {_hcl(key, '')} = {_hcl(one, indent + '  ')}\n" for key, one in value.items())
        return f"{{\n{inner}{indent}}}"
    if isinstance(value, list):
        return "[" + ", ".join(_hcl(one, indent) for one in value) + "]"
    return json.dumps(value).replace("${", "$${").replace("%{", "%%{")


def aws_cli(design: Design) -> str:
    """Return a shell script that makes everything with the AWS CLI, once: it does not go on where it has failed."""
    lines = ["#!/bin/sh", "set -eu"]
    ask = "--region {region} --output text --query {query} --cli-input-json {members}"

    def call(service: str, operation: str, members: Mapping[str, Any], query: str = "", variable: str = "") -> None:
        words = ask.format(region=design.region, query=shlex.quote(query or "''"), members=_shell(members))
        command = f"aws {service} {operation} {words}"
        lines.append(f"{variable}=$({command})" if variable else command)

    if design.needs_iam_provider:
        made = {"Url": design.issuer, "ClientIDList": list(design.client_ids)}
        call("iam", "create-open-id-connect-provider", made, "OpenIDConnectProviderArn", "provider")
    if design.flow == "web-identity":
        trust = json.dumps(design.trust_without_pool("$provider"))
        role = {"RoleName": design.roles[AUTHENTICATED], "AssumeRolePolicyDocument": trust}
        call("iam", "create-role", {**role, "MaxSessionDuration": LONGEST_SESSION}, "Role.Arn", "authenticated")
    else:
        _cli_pool(design, call)
    role_name = {"RoleName": design.roles[AUTHENTICATED]}
    if design.permissions:
        inline = {"PolicyName": POLICY_NAME, "PolicyDocument": json.dumps(design.permissions)}
        call("iam", "put-role-policy", {**role_name, **inline})
    for arn in design.managed_policies:
        call("iam", "attach-role-policy", {**role_name, "PolicyArn": arn})
    lines.append('echo "$authenticated"' if design.flow == "web-identity" else 'echo "$pool"')
    return "\n".join(lines)


def _cli_pool(design: Design, call: Callable[..., None]) -> None:
    call("cognito-identity", "create-identity-pool", design.pool_members("$provider"), "IdentityPoolId", "pool")
    for kind, name in design.roles.items():
        trust = json.dumps(design.trust("$pool", kind))
        call("iam", "create-role", {"RoleName": name, "AssumeRolePolicyDocument": trust}, "Role.Arn", kind)
    attached: dict[str, Any] = {"IdentityPoolId": "$pool", "Roles": {kind: f"${kind}" for kind in design.roles}}
    if mappings := design.role_mappings("$provider"):
        attached["RoleMappings"] = mappings
    call("cognito-identity", "set-identity-pool-roles", attached)
    if design.tags:
        tags = {"IdentityPoolId": "$pool", "IdentityProviderName": design.login_key, "UseDefaults": True}
        call("cognito-identity", "set-principal-tag-attribute-map", tags)


def _shell(members: Mapping[str, Any]) -> str:
    """Return JSON as one word of the shell; the variables of the script are put in between."""
    quoted = shlex.quote(json.dumps(members))
    return re.sub(r"\$(provider|pool|authenticated|unauthenticated)\b", r"""'"$\1"'""", quoted)


FORMATS: dict[str, Callable[[Design], str]] = {
    "cloudformation": cloudformation,
    "terraform": terraform,
    "aws-cli": aws_cli,
}
