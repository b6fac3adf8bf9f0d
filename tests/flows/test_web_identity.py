"""The flow without an identity pool: STS gives a role's session for the provider's own token, by every way in."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import boto3
import botocore.loaders
import pytest
import requests
from pytest_httpserver import HTTPServer

from botocore_cognito_federation import (
    CognitoFederation,
    ConfigurationError,
    FederatedUsers,
    FederationRefusedError,
    NotSignedInError,
)
from botocore_cognito_federation.cache.base import credentials_key
from botocore_cognito_federation.config.settings import _FIRST_REGIONS, Settings
from botocore_cognito_federation.demo import World
from botocore_cognito_federation.login_token import Login, LoginToken
from tests.home import Home
from tests.login_tokens.home import caller
from tests.oidc.fake_provider import FakeProvider, SigningKey

FLOW = "web-identity"


def of_aws(world: World) -> list[str]:
    return [call.operation for call in world.calls() if not call.operation.startswith("provider:")]


def profile(home: Home, name: str = "own", **keys: str) -> str:
    """Add a profile without an identity pool; `keys` override the usual ones, an empty text removes one."""
    usual = {
        "cognito_identity_pool_id": "",
        "cognito_endpoint_url": "",
        "cognito_flow": FLOW,
        "cognito_role_arn": home.world.federated_role_arn,
        "cognito_token_file": str(home.token),
    }
    return home.profile(name, **{**usual, **keys})


def python(world: World, **options: Any) -> CognitoFederation:
    return CognitoFederation(None, flow=FLOW, **{"role_arn": world.federated_role_arn, **options})


@pytest.mark.thorough
def test_one_call_to_sts_gives_a_process_credentials_and_the_next_process_makes_none(home: Home) -> None:
    first = home.ask(FLOW)
    assert "/DemoFederated/ada@example.com" in caller(home.world, first.document)
    assert of_aws(home.world) == ["AssumeRoleWithWebIdentity", "GetCallerIdentity"]
    assert home.ask(FLOW).document == first.document
    assert home.count("AssumeRoleWithWebIdentity") == 1


@pytest.mark.thorough
def test_a_user_of_any_name_has_an_answer_ready_in_processes_and_natively(inside: Home) -> None:
    import botocore_cognito_federation

    inside.world.write_token(inside.path, "Žofie|\u2028x", email=None)
    first = inside.ask(FLOW)
    assert inside.ask(FLOW).document == first.document
    botocore_cognito_federation.install()
    assert boto3.Session(profile_name=FLOW).get_credentials().access_key == first.key
    assert inside.count("AssumeRoleWithWebIdentity") == 1
    inside.world.fault("AssumeRoleWithWebIdentity", times=9, status=503)
    inside.age(seconds_left=600)
    assert inside.ask(FLOW).key == first.key


@pytest.mark.thorough
def test_the_variables_alone_are_a_configuration(home: Home) -> None:
    home.config.write_text("")
    variables = {
        "COGNITO_FEDERATION_FLOW": FLOW,
        "COGNITO_FEDERATION_ROLE_ARN": home.world.federated_role_arn,
        "COGNITO_FEDERATION_TOKEN_FILE": str(home.token),
        "AWS_REGION": "eu-central-1",
    }
    assert home.run("credential-process", **variables).document["AccessKeyId"].startswith("ASIA")
    explained = json.loads(home.run("explain", "--json", **variables).out)["settings"]
    assert explained["region"] == {"value": "eu-central-1", "from": "AWS_REGION"}
    program = "import botocore_cognito_federation as f, boto3; f.install(); print(boto3.client('s3').list_buckets())"
    assert home.world.bucket in home.python(program, **variables).out.decode()


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("words", "shown"),
    [
        (("exec", "--profile", FLOW, "--", "env"), "AWS_SESSION_TOKEN="),
        (("export", "--profile", FLOW), '"AccountId": "'),
        (("whoami", "--profile", FLOW), "DemoFederated/ada@example.com"),
        (("explain", "--profile", FLOW), "STS endpoint"),
        (("doctor", "--profile", FLOW), "DemoFederated takes the token and gives credentials: user ada"),
    ],
)
def test_commands_know_the_flow(home: Home, words: tuple[str, ...], shown: str) -> None:
    done = home.run(*words)
    assert shown in done.out.decode(), done
    assert "None" not in done.out.decode()
    if words[0] != "doctor":  # finds other things in this home, such as no region for the client
        assert done.code == 0, done


@pytest.mark.thorough
def test_status_names_the_role_and_the_user(home: Home) -> None:
    home.ask(FLOW)
    shown = home.run("status", "--profile", FLOW).out.decode()
    assert f"role {home.world.federated_role_arn}" in shown
    assert "AWS credentials for ada@example.com" in shown
    listed = json.loads(home.run("cache", "list", "--json").out)["credentials"]
    assert [(entry["subject"], entry["identity_id"]) for entry in listed] == [("ada", None)]


@pytest.mark.thorough
def test_the_endpoint_serves_the_session_to_other_programs(home: Home) -> None:
    process = home.start("serve", "--json", "--profile", FLOW)
    try:
        assert process.stdout is not None
        text = b""
        while not text.endswith(b"}\n"):
            line = process.stdout.readline()
            assert line, process.communicate()
            text += line
        variables = json.loads(text)
        authorization = {"Authorization": variables["AWS_CONTAINER_AUTHORIZATION_TOKEN"]}
        answer = requests.get(variables["AWS_CONTAINER_CREDENTIALS_FULL_URI"], headers=authorization).json()
        given = {**answer, "SessionToken": answer["Token"]}
        assert "/DemoFederated/ada@example.com" in caller(home.world, given)
    finally:
        process.terminate()
        process.communicate(timeout=60)


def test_a_native_session_has_the_flow_and_stays_with_its_user(inside: Home) -> None:
    import botocore_cognito_federation

    profile(inside)
    botocore_cognito_federation.install()
    session = boto3.Session(profile_name="own")
    assert inside.world.bucket in str(session.client("s3").list_buckets())
    inside.world.write_token(inside.path, "bob")
    other = boto3.Session(profile_name="own").get_credentials()
    assert other.access_key != session.get_credentials().access_key
    assert inside.count("AssumeRoleWithWebIdentity") == 2
    assert inside.count("GetId") == 0


def test_in_python_the_user_is_whom_sts_names(inside: Home) -> None:
    world = inside.world
    federation = python(world, duration_seconds=7200, region_name="eu-west-1")
    credentials = federation.federated_sign_in(world.provider.issuer, world.provider.issue("Žofie", email="z@x.org"))
    assert (credentials.identity_id, credentials.subject) == (None, "Žofie")
    assert federation.current_authenticated_user()["id"] == "Žofie"
    assert federation.federated_info()["identity_id"] is None
    assert 7000 < credentials.expires_at - time.time() <= 7201
    assert "Žofie" in repr(credentials)
    assert world.bucket in str(federation.session().client("s3").list_buckets())
    with pytest.raises(ConfigurationError, match="Without an identity pool there are no identities"):
        federation.link("google", world.provider.issue("other"))


@pytest.mark.parametrize("cache", ["memory", "file"])
def test_a_later_object_finds_the_sign_in_by_its_role(inside: Home, cache: str) -> None:
    world = inside.world
    python(world, cache=cache).federated_sign_in(world.provider.issuer, world.provider.issue())
    again = python(world, cache=cache)
    other = CognitoFederation(world.pool_id, cache=cache)
    if cache == "file":
        assert again.current_authenticated_user()["id"] == "ada"
    with pytest.raises(NotSignedInError):
        other.current_credentials()


def test_each_of_many_users_has_a_session_of_their_own_and_is_found_again(inside: Home) -> None:
    world = inside.world
    options = {"flow": FLOW, "role_arn": world.federated_role_arn, "cache": "file"}
    users = FederatedUsers(None, **options)
    names, handles = ("ada", "bob"), []
    for name in names:
        user = users.federation()
        user.federated_sign_in(world.provider.issuer, world.provider.issue(name))
        handles.append(user.handle)
    sts = users.session().client("sts")
    for name, handle in zip(names, handles, strict=True):
        with users.acting_as(FederatedUsers(None, **options).resume(handle)):
            assert sts.get_caller_identity()["Arn"].endswith(f"/{name}@example.com")
    other = FederatedUsers(None, **{**options, "role_arn": world.authenticated_role_arn})
    with pytest.raises(ConfigurationError, match="another identity pool"):
        other.resume(handles[0])


def test_a_further_role_is_assumed_with_the_sessions_credentials(inside: Home) -> None:
    world = inside.world
    federation = python(world, assume_role_arn=world.chained_role_arn, role_session_name="CognitoIdentityCredentials")
    federation.federated_sign_in(world.provider.issuer, world.provider.issue())
    arn = federation.session().client("sts").get_caller_identity()["Arn"]
    assert f"/{world.chained_role_arn.rpartition('/')[2]}/" in arn


def test_an_access_token_is_sent_with_the_name_of_its_provider(inside: Home) -> None:
    world = inside.world
    world.register_opaque_token("graph.facebook.com", "EAAB-opaque-token", "10158")
    with pytest.raises(
        FederationRefusedError, match=r"not trust users of graph\.facebook\.com, .*graph.facebook.com:app_id"
    ):
        python(world).federated_sign_in("facebook", "EAAB-opaque-token")


@pytest.mark.parametrize(
    ("provider", "token", "options"),
    [
        ("guest", None, {}),
        ("developer", "t", {"identity_id": "eu-west-1:11111111-2222-3333-4444-555555555555"}),
        ("arn:aws:iam::123456789012:saml-provider/x", "t", {}),
        ("accounts.google.com", "t", {"identity_id": "eu-west-1:11111111-2222-3333-4444-555555555555"}),
    ],
)
def test_what_only_an_identity_pool_takes_is_refused_before_any_call(
    inside: Home, provider: str, token: str | None, options: dict[str, str]
) -> None:
    with pytest.raises(ConfigurationError, match=r"[Ww]ithout an identity pool"):
        python(inside.world).federated_sign_in(provider, token, **options)
    assert inside.world.calls() == []


@pytest.mark.parametrize(
    ("keys", "part"),
    [
        ({"cognito_identity_pool_id": "eu-west-1:11111111-2222-3333-4444-555555555555"}, "contradict each other"),
        ({"cognito_provider": "guest", "cognito_issuer": "", "cognito_token_file": ""}, "STS takes no login of guest"),
        ({"cognito_role_arn": ""}, "cognito_role_arn"),
        ({"cognito_logins": "other"}, "only an identity pool links logins"),
        ({"cognito_endpoint_url": "http://127.0.0.1:1"}, "AWS_ENDPOINT_URL_STS"),
        ({"cognito_identity_id": "eu-west-1:11111111-2222-3333-4444-555555555555"}, "no identities"),
        ({"cognito_duration_seconds": "43201"}, "from 900 to 43200"),
    ],
)
def test_a_key_that_the_flow_has_no_use_for_is_refused(inside: Home, keys: dict[str, str], part: str) -> None:
    from botocore_cognito_federation.config.profiles import load_settings

    profile(inside, **keys)
    with pytest.raises(ConfigurationError) as refused:
        load_settings("own")
    assert part in refused.value.line


def test_a_python_argument_that_does_not_go_with_the_flow_is_refused(inside: Home) -> None:
    with pytest.raises(ConfigurationError, match="contradict each other"):
        CognitoFederation(inside.world.pool_id, flow=FLOW, role_arn=inside.world.federated_role_arn)
    with pytest.raises(ConfigurationError, match="identity_pool_id is None"):
        CognitoFederation(None)


def refusal(home: Home, **keys: str) -> str:
    return home.ask(profile(home, f"p{home.config.stat().st_size}", **keys)).refused(6)


@pytest.mark.thorough
def test_each_refusal_of_sts_names_what_to_create_or_to_change(home: Home) -> None:
    world, provider = home.world, home.world.provider
    key, account = provider.login_key, world.account_id
    arn = f"arn:aws:iam::{account}:oidc-provider/{key}"
    said = refusal(home, cognito_role_arn=world.authenticated_role_arn)
    assert f"{world.authenticated_role_arn} does not trust users of {key} with aud {provider.client_id}" in said
    assert f"allow {arn} with {key}:aud = {provider.client_id}, and accept {key}:sub = ada" in said
    world.write_token(home.path, audience="stranger")
    said = refusal(home)
    assert (
        f"add-client-id-to-open-id-connect-provider --open-id-connect-provider-arn {arn} --client-id stranger" in said
    )
    world.write_token(home.path, iss="https://login.example.org/x")
    said = refusal(home, cognito_provider="", cognito_issuer="")
    assert f"AWS account {account} has no OIDC provider in IAM for the issuer https://login.example.org/x" in said
    assert "create-open-id-connect-provider --url https://login.example.org/x" in said
    world.write_token(home.path, flaw="other-key")
    assert "STS could not fetch the keys" in refusal(home)
    world.write_token(home.path, **{"https://aws.amazon.com/tags": {"principal_tags": {"team": ["blue"]}}})
    assert "Let its trust policy allow sts:TagSession, because the token has the claim" in refusal(home)


@pytest.mark.thorough
def test_the_commands_in_the_refusals_make_the_token_accepted(home: Home) -> None:
    """Each command is carried out as an administrator's, and the next refusal names the next thing to do."""
    world, trusted = home.world, home.world.second_provider
    iam = boto3.client("iam", region_name=world.region, endpoint_url=world.endpoint_url, **world.admin_credentials)
    issuer = "http://127.0.0.1:1/nobody"
    world.write_token(home.path, iss=issuer)
    assert f"create-open-id-connect-provider --url {issuer} --client-id-list demo-client" in refusal(home)
    arn = iam.create_open_id_connect_provider(Url=trusted.issuer, ClientIDList=["other"])["OpenIDConnectProviderArn"]
    home.token.write_text(trusted.issue("bob", audience="new-client"))
    assert f"--open-id-connect-provider-arn {arn} --client-id new-client" in refusal(home)
    iam.add_client_id_to_open_id_connect_provider(OpenIDConnectProviderArn=arn, ClientID="new-client")
    said = refusal(home)
    assert f"allow {arn} with {trusted.login_key}:aud = new-client, and accept {trusted.login_key}:sub = bob" in said
    trust = {
        "Version": "2012-10-17",
        "Statement": {
            "Effect": "Allow",
            "Principal": {"Federated": arn},
            "Action": "sts:AssumeRoleWithWebIdentity",
            "Condition": {
                "StringEquals": {f"{trusted.login_key}:aud": "new-client", f"{trusted.login_key}:sub": "bob"}
            },
        },
    }
    role = iam.create_role(RoleName="ForBob", AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
    assert home.ask(profile(home, "bob", cognito_role_arn=role)).document["AccountId"] == world.account_id
    iam.delete_role(RoleName="ForBob")
    iam.delete_open_id_connect_provider(OpenIDConnectProviderArn=arn)


def test_sts_takes_tokens_signed_with_an_elliptic_curve_and_identity_pools_do_not(
    inside: Home, httpserver: HTTPServer
) -> None:
    world, provider = inside.world, FakeProvider(httpserver, SigningKey.ec("k"))
    key = world.trust_issuer(provider.issuer, ["elliptic"])
    iam = boto3.client("iam", region_name=world.region, endpoint_url=world.endpoint_url, **world.admin_credentials)
    trust = {
        "Effect": "Allow",
        "Principal": {"Federated": f"arn:aws:iam::{world.account_id}:oidc-provider/{key}"},
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": {"StringEquals": {f"{key}:aud": "elliptic"}},
    }
    document = json.dumps({"Version": "2012-10-17", "Statement": trust})
    role = iam.create_role(RoleName="Elliptic", AssumeRolePolicyDocument=document)["Role"]["Arn"]
    token = provider.key.sign(provider.claims(aud="elliptic"))
    assert python(world, role_arn=role).federated_sign_in(provider.issuer, token).subject == "user-1"
    iam.delete_role(RoleName="Elliptic")
    with pytest.raises(FederationRefusedError, match="signed with ES256, and identity pools take RSA"):
        CognitoFederation(world.pool_id).federated_sign_in(provider.issuer, token)


@pytest.mark.thorough
def test_a_passing_failure_of_sts_takes_no_usable_credentials_away_and_an_expired_token_is_named(home: Home) -> None:
    profile(home)
    first = home.ask("own").document
    home.world.fault("AssumeRoleWithWebIdentity", times=9, status=503)
    home.age(seconds_left=600)
    assert home.ask("own").document["AccessKeyId"] == first["AccessKeyId"]
    home.world.clear_faults()
    home.world.write_token(home.path, lifetime=-10)
    assert "The login token expired" in home.ask("own").refused(6)


@pytest.mark.parametrize(
    "other",
    [
        {"role_arn": "arn:aws:iam::123456789012:role/Other"},
        {"duration_seconds": 900},
        {"role_session_name": "nightly"},
        {"sts_endpoint": "https://vpce-1.sts.eu-west-1.vpce.amazonaws.com"},
        {"flow": "basic", "identity_pool_id": "eu-west-1:11111111-2222-3333-4444-555555555555"},
    ],
)
def test_what_sts_is_asked_for_is_part_of_the_key(other: dict[str, Any], one_world: World) -> None:
    plain: dict[str, Any] = {
        "identity_pool_id": None,
        "flow": FLOW,
        "role_arn": "arn:aws:iam::123456789012:role/One",
    }
    login = Login("key", LoginToken.of(one_world.provider.issue()))
    assert credentials_key(Settings(**plain), login) != credentials_key(Settings(**{**plain, **other}), login)


def test_another_user_issuer_or_client_has_other_credentials(one_world: World) -> None:
    settings = Settings(None, flow=FLOW, role_arn="arn:aws:iam::123456789012:role/One")
    issue = one_world.provider.issue
    tokens = [issue(), issue("bob"), issue(audience="b"), issue(audience=["b", "c"]), issue(audience="b", azp="c")]
    logins = [*(Login("key", LoginToken.of(token)) for token in tokens), Login("other", LoginToken.of(tokens[0]))]
    assert len({credentials_key(settings, login) for login in logins}) == len(logins)
    again = Login("key", LoginToken.of(issue(audience=["c", "b"])))
    assert credentials_key(settings, again) == credentials_key(settings, logins[3])


def test_without_a_region_sts_is_asked_in_the_first_region_of_the_roles_partition() -> None:
    path = Path(botocore.loaders.Loader.BUILTIN_DATA_PATH) / "partitions.json"
    for partition in json.loads(path.read_text())["partitions"]:
        settings = Settings(None, flow=FLOW, role_arn=f"arn:{partition['id']}:iam::123456789012:role/One")
        if partition["id"] in _FIRST_REGIONS:
            assert settings.pool_region == partition["outputs"]["implicitGlobalRegion"]
    assert Settings(None, role_arn="arn:aws:iam::1:role/One", region_name="eu-west-3").pool_region == "eu-west-3"
