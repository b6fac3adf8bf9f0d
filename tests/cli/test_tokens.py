"""``token``: tokens of services are those that AWS's own tools make, and end with the credentials."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from pathlib import Path
from urllib.parse import parse_qsl, quote, urlsplit

import boto3
import pytest
import time_machine

from botocore_cognito_federation.config.settings import Settings
from botocore_cognito_federation.credentials import FederatedCredentials
from botocore_cognito_federation.identity_pool.client import Clients, session_of_shared_models
from botocore_cognito_federation.serve.signed_tokens import bedrock_token, eks_token, rds_token
from tests.cli.home import ModuleHome
from tests.servers.tool_cache import lacking

AWS_CLI = "/usr/bin/aws"

NOW = 1_800_000_000.0
CREDENTIALS = FederatedCredentials(
    "ASIAEXAMPLEEXAMPLE00", "secret/+key", "session//token+==", NOW + 50_000, NOW, "eu-west-1:1-2"
)


def query_of(url: str) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(url).query, strict_parsing=True))


def signature_of(url: str, method: str, headers: dict[str, str], service: str) -> str:
    """Compute the signature of a presigned request by the text of the specification (SigV4, query parameters)."""
    parts, query = urlsplit(url), query_of(url)
    del query["X-Amz-Signature"]
    _, date, region, named, _ = query["X-Amz-Credential"].split("/")
    assert named == service
    ordered = sorted((quote(name, safe="-_.~"), quote(value, safe="-_.~")) for name, value in query.items())
    lines = "".join(f"{name}:{value}\n" for name, value in sorted(headers.items()))
    empty = hashlib.sha256(b"").hexdigest()
    canonical = "\n".join(
        (
            method,
            parts.path or "/",
            "&".join("=".join(pair) for pair in ordered),
            lines,
            query["X-Amz-SignedHeaders"],
            empty,
        )
    )
    scope = f"{date}/{region}/{service}/aws4_request"
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    to_sign = "\n".join(("AWS4-HMAC-SHA256", query["X-Amz-Date"], scope, digest))
    key = b"AWS4" + CREDENTIALS.secret_key.encode()
    for part in (date, region, service, "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return hmac.new(key, to_sign.encode(), hashlib.sha256).hexdigest()


def test_a_token_of_bedrock_is_the_one_of_awss_own_generator() -> None:
    generator = pytest.importorskip("aws_bedrock_token_generator")
    from botocore.credentials import Credentials

    keys = Credentials(CREDENTIALS.access_key, CREDENTIALS.secret_key, CREDENTIALS.token)
    with time_machine.travel(NOW, tick=False):
        made = bedrock_token(CREDENTIALS, "eu-west-1", NOW)
        assert made.value == generator.BedrockTokenGenerator().get_token(keys, "eu-west-1")
    assert made.expires_at == NOW + 43_200


def test_a_token_of_rds_is_the_one_of_boto3() -> None:
    client = boto3.client(
        "rds",
        region_name="eu-west-1",
        aws_access_key_id=CREDENTIALS.access_key,
        aws_secret_access_key=CREDENTIALS.secret_key,
        aws_session_token=CREDENTIALS.token,
    )
    with time_machine.travel(NOW, tick=False):
        made = rds_token(CREDENTIALS, "eu-west-1", "db.example:5432", "ada", NOW)
        assert made.value == client.generate_db_auth_token("db.example", 5432, "ada")


def test_a_token_of_eks_is_a_request_to_sts_that_is_signed_with_the_name_of_the_cluster(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_STS_REGIONAL_ENDPOINTS", "regional")  # the default of today's botocore
    clients = Clients(
        Settings(None, role_arn="arn:aws:iam::1:role/x", region_name="eu-west-1"), session_of_shared_models
    )
    with time_machine.travel(NOW, tick=False):
        made = eks_token(CREDENTIALS, clients, "prod", NOW)
    prefix, _, encoded = made.value.partition(".")
    url = base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)).decode()
    query = query_of(url)
    assert (prefix, "=" in encoded, urlsplit(url).hostname) == ("k8s-aws-v1", False, "sts.eu-west-1.amazonaws.com")
    assert (query["Action"], query["X-Amz-Expires"]) == ("GetCallerIdentity", "60")
    assert query["X-Amz-SignedHeaders"] == "host;x-k8s-aws-id"
    headers = {"host": "sts.eu-west-1.amazonaws.com", "x-k8s-aws-id": "prod"}
    assert query["X-Amz-Signature"] == signature_of(url, "GET", headers, "sts")
    assert made.expires_at == NOW + 840


def test_no_token_outlives_the_credentials_that_signed_it() -> None:
    later = CREDENTIALS.expires_at - 300
    with time_machine.travel(later, tick=False):
        encoded = bedrock_token(CREDENTIALS, "eu-west-1", later).value.removeprefix("bedrock-api-key-")
        rds = rds_token(CREDENTIALS, "eu-west-1", "db.example:5432", "ada", later)
    assert query_of(f"https://{base64.b64decode(encoded).decode()}")["X-Amz-Expires"] == "300"
    assert (query_of(f"https://{rds.value}")["X-Amz-Expires"], rds.expires_at) == ("300", CREDENTIALS.expires_at)


@pytest.mark.thorough
def test_the_command_prints_what_each_client_takes(home: ModuleHome) -> None:
    bedrock = json.loads(home.run("token", "--for", "bedrock", "--json", "--profile", "demo").stdout)
    assert base64.b64decode(bedrock["token"].removeprefix("bedrock-api-key-")).startswith(b"bedrock.amazonaws.com/?")
    asked = json.dumps({"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential"})
    eks = ("token", "--for", "eks", "--cluster", "prod", "--profile", "demo")
    found = json.loads(home.run(*eks, KUBERNETES_EXEC_INFO=asked).stdout)
    assert (found["apiVersion"], found["kind"]) == ("client.authentication.k8s.io/v1", "ExecCredential")
    assert found["status"]["token"].startswith("k8s-aws-v1.")
    own = json.loads(home.run("token", "--exec-credential", "--profile", "demo").stdout)
    assert own["apiVersion"] == "client.authentication.k8s.io/v1beta1"
    assert own["status"]["token"] == home.token.read_text()
    end = time.mktime(time.strptime(own["status"]["expirationTimestamp"], "%Y-%m-%dT%H:%M:%SZ")) - time.timezone
    assert 3000 < end - time.time() <= 3600
    assert len(home.world.calls("GetCredentialsForIdentity")) == 1


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--for", "eks"), "--for eks needs --cluster"),
        (("--for", "rds", "--host", "h"), "--for rds needs --user"),
        (("--for", "bedrock", "--cluster", "c"), "--cluster does not go with --for bedrock"),
        (("--region", "eu-west-1"), "--region does not go with the login token"),
        (("--for", "bedrock", "--claims"), "exclude each other"),
        (("--for", "eks", "--cluster", "c", "--port", "1"), "--port does not go with --for eks"),
        (("--for", "codeartifact"), "--for codeartifact needs --domain"),
        (("--for", "codeartifact", "--domain", "D"), "must be the name of a domain"),
        (("--for", "codeartifact", "--domain", "corp", "--domain-owner", "1"), "account number of 12 digits"),
        (("--for", "codeartifact", "--domain", "corp", "--duration-seconds", "60"), "must be 0, or from 900 to 43200"),
        (("--for", "ecr", "--registry", "docker.io"), "'docker.io' is no registry of Amazon ECR, such as 123456789012"),
        (("--for", "ecr", "--registry", "public.ecr.aws", "--region", "eu-west-1"), "gets its tokens in us-east-1"),
    ],
)
def test_options_that_do_not_go_together_are_refused(home: ModuleHome, words: tuple[str, ...], said: str) -> None:
    done = home.run("token", "--profile", "demo", *words)
    assert (done.returncode, said in done.stderr) == (2, True), done


@pytest.mark.thorough
def test_the_password_of_ecr_is_the_one_that_the_aws_cli_prints(home: ModuleHome) -> None:
    if not Path(AWS_CLI).exists():
        lacking("the AWS CLI is not installed")
    region, endpoint = home.world.region, home.world.endpoint_url
    ours = ("token", "--for", "ecr", "--profile", "demo")
    refused = home.run(*ours)
    assert (refused.returncode, refused.stdout) == (6, "")
    assert 'Add this statement to its policy: {"Effect": "Allow", "Action": "ecr:' in refused.stderr
    with home.allowed("ecr:GetAuthorizationToken"):
        words = ("ecr", "get-login-password", "--region", region, "--endpoint-url", endpoint)
        theirs = home.run("exec", "--profile", "demo", "--", AWS_CLI, *words)
        assert theirs.stdout, theirs
        registry = f"123456789012.dkr.ecr.{region}.amazonaws.com"
        assert home.run(*ours, "--registry", registry).stdout == theirs.stdout
        assert set(json.loads(home.run(*ours, "--json").stdout)) == {"token", "expires_at"}


@pytest.mark.thorough
def test_a_token_for_a_region_that_nothing_names_is_refused_before_any_call(home: ModuleHome) -> None:
    text = home.config.read_text()
    home.config.write_text(text.replace(f"region = {home.world.region}\n", ""))
    for service in (("ecr",), ("codeartifact", "--domain", "corp"), ("bedrock",)):
        done = home.run("token", "--profile", "demo", "--for", *service)
        assert (done.returncode, done.stdout) == (4, "")
        assert done.stderr.endswith("Add --region REGION, or write region = REGION in the profile\n")
    assert home.world.calls() == []


@pytest.mark.thorough
def test_who_is_signed_out_reads_the_command_that_signs_in(home: ModuleHome) -> None:
    done = home.run("token", "--profile", "demo-people", "--for", "ecr")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (3, "", 1), done
    assert done.stderr.endswith("Run: cognito-federation login --profile demo-people\n")


@pytest.mark.thorough
def test_credentials_are_printed_as_sts_prints_them(home: ModuleHome) -> None:
    found = json.loads(home.run("export", "--format", "sts", "--profile", "demo").stdout)
    assert set(found["Credentials"]) == {"AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration"}
