"""Which URLs and endpoints may be spoken to, and what is this machine: the one rule for settings, providers and AWS.

https to any host, or http to a literal loopback address. A name is no loopback address: ``localhost`` leads where a
name server or a hosts file says. Standard library only, as settings are read with this module.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, urlsplit

if TYPE_CHECKING:
    from ..errors import ConfigurationError

LOCALHOST = "localhost"

#: Metadata services that have an address outside the link-local networks (AWS and Google Cloud, over IPv6).
_METADATA_ADDRESSES = frozenset({ipaddress.ip_address("fd00:ec2::254"), ipaddress.ip_address("fd20:ce::254")})
#: A host whose last part is a number is an address, in notations that resolvers read differently (WHATWG URL, 3.5).
_ENDS_IN_A_NUMBER = re.compile(r"(?:\A|\.)(?:[0-9]+|0[xX][0-9A-Fa-f]*)\.?\Z")

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class UnsafeURLError(ValueError):
    """A URL that must not be spoken to; the text completes a sentence whose subject is the URL.

    Attributes:
        remedy: what to write instead; may be empty.
    """

    def __init__(self, why: str, remedy: str = "") -> None:
        super().__init__(why)
        self.remedy = remedy


def is_loopback(host: str) -> bool:
    """Tell whether `host` is a loopback address written as an address, with or without brackets."""
    address = _address(host)
    return address is not None and address.is_loopback


def is_link_local(host: str) -> bool:
    """Tell whether `host` is an address at which machines keep credentials of their own (metadata services)."""
    address = _address(host)
    return address is not None and (address.is_link_local or address in _METADATA_ADDRESSES)


def is_this_machine(host: str) -> bool:
    """Tell whether `host` claims to be this machine: a loopback address, or the name ``localhost``."""
    return host == LOCALHOST or is_loopback(host)


def _address(host: str) -> _Address | None:
    try:
        address = ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def parse_url(url: object, *, plain_http_hosts: Collection[str] = ()) -> SplitResult:
    """Split a URL that may be spoken to.

    Args:
        plain_http_hosts: hosts besides loopback that may be spoken to without TLS, and that may be link-local.

    Raises:
        UnsafeURLError: not https (or http to loopback), no host, an address of a metadata service, or characters that
            parsers read differently.
    """
    # A URL that two parsers split differently reaches another host than the one that was checked, so anything
    # unusual is refused rather than interpreted: backslashes, spaces, controls, non-ASCII, user names.
    if not isinstance(url, str) or not url or any(not "!" <= c <= "~" or c in '\\"<>^`{|}' for c in url):
        raise UnsafeURLError("is not a plain URL", "Write it in ASCII, without spaces or quotes")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise UnsafeURLError("is not a URL with a plain host name") from None
    if "@" in parts.netloc:
        raise UnsafeURLError("must not hold a user name or a password", "Remove what stands before the @")
    if not host or port == 0 or "%" in parts.netloc or (_address(host) is None and _ENDS_IN_A_NUMBER.search(host)):
        raise UnsafeURLError("is not a URL with a plain host name")
    _check_host(host, plain_http_hosts)
    if parts.scheme == "https" or (parts.scheme == "http" and (is_loopback(host) or host in plain_http_hosts)):
        return parts
    raise _refused_scheme(parts, host, port)


def _check_host(host: str, exceptions: Collection[str]) -> None:
    address = _address(host)
    if host in exceptions or address is None:
        return
    if is_link_local(host):
        raise UnsafeURLError(
            f"leads to {host}, a link-local address where machines publish their own credentials",
            "For a token of the machine itself set cognito_token_url = gcp or azure",
        )
    if address.is_unspecified or address.is_multicast:
        raise UnsafeURLError(f"leads to {host}, which is not the address of one server")


def _refused_scheme(parts: SplitResult, host: str, port: int | None) -> UnsafeURLError:
    rule = "http goes to literal loopback addresses (127.0.0.1 or [::1]) only"
    if parts.scheme == "http" and host == LOCALHOST:
        address = f"http://127.0.0.1{f':{port}' if port else ''}"
        return UnsafeURLError(
            f"is http to localhost, a name that can lead to another machine: {rule}", f"Write {address}"
        )
    shown = f"{parts.scheme} to {host}" if parts.scheme else "a relative URL"
    return UnsafeURLError(f"is {shown}; it must be https: {rule}", "Use the https URL of the server")


def check_url(url: object, *, plain_http_hosts: Collection[str] = (), whose: str = "the URL") -> SplitResult:
    """Do as `parse_url`, for a URL that a person or a provider has named.

    Args:
        whose: what the URL is and where it comes from, for the message.

    Raises:
        ConfigurationError: as `parse_url`; the URL itself is not quoted, it may hold a secret.
    """
    from ..errors import ConfigurationError  # imports botocore, which reading the settings must not

    try:
        return parse_url(url, plain_http_hosts=plain_http_hosts)
    except UnsafeURLError as flaw:
        raise ConfigurationError(f"{whose} {flaw}", remedy=flaw.remedy) from None


def loopback_addresses(port: int) -> tuple[str, ...]:
    """Resolve ``localhost`` for an issuer that is called so in its own documents and cannot be renamed.

    Returns:
        Its addresses, to be connected to in place of the name.

    Raises:
        UnsafeURLError: one of them is not a loopback address.
        OSError: the name does not resolve.
    """
    import socket

    found = socket.getaddrinfo(LOCALHOST, port, type=socket.SOCK_STREAM)
    addresses = tuple(dict.fromkeys(str(entry[4][0]) for entry in found))
    others = [address for address in addresses if not is_loopback(address)]
    if others:
        raise UnsafeURLError(
            f"is http to localhost, which resolves to {others[0]} here",
            "Correct the entry for localhost in the hosts file",
        )
    return addresses


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
    from ..errors import ConfigurationError

    variable = f"AWS_ENDPOINT_URL_{_SETTINGS_NAMES[service].upper()}"
    own = "" if origin.startswith(variable) else f", or give {service} its own with {variable}"
    return ConfigurationError(
        f"{origin}, where calls to {service} would go, {flaw}",
        remedy=f"{flaw.remedy or 'Correct it'}{own}",
    )


def is_true(text: object) -> bool:
    """Tell whether a setting of botocore's is switched on."""
    return isinstance(text, str) and text.lower() == "true"
