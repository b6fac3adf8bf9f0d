"""The frozen records that leave the demo world: its facts and its calls."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Call:
    """One request that reached the world, in the order of arrival.

    Attributes:
        operation: the API operation (``GetId``, ``AssumeRole``, ``ListBuckets``), or for the OpenID provider a name
            such as ``provider:jwks``.
        service: the service, ``cognito-identity``, ``sts``, ``s3``, ``provider``.
        time: the world's clock, seconds since the epoch.
        identity_id: the identity in the request or the answer; empty if there is none.
        access_key: the access key that signed the request, or the one that was issued; empty if there is none.
        status: the HTTP status of the answer; 0 when the connection was closed instead.
        code: the AWS error code of a refusal; empty otherwise.
    """

    operation: str
    service: str
    time: float
    identity_id: str = ""
    access_key: str = ""
    status: int = 200
    code: str = ""


@dataclass(frozen=True)
class UserPoolFacts:
    """The facts about a user pool and its app client that a client needs; `client_secret` is empty without one."""

    user_pool_id: str
    client_id: str
    client_secret: str = field(repr=False)
    issuer: str
    login_key: str


@dataclass(frozen=True)
class Message:
    """An e-mail or SMS that a user pool sent.

    Attributes:
        medium: ``EMAIL`` or ``SMS``.
        destination: the address, in full.
        purpose: the operation or the challenge that caused it, such as ``ConfirmSignUp`` or ``EMAIL_OTP``.
        time: the world's clock, seconds since the epoch.
    """

    user_pool_id: str
    username: str
    medium: str
    destination: str
    code: str = field(repr=False)
    purpose: str
    time: float


@dataclass(frozen=True)
class WorldFacts:
    """The facts about a running world that a client needs. They hold the administrator's secret key, valid only
    here."""

    endpoint_url: str
    region: str
    account_id: str
    pool_id: str
    guest_pool_id: str
    classic_pool_id: str
    developer_provider: str
    issuer: str
    login_key: str
    client_id: str
    second_issuer: str
    second_login_key: str
    second_client_id: str
    authenticated_role_arn: str
    guest_role_arn: str
    other_role_arn: str
    chained_role_arn: str
    federated_role_arn: str
    bucket: str
    object_key: str
    user_pool_id: str
    user_pool_client_id: str
    user_pool_issuer: str
    admin_access_key_id: str
    admin_secret_access_key: str = field(repr=False)


@dataclass(frozen=True)
class IssuedCredentials:
    """AWS credentials of a role session; `expires_at` is in seconds of the world's clock."""

    access_key_id: str
    secret_access_key: str = field(repr=False)
    session_token: str = field(repr=False)
    expires_at: float
    role_arn: str
    session_name: str
    role_id: str
