"""``console``: the AWS console, signed in with the profile's credentials."""

from __future__ import annotations

import os
import secrets

import click

from .._util.http import HttpClient
from ..assembly import federation_for
from ..config.loader import load_settings
from ..errors import ConfigurationError, SignInFailedError
from ..serve.console import OneShotRedirect, destination_of, guests_have_no_console, partition_of, sign_in_url
from ..sign_in.browser import can_open_browser, open_browser
from .options import profile_option


@click.command("console")
@profile_option
@click.option("--service", metavar="NAME", help="The service to land on, e.g. s3.")
@click.option("--destination", metavar="URL", help="The page of the console to land on.")
@click.option("--print", "show", is_flag=True, help="Print the address; whoever opens it is signed in.")
@click.option("--endpoint-url", metavar="URL", help="Another sign-in endpoint, e.g. a region's; default is AWS's own.")
def command(
    profile: str | None, service: str | None, destination: str | None, show: bool, endpoint_url: str | None
) -> None:
    """Open the AWS console in a browser, signed in."""
    if service is not None and destination is not None:
        raise click.UsageError("--service and --destination exclude each other")
    settings = load_settings(profile)
    if settings.is_guest:
        raise guests_have_no_console()
    partition = partition_of(settings.pool_region)
    region = settings.region_name or settings.pool_region
    page = destination_of(partition, region, service=service, url=destination)
    possible, reason = (True, "") if show else can_open_browser(os.environ)
    if not possible:
        raise SignInFailedError(
            f"No browser can be opened here: {reason}", remedy="Use --print and open the address yourself"
        )
    endpoint = endpoint_url or partition.sign_in
    if "?" in endpoint or "#" in endpoint:
        raise ConfigurationError("--endpoint-url has a query or fragment", remedy="Give the address without it")
    http = HttpClient(ca_bundle=settings.ca_bundle)
    url = sign_in_url(federation_for(settings).credentials(), page, endpoint=endpoint, http=http)
    if show:
        click.echo(url)
        return
    with OneShotRedirect(url, random=secrets.token_urlsafe) as redirect:
        if not open_browser(redirect.url):
            raise SignInFailedError("The browser did not start", remedy="Use --print and open the address yourself")
        redirect.wait()
