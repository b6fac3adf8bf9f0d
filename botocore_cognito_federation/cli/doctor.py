"""``doctor``: everything that can be wrong, found before it bites, each with its remedy."""

from __future__ import annotations

import json
import os

import click

from ..doctor.examination import examine
from ..doctor.findings import worst_exit_code
from .options import json_option, profile_option


@click.command("doctor")
@profile_option
@json_option
@click.option("--offline", is_flag=True, help="Look only at this machine.")
def command(profile: str | None, as_json: bool, offline: bool) -> int:
    """Find everything that can be wrong, each with its remedy. The exit code is that of the worst finding."""
    findings = examine(profile, os.environ, offline=offline)
    code = worst_exit_code(findings)
    if as_json:
        click.echo(json.dumps({"exit_code": code, "findings": [finding.document() for finding in findings]}, indent=2))
        return code
    for finding in findings:
        click.echo(finding.line)
    return code
