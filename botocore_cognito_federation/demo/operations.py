"""The operations of an identity pool: from logins to identities, from identities to tokens and credentials."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from . import constraints, refusals
from .identities import Identity, IdentityStore, Login
from .moto_account import MotoAccount
from .pool_tokens import PoolTokens
from .pools import Pool, Pools
from .roles import choose_role
from .sessions import Sessions
from .token_verification import LoginVerifier, VerifiedLogin
from .trust import trusts

UNSIGNED = frozenset({"GetId", "GetCredentialsForIdentity", "GetOpenIdToken", "UnlinkIdentity"})
SIGNED = frozenset({"GetOpenIdTokenForDeveloperIdentity"})
SESSION_NAME = "CognitoIdentityCredentials"
DEVELOPER_TOKEN_SECONDS = 900


@dataclass(frozen=True)
class Answer:
    """The answer of an operation, and the facts for the journal. `members` is None for an empty body."""

    members: dict[str, Any] | None = field(repr=False)
    identity_id: str = ""
    access_key: str = ""


@dataclass(frozen=True)
class IdentityPoolService:
    """The service behind the operations of an identity pool."""

    pools: Pools
    identities: IdentityStore
    verifier: LoginVerifier
    tokens: PoolTokens
    sessions: Sessions
    account: MotoAccount

    def call(self, operation: str, request: Mapping[str, Any]) -> Answer:
        """Carry out one operation.

        Raises:
            Refusal: the service's error.
        """
        constraints.check(operation, request)
        if operation == "GetId":
            return self._get_id(request)
        if operation == "GetCredentialsForIdentity":
            return self._get_credentials(request)
        if operation == "GetOpenIdToken":
            return self._get_open_id_token(request)
        if operation == "UnlinkIdentity":
            return self._unlink(request)
        return self._get_developer_token(request)

    @property
    def _own_name(self) -> str:
        return self.account.partition.pool_name

    def _get_id(self, request: Mapping[str, Any]) -> Answer:
        pool = self.pools.get(request["IdentityPoolId"])
        logins: Mapping[str, str] = request.get("Logins") or {}
        if not logins:
            if not pool.allow_guests:
                raise refusals.guests_not_supported()
            identity = self.identities.create_guest(pool.pool_id)
        else:
            if any(key == self._own_name or self.tokens.is_one(token) for key, token in logins.items()):
                raise refusals.cognito_token_in_get_id()
            verified = self._verified(pool, logins)
            identity = self.identities.for_logins(pool.pool_id, (one.login for one in verified))
        return Answer({"IdentityId": identity.identity_id}, identity.identity_id)

    def _get_credentials(self, request: Mapping[str, Any]) -> Answer:
        pool, identity, verified = self._admitted(request)
        role = choose_role(pool, verified, identity.authenticated, request.get("CustomRoleArn"))
        self._require_trust(role, pool, identity)
        issued = self.sessions.issue(role, SESSION_NAME, narrowed=not identity.authenticated)
        credentials = {
            "AccessKeyId": issued.access_key_id,
            "SecretKey": issued.secret_access_key,
            "SessionToken": issued.session_token,
            "Expiration": int(issued.expires_at),
        }
        members = {"IdentityId": identity.identity_id, "Credentials": credentials}
        return Answer(members, identity.identity_id, issued.access_key_id)

    def _get_open_id_token(self, request: Mapping[str, Any]) -> Answer:
        asked = self.pools.get(self.identities.get(request["IdentityId"]).pool_id)
        if not asked.allow_classic:
            raise refusals.classic_flow_off()
        if asked.token_roles:
            raise refusals.classic_flow_with_role_mappings()
        pool, identity, _ = self._admitted(request)
        token = self.tokens.issue(identity, self._amr(pool, identity))
        return Answer({"IdentityId": identity.identity_id, "Token": token}, identity.identity_id)

    def _unlink(self, request: Mapping[str, Any]) -> Answer:
        _, identity, _ = self._admitted(request)
        removed = set(request["LoginsToRemove"])
        gone = [login for login in identity.logins if login.provider in removed]
        self.identities.unlink(identity.identity_id, gone)
        return Answer(None, identity.identity_id)

    def _get_developer_token(self, request: Mapping[str, Any]) -> Answer:
        pool = self.pools.get(request["IdentityPoolId"])
        logins: Mapping[str, str] = request["Logins"]
        if not pool.developer_provider or pool.developer_provider not in logins:
            raise refusals.unknown_developer_provider()
        developer = Login(pool.developer_provider, logins[pool.developer_provider], public=False)
        others = {key: token for key, token in logins.items() if key != pool.developer_provider}
        all_logins = [developer, *(one.login for one in self._verified(pool, others))]
        identity = self._developer_identity(pool, developer, all_logins, request.get("IdentityId"))
        token = self.tokens.issue(
            identity, self._amr(pool, identity), request.get("TokenDuration", DEVELOPER_TOKEN_SECONDS)
        )
        return Answer({"IdentityId": identity.identity_id, "Token": token}, identity.identity_id)

    def _developer_identity(self, pool: Pool, developer: Login, logins: list[Login], named: str | None) -> Identity:
        if named is None:
            return self.identities.for_logins(pool.pool_id, logins)
        owner = self.identities.owner(pool.pool_id, developer)
        if self.identities.get(named).pool_id != pool.pool_id:
            raise refusals.identity_not_found(named)
        if owner is not None and owner.identity_id != named:
            raise refusals.developer_user_already_registered()
        return self.identities.attach(named, logins)

    def _admitted(self, request: Mapping[str, Any]) -> tuple[Pool, Identity, list[VerifiedLogin]]:
        """Return a request's identity, with the logins that prove it (none for guests and pool tokens)."""
        identity = self.identities.get(request["IdentityId"])
        pool = self.pools.get(identity.pool_id)
        logins = dict(request.get("Logins") or {})
        if not logins:
            if identity.authenticated:
                raise refusals.identity_forbidden(identity.identity_id)
            if not pool.allow_guests:
                raise refusals.guests_not_supported()
            return pool, identity, []
        if self._own_name in logins:
            self._check_pool_token(pool, identity, logins.pop(self._own_name))
            if not logins:
                return pool, identity, []
        verified = self._verified(pool, logins)
        admitted = self.identities.admit(identity.identity_id, (one.login for one in verified))
        return pool, admitted, verified

    def _check_pool_token(self, pool: Pool, identity: Identity, token: str) -> None:
        claims = self.tokens.verify(token)
        if claims.get("sub") != identity.identity_id or claims.get("aud") != pool.pool_id:
            raise refusals.logins_do_not_match()
        if identity.parent_id:
            raise refusals.identity_forbidden(identity.identity_id)

    def _verified(self, pool: Pool, logins: Mapping[str, str]) -> list[VerifiedLogin]:
        """Verify every login; one bad token makes the whole call fail."""
        for key, token in logins.items():
            if key == pool.developer_provider:
                raise (
                    refusals.cognito_token_in_get_id()
                    if self.tokens.is_one(token)
                    else refusals.not_a_public_provider()
                )
        return [self.verifier.verify(key, token, self._client_ids(pool, key)) for key, token in logins.items()]

    def _client_ids(self, pool: Pool, key: str) -> frozenset[str] | None:
        """Return the client IDs that a pool of an administrator takes tokens for; None for the world's own pools.

        Raises:
            Refusal: the pool has no such provider.
        """
        if not pool.described:
            return None
        for arn in pool.described.get("OpenIdConnectProviderARNs", ()):
            if arn.partition(":oidc-provider/")[2].removesuffix("/") == key:
                return self.account.client_ids_of(arn) or frozenset()
        if key in (pool.described.get("SupportedLoginProviders") or {}):
            return frozenset(str(pool.described["SupportedLoginProviders"][key]).split(";"))
        listed = pool.described.get("CognitoIdentityProviders") or ()
        found = frozenset(str(one.get("ClientId")) for one in listed if one.get("ProviderName") == key)
        if not found:
            raise refusals.unsupported_provider()
        return found

    def _amr(self, pool: Pool, identity: Identity) -> list[str]:
        if not identity.authenticated:
            return ["unauthenticated"]
        amr = ["authenticated"]
        for login in sorted(identity.logins):
            if login.public:
                provider = self.account.partition.arn(f"iam::{self.account.account_id}:oidc-provider/{login.provider}")
                amr += [login.provider, f"{provider}:OIDC:{login.subject}"]
            else:
                amr += [login.provider, f"{login.provider}:{pool.pool_id}:{login.subject}"]
        return amr

    def _require_trust(self, role_arn: str, pool: Pool, identity: Identity) -> None:
        """Require the role's trust: Cognito itself assumes the role through STS, otherwise the pool is
        misconfigured."""
        role = self.account.role(role_arn)
        context = {
            f"{self._own_name}:aud": [pool.pool_id],
            f"{self._own_name}:sub": [identity.identity_id],
            f"{self._own_name}:amr": self._amr(pool, identity),
        }
        if role is None or not trusts(role.trust_policy, self._own_name, context):
            raise refusals.pool_configuration()
        tagged = any(pool.tags(login.provider) for login in identity.logins)
        if tagged and not trusts(role.trust_policy, self._own_name, context, action="sts:TagSession"):
            raise refusals.pool_configuration()
