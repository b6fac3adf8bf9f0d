"""The command ``token``: the login token, and tokens that services take in place of AWS credentials."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import click

from ..config.loader import region_in
from ..config.registries import EXAMPLE, Registry, registry_in
from ..config.settings import Settings
from ..credentials import FederatedCredentials
from ..errors import ConfigurationError
from ..fetcher import CredentialFetcher
from ..messages import flag_of, shown_time, shown_time_or_none
from ..serve.issued_tokens import Caller, caller_of, codeartifact_token, ecr_token
from ..serve.signed_tokens import ServiceToken, bedrock_token, eks_token, exec_credential, rds_token
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
_Options = Mapping[str, Any]


@dataclass(frozen=True)
class _Request:
    """What a token is made of.

    Attributes:
        settings: the configuration.
        credentials: its credentials.
        options: of the command; those that were not given are None.
        region: of the service; empty for one that has no such option.
        now: seconds since the epoch.
    """

    settings: Settings
    credentials: FederatedCredentials
    options: _Options
    region: str
    now: float

    @property
    def caller(self) -> Caller:
        return caller_of(self.settings, self.credentials)


@dataclass(frozen=True)
class _Service:
    """A service that takes a token.

    Attributes:
        token: makes or asks for one.
        needs: options without which there is none.
        takes: further options.
    """

    token: Callable[[_Request], ServiceToken]
    needs: tuple[str, ...] = ()
    takes: tuple[str, ...] = ()


def _of_bedrock(request: _Request) -> ServiceToken:
    return bedrock_token(request.credentials, request.region, request.now)


def _of_codeartifact(request: _Request) -> ServiceToken:
    options = request.options
    owner, seconds = options["domain_owner"], options["duration_seconds"]
    return codeartifact_token(request.caller, request.region, options["domain"], owner=owner, seconds=seconds)


def _of_ecr(request: _Request) -> ServiceToken:
    return ecr_token(request.caller, request.region, request.options["registry"])


def _of_eks(request: _Request) -> ServiceToken:
    return eks_token(request.credentials, request.caller.clients, request.options["cluster"], request.now)


def _of_rds(request: _Request) -> ServiceToken:
    options = request.options
    place = f"{options['host']}:{options['port'] or _POSTGRESQL}"
    return rds_token(request.credentials, request.region, place, options["user"], request.now)


_POSTGRESQL = 5432
_SERVICES: Mapping[str, _Service] = {
    "bedrock": _Service(_of_bedrock, takes=("region",)),
    "codeartifact": _Service(_of_codeartifact, ("domain",), ("domain_owner", "duration_seconds", "region")),
    "ecr": _Service(_of_ecr, takes=("registry", "region")),
    "eks": _Service(_of_eks, ("cluster",)),
    "rds": _Service(_of_rds, ("host", "user"), ("port", "region")),
}


def _matching(pattern: str, shape: str) -> Callable[[click.Context, click.Parameter, str | None], str | None]:
    """Return what refuses other values of an option: botocore sends them, or answers that something does not fit."""

    def check(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
        if value is not None and not re.fullmatch(pattern, value, re.ASCII):
            raise click.BadParameter(f"must be {shape}", ctx, param)
        return value

    return check


def _registry(ctx: click.Context, param: click.Parameter, value: str | None) -> Registry | None:
    registry = registry_in(value) if value is not None else None
    if value is not None and registry is None:
        raise click.BadParameter(f"{value!r} is no registry of Amazon ECR, such as {EXAMPLE}", ctx, param)
    return registry


def _seconds(ctx: click.Context, param: click.Parameter, value: int | None) -> int | None:
    if value is not None and value != 0 and not 900 <= value <= 43200:
        raise click.BadParameter("must be 0, or from 900 to 43200", ctx, param)
    return value


@click.command("token")
@profile_option
@session_option
@click.option("--claims", is_flag=True, help="Print the claims in it instead.")
@click.option("--for", "service", type=click.Choice(tuple(_SERVICES)), help="A token of this service instead.")
@click.option("--cluster", metavar="NAME", help="With --for eks: the cluster; prints what kubectl takes.")
@click.option(
    "--domain",
    metavar="NAME",
    callback=_matching("[a-z][a-z0-9-]{0,48}[a-z0-9]", "the name of a domain: 2 to 50 of a-z, 0-9 and -"),
    help="With --for codeartifact: the domain.",
)
@click.option(
    "--domain-owner",
    metavar="ACCOUNT",
    callback=_matching("[0-9]{12}", "an AWS account number of 12 digits"),
    help="With --for codeartifact: the account of the domain; default that of the credentials.",
)
@click.option(
    "--duration-seconds",
    metavar="N",
    type=int,
    callback=_seconds,
    help="With --for codeartifact: how long it is valid; 0 for as long as the credentials. Default is twelve hours.",
)
@click.option("--host", metavar="NAME", help="With --for rds: the host of the database.")
@click.option("--port", type=click.IntRange(1, 65535), help=f"With --for rds: its port; default {_POSTGRESQL}.")
@click.option("--registry", metavar="HOST", callback=_registry, help="With --for ecr: the registry, for its region.")
@click.option("--user", metavar="NAME", help="With --for rds: the database user.")
@click.option("--region", metavar="REGION", help="With --for, but not for eks: of the service; default the profile's.")
@click.option("--exec-credential", "for_cluster", is_flag=True, help="The login token as kubectl takes it (OIDC).")
@json_option
def token_command(
    profile: str | None,
    session: str | None,
    claims: bool,
    service: str | None,
    for_cluster: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Print the login token. Any program that has it can act as you until it expires."""
    if ((claims or for_cluster or session is not None) and service is not None) or (claims and for_cluster):
        raise click.UsageError("--for, --claims and --exec-credential exclude each other; --for takes a profile")
    _check_options(service, options)
    if service is None:
        _print_login_token(chosen_settings(profile, session), claims=claims, for_cluster=for_cluster, as_json=as_json)
        return
    token = _token_of(service, options, *fetcher_of_profile(profile))
    if service == "eks":
        print_json(token.exec_credential(_api_version(os.environ)))
    elif as_json:
        print_json({"token": token.value, "expires_at": shown_time(token.expires_at)})
    else:
        print_data(token.value)


def _check_options(service: str | None, options: _Options) -> None:
    """Refuse a service without the options that it needs, and options of another one."""
    needs, takes = (_SERVICES[service].needs, _SERVICES[service].takes) if service else ((), ())
    for name in needs:
        if options[name] is None:
            raise click.UsageError(f"--for {service} needs {flag_of(name)}")
    for name, value in options.items():
        if value is not None and name not in (*needs, *takes):
            raise click.UsageError(
                f"{flag_of(name)} does not go with {f'--for {service}' if service else 'the login token'}"
            )
    registry, region = options["registry"], options["region"]
    if registry is not None and region not in (None, registry.region):
        raise click.UsageError(f"{registry.host} gets its tokens in {registry.region}. Leave out --region")


def _token_of(service: str, options: _Options, settings: Settings, fetcher: CredentialFetcher) -> ServiceToken:
    found = _SERVICES[service]
    region = _region_of(service, options, settings) if "region" in found.takes else ""
    return found.token(_Request(settings, fetcher.credentials(), options, region, time.time()))


def _region_of(service: str, options: _Options, settings: Settings) -> str:
    """Return the region of the service, which may be another one than that of the identity pool.

    Raises:
        ConfigurationError: nothing names it.
    """
    registry: Registry | None = options["registry"]
    region = registry.region if registry else options["region"] or settings.region_name or region_in(os.environ)[0]
    if not region:
        raise ConfigurationError(
            f"A token for {service} is valid in one region, and neither the profile nor AWS_REGION names it",
            remedy="Add --region REGION, or write region = REGION in the profile",
        )
    return str(region)


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
