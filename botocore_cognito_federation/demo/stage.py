"""The resources of the demo account: roles with their policies, a bucket with an object, an administrator."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from .moto_account import MotoAccount, UserKeys
from .operations import SESSION_NAME
from .partitions import Partition

OBJECT_KEY = "hello.txt"
OBJECT_BODY = b"Hello from the demo world.\n"
#: The prefix in the bucket that signed-in users may write; elsewhere only the other roles may write.
UPLOADS = "uploads/"
_AUTHENTICATED, _GUEST, _OTHER, _CHAINED = "DemoAuthenticated", "DemoGuest", "DemoUploader", "DemoChained"
_FEDERATED = "DemoFederated"
# AWS allows up to 12 h; the chained role keeps the default of one hour.
_LONGEST_SESSION = 43_200


@dataclass(frozen=True)
class Stage:
    """The resources of one world's account."""

    authenticated_role: str
    guest_role: str
    other_role: str
    chained_role: str
    federated_role: str
    bucket: str
    admin: UserKeys


def set_stage(account: MotoAccount, pool_ids: Iterable[str], login_key: str, client_id: str) -> Stage:
    """Create all resources; the pools of `pool_ids` may use the roles, and the users of a provider one without a pool.

    Args:
        account: the account.
        pool_ids: the pools.
        login_key: the issuer of the provider, without its scheme.
        client_id: the client of the provider.
    """
    bucket = f"demo-{secrets.token_hex(4)}"
    account.create_bucket(bucket, {OBJECT_KEY: OBJECT_BODY})
    ids = list(pool_ids)
    partition = account.partition
    chained_arn = partition.arn(f"iam::{account.account_id}:role/{_CHAINED}")
    read = (
        _allow(["s3:ListAllMyBuckets", "s3:ListBuckets"], "*"),
        _allow(["s3:GetObject", "s3:ListBucket"], *_in(partition, bucket)),
    )
    chain = _allow(["sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"], f"{chained_arn}*")
    write = _allow(["s3:PutObject"], *_in(partition, bucket))
    upload = _allow(["s3:PutObject"], partition.arn(f"s3:::{bucket}/{UPLOADS}*"))
    authenticated = account.create_role(
        _AUTHENTICATED, cognito_trust(partition, ids, "authenticated"), _policy(*read, upload, chain), _LONGEST_SESSION
    )
    other = account.create_role(_OTHER, cognito_trust(partition, ids, "authenticated"), _policy(*read, write))
    guest = account.create_role(_GUEST, cognito_trust(partition, ids, "unauthenticated"), _policy(read[0]))
    chained = account.create_role(_CHAINED, _chain_trust(account), _policy(*read, write))
    federated = account.create_role(
        _FEDERATED, _federated_trust(account, login_key, client_id), _policy(*read, upload, chain), _LONGEST_SESSION
    )
    admin = account.create_user("administrator", _policy(_allow(["*"], "*")))
    return Stage(authenticated, guest, other, chained, federated, bucket, admin)


def add_chained_role(account: MotoAccount, name: str, actions: Iterable[str], conditions: dict[str, Any]) -> str:
    """Create a further role that sessions of the enhanced flow may assume, and return its ARN.

    Args:
        name: the end of its name.
        actions: those of its trust policy, such as ``sts:TagSession``.
        conditions: the ``Condition`` of its trust policy.
    """
    trust = _chain_trust(account)
    trust["Statement"][0] |= {"Action": list(actions), "Condition": conditions}
    read = _allow(["s3:ListAllMyBuckets", "s3:ListBuckets", "s3:GetObject", "s3:ListBucket", "s3:PutObject"], "*")
    return account.create_role(f"{_CHAINED}{name}", trust, _policy(read))


def extend_trust(account: MotoAccount, stage: Stage, pool_ids: Iterable[str]) -> None:
    """Allow more pools to use the roles."""
    ids = list(pool_ids)
    for role in (stage.authenticated_role, stage.other_role):
        account.set_trust(role, cognito_trust(account.partition, ids, "authenticated"))
    account.set_trust(stage.guest_role, cognito_trust(account.partition, ids, "unauthenticated"))


def cognito_trust(partition: Partition, pool_ids: list[str], amr: str) -> dict[str, Any]:
    """Return the trust policy that the Cognito console writes for a pool's role."""
    name = partition.pool_name
    return _policy(
        {
            "Effect": "Allow",
            "Principal": {"Federated": name},
            "Action": ["sts:AssumeRoleWithWebIdentity", "sts:TagSession"],
            "Condition": {
                "StringEquals": {f"{name}:aud": pool_ids},
                "ForAnyValue:StringLike": {f"{name}:amr": amr},
            },
        }
    )


def _federated_trust(account: MotoAccount, login_key: str, client_id: str) -> dict[str, Any]:
    """Return the trust policy that the IAM console writes for the users of an OIDC provider of the account."""
    return _policy(
        {
            "Effect": "Allow",
            "Principal": {"Federated": account.partition.arn(f"iam::{account.account_id}:oidc-provider/{login_key}")},
            "Action": ["sts:AssumeRoleWithWebIdentity"],
            "Condition": {"StringEquals": {f"{login_key}:aud": client_id}},
        }
    )


def _chain_trust(account: MotoAccount) -> dict[str, Any]:
    # moto compares a trust policy's principal with the session's ARN, AWS with the role's: both are named. Sessions of
    # the other flows carry names of the client's choosing, those of the enhanced flow this one.
    arn, account_id = account.partition.arn, account.account_id
    sessions = [arn(f"sts::{account_id}:assumed-role/{role}/{SESSION_NAME}") for role in (_AUTHENTICATED, _FEDERATED)]
    roles = [arn(f"iam::{account_id}:role/{role}") for role in (_AUTHENTICATED, _FEDERATED)]
    return _policy({"Effect": "Allow", "Principal": {"AWS": [*sessions, *roles]}, "Action": ["sts:AssumeRole"]})


def _policy(*statements: dict[str, Any]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": list(statements)}


def _allow(actions: list[str], *resources: str) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": actions, "Resource": list(resources)}


def _in(partition: Partition, bucket: str) -> tuple[str, str]:
    return partition.arn(f"s3:::{bucket}"), partition.arn(f"s3:::{bucket}/*")
