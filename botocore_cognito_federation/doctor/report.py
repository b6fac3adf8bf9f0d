"""What a check found; and which other identity a program could go on to when the helper fails."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from botocore.exceptions import BotoCoreError
from botocore.session import Session
from botocore.utils import InstanceMetadataFetcher, resolve_imds_endpoint_mode

from ..config.settings import Settings
from ..errors import CognitoFederationError

Severity = Literal["ok", "note", "warning", "error"]
_RANK = {"ok": 0, "note": 1, "warning": 2, "error": 3}


@dataclass(frozen=True)
class CheckResult:
    """One thing that was looked at.

    Attributes:
        check: what was looked at, in a word or two.
        severity: ``error``: something does not work; ``warning``: something will not, somewhere or some day.
        what: the finding, a sentence.
        remedy: the command or key that mends it; may be empty.
        exit_code: of an error: what commands end with because of it.
    """

    check: str
    severity: Severity
    what: str
    remedy: str = ""
    exit_code: int = 0

    @classmethod
    def of(cls, check: str, error: CognitoFederationError) -> CheckResult:
        """The finding that an error is."""
        return cls(check, "error", error.what, error.remedy, error.exit_code)

    @property
    def line(self) -> str:
        """The finding as one line for people."""
        mark = {"ok": "ok      ", "note": "note    ", "warning": "warning ", "error": "ERROR   "}[self.severity]
        text = f"{self.what}. {self.remedy}" if self.remedy else self.what
        return f"{mark}{self.check}: {' '.join(text.split())}"

    def document(self) -> dict[str, str | int]:
        """The finding for programs."""
        return {
            "check": self.check,
            "severity": self.severity,
            "what": self.what,
            "remedy": self.remedy,
            "exit_code": self.exit_code,
        }


def worst_exit_code(findings: Iterable[CheckResult]) -> int:
    """The exit code of the worst finding, of several the first; 0 without an error."""
    return next((finding.exit_code for finding in findings if finding.severity == "error"), 0)


def by_severity(findings: Iterable[CheckResult]) -> list[CheckResult]:
    """Worst first; what is as bad stays in the order it was found."""
    return sorted(findings, key=lambda finding: -_RANK[finding.severity])


_CHECK = "other identities"
_CONTAINER = ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI")
#: Seconds for all of it: where there is no metadata service, nothing answers at its address.
_TIME_LIMIT = 1
#: The SDKs that go on, measured by the matrix of clients (docs/clients.md).
_WHO = "Programs on the SDKs for JavaScript and C++ or the AWS Common Runtime use it when this sign-in fails"


def other_identities(settings: Settings, environ: Mapping[str, str], *, offline: bool = False) -> Iterator[CheckResult]:
    """Warn of each that is in reach.

    Args:
        offline: leave out the metadata service, which is not on this machine.
    """
    if settings.fail_closed:
        yield CheckResult(_CHECK, "ok", "cognito_fail_closed stops programs from going on to another identity")
        return
    container = next((name for name in _CONTAINER if environ.get(name)), None)
    if container:
        what = f"{container} is set, so the identity of this container is in reach. {_WHO}"
        yield CheckResult(_CHECK, "warning", what, "Unset it, or set cognito_fail_closed = true")
    role = None if offline else _role_of_the_machine(settings, environ)
    if role:
        what = f"The role {role} of this machine is in reach. {_WHO}"
        remedy = "Set cognito_fail_closed = true, or AWS_EC2_METADATA_DISABLED=true where they run"
        yield CheckResult(_CHECK, "warning", what, remedy)
    if not container and not role and not offline:
        yield CheckResult(_CHECK, "ok", "No other identity is in reach of programs here")


def _role_of_the_machine(settings: Settings, environ: Mapping[str, str]) -> str | None:
    """The role's name, asked for as every SDK asks; botocore asks nothing where AWS_EC2_METADATA_DISABLED is true."""
    found: list[str] = []

    def ask() -> None:
        fetcher = InstanceMetadataFetcher(
            timeout=_TIME_LIMIT, num_attempts=1, env=dict(environ), config=_fetcher_config(settings)
        )
        try:
            found.append(fetcher.retrieve_iam_role_credentials().get("role_name") or "")
        except (BotoCoreError, ValueError):
            return  # what answers there is no metadata service

    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(_TIME_LIMIT)
    return found[0] if found else None


def _fetcher_config(settings: Settings) -> dict[str, Any]:
    """What the profile says about the metadata service."""
    session = Session(profile=settings.profile)
    return {
        "ec2_metadata_service_endpoint": session.get_config_variable("ec2_metadata_service_endpoint"),
        "ec2_metadata_service_endpoint_mode": resolve_imds_endpoint_mode(session),
        "ec2_metadata_v1_disabled": session.get_config_variable("ec2_metadata_v1_disabled"),
    }
