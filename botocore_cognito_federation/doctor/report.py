"""What an examination finds: one sentence each, with the remedy and the exit code it would end a command with."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

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
