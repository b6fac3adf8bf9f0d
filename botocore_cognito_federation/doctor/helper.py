"""Does what an SDK does with the ``credential_process`` of a profile: starts it, and reads the answer.

The line is split, started and read as `botocore.credentials.ProcessProvider` does it, from another directory and with
little more than ``HOME`` and ``PATH``. What keeps it from working is looked for first, without starting it.
"""

from __future__ import annotations

import contextlib
import glob
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import cache, partial

from botocore.compat import compat_shell_split
from botocore.utils import parse_timestamp

from .. import __version__
from .._util import installation
from .._util.processes import without_frozen_libraries
from ..cache import STORES
from ..config.configure import Files
from ..config.helper_line import helper_command, quicker, starts_this_program
from ..config.loader import known_config
from ..config.settings import Settings, profile_section
from ..errors import CognitoFederationError, ConfigurationError
from ..messages import printable, run_with_profile, span
from . import CheckContext, CheckResult, Fix

_CHECK = "credential_process"
_RUN = "helper run"
_COMMAND = "credential-process"
_SCRIPTS = ("cognito-federation", "cognito-federation-credentials")
#: Seconds for the helper to answer, and to say its version. SDKs end a helper after 60 s, or never.
_RUN_LIMIT = 30.0
_VERSION_LIMIT = 10.0
#: Variables that a program started by a service, an IDE or cron has too; further ones by their beginnings.
_BARE = frozenset({"HOME", "USERPROFILE", "PATH", "LANG", "TMPDIR", "TEMP", "SYSTEMROOT", "PATHEXT", "LD_PRELOAD"})
_BARE_BEGINNINGS = ("AWS_", "COGNITO_FEDERATION_", "LC_", "FAKETIME")
#: What names a proxy or certificates, in either case.
_NETWORK = frozenset({"http_proxy", "https_proxy", "all_proxy", "no_proxy", "requests_ca_bundle", "curl_ca_bundle"})
_NO_BROWSER = {"COGNITO_FEDERATION_AUTO_LOGIN": "never"}
#: Exit codes for which a variable that only this shell has can be the reason: a token command may need one.
_MAY_BE_OF_VARIABLES = frozenset({1, 4, 5})
#: The beginning of the key ID of credentials that cannot sign; see `fail_closed`.
_FAILED = "FAILED_"


@dataclass(frozen=True)
class HelperLine:
    """A ``credential_process`` in its parts.

    Attributes:
        program: the path of what is started.
        words: all words, the first as it is written.
        launcher: the words that start this program, before its own arguments.
        arguments: the words behind them.
    """

    program: str
    words: tuple[str, ...]
    launcher: tuple[str, ...]
    arguments: tuple[str, ...]

    @property
    def script(self) -> str | None:
        """The path of the console script; None for ``python -m``."""
        named = [word for word in self.launcher if _stem(word) in _SCRIPTS]
        if not named:
            return None
        return self.program if named[-1] == self.words[0] else named[-1]


def helper(context: CheckContext) -> Iterator[CheckResult]:
    """Check the line that SDKs start, as far as that goes without starting it; then start it."""
    profile = context.profile
    configure = run_with_profile(profile, "configure")
    command = known_config(Files.of(context.environ).config)["profiles"].get(profile, {}).get(_CHECK)
    fix = cache(partial(_new_line, profile))  # it starts a process, and a sound line needs no new one
    if command is None:
        what = (
            f"[{profile_section(profile)}] has no credential_process: only Python with install() uses the profile, "
            "and worker processes that start as new interpreters do not"
        )
        yield CheckResult(_CHECK, "warning", what, configure, fix=fix())
        return
    if not starts_this_program(str(command)):
        title, shown = f"[{profile_section(profile)}]", printable(str(command).partition(" ")[0], 200)
        remedy = f"Remove credential_process from {title} in {Files.of(context.environ).config}, then r{configure[1:]}"
        yield CheckResult(_CHECK, "error", f"{title} starts another helper ({shown})", remedy, 4)
        return
    try:
        line = _parsed(str(command), context.environ)
        yield from _static(line, context, configure, fix)
    except ConfigurationError as error:
        yield CheckResult(_CHECK, "error", error.what, error.remedy or configure, error.exit_code, fix())
        return
    why_not = _why_not_started(context)
    if why_not:
        yield CheckResult(_RUN, "skipped", f"The line was not started: {why_not}")
        return
    yield from _run(line, context, configure)


def _new_line(profile: str) -> Fix | None:
    try:
        return Fix(profile, {_CHECK: helper_command(profile)})
    except CognitoFederationError:
        return None


def _parsed(command: str, environ: Mapping[str, str]) -> HelperLine:
    """Split a line as botocore does and find the program that it starts.

    Raises:
        ConfigurationError: it cannot be split, or there is no such program.
    """
    try:
        words = tuple(compat_shell_split(command))
    except ValueError as error:
        raise ConfigurationError(f"The line cannot be split into words ({error})") from None
    first = words[0]
    path = first if os.path.dirname(first) else shutil.which(first, path=environ.get("PATH"))
    if path is None or not os.path.exists(path):
        why = "; SDKs expand neither ~ nor variables in it" if first.startswith("~") or "$" in first else ""
        raise ConfigurationError(f"{first} cannot be started: it is not there{why}")
    if not os.path.isfile(path) or not os.access(path, os.X_OK):
        raise ConfigurationError(f"{first} cannot be started: it is not a program that this user may run")
    ends = [number for number, word in enumerate(words) if _stem(word) in _SCRIPTS]
    ends += [number for number, word in enumerate(words) if word == "-m"][:1] and [words.index("-m") + 1]
    frozen = installation.frozen_executable()
    end = 0 if frozen and os.path.realpath(path) == os.path.realpath(frozen) else min(ends, default=0)
    return HelperLine(path, words, words[: end + 1], words[end + 1 :])


def _static(
    line: HelperLine, context: CheckContext, configure: str, fix: Callable[[], Fix | None]
) -> Iterator[CheckResult]:
    """What can be said of a line without starting it.

    Raises:
        ConfigurationError: it cannot work.
    """
    _check_arguments(line, context.profile)
    interpreter = _interpreter_of(line)
    _check_imports(line, interpreter)
    command = " ".join(line.words)
    if any(" " in word or "'" in word or '"' in word for word in line.words):
        what = "Its path needs quotes, which SDKs read differently"
        yield CheckResult(_CHECK, "warning", what, configure, fix=fix())
    if not os.path.isabs(line.words[0]):
        found_on = "this PATH" if not os.path.dirname(line.words[0]) else "this directory"
        what = f"{line.words[0]} is found on {found_on}, but programs started from elsewhere have another one"
        yield CheckResult(_CHECK, "warning", what, configure, fix=fix())
    faster = _quicker_line(line)
    if faster is not None:
        what = "It was written before there was a quicker line, which starts the same installation"
        yield CheckResult(_CHECK, "note", what, configure, fix=Fix(context.profile, {_CHECK: faster}))
    elif not any(word in ("-I", "-E") for word in line.launcher) and installation.frozen_executable() is None:
        what = "It does not start Python with -I, so PYTHONPATH of the program that calls can reach it"
        yield CheckResult(_CHECK, "note", what, configure, fix=fix())
    yield CheckResult(_CHECK, "ok", f"{printable(command, 200)} can be started")


def _quicker_line(line: HelperLine) -> str | None:
    """The line with the quicker script of the same installation and the same arguments; None where there is none."""
    if any(not word or set(word) & set(" \t\"'") for word in line.arguments):
        return None
    words = quicker([line.program, *line.launcher[1:]])
    return None if words is None else " ".join([*words, *line.arguments])


def _check_arguments(line: HelperLine, profile: str) -> None:
    """Make sure that the words behind the program ask for credentials of this profile, and for nothing else.

    Raises:
        ConfigurationError: they do not.
    """
    rest = [word for word in line.arguments if word != "--debug"]
    if not rest:
        raise ConfigurationError(f"The line names no command; SDKs need {_COMMAND} --profile {profile}")
    command, *rest = rest
    if command != _COMMAND:
        raise ConfigurationError(f"{command!r} is not the command that SDKs need: {_COMMAND}")
    named = None
    while rest:
        word = rest.pop(0)
        if word in ("--profile", "-p") and rest:
            named = rest.pop(0)
        elif word.startswith("--profile="):
            named = word.partition("=")[2]
        elif word.startswith(("#", ";")):
            raise ConfigurationError(
                f"What begins with {word[:1]} is no comment behind a value: the helper is handed it"
            )
        else:
            raise ConfigurationError(f"{_COMMAND} does not take {word!r}")
    if (named or "default") != profile:
        raise ConfigurationError(f"It asks for profile {named or 'default'!r}, not {profile!r}")


def _interpreter_of(line: HelperLine) -> str | None:
    """The Python that runs the line; None where that is not seen without starting it.

    Raises:
        ConfigurationError: the script or its Python is gone.
    """
    script = line.script
    if script is not None and script != line.program and not os.path.isfile(script):
        raise ConfigurationError(f"The script {script} is not there")
    if script != line.program:
        return line.program
    with open(script, "rb") as stream:
        first = stream.readline(4096)
    if not first.startswith(b"#!"):
        return None
    words = first[2:].decode("utf-8", "surrogateescape").split()
    if words and not os.path.exists(words[0]):
        raise ConfigurationError(f"The Python of {script} is gone: its first line names {words[0]}")
    return words[0] if len(words) == 1 and _stem(words[0]).startswith("python") else None


def _check_imports(line: HelperLine, interpreter: str | None) -> None:
    """Make sure that the environment of the helper has this package and what it needs.

    Raises:
        ConfigurationError: it has not.
    """
    path = _packages_of(interpreter)
    if path is None or interpreter is None:
        return
    if installation.version_in(path) is None:
        wanted = installation.pip_line([installation.DISTRIBUTION], interpreter)
        raise ConfigurationError(
            f"{installation.DISTRIBUTION} is not installed for {interpreter}", remedy=f"Run: {wanted}"
        )
    found = installation.flaws(path)
    if found:
        words = [word for flaw in found for word in flaw.pip_words]
        raise ConfigurationError(
            f"{interpreter} cannot run the helper: {found[0].what}",
            remedy=f"Run: {installation.pip_line(words, interpreter)}",
        )


def _packages_of(interpreter: str | None) -> list[str] | None:
    """Where a Python looks for packages; None where only that Python knows."""
    if interpreter is None:
        return None
    prefix = os.path.dirname(os.path.dirname(os.path.abspath(interpreter)))
    if os.path.realpath(interpreter) == os.path.realpath(sys.executable) and prefix == os.path.abspath(sys.prefix):
        return sys.path
    try:
        with open(os.path.join(prefix, "pyvenv.cfg"), encoding="utf-8") as file:
            settings = file.read().lower().replace(" ", "")
    except OSError:
        return None
    if "include-system-site-packages=true" in settings:
        return None
    return [*glob.glob(os.path.join(prefix, "lib*", "python*", "site-packages")), os.path.join(prefix, "Lib")]


def _why_not_started(context: CheckContext) -> str:
    """Why the line is not started; empty where it is."""
    if context.offline:
        return "with --offline, nothing is"
    if context.unreachable:
        return f"{context.unreachable[0]} does not answer, and the line would wait for it again"
    settings = context.settings
    if settings.is_guest and settings.identity_id is None and not STORES[settings.cache].outlives_process:
        return f"with cognito_cache = {settings.cache} each try would make a new guest identity"
    return ""


def _run(line: HelperLine, context: CheckContext, configure: str) -> Iterator[CheckResult]:
    environ = bare_environment(context.settings, context.environ)
    code, out, err = _output_of(line.words, environ, _RUN_LIMIT)
    if code in _MAY_BE_OF_VARIABLES and not set(context.environ) <= set(environ):
        whole = {**without_frozen_libraries(context.environ), **_NO_BROWSER}
        if _output_of(line.words, whole, _RUN_LIMIT)[0] == 0:
            what = "The line gives credentials with the variables of this shell, but not without them"
            remedy = f"Programs started elsewhere get: {_said(err)}"
            yield CheckResult(_RUN, "warning", what, remedy)
            return
    if code is None:
        what = f"Started as SDKs start it, the line has not answered within {span(_RUN_LIMIT)}"
        yield CheckResult(_RUN, "error", what, "SDKs end it after 60 s, or wait endlessly: see the other findings", 7)
        return
    if code:
        said = _said(err)
        what = f"Started as SDKs start it, the line ends with status {code}: {said}"
        # Statuses of this program come with a remedy of their own; others are those of a shell or of another program.
        own = 3 <= code <= 8 or "Run: " in said
        yield CheckResult(_RUN, "error", what, "" if own else configure, code if 1 <= code <= 8 else 4)
        return
    flaw = _flaw_of_answer(out)
    if flaw:
        yield CheckResult(_RUN, "error", f"Started as SDKs start it, the line {flaw}", configure, 4)
        return
    yield CheckResult(_RUN, "ok", "Started as SDKs start it, the line gives credentials")
    yield _installation(line, environ)


def _said(err: bytes) -> str:
    """The last line of stderr, which is the one line of a failure."""
    return printable(err.decode("utf-8", "replace").strip().rpartition("\n")[2], 600) or "nothing on stderr"


def bare_environment(settings: Settings, environ: Mapping[str, str]) -> dict[str, str]:
    """The variables of a program that no shell has prepared, and what AWS settings, proxies and token sources need.

    Nothing that is started with them opens a browser.
    """
    named = {settings.token_env, settings.client_secret_env, settings.token_headers_env, settings.subject_token_env}
    passed_on = {
        name: value
        for name, value in without_frozen_libraries(environ).items()
        if name.upper() in _BARE
        or name.startswith(_BARE_BEGINNINGS)
        or name.lower() in _NETWORK
        or name in ("SSL_CERT_FILE", "PYTHON_KEYRING_BACKEND", "DBUS_SESSION_BUS_ADDRESS")
        or name in named
    }
    passed_on.setdefault("PATH", os.defpath)
    return {**passed_on, **_NO_BROWSER}


def _output_of(words: Sequence[str], environ: Mapping[str, str], limit: float) -> tuple[int | None, bytes, bytes]:
    """Run a program from the root directory: its status (None where it was ended), stdout and stderr."""
    try:
        process = subprocess.Popen(
            list(words),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=dict(environ),
            cwd=os.path.abspath(os.sep),
            start_new_session=True,
        )
    except OSError as error:
        return 126, b"", (error.strerror or "it cannot be started").encode()
    try:
        out, err = process.communicate(timeout=limit)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(OSError):
            if os.name == "nt":
                process.kill()
            else:
                os.killpg(process.pid, signal.SIGKILL)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.communicate(timeout=1)
        return None, b"", b""
    return process.returncode, out, err


def _flaw_of_answer(out: bytes) -> str:
    """What botocore would refuse in an answer; empty where it takes it. Nothing of the answer is shown."""
    try:
        answer = json.loads(out.decode("utf-8"))
    except ValueError:
        return "prints something that is not one JSON object" if out.strip() else "prints nothing"
    if not isinstance(answer, dict) or answer.get("Version") != 1:
        return "prints JSON without Version 1"
    missing = [name for name in ("AccessKeyId", "SecretAccessKey") if not isinstance(answer.get(name), str)]
    if missing:
        return f"prints JSON without {' and '.join(missing)}"
    if answer["AccessKeyId"].startswith(_FAILED):
        return f"fails, and answers for cognito_fail_closed: {printable(answer['AccessKeyId'], 100)}"
    expiration = answer.get("Expiration")
    try:
        ends = parse_timestamp(expiration) if expiration is not None else None
    except (ValueError, TypeError, OverflowError):
        return "prints an Expiration that is not a time"
    if ends is not None and ends.tzinfo is not None and ends <= datetime.now(timezone.utc):
        return "prints credentials that have expired"
    return ""


def _installation(line: HelperLine, environ: Mapping[str, str]) -> CheckResult:
    """Which installation answered."""
    code, out, _ = _output_of((*line.launcher, "version"), environ, _VERSION_LIMIT)
    said = printable(out.decode("utf-8", "replace"), 120)
    words = said.split()
    if code or len(words) < 2:
        return CheckResult("installation", "note", f"{line.program} does not say its version")
    where = line.script or line.program
    if words[1] != __version__:
        what = f"Another installation answers: {where} is {said}; this is {__version__} of {sys.prefix}"
        return CheckResult("installation", "warning", what, "Update the older one, or run configure from this one")
    interpreter = _interpreter_of(line)
    prefix = os.path.dirname(os.path.dirname(os.path.abspath(interpreter))) if interpreter else sys.prefix
    if prefix != os.path.abspath(sys.prefix):
        what = f"Another installation answers: {where} is {said}, and this command is of {sys.prefix}"
        return CheckResult("installation", "note", what)
    return CheckResult("installation", "ok", f"{where} answers: {said}")


def _stem(word: str) -> str:
    return os.path.basename(word.replace("\\", "/")).removesuffix(".exe")
