"""The administrator's own access: the account, the permissions that the calls need, and what a refusal means."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import boto3
import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, ProfileNotFound, UnknownRegionError
from botocore.parsers import ResponseParserError

from ..errors import CognitoFederationError, ConfigurationError, FederationRefusedError, TemporaryError
from ..identity_pool.failures import DENIED, UNKNOWN_KEYS, missing_permission
from .account import Administrator, Clients, Difference
from .design import Design

T = TypeVar("T")
#: What `pool check` calls.
READS = (
    "cognito-identity:DescribeIdentityPool",
    "cognito-identity:GetIdentityPoolRoles",
    "cognito-identity:GetPrincipalTagAttributeMap",
    "cognito-identity:ListIdentityPools",
    "iam:GetOpenIDConnectProvider",
    "iam:GetRole",
    "iam:GetRolePolicy",
    "iam:ListAttachedRolePolicies",
    "iam:ListRolePolicies",
)
#: What the other commands call besides.
WRITES = (
    "cognito-identity:CreateIdentityPool",
    "cognito-identity:DeleteIdentityPool",
    "cognito-identity:SetIdentityPoolRoles",
    "cognito-identity:SetPrincipalTagAttributeMap",
    "cognito-identity:TagResource",
    "cognito-identity:UpdateIdentityPool",
    "iam:AddClientIDToOpenIDConnectProvider",
    "iam:AttachRolePolicy",
    "iam:CreateOpenIDConnectProvider",
    "iam:CreateRole",
    "iam:DeleteOpenIDConnectProvider",
    "iam:DeleteRole",
    "iam:DeleteRolePolicy",
    "iam:DetachRolePolicy",
    "iam:PassRole",
    "iam:PutRolePolicy",
    "iam:TagOpenIDConnectProvider",
    "iam:TagRole",
    "iam:UpdateAssumeRolePolicy",
)
_EXPIRED = frozenset({"ExpiredToken", "ExpiredTokenException", "RequestExpired"})
_PASSING = frozenset({"Throttling", "ThrottlingException", "TooManyRequestsException", "ServiceUnavailable"})
_ROLE_OPERATION = re.compile(r"iam:.*(Role|RolePolicy|RolePolicies)")
#: What a service answers about something that IAM has just made: IAM is consistent only after some seconds.
_NOT_YET = frozenset({"InvalidParameterException", "NoSuchEntity", "ResourceNotFoundException"})
_PAUSE, _PAUSES = 2.0, 5
#: No answer, an answer in another form, or one that lacks a member.
_UNREADABLE = (BotoCoreError, ResponseParserError, KeyError)


def policy(name: str, partition: str, *, read_only: bool = False) -> dict[str, Any]:
    """Return the IAM policy with which an administrator can run the commands for one pool.

    Args:
        name: of the pool; the calls about roles are allowed for its roles only.
    """
    actions = sorted(READS if read_only else (*READS, *WRITES))
    about_roles = [one for one in actions if one == "iam:PassRole" or _ROLE_OPERATION.match(one)]
    others = [one for one in actions if one not in about_roles]
    roles = [f"arn:{partition}:iam::*:role/{name}-authenticated", f"arn:{partition}:iam::*:role/{name}-guest"]
    statements = [
        {"Sid": "IdentityPool", "Effect": "Allow", "Action": others, "Resource": "*"},
        {"Sid": "Roles", "Effect": "Allow", "Action": about_roles, "Resource": roles},
    ]
    return {"Version": "2012-10-17", "Statement": statements}


def session_of(admin_profile: str | None) -> boto3.Session:
    """Return the administrator's session.

    Raises:
        ConfigurationError: there is no such profile.
    """
    session = botocore.session.Session(profile=admin_profile)
    try:
        session.get_scoped_config()
    except ProfileNotFound as error:
        raise ConfigurationError(
            f"There is no profile {error.kwargs.get('profile', '')!r} for the administrator",
            remedy="aws configure list-profiles lists them",
        ) from None
    return boto3.Session(botocore_session=session)


def profiles() -> list[str]:
    """Return the names of all profiles; none where the files cannot be read."""
    try:
        return [str(name) for name in botocore.session.Session().available_profiles]
    except BotoCoreError:
        return []


def partition_of(region: str) -> str:
    """Return the partition of a region, whatever profile the environment names.

    Raises:
        ConfigurationError: AWS has no such region.
    """
    session = botocore.session.Session(session_vars={"profile": (None, None, None, None)})
    try:
        return str(session.get_partition_for_region(region))
    except UnknownRegionError:
        raise ConfigurationError(f"AWS has no region {region[:40]!r}", remedy="Correct --region") from None


def administrator(design: Design, admin_profile: str | None, account_id: str | None) -> Administrator:
    """Return an administrator of the account of these credentials.

    Args:
        account_id: the account that it must be; None for any.

    Raises:
        ConfigurationError: there are no credentials, or they are of another account or partition.
        FederationRefusedError, TemporaryError: STS refuses, or cannot be asked now.
    """
    session = session_of(admin_profile)
    steady = Config(retries={"mode": "standard", "total_max_attempts": 4}, connect_timeout=10, read_timeout=30)
    try:
        caller = session.client("sts", region_name=design.region, config=steady).get_caller_identity()
    except NoCredentialsError:
        raise ConfigurationError(
            "There are no AWS credentials of an administrator", remedy="Name their profile: --admin-profile NAME"
        ) from None
    except (ClientError, BotoCoreError) as error:
        raise explained(error, design) from None
    if account_id and caller["Account"] != account_id:
        raise ConfigurationError(
            f"The administrator's credentials are of account {caller['Account']}, not {account_id}",
            remedy="Name another profile: --admin-profile NAME",
        )
    if str(caller["Arn"]).split(":")[1] != design.partition:
        raise _other_partition(design)
    # A repeated CreateIdentityPool makes a second pool of the same name.
    once = steady.merge(Config(retries={"mode": "standard", "total_max_attempts": 1}))
    clients = Clients(
        cognito=session.client("cognito-identity", region_name=design.region, config=steady),
        cognito_once=session.client("cognito-identity", region_name=design.region, config=once),
        iam=session.client("iam", region_name=design.region, config=steady),
    )
    return Administrator(design, clients, account_id=caller["Account"])


def looked_at(look: Callable[[], T], design: Design) -> T:
    """Run what only reads; failures of AWS become errors of this package."""
    try:
        return look()
    except (ClientError, *_UNREADABLE) as error:
        raise explained(error, design) from None


def apply(changes: Iterable[Difference], design: Design, tell: Callable[[str], None]) -> None:
    """Apply changes one after the other, and tell each that is done.

    Raises:
        CognitoFederationError: one failed; it says what has been done before.
    """
    done: list[str] = []
    for change in changes:
        for attempt in range(_PAUSES + 1):
            try:
                change.apply()
                break
            except ClientError as error:
                if not done or attempt == _PAUSES or error.response["Error"].get("Code") not in _NOT_YET:
                    raise explained(error, design, done) from None
                time.sleep(_PAUSE)
            except _UNREADABLE as error:
                raise explained(error, design, done) from None
        done.append(change.what)
        tell(change.what)


def explained(error: Exception, design: Design, done: Iterable[str] = ()) -> CognitoFederationError:
    """Return the error for an administrator: what failed, the permission that is missing, and what was done before."""
    if isinstance(error, CognitoFederationError):  # a BotoCoreError too
        return error
    done = list(done)
    before = f" Corrected before: {'; '.join(done)}. Run the same command again to go on" if done else ""
    if not isinstance(error, ClientError):
        what = "AWS cannot be asked" if isinstance(error, BotoCoreError) else "An answer of AWS is incomplete"
        return TemporaryError(f"{what}: {type(error).__name__}", remedy=f"Run the same command again.{before}")
    code, text = error.response["Error"].get("Code", ""), error.response["Error"].get("Message", "")
    if code in UNKNOWN_KEYS:
        return _other_partition(design)
    if code in _EXPIRED:
        return ConfigurationError("The administrator's credentials have expired", remedy=f"Renew them.{before}")
    if code in DENIED:
        return _missing_permission(error, text, before)
    kind = TemporaryError if code in _PASSING else FederationRefusedError
    remedy = before.strip() or ("Try again" if kind is TemporaryError else "")
    return kind(f"{error.operation_name} was refused: {code}: {text}", remedy=remedy)


def _missing_permission(error: ClientError, text: str, before: str) -> CognitoFederationError:
    service = "iam" if re.search("Role|Policy|Policies|OpenIDConnect", error.operation_name) else "cognito-identity"
    if error.operation_name in ("GetIdentityPoolRoles", "SetIdentityPoolRoles"):
        service = "cognito-identity"
    missing = missing_permission(text, f"{service}:{error.operation_name}", policy="their policy")
    what = f"The administrator's credentials do not allow {missing.action}"
    return FederationRefusedError(
        what if missing.is_named else f"{what}: {text}",
        remedy=f"{missing.remedy}.{before}" if before else missing.remedy,
    )


def _other_partition(design: Design) -> ConfigurationError:
    return ConfigurationError(
        f"AWS does not know the administrator's credentials in {design.region}, which is in partition"
        f" {design.partition}",
        remedy="Name a region of their own partition with --region, or another profile with --admin-profile",
    )
