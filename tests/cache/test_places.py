"""Where data is stored: with any umask, in another user's directory, without a home, in a log that others can read."""

from __future__ import annotations

import copy
import json
import os
import stat
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from botocore_cognito_federation._fast_path import CacheQuery, _open_lock, read_answer
from botocore_cognito_federation._util import files
from botocore_cognito_federation._util.files import make_private_directories, read_regular_file
from botocore_cognito_federation._util.urls import certificates_fault
from botocore_cognito_federation.cache.answers import _write
from botocore_cognito_federation.cache.base import CREDENTIALS, SECRETS, SESSIONS
from botocore_cognito_federation.cache.file import FileStore
from botocore_cognito_federation.demo.serve import find_executable
from botocore_cognito_federation.errors import StorageError
from tests.home import Home, Result, finished

pytestmark = pytest.mark.thorough

OTHER = 65534
POOL = "eu-west-1:11111111-1111-4111-8111-111111111111"
root_only = pytest.mark.skipif(os.name == "nt" or os.geteuid() != 0, reason="only root can give a file to another user")
ASK = ("credential-process", "--profile", "demo")


def with_umask(home: Home, umask: int, *words: str, **changes: str | None) -> Result:
    process = subprocess.Popen(
        [find_executable(), *words],
        env=home.environment(**changes),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=home.path,
        umask=umask,
    )
    return finished(process)


def modes(directory: Path) -> dict[str, str]:
    """Return the mode of each directory and file that is not as required."""
    return {
        str(path): oct(mode)
        for path in (directory, *directory.rglob("*"))
        if (mode := stat.S_IMODE(path.lstat().st_mode)) != (0o700 if path.is_dir() else 0o600)
    }


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o777])
def test_every_directory_on_the_way_to_the_cache_is_0700_and_stored_data_is_found_again(
    home: Home, tmp_path: Path, umask: int
) -> None:
    elsewhere = {"COGNITO_FEDERATION_CACHE_DIR": str(tmp_path / "new" / "aws" / "cache")}
    first = with_umask(home, umask, *ASK, **elsewhere)
    assert first.key
    assert with_umask(home, umask, *ASK, **elsewhere) == first
    assert home.spent == (1, 1)
    assert modes(tmp_path / "new") == {}


@pytest.mark.parametrize("umask", [0o000, 0o777])
def test_the_warm_path_makes_its_directories_and_its_lock_private_itself(tmp_path: Path, umask: int) -> None:
    query = CacheQuery("demo", {"COGNITO_FEDERATION_CACHE_DIR": str(tmp_path / "cache")})
    before = os.umask(umask)
    try:
        lock = _open_lock(query)
    finally:
        os.umask(before)
    assert lock is not None
    os.close(lock)
    assert sorted(path.name for path in tmp_path.rglob("*")) == sorted(
        ["cache", "answers", Path(query.path).name + ".lock"]
    )
    assert modes(tmp_path / "cache") == {}


@pytest.mark.parametrize("umask", [0o000, 0o777])
def test_configure_makes_the_directory_of_the_config_file_0700(home: Home, tmp_path: Path, umask: int) -> None:
    config = tmp_path / "fresh" / "aws" / "config"
    done = with_umask(
        home,
        umask,
        *(
            "configure",
            "--profile",
            "dev",
            "--identity-pool-id",
            POOL,
        ),
        *("--provider", "guest", "--command", find_executable(), "--offline", "--no-input"),
        AWS_CONFIG_FILE=str(config),
    )
    assert done.code == 0, done
    assert modes(tmp_path / "fresh") == {}


@root_only
def test_root_makes_nothing_in_the_cache_of_another_user_and_says_so(home: Home) -> None:
    home.ask()
    for path in (home.path / ".aws", home.cache, *home.cache.rglob("*")):
        os.chown(path, OTHER, OTHER)
    for path in (home.cache / "answers").iterdir():
        path.unlink()  # the lock too, which root would make again
    before = sorted(home.cache.rglob("*"))
    assert home.ask().code == 0  # commands that need no sign-in still work, once in each process
    assert sorted(home.cache.rglob("*")) == before
    assert all(path.lstat().st_uid == OTHER for path in home.cache.rglob("*"))
    status = home.run("status", "--profile", "demo")
    assert f"is not a directory of this user: it belongs to user {OTHER}, and this is user 0" in status.out.decode()
    assert "the next use gets them" not in status.out.decode()


@root_only
def test_root_makes_no_cache_in_the_home_of_another_user(home: Home) -> None:
    os.chown(home.path / ".aws", OTHER, OTHER)
    assert home.ask().key
    assert not home.cache.exists()
    assert "root creates nothing in" in home.run("status", "--profile", "demo").out.decode()


@root_only
@pytest.mark.parametrize("what", ["configuration", "debug log"])
def test_root_makes_no_file_in_a_directory_of_another_user(home: Home, tmp_path: Path, what: str) -> None:
    place = tmp_path / "of another user"
    place.mkdir()
    os.chown(place, OTHER, OTHER)
    if what == "debug log":
        said = home.ask(COGNITO_FEDERATION_DEBUG=str(place / "log")).refused(8)
    else:
        words = ("configure", "--profile", "q", "--no-input", "--offline", "--set", "token_env=T")
        pool = ("--identity-pool-id", home.world.pool_id, "--command", find_executable())
        done = home.run(*words, *pool, AWS_CONFIG_FILE=str(place / "config"))
        assert done.code == 8
        said = done.err.decode()
    assert "root creates nothing in" in said
    assert list(place.iterdir()) == []


@pytest.mark.skipif(os.name == "nt", reason="file modes are POSIX's")
def test_a_file_that_takes_the_place_of_a_temporary_one_gets_neither_its_mode_nor_its_owner(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret, config = tmp_path / "secret", tmp_path / "config"
    for path, mode in ((secret, 0o600), (config, 0o644)):
        path.touch()
        path.chmod(mode)
    like = config.stat()
    create = files._create

    def created_and_exchanged(path: str, *arguments: object, **options: object) -> None:
        create(path, *arguments, **options)
        os.unlink(path)
        os.symlink(secret, path)

    monkeypatch.setattr(files, "_create", created_and_exchanged)
    changed: list[str] = []
    for name in ("chmod", "chown"):
        monkeypatch.setattr(os, name, lambda path, *_: changed.append(path))
    files.replace_file(str(config), b"", like=like)
    assert changed == []
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600


@root_only
@pytest.mark.parametrize("kind", [SESSIONS, SECRETS])
def test_a_sign_in_of_another_user_is_an_error_with_that_reason_and_not_a_missing_sign_in(
    tmp_path: Path, kind: str
) -> None:
    store = FileStore(str(tmp_path / "cache"))
    store.write(kind, "k", {"who": "ada"})
    os.chown(tmp_path / "cache" / kind / "k.json", OTHER, OTHER)
    with pytest.raises(StorageError, match=f"belongs to user {OTHER}, and this is user 0"):
        store.read(kind, "k")


def owners_and_changes(place: str) -> dict[Path, tuple[int, int, int]]:
    return {path: ((s := path.lstat()).st_uid, s.st_mode, s.st_mtime_ns) for path in Path(place).rglob("*")}


def as_other_user(call: Callable[[], object]) -> str:
    """Return what a call says in a process of another user: the line of its error, or its result."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setresgid(OTHER, OTHER, OTHER)
            os.setresuid(OTHER, OTHER, OTHER)
            said = repr(call())
        except StorageError as error:
            said = error.line
        except BaseException as error:
            said = repr(error)
        os.write(write, said.encode())
        os._exit(0)
    os.close(write)
    with open(read, encoding="utf-8") as said_there:
        found = said_there.read()
    os.waitpid(child, 0)
    return found


@root_only
@pytest.mark.parametrize("mode", [0o700, 0o755, 0o777])
def test_another_user_gets_and_changes_nothing_in_roots_cache_and_learns_whose_it_is(mode: int) -> None:
    with tempfile.TemporaryDirectory() as place:  # pytest's own directories let no other user in
        os.chmod(place, 0o755)
        store = FileStore(os.path.join(place, "cache"))
        for kind in (SESSIONS, CREDENTIALS):
            store.write(kind, "k", {"who": "ada"})
        for path in Path(place, "cache").rglob("*"):
            path.chmod(mode if path.is_dir() else mode & 0o666)
        os.chmod(store.directory, mode)
        before = owners_and_changes(place)
        whose = f"belongs to user 0, and this is user {OTHER}"
        assert whose in as_other_user(lambda: store.read(SESSIONS, "k"))
        assert as_other_user(lambda: store.read(CREDENTIALS, "k")) == "None"
        for change in (lambda: store.write(CREDENTIALS, "k", {}), lambda: store.lock("k", timeout=0).__enter__()):
            assert whose in as_other_user(change)
        assert owners_and_changes(place) == before


@root_only
def test_files_that_root_has_left_in_the_cache_and_as_certificates_are_named_to_their_user() -> None:
    with tempfile.TemporaryDirectory() as place:
        certificates = os.path.join(place, "ca.pem")
        Path(certificates).touch(0o600)
        store = FileStore(os.path.join(place, "cache"))
        for kind in (SESSIONS, CREDENTIALS):
            store.write(kind, "k", {"who": "ada"})
        query = CacheQuery("demo", {"COGNITO_FEDERATION_CACHE_DIR": store.directory})
        _write(query, "", (0.0, 0.0, 0.0), "failure", 7, "text")
        for path in (
            place,
            store.directory,
            *(f"{store.directory}/{kind}" for kind in (SESSIONS, CREDENTIALS, "answers")),
        ):
            os.chown(path, OTHER, OTHER)
        before = owners_and_changes(place)
        assert f"{SESSIONS}/k.json cannot be read: Permission denied" in as_other_user(
            lambda: store.read(SESSIONS, "k")
        )
        assert as_other_user(lambda: store.read(CREDENTIALS, "k")) == "None"
        assert "belongs to another user" in as_other_user(lambda: store.write(CREDENTIALS, "k", {}))
        assert as_other_user(lambda: read_answer(query)) == "None"
        said = as_other_user(lambda: certificates_fault(certificates, {"AWS_CA_BUNDLE": certificates}))
        assert "ca.pem (AWS_CA_BUNDLE) cannot be read: Permission denied" in said
        left = {path: found for path, found in owners_and_changes(place).items() if path in before and path.is_file()}
        assert left.items() <= before.items()


@root_only
def test_a_directory_of_answers_that_root_has_left_is_named_by_doctor_and_status(home: Home) -> None:
    home.ask()
    os.chown(home.cache / "answers", OTHER, OTHER)
    for words in (("doctor", "--profile", "demo", "--offline"), ("status", "--profile", "demo")):
        said = home.run(*words).out.decode()
        assert f"{home.cache / 'answers'} is not a directory of this user" in said, words
    home.forget_answers()
    home.ask()
    assert "No answer can be cached" in home.run("status", "--profile", "demo").out.decode()


def test_a_cache_directory_that_depends_on_the_working_directory_is_refused(home: Home) -> None:
    line = home.ask(COGNITO_FEDERATION_CACHE_DIR="cache").refused(4)
    assert "COGNITO_FEDERATION_CACHE_DIR is 'cache'" in line
    assert "absolute path" in line
    assert not (home.path / "cache").exists()


def test_the_warm_path_reads_and_makes_nothing_in_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A repository might hold an answer that is whole."""
    monkeypatch.chdir(tmp_path)
    query = CacheQuery("demo", {"COGNITO_FEDERATION_CACHE_DIR": "cache"})
    planted = copy.copy(query)
    planted.directory, planted.path = str(tmp_path / "cache"), str(tmp_path / query.path)
    _write(planted, "", (0.0, 1e11, 1e11), "credentials", 0, "text")
    assert read_answer(planted) is not None
    assert read_answer(query) is None
    assert _open_lock(query) is None
    assert len(list((tmp_path / "cache" / "answers").iterdir())) == 1


WITHOUT_HOME = """
    import os, pwd
    os.environ.pop("HOME")
    def unknown(_): raise KeyError("no such user")
    pwd.getpwuid = unknown
    import sys
    sys.argv[1:] = {words!r}
    from botocore_cognito_federation.__main__ import main
    main()
"""


@pytest.mark.skipif(os.name == "nt", reason="there is no passwd database")
@pytest.mark.parametrize("words", [ASK, ("status", "--profile", "demo"), ("cache", "path")])
def test_without_home_and_passwd_entry_both_remedies_are_named_and_nothing_is_made(
    home: Home, words: tuple[str, ...]
) -> None:
    variables = {"AWS_CONFIG_FILE": str(home.config)}
    program = WITHOUT_HOME.format(words=list(words))
    done = home.python(program, COGNITO_FEDERATION_CACHE_DIR=None, **variables)
    assert "Set HOME, or set COGNITO_FEDERATION_CACHE_DIR" in done.refused(4)
    assert not (home.path / "~").exists()
    fixed = home.python(program, COGNITO_FEDERATION_CACHE_DIR=str(home.cache), **variables)
    assert fixed.code == 0


@pytest.mark.skipif(os.name == "nt", reason="there is no passwd database")
def test_without_home_and_configuration_file_a_missing_profile_is_said_to_have_no_place(home: Home) -> None:
    done = home.python(WITHOUT_HOME.format(words=["whoami", "--profile", "demo"]), AWS_CONFIG_FILE=None)
    assert "Set HOME, or set AWS_CONFIG_FILE" in done.refused(4)


@pytest.mark.skipif(os.name == "nt", reason="there is no passwd database")
def test_without_home_configure_writes_no_file_called_tilde(home: Home) -> None:
    words = ["configure", "--profile", "dev", "--provider", "guest", "--offline"]
    words += ["--identity-pool-id", home.world.pool_id, "--command", find_executable(), "--no-input"]
    places = {"COGNITO_FEDERATION_CACHE_DIR": str(home.cache), "AWS_CONFIG_FILE": None}
    done = home.python(WITHOUT_HOME.format(words=words), **places)
    assert done.code != 0
    assert b"HOME" in done.err
    assert not (home.path / "~").exists()


@pytest.mark.skipif(os.name == "nt", reason="there is no passwd database")
@pytest.mark.parametrize("words", [ASK, ("login", "--session", "shared")])
def test_without_home_no_configuration_is_read_from_the_working_directory(home: Home, words: tuple[str, ...]) -> None:
    """Who has made that directory would name a program to run, or the host to which a login token is sent."""
    ran, planted = home.path / "ran", home.path / "~" / ".aws"
    planted.mkdir(parents=True)
    config = home.config.read_text() + f"cognito_token_command = touch {ran}\n[cognito-session shared]\n"
    (planted / "config").write_text(config.replace("cognito_token_file", "#"))
    places: dict[str, str | None] = {"COGNITO_FEDERATION_CACHE_DIR": str(home.cache), "AWS_CONFIG_FILE": None}
    done = home.python(WITHOUT_HOME.format(words=list(words)), **places)
    assert "~/.aws/config is a file in the current directory, which is not used. Set HOME" in done.refused(4)
    assert not ran.exists()
    (planted / "config").rename(planted / "credentials")
    places |= {"AWS_CONFIG_FILE": str(home.config), "AWS_SHARED_CREDENTIALS_FILE": None}
    home.section("cognito-session shared", cognito_provider="guest")
    assert "~/.aws/credentials is a file in the current" in home.python(
        WITHOUT_HOME.format(words=list(words)), **places
    ).refused(4)


@pytest.mark.skipif(os.name == "nt", reason="there is no passwd database")
def test_without_home_no_login_token_is_read_from_the_working_directory(home: Home) -> None:
    planted = home.path / "~"
    planted.mkdir()
    (planted / "token").write_text(home.token.read_text())
    home.profile("away", cognito_token_file="~/token")
    program = WITHOUT_HOME.format(words=["credential-process", "--profile", "away"])
    places = {"COGNITO_FEDERATION_CACHE_DIR": str(home.cache), "AWS_CONFIG_FILE": str(home.config)}
    assert "~/token is in a home directory that there is not. Set HOME" in home.python(program, **places).refused(4)
    for name in ("key", "log"):
        (planted / name).write_text("")
        (planted / name).chmod(0o600)
    with pytest.raises(FileNotFoundError, match="there is no such home directory"):
        read_regular_file("~/key")
    log = {"COGNITO_FEDERATION_DEBUG": "~/log"}
    assert "there is no such home directory" in home.python(program, **places, **log).refused(8)
    assert (planted / "log").read_bytes() == b""


@root_only
def test_a_debug_log_of_another_user_is_refused_in_one_line_and_never_written(home: Home, tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("")
    log.chmod(0o666)
    os.chown(log, OTHER, OTHER)
    assert "belongs to another user" in home.ask(COGNITO_FEDERATION_DEBUG=str(log)).refused(8)
    assert log.read_bytes() == b""


@pytest.mark.parametrize("mode", [0o644, 0o660, 0o606])
def test_a_debug_log_that_others_can_open_is_refused_in_one_line_and_never_written(
    home: Home, tmp_path: Path, mode: int
) -> None:
    log = tmp_path / "log"
    log.write_text("")
    log.chmod(mode)
    line = home.ask(COGNITO_FEDERATION_DEBUG=str(log)).refused(8)
    assert f"{log} is open to other users" in line
    assert f"chmod 600 {log}" in line
    assert log.read_bytes() == b""


@pytest.mark.skipif(os.name == "nt", reason="links are POSIX's")
def test_a_debug_log_is_not_written_through_a_link(home: Home, tmp_path: Path) -> None:
    target, log = tmp_path / "target", tmp_path / "log"
    target.touch(0o600)
    log.symlink_to(target)
    assert "cannot be opened" in home.ask(COGNITO_FEDERATION_DEBUG=str(log)).refused(8)
    assert target.read_bytes() == b""


@pytest.mark.parametrize("umask", [0o000, 0o777])
def test_a_debug_log_that_is_made_is_private_whatever_the_umask(home: Home, tmp_path: Path, umask: int) -> None:
    log = tmp_path / "log"
    for _ in range(2):
        assert with_umask(home, umask, *ASK, COGNITO_FEDERATION_DEBUG=str(log)).code == 0
    assert stat.S_IMODE(log.stat().st_mode) == 0o600
    assert log.read_bytes()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no device that is full")
@pytest.mark.parametrize(
    "words", [("export", "--profile", "demo"), ("status", "--profile", "demo"), ("cache", "path"), ASK]
)
@pytest.mark.parametrize("target", [">/dev/full", ">&-"])
def test_what_cannot_be_printed_ends_with_an_error(home: Home, words: tuple[str, ...], target: str) -> None:
    done = subprocess.run(
        ["sh", "-c", f'exec "$@" {target}', "sh", find_executable(), *words],
        env=home.environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    assert done.returncode not in (0, 120)
    assert b"Traceback" not in done.stderr


def test_the_leftovers_of_killed_writes_are_removed_for_every_kind(tmp_path: Path) -> None:
    store = FileStore(str(tmp_path / "cache"))
    kinds = ("sessions", "secrets", "links", "generations", "keyring", "identities", "credentials", "answers", "notes")
    leftovers = []
    for kind in (*kinds, "."):
        place = tmp_path / "cache" / kind
        make_private_directories(str(place))
        old, young = place / "k.json.tmp-0123456789ab", place / "k.json.tmp-ba9876543210"
        for path in (old, young):
            path.write_text("TOPSECRET")
        os.utime(old, (time.time() - 7200, time.time() - 7200))
        leftovers += [(old, young)]
    store.write(SESSIONS, "k", {"who": "ada"})
    os.utime(tmp_path / "cache" / "sessions" / "k.json", (1, 1))
    store.write(CREDENTIALS, "k", {})
    assert [(old.exists(), young.exists()) for old, young in leftovers] == [(False, True)] * len(leftovers)
    assert store.read(SESSIONS, "k") == {"who": "ada"}


def test_a_lock_names_the_process_that_holds_it_and_no_other(tmp_path: Path) -> None:
    store = FileStore(str(tmp_path / "cache"))
    with store.lock("k", timeout=0) as taken:
        assert taken
        assert store.holder("k").startswith(f"Process {os.getpid()} (")
        assert [name for name, _ in store.holders()] == ["k"]
        (file,) = (tmp_path / "cache" / "locks").glob("*.holder")
        described = file.read_text()
    assert store.holder("k") == "Another process"
    pid, start, *rest = described.split(" ")
    for foreign in (f"{pid} {int(start) + 1} {' '.join(rest)}", "999999999 1 2 x", "", "x", json.dumps({}), "1 " * 9):
        file.write_text(foreign)
        assert store.holder("k") == "Another process"
