"""What an administrator wants for one identity provider: the IAM OIDC provider, the identity pool, its roles."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from .._util.http import HttpClient
from ..errors import CognitoFederationError, ConfigurationError
from ..identity_providers import IdentityProvider, pool_principal
from ..oidc.discovery import MemoryDocuments, discover
from .trust import ASSUME, TAG_SESSION, Caller, pool_user

#: The tag of everything that `pool create` makes. Its value is REGION/NAME of the pool, and on roles the pool's ID.
TAG = "cognito-federation:made-for"
POLICY_NAME = "cognito-federation"
AUTHENTICATED, GUEST = "authenticated", "unauthenticated"
#: Seconds of a session without a pool; IAM's MaxSessionDuration has the same limit.
LONGEST_SESSION = 43_200
#: Providers that Cognito and STS know themselves. Every other OpenID Connect provider needs an IAM OIDC provider.
_BUILT_IN = frozenset({"google", "facebook", "amazon", "apple", "twitter"})
#: Issuers whose tokens anybody can have: a trust policy without the subject would let everybody in.
_SHARED_ISSUERS = frozenset(
    {"agent.buildkite.com", "app.terraform.io", "gitlab.com", "token.actions.githubusercontent.com"}
)
#: A role name is the pool's name with ``-authenticated``, and IAM takes 64 characters (CreateRole, RoleName).
_NAME = re.compile(r"[\w+=.@-]{1,50}", re.ASCII)
_ROLE_ARN = re.compile(r"arn:[\w-]+:iam::\d{12}:role/[\w+=,.@/-]+", re.ASCII)
#: RFC 6749, section 5.2. A provider that knows a public client complains about the code instead.
_UNKNOWN_CLIENT = frozenset({"invalid_client", "unauthorized_client"})


@dataclass(frozen=True)
class Rule:
    """One rule of a role mapping: users whose claim has this value get the role."""

    claim: str
    value: str
    role_arn: str

    @classmethod
    def parse(cls, text: str) -> Rule:
        """Read CLAIM=VALUE=ROLE_ARN.

        Raises:
            ConfigurationError: it has another form.
        """
        claim, _, rest = text.partition("=")
        value, _, arn = rest.rpartition("=arn:")
        if not claim or not value or not _ROLE_ARN.fullmatch(f"arn:{arn}"):
            raise ConfigurationError(
                f"{text!r} is no rule for a role", remedy="Write CLAIM=VALUE=arn:aws:iam::ACCOUNT:role/NAME"
            )
        return cls(claim, value, f"arn:{arn}")


@dataclass(frozen=True)
class Design:
    """What is wanted.

    Attributes:
        name: of the identity pool; the roles are NAME-authenticated and NAME-guest, unless the pool uses others.
        partition: of the region, such as ``aws-cn``.
        flow: ``enhanced``; ``basic`` if the pool also takes the classic flow; ``web-identity`` for no pool.
        guests: users who are not signed in get the guest role.
        tags: sessions carry the user's ``sub`` and ``aud`` as principal tags.
        permissions: the inline policy of the authenticated role; None to leave it as it is.
        token_roles: the ID token names the role (``cognito:preferred_role``, ``cognito:roles``).
        rules: claims of the ID token choose the role.
        allow_ambiguous: where they choose none, users get the authenticated role; else they are refused.
        subjects: values or patterns of ``sub`` that a role without a pool trusts; empty for all.
        identity_pool_id: an existing pool; empty to find it by its name.
        undecided: which of `guests` and `flow` were not asked for: a pool that is there stays as it is in them.
    """

    name: str
    region: str
    partition: str
    provider: IdentityProvider
    client_ids: tuple[str, ...] = ()
    flow: str = "enhanced"
    guests: bool = False
    tags: bool = False
    permissions: Mapping[str, Any] | None = None
    managed_policies: tuple[str, ...] = ()
    developer_name: str = ""
    token_roles: bool = False
    rules: tuple[Rule, ...] = ()
    allow_ambiguous: bool = False
    subjects: tuple[str, ...] = ()
    identity_pool_id: str = ""
    undecided: frozenset[str] = frozenset()
    principal: str = field(init=False, default="")

    def __post_init__(self) -> None:
        object.__setattr__(self, "principal", pool_principal(self.region) or "")
        self._check_names()
        self._check_provider()
        self._check_partition()
        if self.flow == "basic" and self.has_mappings:
            raise ConfigurationError(
                "The classic flow works with no role mapping", remedy="Leave out --flow basic, or the mapping"
            )

    def _check_names(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ConfigurationError(
                f"{self.name[:60]!r} can be no name of a pool and of roles",
                remedy="Use at most 50 letters, digits and _ + = . @ - in --name",
            )
        own = self.identity_pool_id.partition(":")[0]
        if own and own != self.region:
            raise ConfigurationError(
                f"Identity pool {self.identity_pool_id} is in region {own}, not in {self.region}",
                remedy=f"Use --region {own}",
            )

    def _check_provider(self) -> None:
        kind, name, ids = self.provider.kind, self.provider.name, self.client_ids
        if kind not in ("oidc", "oauth2", "external", "saml", "developer"):
            raise ConfigurationError(f"A pool has no provider {name}", remedy="Name one: --provider DOMAIN")
        if kind == "developer" and not self.developer_name:
            raise ConfigurationError("A developer provider needs a name", remedy="Use --developer-provider NAME")
        if kind in ("saml", "developer") and ids:
            raise ConfigurationError(f"Provider {name} has no client ID", remedy="Leave out --client-id")
        if kind not in ("saml", "developer") and not ids:
            raise ConfigurationError(
                "There is no client ID, and a pool takes only tokens for listed ones", remedy="Name it: --client-id ID"
            )
        if name in _BUILT_IN - {"google"} and len(ids) > 1:
            raise ConfigurationError(
                f"Provider {name} takes one client ID, and there are {len(ids)}", remedy="Use one --client-id"
            )
        for one in ids:
            if name == "google" and not one.endswith(".apps.googleusercontent.com"):
                raise ConfigurationError(
                    f"{one[:60]!r} is no client ID of Google", remedy="It ends in .apps.googleusercontent.com"
                )
            if not one or len(one) > 255 or not one.isprintable() or " " in one:
                raise ConfigurationError(
                    f"{one[:60]!r} is no client ID", remedy="It has at most 255 characters and no space"
                )
        if self.flow == "web-identity" and self.login_key in _SHARED_ISSUERS and not self.subjects:
            raise ConfigurationError(
                f"Tokens of {self.login_key} are there for everybody",
                remedy="Say whose to trust: --subject repo:OWNER/NAME:*, or what sub is at this issuer",
            )

    def _check_partition(self) -> None:
        if not self.principal and self.flow != "web-identity":
            raise ConfigurationError(
                f"The federated principal of identity pools in {self.region} is not public",
                remedy="Make the pool in the console of that partition, then run: cognito-federation configure",
            )
        arns = [*self.managed_policies, *(rule.role_arn for rule in self.rules), *_arns_in(self.permissions)]
        if self.provider.kind == "saml":
            arns.append(self.login_key)
        for arn in arns:
            if arn.split(":")[1] not in (self.partition, "*"):
                raise ConfigurationError(
                    f"{arn} is of another partition than region {self.region}",
                    remedy=f"ARNs there begin with arn:{self.partition}:",
                )

    @property
    def login_key(self) -> str:
        return self.provider.login_key or ""

    @property
    def issuer(self) -> str:
        """The issuer as its tokens write it, which is what IAM wants, a slash at the end included (aws-sam-cli#7432).

        It is what was configured or discovered; Auth0's own domains are known to end in a slash.
        """
        issuer = self.provider.issuer or ""
        if not self.provider.issuer_is_exact and re.fullmatch(r"https://[^/]+\.auth0\.com", issuer):
            return f"{issuer}/"
        return issuer

    @property
    def issuer_name(self) -> str:
        """The end of the OIDC provider's ARN, and the start of the condition keys of its tokens in STS."""
        return self.issuer.partition("://")[2] or self.login_key

    @property
    def needs_iam_provider(self) -> bool:
        """Whether IAM has to know the provider; Google too where it has several client IDs, as Cognito takes one."""
        if self.provider.kind != "oidc" or self.provider.name == "user-pool":
            return False
        return self.provider.name not in _BUILT_IN or len(self.client_ids) > 1

    @property
    def has_mappings(self) -> bool:
        return self.token_roles or bool(self.rules)

    @property
    def roles(self) -> dict[str, str]:
        """The wanted roles: the pool's name for each -> its usual name in IAM."""
        guest = {GUEST: f"{self.name}-guest"} if self.guests else {}
        return {AUTHENTICATED: f"{self.name}-authenticated", **guest}

    @property
    def made_for(self) -> str:
        """The value of the tag on the pool and on the OIDC provider."""
        return f"{self.region}/{self.name}"

    def tags_sessions_of(self, kind: str) -> bool:
        return self.tags and kind == AUTHENTICATED

    def user(self, pool_id: str, kind: str) -> Caller:
        """Return one of the users for whom a role of the pool is."""
        return pool_user(self.principal, pool_id, kind, self.login_key, "arn" if self.needs_iam_provider else "")

    def pool_members(self, provider_arn: Any) -> dict[str, Any]:
        """Return the members of CreateIdentityPool."""
        members: dict[str, Any] = {
            "IdentityPoolName": self.name,
            "AllowUnauthenticatedIdentities": self.guests,
            "AllowClassicFlow": self.flow == "basic",
        }
        if self.needs_iam_provider:
            members["OpenIdConnectProviderARNs"] = [provider_arn]
        elif self.provider.kind == "saml":
            members["SamlProviderARNs"] = [self.login_key]
        elif self.provider.name == "user-pool":
            members["CognitoIdentityProviders"] = [
                {"ProviderName": self.login_key, "ClientId": one, "ServerSideTokenCheck": True}
                for one in self.client_ids
            ]
        elif self.provider.kind != "developer":
            members["SupportedLoginProviders"] = {self.login_key: self.client_ids[0]}
        if self.developer_name:
            members["DeveloperProviderName"] = self.developer_name
        return members

    def role_mappings(self, provider_arn: Any) -> dict[Any, dict[str, Any]]:
        """Return the RoleMappings of SetIdentityPoolRoles; empty without a mapping."""
        if not self.has_mappings:
            return {}
        mapping: dict[str, Any] = {
            "Type": "Rules" if self.rules else "Token",
            "AmbiguousRoleResolution": "AuthenticatedRole" if self.allow_ambiguous else "Deny",
        }
        if self.rules:
            mapping["RulesConfiguration"] = {
                "Rules": [
                    {"Claim": rule.claim, "MatchType": "Equals", "Value": rule.value, "RoleARN": rule.role_arn}
                    for rule in self.rules
                ]
            }
        if self.provider.name == "user-pool":
            return {f"{self.login_key}:{one}": mapping for one in self.client_ids}
        return {provider_arn if self.needs_iam_provider else self.login_key: mapping}

    def trust(self, pool_id: Any, kind: str) -> dict[str, Any]:
        """Return the trust policy of a role of this pool."""
        name = self.principal
        statement = {
            "Effect": "Allow",
            "Principal": {"Federated": name},
            "Action": [ASSUME, TAG_SESSION] if self.tags_sessions_of(kind) else [ASSUME],
            "Condition": {
                "StringEquals": {f"{name}:aud": pool_id},
                "ForAnyValue:StringLike": {f"{name}:amr": kind},
            },
        }
        return {"Version": "2012-10-17", "Statement": [statement]}

    def trust_without_pool(self, provider_arn: Any) -> dict[str, Any]:
        """Return the trust policy of a role that the provider's own tokens assume (``cognito_flow = web-identity``)."""
        key = self.issuer_name
        condition: dict[str, Any] = {"StringEquals": {f"{key}:aud": list(self.client_ids)}}
        if self.subjects:
            condition["StringLike"] = {f"{key}:sub": list(self.subjects)}
        statement = {
            "Effect": "Allow",
            "Principal": {"Federated": provider_arn if self.needs_iam_provider else key},
            "Action": [ASSUME, TAG_SESSION] if self.tags else [ASSUME],
            "Condition": condition,
        }
        return {"Version": "2012-10-17", "Statement": [statement]}

    def remarks(self) -> list[str]:
        """Return what a reviewer should look at before this is made."""
        found = []
        if self.needs_iam_provider and re.match(r"https?://[^/]*:\d+(/|\Z)", self.issuer):
            found.append(f"The issuer {self.issuer} has a port, and IAM advises against one")
        if self.guests:
            found.append("Everybody who knows the pool's ID gets the guest role, with no sign-in")
        if self.flow == "basic":
            found.append("Under the classic flow users choose the role, of all roles whose trust policy lets them in")
        for statement in (self.permissions or {}).get("Statement", []):
            broad = [str(one) for one in _texts(statement.get("Action")) if one == "*" or str(one).endswith(":*")]
            if statement.get("Effect") == "Allow" and broad:
                found.append(f"Every signed-in user may do {' and '.join(broad)}")
        return found


def _texts(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _arns_in(permissions: Mapping[str, Any] | None) -> list[str]:
    statements = (permissions or {}).get("Statement", [])
    resources = [one for statement in statements for one in _texts(statement.get("Resource"))]
    return [str(one) for one in resources if str(one).startswith("arn:")]


def permissions(policy_file: str | None, sets: Iterable[str], *, region: str, partition: str) -> dict[str, Any] | None:
    """Return the permissions of signed-in users; None if nothing says what they are.

    Args:
        policy_file: a JSON policy.
        sets: ``bedrock``, or ``s3-prefix:BUCKET`` for one prefix of each identity.

    Raises:
        ConfigurationError: the file holds no policy, or there is no such set.
    """
    statements: list[Any] = []
    if policy_file:
        try:
            document = json.loads(Path(policy_file).read_text(encoding="utf-8"))
            statements += _texts(document["Statement"])
            if not statements or not all(one["Effect"] in ("Allow", "Deny") for one in statements):
                raise ValueError
        except (OSError, ValueError, KeyError, TypeError):
            raise ConfigurationError(
                f"{policy_file} holds no policy", remedy='It needs JSON: {"Version": "2012-10-17", "Statement": […]}'
            ) from None
    for one in sets:
        statements += _ready_made(one, pool_principal(region), partition)
    return {"Version": "2012-10-17", "Statement": statements} if statements else None


def _ready_made(name: str, principal: str | None, partition: str) -> list[dict[str, Any]]:
    kind, _, bucket = name.partition(":")
    if name == "bedrock":
        actions = ["bedrock:InvokeModel", "bedrock:InvokeModelWithResponseStream", "bedrock:ListInferenceProfiles"]
        return [{"Effect": "Allow", "Action": actions, "Resource": "*"}]
    if kind != "s3-prefix" or not re.fullmatch(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", bucket):
        raise ConfigurationError(
            f"There are no ready-made permissions {name!r}", remedy="Use --allow s3-prefix:BUCKET or --allow bedrock"
        )
    own, arn = f"${{{principal}:sub}}", f"arn:{partition}:s3:::{bucket}"
    listing = {"StringLike": {"s3:prefix": [f"{own}/*"]}}
    return [
        {"Effect": "Allow", "Action": ["s3:ListBucket"], "Resource": [arn], "Condition": listing},
        {
            "Effect": "Allow",
            "Action": ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"],
            "Resource": [f"{arn}/{own}/*"],
        },
    ]


def check_provider(provider: IdentityProvider, client_ids: Iterable[str], *, with_secret: bool) -> IdentityProvider:
    """Make sure that a provider and its clients exist, before AWS is told to trust them.

    Args:
        with_secret: the clients have a secret, without which a provider says nothing about them.

    Returns:
        The provider with its issuer as it writes it itself: IAM wants that one, a slash at the end included.

    Raises:
        ConfigurationError: there is no discovery document, it names another issuer, or it knows no such client.
        TemporaryError: the provider cannot be asked now.
    """
    if provider.kind != "oidc" or provider.issuer is None:
        return provider
    http = HttpClient()
    metadata = discover(http, provider, MemoryDocuments(), now=time.time())
    found = replace(provider, issuer=metadata.issuer or provider.issuer)
    if with_secret or not metadata.token_endpoint:
        return found
    for one in client_ids:
        form = {
            "grant_type": "authorization_code",
            "client_id": one,
            "code": "none",
            "redirect_uri": "http://127.0.0.1/",
            "code_verifier": "0" * 43,
        }
        answer = http.for_issuer(provider.issuer).post_form(metadata.token_endpoint, form)
        try:
            code = answer.json_object().get("error")
        except CognitoFederationError:
            continue  # no answer of OAuth, so it says nothing about the client
        if code in _UNKNOWN_CLIENT:
            raise ConfigurationError(
                f"{provider.name} knows no client {one[:80]!r} without a secret: it answers {code}",
                remedy="Correct --client-id; with --client-has-secret, or --offline, this is not asked",
            )
    return found
