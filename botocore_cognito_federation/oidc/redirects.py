"""Where the browser comes back to: the redirect URI and the ports it may have (RFC 8252, section 7.3)."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from .._util.http import is_loopback
from ..errors import ConfigurationError

DEFAULT_REDIRECT_URI = "http://127.0.0.1/callback"


@dataclass(frozen=True)
class Redirect:
    """A loopback redirect.

    Attributes:
        host: as the provider has it registered: ``127.0.0.1``, ``[::1]`` or ``localhost``.
        path: as registered, perhaps empty.
        ports: tried in turn; 0 is an ephemeral port.
    """

    host: str
    path: str
    ports: tuple[int, ...]

    def uri(self, port: int) -> str:
        """The redirect URI for `port`, letter by letter what most providers compare it with."""
        return f"http://{self.host}:{port}{self.path}"

    def registration(self, port: int) -> str:
        """What to register at the provider for `port`, in words where it is no port in particular."""
        return self.uri(port) if port in self.ports and port else f"http://{self.host}{self.path} (with any port)"

    @property
    def addresses(self) -> tuple[str, ...]:
        """The addresses to listen on: a browser may take ``localhost`` for either of two."""
        if self.host == "localhost":
            return ("127.0.0.1", "::1")
        return (self.host.strip("[]"),)


def loopback_redirect(uri: str | None, ports: tuple[int, ...]) -> Redirect:
    """The redirect of `cognito_redirect_uri` and `cognito_redirect_ports`.

    Args:
        uri: None for ``http://127.0.0.1:<port>/callback``. A port in it is the only one.

    Raises:
        ConfigurationError: the URI is not http to loopback, or there is no port to try.
    """
    parts = urlsplit((uri or DEFAULT_REDIRECT_URI).replace(":<port>", ""))
    try:
        host, port = parts.hostname or "", parts.port
    except ValueError:
        host, port = "", None
    plain = not (parts.query or parts.fragment or "@" in parts.netloc or parts.path.startswith(("/done", "/start/")))
    if parts.scheme != "http" or not (host == "localhost" or is_loopback(host)) or not plain:
        raise ConfigurationError(
            "cognito_redirect_uri must be http to 127.0.0.1, [::1] or localhost for a sign-in with the browser here",
            remedy="Set cognito_redirect_uri = http://127.0.0.1:<port>/callback, or sign in with --remote",
        )
    chosen = (port,) if port else ports
    if not chosen or any(not 0 <= p <= 65535 for p in chosen):
        raise ConfigurationError("cognito_redirect_ports has no port", remedy="Set it to numbers up to 65535, or to 0")
    return Redirect(f"[{host}]" if ":" in host else host, parts.path, chosen)
