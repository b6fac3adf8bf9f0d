"""The registries of Amazon ECR, as container programs name them."""

from __future__ import annotations

import re
from dataclasses import dataclass

#: The registry for everybody ("Amazon ECR public registries"). Its images can be pulled without a password.
PUBLIC = "public.ecr.aws"
#: The only region in which the public registry gives out tokens.
_REGION_OF_PUBLIC = "us-east-1"
#: A private registry: ``ACCOUNT.dkr.ecr.REGION.SUFFIX``, and ``ACCOUNT.dkr-ecr.REGION.SUFFIX`` for IPv4 and IPv6 (ECR
#: User Guide, "Private registry", "dual-stack endpoints"), with the suffixes of AWS's partitions.
_PRIVATE = re.compile(
    r"[0-9]{12}\.dkr"
    r"(?:\.ecr(?:-fips)?\.(?P<region>[a-z]{2,6}(?:-[a-z]{2,16}){1,3}-[0-9]{1,2})"
    r"\.(?:amazonaws\.com|amazonaws\.com\.cn|amazonaws\.eu"
    r"|c2s\.ic\.gov|sc2s\.sgov\.gov|cloud\.adc-e\.uk|csp\.hci\.ic\.gov)"
    r"|-ecr(?:-fips)?\.(?P<dual_stack>[a-z]{2,6}(?:-[a-z]{2,16}){1,3}-[0-9]{1,2})"
    r"\.on\.(?:aws|amazonwebservices\.com\.cn|amazonwebservices\.eu))",
    re.ASCII,
)
EXAMPLE = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"


@dataclass(frozen=True)
class Registry:
    """A registry of Amazon ECR.

    Attributes:
        host: its name in lower-case letters.
        region: where its tokens are asked for.
    """

    host: str
    region: str

    @property
    def is_public(self) -> bool:
        return self.host == PUBLIC


def registry_in(address: str) -> Registry | None:
    """Return the registry of ECR at an address, or None if it is none.

    The whole host name counts: its password must not go to a host that only looks like one of AWS.

    Args:
        address: a host name, or a URL as docker passes it: https, with or without port 443 and a path.
    """
    host = address.lower().removeprefix("https://").partition("/")[0].removesuffix(":443")
    if host == PUBLIC:
        return Registry(host, _REGION_OF_PUBLIC)
    found = _PRIVATE.fullmatch(host)
    return Registry(host, found["region"] or found["dual_stack"]) if found else None


def read_registries(value: str) -> tuple[str, ...]:
    """Return the host names in a value of ``cognito_registries``.

    Raises:
        ValueError: one of them is no registry of ECR; the text says so.
    """
    hosts = []
    for word in value.replace(",", " ").split():
        registry = registry_in(word)
        if registry is None:
            raise ValueError(f"must be registries of Amazon ECR, such as {EXAMPLE}, separated by spaces")
        hosts.append(registry.host)
    return tuple(hosts)
