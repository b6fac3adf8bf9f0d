"""Compares a design with an AWS account, and makes, corrects or removes what differs.

`pool create` applies the differences, `pool check` shows them. The same calls run on an account that has nothing, half
of it, or all of it, so that a command which failed can be run again, or taken back by `pool delete`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from ..errors import ConfigurationError
from .design import AUTHENTICATED, GUEST, POLICY_NAME, TAG, Design
from .trust import examine, replaced


@dataclass(frozen=True)
class Difference:
    """One difference between the account and the design: a sentence for people, and the call that removes it."""

    what: str
    apply: Callable[[], object]


@dataclass(frozen=True)
class Survey:
    """What is to be said about an account.

    Attributes:
        differences: in the order in which they can be removed.
        notes: what a reviewer should look at.
        choices: what the administrator has to decide, with the options that say it; nothing is changed until then.
    """

    differences: list[Difference]
    notes: list[str]
    choices: list[str] = field(default_factory=list)


#: What an administrator may leave open -> the member of the pool, and the choice that there is while it is on.
_CHOICES = {
    "guests": (
        "AllowUnauthenticatedIdentities",
        "The pool lets in guests, who do not sign in. --guests says that it should, --no-guests turns that off",
    ),
    "flow": (
        "AllowClassicFlow",
        "The pool takes the classic flow. --flow basic says that it should, --flow enhanced turns that off",
    ),
}


@dataclass(frozen=True)
class Clients:
    """The administrator's clients; `cognito_once` makes each call only once, whatever happens to the answer."""

    cognito: Any
    cognito_once: Any
    iam: Any


@dataclass(frozen=True)
class _Attached:
    """The roles that a pool uses: by its name for each, and by mappings."""

    roles: Mapping[str, str]
    mappings: Mapping[str, Any]


class Administrator:
    """Reads and changes one account.

    Attributes:
        pool_id: of the pool; empty as long as there is none.
        provider_arn: of the OIDC provider in IAM, also if there is none yet.
    """

    def __init__(self, design: Design, clients: Clients, *, account_id: str) -> None:
        self.design, self._cognito, self._iam = design, clients.cognito, clients.iam
        self._create_pool = clients.cognito_once.create_identity_pool
        self.account_id = account_id
        self._arn = f"arn:{design.partition}:iam::{account_id}:"
        self.pool_id = design.identity_pool_id
        self.provider_arn = f"{self._arn}oidc-provider/{design.issuer_name}"
        self._notes: list[str] = []
        self._choices: list[str] = []

    def survey(self) -> Survey:
        """Compare everything; nothing is changed.

        Raises:
            ConfigurationError: the pool is not there or not unique, or a role belongs to something else.
        """
        self._notes, self._choices = self.design.remarks(), []
        pool = self._described()
        attached = self._attached()
        found = [*self._provider_differences(), *self._pool_differences(pool)]
        names = {kind: self._role_name(kind, attached) for kind in self.design.roles}
        for kind, name in names.items():
            found += self._role_differences(kind, name, f"{self._arn}role/{name}" in attached.roles.values())
        found += [*self._attachment_differences(names, attached), *self._mapped_role_differences()]
        return Survey([*found, *self._tag_differences()], self._notes, self._choices)

    def _described(self) -> dict[str, Any]:
        """Return the pool, which is found by its name if the design has no ID; empty if there is none."""
        self.pool_id = self.pool_id or self._find_pool()
        if not self.pool_id:
            return {}
        try:
            found = self._cognito.describe_identity_pool(IdentityPoolId=self.pool_id)
        except self._cognito.exceptions.ResourceNotFoundException:
            raise ConfigurationError(
                f"Account {self.account_id} has no identity pool {self.pool_id}",
                remedy="Name the profile of its account with --admin-profile, or leave the pool out to make one",
            ) from None
        return {key: value for key, value in found.items() if key != "ResponseMetadata"}

    def _find_pool(self) -> str:
        pages = self._cognito.get_paginator("list_identity_pools").paginate(PaginationConfig={"PageSize": 60})
        named = [one for page in pages for one in page["IdentityPools"] if one["IdentityPoolName"] == self.design.name]
        if len(named) > 1:
            ids = " or ".join(one["IdentityPoolId"] for one in named)
            raise ConfigurationError(
                f"{len(named)} identity pools are named {self.design.name!r}",
                remedy=f"Say which one with --identity-pool-id: {ids}",
            )
        return str(named[0]["IdentityPoolId"]) if named else ""

    def _attached(self) -> _Attached:
        if not self.pool_id:
            return _Attached({}, {})
        answer = self._cognito.get_identity_pool_roles(IdentityPoolId=self.pool_id)
        return _Attached(answer.get("Roles", {}), answer.get("RoleMappings", {}))

    def _role_name(self, kind: str, attached: _Attached) -> str:
        arn = attached.roles.get(kind, "")
        return arn.rpartition("/")[2] if arn.startswith(self._arn) else self.design.roles[kind]

    def _oidc_provider(self) -> dict[str, Any] | None:
        """Return the provider as IAM has it, with or without a slash at the end of its name; None if it has none."""
        wanted = self.provider_arn
        for arn in (wanted, wanted.removesuffix("/") if wanted.endswith("/") else f"{wanted}/"):
            try:
                found: dict[str, Any] = self._iam.get_open_id_connect_provider(OpenIDConnectProviderArn=arn)
            except self._iam.exceptions.NoSuchEntityException:
                continue
            self.provider_arn = arn
            return found
        return None

    def _provider_differences(self) -> Iterator[Difference]:
        if not self.design.needs_iam_provider:
            return
        issuer, present = self.design.issuer, self._oidc_provider()
        if present is None:
            yield Difference(
                f"IAM has no OIDC provider {issuer}",
                partial(
                    self._iam.create_open_id_connect_provider,
                    Url=issuer,
                    ClientIDList=list(self.design.client_ids),
                    Tags=_tagged(self.design.made_for),
                    **self._thumbprints(),
                ),
            )
            return
        arn = self.provider_arn
        if arn.endswith("/") != issuer.endswith("/"):
            self._notes.append(f"The OIDC provider in IAM is {arn}, and the issuer of tokens {issuer}")
        listed = present.get("ClientIDList", [])
        for one in self.design.client_ids:
            if one not in listed:
                add = self._iam.add_client_id_to_open_id_connect_provider
                yield Difference(
                    f"The OIDC provider {issuer} in IAM does not list client ID {one!r}",
                    partial(add, OpenIDConnectProviderArn=arn, ClientID=one),
                )
        others = [one for one in listed if one not in self.design.client_ids]
        if others:
            self._notes.append(f"The OIDC provider {issuer} in IAM also lists client ID {' and '.join(others)}")

    def _thumbprints(self) -> dict[str, Any]:
        """IAM finds the thumbprint itself. Older models of it still want the member, which may be empty."""
        shape = self._iam.meta.service_model.operation_model("CreateOpenIDConnectProvider").input_shape
        return {"ThumbprintList": []} if "ThumbprintList" in shape.required_members else {}

    def _pool_differences(self, present: Mapping[str, Any]) -> Iterator[Difference]:
        wanted = self.design.pool_members(self.provider_arn)
        if not present:

            def make() -> None:
                tags = {TAG: self.design.made_for}
                self.pool_id = self._create_pool(**wanted, IdentityPoolTags=tags)["IdentityPoolId"]

            yield Difference(f"There is no identity pool {self.design.name!r} in {self.design.region}", make)
            return
        wanted |= self._left_on(present)
        merged = _merged(present, wanted)
        for key in ("OpenIdConnectProviderARNs", "SamlProviderARNs", "SupportedLoginProviders"):
            others = [one for one in present.get(key, ()) if one not in wanted.get(key, ())]
            self._notes += [f"The pool also takes users of {one}" for one in others]
        wanted_clients = wanted.get("CognitoIdentityProviders", ())
        others = [one for one in present.get("CognitoIdentityProviders", ()) if not _is_there(one, wanted_clients)]
        self._notes += [f"The pool also takes users of {one['ProviderName']} ({one['ClientId']})" for one in others]
        if changed := [key for key in wanted if present.get(key) != merged[key]]:
            shown = "; ".join(f"{key} is {_shown(present.get(key))}, not {_shown(merged[key])}" for key in changed)
            # UpdateIdentityPool clears what a request leaves out: it gets the whole description.
            yield Difference(f"Pool: {shown}", lambda: self._cognito.update_identity_pool(**merged))

    def _left_on(self, present: Mapping[str, Any]) -> dict[str, bool]:
        """Return what the pool lets in and no option names: it stays, and the administrator has a choice."""
        on = {
            one: choice for one, choice in _CHOICES.items() if one in self.design.undecided and present.get(choice[0])
        }
        self._choices += [text for _, text in on.values()]
        return {member: True for member, _ in on.values()}

    def _role_differences(self, kind: str, name: str, is_attached: bool) -> Iterator[Difference]:
        role = self._role(name)
        if role is None:
            yield Difference(f"There is no role {name}", lambda: self._create_role(kind, name))
        else:
            if not is_attached:
                self._check_owner(name, role)
            yield from self._trust_differences(kind, name, role["AssumeRolePolicyDocument"])
        if kind == AUTHENTICATED:
            yield from self._permission_differences(name, role is not None)

    def _role(self, name: str) -> dict[str, Any] | None:
        try:
            role: dict[str, Any] = self._iam.get_role(RoleName=name)["Role"]
        except self._iam.exceptions.NoSuchEntityException:
            return None
        return role

    def _check_owner(self, name: str, role: Mapping[str, Any]) -> None:
        """Refuse to take over a role that was not made for this pool, or for one that is gone."""
        owner = _tag(role.get("Tags", []))
        if owner and owner in (self.pool_id, *self._without_pool(owner)):
            return
        what = f"was made for identity pool {owner}" if owner else "was not made by this tool"
        raise ConfigurationError(
            f"There is a role {name}, which {what}",
            remedy="Use another --name, or first attach the role to the pool yourself, which lets this tool change it",
        )

    def _without_pool(self, pool_id: str) -> tuple[str, ...]:
        """Return the ID if its pool is gone: what was made for it is left over."""
        if pool_id.partition(":")[0] != self.design.region:
            return ()
        try:
            self._cognito.describe_identity_pool(IdentityPoolId=pool_id)
        except self._cognito.exceptions.ResourceNotFoundException:
            return (pool_id,)
        return ()

    def _trust_differences(self, kind: str, name: str, document: Mapping[str, Any]) -> Iterator[Difference]:
        tags = self.design.tags_sessions_of(kind)
        report = examine(document, self.design.user(self.pool_id, kind), tags=tags)
        self._notes += [f"Trust policy of role {name}: {note}" for note in report.notes]
        problems = report.problems if self.pool_id else ["it names no pool that is there"]
        if not problems:
            return

        def correct() -> None:
            # The pool may have been made since.
            own = self.design.trust(self.pool_id, kind)["Statement"][0]
            after = replaced(document, own, self.design.user(self.pool_id, kind), tags=tags)
            self._iam.update_assume_role_policy(RoleName=name, PolicyDocument=json.dumps(after))

        yield Difference(f"Trust policy of role {name}: {'; '.join(problems)}", correct)

    def _create_role(self, kind: str, name: str) -> None:
        document = json.dumps(self.design.trust(self.pool_id, kind))
        self._iam.create_role(RoleName=name, AssumeRolePolicyDocument=document, Tags=_tagged(self.pool_id))

    def _permission_differences(self, name: str, exists: bool) -> Iterator[Difference]:
        policies = self._iam.list_role_policies(RoleName=name)["PolicyNames"] if exists else []
        attached = self._iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"] if exists else []
        if self.design.permissions is not None:
            document, present = dict(self.design.permissions), None
            if POLICY_NAME in policies:
                present = self._iam.get_role_policy(RoleName=name, PolicyName=POLICY_NAME)["PolicyDocument"]
            if present != document:
                put = partial(self._iam.put_role_policy, RoleName=name, PolicyName=POLICY_NAME)
                what = f"Role {name} has {'another' if present else 'no'} policy {POLICY_NAME}"
                yield Difference(what, partial(put, PolicyDocument=json.dumps(document)))
        arns = [one["PolicyArn"] for one in attached]
        for arn in self.design.managed_policies:
            if arn not in arns:
                attach = partial(self._iam.attach_role_policy, RoleName=name, PolicyArn=arn)
                yield Difference(f"Role {name} lacks the policy {arn}", attach)
        others = [one for one in policies if one != POLICY_NAME]
        others += [arn for arn in arns if arn not in self.design.managed_policies]
        if others:
            self._notes.append(f"Role {name} also has the policy {' and '.join(others)}")
        if not (policies or attached or self.design.permissions or self.design.managed_policies):
            self._notes.append(f"Role {name} allows nothing: use --policy, --allow or --managed-policy")

    def _attachment_differences(self, names: Mapping[str, str], attached: _Attached) -> Iterator[Difference]:
        arns = {kind: f"{self._arn}role/{name}" for kind, name in names.items()}
        roles = {**attached.roles, **arns}
        wanted = self.design.role_mappings(self.provider_arn)
        mappings = {**attached.mappings, **wanted}
        unused = [names[kind] for kind, arn in arns.items() if attached.roles.get(kind) != arn]
        what = [f"The pool does not use role {' and '.join(unused)}"] if unused else []
        if any(attached.mappings.get(key) != mapping for key, mapping in wanted.items()):
            what.append(f"The pool maps no roles as wanted for {' and '.join(wanted)}")
        if self.design.flow == "basic" and mappings:
            named = " and ".join(mappings)
            what.append(
                f"The pool maps roles for {named}, and then refuses the classic flow. --flow basic removes the "
                "mappings, --flow enhanced turns the classic flow off"
            )
            mappings = {}
        elif extra := [key for key in attached.mappings if key not in wanted]:
            self._notes.append(f"The pool also maps roles for {' and '.join(extra)}")
        if GUEST in attached.roles and not self.design.guests:
            self._notes.append(f"The pool has a role for guests, {attached.roles[GUEST]}")
        if not what:
            return

        def attach() -> None:
            extra = {"RoleMappings": mappings} if mappings else {}
            self._cognito.set_identity_pool_roles(IdentityPoolId=self.pool_id, Roles=roles, **extra)

        yield Difference("; ".join(what), attach)

    def _mapped_role_differences(self) -> Iterator[Difference]:
        for arn in sorted({rule.role_arn for rule in self.design.rules}):
            name = arn.rpartition("/")[2]
            role = self._role(name) if arn.startswith(self._arn) else None
            if role is None:
                raise ConfigurationError(
                    f"Account {self.account_id} has no role {arn}", remedy="Make it first, or change --role-rule"
                )
            yield from self._trust_differences(AUTHENTICATED, name, role["AssumeRolePolicyDocument"])

    def _tag_differences(self) -> Iterator[Difference]:
        key = self.design.login_key
        if not self.design.tags:
            return
        present: Mapping[str, Any] = {}
        if self.pool_id:
            read = self._cognito.get_principal_tag_attribute_map
            present = read(IdentityPoolId=self.pool_id, IdentityProviderName=key)
        if not present.get("UseDefaults") and not present.get("PrincipalTags"):
            write = self._cognito.set_principal_tag_attribute_map
            yield Difference(
                f"Sessions of {key} carry no principal tags",
                lambda: write(IdentityPoolId=self.pool_id, IdentityProviderName=key, UseDefaults=True),
            )

    def tags_without_claims(self, claims: Mapping[str, Any]) -> list[str]:
        """Return, as sentences, the principal tags that a session lacks because the login token lacks their claims.

        Args:
            claims: those of the user's login token.
        """
        read = self._cognito.get_principal_tag_attribute_map
        present = read(IdentityPoolId=self.pool_id, IdentityProviderName=self.design.login_key)
        mapped = _DEFAULT_TAGS if present.get("UseDefaults") else present.get("PrincipalTags", {})
        return [
            f"The pool makes the tag {tag} of the claim {claim}, which the login token does not have"
            for tag, claim in mapped.items()
            if claim not in claims
        ]

    def removals(self) -> Survey:
        """Return the removal of everything that was made for this pool, and of nothing else."""
        pool, self._notes = self._described(), []
        found = []
        if pool and pool.get("IdentityPoolTags", {}).get(TAG) == self.design.made_for:
            delete = partial(self._cognito.delete_identity_pool, IdentityPoolId=self.pool_id)
            found.append(Difference(f"Identity pool {self.pool_id}", delete))
        elif pool:
            self._notes.append(f"Identity pool {self.pool_id} was not made by this tool, and stays")
        for name in (f"{self.design.name}-authenticated", f"{self.design.name}-guest"):
            role = self._role(name)
            owner = _tag(role.get("Tags", [])) if role else ""
            if owner and owner in (self.pool_id, *self._without_pool(owner)):
                found.append(Difference(f"Role {name}", partial(self._delete_role, name)))
            elif role:
                self._notes.append(f"Role {name} was not made for this pool, and stays")
        return Survey([*found, *self._provider_removal()], self._notes)

    def _provider_removal(self) -> Iterator[Difference]:
        if not self.design.needs_iam_provider:
            return
        present = self._oidc_provider()
        if present is None:
            return
        arn, tags = self.provider_arn, present.get("Tags", [])
        users = self._other_users_of(arn)
        if _tag(tags) != self.design.made_for:
            self._notes.append(f"OIDC provider {arn} was not made for this pool, and stays")
        elif users:
            self._notes.append(f"OIDC provider {arn} stays: identity pool {' and '.join(users)} uses it")
        else:
            self._notes.append(f"Make sure that no pool of another region and no role uses {arn}")
            remove = self._iam.delete_open_id_connect_provider
            yield Difference(f"OIDC provider {arn}", partial(remove, OpenIDConnectProviderArn=arn))

    def _other_users_of(self, provider_arn: str) -> list[str]:
        pages = self._cognito.get_paginator("list_identity_pools").paginate(PaginationConfig={"PageSize": 60})
        ids = [one["IdentityPoolId"] for page in pages for one in page["IdentityPools"]]
        described = [self._cognito.describe_identity_pool(IdentityPoolId=one) for one in ids if one != self.pool_id]
        return [one["IdentityPoolId"] for one in described if provider_arn in one.get("OpenIdConnectProviderARNs", ())]

    def _delete_role(self, name: str) -> None:
        for one in self._iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"]:
            self._iam.detach_role_policy(RoleName=name, PolicyArn=one["PolicyArn"])
        for policy in self._iam.list_role_policies(RoleName=name)["PolicyNames"]:
            self._iam.delete_role_policy(RoleName=name, PolicyName=policy)
        self._iam.delete_role(RoleName=name)


def _tagged(value: str) -> list[dict[str, str]]:
    return [{"Key": TAG, "Value": value}]


#: Tag -> claim, as UseDefaults maps them (Cognito developer guide, "Using attributes for access control").
_DEFAULT_TAGS = {"username": "sub", "client": "aud"}


def _tag(tags: list[dict[str, str]]) -> str:
    """Return what something was made for; empty if this tool did not make it."""
    return next((one["Value"] for one in tags if one["Key"] == TAG), "")


def _is_there(client: Mapping[str, Any], clients: Any) -> bool:
    named = ("ProviderName", "ClientId")
    return any(all(client.get(name) == one.get(name) for name in named) for one in clients)


def _merged(present: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Return the description with what is wanted; other providers of the pool stay."""
    merged = {**present, **wanted, "IdentityPoolName": present["IdentityPoolName"]}
    for key, value in wanted.items():
        before = present.get(key)
        if key == "CognitoIdentityProviders" and before:
            merged[key] = [*(one for one in before if not _is_there(one, value)), *value]
            merged[key] = before if _same(before, merged[key]) else merged[key]
        elif isinstance(value, list) and before:
            merged[key] = [*before, *(one for one in value if one not in before)]
        elif isinstance(value, dict) and before:
            merged[key] = {**before, **value}
    return merged


def _same(first: list[Any], second: list[Any]) -> bool:
    return len(first) == len(second) and all(one in second for one in first)


def _shown(value: Any) -> str:
    return "not set" if value is None else json.dumps(value)
