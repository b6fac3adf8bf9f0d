"""A child process that gets credentials: its environment, signals and exit code."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Any

from .._util.processes import environment_without_chain
from ..config.keys import KEYS
from ..credentials import FederatedCredentials

if TYPE_CHECKING:
    from botocore.session import Session

#: Variables that make some AWS client use other credentials than the ones in the environment of the child.
OVERRIDING_VARIABLES = (
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_SECURITY_TOKEN",  # botocore's older name for the same variable
    "AWS_TOKEN",  # an alias in Rust's object_store
    "AWS_ACCESS_KEY",  # read by SDKs for Java and Go
    "AWS_SECRET_KEY",
    "AWS_CREDENTIAL_EXPIRATION",
    "AWS_ACCOUNT_ID",  # belongs to the keys
    "AWS_BEARER_TOKEN_BEDROCK",  # sent to Amazon Bedrock instead of a signature, whatever keys there are
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_ROLE_ARN",
    "AWS_ROLE_SESSION_NAME",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
    "AWS_CREDENTIAL_FILE",  # read by boto
    "BOTO_CONFIG",
)

_OF_A_PROFILE = (
    "aws_access_key_id",
    "credential_process",
    "login_session",
    "role_arn",
    "sso_account_id",
    "sso_session",
    "sso_start_url",
    "web_identity_token_file",
)


def base_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Return an environment without any variable that would override or replace the credentials added to it.

    The variables of this package go too: they describe a profile that the program no longer uses. The role of the
    machine is switched off, because some SDKs fall back to it when the credentials they were given cannot be refreshed.
    """
    own = {key.variable for key in KEYS.values()}
    dropped = {*OVERRIDING_VARIABLES, *own}
    if os.name == "nt":
        dropped = {name.upper() for name in dropped}
    left = {name: value for name, value in environment_without_chain(environ).items() if name not in dropped}
    return {**left, "AWS_EC2_METADATA_DISABLED": "true"}


def region_variables(region: str | None) -> dict[str, str]:
    """Return the region under both names: the SDKs read the first, botocore the second."""
    return {"AWS_REGION": region, "AWS_DEFAULT_REGION": region} if region else {}


def credential_variables(credentials: FederatedCredentials, region: str | None) -> dict[str, str]:
    """Return the variables from which every AWS client reads credentials; a client cannot refresh them."""
    variables = {
        "AWS_ACCESS_KEY_ID": credentials.access_key,
        "AWS_SECRET_ACCESS_KEY": credentials.secret_key,
        "AWS_SESSION_TOKEN": credentials.token,
        "AWS_CREDENTIAL_EXPIRATION": f"{credentials.expiration:%Y-%m-%dT%H:%M:%SZ}",
    }
    if credentials.account_id:
        variables["AWS_ACCOUNT_ID"] = credentials.account_id
    return {**variables, **region_variables(region)}


def default_profile_has_credentials(session: Session) -> bool:
    """Return whether clients without a profile find credentials in ``[default]`` before they ask a container endpoint.

    Args:
        session: any botocore session; its configuration files count.
    """
    full_config: Mapping[str, Any] = session.full_config
    section = full_config.get("profiles", {}).get("default", {})
    return any(name in section for name in _OF_A_PROFILE) or any(name.startswith("cognito_") for name in section)


NOT_EXECUTABLE = 126
NOT_FOUND = 127

#: Signals passed on to the program. A terminal sends the first two to all its foreground processes by itself.
_OF_TERMINALS = ("SIGINT", "SIGQUIT")
_FORWARDED = (*_OF_TERMINALS, "SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGBREAK")


def launch_failure(error: OSError) -> tuple[int, str]:
    """Return a shell's exit code for a program that did not start, and the reason."""
    if isinstance(error, FileNotFoundError):
        return NOT_FOUND, "there is no such program"
    return NOT_EXECUTABLE, (error.strerror or type(error).__name__).lower()


def replace_by(argv: Sequence[str], environ: Mapping[str, str]) -> int:
    """Replace this process by the program; only on Windows, run it as a child and return its exit code.

    Raises:
        OSError: the program cannot be started.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    if os.name == "nt":
        return run_as_child(argv, environ)
    with _usual_signals():
        os.execvpe(argv[0], list(argv), dict(environ))  # noqa: S606 - no shell in between is intended


def run_as_child(argv: Sequence[str], environ: Mapping[str, str]) -> int:
    """Run the program as a child that gets this process's signals; return its exit code, or 128 plus its signal.

    Raises:
        OSError: the program cannot be started.
    """
    with forwarded_signals() as run:
        return run(argv, environ)


@contextmanager
def forwarded_signals() -> Iterator[Callable[[Sequence[str], Mapping[str, str]], int]]:
    """Keep forwarded signals from ending this process; yields a function that works like `run_as_child`.

    For callers that have to clean up after the program, however it ends.
    """
    with _Forwarding() as forwarding:

        def run(argv: Sequence[str], environ: Mapping[str, str]) -> int:
            program = _found(argv[0], environ)
            # Other descriptors stay open, as in a replaced process (the jobserver of make, for example); ours close on
            # exec.
            child = subprocess.Popen([program, *argv[1:]], env=dict(environ), close_fds=os.name == "nt")
            forwarding.to(child)
            code = child.wait()
            return code if code >= 0 else 128 - code

        yield run


def _found(name: str, environ: Mapping[str, str]) -> str:
    """Find the program like `os.execvpe`; on Windows also with the extensions of executables."""
    if os.name != "nt":
        return name
    import shutil

    return shutil.which(name, path=environ.get("PATH")) or name


@contextmanager
def _usual_signals() -> Iterator[None]:
    """Undo Python's signal settings: with SIGPIPE ignored, the program would survive its closed pipe."""
    changed = [number for name in ("SIGPIPE", "SIGXFSZ") if (number := getattr(signal, name, None)) is not None]
    before = {number: signal.signal(number, signal.SIG_DFL) for number in changed}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _Forwarding:
    """Inside ``with``, passes signals to a child; signals that came before the child started are not lost."""

    def __init__(self) -> None:
        self._child: subprocess.Popen[bytes] | None = None
        self._early: list[int] = []
        self._before: dict[int, object] = {}

    def __enter__(self) -> _Forwarding:
        for name in _FORWARDED:
            number = getattr(signal, name, None)
            # An ignored signal (nohup) stays ignored, in the child too.
            if number is not None and signal.getsignal(number) != signal.SIG_IGN:
                self._before[number] = signal.signal(number, self._received)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]  # restores what signal.signal returned

    def to(self, child: subprocess.Popen[bytes]) -> None:
        self._child = child
        for number in self._early:
            _send(child, number)

    def _received(self, number: int, frame: FrameType | None) -> None:
        if signal.Signals(number).name in _OF_TERMINALS and _in_foreground():
            return
        if self._child is None:
            self._early.append(number)
        else:
            _send(self._child, number)


def _send(child: subprocess.Popen[bytes], number: int) -> None:
    with contextlib.suppress(OSError, ValueError):
        child.send_signal(number)


def _in_foreground() -> bool:
    """Return whether a terminal has sent its signal to the child as well: it signals the whole foreground group."""
    if os.name == "nt":
        return True  # a console signals all its processes
    for descriptor in (0, 1, 2):
        with contextlib.suppress(OSError):
            return os.tcgetpgrp(descriptor) == os.getpgrp()
    return False
