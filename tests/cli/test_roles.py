"""Roles by choice: the list, ``--role``, a profile for each, and refusals that name what there is."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from botocore_cognito_federation.config.profiles import load_settings
from botocore_cognito_federation.demo.serve import find_executable
from botocore_cognito_federation.errors import CognitoFederationError
from botocore_cognito_federation.identity_pool.roles import roles_in
from tests.cli.home import ModuleHome
from tests.home import LIMIT
from tests.login_tokens.home import caller

ROLE = "arn:aws:iam::123456789012:role/"


@pytest.fixture
def choosing(inside: ModuleHome) -> ModuleHome:
    """A home whose token names two roles and prefers the first."""
    world = inside.world
    roles = [world.authenticated_role_arn, world.other_role_arn]
    claims: dict[str, Any] = {"cognito:roles": roles, "cognito:preferred_role": roles[0]}
    world.write_token(inside.path, **claims)
    pool = world.add_pool(authenticated_role=roles[0], token_roles=True)
    inside.profile("many", cognito_identity_pool_id=pool, cognito_token_file=str(token_of(inside)))
    return inside


def token_of(home: ModuleHome) -> Path:
    return Path(str(load_settings("demo").token_file))


def name_of(arn: str) -> str:
    return arn.rpartition("/")[2]


def test_roles_of_groups_of_other_claims_and_of_saml_are_found_once_and_the_preferred_one_first() -> None:
    saml = f"{ROLE}Saml,arn:aws:iam::123456789012:saml-provider/Corp"
    claims = {
        "groups": ["admins", f"{ROLE}Claimed", f"{ROLE}B"],
        "saml": saml,
        "cognito:roles": [f"{ROLE}A", f"{ROLE}path/B", 7, None],
        "cognito:preferred_role": f"{ROLE}path/B",
        "odd": {"arn": f"{ROLE}Nested"},
    }
    found = roles_in(claims)
    assert [(role.arn.removeprefix(ROLE), role.claim, role.preferred) for role in found] == [
        ("path/B", "cognito:preferred_role", True),
        ("A", "cognito:roles", False),
        ("Claimed", "groups", False),
        ("B", "groups", False),
        ("Saml", "saml", False),
    ]


@pytest.mark.thorough
def test_roles_lists_what_the_token_names_and_a_flag_uses_one_of_them(choosing: ModuleHome) -> None:
    world = choosing.world
    listed = json.loads(choosing.run("roles", "many", "--json").stdout)["roles"]
    assert [(role["arn"], role["preferred"]) for role in listed] == [
        (world.authenticated_role_arn, True),
        (world.other_role_arn, False),
    ]
    lines = choosing.run("roles", "many").stdout.splitlines()
    assert lines == [f"{world.authenticated_role_arn}  (preferred)", world.other_role_arn]
    usual = json.loads(choosing.run("credential-process", "--profile", "many").stdout)
    other = json.loads(choosing.run("export", "many", "--role", name_of(world.other_role_arn)).stdout)
    again = json.loads(choosing.run("credential-process", "--profile", "many").stdout)
    assert name_of(world.authenticated_role_arn) in caller(world, usual)
    assert name_of(world.other_role_arn) in caller(world, other)
    assert again == usual
    by_arn = choosing.run("exec", "-p", "many", "--role", world.other_role_arn, "--", "env").stdout
    assert f"AWS_ACCESS_KEY_ID={other['AccessKeyId']}" in by_arn, "cached for that role"


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("words", "code", "line"),
    [
        (("export", "many", "--role", "Nope"), 4, "'Nope' is no role of this user; the login token names Demo"),
        (("export", "many", "--role", "arn:aws:s3:::x"), 4, "--role must be a role ARN"),
        (("export", "many", "--role", f"{ROLE}Nope"), 6, "does not let this user have the role"),
        (("export", "guest", "--role", "Nope"), 4, "Guests have no roles to choose from"),
        (("login", "many", "--if-needed", "--role"), 2, "Without a terminal, --role needs one of Demo"),
        (("configure", "many", "--all-roles", "--set", "cache=file"), 2, "--all-roles goes with"),
    ],
)
def test_a_role_that_cannot_be_chosen_is_one_line_with_the_remedy(
    choosing: ModuleHome, words: tuple[str, ...], code: int, line: str
) -> None:
    done = choosing.run(*words)
    assert (done.returncode, done.stdout) == (code, "")
    assert line in done.stderr


def test_a_refused_role_lists_the_roles_that_the_token_names(choosing: ModuleHome) -> None:
    world = choosing.world
    choosing.profile(
        "wrong",
        cognito_identity_pool_id=load_settings("many").identity_pool_id,
        cognito_token_file=str(token_of(choosing)),
        cognito_role_arn=world.guest_role_arn,
    )
    with pytest.raises(CognitoFederationError) as refused:
        choosing.federation("wrong").fetch()
    named = f"the login token names {world.authenticated_role_arn}, {world.other_role_arn}"
    assert named in refused.value.line
    world.write_token(choosing.path, subject="bob")
    with pytest.raises(CognitoFederationError, match="the login token names no role"):
        choosing.federation("wrong").fetch()


@pytest.mark.thorough
def test_the_console_is_opened_with_the_role_of_the_flag(choosing: ModuleHome, httpserver: HTTPServer) -> None:
    sent: list[dict[str, str]] = []

    def token(request: Request) -> Response:
        sent.append(json.loads(request.form["Session"]))
        return Response('{"SigninToken": "t"}', content_type="application/json")

    httpserver.expect_request("/federation").respond_with_handler(token)
    address = httpserver.url_for("/federation").replace("localhost", "127.0.0.1")
    name = name_of(choosing.world.other_role_arn)
    done = choosing.run("console", "many", "--role", name, "--print", "--endpoint-url", address)
    assert done.returncode == 0, done.stderr
    keys = {"AccessKeyId": "sessionId", "SecretAccessKey": "sessionKey", "SessionToken": "sessionToken"}
    assert name in caller(choosing.world, {key: sent[0][field] for key, field in keys.items()})


@pytest.mark.thorough
def test_a_profile_for_each_role_has_the_token_source_and_its_own_role(choosing: ModuleHome) -> None:
    world = choosing.world
    done = choosing.run("configure", "many", "--all-roles", "--command", "/bin/true")
    assert done.returncode == 0, done.stderr
    for arn in (world.authenticated_role_arn, world.other_role_arn):
        settings = load_settings(f"many-{name_of(arn)}")
        assert (settings.role_arn, settings.token_file) == (arn, str(token_of(choosing)))
        assert choosing.federation(f"many-{name_of(arn)}").fetch().credentials.authenticated


@pytest.mark.thorough
@pytest.mark.parametrize(
    "changes",
    [
        {"cognito_identity_pool_id": "us-east-1:11111111-1111-4111-8111-111111111111"},
        {"cognito_token_file": "/another/token"},
        {"cognito_role_arn": f"{ROLE}of-another-account"},
    ],
)
def test_a_token_does_not_make_another_profile_out_of_one_that_is_there(
    choosing: ModuleHome, changes: dict[str, str]
) -> None:
    words = ("configure", "many", "--all-roles", "--command", "/bin/true")
    name = f"many-{name_of(choosing.world.other_role_arn)}"
    same = {"cognito_identity_pool_id": str(load_settings("many").identity_pool_id)}
    choosing.profile(name, **{**same, "cognito_token_file": str(token_of(choosing)), **changes})
    before = choosing.config.read_text()
    done = choosing.run(*words)
    assert (done.returncode, choosing.config.read_text()) == (4, before)
    assert f"[profile {name}] is there already, with another pool, sign-in or role" in done.stderr


@pytest.mark.thorough
def test_a_profile_for_each_role_is_written_again_without_a_change(choosing: ModuleHome) -> None:
    words = ("configure", "many", "--all-roles", "--command", find_executable())
    assert choosing.run(*words).returncode == 0
    before = choosing.config.read_text()
    done = choosing.run(*words)
    assert (done.returncode, choosing.config.read_text()) == (0, before)


@pytest.mark.thorough
def test_a_profile_for_each_role_shares_the_session_of_the_first(choosing: ModuleHome) -> None:
    pool = load_settings("many").identity_pool_id
    choosing.section(
        "cognito-session shared", cognito_identity_pool_id=pool, cognito_token_file=str(token_of(choosing))
    )
    choosing.section("profile first", region="eu-west-1", cognito_session="shared")
    assert choosing.run("configure", "first", "--all-roles", "--command", "/bin/true").returncode == 0
    arn = choosing.world.other_role_arn
    settings = load_settings(f"first-{name_of(arn)}")
    assert (settings.session, settings.role_arn) == ("shared", arn)
    assert str(settings.origin("token_file")).startswith("[cognito-session shared]")
    assert load_settings("first").role_arn is None


@pytest.mark.thorough
@pytest.mark.skipif(os.name == "nt", reason="Windows has no pseudo-terminals")
def test_login_asks_on_a_terminal_which_role_goes_into_the_profile(choosing: ModuleHome) -> None:
    own_end, theirs = os.openpty()
    os.write(own_end, b"2\n")
    process = subprocess.Popen(
        choosing.argv("login", "many", "--if-needed", "--role"),
        env=choosing.environment(),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    assert process.wait(LIMIT) == 0
    shown = os.read(own_end, 65536).decode()
    os.close(own_end)
    os.close(theirs)
    assert "(preferred)" in shown
    assert load_settings("many").role_arn == choosing.world.other_role_arn
