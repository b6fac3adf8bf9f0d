"""``serve`` for containers: a fixed path, a shared token file, the addresses that SDKs take, TLS, and the probe."""

from __future__ import annotations

import http.client
import os
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from botocore_cognito_federation.cache.file import FileStore
from botocore_cognito_federation.cache.sessions import forget_credentials
from botocore_cognito_federation.config.profiles import load_settings
from botocore_cognito_federation.errors import ConfigurationError, StorageError, TemporaryError
from botocore_cognito_federation.factory import fetcher_for
from botocore_cognito_federation.serve.endpoint import Endpoint
from botocore_cognito_federation.serve.place import AGENTS, Place
from tests.cli.home import ModuleHome
from tests.servers.own_network import is_possible, run_in_own_network
from tests.util.test_http import write_certificate

pytestmark = pytest.mark.thorough

#: What a container knows: nothing but three variables that were written before the endpoint started.
CLIENT = "import boto3; c = boto3.Session().get_credentials(); print(c.method, c.get_frozen_credentials().access_key)"


def opened(place: Place) -> Endpoint:
    return Endpoint(fetcher_for(load_settings("demo")), place)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def status(connection: http.client.HTTPConnection, path: str, token: str = "") -> int:
    try:
        connection.request("GET", path, headers={"Authorization": token} if token else {})
        return connection.getresponse().status
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("place", "reason"),
    [
        ({"address": "0.0.0.0"}, "Without TLS"),
        ({"address": "::"}, "Without TLS"),
        ({"address": "10.0.0.7"}, "Without TLS"),
        ({"address": "169.254.169.254"}, "Without TLS"),
        ({"address": "169.254.170.3"}, "Without TLS"),
        ({"address": "sidecar"}, "not an IP address"),
        ({"certificate": "c.pem"}, "go together"),
        ({"key": "k.pem"}, "go together"),
        ({"path": "credentials"}, "cannot be the path"),
        ({"path": "/a?b"}, "cannot be the path"),
        ({"path": "/ready"}, "cannot be the path"),
    ],
    ids=str,
)
def test_a_place_where_sdks_do_not_ask_or_the_token_would_be_seen_is_refused(
    place: dict[str, str], reason: str
) -> None:
    with pytest.raises(ConfigurationError, match=reason):
        Place(**place)  # type: ignore[arg-type]


@contextmanager
def serving(home: ModuleHome, *words: str) -> Iterator[subprocess.Popen[str]]:
    process = home.start("serve", "--profile", "demo", *words)
    assert process.stdout is not None
    try:
        assert process.stdout.readline().startswith("export AWS_CONTAINER_CREDENTIALS_FULL_URI="), process.stderr
        yield process
    finally:
        process.kill()
        process.communicate(timeout=60)


def test_a_container_with_the_variables_of_before_has_credentials_after_each_start_of_serve(
    home: ModuleHome, tmp_path: Path
) -> None:
    port, token = free_port(), tmp_path / "token-of-both"
    words = ("--port", str(port), "--path", "/credentials", "--token-file", str(token))
    probe = ("serve", "--probe", "--port", str(port))
    variables = {
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"http://127.0.0.1:{port}/credentials",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": str(token),
        "HOME": str(tmp_path / "nowhere"),
        "AWS_CONFIG_FILE": str(tmp_path / "none"),
    }
    assert home.run(*probe).returncode == 7
    keys = set()
    for _ in range(2):
        with serving(home, *words):
            assert home.run(*probe).returncode == 0
            client = [sys.executable, "-c", CLIENT]
            done = subprocess.run(client, env=home.environment() | variables, capture_output=True, text=True)
            keys.add(done.stdout)
            assert done.stdout.startswith("container-role ASIA"), done.stderr
    assert len(keys) == 1
    assert (token.stat().st_mode & 0o777, len(token.read_text())) == (0o600, 43)


def test_the_present_content_of_the_token_file_counts(inside: ModuleHome, tmp_path: Path) -> None:
    token = tmp_path / "shared"
    token.write_text("first-token-of-both\n")
    with opened(Place(path="/credentials", token_file=str(token))) as endpoint:

        def asked(given: str) -> int:
            return status(http.client.HTTPConnection("127.0.0.1", endpoint.port), "/credentials", given)

        assert (asked("first-token-of-both"), asked("second-token-of-both"), asked("")) == (200, 401, 401)
        token.write_text("second-token-of-both")
        assert (asked("first-token-of-both"), asked("second-token-of-both")) == (401, 200)
        token.unlink()
        assert asked("second-token-of-both") == 200


@pytest.mark.skipif(os.name == "nt", reason="Windows has no modes")
@pytest.mark.parametrize(("mode", "warned"), [(0o644, True), (0o602, True), (0o640, False), (0o600, False)], ids=oct)
def test_a_token_file_that_every_user_can_open_is_named_with_its_mode_and_the_command(
    home: ModuleHome, tmp_path: Path, mode: int, warned: bool
) -> None:
    token = tmp_path / "token of both"
    token.write_text("first-token-of-both")
    token.chmod(mode)
    with serving(home, "--token-file", str(token)) as process:
        process.terminate()
        _, said = process.communicate(timeout=60)
    command = f"chmod 600 '{token}'"
    what = f"{token} holds the token of the clients, and its mode {mode:04o} lets every user open it"
    assert said.splitlines() == ([f"warning: {what}. Run: {command}"] if warned else [])
    assert token.stat().st_mode & 0o777 == mode
    subprocess.run(command, shell=True, check=True)
    assert Place(token_file=str(token)).exposed() == []


@pytest.mark.skipif(os.name == "nt", reason="Windows has no modes")
def test_a_private_key_that_every_user_can_open_is_named_too(tmp_path: Path) -> None:
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    write_certificate("127.0.0.1", certificate, key)
    for mode, lines in ((0o644, 1), (0o600, 0)):
        key.chmod(mode)
        assert len(Place(certificate=str(certificate), key=str(key)).exposed()) == lines


SHOW_EXPOSED = (
    "import os, sys; from botocore_cognito_federation.serve.place import Place;"
    "os.seteuid(int(sys.argv[2])); print(*Place(token_file=sys.argv[1]).exposed())"
)


@pytest.mark.skipif(not is_possible(), reason="only root can make a file of another user and a read-only mount")
def test_nothing_is_said_of_a_secret_whose_mode_this_user_cannot_change(tmp_path: Path) -> None:
    with TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        secret = Path(folder, "token")
        secret.write_text("first-token-of-both")
        secret.chmod(0o644)

        def said(user: int, *before: str) -> str:
            words = [*before, sys.executable, "-c", SHOW_EXPOSED, str(secret), str(user)]
            return subprocess.run(words, check=True, capture_output=True, text=True).stdout.strip()

        assert "chmod 600" in said(0)
        assert said(65534) == ""
        mounted = f'mount --bind "{folder}" "{folder}" && mount -o remount,bind,ro "{folder}" && exec "$@"'
        assert said(0, "unshare", "--mount", "sh", "-ec", mounted, "sh") == ""


@pytest.mark.parametrize("content", ["", "short", "two words of a token", "a-token-of-one-line\nand-of-another"])
def test_a_file_that_holds_no_token_is_refused(inside: ModuleHome, tmp_path: Path, content: str) -> None:
    (tmp_path / "shared").write_text(content)
    with pytest.raises(ConfigurationError, match="holds no token"), opened(Place(token_file=str(tmp_path / "shared"))):
        pytest.fail("it was used")
    with pytest.raises(StorageError, match="cannot be read or made"), opened(Place(token_file=str(tmp_path))):
        pytest.fail("it was used")


def test_the_probe_says_whether_there_are_credentials_without_a_token_and_without_a_call(inside: ModuleHome) -> None:
    with opened(Place()) as endpoint:
        endpoint.credentials()
        place = Place(port=endpoint.port)
        inside.world.reset_journal()
        place.is_ready()
        (inside.path / "token").unlink()
        store = FileStore(inside.environment()["COGNITO_FEDERATION_CACHE_DIR"])
        forget_credentials(store, load_settings("demo").scope)
        with pytest.raises(TemporaryError, match="has no credentials"):
            place.is_ready()
        assert inside.world.calls() == []
    with pytest.raises(TemporaryError, match="There is no endpoint"):
        place.is_ready()


@pytest.mark.skipif(not is_possible(), reason="an own network needs root and the program ip")
def test_containers_of_one_network_namespace_ask_at_the_addresses_of_the_agents(
    inside: ModuleHome, tmp_path: Path
) -> None:
    with opened(Place()) as endpoint:
        expected = endpoint.credentials().access_key

    def asked() -> list[str]:
        found = []
        for address in AGENTS:
            subprocess.run(["ip", "address", "add", address, "dev", "lo", "nodad"][: 6 + (":" in address)], check=True)
            place = Place(address=address, path="/v1/credentials", token_file=str(tmp_path / "shared"))
            with opened(place) as endpoint:
                endpoint.credentials()
                Place(address=address, port=endpoint.port).is_ready()
                environment = (
                    inside.environment() | endpoint.variables() | {"AWS_CONFIG_FILE": "/none", "HOME": "/none"}
                )
                client = [sys.executable, "-c", CLIENT]
                found.append(subprocess.run(client, env=environment, capture_output=True, text=True).stdout)
        return found

    assert run_in_own_network(asked) == [f"container-role {expected}\n"] * 3


def test_an_address_that_the_machine_does_not_have_is_named(inside: ModuleHome) -> None:
    with pytest.raises(ConfigurationError, match=r"169\.254\.170\.2 is no address of this machine"):
        opened(Place(address="169.254.170.2"))


@pytest.fixture
def certificate(tmp_path: Path) -> dict[str, str]:
    write_certificate("127.0.0.1", tmp_path / "ca.pem", tmp_path / "key.pem")
    return {"certificate": str(tmp_path / "ca.pem"), "key": str(tmp_path / "key.pem")}


def test_with_tls_other_machines_get_credentials_and_without_it_nothing(
    inside: ModuleHome, certificate: dict[str, str]
) -> None:
    with opened(Place(address="0.0.0.0", path="/credentials", host="sidecar.internal", **certificate)) as endpoint:
        token = endpoint.variables()["AWS_CONTAINER_AUTHORIZATION_TOKEN"]
        assert endpoint.url == f"https://sidecar.internal:{endpoint.port}/credentials"
        plain = [socket.create_connection(("127.0.0.1", endpoint.port)) for _ in range(20)]
        for client in plain:
            client.sendall(b"GET /credentials HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        trusted = ssl.create_default_context(cafile=certificate["certificate"])

        def asked(_: int) -> int:
            connection = http.client.HTTPSConnection("127.0.0.1", endpoint.port, context=trusted, timeout=60)
            return status(connection, "/credentials", token)

        with ThreadPoolExecutor(16) as pool:
            assert set(pool.map(asked, range(64))) == {200}
        for client in plain:
            assert b"HTTP/1.1 200" not in client.recv(4096)
            client.close()


def test_files_that_are_no_certificate_are_named_and_no_password_is_asked_for(
    inside: ModuleHome, certificate: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "empty.pem").write_text("")
    for key in (str(tmp_path / "empty.pem"), str(tmp_path / "missing.pem")):
        with pytest.raises(ConfigurationError, match="are not a certificate and its private key"):
            opened(Place(certificate=certificate["certificate"], key=key))


@pytest.fixture
def _many_descriptors() -> Iterator[None]:
    """Many systems give a process 1024 of them unless it asks for more."""
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 4096)), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.usefixtures("_many_descriptors")
def test_a_thousand_clients_at_once_are_answered(inside: ModuleHome) -> None:
    with opened(Place(path="/credentials")) as endpoint:
        endpoint.credentials()
        token = endpoint.variables()["AWS_CONTAINER_AUTHORIZATION_TOKEN"]
        request = f"GET /credentials HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: {token}\r\n\r\n".encode()

        def crowd() -> list[socket.socket]:
            clients = [socket.create_connection(("127.0.0.1", endpoint.port), timeout=60) for _ in range(250)]
            for client in clients:
                client.sendall(request)
            return clients

        with ThreadPoolExecutor(4) as pool:
            clients = [each for crowds in [pool.submit(crowd) for _ in range(4)] for each in crowds.result()]
        heads = [client.makefile("rb").read().partition(b"\r\n")[0] for client in clients]
        for client in clients:
            client.close()
    assert heads == [b"HTTP/1.1 200 OK"] * 1000
