"""What an administrator makes for one provider: the IAM OIDC provider, the identity pool, its roles. Finds every
difference between that and the account, each with the call that removes it.

`pool create` applies the differences, `pool check` shows them. The same calls run on an account that has nothing, half
of it, or all of it, so that a command which failed can be run again.
"""

from __future__ import annotations

import fnmatch
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from ..errors import CognitoFederationError, ConfigurationError, FederationRefusedError, TemporaryError
from ..identity_providers import IdentityProvider, pool_principal

#: The tag of everything that was made here; its value is the pool's name.
TAG = "cognito-federation:pool"
POLICY_NAME = "cognito-federation"
ASSUME, TAG_SESSION = "sts:AssumeRoleWithWebIdentity", "sts:TagSession"
_DENIED = frozenset({"AccessDenied", "AccessDeniedException", "UnauthorizedOperation"})
_PASSING = frozenset({"Throttling", "ThrottlingException", "TooManyRequestsException", "ServiceUnavailable"})
#: Providers that Cognito knows itself. Every other OpenID Connect provider needs an IAM OIDC provider.
_SUPPORTED = frozenset({"google", "facebook", "amazon", "apple", "twitter"})


@dataclass(frozen=True)
class Design:
    """What is wanted.

    Attributes:
        name: of the identity pool; the roles are NAME-authenticated and NAME-guest.
        classic: the pool also takes the classic flow (``cognito_flow = basic``).
        guests: users who are not signed in get the guest role.
        tags: sessions carry the user's ``sub`` and ``aud`` as principal tags.
        permissions: the inline policy of the authenticated role; None to leave it as it is.
        identity_pool_id: an existing pool; empty to find it by its name.
    """

    name: str
    region: str
    provider: IdentityProvider
    client_ids: tuple[str, ...]
    classic: bool = False
    guests: bool = False
    tags: bool = False
    permissions: Mapping[str, Any] | None = None
    managed_policies: tuple[str, ...] = ()
    identity_pool_id: str = ""

    @property
    def login_key(self) -> str:
        return self.provider.login_key or ""

    @property
    def needs_iam_provider(self) -> bool:
        return self.provider.kind == "oidc" and self.provider.name not in (*_SUPPORTED, "user-pool")

    @property
    def principal(self) -> str:
        """The federated principal of the region's identity pools.

        Raises:
            ConfigurationError: it is not public for this partition.
        """
        found = pool_principal(self.region)
        if found is None:
            raise ConfigurationError(
                f"The federated principal of identity pools in {self.region} is not public",
                remedy="Make the pool in the console of that partition, then run: cognito-federation configure",
            )
        return found

    @property
    def roles(self) -> dict[str, str]:
        """The wanted roles: the pool's name for each -> its name in IAM."""
        guest = {"unauthenticated": f"{self.name}-guest"} if self.guests else {}
        return {"authenticated": f"{self.name}-authenticated", **guest}

    def pool_members(self, provider_arn: Any) -> dict[str, Any]:
        """Return the members of CreateIdentityPool."""
        members: dict[str, Any] = {
            "IdentityPoolName": self.name,
            "AllowUnauthenticatedIdentities": self.guests,
            "AllowClassicFlow": self.classic,
        }
        if self.needs_iam_provider:
            members["OpenIdConnectProviderARNs"] = [provider_arn]
        elif self.provider.name == "user-pool":
            members["CognitoIdentityProviders"] = [
                {"ProviderName": self.login_key, "ClientId": one, "ServerSideTokenCheck": True}
                for one in self.client_ids
            ]
        else:
            members["SupportedLoginProviders"] = {self.login_key: self.client_ids[0]}
        return members

    def trust(self, pool_id: Any, amr: str) -> dict[str, Any]:
        """Return the trust policy of a role of this pool."""
        name = self.principal
        statement = {
            "Effect": "Allow",
            "Principal": {"Federated": name},
            "Action": [ASSUME, TAG_SESSION] if self.tags and amr == "authenticated" else [ASSUME],
            "Condition": {
                "StringEquals": {f"{name}:aud": pool_id},
                "ForAnyValue:StringLike": {f"{name}:amr": amr},
            },
        }
        return {"Version": "2012-10-17", "Statement": [statement]}


@dataclass(frozen=True)
class Difference:
    """One difference between the account and the design: a sentence for people, and the call that removes it."""

    what: str
    apply: Callable[[], object]


class Administrator:
    """Reads and changes one account, with an administrator's clients of cognito-identity and IAM."""

    def __init__(self, design: Design, cognito: Any, iam: Any, *, account_id: str, partition: str) -> None:
        self.design, self._cognito, self._iam = design, cognito, iam
        self._arn = f"arn:{partition}:iam::{account_id}:"
        self.pool_id = design.identity_pool_id

    @property
    def provider_arn(self) -> str:
        return f"{self._arn}oidc-provider/{self.design.login_key}"

    def differences(self) -> list[Difference]:
        """Return what has to be done, in the order in which it can be done; empty if all is there."""
        self.pool_id = self.pool_id or self._find_pool()
        roles, mappings = self._attached()
        found = [*self._provider_differences(), *self._pool_differences()]
        for kind, usual in self.design.roles.items():
            found += self._role_differences(kind, roles[kind].rpartition("/")[2] if kind in roles else usual)
        if missing := {kind: name for kind, name in self.design.roles.items() if kind not in roles}:
            arns = {kind: f"{self._arn}role/{name}" for kind, name in missing.items()}

            def attach() -> None:
                extra = {"RoleMappings": mappings} if mappings else {}
                self._cognito.set_identity_pool_roles(IdentityPoolId=self.pool_id, Roles={**roles, **arns}, **extra)

            found.append(Difference(f"The pool does not use role {' and '.join(missing.values())}", attach))
        return [*found, *self._tag_differences()]

    def _find_pool(self) -> str:
        pages = self._cognito.get_paginator("list_identity_pools").paginate(PaginationConfig={"PageSize": 60})
        named = [one for page in pages for one in page["IdentityPools"] if one["IdentityPoolName"] == self.design.name]
        if len(named) > 1:
            raise ConfigurationError(
                f"{len(named)} identity pools are named {self.design.name!r}",
                remedy=f"Say which one: --identity-pool-id {named[0]['IdentityPoolId']}",
            )
        return str(named[0]["IdentityPoolId"]) if named else ""

    def _attached(self) -> tuple[dict[str, str], dict[str, Any]]:
        if not self.pool_id:
            return {}, {}
        answer = self._cognito.get_identity_pool_roles(IdentityPoolId=self.pool_id)
        return answer.get("Roles", {}), answer.get("RoleMappings", {})

    def _provider_differences(self) -> Iterator[Difference]:
        if not self.design.needs_iam_provider:
            return
        arn, issuer = self.provider_arn, self.design.provider.issuer or ""
        try:
            present = self._iam.get_open_id_connect_provider(OpenIDConnectProviderArn=arn)
        except self._iam.exceptions.NoSuchEntityException:
            make = self._iam.create_open_id_connect_provider
            arguments = {"Url": issuer, "ClientIDList": list(self.design.client_ids), "Tags": self._tags()}
            yield Difference(f"IAM has no OIDC provider {issuer}", lambda: make(**arguments))
            return
        for one in self.design.client_ids:
            if one not in present.get("ClientIDList", ()):
                yield Difference(
                    f"The OIDC provider {issuer} in IAM does not list client ID {one!r}",
                    partial(
                        self._iam.add_client_id_to_open_id_connect_provider, OpenIDConnectProviderArn=arn, ClientID=one
                    ),
                )

    def _pool_differences(self) -> Iterator[Difference]:
        wanted = self.design.pool_members(self.provider_arn)
        if not self.pool_id:

            def make() -> None:
                tags = {TAG: self.design.name}
                self.pool_id = self._cognito.create_identity_pool(**wanted, IdentityPoolTags=tags)["IdentityPoolId"]

            yield Difference(f"There is no identity pool {self.design.name!r} in {self.design.region}", make)
            return
        present = self._cognito.describe_identity_pool(IdentityPoolId=self.pool_id)
        present = {key: value for key, value in present.items() if key != "ResponseMetadata"}
        merged = _merged(present, wanted)
        if changed := [key for key in wanted if present.get(key) != merged[key]]:
            shown = "; ".join(f"{key} is {_shown(present.get(key))}, not {_shown(merged[key])}" for key in changed)
            # UpdateIdentityPool clears what a request leaves out: it gets the whole description.
            yield Difference(f"Pool: {shown}", lambda: self._cognito.update_identity_pool(**merged))

    def _role_differences(self, kind: str, name: str) -> Iterator[Difference]:
        try:
            role = self._iam.get_role(RoleName=name)["Role"]
        except self._iam.exceptions.NoSuchEntityException:
            yield Difference(f"There is no role {name}", lambda: self._create_role(kind, name))
            role = {}
        if role:
            why = trust_problem(self.design, role["AssumeRolePolicyDocument"], self.pool_id, kind)
            if why:
                yield Difference(f"Trust policy of role {name}: {why}", lambda: self._set_trust(kind, name))
        if kind == "authenticated":
            yield from self._permission_differences(name, bool(role))

    def _permission_differences(self, name: str, exists: bool) -> Iterator[Difference]:
        if self.design.permissions is not None:
            document = dict(self.design.permissions)
            present = None
            if exists:
                try:
                    present = self._iam.get_role_policy(RoleName=name, PolicyName=POLICY_NAME)["PolicyDocument"]
                except self._iam.exceptions.NoSuchEntityException:
                    present = None
            if present != document:
                text = json.dumps(document)
                yield Difference(
                    f"Role {name} has {'another' if present else 'no'} policy {POLICY_NAME}",
                    lambda: (
                        self._iam.put_role_policy(RoleName=name, PolicyName=POLICY_NAME, PolicyDocument=text) and None
                    ),
                )
        listed = self._iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"] if exists else []
        for arn in self.design.managed_policies:
            if arn not in [one["PolicyArn"] for one in listed]:
                yield Difference(
                    f"Role {name} lacks the policy {arn}",
                    partial(self._iam.attach_role_policy, RoleName=name, PolicyArn=arn),
                )

    def _tag_differences(self) -> Iterator[Difference]:
        key = self.design.login_key
        if not self.design.tags:
            return
        present: Mapping[str, Any] = {}
        if self.pool_id:
            present = self._cognito.get_principal_tag_attribute_map(
                IdentityPoolId=self.pool_id, IdentityProviderName=key
            )
        if not present.get("UseDefaults") and not present.get("PrincipalTags"):
            yield Difference(
                f"Sessions of {key} carry no principal tags",
                lambda: (
                    self._cognito.set_principal_tag_attribute_map(
                        IdentityPoolId=self.pool_id, IdentityProviderName=key, UseDefaults=True
                    )
                    and None
                ),
            )

    def _create_role(self, kind: str, name: str) -> None:
        document = json.dumps(self.design.trust(self.pool_id, kind))
        self._iam.create_role(RoleName=name, AssumeRolePolicyDocument=document, Tags=self._tags())

    def _set_trust(self, kind: str, name: str) -> None:
        document = json.dumps(self.design.trust(self.pool_id, kind))
        self._iam.update_assume_role_policy(RoleName=name, PolicyDocument=document)

    def _tags(self) -> list[dict[str, str]]:
        return [{"Key": TAG, "Value": self.design.name}]

    def removals(self) -> list[Difference]:
        """Return the removal of everything that carries the tag of this pool, and of nothing else."""
        self.pool_id = self.pool_id or self._find_pool()
        found = []
        if self.pool_id:
            tags = self._cognito.describe_identity_pool(IdentityPoolId=self.pool_id).get("IdentityPoolTags", {})
            if tags.get(TAG) == self.design.name:
                delete = self._cognito.delete_identity_pool
                found.append(Difference(f"identity pool {self.pool_id}", lambda: delete(IdentityPoolId=self.pool_id)))
        for name in (f"{self.design.name}-authenticated", f"{self.design.name}-guest"):
            try:
                tags = self._iam.list_role_tags(RoleName=name)["Tags"]
            except self._iam.exceptions.NoSuchEntityException:
                continue
            if self._tags()[0] in tags:
                found.append(Difference(f"role {name}", partial(self._delete_role, name)))
        try:
            arn = self.provider_arn
            tags = self._iam.get_open_id_connect_provider(OpenIDConnectProviderArn=arn).get("Tags", [])
            if self.design.needs_iam_provider and self._tags()[0] in tags:
                remove = self._iam.delete_open_id_connect_provider
                found.append(Difference(f"OIDC provider {arn}", lambda: remove(OpenIDConnectProviderArn=arn)))
        except self._iam.exceptions.NoSuchEntityException:
            pass
        return found

    def _delete_role(self, name: str) -> None:
        for one in self._iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"]:
            self._iam.detach_role_policy(RoleName=name, PolicyArn=one["PolicyArn"])
        for policy in self._iam.list_role_policies(RoleName=name)["PolicyNames"]:
            self._iam.delete_role_policy(RoleName=name, PolicyName=policy)
        self._iam.delete_role(RoleName=name)


def trust_problem(design: Design, document: Mapping[str, Any], pool_id: str, amr: str) -> str:
    """Return why a trust policy refuses the pool's users; empty if it lets them in."""
    name = design.principal
    allowed = [one for one in _listed(document.get("Statement", [])) if one.get("Effect") == "Allow"]
    own = [one for one in allowed if name in _listed((one.get("Principal") or {}).get("Federated", []))]
    if not own:
        return f"it does not name the principal {name}"
    acting = [one for one in own if _permits(one, ASSUME)]
    if not acting:
        return f"it does not allow {ASSUME}"
    for_pool = [one for one in acting if _matches(one, f"{name}:aud", pool_id)]
    if not for_pool:
        return f"its aud is not this pool, {pool_id}"
    for_users = [one for one in for_pool if _matches(one, f"{name}:amr", amr)]
    if not for_users:
        return f"its amr is not {amr}"
    if design.tags and amr == "authenticated" and not any(_permits(one, TAG_SESSION) for one in for_users):
        return f"it does not allow {TAG_SESSION}, which principal tags need"
    return ""


def _permits(statement: Mapping[str, Any], action: str) -> bool:
    return any(fnmatch.fnmatchcase(action.lower(), str(one).lower()) for one in _listed(statement.get("Action", [])))


def _matches(statement: Mapping[str, Any], key: str, value: str) -> bool:
    conditions = [tests[key] for tests in (statement.get("Condition") or {}).values() if key in tests]
    return bool(conditions) and all(
        any(fnmatch.fnmatchcase(value, str(pattern)) for pattern in _listed(expected)) for expected in conditions
    )


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _merged(present: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Return the description with what is wanted; other providers of the pool stay."""
    merged = {**present, **wanted, "IdentityPoolName": present["IdentityPoolName"]}
    for key, value in wanted.items():
        before = present.get(key)
        if isinstance(value, list) and before:
            merged[key] = [*before, *(one for one in value if one not in before)]
        elif isinstance(value, dict) and before:
            merged[key] = {**before, **value}
    return merged


def _shown(value: Any) -> str:
    return "not set" if value is None else json.dumps(value)


def explained(error: ClientError | BotoCoreError, done: list[str]) -> CognitoFederationError:
    """Return the error for an administrator: what failed, what has been done before, and the permission that lacks."""
    if isinstance(error, CognitoFederationError):  # a BotoCoreError too
        return error
    before = f" Done before: {'; '.join(done)}. Run the same command again to go on." if done else ""
    if not isinstance(error, ClientError):
        return TemporaryError(f"AWS cannot be asked: {type(error).__name__}", remedy=f"Try again.{before}")
    code, text = error.response["Error"].get("Code", ""), error.response["Error"].get("Message", "")
    if code in _DENIED:
        action = re.search(r"not authorized to perform: ([\w-]+:\w+)", text)
        service = "iam" if error.operation_name.endswith(("Role", "Policy", "Provider", "Tags")) else "cognito-identity"
        lacking = action.group(1) if action else f"{service}:{error.operation_name}"
        statement = json.dumps({"Effect": "Allow", "Action": lacking, "Resource": "*"})
        return FederationRefusedError(
            f"The caller may not call {lacking}", remedy=f"Add this statement to its policy: {statement}{before}"
        )
    kind = TemporaryError if code in _PASSING else FederationRefusedError
    return kind(f"{error.operation_name} was refused: {code}: {text}", remedy=before.strip())
