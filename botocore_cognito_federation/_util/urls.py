"""Which URLs and endpoints may be spoken to, and what keeps a call from getting through: one rule, one vocabulary.

They hold for settings, providers and AWS, whoever of requests and botocore makes the call.

https to any host, or http to a literal loopback address. A name is no loopback address: ``localhost`` leads where a
name server or a hosts file says. Standard library only, as settings are read with this module.
"""

from __future__ import annotations

import errno
import ipaddress
import os
import re
import stat
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, urlsplit

if TYPE_CHECKING:
    from ..errors import CognitoFederationError, ConfigurationError, TemporaryError

LOCALHOST = "localhost"

#: Metadata services that have an address outside the link-local networks (AWS and Google Cloud, over IPv6).
_METADATA_ADDRESSES = frozenset({ipaddress.ip_address("fd00:ec2::254"), ipaddress.ip_address("fd20:ce::254")})
#: A host whose last part is a number is an address, in notations that resolvers read differently (WHATWG URL, 3.5).
_ENDS_IN_A_NUMBER = re.compile(r"(?:\A|\.)(?:[0-9]+|0[xX][0-9A-Fa-f]*)\.?\Z")

#: No space, no control and none of the characters that parsers read differently.
_PLAIN = re.compile(r"[!#-;=?-\[\]_a-z~]+")

#: A server on this machine, as people type it.
_WITHOUT_SCHEME = re.compile(r"(?:localhost|127\.0\.0\.1):([0-9]{1,5})/?")

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class UnsafeURLError(ValueError):
    """A URL that must not be spoken to; the text completes a sentence whose subject is the URL.

    Attributes:
        remedy: what to do about it; may be empty.
        instead: the URL that is meant, where that can be told.
    """

    def __init__(self, why: str, remedy: str = "", instead: str = "") -> None:
        super().__init__(why)
        self.remedy = remedy or (f"Write {instead}" if instead else "")
        self.instead = instead


def is_loopback(host: str) -> bool:
    """Tell whether `host` is a loopback address written as an address, with or without brackets."""
    address = _address(host)
    return address is not None and address.is_loopback


def is_link_local(host: str) -> bool:
    """Return whether `host` is an address of a metadata service, which has the machine's credentials."""
    address = _address(host)
    return address is not None and (address.is_link_local or address in _METADATA_ADDRESSES)


def is_this_machine(host: str) -> bool:
    """Tell whether `host` claims to be this machine: a loopback address, or the name ``localhost``."""
    return host == LOCALHOST or is_loopback(host)


@lru_cache(maxsize=256)
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
    if not isinstance(url, str) or not url or not _PLAIN.fullmatch(url):
        raise UnsafeURLError("is not a plain URL", "Write it in ASCII, without spaces or quotes")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise UnsafeURLError("is not a URL with a plain host name") from None
    if "@" in parts.netloc:
        raise UnsafeURLError("must not hold a user name or a password", "Remove what stands before the @")
    if not host and (local := _WITHOUT_SCHEME.fullmatch(url)):
        raise UnsafeURLError("has no scheme", instead=f"http://127.0.0.1:{local[1]}")
    if not host or port == 0 or "%" in parts.netloc or (_address(host) is None and _ENDS_IN_A_NUMBER.search(host)):
        raise UnsafeURLError("is not a URL with a plain host name")
    _check_host(host, plain_http_hosts)
    if parts.scheme == "https" or (parts.scheme == "http" and (is_loopback(host) or host in plain_http_hosts)):
        return parts
    raise _refused_scheme(parts, host, port)


def is_loopback_url(url: object) -> bool:
    """Tell whether a URL that may be spoken to leads to a literal loopback address.

    Raises:
        UnsafeURLError: as `parse_url`.
    """
    return is_loopback(parse_url(url).hostname or "")


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
        address = f"http://127.0.0.1{f':{port}' if port else ''}{parts.path}"
        why = f"is http to localhost, a name that can lead to another machine: {rule}"
        return UnsafeURLError(why, instead=address)
    shown = f"{parts.scheme} to {host}" if parts.scheme else "a relative URL"
    instead = f"https://{parts.netloc}{parts.path}" if parts.scheme == "http" else ""
    return UnsafeURLError(f"is {shown}; it must be https: {rule}", "Use the https URL of the server", instead)


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


def check_request(
    url: object, *, plain_http_hosts: Collection[str] = (), whose: str = "the URL"
) -> tuple[SplitResult, bool]:
    """Do as `check_url`, and tell whether the URL must be asked directly, never by proxy.

    A proxy has another loopback and another link-local network.
    """
    parts = check_url(url, plain_http_hosts=plain_http_hosts, whose=whose)
    host = parts.hostname or ""
    return parts, is_this_machine(host) or host in plain_http_hosts


def check_urls_of_issuer(issuer: str, urls: Iterable[tuple[str, object]], *, whose: str) -> None:
    """Check the URLs that an issuer names.

    An issuer on another machine must not send requests of this program, with a path of its choosing, to a service of
    this one; so only an issuer on this machine may name URLs on it.

    Args:
        urls: each with its name, for the message.
        whose: where they are named, for the message.

    Raises:
        ConfigurationError: one may not be spoken to.
    """
    from ..errors import ConfigurationError

    own = urlsplit(issuer).hostname or ""
    for name, url in urls:
        parts = check_url(url, plain_http_hosts={LOCALHOST} & {own}, whose=f"The {name} in {whose}")
        if is_this_machine(parts.hostname or "") and not is_this_machine(own):
            raise ConfigurationError(
                f"The {name} in {whose} is on this machine, and the issuer is not",
                remedy="Check the issuer; report it to its owner",
            )


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
    "codeartifact": "codeartifact",
    "ecr": "ecr",
    "ecr-public": "ecr_public",
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
    remedy = flaw.remedy or "Correct it"
    if flaw.instead and origin.startswith("AWS_"):
        remedy = f"Set {origin}={flaw.instead}"
    return ConfigurationError(f"{origin}, where calls to {service} would go, {flaw}", remedy=f"{remedy}{own}")


def is_true(text: object) -> bool:
    """Tell whether a setting of botocore's is switched on."""
    return isinstance(text, str) and text.lower() == "true"


#: Variables that name a proxy, and those that name certificates, in the order in which they count.
_PROXIES = ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy")
CA_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")
_REFUSED_TUNNEL = re.compile(r"(?:Tunnel connection failed|Failed to (?:connect|tunnel)[^0-9]*):? (\d{3})")


def not_reached(host: str) -> TemporaryError:
    """The error for a host that takes no connection; the same words whoever of requests and botocore has tried."""
    from ..errors import TemporaryError

    address = host.partition("//")[2].strip("/") or host
    named = (name for name, value in os.environ.items() if name.startswith("AWS_ENDPOINT_URL"))
    ends = (name for name in sorted(named, reverse=True) if os.environ[name].rstrip("/").endswith(f"//{address}"))
    variable = next(ends, "")
    if variable:
        remedy = f"Unset {variable}, or start what should listen there"
        return TemporaryError(f"{host}, which {variable} names, cannot be reached", remedy=remedy)
    return TemporaryError(
        f"{host} cannot be reached",
        remedy="Check the network, HTTPS_PROXY and NO_PROXY, and the address in the configuration",
    )


def tls_refused(
    host: str, certificates: object, environ: Mapping[str, str], *, reads_directories: bool = True
) -> CognitoFederationError:
    """The error for a TLS connection that was not accepted.

    Args:
        host: who answered.
        certificates: the file or directory of CA certificates that was used; anything but a text is the stock one.
        reads_directories: see `certificates_fault`.
    """
    from ..errors import TemporaryError

    return certificates_fault(certificates, environ, reads_directories=reads_directories) or TemporaryError(
        f"The TLS connection to {host} failed: its certificate or protocol was not accepted",
        remedy="Set AWS_CA_BUNDLE=FILE with the CA certificates of its private authority, or of a TLS-inspecting proxy,"
        " or ca_bundle in the profile",
    )


def check_certificates(certificates: object, environ: Mapping[str, str]) -> None:
    """Refuse CA certificates that OpenSSL would wait for: a pipe without a writer blocks it without a limit.

    Raises:
        ConfigurationError: they are neither a file nor a directory.
    """
    if isinstance(certificates, str) and _is_pipe(certificates):
        fault = certificates_fault(certificates, environ)
        assert fault is not None, "a pipe holds no certificates"
        raise fault


def _is_pipe(path: str) -> bool:
    try:
        mode = os.stat(path).st_mode
    except (OSError, ValueError):
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)


def certificates_fault(
    certificates: object, environ: Mapping[str, str], *, reads_directories: bool = True
) -> ConfigurationError | None:
    """The error for CA certificates that are configured and cannot be used; None where they can.

    Args:
        certificates: a path; anything else for the stock ones.
        environ: where variables may name them.
        reads_directories: whether the caller takes a directory of them, as requests does and botocore does not.
    """
    import ssl

    from ..errors import ConfigurationError

    if not isinstance(certificates, str):
        return None
    names = (name for name in ("AWS_CA_BUNDLE", *CA_VARIABLES) if environ.get(name) == certificates)
    origin = next(names, "ca_bundle")
    way = f"Set {origin}=FILE" if origin != "ca_bundle" else "Write ca_bundle = FILE"
    remedy = f"{way} with the path of CA certificates in PEM form, or remove it"
    try:
        if _is_pipe(certificates):
            raise OSError(errno.EINVAL, "it is a pipe and not a file")
        is_directory = os.path.isdir(certificates)
        if is_directory and not reads_directories:
            raise OSError(errno.EISDIR, "it is a directory, and botocore reads a file")
        kind = "capath" if is_directory else "cafile"
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(**{kind: certificates})
    except ssl.SSLError:
        return ConfigurationError(f"{certificates} ({origin}) holds no CA certificates in PEM form", remedy=remedy)
    except OSError as error:
        hint = "; ~ is not expanded there" if certificates.startswith("~") else ""
        what = f"The CA certificates in {certificates} ({origin}) cannot be read: {error.strerror}{hint}"
        return ConfigurationError(what, remedy=remedy)
    return None


def proxy_fault(environ: Mapping[str, str]) -> ConfigurationError | None:
    """The error for a proxy's URL that is none; None where each is one. It is not shown: it may hold a password."""
    from ..errors import ConfigurationError

    for name in _PROXIES:
        value = environ.get(name, "").strip()
        try:
            parts = urlsplit(value if "//" in value else f"//{value}")
            is_url = bool(parts.hostname) and not re.search(r"\s", parts.netloc) and parts.port != 0
        except ValueError:
            is_url = False
        if value and not is_url:
            return ConfigurationError(
                f"The proxy URL in {name} is malformed", remedy=f"Set {name} to http://HOST:PORT, or unset it"
            )
    return None


def proxy_failure(host: str, text: str) -> TemporaryError:
    """The error for a proxy that does not let a call through.

    Args:
        host: who was to be reached.
        text: what urllib3 says; only the proxy's status is taken from it.
    """
    from ..errors import TemporaryError

    status = _REFUSED_TUNNEL.search(text)
    if status is not None and status[1] == "407":
        what = f"The proxy for {host} asks for a user name and a password (HTTP 407)"
        return TemporaryError(what, remedy="Write them into HTTPS_PROXY: http://USER:PASSWORD@HOST:PORT")
    if status is not None:
        what = f"The proxy for {host} refuses to connect to it (HTTP {status[1]})"
        return TemporaryError(what, remedy="Ask the administrator of the proxy, or name the host in NO_PROXY")
    return TemporaryError(f"The proxy for {host} cannot be reached", remedy="Check HTTPS_PROXY and NO_PROXY")
