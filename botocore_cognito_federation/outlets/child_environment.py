"""The environment of a program that is to use our credentials: what it gets, and what would stand in the way."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .._util.subprocess import environment_without_chain
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
    "AWS_ACCESS_KEY",  # read by SDKs for Java and Go
    "AWS_SECRET_KEY",
    "AWS_CREDENTIAL_EXPIRATION",
    "AWS_ACCOUNT_ID",  # goes with the keys
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
    """An environment in which nothing takes precedence over what is added to it.

    Our own configuration variables go too: they were about a profile that the program no longer has.
    """
    ours = {key.variable for key in KEYS.values()}
    dropped = {*SHADOWS, *ours}
    if os.name == "nt":
        dropped = {name.upper() for name in dropped}
    return {name: value for name, value in environment_without_chain(environ).items() if name not in dropped}


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
