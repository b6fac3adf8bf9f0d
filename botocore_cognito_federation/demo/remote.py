"""A world in another process, controlled over HTTP; this process needs neither moto nor the signing libraries."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from .. import ConfigurationError, TemporaryError
from .driving import DrivenWorld
from .records import Call, Message, UserPoolFacts, WorldFacts

if TYPE_CHECKING:
    from .signing import Flaw


class _Link:
    """Sends GET and POST requests with JSON to the control panel, never through a proxy."""

    def __init__(self, endpoint_url: str) -> None:
        self._base = endpoint_url.rstrip("/") + "/_demo/"
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def read(self, name: str, **query: str) -> Any:
        return self._exchange(urllib.request.Request(f"{self._base}{name}?{urlencode(query)}"))  # noqa: S310 - http only

    def act(self, name: str, /, **arguments: Any) -> Any:
        body = json.dumps(arguments).encode()
        request = urllib.request.Request(self._base + name, body, {"Content-Type": "application/json"})  # noqa: S310 - http only
        return self._exchange(request)["result"]

    def _exchange(self, request: urllib.request.Request) -> Any:
        try:
            with self._opener.open(request, timeout=30) as answer:
                return json.loads(answer.read())
        except urllib.error.HTTPError as error:
            reason = json.loads(error.read()).get("error", "")
            raise ConfigurationError(f"the demo world refuses this control: {reason}") from None
        except OSError:
            raise TemporaryError("the demo world does not answer", remedy="Is it still running?") from None


class RemoteProvider:
    """The OpenID provider of a remote world."""

    def __init__(self, link: _Link, label: str, issuer: str, login_key: str, client_id: str) -> None:
        self._link = link
        self._label = label
        self.issuer = issuer
        self.login_key = login_key
        self.client_id = client_id

    def issue(
        self,
        subject: str = "ada",
        *,
        audience: str | list[str] | None = None,
        lifetime: float = 3600,
        flaw: Flaw | None = None,
        algorithm: str = "RS256",
        **claims: Any,
    ) -> str:
        """Return a new token; see `provider.OpenIdProvider.issue`."""
        options = {"audience": audience, "lifetime": lifetime, "flaw": flaw, "algorithm": algorithm}
        return str(self._link.act(f"{self._label}/issue", subject=subject, **options, **claims))

    def rotate_keys(self, *, keep_old: bool = False) -> None:
        self._link.act(f"{self._label}/rotate-keys", keep_old=keep_old)


class RemoteWorld(DrivenWorld):
    """A running world at an endpoint URL, with the methods of `World`; call `connect` first.

    Raises (every method):
        ConfigurationError: the world refuses the arguments.
        TemporaryError: the world does not answer.
    """

    def __init__(self, control_url: str) -> None:
        self._link = _Link(control_url)

    def connect(self) -> RemoteWorld:
        """Load the world's facts and return this object."""
        facts = WorldFacts(**self._link.read("world"))
        self._adopt(facts)
        self.provider = RemoteProvider(self._link, "provider", facts.issuer, facts.login_key, facts.client_id)
        self.second_provider = RemoteProvider(
            self._link, "second-provider", facts.second_issuer, facts.second_login_key, facts.second_client_id
        )
        return self

    def calls(self, operation: str | None = None) -> list[Call]:
        query = {} if operation is None else {"operation": operation}
        return [Call(**record) for record in self._link.read("calls", **query)]

    def reset_journal(self) -> None:
        self._link.act("reset-journal")

    def fault(
        self,
        operation: str,
        *,
        times: int = 1,
        status: int | None = None,
        code: str = "",
        message: str = "",
        delay: float = 0.0,
        close: bool = False,
        truncate: bool = False,
        empty_body: bool = False,
        missing_keys: Iterable[str] = (),
    ) -> None:
        self._link.act(
            "fault",
            operation=operation,
            times=times,
            status=status,
            code=code,
            message=message,
            delay=delay,
            close=close,
            truncate=truncate,
            empty_body=empty_body,
            missing_keys=list(missing_keys),
        )

    def clear_faults(self) -> None:
        self._link.act("clear-faults")

    @property
    def clock_offset(self) -> float:
        return float(self._link.read("clock")["offset"])

    @clock_offset.setter
    def clock_offset(self, seconds: float) -> None:
        self._link.act("clock", offset=seconds)

    @property
    def credential_lifetime(self) -> float:
        return float(self._link.read("credential-lifetime")["seconds"])

    @credential_lifetime.setter
    def credential_lifetime(self, seconds: float) -> None:
        self._link.act("credential-lifetime", seconds=seconds)

    def disable_provider(self) -> None:
        self._link.act("disable-provider")

    def enable_provider(self) -> None:
        self._link.act("enable-provider")

    def rotate_keys(self) -> None:
        self._link.act("rotate-keys")

    def forget_identities(self) -> None:
        self._link.act("forget-identities")

    def trust_issuer(self, issuer: str, client_ids: list[str]) -> str:
        return str(self._link.act("trust-issuer", issuer=issuer, client_ids=client_ids))

    def register_opaque_token(self, login_key: str, token: str, subject: str, lifetime: float | None = None) -> None:
        self._link.act("opaque-token", login_key=login_key, token=token, subject=subject, lifetime=lifetime)

    def add_pool(
        self,
        *,
        allow_guests: bool = False,
        allow_classic: bool = False,
        authenticated_role: str = "",
        guest_role: str = "",
        custom_roles: Iterable[str] = (),
        token_roles: bool = False,
        deny_ambiguous: bool = False,
        developer_provider: str = "",
    ) -> str:
        return str(
            self._link.act(
                "add-pool",
                allow_guests=allow_guests,
                allow_classic=allow_classic,
                authenticated_role=authenticated_role,
                guest_role=guest_role,
                custom_roles=list(custom_roles),
                token_roles=token_roles,
                deny_ambiguous=deny_ambiguous,
                developer_provider=developer_provider,
            )
        )

    def add_user_pool(self, **settings: Any) -> UserPoolFacts:
        return UserPoolFacts(**self._link.act("add-user-pool", **settings))

    def add_user(
        self, user_pool_id: str, username: str, password: str = "", *, temporary: bool = False, **attributes: str
    ) -> str:
        named = {"user_pool_id": user_pool_id, "username": username, "password": password, "temporary": temporary}
        return str(self._link.act("add-user", **named, **attributes))

    def messages(self, username: str | None = None) -> list[Message]:
        query = {} if username is None else {"username": username}
        return [Message(**record) for record in self._link.read("messages", **query)]

    def add_chained_role(
        self,
        name: str,
        *,
        actions: Iterable[str] = ("sts:AssumeRole",),
        conditions: dict[str, Any] | None = None,
    ) -> str:
        return str(self._link.act("add-chained-role", name=name, actions=list(actions), conditions=conditions))
