"""Identity pools in GovCloud, China and elsewhere: the hosts of calls, and the keys of tokens.

The hosts are AWS's own, resolved by botocore's rules in real processes; `AwsHosts` answers for them on loopback.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from pytest_httpserver import HTTPServer

from botocore_cognito_federation.demo import World
from tests.login_tokens.home import ProfileHome, caller
from tests.login_tokens.metadata_server import MetadataServer
from tests.servers.aws_hosts import AwsHosts

pytestmark = pytest.mark.thorough

GOV_WEST, GOV_EAST, CHINA = "us-gov-west-1", "us-gov-east-1", "cn-north-1"
PRINCIPALS = {
    "eu-west-1": "cognito-identity.amazonaws.com",
    GOV_WEST: "cognito-identity-us-gov.amazonaws.com",
    GOV_EAST: "cognito-identity.us-gov-east-1.amazonaws.com",
    CHINA: "cognito-identity.cn-north-1.amazonaws.com.cn",
}


@pytest.fixture(scope="module")
def worlds() -> Iterator[Callable[[str], World]]:
    """A world for each region, started when it is first needed."""
    started: dict[str, World] = {}
    with ExitStack() as stack:

        def world_in(region: str) -> World:
            if region not in started:
                started[region] = stack.enter_context(World(region=region))
            started[region].reset_journal()
            return started[region]

        yield world_in


class Place:
    """A home in a world, with AWS's own hosts answered for its processes."""

    def __init__(self, home: ProfileHome, hosts: AwsHosts) -> None:
        self.home, self.hosts = home, hosts
        # The endpoints of the demo's environment do not apply here.
        self.variables = {**hosts.variables, "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"}

    def credentials(self, profile: str, **variables: str) -> dict[str, str]:
        return self.home.credential_process(profile, **{**self.variables, **variables})


@pytest.fixture
def place(worlds: Callable[[str], World], tmp_path: Path) -> Iterator[Callable[[str], Place]]:
    with ExitStack() as stack:

        def place_in(region: str) -> Place:
            home = ProfileHome(tmp_path, worlds(region))
            home.world.write_token(tmp_path, subject="ada")
            port = urlsplit(home.world.endpoint_url).port
            hosts = AwsHosts(tmp_path, lambda host: port if host.startswith(("cognito-identity", "sts")) else None)
            return Place(home, stack.enter_context(hosts))

        yield place_in


@pytest.mark.parametrize(
    ("region", "settings", "host"),
    [
        ("eu-west-1", {}, "cognito-identity.eu-west-1.amazonaws.com"),
        (GOV_WEST, {}, "cognito-identity.us-gov-west-1.amazonaws.com"),
        (GOV_EAST, {}, "cognito-identity.us-gov-east-1.amazonaws.com"),
        (CHINA, {}, "cognito-identity.cn-north-1.amazonaws.com.cn"),
        ("us-east-1", {"use_fips_endpoint": "true"}, "cognito-identity-fips.us-east-1.amazonaws.com"),
        (GOV_WEST, {"use_fips_endpoint": "true"}, "cognito-identity-fips.us-gov-west-1.amazonaws.com"),
        (GOV_WEST, {"use_dualstack_endpoint": "true"}, "cognito-identity.us-gov-west-1.api.aws"),
    ],
)
def test_a_pool_is_asked_at_the_host_that_its_region_and_the_profile_say(
    place: Callable[[str], Place], region: str, settings: dict[str, str], host: str
) -> None:
    here = place(region)
    # The region of the pool counts; the profile uses another one.
    here.home.profile("dev", region="us-west-2", cognito_token_file=str(here.home.path / "token"), **settings)
    answer = here.credentials("dev")
    assert set(here.hosts.asked) == {host}
    assert caller(here.home.world, answer)


@pytest.mark.parametrize(
    ("variable", "host"),
    [
        ("AWS_USE_FIPS_ENDPOINT", "cognito-identity-fips.us-gov-west-1.amazonaws.com"),
        ("AWS_USE_DUALSTACK_ENDPOINT", "cognito-identity.us-gov-west-1.api.aws"),
    ],
)
def test_a_variable_chooses_the_endpoint_and_has_credentials_of_its_own(
    place: Callable[[str], Place], variable: str, host: str
) -> None:
    here = place(GOV_WEST)
    here.home.profile("dev", cognito_token_file=str(here.home.path / "token"))
    plain, chosen = here.credentials("dev"), here.credentials("dev", **{variable: "true"})
    assert here.hosts.asked[-1] == host
    assert plain["AccessKeyId"] != chosen["AccessKeyId"]


@pytest.mark.parametrize(
    ("region", "settings", "host"),
    [
        (GOV_WEST, {}, "sts.us-gov-west-1.amazonaws.com"),
        (CHINA, {}, "sts.cn-north-1.amazonaws.com.cn"),
        ("us-east-1", {"use_fips_endpoint": "true"}, "sts-fips.us-east-1.amazonaws.com"),
        ("us-east-1", {"use_dualstack_endpoint": "true"}, "sts.us-east-1.api.aws"),
    ],
)
def test_the_basic_flow_and_a_further_role_ask_the_partitions_sts(
    place: Callable[[str], Place], region: str, settings: dict[str, str], host: str
) -> None:
    here = place(region)
    world = here.home.world
    here.home.profile(
        "dev",
        cognito_identity_pool_id=world.classic_pool_id,
        cognito_flow="basic",
        cognito_role_arn=world.authenticated_role_arn,
        # The name that the chained role in the world's account trusts.
        cognito_role_session_name="CognitoIdentityCredentials",
        cognito_assume_role_arn=world.chained_role_arn,
        cognito_token_file=str(here.home.path / "token"),
        **settings,
    )
    arn = caller(world, here.credentials("dev"))
    assert here.hosts.asked.count(host) == 2
    assert arn.startswith(world.chained_role_arn.partition(":iam:")[0] + ":sts:")


@pytest.mark.parametrize("region", [GOV_WEST, GOV_EAST, CHINA])
@pytest.mark.parametrize("flow", ["enhanced", "basic"])
@pytest.mark.parametrize("written", ["developer", "domain"])
def test_a_developers_token_goes_under_the_name_of_its_own_issuer(
    worlds: Callable[[str], World], tmp_path: Path, region: str, flow: str, written: str
) -> None:
    home = ProfileHome(tmp_path, worlds(region))
    home.admin_profile("vouching")
    basic = {"cognito_flow": "basic", "cognito_role_arn": home.world.authenticated_role_arn} if flow == "basic" else {}
    home.profile(
        "dev",
        cognito_identity_pool_id=home.world.classic_pool_id,
        cognito_provider="developer" if written == "developer" else PRINCIPALS[region],
        cognito_developer_provider=home.world.developer_provider,
        cognito_developer_user="ada@example.com",
        cognito_developer_profile="vouching",
        **basic,
    )
    # The world refuses a pool's own token under any other key, and its STS one of another issuer.
    assert caller(home.world, home.credential_process("dev")).startswith("arn:aws-")


@pytest.mark.parametrize("region", PRINCIPALS)
def test_a_role_that_does_not_trust_the_pool_is_reported_with_the_principal_of_its_partition(
    worlds: Callable[[str], World], tmp_path: Path, region: str
) -> None:
    home = ProfileHome(tmp_path, worlds(region))
    home.world.write_token(tmp_path, subject="ada")
    home.profile(
        "dev",
        cognito_identity_pool_id=home.world.classic_pool_id,
        cognito_flow="basic",
        cognito_role_arn=home.world.guest_role_arn,
        cognito_token_file=str(tmp_path / "token"),
    )
    done = home.run("credential-process", "--profile", "dev")
    assert (done.returncode, done.stdout) == (6, "")
    assert f"allow {PRINCIPALS[region]} with aud {home.world.classic_pool_id}" in done.stderr


SIGN_IN_HOSTS = {
    "eu-west-1": ("signin.aws.amazon.com", "console.aws.amazon.com"),
    GOV_WEST: ("signin.amazonaws-us-gov.com", "console.amazonaws-us-gov.com"),
    CHINA: ("signin.amazonaws.cn", "console.amazonaws.cn"),
}


@pytest.mark.parametrize("region", SIGN_IN_HOSTS)
def test_the_console_is_signed_in_to_at_the_partitions_host_with_the_ca_file_of_the_profile(
    worlds: Callable[[str], World], tmp_path: Path, httpserver: HTTPServer, region: str
) -> None:
    home = ProfileHome(tmp_path, worlds(region))
    home.world.write_token(tmp_path, subject="ada")
    httpserver.expect_request("/federation", method="POST").respond_with_json({"SigninToken": "t"})
    with AwsHosts(tmp_path, lambda host: httpserver.port) as hosts:
        home.profile(
            "dev",
            cognito_token_file=str(tmp_path / "token"),
            cognito_endpoint_url=home.world.endpoint_url,
            ca_bundle=str(hosts.ca_file),
        )
        done = home.run("console", "--profile", "dev", "--service", "s3", "--print", **hosts.proxy)
    assert (done.returncode, done.stderr) == (0, "")
    sign_in, console = SIGN_IN_HOSTS[region]
    assert hosts.asked == [sign_in]
    address = urlsplit(done.stdout.strip())
    assert address.hostname == sign_in
    assert parse_qs(address.query)["Destination"] == [f"https://{console}/s3/home?region={region}"]


def test_a_token_url_is_asked_with_the_ca_file_of_the_profile(
    worlds: Callable[[str], World], tmp_path: Path, metadata: MetadataServer
) -> None:
    home = ProfileHome(tmp_path, worlds("eu-west-1"))
    metadata.says(home.world.provider.issue("ada"))
    port = int(metadata.host.rpartition(":")[2])
    with AwsHosts(tmp_path, lambda host: port if host == "tokens.example" else None) as hosts:
        keys = {"cognito_token_url": "https://tokens.example/token", "cognito_endpoint_url": home.world.endpoint_url}
        home.profile("without", **keys)
        refused = home.run("credential-process", "--profile", "without", **hosts.proxy)
        home.profile("with", ca_bundle=str(hosts.ca_file), **keys)
        assert home.credential_process("with", **hosts.proxy)["AccessKeyId"]
    assert (refused.returncode, refused.stdout) == (7, "")
    assert "ca_bundle" in refused.stderr
