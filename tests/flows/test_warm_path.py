"""``credential-process``: a cached response is printed at once, and only for exactly its query."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
import time

import pytest

from botocore_cognito_federation import _fast_path as process
from botocore_cognito_federation._fast_path import CacheQuery, read_answer
from botocore_cognito_federation.cli.credential_process import answer
from botocore_cognito_federation.demo.serve import find_executable
from tests.home import Home, Result, finished, retimed

PROFILE = ("credential-process", "--profile", "demo")


def query(profile: str = "demo") -> CacheQuery:
    return CacheQuery(profile, os.environ)


@pytest.fixture
def ready(inside: Home) -> Home:
    """A home with a cached response, made in this process."""
    code, _ = answer(query())
    assert code == 0
    assert read_answer(query()) is not None
    inside.world.reset_journal()
    return inside


def is_ready(profile: str = "demo") -> bool:
    return read_answer(query(profile)) is not None


def test_the_second_process_prints_the_same_bytes_for_no_call(home):
    first, second = home.ask(), home.ask()
    assert first.document["Expiration"].endswith("Z")
    assert second == first
    assert home.spent == (1, 1)


SPY = """
    import os, sys
    before, end = set(sys.modules), os._exit
    def spy(code):
        os.write(2, " ".join(sorted(set(sys.modules) - before)).encode())
        end(code)
    os._exit = spy
    sys.argv = ["cognito-federation", "credential-process", "--profile", "demo"]
    from botocore_cognito_federation.__main__ import main
    main()
"""


def imported(home: Home) -> set[str]:
    """Return the imports of a ``credential-process`` that the interpreter has not made by itself."""
    done = home.python(SPY)
    assert json.loads(done.out)["Version"] == 1
    return {name for name in done.err.decode().split() if not name.startswith("__editable__")}


def test_a_warm_process_imports_nothing_the_interpreter_has_not_got(ready):
    assert imported(ready) == {
        "botocore_cognito_federation",
        "botocore_cognito_federation.__main__",
        "botocore_cognito_federation._fast_path",
    }
    assert ready.spent == (0, 0)


def test_a_cold_process_imports_nothing_that_its_token_does_not_need(home):
    """The token is in a file: only credentials are fetched by HTTP, and there is no command line to parse."""
    found = {name.partition(".")[0] for name in imported(home)}
    assert found.isdisjoint(
        {"botocore", "urllib3", "boto3", "requests", "jwt", "cryptography", "click", "keyring", "moto", "filelock"}
    )
    assert home.spent == (1, 1)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("AWS_ENDPOINT_URL", "http://127.0.0.1:1"),
        ("AWS_ENDPOINT_URL_COGNITO_IDENTITY", "http://127.0.0.1:1"),
        ("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true"),
        ("AWS_CA_BUNDLE", "/nowhere"),
        ("AWS_DATA_PATH", "/nowhere"),
        ("AWS_STS_REGIONAL_ENDPOINTS", "legacy"),
        ("AWS_ENDPOINT_URL_STS", "http://127.0.0.1:1"),
        ("AWS_USE_FIPS_ENDPOINT", "true"),
        ("AWS_USE_DUALSTACK_ENDPOINT", "true"),
        ("COGNITO_FEDERATION_IDENTITY_POOL_ID", "eu-west-1:1"),
        ("COGNITO_FEDERATION_ROLE_ARN", "arn:aws:iam::111122223333:role/Other"),
        ("AWS_CONFIG_FILE", "/nowhere"),
        ("AWS_SHARED_CREDENTIALS_FILE", "/nowhere"),
    ],
)
def test_an_answer_counts_only_under_the_variables_it_was_made_with(ready, monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    assert not is_ready()
    monkeypatch.undo()


def test_an_answer_counts_only_for_its_profile(ready):
    assert not is_ready("demo-native")


def test_an_answer_counts_only_while_the_config_and_the_token_are_the_same_files(ready):
    ready.config.write_text(ready.config.read_text())
    assert not is_ready()
    assert answer(query())[0] == 0
    assert is_ready()
    ready.token.write_text(ready.token.read_text())
    assert not is_ready()
    assert answer(query())[0] == 0
    (ready.config.parent / "credentials").write_text("")
    assert not is_ready()
    assert ready.spent == (0, 0)


@pytest.mark.thorough
def test_a_token_that_is_replaced_while_it_is_exchanged_makes_no_answer(inside):
    inside.world.fault("GetId", delay=1.0)
    process_of_ada = inside.start(*PROFILE)
    while not inside.world.calls("provider:jwks") and not inside.world.calls("GetId"):
        if inside.documents("credentials") or process_of_ada.poll() is not None:
            break
        time.sleep(0.01)
        if (inside.cache / "locks").exists():  # the token was read, the exchange has begun
            inside.world.write_token(inside.path, "bob")
            break
    ada = finished(process_of_ada).key
    assert inside.ask().key != ada


DAMAGES = {
    "empty": lambda text: b"",
    "cut in half": lambda text: text[: len(text) // 2],
    "one byte short": lambda text: text[:-1],
    "a line more": lambda text: text + b"x\n",
    "another magic": lambda text: text.replace(b"answer 3", b"answer 9", 1),
    "binary": lambda text: b"\x00\xff" * 500,
    "times that are none": lambda text: text.replace(b"\ncredentials\n", b" x\ncredentials\n", 1),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_answer_is_a_miss_and_is_rewritten(ready, damage):
    (path,) = ready.answers()
    path.write_bytes(DAMAGES[damage](path.read_bytes()))
    assert not is_ready()
    code, text = answer(query())
    assert (code, json.loads(text)["Version"]) == (0, 1)
    assert is_ready()
    assert ready.spent == (0, 0)


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o601, 0o660, 0o4600])
def test_an_answer_that_others_may_read_or_write_is_a_miss(ready, mode):
    (path,) = ready.answers()
    path.chmod(mode)
    assert not is_ready()


def test_an_answer_behind_a_link_is_a_miss(ready, tmp_path):
    (path,) = ready.answers()
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    assert not is_ready()


@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo])
def test_something_else_in_place_of_the_answer_is_a_miss(ready, make):
    (path,) = ready.answers()
    path.unlink()
    make(path, 0o600)
    assert ready.ask().key


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to somebody else")
def test_an_answer_of_another_user_is_a_miss_and_not_overwritten(ready):
    (path,) = ready.answers()
    os.chown(path, 65534, 65534)
    before = path.read_bytes()
    assert not is_ready()
    assert ready.ask().key
    assert path.read_bytes() == before


def test_an_answer_ends_when_the_credentials_are_to_be_renewed_or_the_clock_steps_back(ready, monkeypatch):
    cached = read_answer(query())
    ended: list[int] = []
    monkeypatch.setattr(process, "exit_with", lambda code, text: ended.append(code))
    for now, hands_out in [
        (cached.issued - 60, False),
        (cached.issued, True),
        (cached.refresh_at - 1, True),
        (cached.refresh_at, False),
    ]:
        monkeypatch.setattr(process, "time", lambda now=now: now)
        ended.clear()
        process._exit_if_answered(query())
        assert bool(ended) is hands_out, now


@pytest.mark.parametrize(
    ("code", "message", "exit_code"),
    [
        ("ResourceNotFoundException", "IdentityPool 'x' not found.", 6),
        ("InternalErrorException", "Internal error.", 7),
    ],
    ids=["definitive", "temporary"],
)
def test_a_failure_is_handed_out_only_to_those_who_waited_for_it(inside, code, message, exit_code):
    inside.world.fault("GetId", times=100, code=code, message=message)
    early = query()
    assert answer(query())[0] == exit_code
    cached = read_answer(query())
    assert cached.kind == "failure"
    assert cached.issued >= early.asked_at
    assert cached.refresh_at <= cached.issued
    inside.world.clear_faults()
    assert answer(query())[0] == 0


@pytest.mark.thorough
def test_sources_that_cannot_be_bound_are_asked_each_time_and_nothing_secret_is_cached_for_printing(inside):
    inside.profile("cmd", cognito_token_command=f"cat {inside.token}")
    first = inside.ask("cmd")
    assert all(first.document["SecretAccessKey"].encode() not in path.read_bytes() for path in inside.answers())
    assert inside.ask("cmd").document == first.document
    assert inside.spent == (1, 1)


@pytest.mark.thorough
def test_in_memory_nothing_secret_reaches_the_disk(home):
    home.profile("mem", cognito_token_file=str(home.token), cognito_cache="memory")
    first = home.ask("mem")
    assert first.document["SecretAccessKey"].encode() not in home.everything_stored()
    assert first.document["SessionToken"].encode() not in home.everything_stored()
    assert home.ask("mem").key != first.key


# The streams


@pytest.mark.parametrize("warm", [True, False], ids=["warm", "cold"])
def test_stdin_is_never_read(home, warm):
    if warm:
        home.ask()
    reader, writer = os.pipe()
    os.write(writer, b"the data of a pipeline")
    os.close(writer)
    assert finished(home.start(*PROFILE, stdin=reader)).key
    assert os.read(reader, 100) == b"the data of a pipeline"
    os.close(reader)


def full_pipe() -> tuple[int, int, int]:
    reader, writer = os.pipe()
    fcntl.fcntl(writer, 1031, 4096)  # F_SETPIPE_SZ
    os.set_blocking(writer, False)
    filled = 0
    try:
        while True:
            filled += os.write(writer, b"x" * 512)
    except BlockingIOError:
        pass
    return reader, writer, filled


@pytest.mark.skipif(sys.platform != "linux", reason="the size of a pipe can be set on Linux only")
@pytest.mark.parametrize("blocking", [True, False], ids=["blocking", "non-blocking"])
def test_a_full_pipe_gets_the_whole_object_in_the_end(ready, blocking):
    reader, writer, filled = full_pipe()
    os.set_blocking(writer, blocking)
    helper = subprocess.Popen(
        [find_executable(), *PROFILE], env=ready.environment(), stdin=subprocess.DEVNULL, stdout=writer
    )
    os.close(writer)
    time.sleep(0.3)
    assert helper.poll() is None
    received = b""
    while chunk := os.read(reader, 100):
        received += chunk
    os.close(reader)
    assert helper.wait(60) == 0
    assert json.loads(received[filled:])["Version"] == 1


@pytest.mark.parametrize("warm", [True, False], ids=["warm", "cold"])
def test_a_reader_that_has_gone_ends_the_helper_quietly(home, warm):
    if warm:
        home.ask()
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [find_executable(), *PROFILE], env=home.environment(), stdout=writer, stderr=subprocess.PIPE, check=False
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (1, b"")


@pytest.mark.parametrize("closed", ["1", pytest.param("0,1", marks=pytest.mark.thorough), "0,1,2"])
def test_with_stdout_closed_the_credentials_go_nowhere_else(home, closed):
    shell = " ".join(f"{number}>&-" for number in closed.split(","))
    done = subprocess.run(
        ["sh", "-c", f'exec "$@" {shell}', "sh", find_executable(), *PROFILE],
        env=home.environment(),
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (1, b"", b"")
    (cached,) = home.documents("credentials")
    secret = json.loads(cached.read_text())["secret_key"].encode()
    holding = {path for path in home.cache.rglob("*") if path.is_file() and secret in path.read_bytes()}
    assert holding == {cached, *home.answers()}
    assert not any(b"{" in path.read_bytes() for path in home.cache.rglob("*.lock"))


def test_with_stderr_closed_a_failure_has_its_exit_code(home):
    home.token.write_text("")
    done = subprocess.run(
        ["sh", "-c", 'exec "$@" 2>&-', "sh", find_executable(), *PROFILE], env=home.environment(), check=False
    )
    assert done.returncode == 5


@pytest.mark.parametrize("changes", [{"PYTHONWARNINGS": "always", "PYTHONDEVMODE": "1"}])
def test_stderr_stays_empty_on_success_whatever_python_would_warn_about(home, changes):
    assert home.ask(**changes).key


def test_an_unforeseen_error_is_one_line_without_its_text(inside, monkeypatch):
    secret = "hunter2-hunter2"

    def broken(*_, **__):
        raise ValueError(secret)

    monkeypatch.setattr("botocore_cognito_federation.cli.credential_process.load_settings", broken)
    early = query()
    code, line = answer(query())
    assert code == 1
    assert "ValueError" in line
    assert secret not in line
    # The waiting processes get it too, instead of failing one after the other.
    cached = read_answer(query())
    assert (cached.kind, cached.text) == ("failure", line)
    assert early.asked_at <= cached.issued


def test_where_the_file_system_has_no_locks_no_process_waits(ready, monkeypatch):
    import errno

    def lockless(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", lockless)
    lock = process._open_lock(query())
    assert process._try_lock(lock)
    os.close(lock)
    ready.age(seconds_left=-5)
    assert answer(query())[0] == 0
    assert ready.spent == (0, 1)


def test_a_lock_that_is_held_is_not_taken(ready):
    first, second = process._open_lock(query()), process._open_lock(query())
    assert process._try_lock(first)
    assert not process._try_lock(second)
    os.close(first)
    assert process._try_lock(second)
    os.close(second)


def test_waiting_processes_get_the_credentials_that_are_still_usable(ready):
    """This process holds the lock while the other one asks."""
    (path,) = ready.answers()
    now = time.time()
    retimed(path, issued=now - 2500, refresh_at=now - 10, until=now + 900)  # due for renewal, but unexpired
    lock = process._open_lock(query())
    assert process._try_lock(lock)
    assert ready.ask().key
    os.close(lock)
    assert ready.spent == (0, 0)


def test_waiting_processes_get_the_failure_of_the_one_that_tried(ready):
    ready.age(seconds_left=-5)
    lock = process._open_lock(query())
    assert process._try_lock(lock)
    waiting = ready.start(*PROFILE)
    time.sleep(0.5)
    ready.world.fault("GetCredentialsForIdentity", times=50, code="NotAuthorizedException", message="Token is inactive")
    code, line = answer(query())
    result: Result = finished(waiting)
    os.close(lock)
    assert result.refused(6) == line
    assert code == 6


# Other causes of a wrong answer


def test_a_file_put_in_place_of_the_config_counts_as_another_though_size_and_time_are_the_same(ready):
    status = ready.config.stat()
    other = ready.config.with_name("other")
    other.write_text(ready.config.read_text())
    os.utime(other, ns=(status.st_atime_ns, status.st_mtime_ns))
    other.replace(ready.config)
    assert ready.config.stat().st_mtime_ns == status.st_mtime_ns
    assert not is_ready()


@pytest.mark.skipif(os.name == "nt", reason="Windows keeps no time of change")
def test_a_config_edited_in_place_and_dated_back_counts_as_another(ready):
    status = ready.config.stat()
    text = ready.config.read_text()
    ready.config.write_text(text.replace("eu-west-1", "us-east-1"))
    os.utime(ready.config, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert (ready.config.stat().st_size, ready.config.stat().st_ino) == (status.st_size, status.st_ino)
    assert not is_ready()


@pytest.mark.parametrize(("age", "counts"), [(0, False), (2, False), (60, True)])
def test_where_times_are_whole_seconds_a_file_just_changed_counts_for_nothing(tmp_path, monkeypatch, age, counts):
    """Two edits within one second would otherwise look the same."""
    path = tmp_path / "config"
    path.write_text("")
    status, now = path.stat(), 1_900_000_000

    class Coarse:
        st_dev, st_ino, st_size = status.st_dev, status.st_ino, status.st_size
        st_mtime_ns = st_ctime_ns = (now - age) * 10**9

    monkeypatch.setattr(os, "stat", lambda _: Coarse)
    times = iter([now + 0.1, now + 0.1, now + 0.2, now + 0.2])
    monkeypatch.setattr(process, "time", lambda: next(times))
    assert (process.state_of_file(str(path)) == process.state_of_file(str(path))) is counts


def test_the_same_variables_in_another_home_are_another_query(ready, tmp_path, monkeypatch):
    """Variables name the cache and the config; they do not affect ``~`` in the shared credentials file."""
    monkeypatch.delenv("AWS_SHARED_CREDENTIALS_FILE")
    assert answer(query())[0] == 0
    assert is_ready()
    monkeypatch.setenv("HOME", str(tmp_path))
    assert not is_ready()


@pytest.mark.thorough
def test_a_sign_out_ends_what_is_ready_where_the_cache_directory_is_named_by_another_variable(home):
    where = {"PLACE": str(home.path / "place"), "COGNITO_FEDERATION_CACHE_DIR": "$PLACE/cache"}
    first = home.ask(**where)
    (cached,) = (home.path / "place" / "cache" / "answers").glob("*[!k]")
    assert home.run("logout", "--profile", "demo", **where).code == 0
    assert not cached.exists()
    assert (home.path / "place" / "cache" / "generations").exists()
    assert not (home.path / "$PLACE").exists()
    assert home.ask(**where).key != first.key


def test_the_callers_region_is_no_part_of_the_query(ready, monkeypatch):
    monkeypatch.setenv("AWS_REGION", "us-west-2")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-west-2")
    assert is_ready()


def test_a_second_name_of_an_answer_file_answers_only_its_own_query(ready):
    (path,) = ready.answers()
    other = query("demo-native")
    os.link(path, other.path)
    assert read_answer(other) is None
    assert is_ready()


def test_another_endpoint_of_sts_is_asked_for_credentials_of_its_own(home):
    first = home.ask("classic")
    other = home.ask("classic", AWS_ENDPOINT_URL_STS=f"{home.world.endpoint_url}/")
    assert other.key != first.key
    assert home.ask("classic").key == first.key
    assert home.count("AssumeRoleWithWebIdentity") == 2


# The holder of the lock


@pytest.fixture
def holder(home):
    """A process that holds the response's lock and does not go on."""
    home.world.fault("GetCredentialsForIdentity", delay=5)
    process = home.start(*PROFILE)
    while not (home.cache / "locks").exists():  # of the entry, which is taken after that of the response
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGSTOP)
    yield process
    process.kill()
    finished(process)


@pytest.mark.thorough
def test_after_a_holder_was_killed_one_of_those_who_wait_asks_for_all(home, holder):
    waiting = [home.start(*PROFILE) for _ in range(4)]
    time.sleep(0.5)
    assert [process.poll() for process in waiting] == [None] * 4
    home.world.clear_faults()
    home.world.reset_journal()
    holder.kill()
    assert len({finished(process).key for process in waiting}) == 1
    assert home.count("GetCredentialsForIdentity") == 1


@pytest.mark.thorough
def test_a_holder_that_was_stopped_is_waited_for_no_longer_than_sdks_wait_and_is_named(home, holder):
    program = """
        import sys
        from botocore_cognito_federation import _fast_path as process
        assert process.LOCK_TIMEOUT < 60
        process.LOCK_TIMEOUT = 0.5
        sys.argv = ["cognito-federation", "credential-process", "--profile", "demo"]
        from botocore_cognito_federation.__main__ import main
        main()
    """
    line = home.python(program).refused(8)
    assert f"Process {holder.pid} (cognito-federation; it took the lock " in line
    assert "has been renewing these credentials for too long" in line


@pytest.mark.parametrize("name", ["COGNITO_FEDERATION_CLIENT_SECRET", "AWS_ENDPOINT_URL_S3"])
def test_the_value_of_a_variable_is_in_no_file_of_this_tool(home, name):
    home.ask(**{name: "http://ada:hunter2@127.0.0.1:1"})
    assert home.answers()
    assert b"hunter2" not in home.everything_stored()
