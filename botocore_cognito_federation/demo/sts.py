"""The unsigned STS operation AssumeRoleWithWebIdentity: the token is verified, and the role's trust policy is
applied."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from . import refusals
from .clock import WorldClock
from .jwt_parsing import NotAJwt, ParsedJwt, audiences, number_claim, parse_jwt
from .moto_account import MotoAccount, RoleFacts
from .pool_tokens import PoolTokens
from .records import IssuedCredentials
from .sessions import Sessions
from .token_verification import LoginVerifier
from .trust import trusts

OPERATION = "AssumeRoleWithWebIdentity"
#: The claim with session tags (IAM User Guide, "Passing session tags using AssumeRoleWithWebIdentity").
_TAGS_CLAIM = "https://aws.amazon.com/tags"
#: What the condition key of a user is called by the providers whose tokens are opaque.
_OPAQUE = {"graph.facebook.com": "id", "www.amazon.com": "user_id"}


@dataclass(frozen=True)
class WebIdentitySession:
    """The answer of STS: the credentials and the user that the token names."""

    credentials: IssuedCredentials
    subject: str
    audience: str
    provider: str


@dataclass(frozen=True)
class _WebIdentity:
    subject: str
    audience: str
    provider: str
    principal: str
    context: dict[str, list[str]]
    tags: bool = False


@dataclass(frozen=True)
class WebIdentityService:
    """AssumeRoleWithWebIdentity for tokens of identity pools and of the account's OIDC providers."""

    account: MotoAccount
    clock: WorldClock
    tokens: PoolTokens
    verifier: LoginVerifier
    sessions: Sessions

    def assume_role(self, form: Mapping[str, str]) -> WebIdentitySession:
        """Carry out the operation with its form parameters.

        Raises:
            Refusal: the error of STS.
        """
        _check_shape(form)
        token, provider_id = form["WebIdentityToken"], form.get("ProviderId")
        identity = self._verified(token) if provider_id is None else self._opaque(provider_id, token)
        role = self.account.role(form["RoleArn"])
        if role is None or not trusts(role.trust_policy, identity.principal, identity.context):
            raise refusals.sts_denied()
        if identity.tags and not trusts(
            role.trust_policy, identity.principal, identity.context, action="sts:TagSession"
        ):
            raise refusals.sts_denied("sts:TagSession")
        seconds = _duration(form, role)
        issued = self.sessions.issue(role.arn, form["RoleSessionName"], seconds)
        return WebIdentitySession(issued, identity.subject, identity.audience, identity.provider)

    def _verified(self, token: str) -> _WebIdentity:
        try:
            parsed = parse_jwt(token)
        except NotAJwt:
            raise refusals.sts_not_a_jwt() from None
        issuer = parsed.claims.get("iss")
        if not isinstance(issuer, str) or urlsplit(issuer).scheme not in ("https", "http"):
            raise refusals.sts_bad_issuer()
        from_pool = issuer == self.account.partition.issuer
        return self._from_pool(parsed) if from_pool else self._from_provider(issuer, parsed)

    def _opaque(self, provider: str, token: str) -> _WebIdentity:
        """Return the user of an access token, which only two providers have (AssumeRoleWithWebIdentity, ProviderId)."""
        if provider not in _OPAQUE:
            raise refusals.sts_validation(f"Invalid ProviderId {provider}")
        subject = self.verifier.opaque_subject(provider, token)
        return _WebIdentity(subject, "", provider, provider, {f"{provider}:{_OPAQUE[provider]}": [subject]})

    def _from_pool(self, parsed: ParsedJwt) -> _WebIdentity:
        if not self.tokens.holds(parsed):
            raise refusals.sts_no_key()
        self._check_expiry(parsed)
        subject, audience = str(parsed.claims["sub"]), str(parsed.claims["aud"])
        pool = self.account.partition.pool_name
        context = {
            f"{pool}:aud": [audience],
            f"{pool}:sub": [subject],
            f"{pool}:amr": [str(entry) for entry in parsed.claims["amr"]],
        }
        return _WebIdentity(subject, audience, pool, pool, context)

    def _from_provider(self, issuer: str, parsed: ParsedJwt) -> _WebIdentity:
        key = issuer.partition("://")[2]  # with a slash at its end, which makes another provider (aws-sam-cli#7432)
        arn = self.account.partition.arn(f"iam::{self.account.account_id}:oidc-provider/{key}")
        client_ids = self.account.client_ids_of(arn) or self.verifier.clients_of_issuer(issuer)
        if client_ids is None:
            raise refusals.sts_no_provider(issuer)
        if not self.verifier.signature_verifies(issuer, parsed):
            raise refusals.sts_no_key()
        self._check_expiry(parsed)
        named = audiences(parsed.claims)
        candidates = [parsed.claims["azp"]] if "azp" in parsed.claims else named
        audience = next((one for one in candidates if isinstance(one, str) and one in client_ids), None)
        if audience is None:
            raise refusals.sts_wrong_audience()
        subject = str(parsed.claims.get("sub") or "")
        if not subject:
            raise refusals.sts_missing_claim("sub")
        context = {f"{key}:aud": [audience], f"{key}:sub": [subject]}
        tagged = parsed.claims.get(_TAGS_CLAIM)
        tags = tagged.get("principal_tags") if isinstance(tagged, dict) else None
        for name, values in tags.items() if isinstance(tags, dict) else ():
            context[f"aws:RequestTag/{name}"] = [str(value) for value in values]
        return _WebIdentity(subject, audience, arn, arn, context, tags=bool(tags))

    def _check_expiry(self, parsed: ParsedJwt) -> None:
        now, expires_at = self.clock.now(), number_claim(parsed.claims, "exp")
        if expires_at is None or now >= expires_at:
            raise refusals.sts_token_expired(now, expires_at or 0)


def _check_shape(form: Mapping[str, str]) -> None:
    """Check the limits of the STS model and refuse the first violation."""
    for name, least, most, pattern in (
        ("RoleArn", 20, 2048, ""),
        ("RoleSessionName", 2, 64, r"[\w+=,.@-]*"),
        ("WebIdentityToken", 4, 20_000, ""),
    ):
        value, member = form.get(name), name[0].lower() + name[1:]
        if value is None:
            raise shape_refusal(None, member, "Member must not be null")
        if len(value) > most:
            raise shape_refusal(value, member, f"Member must have length less than or equal to {most}")
        if len(value) < least:
            raise shape_refusal(value, member, f"Member must have length greater than or equal to {least}")
        if pattern and not re.fullmatch(pattern, value, re.ASCII):
            raise shape_refusal(value, member, f"Member must satisfy regular expression pattern: {pattern}")


def _duration(form: Mapping[str, str], role: RoleFacts) -> int:
    text = form.get("DurationSeconds", "3600")
    if not re.fullmatch(r"\d{1,9}", text, re.ASCII):
        raise refusals.Refusal("MalformedInput", "")
    seconds = int(text)
    if seconds < 900:
        raise shape_refusal(text, "durationSeconds", "Member must have value greater than or equal to 900")
    if seconds > 43_200:
        raise shape_refusal(text, "durationSeconds", "Member must have value less than or equal to 43200")
    if seconds > role.max_session_seconds:
        raise refusals.sts_validation("The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")
    return seconds


def shape_refusal(value: str | None, member: str, rule: str) -> refusals.Refusal:
    """Return the error for a parameter that breaks a limit of the STS model."""
    shown = "null" if value is None else f"'{value}'"
    return refusals.sts_validation(
        f"1 validation error detected: Value {shown} at '{member}' failed to satisfy constraint: {rule}"
    )
