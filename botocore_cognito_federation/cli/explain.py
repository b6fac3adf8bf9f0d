"""``explain``: the resolved settings, where each came from, and what stands in their way."""

from __future__ import annotations

import json
import os
from dataclasses import fields

import click

from ..config.keys import KEYS
from ..config.loader import load_settings
from ..config.precedence import what_shadows
from ..config.settings import Settings
from ..messages import shown_url
from .options import json_option, profile_option

_DERIVED = (
    "profile",
    "region_name",
    "provider",
    "endpoint",
    "fips",
    "dual_stack",
    "ca_bundle",
    "sts_endpoint",
    "origins",
)


def described(settings: Settings) -> list[tuple[str, str, str]]:
    """Key, value and origin of every setting that is not empty."""
    rows = []
    for spec in fields(settings):
        value = getattr(settings, spec.name)
        if spec.name in _DERIVED or value in (None, ()):
            continue
        rows.append((f"cognito_{spec.name}", _shown(value), str(settings.origin(spec.name))))
    provider = settings.provider
    rows.append(("cognito_provider", provider.name if provider else "from the token", str(settings.origin("provider"))))
    rows.append(("Logins key", (provider.login_key if provider else None) or "from the token's iss", "derived"))
    if settings.region_name:
        rows.append(("region", settings.region_name, f"profile {settings.profile}"))
    endpoint = shown_url(settings.endpoint) if settings.endpoint else f"AWS, {settings.pool_region}"
    rows.append(("Cognito endpoint", endpoint, "derived"))
    return rows


def _shown(value: object) -> str:
    if isinstance(value, tuple):
        return " ".join("=".join(item) if isinstance(item, tuple) else str(item) for item in value)
    return str(value)


@click.command("explain")
@profile_option
@json_option
@click.option("--keys", is_flag=True, help="List all configuration keys instead.")
def command(profile: str | None, as_json: bool, keys: bool) -> None:
    """The resolved settings, and where each came from."""
    if keys:
        for key in KEYS.values():
            click.echo(f"{key.full_name:32} {key.variable if key.has_variable else '(no variable)'}")
        return
    settings = load_settings(profile)
    rows = described(settings)
    warnings = what_shadows(settings, os.environ)
    if as_json:
        document = {
            "profile": settings.profile,
            "settings": {name: {"value": value, "from": origin} for name, value, origin in rows},
            "warnings": warnings,
        }
        click.echo(json.dumps(document, indent=2))
        return
    click.echo(f"profile {settings.profile or 'default'}")
    for name, value, origin in rows:
        click.echo(f"  {name:28} {value}  ({origin})")
    for warning in warnings:
        click.echo(f"warning: {warning}", err=True)
