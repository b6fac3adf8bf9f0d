"""A home directory for the demo world: a real ``~/.aws/config``, the token file, the environment of a child process."""

from __future__ import annotations

import os
from pathlib import Path

from .records import WorldFacts

# Variables that would send a child to another place than this world, or make it use other credentials.
_UNSET_PREFIXES = ("AWS_", "COGNITO_FEDERATION_", "BOTO_")
# Both spellings: some clients read only the lower-case one.
_LOOPBACK = "127.0.0.1,localhost,::1"


def token_file(home: Path) -> Path:
    """Return the file from which the profiles of `write_home` read the login token."""
    return home / "token"


def environment(facts: WorldFacts, home: Path) -> dict[str, str]:
    """Return the variables to add to a clean environment; the profiles set the region.

    Debian's AWS CLI 2.9 is older than AWS_ENDPOINT_URL: give it ``--endpoint-url`` as well.
    """
    return {
        "HOME": str(home),
        "AWS_CONFIG_FILE": str(home / ".aws" / "config"),
        "AWS_SHARED_CREDENTIALS_FILE": str(home / ".aws" / "credentials"),
        "AWS_ENDPOINT_URL": facts.endpoint_url,
        "AWS_EC2_METADATA_DISABLED": "true",
        "COGNITO_FEDERATION_CACHE_DIR": str(home / ".aws" / "cognito-federation"),
        "NO_PROXY": _LOOPBACK,
        "no_proxy": _LOOPBACK,
    }


def child_environment(facts: WorldFacts, home: Path, inherited: dict[str, str]) -> dict[str, str]:
    """Return `inherited` with `environment`, without the variables that would lead a child out of the world."""
    passed_on = {name: value for name, value in inherited.items() if not name.startswith(_UNSET_PREFIXES)}
    return {**passed_on, **environment(facts, home)}


def write_home(facts: WorldFacts, home: Path, helper: str) -> None:
    """Write the config file with these profiles:

    ``demo-people``, whose users sign in by browser; ``demo`` with credential_process and a token file; ``demo-native``
    the same without a process; ``chained`` and ``chained-native`` (role_arn + source_profile); ``classic`` (the basic
    flow); ``web-identity`` (no identity pool); ``guest``; ``passwordless`` (a user pool).

    Args:
        home: the home directory; created with mode 0700 if it does not exist.
        helper: the beginning of ``credential_process``, which starts the ``cognito-federation`` command.
    """
    aws = home / ".aws"
    aws.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_private(aws / "config", config_text(facts, home, helper))


def config_text(facts: WorldFacts, home: Path, helper: str) -> str:
    """Return the text of the config file, with flat lines only."""
    sections = [
        _profile(facts, "demo", "demo", helper),
        _profile(facts, "demo-native", "demo"),
        _chained(facts, "chained", "demo"),
        _chained(facts, "chained-native", "demo-native"),
        _profile(facts, "classic", "demo-classic", helper),
        _profile(facts, "web-identity", "demo-web-identity", helper),
        _profile(facts, "guest", "demo-guest", helper),
        _profile(facts, "passwordless", "demo-user-pool", helper),
        _profile(facts, "demo-people", "demo-people", helper),
        _section(
            "cognito-session demo-people",
            cognito_identity_pool_id=facts.pool_id,
            cognito_endpoint_url=facts.endpoint_url,
            cognito_redirect_ports="0",
            **_provider(facts),
        ),
        _section(
            "cognito-session demo",
            cognito_identity_pool_id=facts.pool_id,
            cognito_endpoint_url=facts.endpoint_url,
            **_login(facts, home),
        ),
        _section(
            "cognito-session demo-classic",
            cognito_identity_pool_id=facts.classic_pool_id,
            cognito_flow="basic",
            cognito_role_arn=facts.authenticated_role_arn,
            cognito_endpoint_url=facts.endpoint_url,
            **_login(facts, home),
        ),
        _section(
            "cognito-session demo-web-identity",
            cognito_flow="web-identity",
            cognito_role_arn=facts.federated_role_arn,
            **_login(facts, home),
        ),
        _section(
            "cognito-session demo-guest",
            cognito_identity_pool_id=facts.guest_pool_id,
            cognito_provider="guest",
            cognito_endpoint_url=facts.endpoint_url,
        ),
        _section(
            "cognito-session demo-user-pool",
            cognito_identity_pool_id=facts.pool_id,
            cognito_provider="user-pool",
            cognito_user_pool_id=facts.user_pool_id,
            cognito_issuer=facts.user_pool_issuer,
            cognito_client_id=facts.user_pool_client_id,
            cognito_username="ada",
            cognito_preferred_challenge="choice",
            cognito_endpoint_url=facts.endpoint_url,
        ),
    ]
    return "\n".join(sections)


def write_private(path: Path, text: str) -> None:
    """Replace a file's text in one step; only its owner can read the file."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        stream.write(text)
    os.replace(fresh, path)


def _provider(facts: WorldFacts) -> dict[str, str]:
    return {
        "cognito_provider": facts.login_key,
        "cognito_issuer": facts.issuer,
        "cognito_client_id": facts.client_id,
    }


def _login(facts: WorldFacts, home: Path) -> dict[str, str]:
    return {**_provider(facts), "cognito_token_file": str(token_file(home))}


def _profile(facts: WorldFacts, name: str, session: str, helper: str = "") -> str:
    keys = {"region": facts.region, "cognito_session": session}
    if helper:
        keys["credential_process"] = f"{helper} credential-process --profile {name}"
    return _section(f"profile {name}", **keys)


def _chained(facts: WorldFacts, name: str, source: str) -> str:
    return _section(f"profile {name}", region=facts.region, role_arn=facts.chained_role_arn, source_profile=source)


def _section(title: str, **keys: str) -> str:
    return "\n".join([f"[{title}]", *(f"{key} = {value}" for key, value in keys.items()), ""])
