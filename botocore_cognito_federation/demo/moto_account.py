"""The only module that uses moto: a separate AWS account in moto's in-process IAM, STS and S3.

It works with moto 5.1 and later, of which it uses these internals: ``iam_backends``, ``sts_backends`` and
``s3_backends`` (indexed by account and partition),
`IAMBackend.create_role/put_role_policy/create_user/put_user_policy/create_access_key`, `STSBackend.assume_role`,
``IAMBackend.open_id_providers``, ``moto.iam.access_control``,
`S3Backend.create_bucket/put_object/delete_object/delete_bucket`, the WSGI dispatcher of ``moto.moto_server``, and
``moto.settings.INITIAL_NO_AUTH_ACTION_COUNT``, the switch of IAM enforcement, and ``moto.s3.responses.ACTION_MAP``.
"""

from __future__ import annotations

import itertools
import json
import os
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from botocore.credentials import Credentials

from .. import ConfigurationError
from .partitions import partition_of
from .records import IssuedCredentials

try:
    from moto import settings
    from moto.iam.access_control import CreateAccessKeyFailure, IAMPolicy, PermissionResult, create_access_key
    from moto.iam.models import iam_backends
    from moto.moto_server import werkzeug_app
    from moto.s3.models import s3_backends
    from moto.s3.responses import ACTION_MAP
    from moto.sts.models import sts_backends
    from werkzeug.serving import WSGIRequestHandler, make_server
except ImportError:
    raise ConfigurationError(
        "the demo world needs moto 5.1 or later with its server, which is not installed",
        remedy='pip install "botocore-cognito-federation[demo]"',
    ) from None

__all__ = ["MotoAccount", "RequestHandler", "RoleFacts", "make_server"]

# moto's own handler keeps header names with underscores (S3 metadata); not every 5.x has it
RequestHandler: type[WSGIRequestHandler] = getattr(werkzeug_app, "MotoRequestHandler", WSGIRequestHandler)

_HEAD_OF_BUCKET: dict[str, str] = ACTION_MAP["BUCKET"]["HEAD"]
_account_numbers = itertools.count(111122223333)


class _Enforcement:
    """The process-wide switch of IAM enforcement: on while any world runs, afterwards restored."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users = 0
        self._before: float = 0
        self._head = ""

    def switch_on(self) -> None:
        with self._lock:
            if self._users == 0:
                self._before = settings.INITIAL_NO_AUTH_ACTION_COUNT
                settings.INITIAL_NO_AUTH_ACTION_COUNT = 0
                # HeadBucket has no permission of its own (S3 API reference, "HeadBucket": s3:ListBucket).
                self._head, _HEAD_OF_BUCKET["DEFAULT"] = _HEAD_OF_BUCKET["DEFAULT"], "ListBucket"
            self._users += 1

    def switch_back(self) -> None:
        with self._lock:
            self._users -= 1
            if self._users == 0:
                settings.INITIAL_NO_AUTH_ACTION_COUNT = self._before
                _HEAD_OF_BUCKET["DEFAULT"] = self._head


_enforcement = _Enforcement()


@dataclass(frozen=True)
class RoleFacts:
    """The facts that STS needs about a role."""

    arn: str
    trust_policy: str
    max_session_seconds: int


@dataclass(frozen=True)
class UserKeys:
    """The access keys of an IAM user."""

    access_key_id: str
    secret_access_key: str = field(repr=False)


class MotoAccount:
    """An AWS account in moto, separate from those of other worlds in the same process."""

    def __init__(self, region: str) -> None:
        # In moto this variable overrides the account of a request's access key.
        self.account_id = os.environ.get("MOTO_ACCOUNT_ID") or str(next(_account_numbers))
        self.region = region
        self.partition = partition_of(region)

    def open(self) -> None:
        """Switch IAM enforcement on for this process."""
        _enforcement.switch_on()

    def close(self) -> None:
        """Empty the account and restore the enforcement."""
        _enforcement.switch_back()
        # Not S3Backend.reset(): it closes the objects of every account in the process, other worlds' too.
        s3 = s3_backends[self.account_id][self.partition.name]
        for name, bucket in list(s3.buckets.items()):
            for key in list(bucket.keys):
                s3.delete_object(name, key)
            s3.delete_bucket(name)
        stacks = sys.modules.get(f"{__package__}.stacks")
        if stacks is not None:
            stacks.disable(self.account_id)
        for backends in (iam_backends, sts_backends, s3_backends):
            if self.account_id in backends:
                del backends[self.account_id]

    def application(self) -> Any:
        """moto's WSGI application for all services."""
        return werkzeug_app.DomainDispatcherApplication(werkzeug_app.create_backend_app)

    def create_role(
        self, name: str, trust: Mapping[str, Any], policy: Mapping[str, Any] | None, max_session_seconds: int = 3600
    ) -> str:
        """Create a role with one inline policy (without one it has no permissions) and return its ARN."""
        iam = iam_backends[self.account_id][self.partition.name]
        role = iam.create_role(
            role_name=name,
            assume_role_policy_document=json.dumps(trust),
            path="/",
            permissions_boundary=None,
            description="",
            tags=[],
            max_session_duration=str(max_session_seconds),
        )
        if policy is not None:
            iam.put_role_policy(name, "demo", json.dumps(policy))
        return str(role.arn)

    def set_trust(self, role_arn: str, trust: Mapping[str, Any]) -> None:
        """Replace a role's trust policy."""
        for role in iam_backends[self.account_id][self.partition.name].get_roles():
            if role.arn == role_arn:
                role.assume_role_policy_document = json.dumps(trust)

    def create_user(self, name: str, policy: Mapping[str, Any]) -> UserKeys:
        """Create an IAM user with one inline policy and access keys."""
        iam = iam_backends[self.account_id][self.partition.name]
        iam.create_user(region_name=self.region, user_name=name)
        iam.put_user_policy(name, "demo", json.dumps(policy))
        key = iam.create_access_key(name)
        return UserKeys(key.access_key_id, key.secret_access_key)

    def create_bucket(self, name: str, objects: Mapping[str, bytes]) -> None:
        s3 = s3_backends[self.account_id][self.partition.name]
        s3.create_bucket(name, self.region)
        for key, value in objects.items():
            s3.put_object(name, key, value)

    def role(self, arn: str) -> RoleFacts | None:
        """Return the role of this ARN as IAM has it now; None if this account has none."""
        for role in iam_backends[self.account_id][self.partition.name].get_roles():
            if role.arn == arn:
                return RoleFacts(arn, str(role.assume_role_policy_document), int(role.max_session_duration or 3600))
        return None

    def session_of(self, access_key_id: str) -> tuple[str, str]:
        """Return the ARNs of the role and of the session that a temporary key belongs to; empty for other keys."""
        for issued in sts_backends[self.account_id][self.partition.name].assumed_roles:
            if issued.access_key_id == access_key_id:
                return str(issued.role_arn), str(issued.arn)
        return "", ""

    def caller(self, access_key_id: str) -> str:
        """Return the ARN of the user or the session of an access key; empty if there is none."""
        key = self._key(access_key_id)
        return str(key.arn) if key is not None else ""

    def credentials(self, access_key_id: str) -> Credentials | None:
        """Return the credentials of an access key, to check a signature; None if there is no such key."""
        key = self._key(access_key_id)
        found: Credentials | None = key.create_credentials() if key is not None else None
        return found

    def allows(self, access_key_id: str, action: str, resource: str) -> bool:
        """Return whether the policies of a user or a role allow an action that moto itself does not ask for."""
        key = self._key(access_key_id)
        policies = key.collect_policies() if key is not None else []
        results = {IAMPolicy(one).is_action_permitted(action, resource) for one in policies}
        return PermissionResult.PERMITTED in results and PermissionResult.DENIED not in results

    def _key(self, access_key_id: str) -> Any:
        sessions = sts_backends[self.account_id][self.partition.name].assumed_roles
        tokens = [one.session_token for one in sessions if one.access_key_id == access_key_id]
        headers = {"X-Amz-Security-Token": tokens[0]} if tokens else {}
        try:
            return create_access_key(self.account_id, self.partition.name, access_key_id, headers)
        except CreateAccessKeyFailure:
            return None

    def client_ids_of(self, provider_arn: str) -> frozenset[str] | None:
        """Return the client IDs of an IAM OIDC provider; None if this account has none of this ARN."""
        providers = iam_backends[self.account_id][self.partition.name].open_id_providers
        found = providers.get(provider_arn)
        return None if found is None else frozenset(found.client_id_list)

    def set_client_ids(self, provider_arn: str, client_ids: frozenset[str]) -> None:
        """Replace the client IDs of an IAM OIDC provider."""
        providers = iam_backends[self.account_id][self.partition.name].open_id_providers
        providers[provider_arn].client_id_list = sorted(client_ids)

    def assume_role(self, role_arn: str, session_name: str, lifetime: float, expires_at: float) -> IssuedCredentials:
        """Create credentials that moto's IAM enforcement accepts; `expires_at` is the world's, as moto checks none."""
        session = sts_backends[self.account_id][self.partition.name].assume_role(
            region_name=self.region,
            role_session_name=session_name,
            role_arn=role_arn,
            policy="",
            duration=int(lifetime),
            external_id="",
        )
        return IssuedCredentials(
            access_key_id=session.access_key_id,
            secret_access_key=session.secret_access_key,
            session_token=session.session_token,
            expires_at=expires_at,
            role_arn=role_arn,
            session_name=session_name,
            role_id=str(session.user_id).partition(":")[0],
        )
