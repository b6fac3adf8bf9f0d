"""The command ``token``: the login token, and tokens that services take in place of AWS credentials."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping

import click

from ..config.settings import Settings
from ..errors import ConfigurationError
from ..identity_pool.client import Clients
from ..messages import shown_time, shown_time_or_none
from ..serve.signed_tokens import SignedToken, bedrock_token, eks_token, exec_credential, rds_token
from .account import login_token
from .app import (
    chosen_settings,
    fetcher_of_profile,
    json_option,
    print_data,
    print_json,
    profile_option,
    session_option,
)

_API_VERSIONS = ("v1", "v1beta1", "v1alpha1")
#: Each service, and the options that it needs.
_SERVICES: Mapping[str, tuple[str, ...]] = {"bedrock": (), "eks": ("cluster",), "rds": ("host", "user")}


@click.command("token")
@profile_option
@session_option
@click.option("--claims", is_flag=True, help="Print the claims in it instead.")
@click.option("--for", "service", type=click.Choice(tuple(_SERVICES)), help="A token of this service instead.")
@click.option("--cluster", metavar="NAME", help="With --for eks: the cluster; prints what kubectl takes.")
@click.option("--host", metavar="NAME", help="With --for rds: the host of the database.")
@click.option(
    "--port", type=click.IntRange(1, 65535), default=5432, show_default=True, help="With --for rds: its port."
)
@click.option("--user", metavar="NAME", help="With --for rds: the database user.")
@click.option("--region", metavar="REGION", help="With --for bedrock or rds: of the service; default the profile's.")
@click.option("--exec-credential", "for_cluster", is_flag=True, help="The login token as kubectl takes it (OIDC).")
@json_option
def token_command(
    profile: str | None,
    session: str | None,
    claims: bool,
    service: str | None,
    for_cluster: bool,
    as_json: bool,
    **options: str | int | None,
) -> None:
    """Print the login token. Any program that has it can act as you until it expires."""
    if ((claims or for_cluster or session is not None) and service is not None) or (claims and for_cluster):
        raise click.UsageError("--for, --claims and --exec-credential exclude each other; --for takes a profile")
    if service is None:
        _check_options("", options)
        _print_login_token(chosen_settings(profile, session), claims=claims, for_cluster=for_cluster, as_json=as_json)
        return
    _check_options(service, options)
    token = _token_of(service, profile, options)
    if service == "eks":
        print_json(token.exec_credential(_api_version(os.environ)))
    elif as_json:
        print_json({"token": token.value, "expires_at": shown_time(token.expires_at)})
    else:
        print_data(token.value)


def _check_options(service: str, options: Mapping[str, str | int | None]) -> None:
    """Refuse a service without the options that it needs, and options of another one."""
    needed = _SERVICES.get(service, ())
    for name in needed:
        if options[name] is None:
            raise click.UsageError(f"--for {service} needs --{name}")
    taken = {*needed, "port", *(("region",) if service in ("bedrock", "rds") else ())}
    for name, value in options.items():
        if value is not None and name not in taken:
            raise click.UsageError(f"--{name} does not go with {f'--for {service}' if service else 'the login token'}")


def _token_of(service: str, profile: str | None, options: Mapping[str, str | int | None]) -> SignedToken:
    from botocore.session import Session

    settings, fetcher = fetcher_of_profile(profile)
    credentials, now = fetcher.credentials(), time.time()
    region = str(options["region"] or settings.region_name or settings.pool_region)
    if service == "eks":
        clients = Clients(settings, lambda: Session(profile=settings.profile))
        return eks_token(credentials, clients, str(options["cluster"]), now)
    if service == "rds":
        place = f"{options['host']}:{options['port']}"
        return rds_token(credentials, region, place, str(options["user"]), now)
    return bedrock_token(credentials, region, now)


def _print_login_token(settings: Settings, *, claims: bool, for_cluster: bool, as_json: bool) -> None:
    token = login_token(settings)
    found = dict(token.claims)
    if (claims or for_cluster) and not found:
        raise ConfigurationError("The login token of this provider is not a JWT and has no claims to show")
    if claims:
        print_json(found)
    elif for_cluster:
        print_json(exec_credential(token.value, token.expires_at, _api_version(os.environ)))
    elif as_json:
        print_json({"token": token.value, "expires_at": shown_time_or_none(token.expires_at), "claims": found or None})
    else:
        print_data(token.value)


def _api_version(environ: Mapping[str, str]) -> str:
    """Return the version that ``kubectl`` asks a credential plugin for (KUBERNETES_EXEC_INFO)."""
    try:
        asked = json.loads(environ.get("KUBERNETES_EXEC_INFO") or "{}").get("apiVersion", "")
    except (ValueError, AttributeError):
        asked = ""
    version = str(asked).rpartition("/")[2]
    return version if version in _API_VERSIONS else "v1beta1"
