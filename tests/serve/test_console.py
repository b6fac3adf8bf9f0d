"""``console``: its allowed destinations, its requests, and the address for the browser."""

from __future__ import annotations

import json
import re
import threading
import time
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from botocore_cognito_federation.errors import ConfigurationError, SignInFailedError
from botocore_cognito_federation.serve.console import OneShotRedirect, destination_of, partition_of
from tests.cli.home import ModuleHome

pytestmark = pytest.mark.thorough


class SignInEndpoint:
    """AWS's federation endpoint as documented."""

    def __init__(self, server: HTTPServer) -> None:
        self.asked: list[Request] = []
        self.answer = Response(json.dumps({"SigninToken": "signin-token"}), content_type="application/json")
        server.expect_request("/federation").respond_with_handler(self._handle)
        self.url = server.url_for("/federation").replace("localhost", "127.0.0.1")

    def _handle(self, request: Request) -> Response:
        request.get_data()
        self.asked.append(request)
        return self.answer


@pytest.fixture
def sign_in(httpserver: HTTPServer) -> SignInEndpoint:
    return SignInEndpoint(httpserver)


@pytest.mark.parametrize(
    ("region", "sign_in", "page"),
    [
        ("eu-west-1", "signin.aws.amazon.com", "https://console.aws.amazon.com/s3/home?region=eu-west-1"),
        ("cn-north-1", "signin.amazonaws.cn", "https://console.amazonaws.cn/s3/home?region=cn-north-1"),
        (
            "us-gov-west-1",
            "signin.amazonaws-us-gov.com",
            "https://console.amazonaws-us-gov.com/s3/home?region=us-gov-west-1",
        ),
        (
            "eusc-de-east-1",
            "signin.amazonaws-eusc.eu",
            "https://console.amazonaws-eusc.eu/s3/home?region=eusc-de-east-1",
        ),
    ],
)
def test_each_partition_has_its_own_console(region: str, sign_in: str, page: str) -> None:
    partition = partition_of(region)
    assert urlsplit(partition.sign_in).hostname == sign_in
    assert destination_of(partition, region, service="s3", url=None) == page


def test_a_partition_without_a_known_console_is_an_error() -> None:
    with pytest.raises(ConfigurationError):
        partition_of("us-iso-east-1")


@pytest.mark.parametrize(
    "url",
    [
        "https://console.aws.amazon.com/s3/buckets",
        "https://eu-west-1.console.aws.amazon.com/cloudwatch/home?region=eu-west-1#logsV2:log-groups",
        "https://CONSOLE.aws.amazon.com:443/",
    ],
)
def test_pages_of_the_console_are_destinations(url: str) -> None:
    assert destination_of(partition_of("eu-west-1"), "eu-west-1", service=None, url=url) == url


@pytest.mark.parametrize(
    "url",
    [
        "http://console.aws.amazon.com/",
        "https://attacker.example/",
        "https://console.aws.amazon.com.attacker.example/",
        "https://attackerconsole.aws.amazon.com/",
        "https://console.aws.amazon.com@attacker.example/",
        "https://attacker.example\\@console.aws.amazon.com/",
        "https://console.aws.amazon.com:8443/",
        "https://console.amazonaws.cn/",
        "//console.aws.amazon.com/",
        "javascript:alert(1)",
        "console.aws.amazon.com",
        "http://127.0.0.1/",
        "",
    ],
)
def test_nothing_else_is_a_destination(url: str) -> None:
    with pytest.raises(ConfigurationError):
        destination_of(partition_of("eu-west-1"), "eu-west-1", service=None, url=url)


@pytest.mark.parametrize("name", ["", "S3", "s3/../x", "a b", "x" * 65, "s3?x", "é"])
def test_what_is_no_name_of_a_service_is_refused(name: str) -> None:
    with pytest.raises(ConfigurationError):
        destination_of(partition_of("eu-west-1"), "eu-west-1", service=name, url=None)


def test_print_prints_the_address_and_the_keys_went_by_post(home: ModuleHome, sign_in: SignInEndpoint) -> None:
    done = home.run("console", "--profile", "demo", "--service", "dynamodb", "--print", "--endpoint-url", sign_in.url)
    assert done.stderr == ""
    address, query = done.stdout.strip().split("?", 1)
    assert address == sign_in.url
    assert parse_qs(query) == {
        "Action": ["login"],
        "Issuer": ["cognito-federation"],
        "Destination": [f"https://console.aws.amazon.com/dynamodbv2/home?region={home.world.region}"],
        "SigninToken": ["signin-token"],
    }
    (asked,) = sign_in.asked
    assert (asked.method, asked.query_string) == ("POST", b"")
    assert asked.form["Action"] == "getSigninToken"
    assert set(json.loads(asked.form["Session"])) == {"sessionId", "sessionKey", "sessionToken"}
    assert "SessionDuration" not in asked.form


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (Response("<html>no</html>", 400), 6),
        (Response("<html>no</html>", 200, content_type="text/html"), 6),
        (Response("[]", 200), 6),
        (Response('{"SigninToken": ""}', 200), 6),
        (Response('{"SigninToken": 7}', 200), 6),
        (Response("busy", 503), 7),
        (Response("", 302, headers={"Location": "https://attacker.example/"}), 4),
        (Response("x" * (2 << 20), 200), 5),
    ],
)
def test_a_sign_in_that_fails_is_one_line_and_no_address(
    home: ModuleHome, sign_in: SignInEndpoint, answer: Response, code: int
) -> None:
    sign_in.answer = answer
    done = home.run("console", "--profile", "demo", "--print", "--endpoint-url", sign_in.url)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (code, "", 1)
    assert "ASIA" not in done.stderr


def test_guests_are_refused_before_anything_is_asked(home: ModuleHome, sign_in: SignInEndpoint) -> None:
    home.world.reset_journal()
    done = home.run("console", "--profile", "guest", "--print", "--endpoint-url", sign_in.url)
    assert done.returncode == 6
    assert "Guests" in done.stderr
    assert not sign_in.asked
    assert not home.world.calls()


@pytest.mark.parametrize("endpoint", ["http://signin.example/federation", "ftp://127.0.0.1/", "not a url"])
def test_keys_go_nowhere_without_tls(home: ModuleHome, endpoint: str) -> None:
    assert home.run("console", "--profile", "demo", "--print", "--endpoint-url", endpoint).returncode == 4


def _browser(tmp_path: Path, visits: int) -> dict[str, str]:
    """A browser that only records the page it gets, where that page sends it, and where that leads."""
    script = tmp_path / "browser"
    script.write_text(
        '#!/bin/sh\nprintf "%s" "$1" > "$0.argument"\npage="${1#file://}"\n'
        'stat -c "%a %n" "$page" "$(dirname "$page")" > "$0.modes"\n'
        """address=$(sed -n 's/.*http-equiv="refresh" content="0;url=\\([^"]*\\)".*/\\1/p' "$page")\n"""
        + 'curl -s -o /dev/null -w "%{http_code} %{redirect_url}\\n" --noproxy "*" "$address" >> "$0.led"\n'
        * visits
    )
    script.chmod(0o700)
    return {"BROWSER": f"{script} %s"}


def test_the_browser_gets_a_private_file_that_leads_to_the_console_once(
    home: ModuleHome, sign_in: SignInEndpoint, tmp_path: Path
) -> None:
    browser = _browser(tmp_path, visits=1)
    done = home.run("console", "--profile", "demo", "--endpoint-url", sign_in.url, **browser)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    argument = (tmp_path / "browser.argument").read_text()
    assert argument.startswith("file:///")
    assert not re.search(r"http|127\.0\.0\.1|signin", argument)
    modes = [line.split()[0] for line in (tmp_path / "browser.modes").read_text().splitlines()]
    assert modes == ["600", "700"]
    assert not Path(argument.removeprefix("file://")).parent.exists()
    code, address = (tmp_path / "browser.led").read_text().split()
    assert code == "302"
    assert "SigninToken=signin-token" in address


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="reads command lines as Linux shows them")
def test_another_user_who_reads_every_command_line_learns_no_address(
    home: ModuleHome, sign_in: SignInEndpoint, tmp_path: Path
) -> None:
    script = tmp_path / "slow-browser"
    script.write_text(
        f"#!/bin/sh\ntouch {tmp_path}/open; while [ ! -e {tmp_path}/seen ]; do sleep 0.05; done\nexit 1\n"
    )
    script.chmod(0o700)
    process = home.start(
        "console", "--profile", "demo", "--endpoint-url", sign_in.url, variables={"BROWSER": f"{script} %s"}
    )
    while not (tmp_path / "open").exists():
        assert process.poll() is None
        time.sleep(0.01)
    every = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if _is_there(path)]
    lines = [line for line in every if str(script).encode() in line]
    assert lines
    assert not [line for line in lines if b"http" in line.partition(b"file://")[2]]
    process.terminate()
    (tmp_path / "seen").touch()
    process.communicate(timeout=30)
    (argument,) = {re.search(rb"file://[^\0]*", line)[0].decode() for line in lines if b"file://" in line}
    assert not Path(argument.removeprefix("file://")).exists()


def _is_there(path: Path) -> bool:
    try:
        return bool(path.read_bytes())
    except OSError:
        return False


def test_where_no_browser_starts_the_address_to_open_by_hand_is_shown(
    home: ModuleHome, sign_in: SignInEndpoint, tmp_path: Path
) -> None:
    snap = tmp_path / "firefox"
    snap.write_text('#!/bin/sh\nexec /snap/bin/firefox "$@"\n')
    snap.chmod(0o700)
    process = home.start(
        "console", "--profile", "demo", "--endpoint-url", sign_in.url, variables={"BROWSER": f"{snap} %s"}
    )
    assert process.stderr is not None
    assert "Snap" in process.stderr.readline()
    assert "Open this URL in a browser on this machine" in process.stderr.readline()
    address = [process.stderr.readline() for _ in range(2)][-1].strip()
    led = requests.get(address, allow_redirects=False, timeout=10)
    assert "SigninToken=signin-token" in led.headers["Location"]
    process.communicate(timeout=30)
    assert process.returncode == 0


def test_without_a_browser_no_token_is_asked_for(home: ModuleHome, sign_in: SignInEndpoint) -> None:
    done = home.run("console", "--profile", "demo", "--endpoint-url", sign_in.url, CI="true")
    assert done.returncode == 5
    assert "--print" in done.stderr
    assert not sign_in.asked


def test_service_and_destination_exclude_each_other(home: ModuleHome) -> None:
    assert home.run("console", "--service", "s3", "--destination", "https://console.aws.amazon.com/").returncode == 2


def test_only_the_browser_finds_the_redirect() -> None:
    with OneShotRedirect("https://console.aws.amazon.com/?secret", random=lambda n: "r" * n) as redirect:
        base = redirect.url.rpartition("/")[0]
        session = requests.Session()
        session.trust_env = False
        for refused in (
            session.get(f"{base}/"),
            session.get(f"{base}/favicon.ico"),
            session.get(redirect.url, headers={"Host": "attacker.example"}),
            session.post(redirect.url),
            session.head(redirect.url),
        ):
            assert refused.status_code in (404, 405, 421)
            assert "Location" not in refused.headers
        waiting = threading.Thread(target=redirect.wait)
        waiting.start()
        led = session.get(redirect.url, allow_redirects=False)
        waiting.join(10)
        assert led.headers["Location"] == "https://console.aws.amazon.com/?secret"
        assert led.headers["Cache-Control"] == "no-store"
        assert led.headers["Referrer-Policy"] == "no-referrer"
        assert session.get(redirect.url, allow_redirects=False).status_code == 410
        with pytest.raises(SignInFailedError, match="opened twice"):
            redirect.wait()


def test_a_browser_that_never_comes_is_said() -> None:
    one_shot = OneShotRedirect("https://console.aws.amazon.com/", random=lambda n: "r" * n)
    told: list[bool] = []
    with one_shot as redirect, pytest.raises(SignInFailedError, match="--print"):
        redirect.wait(timeout=0.1, reminder_after=0.05, unopened=lambda: told.append(True))
    assert told == [True]
