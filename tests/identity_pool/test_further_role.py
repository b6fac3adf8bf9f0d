"""The further role: what STS gets for its session, what it refuses, and whose credentials are whose."""

from __future__ import annotations

import json
import secrets
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from botocore_cognito_federation import CognitoFederation, ConfigurationError
from botocore_cognito_federation.cache.base import credentials_key
from botocore_cognito_federation.config import further_role
from botocore_cognito_federation.config.keys import KEYS, BadValue
from botocore_cognito_federation.config.profiles import load_settings
from botocore_cognito_federation.config.settings import Settings
from botocore_cognito_federation.demo import World
from botocore_cognito_federation.errors import CognitoFederationError
from tests.login_tokens.home import ProfileHome, caller

POOL = "eu-west-1:11111111-2222-3333-4444-555555555555"
ROLE = "arn:aws:iam::123456789012:role/Analyst"
READ_ONLY = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:Get*", "Resource": "*"}]}
ALL_ACTIONS = ("sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity")
#: A value of each option, and another one.
OPTIONS: dict[str, tuple[Any, Any]] = {
    "assume_role_session_name": ("nightly", "daily"),
    "assume_role_duration_seconds": (900, 1800),
    "assume_role_external_id": ("corp/42", "corp/43"),
    "assume_role_policy": ('{"Statement":[]}', '{"Statement":[{}]}'),
    "assume_role_policy_arns": (("arn:aws:iam::aws:policy/A",), ("arn:aws:iam::aws:policy/B",)),
    "assume_role_tags": ((("team", "data"),), (("team", "web"),)),
    "assume_role_source_identity": ("ada", "bob"),
}


@pytest.fixture
def chained(inside: ProfileHome) -> ProfileHome:
    inside.world.write_token(inside.path, subject="ada", email="ada@example.com")
    return inside


def profile(home: ProfileHome, role: str, name: str = "chained", **options: str) -> None:
    keys = {f"cognito_assume_role_{option}": value for option, value in options.items()}
    home.profile(name, cognito_token_file=str(home.token), cognito_assume_role_arn=role, **keys)


def refusal(home: ProfileHome, name: str = "chained") -> str:
    with pytest.raises(CognitoFederationError) as refused:
        home.federation(name).fetch()
    return refused.value.line


def s3_of(world: World, answer: dict[str, str]) -> Any:
    return boto3.client(
        "s3",
        region_name=world.region,
        endpoint_url=world.endpoint_url,
        aws_access_key_id=answer["AccessKeyId"],
        aws_secret_access_key=answer["SecretAccessKey"],
        aws_session_token=answer["SessionToken"],
    )


@pytest.mark.thorough
def test_a_profile_gives_sts_every_option_and_the_roles_conditions_hold(chained: ProfileHome, world: World) -> None:
    conditions = {
        "StringEquals": {
            "sts:ExternalId": "corp/42",
            "aws:RequestTag/team": "data",
            "aws:RequestTag/unit": "Human Resources",
            "sts:SourceIdentity": "ada",
            "sts:RoleSessionName": "nightly",
        }
    }
    role = world.add_chained_role("Conditions", actions=ALL_ACTIONS, conditions=conditions)
    options = {
        "session_name": "nightly",
        "duration_seconds": "900",
        "external_id": "corp/42",
        "policy": json.dumps(READ_ONLY),
        "policy_arns": "arn:aws:iam::aws:policy/ReadOnlyAccess",
        "tags": "team=data, unit=Human Resources",
        "source_identity": "ada",
    }
    profile(chained, role, **options)
    answer = chained.credential_process("chained")
    assert caller(world, answer).endswith("DemoChainedConditions/nightly")
    s3 = s3_of(world, answer)
    s3.get_object(Bucket=world.bucket, Key=world.object_key)
    with pytest.raises(ClientError, match="no session policy allows the s3:PutObject action"):
        s3.put_object(Bucket=world.bucket, Key="x", Body=b"x")
    (entry,) = json.loads(chained.run("status", "--profile", "chained", "--json").stdout)["credentials"]
    assert (entry["role_arn"], entry["seconds_left"] <= 900) == (role, True)
    shown = chained.run("explain", "--profile", "chained").stdout
    assert "team=data, unit=Human Resources" in shown
    for option in options:
        assert f"cognito_assume_role_{option}" in shown


@pytest.mark.parametrize(
    ("actions", "conditions", "options", "named"),
    [
        (["sts:AssumeRole"], {"StringEquals": {"sts:ExternalId": "x1"}}, {}, "set cognito_assume_role_external_id"),
        (
            ["sts:AssumeRole"],
            {"StringEquals": {"sts:ExternalId": "x1"}},
            {"external_id": "x2"},
            "correct cognito_assume_role_external_id",
        ),
        (["sts:AssumeRole"], {}, {"tags": "team=data"}, "allow sts:TagSession, or remove cognito_assume_role_tags"),
        (
            ["sts:AssumeRole"],
            {},
            {"source_identity": "ada"},
            "allow sts:SetSourceIdentity, or remove cognito_assume_role_source_identity",
        ),
        (
            ["sts:AssumeRole", "sts:TagSession"],
            {},
            {"tags": " ".join(f"name{n}={'v' * 250}" for n in range(9))},
            "too large together. AWS counts them packed: shorten cognito_assume_role_tags",
        ),
        (["sts:AssumeRole"], {}, {"policy": '{"Statement": [{}]}'}, "Correct cognito_assume_role_policy"),
    ],
    ids=["no external ID", "another external ID", "tags", "source identity", "packed size", "malformed policy"],
)
def test_what_sts_refuses_names_the_key_to_change(
    chained: ProfileHome, world: World, actions: list[str], conditions: Any, options: dict[str, str], named: str
) -> None:
    role = world.add_chained_role(f"Refusing{secrets.token_hex(4)}", actions=actions, conditions=conditions)
    profile(chained, role, **options)
    line = refusal(chained)
    assert named in line
    assert role in line


@pytest.mark.parametrize("option", OPTIONS)
def test_profiles_that_differ_in_one_option_of_the_further_role_share_no_credentials(option: str) -> None:
    one, other = (Settings(POOL, assume_role_arn=ROLE, **{option: value}) for value in OPTIONS[option])
    keys = {credentials_key(settings, None) for settings in (one, other, Settings(POOL, assume_role_arn=ROLE))}
    assert len(keys) == 3


def test_every_option_of_the_further_role_is_tried_here() -> None:
    assert set(OPTIONS) == set(further_role.OPTIONS)


@pytest.mark.parametrize(
    ("option", "text", "why"),
    [
        ("duration_seconds", "3601", "from 900 to 3600"),
        ("duration_seconds", "899", "from 900 to 3600"),
        ("external_id", "x", "2 to 1224"),
        ("external_id", "corp 42", "2 to 1224"),
        ("session_name", "Žofie", "2 to 64"),
        ("policy", "[]", "an IAM policy in JSON"),
        ("policy", '{"Version": "2012-10-17"}', "with a Statement"),
        ("policy", json.dumps({"Statement": ["s3:Get*"] * 250}), "2048 characters at most"),
        ("policy_arns", "ReadOnlyAccess", "ARNs of managed policies"),
        ("policy_arns", " ".join(["arn:aws:iam::aws:policy/A"] * 11), "10 policies at most and names 11"),
        ("tags", "team", "name=value pairs"),
        ("tags", "unit=Human Resources", "by commas where a value has spaces"),
        ("tags", "team=data TEAM=web", "names a tag twice"),
        ("tags", "aws:team=data", "begin with aws:"),
        ("tags", "team=dat%", "letters, digits, spaces"),
        ("tags", f"team={'v' * 257}", "values of 256 at most"),
        ("tags", " ".join(f"t{n}=x" for n in range(51)), "1 to 50 tags and has 51"),
        ("source_identity", "ada lovelace", "2 to 64"),
    ],
)
def test_a_value_that_sts_would_refuse_is_refused_before_any_call(option: str, text: str, why: str) -> None:
    with pytest.raises(BadValue, match=why):
        KEYS[f"assume_role_{option}"].read(text)


@pytest.mark.parametrize("option", [name.removeprefix("assume_role_") for name in OPTIONS])
def test_an_option_without_a_further_role_says_which_key_is_missing(inside: ProfileHome, option: str) -> None:
    texts = {"duration_seconds": "900", "policy": '{"Statement": []}', "tags": "a=b", "policy_arns": READ_ARN}
    key = f"cognito_assume_role_{option}"
    inside.profile("odd", cognito_token_file="/t", **{key: texts.get(option, "some-name")})
    with pytest.raises(ConfigurationError) as refused:
        load_settings("odd")
    assert key in refused.value.what
    assert "Add cognito_assume_role_arn = arn:aws:iam::" in refused.value.remedy


READ_ARN = "arn:aws:iam::aws:policy/ReadOnlyAccess"


@pytest.mark.parametrize("name", ["duration_seconds", "role_session_name"])
def test_an_option_of_the_basic_flow_beside_a_further_role_names_that_roles_own(inside: ProfileHome, name: str) -> None:
    value = {"duration_seconds": "900", "role_session_name": "nightly"}[name]
    inside.profile("odd", cognito_token_file="/t", cognito_assume_role_arn=ROLE, **{f"cognito_{name}": value})
    with pytest.raises(ConfigurationError, match=f"give cognito_assume_role_{name.removeprefix('role_')}"):
        load_settings("odd")
    with pytest.raises(ConfigurationError) as refused:
        CognitoFederation(POOL, assume_role_arn=ROLE, **{name: value})
    assert f"give assume_role_{name.removeprefix('role_')}" in refused.value.remedy
    assert "cognito_" not in refused.value.line
    with pytest.raises(
        ConfigurationError, match=rf"{name} goes only with the flows basic and web-identity.*Leave out {name}, or pass"
    ):
        CognitoFederation(POOL, **{name: value})


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"assume_role_external_id": "x1"}, "also needs assume_role_arn. Pass assume_role_arn='arn:"),
        ({"assume_role_arn": ROLE, "assume_role_policy": {}}, "assume_role_policy must be an IAM policy"),
        ({"assume_role_arn": ROLE, "assume_role_policy": {"Statement": [{1, 2}]}}, "what JSON cannot hold"),
        ({"assume_role_arn": ROLE, "assume_role_policy_arns": ["A"]}, "assume_role_policy_arns must be ARNs"),
        ({"assume_role_arn": ROLE, "assume_role_tags": {"team": 1}}, "assume_role_tags must have strings"),
        ({"assume_role_arn": ROLE, "assume_role_duration_seconds": 7200}, "from 900 to 3600"),
    ],
)
def test_a_wrong_argument_for_the_further_role_is_refused_by_name(options: dict[str, Any], why: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        CognitoFederation(POOL, **options)
    assert why in refused.value.line
    assert "cognito_" not in refused.value.line


def test_an_application_gives_the_further_role_objects_and_is_told_its_arguments(world: World) -> None:
    conditions = {"StringEquals": {"sts:ExternalId": "corp/42", "aws:RequestTag/a=b": "c d"}}
    role = world.add_chained_role("Application", actions=ALL_ACTIONS, conditions=conditions)
    options: dict[str, Any] = {
        "endpoint_url": world.endpoint_url,
        "assume_role_arn": role,
        "assume_role_policy": READ_ONLY,
        "assume_role_policy_arns": [READ_ARN],
        "assume_role_tags": {"a=b": "c d"},
    }
    login = (world.provider.login_key, world.provider.issue())
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL_STS", world.endpoint_url)
        federation = CognitoFederation(world.pool_id, **options, assume_role_external_id="corp/42")
        assert federation.federated_sign_in(*login).authenticated
        with pytest.raises(CognitoFederationError) as refused:
            CognitoFederation(world.pool_id, **options).federated_sign_in(*login)
    assert "set assume_role_external_id" in refused.value.remedy
    assert "cognito_" not in refused.value.line


def test_configure_writes_a_policy_and_tags_that_are_read_again(chained: ProfileHome, world: World) -> None:
    done = chained.run(
        "configure", "--profile", "new", "--offline", "--no-input", "--command", "/bin/true",
        "--identity-pool-id", world.pool_id, "--set", f"token_file={chained.token}",
        "--set", f"assume_role_arn={ROLE}", "--set", f"assume_role_policy={json.dumps(READ_ONLY)}",
        "--set", "assume_role_tags=team=data, unit=Human Resources",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    settings = load_settings("new")
    assert json.loads(str(settings.assume_role_policy)) == READ_ONLY
    assert settings.assume_role_tags == (("team", "data"), ("unit", "Human Resources"))
