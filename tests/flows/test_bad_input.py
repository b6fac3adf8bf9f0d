"""Each wrong input leads to one clear line, the documented exit code, nothing on stdout, and no loss."""

from __future__ import annotations

import os
import shutil
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from botocore_cognito_federation._fast_path import CacheQuery
from botocore_cognito_federation.cli.credential_process import answer
from tests.home import Home, Result

pytestmark = pytest.mark.thorough

CONFIGURATION, TOKEN, REFUSED, TEMPORARY = 4, 5, 6, 7


@pytest.fixture
def warm(inside: Home) -> Home:
    """A home in which good credentials are cached."""
    inside.good = inside.federation().credentials()
    inside.good_token = inside.token.read_bytes()
    inside.world.reset_journal()
    return inside


def still_good(home: Home) -> None:
    """Check that nothing was lost: with the exchanged token, the cached credentials are there, without a call."""
    home.world.clear_faults()
    before = home.spent
    home.world.write_token(home.path)
    home.token.write_bytes(home.good_token)
    assert home.federation().credentials() == home.good
    assert home.spent == before


@pytest.fixture
def here(capfd):
    """Return the answer of `credential-process` in this process: for the long tables."""

    def ask(profile: str = "demo") -> Result:
        code, line = answer(CacheQuery(profile, os.environ))
        printed = capfd.readouterr()
        return Result(code, printed.out.encode(), f"{printed.err}{line}\n".encode())

    return ask


def jwt_parts(token: str) -> set[str]:
    return {part for part in token.split(".") if len(part) > 20}


@pytest.mark.parametrize(
    ("flaw", "code", "says"),
    [
        ("expired", REFUSED, "expired"),
        ("other-key", REFUSED, "signature"),
        ("unknown-kid", REFUSED, "signature"),
        ("tampered", REFUSED, "signature"),
        ("wrong-audience", REFUSED, "aud"),
        ("wrong-issuer", REFUSED, "issuer"),
        ("no-audience", REFUSED, "aud"),
        ("alg-none", REFUSED, "token"),
        ("hs256", REFUSED, "token"),
        ("no-subject", REFUSED, "token"),
    ],
)
def test_a_bad_token_is_refused_in_one_line_that_says_why(home, flaw, code, says):
    token = home.world.write_token(home.path, flaw=flaw)
    result = home.ask()
    assert says in result.refused(code)
    assert not any(part.encode() in result.err for part in jwt_parts(token))
    assert not any(part.encode() in home.everything_stored() for part in jwt_parts(token))


@pytest.mark.parametrize("flaw", ["expired", "other-key"])
def test_a_refused_token_names_the_source_that_must_bring_another(home, flaw):
    home.world.write_token(home.path, flaw=flaw)
    line = home.ask().refused(REFUSED)
    assert f"Make the program that writes cognito_token_file {home.path / 'token'} renew it" in line


def test_a_refused_token_of_another_user_does_not_lose_the_cached_credentials(warm):
    warm.world.write_token(warm.path, "eve", flaw="wrong-audience")
    warm.ask().refused(REFUSED)
    still_good(warm)


@pytest.mark.parametrize(
    ("content", "code", "says"),
    [
        (b"", TOKEN, "empty"),
        (b" \n\n", TOKEN, "empty"),
        (b"\xef\xbb\xbf", TOKEN, "empty"),
        (b"a" * 60_000, TOKEN, "60,000 characters"),
        (b"a" * 2_000_000, TOKEN, "not a file that holds a login token"),
        (b"\x00\xff\xfe" * 300, TOKEN, "binary"),
        (b"\x00" * 300, TOKEN, "binary"),
        (b"no token today", TOKEN, "spaces or binary"),
        (b"opaque-value-42", TOKEN, "not a JWT"),
        (b"a.b.c", TOKEN, "not a JWT"),
        (b'{"access": 1}', TOKEN, "cognito_token_field"),
        (b'{"token": 1}', TOKEN, "cognito_token_field"),
        (b'{"token": "", "expires_at": 5}', TOKEN, "empty"),
        (b'{"token": "x", "expires_at": 3600}', TOKEN, "not a duration"),
        (b'{"token": "x", "expires_at": NaN}', TOKEN, "expires_at"),
        (b'{"token": "x", "expires_at": 1' + b"0" * 400 + b"}", TOKEN, "expires_at"),
        (b'{"token": "x", "identity_id": 7}', TOKEN, "identity_id"),
        (b'{"token": "x"', TOKEN, "JSON"),
        (b"{" * 100_000, TOKEN, "JSON"),
        (b'{"token": "\\ud800"}', TOKEN, "binary"),
    ],
    ids=lambda value: None if isinstance(value, int | str) else repr(value[:12]),
)
def test_a_file_that_holds_no_token_is_named_and_nothing_is_lost(warm, here, content, code, says):
    warm.token.write_bytes(content)
    line = here().refused(code)
    assert says in line
    assert str(warm.token) in line or "login token is not a JWT" in line
    still_good(warm)
    assert warm.spent == (0, 0)


def make_directory(home: Home) -> None:
    home.token.unlink()
    home.token.mkdir()


def make_loop(home: Home) -> None:
    home.token.unlink()
    home.token.symlink_to(home.token)


def make_below_file(home: Home) -> None:
    home.config.write_text(home.config.read_text().replace(str(home.token), f"{home.token}/below"))


def make_long_name(home: Home) -> None:
    home.config.write_text(home.config.read_text().replace(str(home.token), f"{home.token}{'x' * 300}"))


def make_socket(home: Home) -> None:
    home.token.unlink()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(os.path.relpath(home.token))


def make_fifo(home: Home) -> None:
    home.token.unlink()
    os.mkfifo(home.token)


@pytest.mark.parametrize(
    ("spoil", "code", "says"),
    [
        (lambda home: home.token.unlink(), CONFIGURATION, "does not exist"),
        (make_directory, CONFIGURATION, "is a directory"),
        (make_loop, CONFIGURATION, "symbolic links"),
        (make_below_file, CONFIGURATION, "irectory"),
        (make_long_name, CONFIGURATION, "too long"),
        (make_socket, CONFIGURATION, "cannot be opened"),
        (make_fifo, TOKEN, "empty"),
    ],
    ids=["missing", "directory", "loop", "below a file", "long name", "socket", "pipe"],
)
def test_a_token_file_that_is_none_is_a_mistake_of_the_configuration(warm, spoil, code, says):
    good = warm.config.read_text()
    spoil(warm)
    assert says in warm.ask().refused(code)
    warm.config.write_text(good)
    if warm.token.is_dir():
        warm.token.rmdir()


def open_for_a_test(request: pytest.FixtureRequest, directory: Path, mode: int) -> None:
    """Let other users into pytest's own directories for the duration of a test."""
    directory.chmod(mode | 0o011)
    request.addfinalizer(lambda: directory.chmod(mode))


def test_a_token_file_that_this_user_may_not_read_is_said_so(home, tmp_path, request):
    """Root may read everything, so the helper runs as another user if the tests run as root."""
    prefix: list[str] = []
    if os.geteuid() == 0:
        setpriv = shutil.which("setpriv")
        if setpriv is None:
            pytest.skip("root may read every file, and there is no setpriv to become somebody else")
        prefix = [setpriv, "--reuid=65534", "--regid=65534", "--clear-groups"]
        for directory in (home.path, tmp_path, *tmp_path.parents):
            mode = stat.S_IMODE(directory.stat().st_mode)
            if mode & 0o001 == 0 and "pytest" in str(directory):
                open_for_a_test(request, directory, mode)
        probe = subprocess.run(
            [*prefix, sys.executable, "-c", "import botocore_cognito_federation.errors"], check=False
        )
        if probe.returncode:
            pytest.skip("the interpreter cannot be read by other users")
        for path in (home.path / ".aws", home.config):
            path.chmod(0o755)
    home.token.chmod(0)
    code = "import sys; sys.argv[0] = 'x'; from botocore_cognito_federation.__main__ import main; main()"
    done = subprocess.run(
        [*prefix, sys.executable, "-c", code, "credential-process", "--profile", "demo"],
        env=home.environment(COGNITO_FEDERATION_CACHE_DIR=str(tmp_path / "nowhere" / "cache")),
        capture_output=True,
        check=False,
        cwd="/",
    )
    assert (done.returncode, done.stdout) == (CONFIGURATION, b"")
    assert b"cannot be read by this user" in done.stderr
    assert done.stderr.count(b"\n") == 1


def test_an_unset_variable_is_named(home):
    home.profile("ci", cognito_token_env="CI_TOKEN")
    assert "CI_TOKEN" in home.ask("ci").refused(CONFIGURATION)
    assert "empty" in home.ask("ci", CI_TOKEN="").refused(TOKEN)


def test_an_unknown_pool_is_named(home):
    home.profile(
        "lost", cognito_identity_pool_id="eu-west-1:00000000-0000-0000-0000-000000000000", cognito_token_file="token"
    )
    line = home.ask("lost").refused(REFUSED)
    assert "eu-west-1:00000000-0000-0000-0000-000000000000" in line
    assert "cognito_identity_pool_id" in line


SECRET = "hunter2-hunter2-hunter2"


@pytest.mark.parametrize(
    ("command", "code", "says"),
    [
        ("false", TOKEN, "status 1"),
        ("sh -c 'kill -9 $$'", TOKEN, "signal 9"),
        ("true", TOKEN, "empty"),
        (f"echo it is {SECRET}, believe me", TOKEN, "spaces or binary"),
        (f"sh -c 'echo {SECRET} >&2; echo {SECRET}; exit 3'", TOKEN, "status 3"),
        ("head -c 2000000 /dev/zero", TOKEN, "1,048,576 bytes"),
        ("head -c 3000 /dev/urandom", TOKEN, "binary"),
        ("/nowhere/at/all", CONFIGURATION, "/nowhere/at/all"),
        ("/etc/passwd", CONFIGURATION, "may not run"),
        ("'unbalanced", CONFIGURATION, "split into words"),
        ("sh -c 'cat; echo'", TOKEN, "empty"),  # its stdin is closed
    ],
)
def test_a_token_command_that_fails_is_named_and_its_output_is_not_shown(home, command, code, says):
    home.profile("cmd", cognito_token_command=command)
    result = home.ask("cmd")
    line = result.refused(code)
    assert says in line
    assert SECRET not in line
    assert SECRET.encode() not in home.everything_stored()


def test_a_token_command_gets_no_shell(home):
    home.profile("cmd", cognito_token_command=f"cat {home.token} ; touch {home.path}/ran")
    home.ask("cmd").refused(TOKEN)
    assert not (home.path / "ran").exists()


def config_error(home: Home, profile: str = "bad") -> str:
    return home.ask(profile).refused(CONFIGURATION)


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        ({"cognito_identity_pol_id": "x"}, "Write cognito_identity_pool_id instead of cognito_identity_pol_id"),
        ({"cognito_sesion": "x"}, "Write cognito_session instead of cognito_sesion"),
        ({"cognito_token_flie": "x"}, "Write cognito_token_file instead of cognito_token_flie"),
        ({"cognito_token_fiel": "x"}, "Write cognito_token_file instead of cognito_token_fiel"),
        ({"cognito_zzz": "x"}, "explain --keys"),
        ({"cognito_session": "dmeo"}, "Write cognito_session = demo"),
        ({"cognito_session": "nothing-like-it"}, "[cognito-session nothing-like-it]"),
        ({"cognito_identity_pool_id": "not a pool"}, "REGION:GUID"),
        ({"cognito_identity_pool_id": "eu-west-1:" + "a" * 60}, "REGION:GUID"),
        ({"cognito_role_arn": "arn:aws:iam::1:role/x"}, "role ARN"),
        ({"cognito_token_file": "a", "cognito_token_env": "B"}, "one token source"),
        ({"cognito_provider": "guest", "cognito_token_file": "a"}, "guests have no login"),
        ({"cognito_duration_seconds": "3600", "cognito_token_file": "a"}, "flow = basic"),
        ({"cognito_flow": "basic", "cognito_token_file": "a"}, "cognito_role_arn"),
        ({"cognito_flow": "fast", "cognito_token_file": "a"}, "enhanced, basic"),
        ({"cognito_login_key": "k" * 129, "cognito_token_file": "a"}, "128"),
        ({"cognito_endpoint_url": "http://example.com", "cognito_token_file": "a"}, "https"),
        ({"cognito_endpoint_url": "https://me:pw@example.com", "cognito_token_file": "a"}, "password"),
        ({"cognito_refresh_window": "soon", "cognito_token_file": "a"}, "whole number"),
        ({"cognito_token_file": "a\tb\x07c"}, "cognito_token_file"),
        ({"cognito_token_field": "x", "cognito_provider": "google"}, "goes only with"),
    ],
    ids=lambda value: None if isinstance(value, str) else next(iter(value)),
)
def test_a_wrong_key_is_named_with_its_remedy(inside, here, keys, says):
    inside.profile("bad", **({"cognito_issuer": ""} if "cognito_provider" in keys else {}), **keys)
    line = here("bad").refused(CONFIGURATION)
    assert says in line
    assert "pw" not in line


def test_an_empty_key_is_named(home):
    home.section("profile bad", cognito_identity_pool_id="")
    assert "cognito_identity_pool_id in [profile bad]" in config_error(home)


def test_contradicting_keys_are_named_together_with_both_places(home):
    home.section("cognito-session s", cognito_token_file="a", cognito_token_env="B", cognito_identity_pool_id="x:1")
    home.section("profile bad", cognito_session="s")
    line = config_error(home)
    assert "cognito_token_file ([cognito-session s]" in line
    assert "cognito_token_env ([cognito-session s]" in line


@pytest.mark.parametrize(
    ("section", "key", "says"),
    [
        ("cognito-session s", "cognito_session", "which only a profile may have. Remove cognito_session"),
        ("cognito-session s", "client_id", "Write cognito_client_id"),
        ("cognito-session s", "role_arn", "Write cognito_role_arn"),
    ],
)
def test_a_key_in_the_wrong_place_is_named(home, section, key, says):
    home.section(section, **{key: "value", "cognito_identity_pool_id": "x:1"})
    home.section("profile bad", cognito_session="s")
    assert says in config_error(home)


def test_a_duplicate_key_is_named_with_its_line(home):
    text = "[profile bad]\ncognito_provider = google\nregion = eu-west-1\ncognito_provider = apple\n"
    home.config.write_text(text)
    line = config_error(home)
    assert "line 4" in line
    assert "cognito_provider" in line
    assert str(home.config) in line


def test_a_duplicate_section_is_named_with_its_line(home):
    home.config.write_text("[profile bad]\ncognito_provider = google\n[profile bad]\nregion = x\n")
    assert "line 3" in config_error(home)


def test_a_byte_order_mark_is_named(home):
    home.config.write_bytes(b"\xef\xbb\xbf" + home.config.read_bytes())
    line = home.ask().refused(CONFIGURATION)
    assert "byte order mark" in line


def test_a_config_that_is_not_text_or_not_key_value_is_named(home):
    home.config.write_bytes(b"[profile demo]\nregion = \xff\xfe\n")
    assert "UTF-8" in home.ask().refused(CONFIGURATION)
    home.config.write_text("[profile demo]\nregion = a\nnonsense\n")
    assert "line 3" in home.ask().refused(CONFIGURATION)
    home.config.write_text("region = a\n")
    assert "line 1" in home.ask().refused(CONFIGURATION)


def test_a_secret_on_a_broken_line_is_not_quoted(home):
    home.config.write_text(f"[profile demo]\nregion = a\n{SECRET}\n")
    assert SECRET not in home.ask().refused(CONFIGURATION)


def test_a_config_that_is_a_directory_or_missing_is_said_so(home):
    home.config.unlink()
    assert "demo" in home.ask().refused(CONFIGURATION)
    home.config.mkdir()
    home.ask().refused(CONFIGURATION)


def test_a_profile_that_is_not_there_is_guessed(home):
    assert "Did you mean demo" in home.ask("dmo").refused(CONFIGURATION)


def test_the_error_for_a_profile_that_is_not_managed_names_those_that_are(inside, here):
    inside.section("profile plain", region="eu-west-1")
    line = here("plain").refused(CONFIGURATION)
    assert "'plain' has no cognito_ keys" in line
    assert "with --profile: demo, demo-native, " in line
    inside.config.write_text("[profile plain]\nregion = eu-west-1\n")
    assert "cognito-federation configure --profile plain" in here("plain").refused(CONFIGURATION)


def test_an_unknown_variable_is_guessed(home):
    line = home.ask(COGNITO_FEDERATION_CLIENTID="x").refused(CONFIGURATION)
    assert "COGNITO_FEDERATION_CLIENT_ID" in line


def test_no_variable_makes_a_profile_run_a_command(home):
    line = home.ask(COGNITO_FEDERATION_TOKEN_COMMAND=f"touch {home.path}/ran").refused(CONFIGURATION)
    assert "no variable" in line
    assert not (home.path / "ran").exists()


def test_a_profile_with_an_unknown_key_is_managed_and_never_passed_over(home):
    home.section("profile typo", cognito_pool="x", aws_access_key_id="AKIAOTHER", aws_secret_access_key="other")
    code = (
        "import boto3, botocore_cognito_federation as f; f.install(); boto3.Session(profile_name='typo').client('s3')"
    )
    done = home.python(code)
    assert done.code != 0
    assert b"ConfigurationError" in done.err
    assert b"AKIAOTHER" not in done.err


def test_wrong_words_on_the_command_line_are_code_2(home):
    done = home.run("credential-process", "--profil", "demo")
    assert (done.code, done.out) == (2, b"")


def in_file(home: Home, old: str, new: str) -> None:
    text = home.config.read_text()
    assert old in text
    home.config.write_text(text.replace(old, new))


@pytest.mark.parametrize(
    ("title", "shown"),
    [
        ("session-cognito demo", "[session-cognito demo]"),
        ("cognito_session demo", "[cognito_session demo]"),
        ("cognito-session  demo", "[cognito-session demo]"),
        ('cognito-session "demo"', '[cognito-session "demo"]'),
    ],
)
def test_a_misspelt_section_title_is_shown_next_to_the_right_one(inside, here, title, shown):
    in_file(inside, "[cognito-session demo]", f"[{title}]")
    line = here().refused(CONFIGURATION)
    assert f" begins {shown}. Change line " in line
    assert line.endswith("to: [cognito-session demo]")


def test_a_profile_section_without_the_word_profile_is_named(inside, here):
    in_file(inside, "[profile demo]", "[demo]")
    line = here().refused(CONFIGURATION)
    assert "line 1 begins [demo]. Change line 1 of " in line
    assert line.endswith("to: [profile demo]")


def test_a_profile_name_with_a_space_must_stand_in_quotes_and_so_it_does_in_the_remedy(inside, here):
    in_file(inside, "[profile demo]", "[profile my demo]")
    assert here("my demo").refused(CONFIGURATION).endswith('to: [profile "my demo"]')
    assert "--profile 'it'\"'\"'s mine'" in here("it's mine").refused(CONFIGURATION)


def test_a_config_that_is_no_readable_file_is_not_taken_for_one_without_the_profile(inside, here):
    inside.config.unlink()
    assert f"{inside.config} does not exist" in here().refused(CONFIGURATION)
    inside.config.mkdir()
    assert f"{inside.config}, which AWS_CONFIG_FILE names, is not a file" in here().refused(CONFIGURATION)
    assert "AWS_CONFIG_FILE is empty" in inside.ask(AWS_CONFIG_FILE="").refused(CONFIGURATION)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("cognito_provider =", "  cognito_provider =", "Remove the spaces in front of line {line}"),
        ("\ncognito_provider =", "  # ours\ncognito_provider =", "has a comment behind it"),
    ],
)
def test_what_a_file_makes_part_of_a_value_is_said(inside, here, old, new, says):
    text = inside.config.read_text()
    number = text[: text.index("\ncognito_provider =", text.index("[cognito-session demo]"))].count("\n") + 2
    in_file(inside, old, new)
    line = here().refused(CONFIGURATION)
    assert "cognito_endpoint_url" in line
    assert says.format(line=number) in line


def test_a_value_in_quotes_is_refused_where_they_would_be_part_of_it(inside, here):
    inside.profile("bad", cognito_token_file=f'"{inside.token}"')
    assert f"Write cognito_token_file = {inside.token} in" in here("bad").refused(CONFIGURATION)


def test_an_endpoint_variable_that_is_no_url_is_a_mistake_of_the_configuration(inside, here, monkeypatch):
    inside.profile("plain", cognito_token_file=str(inside.token), cognito_endpoint_url="")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "nonsense")
    assert "AWS_ENDPOINT_URL" in here("plain").refused(CONFIGURATION)


def test_another_credential_style_that_botocore_cannot_read_is_named(inside, here):
    inside.profile("both", cognito_token_file=str(inside.token), sso_session="x")
    assert '"x" sso_session' in here("both").refused(CONFIGURATION)
