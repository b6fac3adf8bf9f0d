"""Host names of registries: those of ECR are known whole, and nothing that only looks like one."""

from __future__ import annotations

import pytest

from botocore_cognito_federation.config.plain import _are_registries
from botocore_cognito_federation.config.registries import read_registries, registry_in


@pytest.mark.parametrize(
    ("address", "region"),
    [
        ("123456789012.dkr.ecr.eu-west-1.amazonaws.com", "eu-west-1"),
        ("https://123456789012.dkr.ecr.eu-west-1.amazonaws.com", "eu-west-1"),
        ("https://123456789012.DKR.ecr.eu-west-1.amazonaws.com:443/v2/", "eu-west-1"),
        ("123456789012.dkr.ecr-fips.us-gov-west-1.amazonaws.com", "us-gov-west-1"),
        ("123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn", "cn-north-1"),
        ("123456789012.dkr.ecr.eusc-de-east-1.amazonaws.eu", "eusc-de-east-1"),
        ("123456789012.dkr.ecr.us-isob-east-1.sc2s.sgov.gov", "us-isob-east-1"),
        ("123456789012.dkr-ecr.us-west-2.on.aws", "us-west-2"),
        ("public.ecr.aws", "us-east-1"),
        ("https://public.ecr.aws/v2/", "us-east-1"),
    ],
)
def test_a_registry_of_ecr_is_known_by_its_host(address: str, region: str) -> None:
    registry = registry_in(address)
    assert registry is not None
    assert registry.region == region


@pytest.mark.parametrize("region", ["eu-west-1", "eu-central-1", "ap-southeast-1", "us-gov-west-1"])
def test_a_registry_of_any_region_leaves_a_helper_its_quick_way(region: str) -> None:
    assert _are_registries(f"123456789012.dkr.ecr.{region}.amazonaws.com")


@pytest.mark.parametrize(
    "address",
    [
        "",
        "https://index.docker.io/v1/",
        "http://123456789012.dkr.ecr.eu-west-1.amazonaws.com",
        "123456789012.dkr.ecr.eu-west-1.amazonaws.com:5000",
        "123456789012.dkr.ecr.eu-west-1.amazonaws.com.evil.example",
        "evil.example/123456789012.dkr.ecr.eu-west-1.amazonaws.com",
        "user@123456789012.dkr.ecr.eu-west-1.amazonaws.com",
        "x123456789012.dkr.ecr.eu-west-1.amazonaws.com",
        "123456789012.dkr.ecr.euwest1-west-1.amazonaws.com",
        "12345678901.dkr.ecr.eu-west-1.amazonaws.com",
        "123456789012.dkr.ecr.evil.example.amazonaws.com",
        "123456789012xdkr.ecr.eu-west-1.amazonaws.com",
        "123456789012.dkr.ecr.eu-west-1.amazonawsxcom",
        "public.ecr.aws.evil.example",
    ],
)
def test_any_other_host_is_none(address: str) -> None:
    assert registry_in(address) is None
    assert not _are_registries(address)


def test_a_list_of_registries_is_separated_by_spaces_or_commas_and_has_nothing_else() -> None:
    host = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"
    assert read_registries(f"https://{host}, public.ecr.aws") == (host, "public.ecr.aws")
    with pytest.raises(ValueError, match="must be registries of Amazon ECR, such as 123456789012"):
        read_registries(f"{host} index.docker.io")
