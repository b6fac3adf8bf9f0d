"""The commands about a configuration: ``explain`` shows what it is, and ``doctor`` what is wrong with it."""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import fields

import click

from .._fast_path import CacheQuery
from ..cache.file import FileStore
from ..config.configure import Files
from ..config.keys import KEYS
from ..config.loader import known_sections
from ..config.profiles import find_overrides, limit_of_window
from ..config.settings import Settings, profile_section
from ..doctor import (
    CheckResult,
    apply_fixes,
    changed_lines,
    fixes_of,
    report_document,
    worst_exit_code,
)
from ..doctor.checks import run_checks
from ..factory import default_directory
from ..messages import shown_profile, shown_url
from .app import (
    chosen_settings,
    json_option,
    print_json,
    print_line,
    print_marked,
    profile_option,
)

_DERIVED = (
    "profile",
    "region_name",
    "provider",
    "endpoint",
    "fips",
    "dual_stack",
    "ca_bundle",
    "sts_endpoint",
    "guest",
    "origins",
)


def described(settings: Settings) -> list[tuple[str, str, str]]:
    """Key, value and origin of every setting that is not empty."""
    rows = []
    for spec in fields(settings):
        value = getattr(settings, spec.name)
        if spec.name in _DERIVED or value in (None, ()):
            continue
        shown = shown_url(value) if spec.name in ("cache_url", "cache_sessions_url") else _shown(value)
        rows.append((f"cognito_{spec.name}", shown, str(settings.origin(spec.name))))
    provider = settings.provider
    rows.append(("cognito_provider", provider.name if provider else "from the token", str(settings.origin("provider"))))
    login_key = provider.login_key if provider else None
    rows.append(("Logins key", login_key or "from the token's iss", _origin(settings, "login_key")))
    if settings.region_name:
        rows.append(("region", settings.region_name, _place_of_region(settings)))
    service, url = ("Cognito", settings.endpoint) if settings.identity_pool_id else ("STS", settings.sts_endpoint)
    endpoint = shown_url(url) if url else f"AWS, {settings.pool_region}"
    rows.append((f"{service} endpoint", endpoint, _origin(settings, "endpoint_url", "endpoint")))
    return rows


def _origin(settings: Settings, *names: str) -> str:
    """Where one of several names was set, or that the value follows from others."""
    return next((str(settings.origins[name]) for name in names if name in settings.origins), "derived")


def _place_of_region(settings: Settings) -> str:
    """The file that has the profile's region: botocore prefers the credentials file's. Or the variable that has it."""
    if "region" in settings.origins:
        return str(settings.origins["region"])
    files, profile = Files.of(os.environ), settings.profile or "default"
    if "region" in known_sections(files.credentials).get(profile, {}):
        return f"[{profile}] in {files.credentials}"
    return f"[{profile_section(profile)}] in {files.config}"


def _shown(value: object) -> str:
    if isinstance(value, tuple):
        words = ["=".join(item) if isinstance(item, tuple) else str(item) for item in value]
        return (", " if any(" " in word for word in words) else " ").join(words)
    return str(value).lower() if isinstance(value, bool) else str(value)


@click.command("explain")
@profile_option
@json_option
@click.option("--keys", is_flag=True, help="List all configuration keys instead.")
def explain_command(profile: str | None, as_json: bool, keys: bool) -> None:
    """The resolved settings, and where each came from."""
    if keys:
        variables = {key.full_name: key.variable if key.has_variable else None for key in KEYS.values()}
        if as_json:
            print_json({"keys": variables})
            return
        for name, variable in variables.items():
            print_line(f"{name:32} {variable or '(no variable)'}")
        return
    settings = chosen_settings(profile, None)
    rows = described(settings)
    warnings = [*find_overrides(settings, os.environ), *filter(None, [limit_of_window(settings)])]
    if as_json:
        document = {
            "profile": CacheQuery(profile, os.environ).profile,
            "settings": {name: {"value": value, "from": origin} for name, value, origin in rows},
            "warnings": warnings,
        }
        print_json(document)
        return
    print_line(shown_profile(CacheQuery(profile, os.environ).profile, settings))
    for name, value, origin in rows:
        print_line(f"  {name:28} {value}  ({origin})")
    for warning in warnings:
        print_line(f"warning: {warning}", err=True)


@click.command("doctor")
@profile_option
@json_option
@click.option("--offline", is_flag=True, help="Ask nothing of other machines, and start no helper.")
@click.option("--fix", is_flag=True, help="Show the remedies that are safe, apply them when that is confirmed.")
@click.option("--yes", is_flag=True, help="With --fix: apply them without asking.")
def doctor_command(profile: str | None, as_json: bool, offline: bool, fix: bool, yes: bool) -> int:
    """Check for every known problem, and say how to fix it; what to fix first comes first.

    The exit code is that of the first error. Nothing is changed without --fix.
    """
    if yes and not fix:
        raise click.UsageError("--yes goes with --fix")
    findings = run_checks(profile, os.environ, offline=offline)
    if fix and _fixed(findings, yes=yes):
        findings = run_checks(profile, os.environ, offline=offline)
    if as_json:
        print_json(report_document(CacheQuery(profile, os.environ).profile, findings))
    else:
        for finding in findings:
            _print_finding(finding)
    return worst_exit_code(findings)


#: Colours that can be read on a light and on a dark terminal: yellow and the bright ones cannot.
_COLOURS = {"ERROR": "red", "warning": "magenta", "ok": "green"}


def _print_finding(finding: CheckResult) -> None:
    """Print one line for a program that reads; on a terminal, the finding is wrapped to its width."""
    if not sys.stdout.isatty():
        return print_line(finding.line)
    for mark, text in finding.lines(shutil.get_terminal_size().columns):
        colour = None if os.environ.get("NO_COLOR") else _COLOURS.get(mark)
        print_marked(click.style(f"{mark:8}", fg=colour, bold=mark == "ERROR"), text)


def _fixed(findings: list[CheckResult], *, yes: bool) -> bool:
    """Show the safe remedies and apply them where that is confirmed; whether anything was changed.

    Raises:
        ConfigurationError, StorageError: the file cannot be changed; it stays as it is.
        click.UsageError: there is no terminal to confirm on.
    """
    path, fixes = Files.of(os.environ).config, fixes_of(findings)
    lines = changed_lines(path, fixes)
    if not fixes or not lines:
        print_line("Nothing here can be fixed without your judgement; see the remedies below", err=True)
        return False
    for line in lines:
        print_line(line, err=True)
    if not yes:
        if not sys.stdin.isatty():
            raise click.UsageError("There is no terminal to ask on: confirm with --yes")
        if not click.confirm("Write this?", err=True):
            return False
    return apply_fixes(path, fixes, FileStore(default_directory(os.environ)))
