"""What every token source has in common: its declaration, its provider, and how its output is read."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from ..errors import TokenRefreshError
from ..login_token import LoginToken, checked_text, expiry_seconds

if TYPE_CHECKING:
    from botocore.session import Session

    from ..cache.base import Store
    from ..config.settings import Settings
    from ..identity_pool.aws import Clients, Clock


@dataclass(frozen=True)
class Binding:
    """What a ready-to-print answer made from a token source depends on.

    Attributes:
        kind: ``file`` (its device, inode, size and times) or ``variable`` (its value).
        name: the path or the name of the variable.
    """

    kind: str
    name: str


@dataclass(frozen=True)
class RefreshContext:
    """What a refresh handler may want to know.

    Attributes:
        provider: the provider's name or Logins key, as configured; None when the token itself says it.
        identity_id: the identity so far, if known.
        previous_expires_at: when the last token expired or expires, seconds since the epoch.
        attempt: 1 for the first attempt of this renewal.
        has_valid_credentials: whether credentials still live; then one attempt is enough, and nobody is kept waiting.
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
    """Where a login token comes from.

    Attributes:
        description: the source in words for messages, such as ``cognito_token_file /run/token``.
    """

    @property
    def description(self) -> str: ...

    def cached_token(self) -> LoginToken | None:
        """A token of any age that says whose credentials are asked for; None where only `fetch` can tell.

        Raises:
            SignInRequiredError: somebody has to sign in.
        """
        ...

    def fetch(self, context: RefreshContext) -> LoginToken:
        """A login token, newly read or obtained.

        Raises:
            TokenRefreshError: the source answered without a usable token.
            TemporaryError: the same call may succeed later.
            ConfigurationError: the source is not there or may not be used.
            SignInRequiredError: somebody has to sign in.
        """
        ...


class WorkloadTokenProvider:
    """What the sources of workloads have in common: only a token newly had tells whose it is."""

    def cached_token(self) -> LoginToken | None:
        return None


Now = Callable[[], float]


@dataclass(frozen=True)
class SourceContext:
    """What the provider of a token source may use.

    Attributes:
        store: where sign-ins are stored.
        environ: the process environment.
        clock: the clock.
        clients: makes the clients of AWS.
        open_session: opens a botocore session for another profile, where the configuration names one.
        time_left: seconds the caller has for a person to sign in; None where it can wait.
    """

    store: Store
    environ: Mapping[str, str]
    clock: Clock
    clients: Clients
    open_session: Callable[[str], Session]
    time_left: Callable[[], float] | None = None


def no_bindings(settings: Settings) -> tuple[Binding, ...]:
    """Nothing outside the configuration says whose token the source gives."""
    return ()


def fixed_by_configuration(settings: Settings, environ: Mapping[str, str]) -> bool:
    """The configuration file alone says where the token comes from."""
    return True


def anybody_may_set(settings: Settings, environ: Mapping[str, str]) -> bool:
    """The token, or the address that it comes from, may have been set by anybody who starts the process."""
    return False


@dataclass(frozen=True)
class SourceDeclaration:
    """One kind of token source: what configures it, what it reads, and what may be concluded from its tokens.

    The registry lists them; whatever depends on the kind of source reads it here and nowhere else. A declaration
    imports nothing that only its provider needs.

    Attributes:
        key: the configuration key that selects it, without prefix; ``token_source`` where its name does; empty where
            people sign in, and for guests.
        open: makes its provider; None for guests, who have no login.
        name: the value of ``cognito_token_source`` that selects it.
        is_token_url: whether ``cognito_token_url`` takes the name too.
        options: further keys that go with it.
        required: those of them it cannot do without, and what they hold.
        bindings: the variables and files that say whose token it gives.
        read: reads the token where what is bound holds the token itself, so that no other party is asked; else None.
        knows_user: whether it says whose credentials are asked for while it has no token newly had.
        address_is_fixed: whether the configuration file or this product alone says where the token comes from.
        runs_in_process: whether it runs code of others in this process, which may print and start what it likes.
        remedy: what a person does when the login token is good for nothing.
    """

    key: str
    open: Callable[[Settings, SourceContext], LoginTokenProvider | None]
    remedy: Callable[[Settings], str]
    name: str | None = None
    is_token_url: bool = False
    options: tuple[str, ...] = ()
    required: Mapping[str, str] = field(default_factory=dict)
    bindings: Callable[[Settings], tuple[Binding, ...]] = no_bindings
    read: Callable[[Settings, Mapping[str, str]], LoginToken] | None = None
    knows_user: bool = False
    address_is_fixed: Callable[[Settings, Mapping[str, str]], bool] = anybody_may_set
    runs_in_process: bool = False

    def answers_by_claims(self, settings: Settings, environ: Mapping[str, str]) -> bool:
        """Whether cached credentials answer to the claims of a token that was not itself exchanged.

        A stranger could otherwise put a token there that names another user, or name another provider that has a user
        of the same name.
        """
        provider_is_fixed = not any(
            settings.origin(name).layer in ("environment", "flag") for name in ("provider", "issuer", "login_key")
        )
        return self.address_is_fixed(settings, environ) and (self.knows_user or provider_is_fixed)

    def tells_users_apart(self, settings: Settings, environ: Mapping[str, str]) -> bool:
        """Whether what is configured and bound says whose credentials are asked for, with no other party asked.

        A command or a URL may answer for another user each time, and says so only when it is asked. A handler is code
        of this process; to ask it for each session would call it from within itself where it uses its own profile.
        """
        is_one_user = self.runs_in_process or bool(settings.developer_user)
        return is_one_user or self.has_ready_answer(settings, environ)

    def has_ready_answer(self, settings: Settings, environ: Mapping[str, str]) -> bool:
        """Whether an answer may be served again while the bindings are unchanged, without a token being asked for."""
        user_is_known = self.knows_user or settings.identity_id is not None
        return self.read is not None or (user_is_known and self.address_is_fixed(settings, environ))


#: Names under which other tools put the token when they print JSON: ours first.
_USUAL_FIELDS = ("token", "id_token", "value")


def parse_output(text: str, *, source: str, field: str | None, now: float) -> LoginToken:
    """The login token in what a file, variable, command or URL says.

    Args:
        text: the whole output.
        source: the source in words, for messages; the output itself is never quoted.
        field: the JSON field that holds the token (dots lead into nested objects); None for the usual ones.
        now: seconds since the epoch.

    Raises:
        TokenRefreshError: there is no usable token in it.
    """
    stripped = text.strip()
    if field is None and not stripped.startswith("{"):
        return LoginToken.of(checked_text(text, source))
    try:
        answer = json.loads(stripped)
    except (ValueError, RecursionError):
        raise TokenRefreshError(f"{source} does not hold valid JSON") from None
    if not isinstance(answer, dict):
        raise TokenRefreshError(f"{source} holds JSON that is not an object")
    token = _lookup(answer, field) if field else _first(answer, _USUAL_FIELDS)
    if not isinstance(token, str):
        wanted = f"field {field!r}" if field else "field 'token'"
        raise TokenRefreshError(
            f"{source} holds JSON without a string {wanted}", remedy="Set cognito_token_field to the field of the token"
        )
    identity_id = answer.get("identity_id")
    if identity_id is not None and not isinstance(identity_id, str):
        raise TokenRefreshError(f"{source} holds JSON whose identity_id is not a string")
    return LoginToken.of(
        checked_text(token, source),
        expires_at=expiry_seconds(answer.get("expires_at"), now=now, name=f"expires_at of {source}"),
        identity_id=identity_id,
    )


def _first(answer: Mapping[str, Any], names: tuple[str, ...]) -> object:
    return next((answer[name] for name in names if name in answer), None)


def _lookup(answer: Mapping[str, Any], field: str) -> object:
    if field in answer:
        return answer[field]
    value: object = answer
    for name in field.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return value
