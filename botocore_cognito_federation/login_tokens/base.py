"""The common part of all token sources: their declaration and their provider."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from botocore.session import Session

    from .._util.concurrency import Clock
    from ..cache.base import Store
    from ..config.settings import Settings
    from ..identity_pool.client import Clients
    from ..login_token import LoginToken


class Binding(NamedTuple):
    """What a ready-to-print answer made from a token source depends on.

    Attributes:
        kind: ``file`` (its device, inode, size and times) or ``variable`` (its value).
        name: the path or the name of the variable.
    """

    kind: str
    name: str


@dataclass(frozen=True)
class RefreshContext:
    """Information for a refresh handler.

    Attributes:
        provider: the provider's name or Logins key, as configured; None if the token itself names it.
        identity_id: the identity so far, if it is known.
        previous_expires_at: when the last token expired or expires, seconds since the epoch.
        attempt: 1 for the first attempt of this renewal.
        has_valid_credentials: whether credentials are still valid; then one attempt is enough, and no caller waits.
        force: whether the token has to be a new one, although the last one has not expired: what it says of its user,
            such as groups and roles, may have changed.
    """

    provider: str | None = None
    identity_id: str | None = None
    previous_expires_at: float | None = None
    attempt: int = 1
    has_valid_credentials: bool = False
    force: bool = False


class LoginTokenProvider(Protocol):
    """A source of login tokens.

    Attributes:
        description: the name of the source for messages, such as ``cognito_token_file /run/token``.
    """

    @property
    def description(self) -> str: ...

    def fetch(self, context: RefreshContext) -> LoginToken:
        """Return a login token, newly read or obtained.

        Args:
            context: information about this renewal.

        Raises:
            TokenRefreshError: the source answered without a usable token.
            TemporaryError: the same call may succeed later.
            ConfigurationError: the source does not exist or must not be used.
            SignInRequiredError: the user has to sign in.
        """
        ...


class CachedTokenProvider(LoginTokenProvider):
    """A source that has the token of a sign-in at hand. With any other, only a token newly had tells whose it is."""

    @abstractmethod
    def cached_token(self) -> LoginToken:
        """Return a token of any age, which identifies the user.

        Raises:
            SignInRequiredError: the user has to sign in.
        """


Now = Callable[[], float]


@dataclass(frozen=True)
class SourceContext:
    """Everything that the provider of a token source may use.

    Attributes:
        store: the store of sign-ins.
        environ: the process environment.
        clock: the clock.
        clients: makes AWS clients.
        open_session: opens a botocore session for another profile, if the configuration names one.
        time_left: seconds that the caller has for an interactive sign-in; None if it can wait.
    """

    store: Store
    environ: Mapping[str, str]
    clock: Clock
    clients: Clients
    open_session: Callable[[str], Session]
    time_left: Callable[[], float] | None = None


def no_bindings(settings: Settings) -> tuple[Binding, ...]:
    """Return no bindings: nothing outside the configuration identifies the user."""
    return ()


@dataclass(frozen=True)
class SourceDeclaration:
    """One kind of token source: its configuration, what it reads, and what may be concluded from its tokens.

    The registry lists the declarations. All code that depends on the kind of source reads it here and nowhere else. A
    declaration imports nothing that only its provider needs.

    Attributes:
        key: the configuration key that selects it, without prefix; ``token_source`` if its name selects it; empty for
            interactive sign-ins and for guests.
        open: makes its provider; None for guests, who have no login.
        name: the value of ``cognito_token_source`` that selects it.
        is_token_url: whether ``cognito_token_url`` takes the name too.
        options: further keys that belong to it.
        required: those options that are mandatory, and their meaning.
        one_of: those options of which exactly one is mandatory, and their meaning.
        bindings: the variables and files that identify the user of its token.
        bindings_name_user: whether the user is the same as long as the bindings are unchanged, although a service has
            to be asked for the token.
        read: reads the token if a binding holds the token itself, so that no service is asked; otherwise None.
        knows_user: whether it can identify the user without fetching a token.
        address_is_fixed: whether only the configuration file or this package decides where the token comes from; False
            if the caller of the process can choose the token, or the address that it comes from.
        asks_server: whether its provider asks a server, which may answer a moment later what it cannot answer now.
        runs_in_process: whether it runs foreign code in this process, which may print text and start processes.
        remedy: what the user can do if the login token is useless.
    """

    key: str
    open: Callable[[Settings, SourceContext], LoginTokenProvider | None]
    remedy: Callable[[Settings], str]
    name: str | None = None
    is_token_url: bool = False
    options: tuple[str, ...] = ()
    required: Mapping[str, str] = field(default_factory=dict)
    one_of: Mapping[str, str] = field(default_factory=dict)
    bindings: Callable[[Settings], tuple[Binding, ...]] = no_bindings
    bindings_name_user: bool = False
    read: Callable[[Settings, Mapping[str, str]], LoginToken] | None = None
    knows_user: bool = False
    address_is_fixed: bool | Callable[[Settings, Mapping[str, str]], bool] = False
    asks_server: bool = False
    runs_in_process: bool = False
