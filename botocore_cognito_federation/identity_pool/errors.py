"""The error catalogue: the messages of Cognito and STS, their meaning and remedy, and whether a retry can help.

Texts are matched by code and by a part of the message, never completely: Cognito appends details, and both kinds of
apostrophe occur. A refusal that is not in the catalogue gets the safe class of its code.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..errors import Retry, SettingNames
from ..identity_providers import derive_login_key, pool_principal
from ..messages import SET_CLOCK, SKEW_WORTH_A_WORD, printable, shell_command, span
from .roles import roles_in


@dataclass(frozen=True)
class Explanation:
    """The meaning of a refusal.

    Attributes:
        cause: one sentence without a full stop.
        remedy: the command or key that fixes it.
        retry: the retry that may help.
    """

    cause: str
    remedy: str
    retry: Retry


@dataclass(frozen=True)
class CallContext:
    """The facts about the refused call, which fill the texts below.

    Attributes:
        pool: the identity pool ID; empty where STS is asked without one.
        profile: the profile's name, for commands in remedies; empty for an application, which has none.
        new_token: what a person does when the login token is good for nothing.
        names: of the settings, for remedies; None for keys of a profile, or arguments of an application.
        signs_in: whether the token comes of a sign-in by this configuration's own client.
        algorithm: by which the login token is signed; empty where it is no JWT.
        login_key: the Logins key that was used; empty for guests.
        claims: the unverified claims of the login token.
        identity_id: the requested identity, if there was one.
        role_arn: the requested role, if there was one.
        further_role: the options with which a further role was requested; empty for the pool's own role.
        now: this machine's time, seconds since the epoch.
        server_time: the answer's ``Date``, seconds since the epoch, if it had one.
    """

    pool: str
    profile: str
    new_token: str = ""
    names: SettingNames | None = None
    signs_in: bool = False
    algorithm: str = ""
    login_key: str = ""
    claims: Mapping[str, Any] = field(default_factory=dict, repr=False)
    identity_id: str = ""
    role_arn: str = ""
    further_role: frozenset[str] = frozenset()
    now: float = 0.0
    server_time: float | None = None

    def words(self) -> dict[str, object]:
        """The words that the texts of the catalogue name."""
        names = self.names or SettingNames("cognito_" if self.profile else "")
        audience = self.claims.get("aud", "")
        authorized = self.claims.get("azp")
        issuer = str(self.claims.get("iss", ""))
        return {
            "setting": names,
            "pool": self.pool,
            "profile": f"profile {self.profile}" if self.profile else "the developer",
            "principal": self._principal,
            "clear_cache": f"run: {shell_command('cognito-federation', 'cache', 'clear', '--profile', self.profile)}"
            if self.profile
            else "call sign_out and sign in again",
            "new_token": self.new_token,
            "other_audience": f"set {names:client_id} to one it lists"
            if self.signs_in
            else "request the token for an audience that it lists",
            "key": printable(self.login_key, 200) or "none",
            "iss": _shown(issuer) or "none",
            "iss_key": _shown(derive_login_key(issuer)) or "none",
            "aud": _shown(", ".join(map(str, audience)) if isinstance(audience, list) else str(audience)) or "none",
            "azp": f" and azp {_shown(str(authorized))}" if authorized else "",
            "identity": printable(self.identity_id, 100) or "none",
            "role": printable(self.role_arn, 200) or "of the pool",
            "offered": _offered(self.claims),
            **self._words_of_the_tokens_role(names),
            **(self._words_of_the_pools_role() if self.pool else {}),
            **(self._words_of_the_further_role(names) if self.further_role else {}),
        }

    @property
    def _principal(self) -> str:
        return pool_principal(self.pool.partition(":")[0]) or "the principal of identity pools"

    def _words_of_the_pools_role(self) -> dict[str, object]:
        """Whose token STS has refused in the basic flow, and what the role must trust."""
        return {
            "issued_by": f"identity pool {self.pool}",
            "refused": "the token of the identity pool",
            "users": "this identity pool's users",
            "trust": f"Make its trust policy allow {self._principal} with aud {self.pool} and amr authenticated",
            "shorter": "map fewer claims to principal tags in the pool",
            "untagged": "Let its trust policy allow sts:TagSession, because the pool maps claims to principal tags",
        }

    def _words_of_the_tokens_role(self, names: SettingNames) -> dict[str, object]:
        """The same where STS is asked with the login token itself, and the words that are the same for both."""
        issuer = _shown(derive_login_key(str(self.claims.get("iss", "")))) or printable(self.login_key, 200) or "none"
        client = _shown(str(self.claims.get("azp") or _first(self.claims.get("aud")) or "")) or "none"
        subject = _shown(str(self.claims.get("sub", "")))
        account = ":".join(self.role_arn.split(":")[:5])
        principal = issuer if issuer in _WITHOUT_PROVIDER else f"{account}:oidc-provider/{issuer}"
        named = f", and accept {issuer}:sub = {subject}" if subject else ""
        condition = f"{issuer}:aud = {client}" if self.claims else f"{issuer}:app_id = the ID of the application"
        return {
            "issued_by": f"role {printable(self.role_arn, 200)}",
            "refused": "the login token",
            "users": f"users of {issuer}{f' with aud {client}' if self.claims else ''}",
            "trust": f"Make its trust policy allow {principal} with {condition}{named}",
            "shorter": "let the provider put fewer or shorter tags into the token",
            "untagged": "Let its trust policy allow sts:TagSession, because the token has the claim"
            " https://aws.amazon.com/tags",
            "duration": f"{names:duration_seconds} = 3600",
            "external": "check its conditions",
            "account": account.rpartition(":")[2],
            "provider_arn": principal,
            "client": client,
        }

    def _words_of_the_further_role(self, names: SettingNames) -> dict[str, object]:
        """What a refusal of STS is about if it concerns the further role: its options."""
        external = "correct" if "assume_role_external_id" in self.further_role else "set"
        sized = ("assume_role_policy", "assume_role_policy_arns", "assume_role_tags")
        listed = " or ".join(format(names, name) for name in sized if name in self.further_role)
        return {
            "duration": f"{names:assume_role_duration_seconds} = 3600",
            "external": f"if its trust policy asks for an external ID, {external} {names:assume_role_external_id}",
            "shorter": f"shorten {listed or 'what becomes a tag of the first session'}",
            "untagged": "Let its trust policy and the policy of the first role allow sts:TagSession, or remove"
            f" {names:assume_role_tags}",
        }


def _offered(claims: Mapping[str, Any]) -> str:
    """The roles that a login token names, as many as fit a line."""
    arns = [role.arn for role in roles_in(claims)]
    if not arns:
        return "the login token names no role"
    more = f" and {len(arns) - _ROLES_IN_A_LINE} more" if len(arns) > _ROLES_IN_A_LINE else ""
    return f"the login token names {', '.join(printable(arn, 200) for arn in arns[:_ROLES_IN_A_LINE])}{more}"


_ROLES_IN_A_LINE = 5


@dataclass(frozen=True)
class _Rule:
    code: str
    part: str
    cause: str
    remedy: str
    retry: Retry


#: Issuers that IAM knows by themselves (AssumeRoleWithWebIdentity, ProviderId).
_WITHOUT_PROVIDER = ("accounts.google.com", "graph.facebook.com", "www.amazon.com")


def _first(audience: object) -> object:
    return audience[0] if isinstance(audience, list) and audience else audience


_R, _R1, _SLOW, _T, _I, _N = (
    Retry.TRANSIENT,
    Retry.BRIEF,
    Retry.SLOW,
    Retry.TOKEN,
    Retry.IDENTITY,
    Retry.NEVER,
)
_NA = "NotAuthorizedException"
_IP = "InvalidParameterException"
_ADD_CLIENT = "Add the provider, or this client ID (aud), to identity pool {pool}, or {other_audience}"
_CHECK_ROLES = (
    "Check the pool's roles: each must trust {principal} for sts:AssumeRoleWithWebIdentity with"
    " aud {pool} and the right amr, and sts:TagSession where principal tags are on"
)

_KEYS_REFUSED = "AWS refuses the access key that signs for {profile}"
_CORRECT_KEYS = "Correct the access key of {profile}, and check the clock of this machine"

# First match wins; more particular texts stand first.
_RULES = (
    _Rule(_NA, "token expired", "Cognito says the login token has expired", "", _T),
    _Rule(_NA, "token is expired", "Cognito says the login token has expired", "", _T),
    _Rule(
        _NA,
        "issuer doesn't match providername",
        "The login token's issuer ({iss}) does not belong to the Logins key {key}",
        "Set {setting:login_key} = {iss_key}, or {setting:provider} to the provider that issued the token",
        _N,
    ),
    _Rule(
        _NA,
        "missing a required claim: aud",
        "The login token has no aud claim: it is an access token where an ID token is needed",
        "Send the ID token; request the openid scope",
        _N,
    ),
    _Rule(
        _NA,
        "not a valid openid connect identity token",
        "Cognito does not take the login token as an OpenID Connect ID token for {key}",
        "Send the provider's ID token, not its access token",
        _N,
    ),
    _Rule(
        _NA,
        "couldn't verify signed token",
        "Cognito could not verify the signature of the login token against the keys of {key}",
        "{new_token}; if it persists, check that the provider's keys are RSA and that its issuer is reachable",
        _R1,
    ),
    _Rule(
        _NA,
        "can't pass in a cognito token",
        "A token of an identity pool was sent where a provider's login token belongs",
        "For developer identities set {setting:provider} = developer and give the identity_id with the token",
        _N,
    ),
    _Rule(
        _NA,
        "not a cognito token",
        "The Logins key {key} takes only tokens of an identity pool",
        "Set {setting:provider} to the provider that issued the token",
        _R1,
    ),
    _Rule(
        _NA,
        "not from a supported provider",
        "Identity pool {pool} does not accept the token's provider {key} with aud {aud}{azp}",
        _ADD_CLIENT,
        _N,
    ),
    _Rule(_NA, "incorrect token audience", "Identity pool {pool} does not accept aud {aud}{azp}", _ADD_CLIENT, _N),
    _Rule(
        _NA,
        "token is inactive",
        "The user was signed out or deleted at the user pool",
        "{new_token}",
        _N,
    ),
    _Rule(
        _NA,
        "logins don't match",
        "The identity {identity} does not belong to this login",
        "Remove {setting:identity_id} if it is set, or {clear_cache}",
        _I,
    ),
    _Rule(
        _NA,
        "unauthenticated access is not supported",
        "Identity pool {pool} has no guest access",
        "Allow unauthenticated identities in the pool, or set {setting:provider}",
        _N,
    ),
    _Rule(
        _NA,
        "is forbidden",
        "The identity {identity} may not be used with this login; it may have been merged into another",
        "Remove {setting:identity_id} if it is set, or {clear_cache}",
        _I,
    ),
    _Rule(
        _NA,
        "ambiguous role mapping",
        "No role mapping of identity pool {pool} matches this user; {offered}",
        "Ask an administrator for a group or rule, or set {setting:role_arn} to one of the user's roles",
        _N,
    ),
    _Rule(
        _NA,
        "role",
        "Identity pool {pool} does not let this user have the role {role}; {offered}",
        "Remove {setting:role_arn}, or set it to one of the user's cognito:roles",
        _N,
    ),
    # Of two equal calls in the same second, one was seen to get a 200 and the other a bare refusal.
    _Rule(_NA, "invalid login token", "Cognito refuses the login token for {key}", "{new_token}", _T),
    _Rule(
        "",
        "nokeyfound",
        "Cognito has not yet seen the provider's new signing key",
        "Wait about ten minutes; the sign-in is not lost",
        _SLOW,
    ),
    _Rule(
        _IP,
        "classic) flow is not enabled",
        "Identity pool {pool} does not allow the basic (classic) flow",
        "Set {setting:flow} = enhanced, or enable the basic flow on the pool",
        _N,
    ),
    _Rule(
        _IP,
        "flow is not supported with rolemappings",
        "Identity pool {pool} has role mappings, which exclude the basic (classic) flow",
        "Set {setting:flow} = enhanced",
        _N,
    ),
    _Rule(
        _IP,
        "valid public provider",
        "The Logins key {key} is not a public provider",
        "For developer identities set {setting:provider} = developer",
        _N,
    ),
    _Rule(
        _IP,
        "does not support the specified developer provider",
        "Identity pool {pool} does not know the developer provider {key}",
        "Set {setting:developer_provider} to the name in the pool",
        _N,
    ),
    _Rule(
        "ResourceNotFoundException",
        "identity '",
        "The identity {identity} does not exist any more",
        "Remove {setting:identity_id} if it is set, or {clear_cache}",
        _I,
    ),
    _Rule(
        "ResourceNotFoundException",
        "",
        "Identity pool {pool} does not exist in its region and account",
        "Set {setting:identity_pool_id} = REGION:GUID of a pool that is there; the part before the colon is its region",
        _N,
    ),
    _Rule(
        "InvalidIdentityPoolConfigurationException",
        "",
        "Identity pool {pool} has no role for this login, or STS refused it",
        _CHECK_ROLES,
        _N,
    ),
    _Rule(
        "ResourceConflictException",
        "",
        "The login is linked to another identity of pool {pool}",
        "Unlink it there, or do not send the two logins together",
        _N,
    ),
    _Rule("LimitExceededException", "", "A limit of the AWS account or of pool {pool} is reached", "Ask its owner", _N),
    _Rule("TooManyRequests", "", "Cognito is throttling this account", "Try again in a moment", _R),
    _Rule("Throttling", "", "AWS is throttling this account", "Try again in a moment", _R),
    _Rule("InternalError", "", "Cognito had an internal error", "Try again in a moment", _R),
    _Rule("ExternalServiceException", "", "The identity provider does not answer Cognito", "Try again in a moment", _R),
    _Rule(
        "InvalidIdentityToken",
        "couldn't retrieve verification key",
        "STS could not fetch the keys of the identity provider",
        "Try again; if it persists, check that the issuer is reachable from the internet",
        _R1,
    ),
    _Rule(
        "InvalidIdentityToken",
        "no openidconnect provider",
        "AWS account {account} has no OIDC provider in IAM for the issuer {iss} of the login token",
        "Create it: aws iam create-open-id-connect-provider --url {iss} --client-id-list {client}",
        _N,
    ),
    _Rule(
        "InvalidIdentityToken",
        "incorrect token audience",
        "The OIDC provider {provider_arn} does not list aud {aud}{azp} of the login token",
        "Add it: aws iam add-client-id-to-open-id-connect-provider --open-id-connect-provider-arn {provider_arn}"
        " --client-id {client}; or {other_audience}",
        _N,
    ),
    _Rule(
        "InvalidIdentityToken",
        "not a valid jwt",
        "STS does not take the login token as an ID token",
        "Send the provider's ID token, not its access token",
        _N,
    ),
    _Rule(
        "InvalidIdentityToken",
        "thumbprint",
        "The OIDC provider of the AWS account has another certificate than {iss} shows now",
        "Let its owner update the thumbprint list of {provider_arn}",
        _N,
    ),
    _Rule("InvalidIdentityToken", "", "STS refuses {refused}", "Check the trust of {role}", _N),
    _Rule("ExpiredToken", "", "STS says the token has expired", "", _T),
    _Rule("IDPRejectedClaim", "", "The identity provider rejected the token's claim", "", _T),
    _Rule("IDPCommunicationError", "", "STS could not reach the identity provider", "Try again in a moment", _R),
    _Rule("RegionDisabledException", "", "STS is switched off in this region", "Activate it in the AWS account", _N),
    _Rule(
        "ValidationError",
        "durationseconds exceeds",
        "The role {role} does not allow sessions that long",
        "Set {duration}, or raise the role's maximum session duration",
        _N,
    ),
    _Rule(
        "AccessDenied",
        "resource control policy",
        "A policy of the AWS organization or of the VPC endpoint forbids this call",
        "Use another network, or ask the organization's administrator",
        _N,
    ),
    _Rule("AccessDenied", "sts:tagsession", "The role {role} does not accept session tags", "{untagged}", _N),
    _Rule(
        "AccessDenied",
        "sts:setsourceidentity",
        "The role {role} does not accept a source identity",
        "Let its trust policy and the policy of the first role allow sts:SetSourceIdentity, or remove"
        " {setting:assume_role_source_identity}",
        _N,
    ),
    _Rule(
        "AccessDenied",
        "assumerolewithwebidentity",
        "The role {role} does not trust {users}, or is not there",
        "{trust}",
        _N,
    ),
    _Rule(
        "AccessDenied",
        "assumerole",
        "These credentials may not assume {role}",
        "Let its trust policy and the policy of the first role allow sts:AssumeRole; {external}",
        _N,
    ),
    _Rule("InvalidSignature", "", _KEYS_REFUSED, _CORRECT_KEYS, _N),
    _Rule("SignatureDoesNotMatch", "", _KEYS_REFUSED, _CORRECT_KEYS, _N),
    _Rule("UnrecognizedClient", "", _KEYS_REFUSED, _CORRECT_KEYS, _N),
    _Rule("InvalidClientTokenId", "", _KEYS_REFUSED, _CORRECT_KEYS, _N),
    _Rule(
        "PackedPolicyTooLarge",
        "",
        "The session policies and tags for {role} are too large together",
        "AWS counts them packed: {shorter}",
        _N,
    ),
    _Rule(
        "MalformedPolicyDocument",
        "",
        "STS does not take the session policy for {role} as a policy",
        "Correct {setting:assume_role_policy}",
        _N,
    ),
)

_EXPIRED_AT = re.compile(r"expired: (\d{6,12}) >= (\d{1,12})")
_LONGEST_WAIT = 366 * 86_400
#: A JWT. It begins where no letter of one precedes it; otherwise each letter of a long word would be tried as a start.
_TOKEN = re.compile(r"(?<![A-Za-z0-9_-])[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*")
#: Error codes are names; the longest of Cognito's and STS's has 41 characters.
_LONGEST_CODE = 64


def explain(code: str, message: str, status: int, facts: CallContext) -> Explanation:
    """Return the meaning of a service's refusal.

    Args:
        code: the error code, such as ``NotAuthorizedException``.
        message: the service's message. It is matched, and quoted only for codes outside the catalogue.
        status: the HTTP status.
        facts: the context of the call.
    """
    code = printable(code, _LONGEST_CODE)
    text = message.lower().replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")
    words = facts.words()
    for rule in _RULES:
        if code.startswith(rule.code) and rule.part in text:
            cause, remedy = rule.cause.format_map(words), rule.remedy.format_map(words)
            if "expired" in rule.part or rule.code == "ExpiredToken":
                cause, remedy = _expired(cause, text, facts)
            elif rule.part == "invalid login token":
                cause = _not_yet_valid(facts) or _without_subject(facts) or cause
            elif rule.part == "couldn't verify signed token" and facts.algorithm[:2] not in ("", "RS"):
                cause = f"The login token is signed with {printable(facts.algorithm, 20)}, and identity pools take RSA"
                remedy = "Let the provider sign ID tokens with RS256"
            return Explanation(cause, remedy, rule.retry)
    if status >= 500 or status == 429:
        return Explanation(f"AWS had a temporary fault ({code or status})", "Try again in a moment", Retry.TRANSIENT)
    if not code or code.isdigit():
        # AWS names its refusals; botocore uses the status if there is no name.
        what = f"The answer {status} did not come from AWS"
        return Explanation(what, "Check the network, HTTPS_PROXY and the endpoint settings", Retry.SLOW)
    quoted = _shown(message)
    cause = f"AWS refused the call for {words['issued_by']} with {code or status}"
    ask = "Ask the administrator of the AWS account; AWS CloudTrail has the refused call"
    return Explanation(f"{cause}: {quoted}" if quoted else cause, ask, Retry.NEVER)


def _expired(cause: str, text: str, facts: CallContext) -> tuple[str, str]:
    """Explain an expired token: how long ago by Cognito's clock, and whether this machine's clock is the reason."""
    found = _EXPIRED_AT.search(text)
    server = float(found[1]) if found else facts.server_time
    end = float(found[2]) if found else facts.claims.get("exp")
    # A claim may be any number in JSON; only a time is worth reporting.
    if server is not None and isinstance(end, int | float) and 0 < end < server + _LONGEST_WAIT:
        cause = f"The login token expired {span(server - end)} ago"
    if server is not None and abs(facts.now - server) >= SKEW_WORTH_A_WORD:
        side = "ahead of" if facts.now > server else "behind"
        return (
            f"{cause}, and this machine's clock is {span(abs(facts.now - server))} {side} AWS's",
            SET_CLOCK,
        )
    return cause, facts.new_token


def _without_subject(facts: CallContext) -> str:
    return "The login token names no user: it has no sub claim" if facts.claims and "sub" not in facts.claims else ""


def _not_yet_valid(facts: CallContext) -> str:
    """Explain a token from the future: Cognito's bare refusal hides this flaw, and the token's claims show it."""
    starts = [facts.claims.get(name) for name in ("nbf", "iat")]
    ahead = max(
        (start - (facts.server_time or facts.now) for start in starts if isinstance(start, int | float)), default=0
    )
    return f"The login token is valid only in {span(ahead)}; the clock of its issuer is ahead" if ahead > 60 else ""


def _shown(text: str) -> str:
    """Return foreign text without the values that were sent and without tokens."""
    # Validation errors quote what was sent. Both steps are linear: an answer may be long.
    start, end = text.lower().find("value '"), text.rfind("' at '")
    if 0 <= start < end:
        text = text[:start] + "value at '" + text[end + len("' at '") :]
    return printable(_TOKEN.sub("(token)", text), 200)
