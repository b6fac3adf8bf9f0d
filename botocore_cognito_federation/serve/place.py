"""Where a container endpoint listens: on loopback, at an address that SDKs take without TLS, or anywhere with TLS.

The last is for containers that do not share a network namespace. SDKs send the token without TLS to loopback and to the
addresses of the agents of Amazon ECS and EKS only.
"""

from __future__ import annotations

import http.client
import ipaddress
import os
import re
import secrets
import ssl
import stat
from dataclasses import dataclass

from .._util.files import is_own
from .._util.loopback import ADDRESS
from ..errors import ConfigurationError, StorageError, TemporaryError
from ..messages import shell_command

#: The addresses of the agents of ECS, and of EKS Pod Identity in IPv4 and IPv6.
AGENTS = ("169.254.170.2", "169.254.170.23", "fd00:ec2::23")
#: The path of the readiness probe, which needs no token and shows nothing else.
READY = "/ready"
_PATH = re.compile(r"/[A-Za-z0-9._~/-]{1,200}", re.ASCII)
#: Bytes of a token file; SDKs refuse line breaks in a token.
_LONGEST_TOKEN = 4096
_TOKEN = re.compile(rb"[\x21-\x7e]{16,}")


@dataclass(frozen=True)
class Place:
    """Where an endpoint listens, and what its clients know.

    Attributes:
        address: a literal IP address.
        port: the port; 0 for one that the system chooses.
        path: the path of the credentials; by default a random one.
        token_file: holds the token; made if it is not there.
        certificate: a file with the certificate and its chain in PEM, for TLS.
        key: the file with its private key.
        host: the name in the printed address; by default the address.

    Raises:
        ConfigurationError: SDKs would not ask there, or everyone could listen to the token.
    """

    address: str = ADDRESS
    port: int = 0
    path: str = ""
    token_file: str | None = None
    certificate: str | None = None
    key: str | None = None
    host: str | None = None

    def __post_init__(self) -> None:
        try:
            address = ipaddress.ip_address(self.address)
        except ValueError:
            raise ConfigurationError(
                f"{self.address!r} is not an IP address", remedy=f"Name {ADDRESS}, or leave it out"
            ) from None
        if (self.certificate is None) != (self.key is None):
            raise ConfigurationError("A certificate and its private key go together", remedy="Name both files")
        if self.certificate is None and not (address.is_loopback or str(address) in AGENTS):
            raise ConfigurationError(
                f"Without TLS, SDKs ask only at loopback, {', '.join(AGENTS)}, and not at {self.address}",
                remedy="Name one of these with --address, or add --certificate FILE and --key FILE",
            )
        if self.path and (not _PATH.fullmatch(self.path) or self.path == READY):
            raise ConfigurationError(
                f"{self.path!r} cannot be the path of the credentials", remedy="Name one such as /credentials"
            )

    @property
    def hosts(self) -> tuple[str, ...]:
        """The names by which clients may call it; none with TLS, whose certificate says it."""
        if self.certificate is not None:
            return ()
        return (_in_url(self.address), *(("localhost",) if ipaddress.ip_address(self.address).is_loopback else ()))

    def url(self, port: int, path: str) -> str:
        """Return the address of the credentials."""
        scheme = "http" if self.certificate is None else "https"
        return f"{scheme}://{self.host or _in_url(self.address)}:{port}{path}"

    def tls(self) -> ssl.SSLContext | None:
        """Return what speaks TLS, or None.

        Raises:
            ConfigurationError: the files are not a certificate and its private key.
        """
        if self.certificate is None:
            return None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        try:
            context.load_cert_chain(self.certificate, self.key, password=_no_password)
        except (OSError, ValueError) as error:
            raise ConfigurationError(
                f"{self.certificate} and {self.key} are not a certificate and its private key"
                f" ({getattr(error, 'reason', None) or getattr(error, 'strerror', None) or 'encrypted'})",
                remedy="Name files in PEM, the key without a password",
            ) from None
        return context

    def exposed(self) -> list[str]:
        """Say which of its files every user of this machine can open, each with the command that ends it.

        The group may open them: that is how two containers with different users share a token. Nothing is said of a
        file whose mode this user cannot change, such as a secret that Kubernetes has mounted with 0644 for root.
        """
        secrets_in = {"token of the clients": self.token_file, "private key of the certificate": self.key}
        return [line for what, path in secrets_in.items() if path and (line := _exposure(what, os.path.abspath(path)))]

    def is_ready(self) -> None:
        """Return if an endpoint at this place has credentials to give.

        Raises:
            TemporaryError: it has none, or there is none.
        """
        connection = http.client.HTTPConnection(self.address, self.port, timeout=5)
        try:
            connection.request("GET", READY, headers={"Host": f"{_in_url(self.address)}:{self.port}"})
            status = connection.getresponse().status
        except (OSError, http.client.HTTPException):
            status = 0
        finally:
            connection.close()
        if status != 200:
            where = f"{_in_url(self.address)}:{self.port}"
            what = f"The endpoint at {where} has no credentials" if status else f"There is no endpoint at {where}"
            raise TemporaryError(what, remedy="Look at the messages of serve")


def _exposure(what: str, path: str) -> str:
    if os.name == "nt":
        return ""
    try:
        status, file_system = os.stat(path), os.statvfs(path)
    except OSError:
        return ""  # the endpoint itself says why it cannot be read
    can_change = (is_own(status) or os.geteuid() == 0) and not file_system.f_flag & os.ST_RDONLY
    if not can_change or not status.st_mode & stat.S_IRWXO:
        return ""
    remedy = shell_command("chmod", "600", path)
    mode = f"{stat.S_IMODE(status.st_mode):04o}"
    return f"{path} holds the {what}, and its mode {mode} lets every user open it. Run: {remedy}"


def _no_password() -> str:
    raise ValueError("a key with a password would be asked for on the terminal")


def _in_url(address: str) -> str:
    return f"[{address}]" if ":" in address else address


class SharedTokenFile:
    """A token file that another program has made or will read, such as one on a volume of two containers.

    It is made with mode 0600 if it is not there, and stays. Its content counts at each request, so it can be replaced.

    Args:
        path: the file.
    """

    def __init__(self, path: str) -> None:
        self.path = os.path.abspath(path)
        self._last = ""

    def __enter__(self) -> SharedTokenFile:
        """Read the token, or make one.

        Raises:
            ConfigurationError: the file holds no token.
            StorageError: it cannot be read or made.
        """
        try:
            try:
                descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            except FileExistsError:
                self._last = self._read()
            else:
                self._last = secrets.token_urlsafe(32)
                with os.fdopen(descriptor, "w") as file:
                    file.write(self._last)
        except OSError as error:
            raise StorageError(
                f"The token file {self.path} cannot be read or made: {error.strerror}", remedy="Name another file"
            ) from None
        if not self._last:
            raise ConfigurationError(
                f"{self.path} holds no token: one line of at least 16 characters", remedy="Remove it, or write one"
            )
        return self

    def __exit__(self, *_: object) -> None:
        """Leave the file, which the other program goes on reading."""

    def token(self) -> str:
        """Return the present token; the last one while the file cannot be read."""
        try:
            self._last = self._read() or self._last
        except OSError:
            return self._last
        return self._last

    def _read(self) -> str:
        with open(self.path, "rb") as file:
            content = file.read(_LONGEST_TOKEN).rstrip(b"\r\n")
        return content.decode("ascii") if _TOKEN.fullmatch(content) else ""
