"""The resources of CloudFormation that an identity pool needs: IAM's OIDC provider and role, the pool, its roles, tags.

moto has only the role, and reports a stack complete even if it has made none of the others. Here each is made by the
operation that AWS's own handler calls, with all its refusals. The module loads every service of moto, so it is imported
at the first stack.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from typing import Any

from moto.cloudformation import parsing
from moto.cloudformation.models import cloudformation_backends
from moto.core.common_models import CloudFormationModel
from moto.iam.models import iam_backends

from . import model_limits
from .administration import Administration, check_iam_request

_of_account: dict[str, Administration] = {}


def enable(administration: Administration) -> None:
    """Let the stacks of this account make identity pools."""
    _of_account[administration.account.account_id] = administration


def disable(account_id: str) -> None:
    """Forget the stacks of an account."""
    _of_account.pop(account_id, None)
    if account_id in cloudformation_backends:
        del cloudformation_backends[account_id]


def _call(account_id: str, operation: str, members: Mapping[str, Any]) -> dict[str, Any]:
    model_limits.check("cognito-identity", operation, members)
    return _of_account[account_id].operations()[operation](members) or {}


class _Resource(CloudFormationModel):
    """One resource of a stack; what `Ref` returns is its physical ID."""

    TYPE = ""

    def __init__(self, physical_id: str, attributes: Mapping[str, str]) -> None:
        self.physical_resource_id, self._attributes = physical_id, attributes

    def get_cfn_attribute(self, name: str) -> str:
        return self._attributes[name]

    @staticmethod
    def cloudformation_name_type() -> str:
        return ""

    @classmethod
    def cloudformation_type(cls) -> str:
        return cls.TYPE

    @classmethod
    def has_cfn_attr(cls, attr: str) -> bool:
        return True

    @classmethod
    def create_from_cloudformation_json(
        cls, resource_name: str, cloudformation_json: Any, account_id: str, region_name: str, **kwargs: Any
    ) -> _Resource:
        return cls(*cls.make(dict(cloudformation_json["Properties"]), account_id))

    @classmethod
    def update_from_cloudformation_json(
        cls, original_resource: Any, new_resource_name: str, cloudformation_json: Any, account_id: str, region_name: str
    ) -> Any:
        raise NotImplementedError("stacks of the demo are made and deleted, and not updated")

    @classmethod
    def delete_from_cloudformation_json(
        cls, resource_name: str, cloudformation_json: Any, account_id: str, region_name: str
    ) -> None:
        cls.remove(resource_name, account_id)

    @classmethod
    def make(cls, properties: dict[str, Any], account_id: str) -> tuple[str, dict[str, str]]:
        """Make the resource; return what `Ref` and what `Fn::GetAtt` return."""
        raise NotImplementedError

    @classmethod
    def remove(cls, physical_id: str, account_id: str) -> None:
        """Remove it; what belongs to a pool goes with the pool."""


class OIDCProvider(_Resource):
    """``AWS::IAM::OIDCProvider``."""

    TYPE = "AWS::IAM::OIDCProvider"

    @classmethod
    def make(cls, properties: dict[str, Any], account_id: str) -> tuple[str, dict[str, str]]:
        iam = iam_backends[account_id][_of_account[account_id].account.partition.name]
        made = iam.create_open_id_connect_provider(
            properties["Url"],
            properties.get("ThumbprintList", []),
            properties.get("ClientIdList", []),
            properties.get("Tags", []),
        )
        return made.arn, {"Arn": made.arn}

    @classmethod
    def remove(cls, physical_id: str, account_id: str) -> None:
        iam = iam_backends[account_id][_of_account[account_id].account.partition.name]
        iam.delete_open_id_connect_provider(physical_id)


class Role(_Resource):
    """``AWS::IAM::Role``, in whose stacks moto stores inline policies so that its own enforcement cannot read them."""

    TYPE = "AWS::IAM::Role"

    @classmethod
    def make(cls, properties: dict[str, Any], account_id: str) -> tuple[str, dict[str, str]]:
        account = _of_account[account_id].account
        trust, name = properties["AssumeRolePolicyDocument"], properties.get("RoleName")
        form = {"Action": "CreateRole", "AssumeRolePolicyDocument": json.dumps(trust)}
        check_iam_request(form, account.partition.pool_name)
        name = name or f"stack-{secrets.token_hex(6)}"
        arn = account.create_role(name, trust, None, int(properties.get("MaxSessionDuration", 3600)))
        iam = iam_backends[account_id][account.partition.name]
        for policy in properties.get("Policies", []):
            iam.put_role_policy(name, policy["PolicyName"], json.dumps(policy["PolicyDocument"]))
        for policy_arn in properties.get("ManagedPolicyArns", []):
            iam.attach_role_policy(policy_arn, name)
        return name, {"Arn": arn}

    @classmethod
    def remove(cls, physical_id: str, account_id: str) -> None:
        iam = iam_backends[account_id][_of_account[account_id].account.partition.name]
        role = iam.get_role(physical_id)
        for policy in [*role.policies]:
            iam.delete_role_policy(physical_id, policy)
        for policy_arn in [*role.managed_policies]:
            iam.detach_role_policy(policy_arn, physical_id)
        iam.delete_role(physical_id)


class IdentityPool(_Resource):
    """``AWS::Cognito::IdentityPool``."""

    TYPE = "AWS::Cognito::IdentityPool"

    @classmethod
    def make(cls, properties: dict[str, Any], account_id: str) -> tuple[str, dict[str, str]]:
        made = _call(account_id, "CreateIdentityPool", _with_booleans(properties))
        return made["IdentityPoolId"], {"Name": made["IdentityPoolName"]}

    @classmethod
    def remove(cls, physical_id: str, account_id: str) -> None:
        _call(account_id, "DeleteIdentityPool", {"IdentityPoolId": physical_id})


class RoleAttachment(_Resource):
    """``AWS::Cognito::IdentityPoolRoleAttachment``: its role mappings name their provider inside."""

    TYPE = "AWS::Cognito::IdentityPoolRoleAttachment"

    @classmethod
    def make(cls, properties: dict[str, Any], account_id: str) -> tuple[str, dict[str, str]]:
        mappings = {}
        for name, mapping in properties.get("RoleMappings", {}).items():
            members = dict(mapping)
            mappings[members.pop("IdentityProvider", name)] = members
        _call(account_id, "SetIdentityPoolRoles", {**properties, "RoleMappings": mappings})
        return f"{properties['IdentityPoolId']}-roles", {}


class PrincipalTag(_Resource):
    """``AWS::Cognito::IdentityPoolPrincipalTag``."""

    TYPE = "AWS::Cognito::IdentityPoolPrincipalTag"

    @classmethod
    def make(cls, properties: dict[str, Any], account_id: str) -> tuple[str, dict[str, str]]:
        _call(account_id, "SetPrincipalTagAttributeMap", _with_booleans(properties))
        return f"{properties['IdentityPoolId']}|{properties['IdentityProviderName']}", {}


def _with_booleans(value: Any) -> Any:
    """Return properties with booleans: CloudFormation takes their names too, and moto passes those on."""
    if isinstance(value, dict):
        return {key: _with_booleans(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_with_booleans(one) for one in value]
    return {"true": True, "false": False}.get(value, value) if isinstance(value, str) else value


def _register() -> None:
    """moto lists the direct subclasses of its model once; these are found by their type."""
    models = parsing.get_model_map()
    names = parsing.get_name_type_map()
    for resource in (OIDCProvider, Role, IdentityPool, RoleAttachment, PrincipalTag):
        models[resource.TYPE], names[resource.TYPE] = resource, ""


_register()
