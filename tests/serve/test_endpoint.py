"""The endpoint: who gets an answer and who does not, renewals, and the effect of a sign-out."""

from __future__ import annotations

import http.client
import json
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus

import pytest

from botocore_cognito_federation._util.loopback import LoopbackServer, Response
from botocore_cognito_federation.cache.file import FileStore
from botocore_cognito_federation.cache.sessions import forget_credentials
from botocore_cognito_federation.config.profiles import load_settings
from botocore_cognito_federation.errors import ConfigurationError
from botocore_cognito_federation.factory import fetcher_for
from botocore_cognito_federation.serve.endpoint import CredentialsInMemory, Endpoint
from botocore_cognito_federation.serve.place import Place
from tests.cli.home import ModuleHome

pytestmark = pytest.mark.thorough


@pytest.fixture
def endpoint(inside: ModuleHome) -> Iterator[Endpoint]:
    with Endpoint(fetcher_for(load_settings("demo"))) as endpoint:
        yield endpoint
    for thread in threading.enumerate():
        if thread.name == "cognito-federation-renewal":
            thread.join(20)  # its running calls must not be counted in the next test


def ask(
    endpoint: Endpoint, method: str = "GET", path: str | None = None, **headers: str | None
) -> tuple[int, dict[str, str], bytes]:
    """Send one request; a header with the value None is left out, `_` in a name means `-`."""
    variables = endpoint.variables()
    sent: dict[str, str | None] = {
        "Host": f"127.0.0.1:{endpoint.port}",
        "Authorization": variables["AWS_CONTAINER_AUTHORIZATION_TOKEN"],
    }
    sent |= {name.replace("_", "-"): value for name, value in headers.items()}
    secret_path = variables["AWS_CONTAINER_CREDENTIALS_FULL_URI"].split(str(endpoint.port))[1]
    connection = http.client.HTTPConnection("127.0.0.1", endpoint.port, timeout=20)
    connection.putrequest(method, secret_path if path is None else path, skip_host=True, skip_accept_encoding=True)
    for name, value in sent.items():
        if value is not None:
            connection.putheader(name, value)
    connection.endheaders()
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, {name.lower(): value for name, value in answer.getheaders()}, body


def test_the_answer_is_what_sdks_read(endpoint: Endpoint) -> None:
    status, headers, body = ask(endpoint)
    document = json.loads(body)
    assert status == 200
    assert set(document) - {"AccountId"} == {"AccessKeyId", "SecretAccessKey", "Token", "Expiration"}
    assert document["AccessKeyId"].startswith("ASIA")
    assert document["Expiration"].endswith("Z")
    assert headers["content-type"] == "application/json"
    assert headers["cache-control"] == "no-store"
    assert "server" not in headers


def test_botocore_takes_its_credentials_from_it(endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    import botocore.session

    for name, value in endpoint.variables().items():
        monkeypatch.setenv(name, value)
    found = botocore.session.Session().get_credentials()
    assert found.method == "container-role"
    assert found.get_frozen_credentials().access_key == endpoint.credentials().access_key


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"Authorization": None}, 401),
        ({"Authorization": "x" * 43}, 401),
        ({"Authorization": "\xff\xfe"}, 401),
        ({"Authorization": ""}, 401),
        ({"path": "/"}, 404),
        ({"path": "/" + "x" * 32}, 404),
        ({"path": "//etc/passwd"}, 404),
        ({"Host": None}, 421),
        ({"Host": "attacker.example"}, 421),
        ({"Host": "attacker.example:{port}"}, 421),
        ({"Host": "127.0.0.1.attacker.example"}, 421),
        ({"Host": "127.0.0.1:1"}, 421),
        ({"Host": "127.0.0.1:"}, 421),
        ({"Host": "127.0.0.1:{port}:{port}"}, 421),
        ({"Host": ""}, 421),
        ({"Origin": "https://attacker.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Referer": "https://attacker.example/"}, 403),
        ({"Sec_Fetch_Site": "cross-site"}, 403),
        ({"Sec_Fetch_Mode": "no-cors"}, 403),
        ({"method": "POST"}, 405),
        ({"method": "HEAD"}, 405),
        ({"method": "OPTIONS"}, 405),
        ({"method": "PROPFIND"}, 501),
    ],
    ids=str,
)
def test_every_other_caller_than_the_program_gets_nothing(
    endpoint: Endpoint, change: dict[str, str], status: int
) -> None:
    answered, headers, body = ask(
        endpoint, **{name: value and value.replace("{port}", str(endpoint.port)) for name, value in change.items()}
    )
    assert answered == status
    assert b"ASIA" not in body
    assert b"attacker" not in body
    assert "access-control-allow-origin" not in headers
    assert ask(endpoint)[0] == 200


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.0.0.1:{port}", "LocalHost:{port}"])
def test_a_client_may_leave_the_port_out_of_the_host_it_names(endpoint: Endpoint, host: str) -> None:
    assert ask(endpoint, Host=host.replace("{port}", str(endpoint.port)))[0] == 200


def raw(endpoint: Endpoint, request: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", endpoint.port), timeout=20) as client:
        try:
            client.sendall(request)
            client.shutdown(socket.SHUT_WR)
            return b"".join(iter(lambda: client.recv(65536), b""))
        except OSError:
            return b""


def test_what_is_no_request_gets_nothing(endpoint: Endpoint) -> None:
    path, _, token = endpoint.url.rpartition(str(endpoint.port))[2], "", ""
    host = f"Host: 127.0.0.1:{endpoint.port}\r\n"
    token = f"Authorization: {endpoint.variables()['AWS_CONTAINER_AUTHORIZATION_TOKEN']}\r\n"
    for request in (
        f"GET {path}\r\n",
        f"GET {path} HTTP/1.1\r\n{host}{host}{token}\r\n",
        f"GET {path} HTTP/1.1\r\n{host}{token}{token}\r\n",
        f"GET {endpoint.url} HTTP/1.1\r\n{host}{token}\r\n",
        f"GET {path}?x HTTP/1.1\r\n{host}{token}\r\n",
        f"GET {path} HTTP/1.1\r\n{host}{token}Big: {'x' * 100_000}\r\n\r\n",
        f"GET {path} HTTP/1.1\r\n{host}{token}" + "".join(f"H{n}: x\r\n" for n in range(200)) + "\r\n",
        f"GET /{'x' * 100_000} HTTP/1.1\r\n{host}{token}\r\n",
        f"GET {path} HTTP/9.9\r\n{host}{token}\r\n",
        "\x16\x03\x01\x02\x00\x01\x00",
        "\r\n\r\n",
    ):
        assert b"AccessKeyId" not in raw(endpoint, request.encode("latin-1")), request[:80]
    assert ask(endpoint)[0] == 200


def test_slow_and_many_clients_do_not_hold_up_the_next(endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    idle = [socket.create_connection(("127.0.0.1", endpoint.port)) for _ in range(300)]
    try:
        for client in idle[:100]:
            try:
                client.sendall(b"GET / HT")
            except OSError:
                continue
        assert ask(endpoint)[0] == 200
    finally:
        for client in idle:
            client.close()


def test_more_clients_at_once_than_there_are_places_wait_for_one(
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LoopbackServer, "maximum_connections", 4)
    with ThreadPoolExecutor(40) as pool:
        assert {found[0] for found in pool.map(lambda _: ask(endpoint), range(200))} == {200}


def test_a_crowd_waits_in_the_backlog_and_no_client_is_dropped() -> None:
    """The connections are there before one of them is accepted: where the backlog ended, they would be tried again."""
    refusal = Response(HTTPStatus.NOT_FOUND)
    server = LoopbackServer(lambda request: Response(HTTPStatus.OK), lambda status: refusal)
    clients = [socket.create_connection(("127.0.0.1", server.port), timeout=0.9) for _ in range(300)]
    for client in clients:
        client.settimeout(60)
        client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    with server:
        assert {client.recv(4096)[:13] for client in clients} == {b"HTTP/1.1 200 "}
    for client in clients:
        client.close()


def test_a_client_has_time_to_send_its_request_although_another_one_waits_for_its_place(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(LoopbackServer, "maximum_connections", 1)
    refusal = Response(HTTPStatus.NOT_FOUND)
    with LoopbackServer(lambda request: Response(HTTPStatus.OK), lambda status: refusal) as server:
        slow, quick = (socket.create_connection(("127.0.0.1", server.port), timeout=60) for _ in range(2))
        time.sleep(0.4)
        for client in (slow, quick):
            client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert {client.recv(4096)[:13] for client in (slow, quick)} == {b"HTTP/1.1 200 "}
        slow.close()
        quick.close()


def test_a_client_that_trickles_is_cut(inside: ModuleHome, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LoopbackServer, "request_time", 0.5)
    endpoint = Endpoint(fetcher_for(load_settings("demo")))
    with endpoint, socket.create_connection(("127.0.0.1", endpoint.port), timeout=20) as client:
        assert _trickle(client) < 100


def _trickle(client: socket.socket) -> int:
    """Return the number of bytes that were read before the connection was closed."""
    for sent in range(200):
        try:
            client.sendall(b"G")
        except OSError:
            return sent
        time.sleep(0.05)
    return 200


def test_answers_come_from_memory(endpoint: Endpoint, inside: ModuleHome) -> None:
    ask(endpoint)
    inside.world.reset_journal()
    (inside.path / "token").unlink()
    assert [ask(endpoint)[0] for _ in range(20)] == [200] * 20
    assert inside.world.calls() == []


def test_a_sign_out_is_honoured_at_the_next_answer(endpoint: Endpoint, inside: ModuleHome) -> None:
    first = json.loads(ask(endpoint)[2])
    (inside.path / "token").unlink()
    store = FileStore(inside.environment()["COGNITO_FEDERATION_CACHE_DIR"])
    forget_credentials(store, load_settings("demo").scope)
    status, _, body = ask(endpoint)
    assert status == 400
    assert first["AccessKeyId"].encode() not in body
    assert set(json.loads(body)) == {"code", "message"}
    inside.world.write_token(inside.path)
    again = json.loads(ask(endpoint)[2])
    assert again["AccessKeyId"] != first["AccessKeyId"]


def test_sdks_are_told_why_and_whether_to_try_again(inside: ModuleHome) -> None:
    inside.world.fault("GetCredentialsForIdentity", times=50, status=500, code="InternalErrorException")
    with Endpoint(fetcher_for(load_settings("demo"))) as endpoint:
        status, _, body = ask(endpoint)
        assert status == 503
        assert json.loads(body)["code"] == "TemporaryError"
        inside.world.clear_faults()
        deadline = time.monotonic() + 30
        while ask(endpoint)[0] != 200 and time.monotonic() < deadline:
            time.sleep(0.2)
        assert ask(endpoint)[0] == 200


def test_an_outage_takes_no_usable_credentials_away(inside: ModuleHome) -> None:
    world = inside.world
    world.credential_lifetime = 6
    with Endpoint(fetcher_for(load_settings("demo"))) as endpoint:
        first = json.loads(ask(endpoint)[2])["AccessKeyId"]
        world.fault("GetCredentialsForIdentity", times=500, status=500, code="InternalErrorException")
        deadline = time.monotonic() + 4.5
        seen = set()
        while time.monotonic() < deadline:
            status, _, body = ask(endpoint)
            seen.add((status, json.loads(body).get("AccessKeyId")))
            time.sleep(0.2)
        assert seen == {(200, first)}


def test_many_who_ask_at_once_cost_one_exchange(endpoint: Endpoint, inside: ModuleHome) -> None:
    inside.world.reset_journal()
    answers: list[int] = []
    threads = [threading.Thread(target=lambda: answers.append(ask(endpoint)[0])) for _ in range(24)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [200] * 24
    assert len(inside.world.calls("GetCredentialsForIdentity")) == 1


def test_unused_credentials_are_renewed_once_and_then_left(inside: ModuleHome) -> None:
    inside.world.credential_lifetime = 2
    inside.world.reset_journal()
    with CredentialsInMemory(fetcher_for(load_settings("demo"))) as credentials:
        credentials.current()
        time.sleep(4)
        assert len(inside.world.calls("GetCredentialsForIdentity")) == 2
        credentials.current()


def test_a_port_in_use_is_an_error_with_a_remedy(endpoint: Endpoint, inside: ModuleHome) -> None:
    with pytest.raises(ConfigurationError, match=str(endpoint.port)):
        Endpoint(fetcher_for(load_settings("demo")), Place(port=endpoint.port))
