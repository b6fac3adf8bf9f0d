"""The effect of a region's partition on identity pools: the start of ARNs, and the names of pools."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Partition:
    """The partition of a region.

    Attributes:
        name: the second part of its ARNs.
        pool_name: the `Logins` key of the pool's own tokens, the federated principal and the start of condition keys
            in trust policies. GovCloud: the Cognito developer guide, "Enhanced and classic flows" and "Amazon Cognito
            in AWS GovCloud (US)"; China: the AWS SDK for Android.
    """

    name: str
    pool_name: str

    @property
    def issuer(self) -> str:
        """The ``iss`` of the pool's own tokens."""
        return f"https://{self.pool_name}"

    def arn(self, rest: str) -> str:
        """Return ``arn:PARTITION:`` and the rest of an ARN."""
        return f"arn:{self.name}:{rest}"


_AWS = Partition("aws", "cognito-identity.amazonaws.com")
_OF_REGION = {
    "us-gov-west-1": Partition("aws-us-gov", "cognito-identity-us-gov.amazonaws.com"),
    "us-gov-east-1": Partition("aws-us-gov", "cognito-identity.us-gov-east-1.amazonaws.com"),
    "cn-north-1": Partition("aws-cn", "cognito-identity.cn-north-1.amazonaws.com.cn"),
}


def partition_of(region: str) -> Partition:
    return _OF_REGION.get(region, _AWS)
