"""From nothing to S3: an administrator makes the pool, a person signs in by browser, the AWS CLI lists the bucket."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import boto3
import pytest

from botocore_cognito_federation.demo.world import World
from tests.servers.oidc_provider import OidcProvider
from tests.servers.tool_cache import lacking
from tests.sign_in.home import SignInHome

pytestmark = pytest.mark.thorough

AWS = Path("/usr/bin/aws")


def test_a_pool_is_made_and_a_person_signs_in_and_the_aws_cli_lists_the_bucket(
    home: SignInHome, world: World, provider: OidcProvider, tmp_path: Path
) -> None:
    if not AWS.exists():
        lacking("the AWS CLI is not installed")
    home.config.unlink()
    home.environ["AWS_PROFILE"] = None
    keys = world.admin_credentials
    admin = {
        "AWS_ACCESS_KEY_ID": keys["aws_access_key_id"],
        "AWS_SECRET_ACCESS_KEY": keys["aws_secret_access_key"],
    }
    statement = {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": f"arn:aws:s3:::{world.bucket}"}
    policy = tmp_path / "policy.json"
    policy.write_text(json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    named = (
        "--provider",
        provider.issuer.removeprefix("http://"),
        "--issuer",
        provider.issuer,
        "--client-id",
        "native",
    )
    wanted = ("--name", "people", "--region", world.region, *named, "--policy", str(policy), "--profile", "dev")
    made = home.run("pool", "create", *wanted, "--yes", **admin)
    assert made.code == 0, made.err
    assert "Register this redirect URI at the identity provider, exactly as it is: http://127.0.0.1:8400/" in made.err
    assert "Then run: cognito-federation login --profile dev" in made.err
    signed_in = home.login("--profile", "dev")
    assert signed_in.code == 0, signed_in.err
    listed = subprocess.run(
        [AWS, "--endpoint-url", world.endpoint_url, "--profile", "dev", "s3", "ls", f"s3://{world.bucket}"],
        env=home.environment(),
        capture_output=True,
        text=True,
        timeout=90,
    )
    assert (listed.returncode, "hello.txt" in listed.stdout) == (0, True), listed.stderr
    checked = home.run("pool", "check", *wanted, **admin)
    assert (checked.code, checked.out) == (0, ""), checked.err
    assert "does not have" not in checked.err
    pool_id = made.out.strip()
    cognito = boto3.client(
        "cognito-identity", region_name=world.region, endpoint_url=world.endpoint_url, **world.admin_credentials
    )
    cognito.set_principal_tag_attribute_map(
        IdentityPoolId=pool_id,
        IdentityProviderName=provider.issuer.removeprefix("http://"),
        PrincipalTags={"team": "department", "who": "sub"},
    )
    mapped = home.run("pool", "check", *wanted, **admin)
    assert "tag team of the claim department, which the login token does not have" in mapped.err
    assert "tag who" not in mapped.err
    deleted = home.run("pool", "delete", *wanted, "--yes", **admin)
    assert deleted.code == 0, deleted.err
    refused = home.login("--profile", "dev")
    assert refused.code != 0
