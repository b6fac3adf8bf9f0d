"""``credential_process`` as every SDK's parser takes it: an absolute path without spaces or quotes.

AWS documents double quotes around a path with spaces, and the SDKs read them differently (aws-sdk-go-v2#3208,
aws-sdk-net#4413, aws-tools-for-powershell#393). A path that needs none works everywhere.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Callable

from ..errors import ConfigurationError

_PLAIN = re.compile(r"(?:[A-Za-z]:)?[A-Za-z0-9_./\\+@~-]+\Z")
_PLAIN_NAME = re.compile(r"[A-Za-z0-9_.+@-]+\Z")
_NAME = "cognito-federation"


def helper_command(profile: str, executable: str | None = None) -> str:
    """The value of ``credential_process`` for a profile.

    Args:
        executable: path of the program; default is the one that runs, or the one beside this Python, or on the PATH.

    Raises:
        ConfigurationError: there is none, or its path or the profile's name needs quotes.
    """
    if not _PLAIN_NAME.match(profile):
        raise ConfigurationError(
            f"The profile name {profile!r} would need quotes in credential_process, which SDKs read differently",
            remedy="Use letters, digits and . _ + @ - in the name",
        )
    path = plain_path(executable) if executable is not None else find_executable()
    return f"{path} credential-process --profile {profile}"


def is_ours(command: str) -> bool:
    """Whether a ``credential_process`` starts this program."""
    words = command.replace('"', " ").split()
    program = re.split(r"[/\\]", words[0])[-1] if words else ""
    return program.removesuffix(".exe") == _NAME or (_NAME in command and "credential-process" in command)


def find_executable(*, which: Callable[[str], str | None] = shutil.which, argv0: str | None = None) -> str:
    """The absolute path of the console script.

    Raises:
        ConfigurationError: it cannot be found, or every path to it needs quotes.
    """
    started = sys.argv[0] if argv0 is None else argv0
    suffix = ".exe" if os.name == "nt" else ""
    candidates = [
        started if os.path.basename(started).removesuffix(".exe") == _NAME else "",
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
        f"The program {_NAME} is not found beside this Python nor on the PATH", remedy="Name it with --command PATH"
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
