"""The quick way of a cold ``credential-process`` beside the long one: what it takes on, and that both come to the same.

The long way is had by a block in the configuration file that the quick one does not read.
"""

from __future__ import annotations

import inspect
import json
import os
import re
import shutil
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from botocore.configloader import raw_config_parse
from botocore.exceptions import ConfigParseError
from hypothesis import example, given
from hypothesis import strategies as st

from botocore_cognito_federation._fast_path import CacheQuery
from botocore_cognito_federation._util.urls import parse_url
from botocore_cognito_federation.cache.file import decoded
from botocore_cognito_federation.config.plain import PlainSettings, _is_issuer, _sections, endpoint_of, plain_settings
from botocore_cognito_federation.config.profiles import load_settings
from botocore_cognito_federation.demo import refusals
from botocore_cognito_federation.demo.refusals import Refusal
from botocore_cognito_federation.demo.serve import find_executable
from botocore_cognito_federation.identity_pool.quick import QuickPool, UnusualError, _roots_of_aws
from botocore_cognito_federation.identity_providers import resolve
from tests.home import Home, Result, finished
from tests.servers.aws_hosts import HttpsFront

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has no quick way")

UNREAD = "\n[profile unread]\ns3 =\n  addressing_style = path\n"
IDENTITY = "eu-west-1:11111111-2222-3333-4444-555555555555"
ALWAYS = 99
OPERATIONS = ("GetId", "GetCredentialsForIdentity")
#: What a refusal of the catalogue says in the comparison, where its text depends on something.
SAYING: dict[str, tuple[Any, ...]] = {
    "not_authorized": ("own words \x1b[31m",),
    "invalid_parameter": ("A parameter",),
    "token_expired": (1_000_000_000, 999_990_000),
    "missing_claim": ("aud",),
    "identity_forbidden": (IDENTITY,),
    "ambiguous_role": ("corp",),
    "custom_role_denied": ("arn:aws:iam::123456789012:role/R",),
    "pool_not_found": (IDENTITY,),
    "identity_not_found": (IDENTITY,),
    "validation": (["Value at 'logins' failed"],),
    "not_allowed": ("arn:aws:sts::123456789012:assumed-role/R/s", "sts:AssumeRole", "arn:aws:iam::123456789012:role/R"),
}
#: Every refusal that the demo world knows but STS's, to which the quick way does not speak: a new one is compared too.
CATALOGUE = {
    name: function(*SAYING.get(name, ()))
    for name, function in inspect.getmembers(refusals, inspect.isfunction)
    if function.__module__ == refusals.__name__ and not name.startswith("sts_")
}
REFUSALS = (
    *CATALOGUE.values(),
    Refusal("TooManyRequestsException", "Rate exceeded"),
    Refusal("InternalErrorException", "", 500),
    Refusal("ExternalServiceException", "The provider is away"),
    Refusal("LimitExceededException", "A limit"),
    Refusal("NobodyKnowsThisException", "own words \x1b[31m"),
)
SPOILED: dict[str, dict[str, Any]] = {
    "a page with 500": {"status": 500},
    "a page with 403": {"status": 403},
    "a page with 503": {"status": 503},
    "a reset": {"close": True},
    "half an answer": {"truncate": True},
    "an empty answer": {"empty_body": True},
}
MISSING = ("IdentityId", "Credentials", *(f"Credentials.{name}" for name in ("AccessKeyId", "SecretKey", "Expiration")))


@pytest.fixture
def long_way(home: Home) -> Callable[[], None]:
    def switch() -> None:
        home.config.write_text(home.config.read_text() + UNREAD)

    return switch


def asked(home: Home) -> PlainSettings | None:
    return plain_settings(CacheQuery("demo", home.environment()))


def shape(result: Result) -> tuple[Any, ...]:
    """What of a result may not depend on the way."""
    if result.code:
        return result.code, result.out, re.sub(rb"-?\d+ s ago", b"N s ago", result.err)
    document = json.loads(result.out)
    return 0, result.err, sorted(document), document.get("AccountId"), document["Version"]


VOLATILE = {"access_key", "secret_key", "token", "expires_at", "issued_at", "at", "retry_at"}


def stored(home: Home) -> dict[str, Any]:
    """The documents that are stored, without what differs from one call to the next."""
    found = {}
    for kind in ("credentials", "identities", "failures", "notes"):
        for path in home.documents(kind):
            document = decoded(kind, path.stem, path.read_bytes())
            plain = {name: value for name, value in document.items() if name not in VOLATILE}
            # A note's own key is a digest of its text, which may name a number of seconds.
            name = kind if kind == "notes" else f"{kind}/{path.stem}"
            found[name] = re.sub(r"\d+ s", "N s", json.dumps(plain, sort_keys=True))
    answers = [path.read_bytes().split(b"\n")[5] for path in home.answers()]
    return {**found, "answers": answers}


def both(home: Home, arrange: Callable[[], None], **variables: str) -> tuple[Any, Any]:
    """What comes of one situation the quick way and the long one, each from an empty cache."""
    outcomes = []
    for unread in ("", UNREAD):
        home.config.write_text(home.config.read_text() + unread)
        shutil.rmtree(home.cache, ignore_errors=True)
        home.world.clear_faults()
        arrange()
        outcomes.append((shape(home.ask(**variables)), stored(home)))
    return outcomes[0], outcomes[1]


def session_keys(home: Home, **keys: str) -> None:
    text = home.config.read_text()
    lines = "".join(f"{name} = {value}\n" for name, value in keys.items())
    home.config.write_text(text.replace("[profile demo]\n", f"[profile demo]\n{lines}"))


@pytest.mark.parametrize(
    "keys",
    [
        pytest.param({}, marks=pytest.mark.thorough),
        {"cognito_account_id": "123456789012", "cognito_refresh_window": "600"},
        {"cognito_role_arn": "arn:aws:iam::111122223333:role/DemoAuthenticated"},
    ],
)
def test_credentials_are_the_same_both_ways_and_so_is_what_is_stored(home: Home, keys: dict[str, str]) -> None:
    session_keys(home, **keys)
    assert asked(home) is not None
    quick, slow = both(home, lambda: None)
    assert quick == slow
    assert quick[0][0] == (6 if "cognito_role_arn" in keys else 0)  # the demo's user may not choose a role


OPENED = """
import runpy, sys
sys.addaudithook(lambda event, args: event == "open" and print(args[0], file=sys.stderr))
sys.argv = ["cognito-federation", "credential-process", "--profile", "demo"]
runpy.run_module("botocore_cognito_federation", run_name="__main__", alter_sys=True)
"""


def test_each_file_is_read_once_and_no_model_of_a_service(home: Home) -> None:
    home.ask()  # byte code is written
    shutil.rmtree(home.cache)
    opened = home.python(OPENED).err.decode().split("\n")
    assert opened.count(str(home.config)) == 1
    assert opened.count(str(home.token)) == 1
    assert not any("botocore/" in path for path in opened)
    # The locks, three marks of sign-outs twice, the failures, the credentials and the identity ID before and after.
    assert len([path for path in opened if path.startswith(str(home.cache))]) <= 30


@pytest.mark.thorough
def test_a_clock_that_is_wrong_is_noted_both_ways(home: Home) -> None:
    home.world.clock_offset = -400
    try:
        quick, slow = both(home, lambda: None)
    finally:
        home.world.clock_offset = 0
    assert quick == slow
    assert "ahead of AWS's" in quick[1]["notes"]


@pytest.mark.thorough
def test_credentials_that_have_expired_on_arrival_are_refused_both_ways(home: Home) -> None:
    home.world.credential_lifetime, before = 1, home.world.credential_lifetime
    home.world.clock_offset = -400
    try:
        quick, slow = both(home, lambda: None)
    finally:
        home.world.credential_lifetime, home.world.clock_offset = before, 0
    assert quick == slow
    assert quick[0][0] == 7


@pytest.mark.thorough
@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda refusal: f"{refusal.code} {refusal.message}"[:60])
def test_every_refusal_ends_both_ways_alike(home: Home, operation: str, refusal: Refusal) -> None:
    def arrange() -> None:
        fault = {"code": refusal.code, "message": refusal.message, "status": refusal.status}
        home.world.fault(operation, times=ALWAYS, **fault)  # type: ignore[arg-type]

    quick, slow = both(home, arrange)
    assert quick == slow
    assert quick[0][0] in (5, 6, 7)


@pytest.mark.thorough
@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("fault", SPOILED)
def test_every_fault_ends_both_ways_alike(home: Home, operation: str, fault: str) -> None:
    quick, slow = both(home, lambda: home.world.fault(operation, times=ALWAYS, **SPOILED[fault]))
    assert quick == slow
    assert quick[0][0] == 7


@pytest.mark.thorough
@pytest.mark.parametrize("name", MISSING)
def test_an_answer_without_one_of_its_members_ends_both_ways_alike(home: Home, name: str) -> None:
    quick, slow = both(home, lambda: home.world.fault("GetCredentialsForIdentity", times=ALWAYS, missing_keys=(name,)))
    assert quick == slow
    assert quick[0][0] == 7


@pytest.mark.thorough
@pytest.mark.parametrize(
    "token",
    ["", "opaque", "a b", "e30.e30.x", '{"token": "x"}', "\ufeffe30.e30.x", "<xml/>", "x" * 60_000],
    ids=lambda token: token[:12],
)
def test_every_token_ends_both_ways_alike(home: Home, token: str) -> None:
    home.token.write_text(token)
    quick, slow = both(home, lambda: None)
    assert quick == slow
    assert quick[0][0] != 0


@pytest.mark.thorough
def test_an_expired_token_ends_both_ways_alike(home: Home) -> None:
    home.token.write_text(home.world.provider.issue("ada", lifetime=-7200))
    quick, slow = both(home, lambda: None)
    assert quick == slow
    assert quick[0][0] == 6


def test_one_refusal_and_one_fault_end_both_ways_alike(home: Home) -> None:
    refusal = refusals.pool_configuration()
    quick, slow = both(home, lambda: home.world.fault("GetCredentialsForIdentity", times=ALWAYS, code=refusal.code))
    assert quick == slow
    assert quick[0][0] == 6


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("HTTPS_PROXY", "http://127.0.0.1:1"),
        ("http_proxy", "http://127.0.0.1:1"),
        ("ALL_PROXY", "socks5://127.0.0.1:1"),
        ("AWS_USE_FIPS_ENDPOINT", "true"),
        ("AWS_USE_DUALSTACK_ENDPOINT", "true"),
        ("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true"),
        ("AWS_DATA_PATH", "/nowhere"),
        ("AWS_MAX_ATTEMPTS", "9"),
        ("AWS_CA_BUNDLE", ""),
        ("AWS_CONFIG_FILE", ""),
        ("AWS_SHARED_CREDENTIALS_FILE", ""),
        ("AWS_CA_BUNDLE", "relative.pem"),
        ("AWS_NOBODY_KNOWS_THIS", "x"),
        ("BOTOCORE_EXPERIMENTAL__PLUGINS", "x=y"),
        ("SSLKEYLOGFILE", "/tmp/keys"),
        ("COGNITO_FEDERATION_ROLE_ARN", "arn:aws:iam::123456789012:role/R"),
        ("_COGNITO_FEDERATION_PROFILE_CHAIN", "other"),
    ],
)
def test_a_variable_that_may_shape_the_calls_is_left_to_the_long_way(home: Home, name: str, value: str) -> None:
    assert asked(home) is not None
    assert plain_settings(CacheQuery("demo", home.environment(**{name: value}))) is None


@pytest.mark.parametrize(
    "line",
    [
        "cognito_flow = basic",
        "cognito_token_env = TOKEN",
        "cognito_identity_id = eu-west-1:11111111-2222-3333-4444-555555555555",
        "cognito_assume_role_arn = arn:aws:iam::123456789012:role/R",
        "cognito_assume_role_external_id = corp",
        "cognito_logins = other",
        "cognito_cache = keyring",
        "cognito_cache = File",
        "cognito_nothing = x",
        "cognito_token_file = ~/token",
        "cognito_token_file = $HOME/token",
        'cognito_token_file = "/run/token"',
        "cognito_token_file = token",
        "cognito_endpoint_url = http://localhost:1",
        "cognito_endpoint_url = http://169.254.169.254",
        "cognito_endpoint_url = https://10.0.0.1",
        "cognito_endpoint_url = https://pool.example/path",
        "cognito_provider = google",
        "cognito_provider = graph.facebook.com",
        "cognito_provider = cognito-idp.eu-west-1.amazonaws.com/eu-west-1_Ab1",
        "cognito_refresh_window = 99999",
        "cognito_session = other",
        "endpoint_url = https://pool.example",
        "services = mine",
        "use_fips_endpoint = true",
        "proxy_use_forwarding_for_https = true",
        "s3 =\n  addressing_style = path",
        "region : eu-west-1",
        "no key",
        "output = ä",
    ],
)
def test_a_line_that_is_not_plain_is_left_to_the_long_way(home: Home, line: str) -> None:
    name = line.partition(" ")[0]
    text = re.sub(rf"(?m)^{name} = .*\n", "", home.config.read_text())
    home.config.write_text(text.replace("[profile demo]\n", f"[profile demo]\n{line}\n"))
    assert asked(home) is None


def test_a_profile_in_the_credentials_file_is_left_to_the_long_way(home: Home) -> None:
    shared = home.path / ".aws" / "credentials"
    shared.write_text("[other]\naws_access_key_id = x\n")
    assert asked(home) is not None
    shared.write_text("[demo]\nregion = us-east-1\n")
    assert asked(home) is None


def test_models_that_a_user_has_put_there_are_left_to_the_long_way(home: Home) -> None:
    (home.path / ".aws" / "models").mkdir()
    assert asked(home) is None


@pytest.mark.parametrize("name", ["AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"])
def test_a_pipe_without_a_writer_in_place_of_a_configuration_file_blocks_no_process(home: Home, name: str) -> None:
    pipe = home.path / "pipe"
    os.mkfifo(pipe)
    for fail_closed in (None, "true"):  # the key is looked up in the file, where no variable says it
        answered = home.ask(**{name: str(pipe)}, COGNITO_FEDERATION_FAIL_CLOSED=fail_closed)
        assert answered.code == (4 if name == "AWS_CONFIG_FILE" and not fail_closed else 0)


@pytest.mark.parametrize(
    "name",
    [
        "AWS_CA_BUNDLE",
        pytest.param("REQUESTS_CA_BUNDLE", marks=pytest.mark.thorough),
        pytest.param("ca_bundle", marks=pytest.mark.thorough),
    ],
)
def test_a_pipe_without_a_writer_in_place_of_ca_certificates_is_named_and_blocks_no_process(
    home: Home, name: str
) -> None:
    pipe = home.path / "pipe"
    os.mkfifo(pipe)
    keys = {"ca_bundle": str(pipe)} if name == "ca_bundle" else {}
    variables = {} if keys else {name: str(pipe)}
    profile = home.profile("tls", cognito_token_file=str(home.token), cognito_endpoint_url="https://127.0.0.1", **keys)
    said = home.ask(profile, **variables).refused(4)
    assert said.startswith(f"The CA certificates in {pipe} ({name}) cannot be read: it is a pipe and not a file. ")


def test_a_token_in_a_pipe_is_left_to_the_long_way_which_reads_it_once(home: Home) -> None:
    read, write = os.pipe()
    text = home.token.read_text()
    home.config.write_text(home.config.read_text().replace(str(home.token), f"/dev/fd/{read}"))
    os.write(write, text.encode())
    os.close(write)
    home.world.fault("GetId", times=1, status=500)  # the quick way would give up after it has read the token
    with os.fdopen(read):
        process = home.spawn([find_executable(), "credential-process", "--profile", "demo"], {}, pass_fds=(read,))
        assert finished(process).document["AccessKeyId"]


_PIECES = st.sampled_from(
    [
        *("[default]", "[profile dev]", "[profile  dev]", '[profile "dev"]', "[DEFAULT]", "[services x]"),
        *("[profilex y]", "[cognito-session corp]", "[]", "[a]b", "[a] # c", "key = value", "key=value", "key : value"),
        *("key", "Key = v", "key = a = b", "key = [x]", "= v", "key =", "  key = v", "   ", "# note", "; note"),
        *("  # note", "a.b = c ; d", "rem x", "key = ä", "a b = c", "\tkey = v", "key = v\r", "\x0c", "x-y = #"),
    ]
)


@given(st.lists(_PIECES, max_size=12))
@example(["[default]", "key = value", "key = other"])
@example(["[default]", "[default]"])
@example(["[default]", "key =", "# note", "   ", "other = x"])
def test_a_file_that_is_read_is_read_as_botocore_reads_it(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str]
) -> None:
    path = tmp_path_factory.getbasetemp() / "plain-config"
    path.write_bytes("\n".join(lines).encode())
    found = _sections(str(path))
    try:
        parsed = raw_config_parse(str(path))
    except ConfigParseError:
        assert found is None
        return
    assert found is None or found == parsed


_URL = st.text("htps:/127.0.1@[]%?#-aZ\\ ", max_size=24)


@given(st.one_of(_URL, _URL.map(lambda rest: f"https://{rest}"), _URL.map(lambda rest: f"http://127.0.0.1{rest}")))
@example("https://pool.example:8443/")
@example("http://127.1.2.3")
@example("http://127.0.0.1:0")
@example("https://127.0.0.01")
def test_a_url_that_is_taken_may_be_spoken_to_and_is_split_alike(url: str) -> None:
    found = endpoint_of(url)
    if found is not None:
        parts = parse_url(url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
        assert found == (parts.scheme, parts.hostname, port)


@given(
    st.one_of(_URL, st.text("ab.c/-:8_~$", max_size=24), st.sampled_from(["corp.example/", "https://a.b/c/", "a.b"]))
)
@example("-.a")
@example("https://b-.a")
def test_a_provider_that_is_taken_has_the_login_key_that_it_has_anyway(provider: str) -> None:
    if "." in provider and _is_issuer(provider):
        assert resolve(provider).login_key == provider.rpartition("://")[2].removesuffix("/")


@pytest.mark.parametrize(
    "keys",
    [
        {},
        {"cognito_endpoint_url": "https://pool.example"},
        {"cognito_account_id": "123456789012", "cognito_fail_closed": "true", "cognito_refresh_window": "0"},
        {"cognito_login_key": "corp.example", "cognito_client_id": "abc"},
        {
            "cognito_registries": " ".join(
                f"123456789012.dkr.ecr.{r}.amazonaws.com" for r in ("eu-west-1", "us-gov-east-1")
            )
        },
        {"cognito_role_arn": "arn:aws:iam::123456789012:role/a/R_1,x=y", "ca_bundle": "/etc/ca.pem", "output": "json"},
    ],
)
def test_the_settings_are_those_of_the_long_way(home: Home, inside: Any, keys: dict[str, str]) -> None:
    session_keys(home, **keys)
    plain, settings = asked(home), load_settings("demo")
    assert plain is not None
    for name in set(PlainSettings._fields) - {"login_key", "configured_ca", "sts_endpoint"}:
        assert getattr(plain, name) == getattr(settings, name), name
    assert settings.provider is not None
    assert plain.login_key == settings.provider.login_key


# The two calls


@contextmanager
def answering(*answers: bytes) -> Iterator[tuple[str, str, int]]:
    """A server whose connections each get one of these answers, whatever they ask."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            for answer in answers:
                connection, _ = server.accept()
                with connection:
                    connection.recv(65536)
                    connection.sendall(answer)

        threading.Thread(target=serve, daemon=True).start()
        yield "http", "127.0.0.1", server.getsockname()[1]


def http(body: str, *headers: str, start: str = "HTTP/1.1 200 OK", length: int | None = None) -> bytes:
    content = body.encode()
    lines = (start, "Content-Type: application/x-amz-json-1.1", *headers)
    size = f"Content-Length: {len(content) if length is None else length}"
    return "\r\n".join((*lines, size, "", "")).encode() + content


GOOD = json.dumps({"IdentityId": IDENTITY})


def test_an_answer_of_success_is_read() -> None:
    with answering(http(GOOD, "Connection: close"), http(GOOD, start="HTTP/1.0 200 OK")) as endpoint:
        pool = QuickPool(endpoint, "")
        assert [pool.get_id("p", {}, None), pool.get_id("p", {}, None)] == [IDENTITY, IDENTITY]
        pool.close()


@pytest.mark.parametrize(
    "answer",
    [
        http("{}", start="HTTP/1.1 400 Bad Request"),
        http("{}", "Location: https://elsewhere.example/", start="HTTP/1.1 307 Temporary Redirect"),
        http(GOOD, "Transfer-Encoding: chunked"),
        http(GOOD, "Content-Encoding: gzip"),
        http(GOOD, "Content-Type: application/json"),
        http(GOOD).replace(b"application/x-amz-json-1.1", b"text/html"),
        http(GOOD, length=len(GOOD) - 1),
        http(GOOD, length=len(GOOD) + 1),
        http(GOOD, length=2**20 + 1),
        http(GOOD).replace(b"Content-Length", b"X-Length"),
        http(GOOD, "Date: yesterday"),
        http(GOOD, "X: " + "x" * 70_000),
        http(GOOD, "no header"),
        http("[]"),
        http("null"),
        http("{"),
        http('{"IdentityId": 1}'),
        http('{"IdentityId": ""}'),
        http('{"IdentityId": "a\\u001b[31m"}'),
        b"",
        b"SSH-2.0-OpenSSH\r\n",
    ],
)
def test_any_other_answer_is_left_to_the_long_way(answer: bytes) -> None:
    with answering(answer) as endpoint:
        pool = QuickPool(endpoint, "")
        with pytest.raises((UnusualError, OSError, ValueError)):
            pool.get_id("p", {}, None)
        pool.close()


def vended(**members: Any) -> str:
    credentials = {"AccessKeyId": "A", "SecretKey": "S", "SessionToken": "T", "Expiration": 1.9e9, **members}
    return json.dumps({"IdentityId": IDENTITY, "Credentials": credentials})


@pytest.mark.parametrize("expiration", [None, True, "2030-01-01T00:00:00Z", -1, 1e999, 10**400, [1]])
def test_a_time_that_is_none_is_left_to_the_long_way(expiration: object) -> None:
    with answering(http(vended(Expiration=expiration))) as endpoint:
        pool = QuickPool(endpoint, "")
        with pytest.raises((UnusualError, OSError, ValueError)):
            pool.get_credentials(IDENTITY, {}, None)
        pool.close()


def test_a_server_that_does_not_end_its_answer_is_left_when_the_time_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("botocore_cognito_federation.identity_pool.quick._LIMIT", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as server:
        pool = QuickPool(("http", "127.0.0.1", server.getsockname()[1]), "")
        with pytest.raises((UnusualError, OSError)):
            pool.get_id("p", {}, None)
        pool.close()


# https


def test_a_server_is_verified_by_the_bundle_that_is_configured(home: Home, tmp_path: Path) -> None:
    port = int(home.world.endpoint_url.rpartition(":")[2])
    with HttpsFront(tmp_path, port) as front:
        home.config.write_text(home.config.read_text().replace(home.world.endpoint_url, front.url))
        assert home.ask(AWS_CA_BUNDLE=str(front.ca_file)).key
        assert home.spent == (1, 1)
        shutil.rmtree(home.cache)
        line = home.ask(AWS_CA_BUNDLE=None, REQUESTS_CA_BUNDLE=None).refused(7)
    assert "certificate" in line
    assert home.spent == (1, 1)


def test_of_the_bundle_of_certifi_those_are_taken_that_aws_ends_at() -> None:
    import certifi

    roots = _roots_of_aws(certifi.where())
    assert all(f"Amazon Root CA {number}".encode() in roots for number in range(1, 5))
    assert len(roots) < 10_000


def test_a_name_of_aws_is_verified_by_its_roots_and_by_no_other_of_the_bundle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import certifi

    bundle = tmp_path / "bundle.pem"
    with HttpsFront(tmp_path, 1) as front:
        bundle.write_bytes(Path(certifi.where()).read_bytes() + front.ca_file.read_bytes())
        there = ("127.0.0.1", int(front.url.rpartition(":")[2]))
        connect = socket.create_connection
        monkeypatch.setattr(socket, "create_connection", lambda address, **options: connect(there, **options))
        pool = QuickPool(("https", "cognito-identity.eu-west-1.amazonaws.com", 443), str(bundle))
        assert pool._context is not None
        assert len(pool._context.get_ca_certs()) < 10
        with pytest.raises(UnusualError):
            pool.get_id("p", {}, None)
