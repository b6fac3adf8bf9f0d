"""What the checks work on and what they find, in the order in which to fix it; and the remedies that are safe."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from ..cache.base import Store
from ..config.loader import read_config
from ..config.settings import Settings, profile_section
from ..config.writer import read_text, update_text, with_section
from ..errors import CognitoFederationError, ConfigurationError
from ..messages import wrapped
from ..oidc.client import OIDCClient

Severity = Literal["ok", "note", "skipped", "warning", "error"]
_RANK = {"ok": 0, "note": 1, "skipped": 2, "warning": 3, "error": 4}
#: The form of `document`; it grows with changes that break readers.
DOCUMENT_VERSION = 1


@dataclass(frozen=True)
class Fix:
    """A remedy that can be applied without a person's judgement: keys of a profile that this tool manages.

    Attributes:
        profile: whose section of the configuration file.
        values: key -> new value; None removes the key.
    """

    profile: str
    values: Mapping[str, str | None]

    def document(self) -> dict[str, Any]:
        """The fix for programs."""
        return {"section": profile_section(self.profile), "values": dict(self.values)}


@dataclass(frozen=True)
class CheckResult:
    """One thing that a check has found.

    Attributes:
        check: what was checked, in a word or two.
        severity: ``error``: something does not work; ``warning``: something will not, somewhere or some day;
            ``skipped``: something was not tried; ``note``: worth knowing; ``ok``: in order.
        what: the finding, a sentence.
        remedy: the command or key that fixes it; may be empty.
        exit_code: of an error: what commands end with because of it.
        fix: the remedy as data, where ``doctor --fix`` can apply it.
    """

    check: str
    severity: Severity
    what: str
    remedy: str = ""
    exit_code: int = 0
    fix: Fix | None = None

    @classmethod
    def of(cls, check: str, error: CognitoFederationError) -> CheckResult:
        """The finding that an error is."""
        return cls(check, "error", error.what, error.remedy, error.exit_code)

    @property
    def _mark(self) -> str:
        return self.severity.upper() if self.severity == "error" else self.severity

    @property
    def line(self) -> str:
        """The finding as one line for people."""
        text = f"{self.what}. {self.remedy}" if self.remedy else self.what
        return f"{self._mark:8}{self.check}: {' '.join(text.split())}"

    def lines(self, width: int) -> list[tuple[str, str]]:
        """The finding for a terminal: lines of a mark and a text. A command stays on one line, to be copied whole.

        Args:
            width: columns of the terminal.
        """
        first, *others = wrapped(f"{self.check}: {self.what}", self.remedy, width - 9)
        return [(self._mark, first), *(("", each) for each in others)]

    def document(self) -> dict[str, Any]:
        """The finding for programs."""
        return {
            "check": self.check,
            "severity": self.severity,
            "what": self.what,
            "remedy": self.remedy,
            "exit_code": self.exit_code,
            "fix": self.fix.document() if self.fix else None,
        }


@dataclass
class CheckContext:
    """What the checks of one profile have in common.

    Attributes:
        settings: the configuration.
        environ: the process environment.
        store: where it stores things.
        offline: nothing is asked of other machines, and the helper is not started.
        is_named: the profile was named in the command, and not by a variable or by default.
        unreachable: whom an earlier check could not reach, in words; they are not waited for again.
        oidc: the client of the sign-in, once it has been made; nothing of the provider is cached in it.
    """

    settings: Settings
    environ: Mapping[str, str]
    store: Store
    offline: bool = False
    is_named: bool = False
    unreachable: list[str] = field(default_factory=list)
    oidc: OIDCClient | None = None

    @property
    def profile(self) -> str:
        """The profile's name."""
        return self.settings.profile or "default"


def worst_exit_code(findings: Iterable[CheckResult]) -> int:
    """The exit code of the error that is to be fixed first; 0 without an error."""
    return next((finding.exit_code for finding in findings if finding.severity == "error"), 0)


def in_order(findings: Iterable[CheckResult]) -> list[CheckResult]:
    """Errors first, and causes before their effects: the checks run in that order.

    An error that only shows what another one causes becomes a note: two with one exit code are fixed by one remedy.
    """
    found = list(findings)
    causes = {each.exit_code for each in found if each.severity == "error" and each.check not in EFFECTS}
    shown = [
        CheckResult(each.check, "note", each.what)
        if each.severity == "error" and each.check in EFFECTS and each.exit_code in causes
        else each
        for each in found
    ]
    errors = [each for each in shown if each.severity == "error"]
    shown = [_without_cause(each, errors) if each.severity == "note" else each for each in shown]
    once = [each for number, each in enumerate(shown) if each not in shown[:number]]
    return sorted(once, key=lambda finding: -_RANK[finding.severity])


def _without_cause(note: CheckResult, errors: Iterable[CheckResult]) -> CheckResult:
    """A note that repeats an error above it, without the repetition."""
    for error in errors:
        before, found, _ = note.what.partition(f": {error.what}")
        if found:
            return replace(note, what=f"{before}, for the reason above", remedy="")
    return note


#: The checks that show what a user's program would, and not why.
EFFECTS = frozenset({"helper run"})


def report_document(profile: str | None, findings: list[CheckResult]) -> dict[str, Any]:
    """Everything for programs. Members are added and never change their meaning under one version."""
    return {
        "version": DOCUMENT_VERSION,
        "profile": profile,
        "exit_code": worst_exit_code(findings),
        "findings": [finding.document() for finding in findings],
    }


def fixes_of(findings: Iterable[CheckResult]) -> dict[str, dict[str, str | None]]:
    """The safe remedies of the findings, together: profile -> key -> new value."""
    together: dict[str, dict[str, str | None]] = {}
    for finding in findings:
        if finding.fix is not None:
            together.setdefault(finding.fix.profile, {}).update(finding.fix.values)
    return together


def changed_lines(path: str, fixes: Mapping[str, Mapping[str, str | None]]) -> list[str]:
    """What the fixes change in a configuration file, as ``-`` and ``+`` lines under their section.

    Raises:
        ConfigurationError: the file cannot be read.
    """
    before = read_text(path)
    shown = []
    for profile, values in fixes.items():
        after = with_section(before, profile_section(profile), values)
        lines = [
            line for line in difflib.ndiff(before.splitlines(), after.splitlines()) if line.startswith(("- ", "+ "))
        ]
        shown += [f"[{profile_section(profile)}] in {path}", *(f"  {line}" for line in lines)]
    return shown


def apply_fixes(path: str, fixes: Mapping[str, Mapping[str, str | None]], store: Store) -> bool:
    """Write the fixes into a configuration file; whether that changed anything.

    The new file is parsed as botocore parses it before it replaces the old one: every key of the fixes must have its
    new value, and everything else the one from before.

    Raises:
        ConfigurationError: the file is written in a way in which it cannot be changed safely; it stays as it is.
        StorageError: it cannot be written.
    """
    expected: dict[str, Any] = {}

    def edit(text: str) -> str:
        expected.update(_with(read_config(path), fixes))
        for profile, values in fixes.items():
            text = with_section(text, profile_section(profile), values)
        return text

    def check(changed: str) -> None:
        try:
            found = read_config(changed)
        except ConfigurationError:
            found = {}
        if found != expected:
            raise ConfigurationError(
                f"{path} is written in a way in which a change could damage other settings; it was not changed",
                remedy="Let every key begin its line without spaces in front, and remove a [DEFAULT] section",
            )

    return update_text(path, edit, store, check=check)


def _with(config: Mapping[str, Any], fixes: Mapping[str, Mapping[str, str | None]]) -> dict[str, Any]:
    profiles = dict(config["profiles"])
    for profile, values in fixes.items():
        merged = {**profiles.get(profile, {}), **values}
        profiles[profile] = {key: value for key, value in merged.items() if value is not None}
    return {**config, "profiles": profiles}
