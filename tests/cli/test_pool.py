"""The administrator's command against the demo's account: what it makes lets users in, and what breaks is found."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from pytest_httpserver import HTTPServer

from botocore_cognito_federation.administration.design import TAG
from botocore_cognito_federation.demo.world import World
from tests.cli.home import ModuleHome
from tests.cli.office import NAME, PRINCIPAL, ROLE, Office

pytestmark = pytest.mark.thorough


def test_a_user_lists_s3_through_what_create_made(office: Office, world: World, home: ModuleHome) -> None:
    pool_id = office.create("--profile", "made", "--offline")
    text = home.config.read_text()
    section = text.index("[profile made]") + len("[profile made]")
    keys = f"\ncognito_token_file = {home.path / 'token'}\ncognito_endpoint_url = {world.endpoint_url}"
    home.config.write_text(text[:section] + keys + text[section:])
    assert f"cognito_identity_pool_id = {pool_id}" in text
    (home.path / "token").write_text(world.provider.issue("ada"))
    done = home.run("credential-process", "--profile", "made", AWS_ACCESS_KEY_ID=None, AWS_SECRET_ACCESS_KEY=None)
    assert done.returncode == 0, done.stderr
    made = json.loads(done.stdout)
    s3 = boto3.client(
        "s3",
        region_name=world.region,
        endpoint_url=world.endpoint_url,
        aws_access_key_id=made["AccessKeyId"],
        aws_secret_access_key=made["SecretAccessKey"],
        aws_session_token=made["SessionToken"],
    )
    assert s3.list_objects_v2(Bucket=world.bucket)["KeyCount"] >= 1


def test_create_changes_nothing_when_it_is_run_again(office: Office) -> None:
    pool_id = office.create()
    code, out, err = office.pool("create")
    assert (code, out.strip()) == (0, pool_id)
    assert "nothing to change" in err


def test_create_shows_the_differences_and_changes_nothing_without_a_yes(office: Office) -> None:
    pool_id = office.create()
    office.update(pool_id, AllowClassicFlow=False)
    code, out, err = office.pool("create")
    assert (code, out) == (2, "")
    assert "- Pool: AllowClassicFlow is false, not true" in err
    assert not office.client("cognito-identity").describe_identity_pool(IdentityPoolId=pool_id)["AllowClassicFlow"]


def test_an_update_leaves_the_other_providers_of_a_pool(office: Office) -> None:
    pool_id = office.create()
    google = {"accounts.google.com": "1.apps.googleusercontent.com"}
    office.update(pool_id, SupportedLoginProviders=google, AllowClassicFlow=False)
    office.create()
    described = office.client("cognito-identity").describe_identity_pool(IdentityPoolId=pool_id)
    assert described["SupportedLoginProviders"] == google
    assert described["AllowClassicFlow"]


def swap(statement: dict[str, Any], operator: str, key: str, value: str) -> None:
    statement["Condition"][operator][f"{PRINCIPAL}:{key}"] = value


DEFECTS: dict[str, tuple[Callable[[Office, str], object], str]] = {
    "wrong aud": (lambda o, p: o.trust(lambda s: swap(s, "StringEquals", "aud", "eu-west-1:0")), "its aud is not"),
    "wrong amr": (
        lambda o, p: o.trust(lambda s: swap(s, "ForAnyValue:StringLike", "amr", "unauthenticated")),
        "its amr is not authenticated",
    ),
    "no TagSession": (
        lambda o, p: o.trust(lambda s: s.update(Action=["sts:AssumeRoleWithWebIdentity"])),
        "does not allow sts:TagSession",
    ),
    "AssumeRole": (
        lambda o, p: o.trust(lambda s: s.update(Action=["sts:AssumeRole", "sts:TagSession"])),
        "does not allow sts:AssumeRoleWithWebIdentity",
    ),
    "wrong principal": (
        lambda o, p: o.trust(lambda s: s.update(Principal={"Federated": "cognito-identity.amazon.com"})),
        "does not name the principal",
    ),
    "client ID not listed": (
        lambda o, p: o.client("iam").remove_client_id_from_open_id_connect_provider(
            OpenIDConnectProviderArn=o.provider_arn(), ClientID=o.world.provider.client_id
        ),
        "does not list client ID",
    ),
    "no provider in IAM": (
        lambda o, p: o.client("iam").delete_open_id_connect_provider(OpenIDConnectProviderArn=o.provider_arn()),
        "IAM has no OIDC provider",
    ),
    "classic flow off": (lambda o, p: o.update(p, AllowClassicFlow=False), "AllowClassicFlow is false"),
    "provider not in the pool": (
        lambda o, p: o.update(p, OpenIdConnectProviderARNs=[]),
        "OpenIdConnectProviderARNs is",
    ),
    "role not attached": (
        lambda o, p: o.client("cognito-identity").set_identity_pool_roles(IdentityPoolId=p, Roles={}),
        "The pool does not use role",
    ),
    "no tags": (
        lambda o, p: o.client("cognito-identity").set_principal_tag_attribute_map(
            IdentityPoolId=p, IdentityProviderName=o.world.provider.login_key, UseDefaults=False
        ),
        "carry no principal tags",
    ),
    "no permissions": (
        lambda o, p: o.client("iam").delete_role_policy(RoleName=ROLE, PolicyName="cognito-federation"),
        "has no policy",
    ),
}


#: Defects with which users still get credentials: too many, or useless ones.
LET_IN = {"no tags", "no permissions"}


@pytest.mark.parametrize("defect", DEFECTS)
def test_check_finds_a_defect_and_the_command_that_it_names_removes_it(office: Office, defect: str) -> None:
    break_it, words = DEFECTS[defect]
    pool_id = office.create()
    assert office.pool("check")[0] == 0
    break_it(office, pool_id)
    if defect not in LET_IN:
        with pytest.raises(ClientError):
            office.sign_in(pool_id, classic=defect == "classic flow off")
    code, out, err = office.pool("check")
    assert code == 1
    assert words in out
    assert len(out.splitlines()) == 1
    command = shlex.split(err.strip().partition("run: ")[2])
    assert office.run(*command[1:])[0] == 0
    assert office.pool("check")[:2] == (0, "")
    assert office.sign_in(pool_id, classic=defect == "classic flow off")


LET_IN_BY_THE_POOL = {
    "AllowUnauthenticatedIdentities": ("--guests", "--no-guests"),
    "AllowClassicFlow": ("--flow basic", "--flow enhanced"),
}


@pytest.mark.parametrize("member", LET_IN_BY_THE_POOL)
def test_what_a_pool_lets_in_and_no_option_names_is_a_choice_and_stays_until_it_is_made(
    office: Office, world: World, member: str
) -> None:
    leave, turn_off = LET_IN_BY_THE_POOL[member]
    provider = world.provider
    named = ("--provider", provider.login_key, "--issuer", provider.issuer, "--client-id", provider.client_id)
    flags = ("--name", NAME, "--region", world.region, *named)
    pool_id = office.run("pool", "create", *flags, "--yes")[1].strip()
    office.update(pool_id, **{member: True})
    cognito = office.client("cognito-identity")

    code, out, err = office.run("pool", "check", *flags)
    assert (code, len(out.splitlines())) == (1, 1)
    assert f"{leave} says that it should, {turn_off} turns that off" in out
    printed = shlex.split(err.strip().partition("Add your choice to: ")[2])[1:]
    assert office.run(*printed)[0] == 0
    assert cognito.describe_identity_pool(IdentityPoolId=pool_id)[member]
    assert len(json.loads(office.run("pool", "check", *flags, "--json")[1])["choices"]) == 1

    assert office.run(*printed, *leave.split())[0] == 0
    assert office.run("pool", "check", *flags, *leave.split())[:2] == (0, "")
    code, _, err = office.run("pool", "check", *flags, *turn_off.split())
    assert code == 1
    assert office.run(*shlex.split(err.strip().partition("correct it, run: ")[2])[1:])[0] == 0
    assert not cognito.describe_identity_pool(IdentityPoolId=pool_id)[member]
    assert office.run("pool", "check", *flags)[:2] == (0, "")


def test_check_takes_the_flow_and_the_guests_that_the_profile_has(
    office: Office, home: ModuleHome, world: World
) -> None:
    provider = world.provider
    named = ("--provider", provider.login_key, "--issuer", provider.issuer, "--client-id", provider.client_id)
    flags = ("--name", NAME, "--region", world.region, *named)
    pool_id = office.run("pool", "create", *flags, "--flow", "basic", "--guests", "--yes")[1].strip()
    role = f"arn:aws:iam::{world.account_id}:role/{ROLE}"
    keys = {"identity_pool_id": pool_id, "provider": provider.login_key, "issuer": provider.issuer}
    user = {**keys, "client_id": provider.client_id, "flow": "classic", "role_arn": role}
    for profile, values in {"user": user, "visitor": {"identity_pool_id": pool_id, "provider": "guest"}}.items():
        lines = "".join(f"cognito_{key} = {value}\n" for key, value in values.items())
        home.config.write_text(f"{home.config.read_text()}\n[profile {profile}]\nregion = {world.region}\n{lines}")
    code, out, err = office.run("pool", "check", "--name", NAME, "--profile", "user")
    assert (code, out.splitlines()) == (1, [out.strip()]), err
    assert out.startswith("The pool lets in guests")
    code, out, _ = office.run("pool", "check", *flags, "--profile", "visitor")
    assert (code, out.splitlines()) == (1, [out.strip()])
    assert out.startswith("The pool takes the classic flow")
    assert "Profile visitor is for guests" in office.run("pool", "check", "--profile", "visitor")[2]
    assert "web-identity has no identity pool" in office.run("pool", "check", "--profile", "web-identity")[2]


def test_check_prints_json(office: Office) -> None:
    code, out, _ = office.pool("check", "--json")
    document = json.loads(out)
    assert code == 1
    assert len(document["differences"]) >= 4
    assert document["fix"].startswith("cognito-federation pool create ")
    office.create()
    assert json.loads(office.pool("check", "--json")[1])["fix"] is None


def test_delete_leaves_what_it_did_not_make(office: Office, world: World) -> None:
    office.create()
    iam = office.client("iam")
    iam.untag_role(RoleName=ROLE, TagKeys=[TAG])
    assert office.pool("delete", "--yes")[0] == 0
    assert iam.get_role(RoleName=ROLE)
    assert office.client("iam").list_open_id_connect_providers()["OpenIDConnectProviderList"] == []


def test_the_policy_for_administrators_names_every_call_that_was_made(office: Office, world: World) -> None:
    statements = json.loads(office.run("pool", "policy")[1])["Statement"]
    world.reset_journal()
    office.create()
    office.pool("delete", "--yes")
    made = {f"{call.service}:{call.operation}" for call in world.calls() if call.service in ("iam", "cognito-identity")}
    assert made <= {action for one in statements for action in one["Action"]}
    reading = json.loads(office.run("pool", "policy", "--read-only")[1])["Statement"]
    actions = [action for one in reading for action in one["Action"]]
    assert not [one for one in actions if not one.partition(":")[2].startswith(("Describe", "Get", "List"))]


def test_iam_gets_the_issuer_as_the_provider_itself_writes_it(office: Office, httpserver: HTTPServer) -> None:
    issuer = f"http://127.0.0.1:{httpserver.port}/"
    document = {"issuer": issuer, "authorization_endpoint": f"{issuer}authorize", "token_endpoint": f"{issuer}token"}
    httpserver.expect_request("/.well-known/openid-configuration").respond_with_json(
        {**document, "jwks_uri": f"{issuer}jwks"}
    )
    httpserver.expect_request("/token").respond_with_json({"error": "invalid_grant"}, status=400)
    flags = ("--name", NAME, "--region", "eu-west-1", "--provider", issuer.removesuffix("/"), "--client-id", "a")
    code, _, err = office.run("pool", "create", *flags, "--yes")
    assert code == 0, err
    assert office.provider_arn().endswith(f":oidc-provider/127.0.0.1:{httpserver.port}/")
    assert office.run("pool", "check", *flags)[:2] == (0, "")
    assert "nothing to change" in office.run("pool", "create", *flags)[2]
    assert office.run("pool", "delete", *flags, "--yes")[0] == 0
    assert office.client("iam").list_open_id_connect_providers()["OpenIDConnectProviderList"] == []


KINDS: dict[str, tuple[str, ...]] = {
    "google": ("--provider", "google", "--client-id", "1.apps.googleusercontent.com"),
    "google with two clients": (
        *("--provider", "google", "--client-id", "1.apps.googleusercontent.com"),
        *("--client-id", "2.apps.googleusercontent.com", "--roles-from-token"),
    ),
    "facebook": ("--provider", "facebook", "--client-id", "1"),
    "amazon": ("--provider", "amazon", "--client-id", "amzn1.application-oa2-client.1"),
    "apple": ("--provider", "apple", "--client-id", "com.example.app"),
    "user pool": (
        *("--provider", "user-pool", "--user-pool-id", "eu-west-1_AbCdEfGhI", "--client-id", "a1", "--client-id", "b2"),
        *("--tags", "--roles-from-token", "--allow-ambiguous"),
    ),
    "saml": ("--provider", "arn:aws:iam::111122223333:saml-provider/corp", "--allow", "bedrock"),
    "developer": ("--developer-provider", "login.corp", "--guests"),
    "oidc with a path": ("--provider", "login.microsoftonline.com/x/v2.0", "--client-id", "a", "--roles-from-token"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_pool_for_each_kind_of_provider_is_made_and_checked_and_deleted(office: Office, kind: str) -> None:
    flags = ("--name", NAME, "--region", "eu-west-1", *KINDS[kind])
    code, out, err = office.run("pool", "create", *flags, "--yes", "--offline")
    assert code == 0, err
    (pool_id,) = office.pools()
    assert out.strip() == pool_id
    assert office.run("pool", "check", *flags)[:2] == (0, "")
    assert "nothing to change" in office.run("pool", "create", *flags, "--offline")[2]
    assert office.run("pool", "delete", *flags, "--yes")[0] == 0
    assert office.pools() == []
    assert office.client("iam").list_open_id_connect_providers()["OpenIDConnectProviderList"] == []


def test_the_profile_of_a_user_pool_can_be_given_a_sign_in_by_password(office: Office, home: ModuleHome) -> None:
    flags = ("--name", NAME, "--region", "eu-west-1", *KINDS["user pool"])
    code, _, err = office.run("pool", "create", *flags, "--profile", "made", "--yes", "--offline")
    assert code == 0, err
    options = ("--grant", "srp", "--set", "username=ada", "--command", "/bin/true", "--offline")
    assert office.run("configure", "--profile", "made", *options)[0] == 0
    assert "cognito_user_pool_id = eu-west-1_AbCdEfGhI" in home.config.read_text()
    assert office.run("pool", "check", *flags, "--profile", "made")[:2] == (0, "")


def test_users_of_every_client_of_a_provider_sign_in(office: Office) -> None:
    pool_id = office.create("--client-id", "second", "--offline")
    assert office.sign_in(pool_id)
    assert office.sign_in(pool_id, audience="second")
    with pytest.raises(ClientError):
        office.sign_in(pool_id, audience="third")


def test_a_claim_gives_the_role_that_a_rule_names_once_that_role_trusts_the_pool(office: Office) -> None:
    iam, provider = office.client("iam"), office.world.provider
    nobody = {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [nobody]})
    arn = iam.create_role(RoleName="Admins", AssumeRolePolicyDocument=document)["Role"]["Arn"]
    flags = ("--name", NAME, "--region", "eu-west-1", "--provider", provider.login_key, "--issuer", provider.issuer)
    flags = (*flags, "--client-id", provider.client_id, "--role-rule", f"group=admins={arn}")
    code, out, _ = office.run("pool", "check", *flags)
    assert code == 1
    assert "Trust policy of role Admins" in out
    code, _, err = office.run("pool", "create", *flags, "--yes")
    assert code == 0, err
    assert office.run("pool", "check", *flags)[:2] == (0, "")
    attached = office.client("cognito-identity").get_identity_pool_roles(IdentityPoolId=office.pools()[0])
    (mapping,) = attached["RoleMappings"].values()
    assert mapping["RulesConfiguration"]["Rules"][0]["RoleARN"] == arn
    assert mapping["AmbiguousRoleResolution"] == "Deny"
    made = office.sign_in(office.pools()[0], group="admins")
    sts = boto3.client(
        "sts",
        region_name="eu-west-1",
        endpoint_url=office.world.endpoint_url,
        aws_access_key_id=made["AccessKeyId"],
        aws_secret_access_key=made["SecretKey"],
        aws_session_token=made["SessionToken"],
    )
    assert ":assumed-role/Admins/" in sts.get_caller_identity()["Arn"]
    with pytest.raises(ClientError, match="ambiguous"):
        office.sign_in(office.pools()[0], group="users")
    missing = office.run("pool", "create", *flags, "--role-rule", f"group=x={arn}s", "--yes")
    assert missing[0] == 4
    assert f"has no role {arn}s" in missing[2]


def test_check_compares_the_profile_with_the_pool(office: Office, home: ModuleHome) -> None:
    pool_id = office.create("--profile", "made")
    assert office.pool("check", "--profile", "made")[:2] == (0, "")
    home.config.write_text(home.config.read_text().replace(pool_id, f"eu-west-1:{'0' * 8}-0000-0000-0000-{'0' * 12}"))
    code, out, err = office.pool("check", "--profile", "made")
    assert (code, out) == (1, "Profile made lacks cognito_identity_pool_id, or has another value\n")
    command = shlex.split(err.strip().partition("run: ")[2])
    assert office.run(*command[1:])[0] == 0
    assert f"cognito_identity_pool_id = {pool_id}" in home.config.read_text()


def test_a_reviewer_is_told_what_else_a_pool_lets_in(office: Office) -> None:
    pool_id = office.create("--guests")
    iam = office.client("iam")
    iam.add_client_id_to_open_id_connect_provider(OpenIDConnectProviderArn=office.provider_arn(), ClientID="other")
    iam.put_role_policy(RoleName=ROLE, PolicyName="more", PolicyDocument=office.policy.read_text())
    office.update(pool_id, SupportedLoginProviders={"graph.facebook.com": "7"})
    address = {"IpAddress": {"aws:SourceIp": "192.0.2.0/24"}}
    office.trust(lambda one: one["Condition"].update(address))
    code, out, err = office.pool("check", "--guests", "--json")
    assert (code, err) == (0, "")
    notes = "\n".join(json.loads(out)["notes"])
    for words in (
        "has a port",
        "with no sign-in",
        "also lists client ID other",
        f"Role {ROLE} also has the policy more",
        "also takes users of graph.facebook.com",
        "depends on IpAddress aws:SourceIp = 192.0.2.0/24",
    ):
        assert words in notes


def test_create_and_delete_print_json(office: Office) -> None:
    code, out, _ = office.pool("create", "--yes", "--json")
    made = json.loads(out)
    assert (code, made["identity_pool_id"]) == (0, office.pools()[0])
    assert made["differences"][0].startswith("IAM has no OIDC provider")
    deleted = json.loads(office.pool("delete", "--yes", "--json")[1])
    assert f"Identity pool {made['identity_pool_id']}" in deleted["deleted"]


def test_delete_leaves_a_provider_that_another_pool_uses(office: Office) -> None:
    office.create()
    cognito = office.client("cognito-identity")
    members = {"IdentityPoolName": "other", "AllowUnauthenticatedIdentities": False}
    other = cognito.create_identity_pool(**members, OpenIdConnectProviderARNs=[office.provider_arn()])["IdentityPoolId"]
    code, _, err = office.pool("delete", "--yes")
    assert code == 0
    assert f"stays: identity pool {other} uses it" in err
    assert office.provider_arn()


def test_without_a_terminal_nothing_is_deleted_unless_yes_is_given(office: Office) -> None:
    pool_id = office.create()
    code, out, err = office.pool("delete")
    assert (code, out) == (2, "")
    assert f"- Identity pool {pool_id}" in err
    assert office.pools() == [pool_id]


def test_an_administrator_s_profile_is_used_when_it_is_named(
    office: Office, home: ModuleHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = office.world.admin_credentials
    home.section("profile admin", region="eu-west-1", **keys)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    line = office.refused("create", "--yes")
    assert "Name their profile: --admin-profile NAME" in line
    assert office.create("--admin-profile", "admin") == office.pools()[0]
    assert office.pool("check", "--admin-profile", "admin")[:2] == (0, "")


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("pool cr", {"create"}),
        ("pool create --admin-pr", {"--admin-profile"}),
        ("pool create --admin-profile adm", {"administrator"}),
        ("pool template --format cl", {"cloudformation"}),
        ("pool check --flow w", {"web-identity"}),
    ],
)
def test_a_shell_completes_the_administrator_s_commands_and_profiles(
    home: ModuleHome, words: str, offered: set[str]
) -> None:
    home.section("profile administrator", region="eu-west-1")
    last = len(words.split())
    asked = {"COMP_WORDS": f"cognito-federation {words}", "COMP_CWORD": str(last)}
    done = home.run(_COGNITO_FEDERATION_COMPLETE="bash_complete", **asked)
    assert {line.partition(",")[2] for line in done.stdout.splitlines()} == offered
