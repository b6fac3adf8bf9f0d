"""Where botocore's own settings send a service, and whether that may be spoken to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .._util.urls import UnsafeURLError, parse_url
from ..errors import ConfigurationError

#: botocore's name of a service -> its part of variables and of [services] sections.
_SETTINGS_NAMES = {
    "cognito-identity": "cognito_identity",
    "cognito-idp": "cognito_identity_provider",
    "sts": "sts",
}


@dataclass(frozen=True)
class ConfiguredEndpoint:
    """An endpoint that botocore takes from the environment or the configuration file.

    Attributes:
        service: botocore's name of the service.
        url: as it was set.
        origin: the variable or key that set it, in words for a message.
    """

    service: str
    url: str
    origin: str


def configured_endpoint(
    full_config: Mapping[str, Any], section: Mapping[str, Any], environ: Mapping[str, str], *, service: str
) -> ConfiguredEndpoint | None:
    """Find where botocore's settings send a service, in botocore's own order of precedence.

    Args:
        full_config: botocore's parsed configuration.
        section: the profile in it.
        environ: the process environment.
        service: such as ``cognito-identity``.
    """
    if is_true(environ.get("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS") or section.get("ignore_configured_endpoint_urls")):
        return None
    name = _SETTINGS_NAMES[service]
    title = section.get("services")
    services = full_config.get("services", {}).get(title, {})
    own = services.get(name, {}) if isinstance(services, Mapping) else {}
    of_service = f"AWS_ENDPOINT_URL_{name.upper()}"
    candidates = (
        (environ.get(of_service), of_service),
        (environ.get("AWS_ENDPOINT_URL"), "AWS_ENDPOINT_URL"),
        (own.get("endpoint_url") if isinstance(own, Mapping) else None, f"endpoint_url in [services {title}]"),
        (section.get("endpoint_url"), "endpoint_url of the profile"),
    )
    for url, origin in candidates:
        if isinstance(url, str) and url:
            return ConfiguredEndpoint(service, url, origin)
    return None


def check_endpoint(endpoint: ConfiguredEndpoint) -> None:
    """Refuse an endpoint to which a login token must not be sent.

    Raises:
        ConfigurationError: it is not https, or http to a literal loopback address.
    """
    try:
        parse_url(endpoint.url)
    except UnsafeURLError as flaw:
        raise unsafe_endpoint(endpoint.service, endpoint.origin, flaw) from None


def unsafe_endpoint(service: str, origin: str, flaw: UnsafeURLError) -> ConfigurationError:
    """The error for an endpoint of a service that may not be spoken to."""
    variable = f"AWS_ENDPOINT_URL_{_SETTINGS_NAMES[service].upper()}"
    own = "" if origin.startswith(variable) else f", or give {service} its own with {variable}"
    return ConfigurationError(
        f"{origin}, where calls to {service} would go, {flaw}",
        remedy=f"{flaw.remedy or 'Correct it'}{own}",
    )


def is_true(text: object) -> bool:
    """Tell whether a setting of botocore's is switched on."""
    return isinstance(text, str) and text.lower() == "true"
