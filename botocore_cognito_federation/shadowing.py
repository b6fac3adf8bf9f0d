"""What keeps AWS clients from ever asking us: other credentials that come first in their chains."""

from __future__ import annotations

import configparser
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from .messages import run_with_profile

if TYPE_CHECKING:
    from .settings.model import Settings

#: Keys by which botocore gets credentials in another way before it asks a helper.
_EARLIER_IN_THE_CHAIN = ("role_arn", "sso_session", "sso_start_url", "web_identity_token_file", "login_session")


def what_shadows(settings: Settings, environ: Mapping[str, str]) -> list[str]:
    """One sentence for each thing that takes precedence over this profile, with what mends it; no value is shown."""
    profile = settings.profile or "default"
    found = []
    if environ.get("AWS_ACCESS_KEY_ID"):
        found.append(
            "AWS_ACCESS_KEY_ID is set: clients without an explicit profile use it instead of this profile. Unset it"
        )
    shared = os.path.expanduser(environ.get("AWS_SHARED_CREDENTIALS_FILE") or os.path.join("~", ".aws", "credentials"))
    if _has_static_keys(shared, profile):
        found.append(f"{shared} has static keys in [{profile}], which every client uses instead. Remove that section")
    config = os.path.expanduser(environ.get("AWS_CONFIG_FILE") or os.path.join("~", ".aws", "config"))
    section = "default" if profile == "default" else f"profile {profile}"
    if _has_static_keys(config, section):
        found.append(
            f"{config} has aws_access_key_id in [{section}], which the JavaScript and C++ SDKs use instead. Remove it"
        )
    for key in _EARLIER_IN_THE_CHAIN:
        if _value(config, section, key) is not None:
            found.append(f"[{section}] has {key}, which AWS clients act on before this sign-in. Remove it")
    if environ.get("AWS_WEB_IDENTITY_TOKEN_FILE") and environ.get("AWS_ROLE_ARN"):
        found.append(
            "AWS_WEB_IDENTITY_TOKEN_FILE and AWS_ROLE_ARN are set: clients without an explicit profile use them"
            " instead of this profile. Unset them"
        )
    if _value(config, section, "credential_process") is None:
        found.append(
            f"[{section}] has no credential_process, so only Python with install() or `native enable` uses it."
            f" {run_with_profile(profile, 'configure')}"
        )
    return found


def _has_static_keys(path: str, section: str) -> bool:
    return _value(path, section, "aws_access_key_id") is not None


def _value(path: str, section: str, key: str) -> str | None:
    parser = configparser.RawConfigParser(strict=False)
    try:
        parser.read([path], encoding="utf-8")
    except (configparser.Error, UnicodeDecodeError, OSError):
        return None
    return parser.get(section, key, fallback=None)
