"""Login tokens on this machine: in a file, in a variable, or printed by a command."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, BinaryIO

from ..errors import ConfigurationError, SettingNames, TemporaryError, TokenRefreshError
from ..login_token import LoginToken, decoded, parse_output
from .base import (
    Binding,
    Now,
    RefreshContext,
    SourceContext,
    SourceDeclaration,
)

if TYPE_CHECKING:
    from ..config.settings import Settings

#: More than the longest token in JSON needs; a larger file is something else.
_MOST_BYTES = 1 << 20
#: The path is wrong, and waiting does not fix that; ENXIO is a socket.
_WRONG_PATH = frozenset({errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.ENXIO, errno.EINVAL})


def path_of(configured: str) -> str:
    """Return the path of the token file: ``~`` and ``$NAME`` are expanded, as botocore does for its own paths."""
    return os.path.expanduser(os.path.expandvars(configured))


def variables_of(configured: str) -> tuple[str, ...]:
    """Return the variables on which the path of the token file depends: another value means another file."""
    names = [bare or braced for bare, braced in re.findall(r"\$(?:(\w+)|\{([^}]*)\})", configured, re.ASCII)]
    if configured.startswith("~"):
        names.append("USERPROFILE" if os.name == "nt" else "HOME")
    return tuple(dict.fromkeys(names))


class FileTokenProvider:
    """``cognito_token_file``."""

    def __init__(self, path: str, *, field: str | None, clock: Now, name: str = "cognito_token_file") -> None:
        self._path = path_of(path)
        self._name = name
        self._field = field
        self._clock = clock

    @property
    def description(self) -> str:
        return f"{self._name} {self._path}"

    def _other_path(self) -> str:
        return f"Unset {self._name}" if self._name.isupper() else f"Correct {self._name}"

    def fetch(self, context: RefreshContext) -> LoginToken:
        raw = self._read()
        text = decoded(raw, source=self.description)
        return parse_output(text, source=self.description, field=self._field, now=self._clock())

    def _read(self) -> bytes:
        if self._path.startswith("~"):  # it would lead into whatever directory is the current one
            raise ConfigurationError(
                f"{self.description} is in a home directory that there is not",
                remedy="Set HOME, or write the path without ~",
            )
        try:
            # Non-blocking: a pipe in place of the file must not block the caller.
            descriptor = os.open(self._path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0))
        except FileNotFoundError:
            raise ConfigurationError(
                f"{self.description} does not exist",
                remedy=f"{self._other_path()}, or check what should write the file",
            ) from None
        except PermissionError:
            raise ConfigurationError(
                f"{self.description} cannot be read by this user", remedy="Give this user read permission"
            ) from None
        except OSError as error:
            kind = ConfigurationError if error.errno in _WRONG_PATH else TemporaryError
            raise kind(f"{self.description} cannot be opened: {error.strerror}") from None
        try:
            with _opened(descriptor) as file:
                raw = file.read(_MOST_BYTES + 1)
        except IsADirectoryError:
            raise ConfigurationError(f"{self.description} is a directory", remedy="Name the file in it") from None
        except OSError as error:
            raise TemporaryError(f"{self.description} cannot be read: {error.strerror}") from None
        if raw is None or len(raw) > _MOST_BYTES:
            raise TokenRefreshError(
                f"{self.description} is not a file that holds a login token", remedy="Name the file that does"
            )
        return raw


def _opened(descriptor: int) -> BinaryIO:
    """Open a descriptor as a file; close it if that is impossible (a directory)."""
    with contextlib.ExitStack() as undo:
        undo.callback(os.close, descriptor)
        file = os.fdopen(descriptor, "rb")
        undo.pop_all()
    return file


def _open_file(settings: Settings, context: SourceContext) -> FileTokenProvider:
    return _file_source(settings, context.clock.now)


def _file_source(settings: Settings, clock: Now) -> FileTokenProvider:
    assert settings.token_file is not None, "selected by its key"
    name = f"{SettingNames.of(settings):token_file}" if settings.origins else "cognito_token_file"
    return FileTokenProvider(settings.token_file, field=settings.token_field, clock=clock, name=name)


def _file_bindings(settings: Settings) -> tuple[Binding, ...]:
    assert settings.token_file is not None, "selected by its key"
    variables = (Binding("variable", name) for name in variables_of(settings.token_file))
    return (Binding("file", path_of(settings.token_file)), *variables)


FILE = SourceDeclaration(
    "token_file",
    _open_file,
    lambda settings: f"Make the program that writes cognito_token_file {settings.token_file} renew it",
    options=("token_field",),
    bindings=_file_bindings,
    read=lambda settings, environ: _file_source(settings, time.time).fetch(RefreshContext()),
)


class EnvironmentTokenProvider:
    """``cognito_token_env``."""

    def __init__(
        self, name: str, *, field: str | None, environ: Mapping[str, str], clock: Now, key: str = "cognito_token_env"
    ) -> None:
        self._name = name
        self._key = key
        self._field = field
        self._environ = environ
        self._clock = clock

    @property
    def description(self) -> str:
        return f"Variable {self._name} ({self._key})"

    def fetch(self, context: RefreshContext) -> LoginToken:
        text = self._environ.get(self._name)
        if text is None:
            raise ConfigurationError(
                f"{self.description} is not set", remedy=f"Set {self._name} to a login token of the identity provider"
            )
        return parse_output(text, source=self.description, field=self._field, now=self._clock())


def _open_variable(settings: Settings, context: SourceContext) -> EnvironmentTokenProvider:
    return _variable_source(settings, context.environ, context.clock.now)


def _variable_source(settings: Settings, environ: Mapping[str, str], clock: Now) -> EnvironmentTokenProvider:
    assert settings.token_env is not None, "selected by its key"
    return EnvironmentTokenProvider(settings.token_env, field=settings.token_field, environ=environ, clock=clock)


VARIABLE = SourceDeclaration(
    "token_env",
    _open_variable,
    lambda settings: f"Set {settings.token_env} to a new token, or use a source that renews itself",
    options=("token_field",),
    bindings=lambda settings: (Binding("variable", str(settings.token_env)),),
    read=lambda settings, environ: _variable_source(settings, environ, time.time).fetch(RefreshContext()),
)


class CommandTokenProvider:
    """``cognito_token_command``."""

    def __init__(
        self,
        command: str,
        *,
        field: str | None,
        environ: Callable[[], Mapping[str, str]],
        clock: Now,
        time_limit: float | None = None,
        name: str = "cognito_token_command",
    ) -> None:
        self._command = command
        self._name = name
        self._field = field
        self._environ = environ
        self._clock = clock
        self._time_limit = time_limit

    @property
    def description(self) -> str:
        return self._name

    def fetch(self, context: RefreshContext) -> LoginToken:
        from .._util.processes import TIME_LIMIT, run_for_output

        limit = TIME_LIMIT if self._time_limit is None else self._time_limit
        raw = run_for_output(self._command, name=self.description, environ=self._environ(), time_limit=limit)
        source = f"The output of {self.description}"
        return parse_output(decoded(raw, source=source), source=source, field=self._field, now=self._clock())


def _open_command(settings: Settings, context: SourceContext) -> CommandTokenProvider:
    from .._util.processes import environment_for_children

    assert settings.token_command is not None, "selected by its key"
    return CommandTokenProvider(
        settings.token_command,
        field=settings.token_field,
        environ=partial(environment_for_children, context.environ, settings.profile),
        clock=context.clock.now,
    )


COMMAND = SourceDeclaration(
    "token_command",
    _open_command,
    lambda settings: "Make cognito_token_command print a new token",
    options=("token_field",),
    address_is_fixed=True,
)
