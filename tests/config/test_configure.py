"""`configure` as a real process: what it writes, what it refuses, and that the result works."""

from __future__ import annotations

import contextlib
import os
import stat
import sys
from pathlib import Path

import pytest

from botocore_cognito_federation.config.helper_line import find_executable, helper_command, starts_this_program
from botocore_cognito_federation.errors import ConfigurationError
from botocore_cognito_federation.identity_providers import resolve
from botocore_cognito_federation.oidc.authorization import redirect_uri_of_its_own
from tests.sign_in.home import Result, SignInHome, finished

pytestmark = pytest.mark.thorough

BEFORE = """# my own notes
[profile other]
region=us-east-1   ; keep this

s3 =
  max_concurrent_requests = 20
[plugins]
"""


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """A console script whose path needs no quotes."""
    path = tmp_path / "bin" / "cognito-federation"
    path.parent.mkdir()
    path.write_text(f'#!/bin/sh\nexec {sys.executable} -m botocore_cognito_federation "$@"\n')
    path.chmod(0o755)
    return path


def configure(home: SignInHome, program: Path, *more: str, **variables: str) -> Result:
    return home.run(
        "configure",
        *("--profile", "dev", "--session", "corp", "--command", str(program)),
        *("--identity-pool-id", home.world.pool_id, "--provider", home.provider.issuer.removeprefix("http://")),
        *("--issuer", home.provider.issuer, "--client-id", "native", "--redirect-ports", "0", *more),
        **variables,
    )


def test_what_it_writes_signs_in_and_works_in_every_client(home: SignInHome, program: Path) -> None:
    home.config.write_text(BEFORE)
    home.config.chmod(0o600)
    done = configure(home, program)
    assert done.code == 0, done.err
    assert done.out == ""
    text = home.config.read_text()
    assert text.startswith(BEFORE)
    assert f"credential_process = {program} credential-process --profile dev\n" in text
    own = redirect_uri_of_its_own(resolve(home.provider.issuer))
    assert f"cognito_redirect_uri = {own}\n" in text
    assert f"  {own} (with any port)\n" in done.err
    assert stat.S_IMODE(os.stat(home.config).st_mode) == 0o600
    again = configure(home, program)
    assert again.code == 0
    assert "Nothing to change" in again.err
    assert home.config.read_text() == text
    assert home.login().code == 0
    found = finished(home.python("import boto3; print(boto3.client('s3').list_buckets()['Buckets'][0]['Name'])"))
    assert found.out.strip() == home.world.bucket, found.err


def test_an_existing_profile_retains_the_redirect_uri_that_is_registered_for_it(
    home: SignInHome, program: Path
) -> None:
    assert configure(home, program, "--auth-params", "x=y").code == 0
    assert "cognito_redirect_uri" not in home.config.read_text()
    home.config.write_text("")
    assert configure(home, program, "--redirect-uri", "http://localhost").code == 0
    assert "cognito_redirect_uri = http://localhost\n" in home.config.read_text()


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"\xef\xbb\xbf[profile other]\nregion = a\n", "it begins with a byte order mark"),
        ("[profile other]\nregion = a\n".encode("utf-16"), "it is UTF-16 text"),
        (b"[profile other]\nregion = a\n[profile other]\n", "line 3 begins [profile other] a second time"),
        (b"region = a\n[profile other]\n", "line 1 stands before the first [section]"),
    ],
)
def test_a_file_that_no_aws_tool_can_read_is_refused_and_left_alone(
    home: SignInHome, program: Path, content: bytes, why: str
) -> None:
    home.config.write_bytes(content)
    done = configure(home, program)
    assert done.code == 4
    assert f"cannot be parsed by any AWS tool: {why}" in done.err
    assert home.config.read_bytes() == content


def test_line_endings_odd_spacing_and_a_missing_last_line_break_stay(home: SignInHome, program: Path) -> None:
    before = b"; mine\r\n[profile other]\r\nregion:us-east-1\r\n\r\n[profile  dev]\r\nregion = eu-\xc3\xbc\r\n  more"
    home.config.write_bytes(before)
    assert configure(home, program).code == 0
    after = home.config.read_bytes()
    assert after.startswith(before + b"\r\n")
    assert after.count(b"\n") == after.count(b"\r\n")
    assert configure(home, program, "--region", "a\nb").code == 4


def test_a_wrong_issuer_is_found_before_anything_is_written(home: SignInHome, program: Path) -> None:
    home.config.write_text(BEFORE)
    done = configure(home, program, "--issuer", home.provider.issuer + "/elsewhere")
    assert done.code == 4
    assert "/elsewhere" in done.err
    assert home.config.read_text() == BEFORE


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ("aws_access_key_id = AKIAEXAMPLE", "static keys (aws_access_key_id)"),
        ("role_arn = arn:aws:iam::123456789012:role/x", "a role to assume (role_arn)"),
        ("sso_session = corp", "IAM Identity Center (sso_session)"),
        ("login_session = arn:aws:iam::123456789012:user/x", "aws login (login_session)"),
        ("credential_process = /usr/bin/other --profile dev", "another credential_process"),
    ],
)
def test_another_credential_style_is_not_clobbered(home: SignInHome, program: Path, line: str, named: str) -> None:
    home.config.write_text(f"[profile dev]\n{line}\n")
    done = configure(home, program)
    assert done.code == 4
    assert named in done.err
    assert home.config.read_text() == f"[profile dev]\n{line}\n"


def test_static_keys_in_the_credentials_file_are_refused_too(home: SignInHome, program: Path) -> None:
    home.config.write_text("")
    (home.config.parent / "credentials").write_text("[dev]\naws_access_key_id = AKIAEXAMPLE\n")
    done = configure(home, program)
    assert done.code == 4
    assert "static keys for profile 'dev'" in done.err


def test_a_key_that_the_profile_overrides_is_changed_where_it_is(home: SignInHome, program: Path) -> None:
    home.config.write_text("[profile dev]\ncognito_client_id = old\n")
    assert configure(home, program).code == 0
    profile = home.config.read_text().partition("[cognito-session corp]")[0]
    assert "cognito_client_id = native" in profile
    assert "cognito_client_id" not in home.config.read_text().partition("[cognito-session corp]")[2]


def test_an_unknown_key_and_a_bad_value_are_refused_by_name(home: SignInHome, program: Path) -> None:
    assert "There is no key cognito_nonsense" in configure(home, program, "--set", "nonsense=1").err
    done = configure(home, program, "--set", "refresh_window=soon")
    assert done.code == 4
    assert "cognito_refresh_window must be a whole number" in done.err


def test_a_client_secret_from_stdin_is_stored_and_is_in_no_configuration(home: SignInHome, program: Path) -> None:
    import subprocess

    secret = "s3cret with spaces & signs/+%"
    home.config.write_text("")
    arguments = ("--client-secret-stdin", "--client-id", "confidential")
    process = home.start(
        "configure",
        *("--profile", "dev", "--session", "corp", "--command", str(program)),
        *("--identity-pool-id", home.world.pool_id, "--provider", home.provider.issuer.removeprefix("http://")),
        *("--issuer", home.provider.issuer, "--redirect-ports", "0", *arguments),
        stdin=subprocess.PIPE,
    )
    done = finished(process, secret + "\n")
    assert done.code == 0, done.err
    assert secret not in home.config.read_text() + done.err
    assert home.login().code == 0


def test_a_path_with_spaces_is_refused_with_the_way_to_one_without(tmp_path: Path) -> None:
    program = tmp_path / "my tools" / "cognito-federation"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    with pytest.raises(ConfigurationError, match="ln -s"):
        helper_command("dev", str(program))
    plain = tmp_path / "plain"
    plain.symlink_to(program)
    assert helper_command("dev", str(plain)) == f"{plain} credential-process --profile dev"
    with pytest.raises(ConfigurationError, match="would need quotes"):
        helper_command("my profile", str(plain))


@pytest.mark.parametrize("name", ["cognito-federation", "cognito-federation.pyz"])
def test_the_program_that_runs_is_the_one_that_is_written(tmp_path: Path, name: str) -> None:
    program = tmp_path / name
    program.write_text("")
    assert find_executable(argv0=str(program)) == str(program)


def test_the_own_helper_is_told_from_others() -> None:
    assert starts_this_program('"C:\\Program Files\\py\\cognito-federation.exe" credential-process --profile dev')
    assert starts_this_program("/opt/venv/bin/cognito-federation credential-process --profile dev")
    assert not starts_this_program("/usr/bin/other credential-process")


@pytest.mark.skipif(os.name == "nt", reason="pseudo-terminals are POSIX")
def test_on_a_terminal_it_asks_shows_present_values_and_retains_them_on_enter(home: SignInHome, program: Path) -> None:
    assert configure(home, program).code == 0
    before = home.config.read_text()
    own_end, theirs = os.openpty()
    process = home.start(
        *("configure", "--profile", "dev", "--command", str(program)), stdin=theirs, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    shown = b""
    for question in (b"Identity pool ID [", b"Identity provider [", b"OAuth client ID [", b"Sign in now?"):
        while question not in shown:
            shown += os.read(own_end, 1000)
        os.write(own_end, b"n\n" if question.startswith(b"Sign") else b"\n")
    assert process.wait(60) == 0
    os.close(own_end)
    assert f"[{home.world.pool_id}]".encode() in shown
    assert b"OAuth client ID [native]" in shown
    assert home.config.read_text() == before


@pytest.mark.parametrize("more", [(), ("--set", "client_id=other"), ("--set", "cache=memory")])
def test_a_profile_that_holds_its_keys_itself_is_changed_in_place_and_stays_signed_in(
    home: SignInHome, program: Path, more: tuple[str, ...]
) -> None:
    keys = "\n".join(f"{key} = {value}" for key, value in home.session.items())
    home.config.write_text(f"[profile dev]\nregion = eu-west-1\n{keys}\n")
    words = ("configure", "--profile", "dev", "--command", str(program), "--no-input", "--offline", *more)
    done = home.run(*words)
    assert done.code == 0, done.err
    text = home.config.read_text()
    assert "session" not in text + done.err
    assert f"credential_process = {program} credential-process --profile dev\n" in text
    for option in more[1:]:
        assert f"cognito_{option.replace('=', ' = ')}\n" in text


class Typist:
    """Types answers on a terminal, each once its question is shown."""

    def __init__(self, home: SignInHome, *words: str) -> None:
        self._end, theirs = os.openpty()
        self._process = home.start(*words, stdin=theirs, stdout=theirs, stderr=theirs)
        os.close(theirs)
        self.shown = b""

    def answers(self, question: str, answer: str) -> None:
        while not (question.encode() in self.shown and self.shown.endswith((b": ", b"]: "))):
            self.shown += os.read(self._end, 1000)
        self._before, self.shown = getattr(self, "_before", b"") + self.shown, b""
        os.write(self._end, answer.encode() + b"\n")

    def ends(self) -> tuple[int, str]:
        """The exit code, and all that was shown."""
        with contextlib.suppress(OSError):
            while data := os.read(self._end, 1000):
                self.shown += data
        os.close(self._end)
        return self._process.wait(60), (self._before + self.shown).decode()


@pytest.mark.skipif(os.name == "nt", reason="pseudo-terminals are POSIX")
def test_a_bare_configure_offers_what_there_is_checks_each_answer_and_asks_again(
    home: SignInHome, program: Path
) -> None:
    home.config.write_text("[profile other]\nregion = eu-west-1\ncognito_identity_pool_id = x\n")
    home.environ["AWS_PROFILE"] = ""
    typist = Typist(home, "configure", "--command", str(program), "--redirect-ports", "0")
    typist.answers("Profile [", "dev")
    typist.answers("Identity pool ID (", "mars")
    typist.answers("Identity pool ID (", home.world.pool_id)
    typist.answers("Identity provider (", "127.0.0.1:9")
    typist.answers("OAuth client ID (", "native")
    typist.answers("Change the answers?", "")
    typist.answers("Identity pool ID [", "")
    typist.answers("Identity provider [", home.provider.issuer)
    typist.answers("OAuth client ID [", "")
    typist.answers("Sign in now?", "n")
    code, shown = typist.ends()
    assert code == 0, shown
    assert "Profiles that this tool manages: other" in shown
    assert "This must be REGION:GUID, such as eu-west-1:1" in shown
    assert f"cognito_identity_pool_id = {home.world.pool_id}\n" in home.config.read_text()


@pytest.mark.skipif(os.name == "nt", reason="pseudo-terminals are POSIX")
def test_without_an_identity_pool_the_role_is_asked_for_in_its_place(home: SignInHome, program: Path) -> None:
    home.config.write_text("")
    role = "arn:aws:iam::123456789012:role/Developer"
    typist = Typist(home, "configure", "--profile", "direct", "--set", "flow=web-identity", "--command", str(program))
    typist.answers("Role (", role)
    typist.answers("Identity provider (", home.provider.issuer)
    typist.answers("OAuth client ID (", "native")
    typist.answers("Sign in now?", "n")
    code, shown = typist.ends()
    assert (code, "Identity pool ID" in shown) == (0, False), shown
    assert f"cognito_role_arn = {role}\n" in home.config.read_text()


@pytest.mark.skipif(os.name == "nt", reason="pseudo-terminals are POSIX")
def test_a_client_secret_is_asked_for_without_showing_it(home: SignInHome, program: Path) -> None:
    assert configure(home, program).code == 0
    words = ("configure", "--profile", "dev", "--command", str(program), "--no-input", "--client-secret-stdin")
    typist = Typist(home, *words)
    typist.answers("Client secret (not shown)", "s3cret")
    code, shown = typist.ends()
    assert code == 0, shown
    assert "s3cret" not in shown
    assert "is stored (cognito_cache = file)" in shown


def test_a_profile_with_a_sign_in_of_its_own_gets_no_section_which_other_sdks_warn_about(
    home: SignInHome, program: Path
) -> None:
    home.config.write_text("")
    words = ("--identity-pool-id", home.world.pool_id, "--provider", home.provider.issuer, "--client-id", "native")
    done = home.run("configure", "--profile", "dev", "--command", str(program), *words)
    assert done.code == 0, done.err
    assert home.config.read_text().count("[") == 1
    assert home.run("configure", "--profile", "dev", "--command", str(program), *words).err.startswith("Nothing to")


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ((), 2, "Give --identity-pool-id REGION:GUID, --provider NAME and --client-id ID"),
        (("--provider", "google"), 2, "--identity-pool-id REGION:GUID is missing"),
        (("--identity-pool-id", "mars"), 4, "--identity-pool-id must be REGION:GUID"),
        (("--region", "mars"), 4, "--region must be the name of a region, such as eu-west-1"),
        (("--set", "identity_pool_id=mars"), 4, "cognito_identity_pool_id must be REGION:GUID"),
    ],
)
def test_without_a_terminal_flags_that_are_missing_or_wrong_are_named_as_flags(
    home: SignInHome, program: Path, words: tuple[str, ...], code: int, said: str
) -> None:
    home.config.write_text("")
    done = home.run("configure", "--profile", "dev", "--command", str(program), *words)
    assert done.code == code
    assert said in done.err
