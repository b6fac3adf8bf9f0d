"""What stands in the demo account: its roles with their policies, a bucket with an object, an administrator."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from .moto_account import MotoAccount, UserKeys
from .operations import SESSION_NAME
from .pool_tokens import LOGIN_KEY

OBJECT_KEY = "hello.txt"
OBJECT_BODY = b"Hello from the demo world.\n"
#: Where in the bucket whoever has signed in may write; elsewhere only the other roles may.
UPLOADS = "uploads/"
_AUTHENTICATED, _GUEST, _OTHER, _CHAINED = "DemoAuthenticated", "DemoGuest", "DemoUploader", "DemoChained"
# AWS allows up to 12 h; the chained role keeps the default of one hour.
_LONGEST_SESSION = 43_200


@dataclass(frozen=True)
class Stage:
    """The resources of one world's account."""

    authenticated_role: str
    guest_role: str
    other_role: str
    chained_role: str
    bucket: str
    admin: UserKeys


def set_stage(account: MotoAccount, pool_ids: Iterable[str]) -> Stage:
    """Create everything; the pools of `pool_ids` may use the roles."""
    bucket = f"demo-{secrets.token_hex(4)}"
    account.create_bucket(bucket, {OBJECT_KEY: OBJECT_BODY})
    ids = list(pool_ids)
    chained_arn = f"arn:aws:iam::{account.account_id}:role/{_CHAINED}"
    read = (
        _allow(["s3:ListAllMyBuckets", "s3:ListBuckets"], "*"),
        _allow(["s3:GetObject", "s3:ListBucket"], *_in(bucket)),
    )
    chain = _allow(["sts:AssumeRole"], chained_arn)
    write = _allow(["s3:PutObject"], *_in(bucket))
    upload = _allow(["s3:PutObject"], f"arn:aws:s3:::{bucket}/{UPLOADS}*")
    authenticated = account.create_role(
        _AUTHENTICATED, cognito_trust(ids, "authenticated"), _policy(*read, upload, chain), _LONGEST_SESSION
    )
    other = account.create_role(_OTHER, cognito_trust(ids, "authenticated"), _policy(*read, write))
    guest = account.create_role(_GUEST, cognito_trust(ids, "unauthenticated"), _policy(read[0]))
    chained = account.create_role(_CHAINED, _chain_trust(account.account_id), _policy(*read, write))
    admin = account.create_user("administrator", _policy(_allow(["*"], "*")))
    return Stage(authenticated, guest, other, chained, bucket, admin)


def extend_trust(account: MotoAccount, stage: Stage, pool_ids: Iterable[str]) -> None:
    """Let more pools use the roles."""
    ids = list(pool_ids)
    for role in (stage.authenticated_role, stage.other_role):
        account.set_trust(role, cognito_trust(ids, "authenticated"))
    account.set_trust(stage.guest_role, cognito_trust(ids, "unauthenticated"))


def cognito_trust(pool_ids: list[str], amr: str) -> dict[str, Any]:
    """The trust policy the Cognito console writes for a pool's role."""
    return _policy(
        {
            "Effect": "Allow",
            "Principal": {"Federated": LOGIN_KEY},
            "Action": ["sts:AssumeRoleWithWebIdentity", "sts:TagSession"],
            "Condition": {
                "StringEquals": {f"{LOGIN_KEY}:aud": pool_ids},
                "ForAnyValue:StringLike": {f"{LOGIN_KEY}:amr": amr},
            },
        }
    )


def _chain_trust(account_id: str) -> dict[str, Any]:
    # moto compares a trust policy's principal with the session's ARN, AWS with the role's: both are named. Basic-flow
    # sessions carry names of the client's choosing, those of the enhanced flow this one.
    session = f"arn:aws:sts::{account_id}:assumed-role/{_AUTHENTICATED}/{SESSION_NAME}"
    role = f"arn:aws:iam::{account_id}:role/{_AUTHENTICATED}"
    return _policy({"Effect": "Allow", "Principal": {"AWS": [session, role]}, "Action": ["sts:AssumeRole"]})


def _policy(*statements: dict[str, Any]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": list(statements)}


def _allow(actions: list[str], *resources: str) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": actions, "Resource": list(resources)}


def _in(bucket: str) -> tuple[str, str]:
    return f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"
