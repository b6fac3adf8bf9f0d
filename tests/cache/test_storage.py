"""The files: after a kill at any step, on a full or read-only disk, damaged, open to others, of another user."""

from __future__ import annotations

import errno
import json
import os
import shutil
import stat
import subprocess

import pytest

from botocore_cognito_federation.cache.base import CREDENTIALS, NOTES, SESSIONS
from botocore_cognito_federation.cache.file import FileStore
from botocore_cognito_federation.demo.serve import find_executable
from botocore_cognito_federation.errors import StorageError
from tests.home import Home, Result, rewritten
from tests.stopping import POINTS, stop

pytestmark = pytest.mark.thorough

PROFILE = ("credential-process", "--profile", "demo")

#: Where to kill, and what the next process may use: nothing once the credentials are in place.
STEPS = {
    "lock.taken": (1, 1),
    "token.obtained": (1, 1),
    "write.begun@1": (1, 1),
    "write.written@1": (1, 1),
    "write.replaced@1": (0, 1),
    "exchange.done": (0, 1),
    "write.begun@2": (0, 1),
    "write.written@2": (0, 1),
    "write.replaced@2": (0, 0),
    "credentials.stored": (0, 0),
    "write.begun@4": (0, 0),
    "write.written@4": (0, 0),
    "write.replaced@4": (0, 0),
}


def test_every_point_of_this_way_is_tried():
    # A session is written only during a sign-in.
    assert {step.partition("@")[0] for step in STEPS} == POINTS - {"sessions.replaced"}


@pytest.mark.parametrize("step", STEPS)
def test_killed_at_any_step_the_next_process_works_and_spends_at_most_once_more(inside, step):
    killed = inside.run(*PROFILE, **stop(step, "kill"))
    assert (killed.code, killed.out, killed.err) == (-9, b"", b"")
    inside.world.reset_journal()
    credentials = inside.federation().credentials()
    assert inside.spent == STEPS[step]
    assert inside.ask().key == credentials.access_key
    assert inside.spent == STEPS[step]


def test_killed_while_renewing_usable_credentials_the_old_ones_are_still_there(inside):
    first = inside.federation().credentials()
    inside.age(seconds_left=600)
    assert inside.run(*PROFILE, **stop("write.written@1", "kill")).code == -9
    inside.world.fault("GetCredentialsForIdentity", times=9, code="TooManyRequestsException", message="Rate exceeded")
    assert inside.ask().key == first.access_key


@pytest.mark.parametrize("point", ["write.begun", "write.written"])
def test_on_a_full_disk_credentials_are_returned_and_cached_ones_not_lost(inside, point):
    assert inside.run(*PROFILE, **stop(point, "ENOSPC")).key
    assert inside.documents("credentials") == []
    first = inside.ask().key
    inside.age(seconds_left=600)
    (populated,) = inside.documents("credentials")
    before = populated.read_bytes()
    assert inside.run(*PROFILE, **stop(point, "ENOSPC")).key != first
    assert populated.read_bytes() == before
    assert not list(inside.cache.rglob("*.tmp-*"))


def in_read_only(home: Home, *words: str) -> Result:
    """Run with a read-only cache directory: by its mode, or by its own mount if root would ignore the mode."""
    command = [find_executable(), *words]
    if os.geteuid() == 0:
        if shutil.which("unshare") is None:
            pytest.skip("root ignores modes, and there is no unshare to mount the directory read-only")
        script = 'mount --bind "$0" "$0" && mount -o remount,ro,bind "$0" && exec "$@"'
        probe = subprocess.run(["unshare", "-m", "sh", "-c", script, home.cache, "true"], capture_output=True)
        if probe.returncode:
            pytest.skip("root ignores modes, and may not mount here")
        command = ["unshare", "-m", "sh", "-c", script, str(home.cache), *command]
    else:
        for path in (home.cache, *home.cache.rglob("*")):
            path.chmod(0o500 if path.is_dir() else 0o400)
    done = subprocess.run(command, env=home.environment(), stdin=subprocess.DEVNULL, capture_output=True, check=False)
    if os.geteuid() != 0:
        for path in (home.cache, *home.cache.rglob("*")):
            path.chmod(0o700 if path.is_dir() else 0o600)
    return Result(done.returncode, done.stdout, done.stderr)


def test_in_a_read_only_directory_warm_and_cold_calls_work(home):
    home.cache.mkdir(mode=0o700)
    first = in_read_only(home, *PROFILE).key
    assert list(home.cache.iterdir()) == []
    second = home.ask().key
    assert second != first
    assert in_read_only(home, *PROFILE).key == second
    home.age(seconds_left=600)
    assert in_read_only(home, *PROFILE).key not in (first, second)


def test_in_a_read_only_directory_usable_credentials_survive_a_failure(home):
    first = home.ask().key
    home.age(seconds_left=600)
    home.world.fault("GetCredentialsForIdentity", times=9, code="InternalErrorException", status=500)
    assert in_read_only(home, *PROFILE).key == first


@pytest.fixture
def populated(inside: Home) -> Home:
    inside.federation().credentials()
    inside.world.reset_journal()
    return inside


def cached_file(home: Home):
    (path,) = home.documents("credentials")
    return path


def notes(home: Home) -> str:
    return "\n".join(str(document["text"]) for _, document in FileStore(str(home.cache)).documents(NOTES))


DAMAGES = {
    "empty": lambda text: b"",
    "torn": lambda text: text[: len(text) // 2],
    "binary": lambda text: os.urandom(300),
    "not an object": lambda text: b"[1, 2]",
    "of a future version": lambda text: text.replace(b'"format":2', b'"format":3'),
    "nested without end": lambda text: b"[" * 100_000,
    "far too long": lambda text: text + b" " * (5 << 20),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_document_is_a_miss_noted_and_written_afresh(populated, damage):
    path = cached_file(populated)
    path.write_bytes(DAMAGES[damage](path.read_bytes()))
    populated.federation().credentials()
    assert populated.spent == (0, 1)
    assert path.name in notes(populated)
    populated.federation().credentials()
    assert populated.spent == (0, 1)


@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo, lambda path: os.symlink("/etc/passwd", path)])
def test_something_else_in_place_of_a_document_is_a_miss(populated, make):
    path = cached_file(populated)
    path.unlink()
    make(path)
    assert populated.federation().credentials()
    assert populated.spent == (0, 1)


def test_a_link_in_place_of_a_document_is_replaced_and_not_followed(populated, tmp_path):
    path = cached_file(populated)
    target = tmp_path / "target"
    target.write_text("of somebody")
    path.unlink()
    path.symlink_to(target)
    populated.federation().credentials()
    assert not path.is_symlink()
    assert target.read_text() == "of somebody"


def test_files_are_0600_in_directories_0700_whatever_the_umask(home):
    before = os.umask(0)
    try:
        home.ask()
    finally:
        os.umask(before)
    for path in (home.cache, *home.cache.rglob("*")):
        mode = stat.S_IMODE(path.stat().st_mode)
        assert mode == (0o700 if path.is_dir() else 0o600), path


def test_a_file_that_others_can_read_is_made_private_and_noted(populated):
    path = cached_file(populated)
    path.chmod(0o644)
    populated.cache.chmod(0o755)
    populated.federation().credentials()
    populated.age(seconds_left=-1)
    populated.federation().credentials()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(populated.cache.stat().st_mode) == 0o700
    assert "was open to other users" in notes(populated)
    assert "was open to other users" in populated.run("status", "--profile", "demo").out.decode()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to somebody else")
def test_a_document_of_another_user_is_a_miss_and_never_overwritten(populated):
    path = cached_file(populated)
    os.chown(path, 65534, 65534)
    before = path.read_bytes()
    assert populated.federation().credentials()
    assert path.read_bytes() == before
    assert path.stat().st_uid == 65534


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory to somebody else")
def test_a_directory_of_another_user_is_not_used(populated):
    os.chown(populated.cache, 65534, 65534)
    populated.token.write_text(populated.world.provider.issue("bob"))
    before = sorted(populated.cache.rglob("*.json"))
    assert populated.ask().key
    assert sorted(populated.cache.rglob("*.json")) == before
    with pytest.raises(StorageError):
        FileStore(str(populated.cache)).write(CREDENTIALS, "x", {})


def test_a_file_where_the_directory_should_be_is_survived(home):
    home.cache.write_text("")
    assert home.ask().key


def test_a_successor_is_stored_where_there_is_room_to_write_and_none_to_rename(tmp_path, monkeypatch):
    """So it is on btrfs with little left of a quota; what was stored before is spent by then."""
    store = FileStore(str(tmp_path / "cache"))
    store.write(SESSIONS, "a" * 64, {"n": 1, "text": "first" * 100})

    def refused(source, target, **more):
        raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT), target)

    with store.reserved(SESSIONS, "a" * 64, {"n": 1}) as write:
        monkeypatch.setattr(os, "replace", refused)
        write({"n": 2})
    assert store.read(SESSIONS, "a" * 64) == {"n": 2}
    assert [path.suffix for path in (tmp_path / "cache" / "sessions").iterdir()] == [".json"]


def test_cache_list_and_status_survive_damage(populated):
    path = cached_file(populated)
    rewritten(path, expires_at="soon")
    for words in (("status", "--profile", "demo"), ("cache", "list"), ("status", "--all")):
        done = populated.run(*words)
        assert (done.code, done.err) == (0, b""), words


def test_cache_list_and_status_show_no_secret_and_no_control_characters(home):
    home.world.write_token(home.path, email="ada\x1b[31m@example.com")
    home.ask()
    document = json.loads(cached_file(home).read_text())
    for words in (("status", "--profile", "demo"), ("status", "--all", "--json"), ("cache", "list")):
        done = home.run(*words)
        assert done.code == 0
        assert b"\x1b" not in done.out
        assert b"example.com" in done.out
        for secret in ("access_key", "secret_key", "token"):
            assert document[secret].encode() not in done.out + done.err


@pytest.mark.skipif(os.name == "nt", reason="there is no such limit to set")
def test_a_process_that_can_open_no_file_takes_nothing_for_missing(tmp_path):
    import resource

    store = FileStore(str(tmp_path / "cache"))
    store.write(SESSIONS, "k", {"who": "ada"})
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest = os.open(os.devnull, os.O_RDONLY)
    os.close(lowest)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, hard))
    try:
        with pytest.raises(StorageError, match="ulimit -n"):
            store.read(SESSIONS, "k")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert store.read(SESSIONS, "k")["who"] == "ada"


def test_something_else_in_place_of_a_lock_is_named_with_its_remedy(tmp_path):
    store = FileStore(str(tmp_path / "cache"))
    with store.lock("k", timeout=0) as taken:
        assert taken
    lock = tmp_path / "cache" / "locks" / "k.lock"
    lock.unlink(missing_ok=True)
    lock.mkdir()
    with pytest.raises(StorageError, match="Remove what stands there"), store.lock("k", timeout=0):
        pass
    lock.rmdir()
    with store.lock("k", timeout=0) as taken:
        assert taken
