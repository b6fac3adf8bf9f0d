"""The file with the endpoint's token: private, as long-lived as the endpoint, and gone however the command ends."""

from __future__ import annotations

import os
import shlex
import signal
import stat
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from botocore_cognito_federation.serve.endpoint import ENDPOINTS, TokenFile
from tests.cli.home import ModuleHome

pytestmark = pytest.mark.thorough

#: Prints its process ID, and ends by itself on SIGTERM, SIGINT and SIGHUP.
WAITING = ("sh", "-c", "trap 'exit 7' TERM INT HUP; echo $$; while :; do sleep 0.05; done")


def files(home: ModuleHome) -> list[Path]:
    directory = Path(home.environment()["COGNITO_FEDERATION_CACHE_DIR"]) / ENDPOINTS
    return sorted(directory.iterdir()) if directory.exists() else []


@contextmanager
def running(home: ModuleHome, *words: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The command after its endpoint has started, and its first line; killed at the end."""
    process = home.start(*words)
    assert process.stdout is not None
    try:
        yield process, process.stdout.readline()
    finally:
        process.kill()
        process.communicate(timeout=60)


def test_the_file_is_private_and_holds_the_token_and_nothing_else(home: ModuleHome) -> None:
    show = 'cat "$AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"; echo; echo "$AWS_CONTAINER_AUTHORIZATION_TOKEN"; '
    show += 'stat -c %a "$AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE" "$(dirname $AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE)"'
    done = home.run("exec", "--server", "--profile", "demo", "--", "sh", "-c", f"umask 0; {show}")
    held, token, *modes = done.stdout.splitlines()
    assert held == token != ""
    assert modes == ["600", "700"]
    assert files(home) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_no_signal_to_exec_leaves_the_file_or_the_program(home: ModuleHome, number: int) -> None:
    with running(home, "exec", "--server", "--profile", "demo", "--", *WAITING) as (process, pid):
        assert len(files(home)) == 1
        process.send_signal(number)
        assert process.wait(60) == 7
        assert files(home) == []
        with pytest.raises(ProcessLookupError):
            os.kill(int(pid), 0)


def test_a_program_that_is_killed_leaves_no_file(home: ModuleHome) -> None:
    with running(home, "exec", "--server", "--profile", "demo", "--", *WAITING) as (process, pid):
        os.kill(int(pid), signal.SIGKILL)
        assert process.wait(60) == 128 + signal.SIGKILL
        assert files(home) == []


def test_a_program_that_cannot_start_leaves_no_file(home: ModuleHome) -> None:
    assert home.run("exec", "--server", "--profile", "demo", "--", "no-such-program-anywhere").returncode == 127
    assert files(home) == []


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130), (signal.SIGHUP, 0)])
def test_no_signal_to_serve_leaves_the_file(home: ModuleHome, number: int, code: int) -> None:
    with running(home, "serve", "--profile", "demo") as (process, _):
        (file,) = files(home)
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        process.send_signal(number)
        assert process.wait(60) == code
        assert files(home) == []


def test_a_signal_that_is_ignored_does_not_end_serve(home: ModuleHome) -> None:
    process = subprocess.Popen(
        ["sh", "-c", f"trap '' INT; exec {shlex.join(home.argv('serve', '--profile', 'demo'))}"],
        env=home.environment(),
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    process.stdout.readline()
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0  # 130 after the first
    process.stdout.close()


def test_what_a_killed_command_leaves_is_removed_at_the_next_start_and_nothing_else_is(home: ModuleHome) -> None:
    with running(home, "serve", "--profile", "demo"):
        (in_use,) = files(home)
        with running(home, "exec", "--server", "--profile", "demo", "--", *WAITING) as (process, pid):
            process.kill()
            process.wait(60)
            assert len(files(home)) == 2
            os.kill(int(pid), signal.SIGTERM)  # the program goes on without an endpoint until it is ended
        show = ("sh", "-c", 'echo "$AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"')
        third = Path(home.run("exec", "--server", "--profile", "demo", "--", *show).stdout.strip())
        assert files(home) == [in_use]
        assert third.parent == in_use.parent


def test_where_the_cache_cannot_be_written_the_file_is_among_the_temporary_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    with TokenFile("token", {"COGNITO_FEDERATION_CACHE_DIR": str(tmp_path / "file" / "cache")}) as file:
        path = Path(file.path)
        assert path.is_relative_to(tmp_path / "temporary")
        assert path.read_text() == "token"
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert not path.exists()
    assert not path.parent.exists()


def test_no_user_can_take_the_place_of_the_file_among_the_temporary_ones_before_it_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    environ = {"COGNITO_FEDERATION_CACHE_DIR": "/dev/null/cache"}
    with TokenFile("token", environ) as file:
        taken = Path(file.path).parent
    taken.write_text("of another user")  # under each name that was seen once
    (tmp_path / f"cognito-federation-{os.geteuid()}").symlink_to("/")
    with TokenFile("token", environ) as file:
        assert Path(file.path).read_text() == "token"


def test_what_killed_commands_have_left_among_the_temporary_files_is_removed_after_an_hour(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    environ = {"COGNITO_FEDERATION_CACHE_DIR": "/dev/null/cache"}
    with TokenFile("in use", environ) as used, TokenFile("left", environ) as left:
        os.close(left._descriptor)  # as the end of its process does
        young, abandoned = tmp_path / "cognito-federation-endpoint-young", Path(left.path).parent
        young.mkdir()
        for path in (abandoned, Path(used.path).parent):
            os.utime(path, (0, 0))
        with TokenFile("new", environ):
            assert not abandoned.exists()
            assert young.exists()
            assert Path(used.path).read_text() == "in use"
        left._descriptor = os.open(os.devnull, os.O_RDONLY)
