"""The identity pool, its roles, and STS."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .model import JOB, ByHand, Literal, SetUp, job
from .place import Place

_CLASSIC = job("= $pool", "= $classic_pool", more="cognito_flow = basic\ncognito_role_arn = $role")
_ASK = "administrator|owner"


def _pool(**how: Any) -> Callable[[Place], object]:
    """Let the profile name a pool of its own."""

    def prepare(place: Place) -> None:
        place.facts["own_pool"] = place.world.add_pool(
            **{k: place.filled(v) if isinstance(v, str) else v for k, v in how.items()}
        )
        place.edit("$pool", "$own_pool")

    return prepare


def _back(place: Place) -> None:
    """As the pool's administrator would repair it: here, by the pool that is in order."""
    place.edit("$own_pool", "$pool")


def _fault(operation: str, **how: Any) -> Callable[[Place], object]:
    def prepare(place: Place) -> None:
        place.world.fault(operation, times=1000, **how)

    return prepare


def _over(place: Place) -> None:
    """The fault is over, and so is the time for which it is remembered."""
    place.world.clear_faults()
    place.forget_failures()


def _answers(
    code: str, status: int, says: str, remedy: str, message: str = "x", operation: str = "cognito-identity", **more: Any
) -> SetUp:
    return SetUp(
        f"{operation} answers {code}",
        says,
        ByHand(remedy, _over),
        prepare=_fault(operation, code=code, message=message, status=status),
        **more,
    )


_GUEST = """\
[profile dev]
region = eu-west-1
cognito_identity_pool_id = $pool
cognito_provider = guest
credential_process = $helper credential-process --profile dev
"""
_DEVELOPER = """\
[profile dev]
region = eu-west-1
cognito_identity_pool_id = $pool
cognito_provider = developer
cognito_developer_provider = $developer
cognito_developer_user = u1
cognito_developer_profile = admin
credential_process = $helper credential-process --profile dev

[profile admin]
region = eu-west-1
aws_access_key_id = $admin_id
aws_secret_access_key = $admin_secret
"""

ROWS = (
    SetUp(
        "a pool that does not exist",
        r"\$?eu-west-1:\S+ does not exist",
        Literal({"REGION:GUID": "$pool"}),
        config=job("= $pool", "= eu-west-1:$other_guid"),
    ),
    SetUp(
        "a pool in another region",
        r"us-east-1",
        Literal({"REGION:GUID": "$pool"}),
        config=job("= $pool", "= us-east-1:$guid"),
    ),
    SetUp(
        "a pool in a region that does not exist",
        r"eu-wst-1",
        Literal({"REGION:GUID": "$pool"}),
        config=job("= $pool", "= eu-wst-1:$guid"),
    ),
    SetUp(
        "a pool without the provider",
        r"does not accept the token's provider",
        ByHand(r"[Aa]dd the provider", lambda place: place.world.enable_provider()),
        prepare=lambda place: place.world.disable_provider(),
    ),
    SetUp(
        "a pool without the basic flow",
        r"basic \(classic\) flow",
        config=job(more="cognito_flow = basic\ncognito_role_arn = $other_role"),
    ),
    SetUp(
        "a pool without a role",
        r"no role",
        ByHand(r"role", _back),
        prepare=_pool(),
    ),
    SetUp(
        "a role that trusts other users",
        r"role|STS",
        ByHand(r"trust", _back),
        prepare=_pool(authenticated_role="$guest_role"),
    ),
    SetUp(
        "a role that is gone",
        r"role",
        ByHand(r"role", _back),
        prepare=_pool(authenticated_role="arn:aws:iam::123456789012:role/Nope"),
    ),
    SetUp(
        "a pool without guests",
        r"no guest access",
        ByHand(r"[Aa]llow unauthenticated", lambda place: place.edit("$pool", "$guest_pool")),
        config=_GUEST,
    ),
    SetUp(
        "a pool of guests that does not exist",
        r"does not exist",
        Literal({"REGION:GUID": "$guest_pool"}),
        config=_GUEST.replace("$pool", "eu-west-1:$other_guid"),
    ),
    SetUp(
        "roles by token, and none in it",
        r"[Nn]o role mapping",
        ByHand(_ASK, _back),
        prepare=_pool(authenticated_role="$role", token_roles=True, deny_ambiguous=True),
    ),
    SetUp(
        "a role that the pool does not give",
        r"role/Admin",
        config=job(more="cognito_role_arn = arn:aws:iam::123456789012:role/Admin"),
    ),
    SetUp(
        "an identity of another user",
        r"identity.*eu-west-1:\S+",
        config=job(more="cognito_identity_id = eu-west-1:$other_guid"),
    ),
    SetUp(
        "a wrong Logins key",
        r"corp\.eu\.auth0\.com",
        config=job("cognito_provider = $login_key", "cognito_login_key = corp.eu.auth0.com"),
    ),
    SetUp(
        "a developer provider that the pool does not know",
        r"login\.wrong",
        ByHand(r"cognito_developer_provider", lambda place: place.edit("login.wrong", "$developer")),
        config=_DEVELOPER.replace("= $developer", "= login.wrong"),
    ),
    SetUp(
        "a developer's profile that is not there",
        r"nobody",
        ByHand(r"cognito_developer_profile", lambda place: place.edit("= nobody", "= admin")),
        config=_DEVELOPER.replace("= admin", "= nobody"),
    ),
    SetUp(
        "a developer's keys that are wrong",
        r"admin",
        ByHand(r"admin|cognito_developer_profile", lambda place: place.edit("= wrong", "= $admin_secret")),
        config=_DEVELOPER.replace("= $admin_secret", "= wrong"),
    ),
    _answers(
        "TooManyRequestsException",
        400,
        r"throttling",
        r"[Tt]ry again",
        "Rate exceeded",
        config=job(more="cognito_retry_seconds = 0"),  # else it is three quarters of a minute until the error
    ),
    _answers("ResourceConflictException", 400, r"linked to another identity", r"[Uu]nlink"),
    _answers("InternalErrorException", 500, r"internal error", r"[Tt]ry again"),
    _answers("ExternalServiceException", 400, r"identity provider does not answer", r"[Tt]ry again"),
    _answers("LimitExceededException", 400, r"limit", _ASK),
    _answers("WAFForbidden", 403, r"403|WAFForbidden", r"network|administrator|proxy|WAF"),
    _answers("ServiceUnavailable", 503, r"503|temporary", r"[Tt]ry again"),
    _answers(
        "NewRefusalException",
        400,
        r"NewRefusalException.*not known yet",
        r"administrator|issue|doctor|CloudTrail",
        "not known yet",
    ),
    _answers("InvalidIdentityPoolConfigurationException", 400, r"no role|STS refused", r"role"),
    _answers(
        *(
            "RegionDisabledException",
            403,
            r"switched off|not activated",
            r"[Aa]ctivate",
            "STS is not activated in this region",
        ),
        operation="AssumeRoleWithWebIdentity",
        config=_CLASSIC,
    ),
    _answers(
        *("IDPCommunicationError", 400, r"could not reach the identity provider", r"[Tt]ry again", "x"),
        operation="AssumeRoleWithWebIdentity",
        config=_CLASSIC,
    ),
    _answers(
        *("AccessDenied", 403, r"resource control policy|policy of the AWS organization", r"administrator|network"),
        message="User is not authorized with an explicit deny in a resource control policy",
        operation="AssumeRoleWithWebIdentity",
        config=_CLASSIC,
    ),
    _answers(
        *("PackedPolicyTooLarge", 400, r"too large together", r"tags|polic"),
        message="Packed policy consumes 120% of allotted space",
        operation="AssumeRoleWithWebIdentity",
        config=_CLASSIC,
    ),
    SetUp(
        "a role that does not trust the basic flow's users",
        r"role/\S+ does not trust",
        ByHand(r"trust policy", lambda place: place.edit("$guest_role", "$role")),
        config=_CLASSIC.replace("$role", "$guest_role"),
    ),
    SetUp(
        "a session that is longer than its role allows",
        r"role/\S+ does not allow sessions",
        ByHand(r"cognito_duration_seconds = 3600, or raise", _over),
        config=_CLASSIC + "cognito_duration_seconds = 43200\n",
        prepare=_fault(
            "AssumeRoleWithWebIdentity",
            code="ValidationError",
            message="The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
            status=400,
        ),
    ),
    SetUp(
        "a second role that is not to be had",
        r"role/Nope",
        ByHand(
            r"trust policy.*sts:AssumeRole",
            lambda place: place.edit("cognito_assume_role_arn = arn:aws:iam::123456789012:role/Nope\n", ""),
        ),
        config=job(more="cognito_assume_role_arn = arn:aws:iam::123456789012:role/Nope"),
    ),
    SetUp(
        "a further role that takes no session tags",
        r"role/\S+ does not accept session tags",
        ByHand(
            r"sts:TagSession, or remove cognito_assume_role_tags",
            lambda place: place.edit("cognito_assume_role_tags = team=data\n", ""),
        ),
        config=job(more="cognito_assume_role_arn = $chained_role\ncognito_assume_role_tags = team=data"),
    ),
    SetUp(
        "what answers is not AWS",
        r"not come from AWS",
        ByHand(r"network|HTTPS_PROXY|endpoint", _over),
        prepare=_fault("cognito-identity", status=404, empty_body=True),
        config=JOB,
    ),
)
