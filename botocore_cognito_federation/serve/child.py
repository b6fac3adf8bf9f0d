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

#: What makes some AWS client or other use credentials that are not the ones handed over.
SHADOWS = (
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_SECURITY_TOKEN",  # botocore's older name of the same
    "AWS_TOKEN",  # Rust's object_store takes it for the same
    "AWS_ACCESS_KEY",  # read by SDKs for Java and Go
    "AWS_SECRET_KEY",
    "AWS_CREDENTIAL_EXPIRATION",
    "AWS_ACCOUNT_ID",  # goes with the keys
    "AWS_BEARER_TOKEN_BEDROCK",  # sent to Amazon Bedrock in place of a signature, whatever keys there are
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_ROLE_ARN",
    "AWS_ROLE_SESSION_NAME",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
    "AWS_CREDENTIAL_FILE",  # boto's
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
    """An environment in which nothing takes precedence over what is added to it, or comes in its place when it fails.

    Our own configuration variables go too: they were about a profile that the program no longer has. The role of the
    machine is switched off: some SDKs go on to it when the credentials they were given cannot be renewed.
    """
    ours = {key.variable for key in KEYS.values()}
    dropped = {*SHADOWS, *ours}
    if os.name == "nt":
        dropped = {name.upper() for name in dropped}
    left = {name: value for name, value in environment_without_chain(environ).items() if name not in dropped}
    return {**left, "AWS_EC2_METADATA_DISABLED": "true"}


def region_variables(region: str | None) -> dict[str, str]:
    """Both spellings: the SDKs read the first, botocore the second."""
    return {"AWS_REGION": region, "AWS_DEFAULT_REGION": region} if region else {}


def credential_variables(credentials: FederatedCredentials, region: str | None) -> dict[str, str]:
    """Credentials as every AWS client takes them from its environment; they cannot renew themselves there."""
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
    """Whether clients without a profile find credentials in ``[default]``, before they ask a container endpoint.

    Args:
        session: any botocore session; its configuration files count.
    """
    full_config: Mapping[str, Any] = session.full_config
    section = full_config.get("profiles", {}).get("default", {})
    return any(name in section for name in _OF_A_PROFILE) or any(name.startswith("cognito_") for name in section)


NOT_EXECUTABLE = 126
NOT_FOUND = 127

#: Passed on to the program. A terminal sends the first two to all its foreground processes by itself.
_OF_TERMINALS = ("SIGINT", "SIGQUIT")
_FORWARDED = (*_OF_TERMINALS, "SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGBREAK")


def launch_failure(error: OSError) -> tuple[int, str]:
    """The exit code of a shell for a program that did not start, and why."""
    if isinstance(error, FileNotFoundError):
        return NOT_FOUND, "there is no such program"
    return NOT_EXECUTABLE, (error.strerror or type(error).__name__).lower()


def replace_by(argv: Sequence[str], environ: Mapping[str, str]) -> int:
    """Become the program; returns, with its exit code, only where processes cannot be replaced (Windows).

    Raises:
        OSError: it cannot be started.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    if os.name == "nt":
        return run_beside(argv, environ)
    with _usual_signals():
        os.execvpe(argv[0], list(argv), dict(environ))  # noqa: S606 - the point of it: no shell in between


def run_beside(argv: Sequence[str], environ: Mapping[str, str]) -> int:
    """Run the program as a child that gets our signals; its exit code, or 128 and the signal that ended it.

    Raises:
        OSError: it cannot be started.
    """
    with forwarded_signals() as run:
        return run(argv, environ)


@contextmanager
def forwarded_signals() -> Iterator[Callable[[Sequence[str], Mapping[str, str]], int]]:
    """Let no signal that can be forwarded end this process; gives what `run_beside` does.

    For what has to be cleaned up after the program, however it is made to end.
    """
    with _Forwarding() as forwarding:

        def run(argv: Sequence[str], environ: Mapping[str, str]) -> int:
            program = _found(argv[0], environ)
            # Descriptors stay open, as for a replaced process (a jobserver of make, say); all of ours close on exec.
            child = subprocess.Popen([program, *argv[1:]], env=dict(environ), close_fds=os.name == "nt")
            forwarding.to(child)
            code = child.wait()
            return code if code >= 0 else 128 - code

        yield run


def _found(name: str, environ: Mapping[str, str]) -> str:
    """The program as `os.execvpe` finds it; on Windows with the extensions that make a program."""
    if os.name != "nt":
        return name
    import shutil

    return shutil.which(name, path=environ.get("PATH")) or name


@contextmanager
def _usual_signals() -> Iterator[None]:
    """Undo what Python changed: ignored signals stay ignored in the program, which then survives its closed pipe."""
    changed = [number for name in ("SIGPIPE", "SIGXFSZ") if (number := getattr(signal, name, None)) is not None]
    before = {number: signal.signal(number, signal.SIG_DFL) for number in changed}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _Forwarding:
    """While it lasts, signals to us go to a child; those that came before there was one are not lost."""

    def __init__(self) -> None:
        self._child: subprocess.Popen[bytes] | None = None
        self._early: list[int] = []
        self._before: dict[int, object] = {}

    def __enter__(self) -> _Forwarding:
        for name in _FORWARDED:
            number = getattr(signal, name, None)
            # What is ignored (nohup) stays ignored, in the child too.
            if number is not None and signal.getsignal(number) != signal.SIG_IGN:
                self._before[number] = signal.signal(number, self._received)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]  # what signal.signal gave us goes back

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
    """Whether a terminal has sent its signal to the child as well: it tells the whole foreground group."""
    if os.name == "nt":
        return True  # a console tells all its processes
    for descriptor in (0, 1, 2):
        with contextlib.suppress(OSError):
            return os.tcgetpgrp(descriptor) == os.getpgrp()
    return False
