"""Profiles that one user publishes and others take: by real processes, and what such a file may not do."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pytest_httpserver import HTTPServer

from botocore_cognito_federation.demo.serve import find_executable
from botocore_cognito_federation.demo.world import World
from tests.home import Home, Result

POOL = "eu-west-1:11111111-2222-3333-4444-555555555555"
PUBLISHED = f"""\
[profile analyst]
region = eu-west-1
cognito_session = corp

[profile reader]
role_arn = arn:aws:iam::123456789012:role/Reader
source_profile = analyst

[cognito-session corp]
cognito_identity_pool_id = {POOL}
cognito_provider = corp.eu.auth0.com
cognito_client_id = native
"""


@pytest.fixture
def home(world: World, tmp_path: Path) -> Home:
    path = tmp_path / "home"
    world.write_home(path, find_executable())
    return Home(path, world)


@pytest.fixture
def published(tmp_path: Path) -> Path:
    path = tmp_path / "published"
    path.write_text(PUBLISHED)
    return path


def configure(home: Home, *words: str) -> Result:
    done = home.run("configure", *words)
    return Result(done.code, done.out.decode(), done.err.decode())


def take(home: Home, source: Path | str, *more: str) -> Result:
    return configure(home, "--from", str(source), *more)


def section(home: Home, header: str) -> dict[str, str]:
    text = home.config.read_text().partition(f"[{header}]\n")[2].partition("\n[")[0]
    return dict(re.findall(r"^(\S+) = (.*)$", text, re.MULTILINE))


def test_what_one_user_publishes_another_takes_and_works_with(
    home: Home, tmp_path: Path, httpserver: HTTPServer
) -> None:
    told = configure(home, "--publish", "--profile", "guest")
    assert told.code == 0, told.err
    assert "[cognito-session demo-guest]" in told.out
    httpserver.expect_request("/profiles").respond_with_data(told.out)
    (tmp_path / "second").mkdir()
    second = Home(tmp_path / "second", home.world)
    done = take(second, httpserver.url_for("/profiles"), "--yes")
    assert done.code == 0, done.err
    assert second.ask("guest").key
    again = take(second, httpserver.url_for("/profiles"), "--yes")
    assert "Nothing to change" in again.err


def test_what_belongs_to_one_machine_is_left_out_and_named(home: Home) -> None:
    told = configure(home, "--publish", "--profile", "demo")
    assert "cognito_token_file" in told.err
    assert str(home.path) not in told.out
    assert "credential_process" not in told.out


@pytest.mark.thorough
def test_a_role_chain_on_the_default_profile_can_be_published_and_taken(home: Home, tmp_path: Path) -> None:
    home.section("default", region="eu-west-1", cognito_session="demo-guest")
    home.section("profile reader", role_arn="arn:aws:iam::123456789012:role/Reader", source_profile="default")
    told = configure(home, "--publish", "--profile", "reader")
    assert "[default]" in told.out, told.err
    file = tmp_path / "published"
    file.write_text(told.out)
    (tmp_path / "second").mkdir()
    second = Home(tmp_path / "second", home.world)
    done = take(second, file, "--yes")
    assert done.code == 0, done.err
    assert section(second, "profile reader")["source_profile"] == "default"


def test_nothing_is_written_before_the_user_has_agreed(home: Home, published: Path) -> None:
    before = home.config.read_text()
    told = take(home, published)
    assert told.code == 2
    assert "--yes" in told.err
    assert "+ cognito_client_id = native" in told.err
    assert home.config.read_text() == before


@pytest.mark.thorough
def test_an_update_takes_what_is_new_and_leaves_what_the_user_has_changed(home: Home, published: Path) -> None:
    assert take(home, published, "--yes").code == 0
    text = home.config.read_text()
    text = text.replace("[profile analyst]\nregion = eu-west-1", "[profile analyst]\nregion = us-east-1")
    home.config.write_text(text)
    changed = PUBLISHED.replace("native", "newer").replace("region = eu-west-1", "region = eu-north-1")
    published.write_text(changed + "cognito_auto_login = never\n")
    done = take(home, published, "--yes")
    assert done.code == 0, done.err
    assert "region = us-east-1 stays as you have set it (published: eu-north-1)" in done.err
    assert section(home, "profile analyst")["region"] == "us-east-1"
    session = section(home, "cognito-session corp")
    assert (session["cognito_client_id"], session["cognito_auto_login"]) == ("newer", "never")
    published.write_text(changed)
    assert take(home, published, "--yes").code == 0
    assert "cognito_auto_login" not in section(home, "cognito-session corp")


@pytest.mark.thorough
def test_where_nothing_is_known_of_an_earlier_time_what_is_there_counts_as_the_users(
    home: Home, published: Path
) -> None:
    assert take(home, published, "--yes").code == 0
    for path in home.documents("published"):
        path.unlink()
    published.write_text(PUBLISHED.replace("native", "newer"))
    done = take(home, published, "--yes")
    assert done.code == 0, done.err
    assert section(home, "cognito-session corp")["cognito_client_id"] == "native"
    assert "stays as you have set it (published: newer)" in done.err


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("cognito_token_command = curl evil.example", "cognito_token_command"),
        ("cognito_refresh_handler = os:system", "cognito_refresh_handler"),
        ("cognito_token_file = /etc/shadow", "cognito_token_file"),
        ("cognito_token_env = AWS_SECRET_ACCESS_KEY", "cognito_token_env"),
        ("cognito_client_secret_command = id", "cognito_client_secret_command"),
        ("credential_process = /bin/sh -c id", "credential_process"),
        ("aws_access_key_id = AKIA", "aws_access_key_id"),
        ("ca_bundle = /tmp/x", "ca_bundle"),
        ("endpoint_url = https://evil.example", "endpoint_url"),
        ("s3 =\n  addressing_style = path", "s3"),
        ("cognito_endpoint_url = http://evil.example", "cognito_endpoint_url"),
        ("cognito_provder = google", "cognito_provder"),
        ("region = eu west", "region"),
        ("output = json # x", "output"),
        ("[profile b]\nsource_profile = mine", "mine"),
        ("[profile b]\ncognito_session = mine", "mine"),
        ("[profile 'a b']\nregion = eu-west-1", "quotes"),
        ("[services x]\na = b", "services"),
        ("[plugins]\ncli_legacy_plugin_path = /tmp", "plugins"),
        ("region eu-west-1", "no AWS configuration file"),
    ],
)
def test_a_file_that_names_what_it_may_not_is_refused_as_a_whole(
    home: Home, published: Path, line: str, said: str
) -> None:
    published.write_text(PUBLISHED.replace("[profile reader]", f"{line}\n\n[profile reader]"))
    before = home.config.read_text()
    told = take(home, published, "--yes")
    assert told.code == 4
    assert said in told.err
    assert home.config.read_text() == before


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("mine", "said"),
    [
        ("aws_access_key_id = AKIA\naws_secret_access_key = x", "static keys"),
        ("sso_session = corp", "IAM Identity Center"),
        ("credential_process = /usr/bin/other", "another credential_process"),
    ],
)
def test_a_profile_with_other_credentials_is_left_alone(home: Home, published: Path, mine: str, said: str) -> None:
    home.config.write_text(f"[profile analyst]\n{mine}\n")
    told = take(home, published, "--yes")
    assert told.code == 4
    assert said in told.err
    assert home.config.read_text() == f"[profile analyst]\n{mine}\n"


@pytest.mark.thorough
@pytest.mark.parametrize("source", ["http://example.com/profiles", "ftp://example.com/x", "/nowhere/at/all"])
def test_a_source_that_cannot_be_trusted_or_read_is_refused(home: Home, source: str) -> None:
    assert take(home, source, "--yes").code == 4


@pytest.mark.thorough
@pytest.mark.parametrize(
    "page", ["<!DOCTYPE html>\n<title>Sign in</title>", "\n<html><body>[profile reader]</body></html>"]
)
def test_a_web_page_in_place_of_the_file_is_called_one(home: Home, httpserver: HTTPServer, page: str) -> None:
    httpserver.expect_request("/profiles").respond_with_data(page, content_type="text/html")
    path = home.path / "saved"
    path.write_text(page)
    for source in (httpserver.url_for("/profiles").replace("localhost", "127.0.0.1"), path):
        told = take(home, source, "--yes")
        assert told.code == 4
        assert told.err.startswith(f"{source} is a web page, and no AWS configuration file. Name the address")


@pytest.mark.thorough
def test_a_redirect_is_not_followed(home: Home, httpserver: HTTPServer) -> None:
    httpserver.expect_request("/a").respond_with_data("", status=302, headers={"Location": "http://example.com/"})
    told = take(home, httpserver.url_for("/a"), "--yes")
    assert told.code == 4
    assert "redirect" in told.err
