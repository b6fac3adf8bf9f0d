"""The warm path of ``credential-process``: an answer kept ready is printed at once.

This file imports only what the interpreter has imported already (`sys`, `time` and `posix`, which are built in, and
`os` where `site` has needed it), because a credential helper is started by every client of every SDK. Even ``from
__future__ import annotations`` would load a module: annotations that would be computed are strings. It answers when a
file under ``answers`` holds one for exactly this question; the first process that finds none takes the answer's lock
and goes the long way, the others wait here, importing nothing, for what it leaves: an answer or a failure.

An answer file is text, one field a line, so that it can be read without a parser:

    magic                       this format
    checksum                    of everything behind it, so that a changed byte makes the file a miss
    fingerprint                 of the configuration that produced it
    bindings                    the token source and the sign-out epoch it depends on
    issued refresh_at until     seconds since the epoch
    kind                        ``credentials``, ``failure`` or ``ask`` (nothing may be cached: ask each time)
    code                        exit status
    who identity                a digest of whose credentials they are, empty where nobody says; the identity ID
    text                        what to print: the JSON object, or the message
"""

import sys
from time import monotonic, sleep, time

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Mapping
elif "os" in sys.modules or "posix" not in sys.builtin_module_names:
    import os
else:
    # After ``python -S``: `os` would cost a fifth of a bare start, and `posix` has its calls.
    import posix as os

MAGIC = "botocore-cognito-federation answer 3"
#: Checksums are remainders by the largest prime of 128 bits: each byte counts, at each place, and nothing is imported.
_PRIME = 2**128 - 159
FIELD = "\x1f"
ENTRY = "\x1e"
#: What the name of a file ends in that holds the exit code of ``status --check``.
CHECK = ".check"

#: The profile whose credentials `exec` has given to this process.
EXEC_PROFILE = "COGNITO_FEDERATION_EXEC_PROFILE"
#: The chain of profiles whose commands lead to this process; see `check_profile_recursion`.
CHAIN_VARIABLE = "_COGNITO_FEDERATION_PROFILE_CHAIN"
#: Seconds between two looks of a process that waits. Each takes time of a processor from the one that is renewing.
_LONGEST_PAUSE = 0.05
#: Seconds to wait for the process that is renewing; SDKs end a helper after 60.
LOCK_TIMEOUT = 54.0
_CLOCK_STEP = 5.0
_END_OF_TIME = 1e12
_SECOND = 10**9
#: Nanoseconds after which a file's time of change says whether it was changed again; FAT counts in two seconds.
_SETTLED = 3 * _SECOND
# Not the region: an identity pool has its own, and STS is called in that of the profile.
_VARIABLES = (
    "AWS_CA_BUNDLE",
    "AWS_CONFIG_FILE",
    "AWS_DATA_PATH",
    "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
    "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_STS_REGIONAL_ENDPOINTS",
    "AWS_USE_DUALSTACK_ENDPOINT",
    "AWS_USE_FIPS_ENDPOINT",
)
_PREFIXES = ("COGNITO_FEDERATION_", "AWS_ENDPOINT_URL")
_DEFAULT_DIRECTORY = "~\\.aws\\cognito-federation" if sys.platform == "win32" else "~/.aws/cognito-federation"
_PATHS = ("COGNITO_FEDERATION_CACHE_DIR", "COGNITO_FEDERATION_DEBUG")


class CacheQuery:
    """Whose credentials are asked for, and everything outside the product that could change the answer.

    Attributes:
        profile: the profile's name.
        directory: where the product keeps its files.
        path: the answer file of this question.
        files: the configuration files and their states; see `configuration_files`.
        fingerprint: one line; an answer made under another one is none.
        asked_at: seconds since the epoch.
        environ: the variables in which it is asked.
    """

    def __init__(self, profile: "str | None", environ: "Mapping[str, str]") -> None:
        get = environ.get
        self.profile = profile or get("AWS_DEFAULT_PROFILE") or get("AWS_PROFILE") or get(EXEC_PROFILE) or "default"
        self.asked_at = time()
        self.files = config, shared, *states = configuration_files(environ)
        self.directory = cache_directory(environ)
        self.environ = environ
        chosen = [name for name in environ if name in _VARIABLES or name.startswith(_PREFIXES)]
        settings = [f"{name}={_shown(name, environ)}" for name in sorted(chosen)]
        name = FIELD.join((self.profile, config, shared, *settings))
        # No hash function is imported yet. The name only has to differ; the fingerprint is compared in full.
        number = int.from_bytes(name.encode("utf-8", "surrogateescape"), "little") % (2**127 - 1)
        self.path = _joined(self.directory, "answers", f"{number:032x}")
        self.fingerprint = FIELD.join((name, *states)).replace("\n", "\\n")


class CachedAnswer:
    """The content of an answer file; see the module's text for the fields.

    Raises:
        ValueError: the fields do not belong together.
    """

    __slots__ = ("bindings", "code", "issued", "kind", "refresh_at", "text", "until", "user")

    def __init__(self, bindings: str, times: str, kind: str, code: str, user: str, text: str) -> None:
        issued, refresh_at, until = times.split()
        self.issued, self.refresh_at, self.until = float(issued), float(refresh_at), float(until)
        self.bindings, self.kind, self.code, self.user, self.text = bindings, kind, int(code), user, text
        if (self.code == 0) != (kind == "credentials") or not self.issued - _CLOCK_STEP <= self.until < _END_OF_TIME:
            raise ValueError("an answer ends with status 0 if it is credentials, and at some time")

    def is_fresh(self, now: float) -> bool:
        """Whether it can be handed out with no thought of asking anew."""
        return self.issued - _CLOCK_STEP <= now < min(self.refresh_at, self.until) and self.kind != "ask"


def variables() -> "Mapping[str, str]":
    """The variables of this process: `os.environ`, or a copy where `os` is not imported yet."""
    if "os" in sys.modules:
        return sys.modules["os"].environ  # type: ignore[no-any-return]
    encoding = sys.getfilesystemencoding()
    return {
        str(name, encoding, "surrogateescape"): str(value, encoding, "surrogateescape")  # type: ignore[call-overload]
        for name, value in os.environ.items()  # of `posix`: bytes
    }


def expanded(path: str, environ: "Mapping[str, str] | None" = None) -> str:
    """A path as botocore expands it."""
    home = (environ or {}).get("HOME", "").rstrip("/")
    if path.startswith("~/") and home and sys.platform != "win32":
        path = home + path[1:]
    elif path.startswith("~"):
        from os.path import expanduser

        path = expanduser(path)
    if "$" in path or (sys.platform == "win32" and "%" in path):
        from os.path import expandvars

        path = expandvars(path)
    return path


def _joined(folder: str, *names: str) -> str:
    if sys.platform == "win32":
        from os.path import join

        return join(folder, *names)
    return "/".join((folder.rstrip("/") if folder.strip("/") else folder, *names))


def _is_absolute(path: str) -> bool:
    if sys.platform == "win32":
        from os.path import isabs

        return isabs(path)
    return path.startswith("/")


def configuration_files(environ: "Mapping[str, str]") -> "tuple[str, str, str, str]":
    """The paths of the two files that botocore reads, then the state of each."""
    config = expanded(environ.get("AWS_CONFIG_FILE") or "~/.aws/config", environ)
    shared = expanded(environ.get("AWS_SHARED_CREDENTIALS_FILE") or "~/.aws/credentials", environ)
    return config, shared, state_of_file(config), state_of_file(shared)


def cache_directory(environ: "Mapping[str, str]") -> str:
    """Where the product keeps its files: ``COGNITO_FEDERATION_CACHE_DIR``, else ``~/.aws/cognito-federation``."""
    return expanded(environ.get("COGNITO_FEDERATION_CACHE_DIR") or _DEFAULT_DIRECTORY, environ)


def state_of_file(path: str) -> str:
    """What tells a file from any later state of it; ``-`` where there is none."""
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return "-"
    state = f"{status.st_dev}.{status.st_ino}.{status.st_size}.{status.st_mtime_ns}.{status.st_ctime_ns}"
    changed = status.st_mtime_ns if sys.platform == "win32" else status.st_ctime_ns
    if changed % _SECOND == 0 and time() * _SECOND - changed < _SETTLED:
        # A file system that counts whole seconds shows two edits within one of them as one: such a state matches none.
        return f"{state}.{time()}"
    return state


def state_of_variable(name: str, environ: "Mapping[str, str] | None" = None) -> str:
    """A digest of a variable's value; ``-`` where it is not set. The value may be a token, so it is never kept."""
    value = (variables() if environ is None else environ).get(name)
    if value is None:
        return "-"
    try:
        from _sha2 import sha256  # type: ignore[import-not-found,unused-ignore]  # Python 3.12, without OpenSSL
    except ImportError:
        try:
            from _sha256 import sha256  # type: ignore[import-not-found,no-redef,unused-ignore]  # Python 3.10, 3.11
        except ImportError:
            from hashlib import sha256
    return str(sha256(value.encode("utf-8", "surrogateescape")).hexdigest())


def _shown(name: str, environ: "Mapping[str, str]") -> str:
    """A variable's value, or its digest where it may hold a secret: a URL with a password, or what is none of ours."""
    value = environ[name]
    plain = "@" not in value and "?" not in value if name.startswith("AWS_") else name in _PATHS
    return value if plain else state_of_variable(name, environ)


def bound(kind: str, name: str) -> str:
    """One binding with its present state, as an answer file keeps it."""
    return FIELD.join((kind, name, state_of_variable(name) if kind == "variable" else state_of_file(name)))


def bound_together(bindings: "Iterable[tuple[str, str]]") -> str:
    """Several bindings with their present states, as an answer file keeps them."""
    return ENTRY.join([bound(kind, name) for kind, name in bindings])


def still_bound(bindings: str) -> bool:
    """Whether everything an answer depends on is in the state it was in."""
    for entry in bindings.split(ENTRY):
        if entry:
            kind, _, rest = entry.partition(FIELD)
            if entry != bound(kind, rest.rpartition(FIELD)[0]):
                return False
    return True


def read_answer(query: CacheQuery, suffix: str = "") -> "CachedAnswer | None":
    """The answer kept for exactly this question, or None: no file, not ours, not private, damaged, or out of date.

    Args:
        suffix: `CHECK` for the answer to ``status --check``.
    """
    if not _is_absolute(query.path):
        return None  # nothing is read from the working directory; the store refuses the place, with the reason
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    try:
        descriptor = os.open(query.path + suffix, flags)
    except OSError:
        return None
    try:
        status = os.fstat(descriptor)
        if sys.platform != "win32" and (status.st_uid != os.geteuid() or status.st_mode & 0o177077 != 0o100000):
            return None
        content = os.read(descriptor, 1 << 20)
    except OSError:
        return None
    finally:
        os.close(descriptor)
    try:
        beginning, stored_checksum, rest = content.split(b"\n", 2)
        if beginning != MAGIC.encode() or stored_checksum != checksum(rest):
            return None
        fields = rest.decode(errors="surrogateescape").split("\n")
        fingerprint, bindings, times, kind, code, user, text, end = fields
        answer = CachedAnswer(bindings, times, kind, code, user, text)
    except ValueError:
        return None
    if fingerprint != query.fingerprint or end:
        return None
    return answer if still_bound(bindings) else None


def checksum(content: bytes) -> bytes:
    """What changes with each byte of an answer file."""
    return b"%032x" % (int.from_bytes(content, "little") % _PRIME)


def write_all(descriptor: int, data: bytes) -> bool:
    """Write to a pipe that may be slow, full or non-blocking; False when its reader has gone."""
    while data:
        try:
            data = data[os.write(descriptor, data) :]
        except BlockingIOError:
            sleep(0.005)
        except OSError:
            return False
    return True


def exit_with(code: int, text: str) -> None:
    """Print the object on stdout, or the message on stderr, and end the process with nothing left to flush."""
    if code:  # a message, perhaps read back from a file: a terminal would take its control characters for commands
        text = "".join(c if c.isprintable() else " " for c in text[:4000])
    written = write_all(2 if code else 1, f"{text}\n".encode("utf-8", "surrogateescape"))
    os._exit(code if written else code or 1)


def fail(query: CacheQuery, code: int, text: str) -> None:
    """End the process with a failure, or with what ``cognito_fail_closed`` puts in its place."""
    from .fail_closed import answer_in_place_of

    instead = answer_in_place_of(code, query.profile, query.files[0], query.environ)
    exit_with(0 if instead else code, instead or text)


def _finish_with(query: CacheQuery, answer: CachedAnswer) -> None:
    if answer.code:
        fail(query, answer.code, answer.text)
    exit_with(0, answer.text)


def occupy_standard_streams() -> None:
    """Fill what is closed of stdin, stdout and stderr, so that no lock, file or socket of ours becomes one of them.

    Credentials would be written into it. What fills a place takes no writing: its reader has gone.
    """
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open("nul" if sys.platform == "win32" else "/dev/null", os.O_RDONLY)


def _exit_if_answered(query: CacheQuery) -> "CachedAnswer | None":
    """End the process where the kept answer is the answer; else give back what is kept."""
    answer = read_answer(query)
    if answer is None:
        return None
    now = time()
    if answer.is_fresh(now):
        _finish_with(query, answer)
    if answer.kind == "failure" and query.asked_at <= answer.issued <= now + _CLOCK_STEP:
        # The attempt that failed ended after this process asked: it was its attempt too.
        _finish_with(query, answer)
    return answer


def exit_at_deadline(query: CacheQuery) -> None:
    """End a process that has no time left with what still lives, or a failure that says to try again.

    No other limit holds against a server that sends its answer byte by byte.
    """
    answer = read_answer(query)
    if answer is not None and _is_usable(answer):
        exit_with(0, answer.text)
    fail(query, 7, "No answer came in time. Check the network and try again")


def _is_usable(answer: "CachedAnswer | None") -> bool:
    return answer is not None and answer.kind == "credentials" and answer.issued - _CLOCK_STEP <= time() < answer.until


def exit_if_checked(query: CacheQuery) -> None:
    """End ``status --check`` where what is kept says whether the next use needs a sign-in."""
    if _is_usable(read_answer(query)):
        os._exit(0)
    checked = read_answer(query, CHECK)
    if checked is not None and checked.is_fresh(time()):
        os._exit(checked.code)


def _open_lock(query: CacheQuery) -> "int | None":
    """The lock file of the answer, or None where there can be none.

    Nothing is made in a place of another user, who could not use it any more: root's lock file would stand there.
    """
    if not _is_absolute(query.path):
        return None
    try:
        for place in (query.directory, _joined(query.directory, "answers")):
            if not _is_own_place(place):
                return None
        descriptor = os.open(f"{query.path}.lock", os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600)
        if sys.platform != "win32" and os.fstat(descriptor).st_mode & 0o777 != 0o600:
            os.fchmod(descriptor, 0o600)
    except OSError:
        return None
    return descriptor


def _is_own_place(path: str) -> bool:
    """Make a directory unless it is there; whether it belongs to this user, as the store demands it too."""
    from os.path import dirname, isdir, lexists

    if not hasattr(os, "geteuid"):
        if not isdir(path):
            os.mkdir(path)
        return True
    me = os.geteuid()
    if not lexists(path):
        if me == 0 and os.stat(dirname(path)).st_uid != 0:
            return False
        try:
            os.mkdir(path, 0o700)
            os.chmod(path, 0o700)  # the umask may take rights from the owner too
        except FileExistsError:
            pass
    return os.lstat(path).st_uid == os.stat(path).st_uid == me


def _try_lock(descriptor: int) -> bool:
    """Whether this process holds the lock now; so it does where the file system has no locks."""
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    except OSError:
        # ENOLCK, ENOSYS, EOPNOTSUPP: some network file systems. Waiting would end in nothing.
        return sys.platform != "win32"
    return True


def _wait_for_lock(query: CacheQuery) -> "int | None":
    """Return with the answer's lock as the one who renews; everybody else ends here with what that one leaves.

    A shared lock would not do: when the first renewal fails, the waiting ones keep each other out for ever.
    """
    lock = _open_lock(query)
    if lock is None:
        return None
    pause = 0.008 + os.getpid() % 8 / 1000
    deadline = monotonic() + LOCK_TIMEOUT
    while not _try_lock(lock):
        answer = _exit_if_answered(query)
        if answer is not None and _is_usable(answer):
            exit_with(0, answer.text)
        if answer is not None and answer.kind == "ask":
            return None
        if monotonic() > deadline:
            from .messages import holder_words

            holder = holder_words(os.pread(lock, 200, 1) if hasattr(os, "pread") else b"")
            fail(query, 8, f"{holder} has been renewing these credentials for too long. Try again, or end that process")
        sleep(pause)
        pause = min(1.5 * pause, _LONGEST_PAUSE)
    _exit_if_answered(query)
    _leave_name(lock)
    return lock


def _leave_name(lock: int) -> None:
    """Say in the lock file who holds it; behind the byte that is locked, which Windows lets no process read."""
    from .messages import lock_holder  # this process goes the long way, and imports it there anyway

    try:
        os.ftruncate(lock, 0)
        os.write(lock, b" " + lock_holder())
    except OSError:
        pass  # without space for a name, the message says "Another process"


def _asked_by_itself(query: CacheQuery) -> bool:
    """Whether what this process would wait for waits for this process; `check_profile_recursion` refuses it."""
    return query.profile in query.environ.get(CHAIN_VARIABLE, "").split(FIELD)


def answer_or_wait_for_lock(query: CacheQuery) -> None:
    """End the process with the answer kept ready; where there is none, return as the one who gets it."""
    cached = _exit_if_answered(query)
    if (cached is None or cached.kind != "ask") and not _asked_by_itself(query):
        _wait_for_lock(query)
