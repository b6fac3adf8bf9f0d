"""Tokens that services take in place of AWS credentials: a presigned request, which the service sends to AWS or checks.

No call is made. Each token is valid for what it was made for, and not longer than the credentials that signed it.
Tokens that a service issues itself are in `issued_tokens`.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..credentials import FederatedCredentials
    from ..identity_pool.client import Clients

#: Seconds: of a token of Bedrock at most ("Amazon Bedrock API keys", short-term keys), of one of EKS (its server takes
#: no longer ones), of one of RDS ("IAM database authentication").
BEDROCK_SECONDS, EKS_SECONDS, RDS_SECONDS = 43_200, 60, 900
#: Seconds for which EKS takes the token after it was signed, less a minute for clocks (aws-iam-authenticator).
_EKS_TAKES = 840
_CLUSTER_HEADER = "x-k8s-aws-id"


@dataclass(frozen=True, repr=False)
class ServiceToken:
    """A token and its end.

    Attributes:
        value: the token.
        expires_at: when it ends, seconds since the epoch.
    """

    value: str
    expires_at: float

    def exec_credential(self, api_version: str) -> dict[str, Any]:
        """Return the object that ``kubectl`` takes from a credential plugin (client.authentication.k8s.io)."""
        return exec_credential(self.value, self.expires_at, api_version)


def exec_credential(token: str, expires_at: float | None, api_version: str) -> dict[str, Any]:
    """Return the object that ``kubectl`` takes from a credential plugin.

    Args:
        token: the token.
        expires_at: when it ends, seconds since the epoch; None if that is unknown.
        api_version: of ``client.authentication.k8s.io``.
    """
    status: dict[str, str] = {"token": token}
    if expires_at is not None:
        status["expirationTimestamp"] = f"{datetime.fromtimestamp(expires_at, tz=timezone.utc):%Y-%m-%dT%H:%M:%SZ}"
    return {
        "apiVersion": f"client.authentication.k8s.io/{api_version}",
        "kind": "ExecCredential",
        "spec": {},
        "status": status,
    }


def bedrock_token(credentials: FederatedCredentials, region: str, now: float) -> ServiceToken:
    """Return a bearer token of Amazon Bedrock, as AWS's generator makes it (package aws-bedrock-token-generator).

    Args:
        credentials: sign it.
        region: of the models.
        now: seconds since the epoch.
    """
    seconds = int(min(BEDROCK_SECONDS, credentials.expires_at - now))
    host, query = "bedrock.amazonaws.com", {"Action": "CallWithBearerToken"}
    url = _presigned(credentials, "bedrock", region, "POST", f"https://{host}/", query, seconds)
    text = f"{url.removeprefix('https://')}&Version=1"
    return ServiceToken(f"bedrock-api-key-{base64.b64encode(text.encode()).decode()}", now + seconds)


def rds_token(credentials: FederatedCredentials, region: str, place: str, user: str, now: float) -> ServiceToken:
    """Return a password of a database user who signs in with IAM (RDS, Aurora).

    Args:
        credentials: sign it.
        region: of the database.
        place: host and port of the database.
        user: the database user.
        now: seconds since the epoch.
    """
    seconds = int(min(RDS_SECONDS, credentials.expires_at - now))
    query = {"Action": "connect", "DBUser": user}
    url = _presigned(credentials, "rds-db", region, "GET", f"https://{place}/", query, seconds)
    return ServiceToken(url.removeprefix("https://"), now + seconds)


def eks_token(credentials: FederatedCredentials, clients: Clients, cluster: str, now: float) -> ServiceToken:
    """Return a token of an EKS cluster: a request of GetCallerIdentity, which its server sends to STS.

    Args:
        credentials: sign it.
        clients: has the client of STS, in the region and partition of the credentials.
        cluster: the name of the cluster.
        now: seconds since the epoch.
    """
    client = clients.sts(access_key=credentials.access_key, secret_key=credentials.secret_key, token=credentials.token)

    def name_cluster(request: Any, **_: Any) -> None:
        request.headers[_CLUSTER_HEADER] = cluster

    client.meta.events.register("before-sign.sts.GetCallerIdentity", name_cluster)
    url = client.generate_presigned_url("get_caller_identity", ExpiresIn=EKS_SECONDS, HttpMethod="GET")
    encoded = base64.urlsafe_b64encode(url.encode()).decode().rstrip("=")
    return ServiceToken(f"k8s-aws-v1.{encoded}", min(now + _EKS_TAKES, credentials.expires_at))


def _presigned(
    credentials: FederatedCredentials,
    service: str,
    region: str,
    method: str,
    url: str,
    query: Mapping[str, str],
    seconds: int,
) -> str:
    from botocore.auth import SigV4QueryAuth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    request = AWSRequest(method=method, url=url, params=dict(query))
    keys = Credentials(credentials.access_key, credentials.secret_key, credentials.token)
    SigV4QueryAuth(keys, service, region, expires=seconds).add_auth(request)
    return str(request.url)
