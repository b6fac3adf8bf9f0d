"""The value of ``credential_process`` that starts this program, in the quickest way that works everywhere.

The line starts Python with ``-I``. A helper is started with the environment of its caller, and what ``PYTHONPATH``,
``PYTHONHOME`` or the current directory hold there is meant for another program. Where the script
``cognito-federation-credentials`` is installed, it is started, with ``-S``: it runs `site` only when it has to.

AWS documents double quotes around a path with spaces, and the SDKs read them differently (aws-sdk-go-v2#3208,
aws-sdk-net#4413, aws-tools-for-powershell#393). A path that needs none works everywhere.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence

from .._util.installation import frozen_executable
from ..errors import ConfigurationError

_PLAIN = re.compile(r"(?:[A-Za-z]:)?[A-Za-z0-9_./\\+@~-]+\Z")
_PLAIN_NAME = re.compile(r"[A-Za-z0-9_.+@-]+\Z")
_NAME = "cognito-federation"
#: The script that needs no `site` to hand out what is ready. It has no launcher on Windows: Python is given its path.
_QUICK_NAME = "cognito-federation-credentials"
_MODULE = "botocore_cognito_federation"
#: From the strictest on: ``-I`` has no user site either, where the package may be installed; ``-E`` has.
_ISOLATIONS = (("-I",), ("-E",))
#: What pip and uv write into a script whose interpreter cannot stand in its first line.
_STARTED_BY_SHELL = re.compile(r"""#!/bin/sh\n'{3}exec' ["']?(/[^"'\n]+?)["']? "\$0" "\$@"\n""")
#: Runs a script as Python does, and then looks whether the interpreter finds the package without it.
_TRIAL_OF_SCRIPT = f"""
import importlib.util, runpy, sys
del sys.argv[0]
try:
    runpy.run_path(sys.argv[0], run_name="__main__")
except SystemExit as end:
    if end.code:
        raise
del sys.modules["{_MODULE}"]
sys.exit(importlib.util.find_spec("{_MODULE}") is None)
"""
#: Seconds for a program to say its version.
_PROBE_TIME = 30.0


def helper_command(profile: str, executable: str | None = None) -> str:
    """The value of ``credential_process`` for a profile.

    Args:
        executable: path of the program, or a whole command such as ``/opt/venv/bin/python -I -m
            botocore_cognito_federation``; default is the program that runs, or the one beside this Python, or on the
            PATH: the quicker script beside it where there is one, started by its own interpreter with ``-I``.

    Raises:
        ConfigurationError: there is none, or its path or the profile's name needs quotes.
    """
    check_profile_name(profile)
    return " ".join([*helper_words(executable), "credential-process", "--profile", profile])


def helper_words(executable: str | None = None) -> list[str]:
    """The words of `helper_command` that start the program, for several profiles at once: each way in is tried out.

    Args:
        executable: see `helper_command`.

    Raises:
        ConfigurationError: there is no program, or its path needs quotes.
    """
    return _given(executable) if executable is not None else _found()


def check_profile_name(profile: str) -> None:
    """Refuse the name of a profile that ``credential_process`` cannot hold as it is.

    Raises:
        ConfigurationError: it needs quotes.
    """
    if not _PLAIN_NAME.match(profile):
        raise ConfigurationError(
            f"The profile name {profile!r} would need quotes in credential_process, which SDKs read differently",
            remedy="Use letters, digits and . _ + @ - in the name",
        )


def starts_this_program(command: str) -> bool:
    """Whether a ``credential_process`` starts this program."""
    words = command.replace('"', " ").split()
    programs = {re.split(r"[/\\]", word)[-1].removesuffix(".exe") for word in words}
    frozen = frozen_executable()
    is_this = frozen is not None and words[:1] == [frozen]
    named = _NAME in command or _MODULE in words
    return is_this or bool(programs & {_NAME, _QUICK_NAME}) or (named and "credential-process" in command)


def quicker(launcher: Sequence[str]) -> list[str] | None:
    """The words that start the quicker script of the installation that a line starts; None where none is quicker.

    A line that starts anything else first, or Python with options that this tool has never written, stays as it is.

    Args:
        launcher: the words of the line that start this program; the first is a path.
    """
    program, *options = launcher
    end = options[-2:] if options[-2:] == ["-m", _MODULE] else options[-1:]
    if not options:
        script, interpreter = program, _interpreter_for(program)
    else:
        of_python = os.path.basename(program).startswith("python")
        written = frozenset({"-I", "-E", "-S"}).issuperset(options[: -len(end)])
        script = os.path.join(os.path.dirname(program), _NAME) if len(end) == 2 else end[0]
        interpreter = program if of_python and written else None
    named = os.path.basename(script).removesuffix(".exe") in (_NAME, _QUICK_NAME)
    found = _quick(interpreter, script) if named and interpreter is not None else None
    return None if found == list(launcher) else found


def _given(command: str) -> list[str]:
    """The words of ``--command``: a path, or a program with its arguments."""
    program, *arguments = command.split()
    if not arguments or os.path.isfile(os.path.expanduser(command)):
        return _isolated(plain_path(command))
    if os.path.basename(program) == program:
        program = shutil.which(program) or program
    quoted = [word for word in arguments if not _PLAIN.match(word)]
    if quoted:
        raise _needs_quotes(quoted[0])
    return [plain_path(program), *arguments]


def _found() -> list[str]:
    frozen = frozen_executable()
    if frozen is not None:  # it is its own interpreter, and takes no option of Python's
        return [plain_path(frozen)]
    try:
        return _isolated(find_executable())
    except ConfigurationError:
        # No console script, as after ``pip install --target``: the package by its name, where that is enough.
        words = _first_that_runs(sys.executable, ["-m", _MODULE])
        if words is None:
            raise
        return words


def _isolated(program: str) -> list[str]:
    """The program started by its own interpreter with the caller's Python variables off, where that is possible."""
    interpreter = _interpreter_for(program)
    if interpreter is None:
        return [program]
    arguments = ["-m", _MODULE] if os.name == "nt" else [program]
    return _quick(interpreter, program) or _first_that_runs(interpreter, arguments) or [program]


def _quick(interpreter: str, program: str) -> list[str] | None:
    """The quicker script of the same installation, by the same Python; None where there is none that runs.

    The script finds the package beside itself. What it needs when no answer is ready is found by the interpreter, which
    must therefore find the package too: started with ``-I`` it does not look into the user's own packages.
    """
    if not _PLAIN.match(interpreter):
        return None
    for isolation in _ISOLATIONS:
        for script in _quick_scripts(program):
            options = [interpreter, *isolation, "-S"]
            if _says_version([*options, "-c", _TRIAL_OF_SCRIPT, script]):
                return [*options, script]
    return None


def _quick_scripts(program: str) -> Iterator[str]:
    """The quicker script beside the console script; where that is a link, as pipx and uv make one, beside its end."""
    for path in dict.fromkeys((os.path.abspath(program), os.path.realpath(program))):
        script = os.path.realpath(os.path.join(os.path.dirname(path), _QUICK_NAME))
        if os.path.isfile(script) and _PLAIN.match(script):
            yield script


def _interpreter_for(program: str) -> str | None:
    """The Python that runs a console script; None where that is not known."""
    if os.name != "nt":
        return _interpreter_of(program)
    beside = os.path.dirname(os.path.abspath(program)) == os.path.dirname(os.path.abspath(sys.executable))
    return sys.executable if beside else None


def _interpreter_of(script: str) -> str | None:
    """The Python that a script names; None where it is no Python script, or names no plain absolute path.

    Installers let /bin/sh start an interpreter whose path is longer than the 127 bytes of Linux, or has spaces.
    """
    with open(script, "rb") as stream:
        lines = [stream.readline(4096).decode("utf-8", "surrogateescape") for _ in range(2)]
    by_shell = _STARTED_BY_SHELL.match("".join(lines))
    words = [by_shell[1]] if by_shell else lines[0][2:].split() if lines[0].startswith("#!") else []
    if len(words) != 1 or "python" not in os.path.basename(words[0]) or not os.path.isabs(words[0]):
        return None
    return words[0]


def _first_that_runs(interpreter: str, arguments: list[str]) -> list[str] | None:
    """The strictest way in which the program starts; None where none does, or where a path needs quotes."""
    if not _PLAIN.match(interpreter):
        return None
    ways = ([interpreter, *isolation, *arguments] for isolation in _ISOLATIONS)
    return next(filter(_says_version, ways), None)


def _says_version(words: list[str]) -> bool:
    try:
        done = subprocess.run(
            [*words, "version"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_PROBE_TIME,
            check=False,
            cwd=os.path.abspath(os.sep),
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0 and bool(done.stdout.strip())


def find_executable(*, which: Callable[[str], str | None] = shutil.which, argv0: str | None = None) -> str:
    """The absolute path of the console script.

    Raises:
        ConfigurationError: it cannot be found, or every path to it needs quotes.
    """
    started = sys.argv[0] if argv0 is None else argv0
    suffix = ".exe" if os.name == "nt" else ""
    candidates = [
        started if os.path.basename(started).removesuffix(suffix).removesuffix(".pyz") == _NAME else "",
        os.path.join(os.path.dirname(sys.executable), _NAME + suffix),
        which(_NAME) or "",
    ]
    found = [os.path.abspath(path) for path in candidates if path and os.path.isfile(path)]
    plain = [path for path in found if _PLAIN.match(path)]
    if plain:
        return plain[0]
    if found:
        raise _needs_quotes(found[0])
    raise ConfigurationError(
        f"The program {_NAME} is found neither next to this Python nor on the PATH",
        remedy="Name it with --command PATH",
    )


def plain_path(path: str) -> str:
    """An absolute path that needs no quotes.

    Raises:
        ConfigurationError: it is not there, cannot be started, or needs quotes.
    """
    absolute = os.path.abspath(os.path.expanduser(path))
    if not os.path.isfile(absolute) or not os.access(absolute, os.X_OK):
        raise ConfigurationError(f"{absolute} is not a program that can be started", remedy="Change --command")
    if not _PLAIN.match(absolute):
        raise _needs_quotes(absolute)
    return absolute


def _needs_quotes(path: str) -> ConfigurationError:
    if os.name == "nt":
        way = f'Find its short name with: for %I in ("{path}") do @echo %~sI, and give that with --command'
    else:
        way = f"Make a link without spaces, such as: ln -s '{path}' /usr/local/bin/{_NAME}, and give it with --command"
    return ConfigurationError(
        f"The path {path!r} would need quotes in credential_process, which SDKs read differently", remedy=way
    )
