"""The operations with which an administrator makes identity pools: they check what AWS checks, and store the pools.

A pool that was made here trusts only the providers in its description: an OIDC provider that IAM of this account has,
with the client IDs listed there. (Pools of `World.add_pool` trust every provider of the world.)
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from . import refusals
from .moto_account import MotoAccount
from .pools import Pool, Pools, new_pool_id

CLIENT_ID_OPERATIONS = frozenset({"AddClientIDToOpenIDConnectProvider", "RemoveClientIDFromOpenIDConnectProvider"})
#: The keys that SupportedLoginProviders may have (CreateIdentityPool, "SupportedLoginProviders").
_LOGIN_PROVIDERS = frozenset(
    {
        *("accounts.google.com", "api.twitter.com", "appleid.apple.com", "graph.facebook.com", "www.amazon.com"),
        "www.digits.com",
    }
)
#: What an administrator has to be allowed besides the operation itself, if the request has this member.
_ALSO_NEEDED = {
    ("CreateIdentityPool", "IdentityPoolTags"): "cognito-identity:TagResource",
    ("CreateOpenIDConnectProvider", "Tags.member.1.Key"): "iam:TagOpenIDConnectProvider",
    ("CreateRole", "Tags.member.1.Key"): "iam:TagRole",
}
_ROLE_TYPES = ("authenticated", "unauthenticated")
#: The members of CreateIdentityPool that DescribeIdentityPool returns as they were given.
_MEMBERS = (
    "IdentityPoolName",
    "AllowUnauthenticatedIdentities",
    "AllowClassicFlow",
    "SupportedLoginProviders",
    "DeveloperProviderName",
    "OpenIdConnectProviderARNs",
    "CognitoIdentityProviders",
    "SamlProviderARNs",
    "IdentityPoolTags",
)


@dataclass(frozen=True)
class Administration:
    """The administrative operations of Cognito identity pools, for signed callers with the permission."""

    pools: Pools
    account: MotoAccount

    def operations(self) -> dict[str, Callable[[Mapping[str, Any]], dict[str, Any] | None]]:
        """Return each operation by its name; one that returns None answers with an empty body."""
        return {
            "CreateIdentityPool": self._create,
            "UpdateIdentityPool": self._update,
            "DescribeIdentityPool": lambda request: _description(self._pool(request)),
            "DeleteIdentityPool": self._delete,
            "ListIdentityPools": self._list,
            "SetIdentityPoolRoles": self._set_roles,
            "GetIdentityPoolRoles": self._get_roles,
            "SetPrincipalTagAttributeMap": self._set_tags,
            "GetPrincipalTagAttributeMap": self._get_tags,
        }

    def _create(self, request: Mapping[str, Any]) -> dict[str, Any]:
        return _description(self._stored(Pool(new_pool_id(self.account.region)), request))

    def _update(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Replace the description: UpdateIdentityPool clears what the request leaves out."""
        pool = self._pool(request)
        name = pool.described.get("DeveloperProviderName")
        if name and request.get("DeveloperProviderName") != name:
            raise refusals.invalid_parameter("DeveloperProviderName cannot be changed")
        return _description(self._stored(pool, request))

    def _stored(self, pool: Pool, request: Mapping[str, Any]) -> Pool:
        for arn in request.get("OpenIdConnectProviderARNs") or []:
            if self.account.client_ids_of(arn) is None:
                raise refusals.invalid_parameter(f"OpenIdConnect provider {arn} does not exist in this account")
        for key in request.get("SupportedLoginProviders") or {}:
            if key not in _LOGIN_PROVIDERS:
                raise refusals.invalid_parameter(f"Unsupported login provider: {key}")
        return self.pools.replace(
            pool.with_description({key: request[key] for key in _MEMBERS if request.get(key) is not None})
        )

    def _delete(self, request: Mapping[str, Any]) -> None:
        self.pools.remove(self._pool(request).pool_id)

    def _list(self, request: Mapping[str, Any]) -> dict[str, Any]:
        most: int = request["MaxResults"]
        first = int(request.get("NextToken") or 0)
        found = self.pools.all()
        page = found[first : first + most]
        more = {"NextToken": str(first + most)} if len(found) > first + most else {}
        return {
            "IdentityPools": [
                {"IdentityPoolId": pool.pool_id, "IdentityPoolName": pool.described.get("IdentityPoolName", "demo")}
                for pool in page
            ],
            **more,
        }

    def _set_roles(self, request: Mapping[str, Any]) -> None:
        pool, roles, mappings = self._pool(request), request["Roles"], request.get("RoleMappings") or {}
        if not set(roles) <= set(_ROLE_TYPES):
            raise refusals.invalid_parameter("Roles must name authenticated or unauthenticated")
        for arn in roles.values():
            if not re.fullmatch(r"arn:[\w-]+:iam::\d{12}:role/[\w+=,.@/-]+", str(arn), re.ASCII):
                raise refusals.invalid_parameter(f"'{arn}' is not a valid role ARN.")
        for name, mapping in mappings.items():
            if pool.described and name not in _mappable(pool):
                # aws/aws-cdk#7670
                raise refusals.invalid_parameter(
                    f"{name} is not a valid RoleMapping ProviderName or is not a configured provider."
                )
            if (mapping["Type"] == "Rules") != ("RulesConfiguration" in mapping):
                raise refusals.invalid_parameter("RulesConfiguration goes with Type Rules, and with no other")
        self.pools.replace(pool.with_roles(roles, mappings))

    def _get_roles(self, request: Mapping[str, Any]) -> dict[str, Any]:
        pool = self._pool(request)
        roles = {"authenticated": pool.authenticated_role, "unauthenticated": pool.guest_role}
        found: dict[str, Any] = {
            "IdentityPoolId": pool.pool_id,
            "Roles": {name: arn for name, arn in roles.items() if arn},
        }
        return {**found, "RoleMappings": dict(pool.role_mappings)} if pool.role_mappings else found

    def _set_tags(self, request: Mapping[str, Any]) -> dict[str, Any]:
        pool, provider = self._pool(request), str(request.get("IdentityProviderName", ""))
        tags: dict[str, str] = request.get("PrincipalTags") or {}
        mapped = {"UseDefaults": bool(request.get("UseDefaults")), "PrincipalTags": tags}
        self.pools.replace(pool.with_tags(provider, mapped))
        return {"IdentityPoolId": pool.pool_id, "IdentityProviderName": provider, **mapped}

    def _get_tags(self, request: Mapping[str, Any]) -> dict[str, Any]:
        pool, provider = self._pool(request), str(request.get("IdentityProviderName", ""))
        mapped = pool.principal_tags.get(provider, {"UseDefaults": False, "PrincipalTags": {}})
        return {"IdentityPoolId": pool.pool_id, "IdentityProviderName": provider, **mapped}

    def change_client_ids(self, operation: str, form: Mapping[str, str]) -> None:
        """Carry out AddClientIDToOpenIDConnectProvider or RemoveClientIDFromOpenIDConnectProvider of IAM."""
        arn, client_id = form.get("OpenIDConnectProviderArn", ""), form.get("ClientID", "")
        present = self.account.client_ids_of(arn)
        if present is None:
            raise refusals.Refusal("NoSuchEntity", f"OpenIDConnect Provider not found for arn {arn}", 404)
        adds = operation.startswith("Add")
        self.account.set_client_ids(arn, present | {client_id} if adds else present - {client_id})

    def _pool(self, request: Mapping[str, Any]) -> Pool:
        return self.pools.get(str(request.get("IdentityPoolId", "")))


def _mappable(pool: Pool) -> set[str]:
    """Return the names that RoleMappings may have for this pool."""
    described = pool.described
    user_pools = {f"{one['ProviderName']}:{one['ClientId']}" for one in described.get("CognitoIdentityProviders", ())}
    listed = (*described.get("OpenIdConnectProviderARNs", ()), *described.get("SamlProviderARNs", ()))
    return {*described.get("SupportedLoginProviders", {}), *listed, *user_pools}


def check_permissions(account: MotoAccount, access_key: str, operation: str, request: Mapping[str, Any]) -> None:
    """Refuse callers who lack one of the actions that an operation needs besides its own.

    Raises:
        Refusal: in the words of IAM, or of Cognito for its operations.
    """
    needed = [
        (action, "*") for (name, member), action in _ALSO_NEEDED.items() if name == operation and request.get(member)
    ]
    if operation == "SetIdentityPoolRoles":
        needed += [("iam:PassRole", str(arn)) for arn in (request.get("Roles") or {}).values()]
    for action, resource in needed:
        if not account.allows(access_key, action, resource):
            denied = refusals.not_allowed(account.caller(access_key), action, resource)
            of_cognito = operation in ("CreateIdentityPool", "SetIdentityPoolRoles")
            raise refusals.Refusal("AccessDeniedException", denied.message) if of_cognito else denied


def _description(pool: Pool) -> dict[str, Any]:
    usual = {"IdentityPoolName": "demo", "AllowUnauthenticatedIdentities": pool.allow_guests}
    return {"IdentityPoolId": pool.pool_id, **usual, **pool.described}


def check_iam_request(form: Mapping[str, str], pool_name: str) -> None:
    """Refuse a request to IAM that AWS does not accept and moto does.

    IAM saves no trust policy for identity pools without an ``aud`` condition, and an OIDC provider only with an https
    URL. The world makes one exception: http on a literal loopback address, for its own providers.
    """
    action = form.get("Action", "")
    if action == "CreateOpenIDConnectProvider":
        url = form.get("Url", "")
        if not url.startswith(("https://", "http://127.0.0.1:", "http://[::1]:")):
            raise refusals.Refusal("ValidationError", "Invalid Open ID Connect Provider URL")
    name = {"CreateRole": "AssumeRolePolicyDocument", "UpdateAssumeRolePolicy": "PolicyDocument"}.get(action)
    try:
        document = json.loads(form.get(name, "{}")) if name else {}
        statements = document.get("Statement", [])
        for statement in statements if isinstance(statements, list) else [statements]:
            _check_trust(statement, pool_name)
    except (ValueError, AttributeError, TypeError):
        raise refusals.Refusal("MalformedPolicyDocument", "This policy contains invalid Json") from None


def _check_trust(statement: Mapping[str, Any], pool_name: str) -> None:
    principal = statement.get("Principal")
    federated = principal.get("Federated", []) if isinstance(principal, dict) else []
    keys = {key for tests in (statement.get("Condition") or {}).values() for key in tests}
    if statement.get("Effect") == "Allow" and pool_name in federated and f"{pool_name}:aud" not in keys:
        raise refusals.Refusal(
            "MalformedPolicyDocument", f"A trust policy for {pool_name} must have a condition on {pool_name}:aud"
        )
