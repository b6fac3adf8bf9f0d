"""The world itself: starts and connects everything on two loopback ports, and stops it without leaving anything
behind."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from contextlib import ExitStack
from types import TracebackType
from typing import Any

from .administration import Administration
from .clock import WorldClock
from .control import ControlPanel
from .driving import DrivenWorld
from .gateway import Gateway
from .identities import IdentityStore
from .journal import Fault, FaultBook, Journal
from .moto_account import MotoAccount, RequestHandler, make_server
from .operations import IdentityPoolService
from .pool_tokens import PoolTokens
from .pools import Pool, Pools, new_pool_id
from .provider import OpenIdProvider
from .records import Call, Message, UserPoolFacts, WorldFacts
from .sessions import SESSION_SECONDS, Sessions
from .signing import SigningKey
from .stage import OBJECT_KEY, add_chained_role, extend_trust, set_stage
from .sts import WebIdentityService
from .token_verification import LoginVerifier, ProviderKeys
from .user_pool.service import UserPoolService
from .user_pool.state import Directory

REGION = "eu-west-1"
DEVELOPER_PROVIDER = "login.demo.example"
#: Of ada in the world's own user pool.
USER_PASSWORD = "Demo-Passw0rd"


class World(DrivenWorld):
    """An AWS account with identity pools, and two OpenID providers, in threads of this process.

    Use it as a context manager, or call `start` and `stop`. Binds 127.0.0.1 only, on ports the system chooses. While a
    world runs, moto's IAM enforcement is on for the whole process.

    Args:
        credential_lifetime: the lifetime of the enhanced flow's credentials in seconds; see `sessions.Sessions`.
        clock_offset: seconds the world's clock is ahead of the machine's.
        issuer_path: path of the provider's issuer, e.g. ``/realms/demo``.
        region: of the pools, the bucket and the profiles.
    """

    def __init__(
        self,
        *,
        credential_lifetime: float = SESSION_SECONDS,
        clock_offset: float = 0.0,
        issuer_path: str = "",
        region: str = REGION,
    ) -> None:
        self._region = region
        self._issuer_path = issuer_path
        self._lifetime = credential_lifetime
        self._clock = WorldClock()
        self._clock.offset = clock_offset
        self._journal = Journal()
        self._faults = FaultBook()
        self._pools = Pools()
        self._pool_ids: list[str] = []
        self._identities = IdentityStore()
        self._keys = ProviderKeys()
        self._verifier = LoginVerifier(self._clock, self._keys)
        self.user_pools = UserPoolService(Directory(self._clock, region))
        self._undo = ExitStack()

    def __enter__(self) -> World:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start everything and return when it answers. A world runs only once."""
        try:
            self._start()
        except BaseException:
            self.stop()
            raise

    def _start(self) -> None:
        self._account = MotoAccount(self._region)
        self._account.open()
        self._undo.callback(self._account.close)
        self._sessions = Sessions(self._account, self._clock, self._lifetime)
        self.provider = self._start_provider("demo-client", self._issuer_path)
        self.second_provider = self._start_provider("second-client", "")
        self._pool_ids = [new_pool_id(self._region) for _ in range(3)]
        self._stage = set_stage(self._account, self._pool_ids, self.provider.login_key, self.provider.client_id)
        self._configure_pools()
        server = make_server("127.0.0.1", 0, self._gateway(), threaded=True, request_handler=_handler(self._clock))
        self._undo.callback(server.server_close)
        self.user_pools.directory.endpoint_url = f"http://127.0.0.1:{server.server_port}"
        self._adopt(self._gather_facts(server.server_port, self._add_own_user_pool()))
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        self._undo.callback(server.shutdown)
        self._undo.callback(self._faults.stopping.set)

    def stop(self) -> None:
        """Stop the servers and empty the account; calls that wait in a fault's delay are released."""
        self._undo.close()

    def calls(self, operation: str | None = None) -> list[Call]:
        return self._journal.calls(operation)

    def reset_journal(self) -> None:
        self._journal.reset()

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
        self._faults.add(
            Fault(
                operation=operation,
                times=times,
                status=status,
                code=code,
                message=message,
                delay=delay,
                close=close,
                truncate=truncate,
                empty_body=empty_body,
                missing_keys=tuple(missing_keys),
            )
        )

    def clear_faults(self) -> None:
        self._faults.clear()

    @property
    def clock_offset(self) -> float:
        return self._clock.offset

    @clock_offset.setter
    def clock_offset(self, seconds: float) -> None:
        self._clock.offset = seconds

    @property
    def credential_lifetime(self) -> float:
        return self._sessions.lifetime

    @credential_lifetime.setter
    def credential_lifetime(self, seconds: float) -> None:
        self._sessions.lifetime = seconds

    def disable_provider(self) -> None:
        self._verifier.detach(self.provider.login_key)

    def enable_provider(self) -> None:
        self._verifier.attach(self.provider.login_key)

    def rotate_keys(self) -> None:
        self.provider.rotate_keys()
        self._keys.forget()

    def forget_identities(self) -> None:
        self._identities.forget()

    def trust_issuer(self, issuer: str, client_ids: list[str]) -> str:
        return self._verifier.trust(issuer, client_ids)

    def register_opaque_token(self, login_key: str, token: str, subject: str, lifetime: float | None = None) -> None:
        expires_at = None if lifetime is None else self._clock.now() + lifetime
        self._verifier.register_opaque(login_key, token, subject, expires_at)

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
        pool = Pool(
            new_pool_id(self._region),
            allow_guests=allow_guests,
            allow_classic=allow_classic,
            authenticated_role=authenticated_role,
            guest_role=guest_role,
            custom_roles=frozenset(custom_roles),
            token_roles=token_roles,
            deny_ambiguous=deny_ambiguous,
            developer_provider=developer_provider,
        )
        self._pool_ids = [*self._pool_ids, pool.pool_id]
        extend_trust(self._account, self._stage, self._pool_ids)
        return self._pools.add(pool)

    def add_chained_role(
        self,
        name: str,
        *,
        actions: Iterable[str] = ("sts:AssumeRole",),
        conditions: dict[str, Any] | None = None,
    ) -> str:
        return add_chained_role(self._account, name, actions, conditions or {})

    def add_user_pool(self, **settings: Any) -> UserPoolFacts:
        facts = self.user_pools.add_pool(settings)
        self._verifier.trust(facts.issuer, [facts.client_id])
        return facts

    def add_user(
        self, user_pool_id: str, username: str, password: str = "", *, temporary: bool = False, **attributes: str
    ) -> str:
        return self.user_pools.add_user(user_pool_id, username, password, temporary, attributes)

    def messages(self, username: str | None = None) -> list[Message]:
        sent = self.user_pools.directory.outbox
        return [message for message in sent if username in (None, message.username)]

    def _start_provider(self, client_id: str, path: str) -> OpenIdProvider:
        provider = OpenIdProvider(self._clock, self._journal, self._faults, client_id=client_id, path=path)
        self._undo.callback(provider.stop)
        provider.start()
        self._verifier.trust(provider.issuer, [client_id])
        return provider

    def _configure_pools(self) -> None:
        stage = self._stage
        main, guest, classic = self._pool_ids
        custom = frozenset({stage.other_role})
        self._pools.add(
            Pool(
                main,
                authenticated_role=stage.authenticated_role,
                custom_roles=custom,
                developer_provider=DEVELOPER_PROVIDER,
            )
        )
        self._pools.add(
            Pool(guest, allow_guests=True, authenticated_role=stage.authenticated_role, guest_role=stage.guest_role)
        )
        self._pools.add(
            Pool(
                classic,
                allow_guests=True,
                allow_classic=True,
                authenticated_role=stage.authenticated_role,
                guest_role=stage.guest_role,
                custom_roles=custom,
                developer_provider=DEVELOPER_PROVIDER,
            )
        )

    def _gateway(self) -> Gateway:
        tokens = PoolTokens(SigningKey.generate(), self._clock, self._account)
        service = IdentityPoolService(
            pools=self._pools,
            identities=self._identities,
            verifier=self._verifier,
            tokens=tokens,
            sessions=self._sessions,
            account=self._account,
        )
        return Gateway(
            service=service,
            administration=Administration(self._pools, self._account),
            web_identity=WebIdentityService(self._account, self._clock, tokens, self._verifier, self._sessions),
            sessions=self._sessions,
            clock=self._clock,
            journal=self._journal,
            faults=self._faults,
            user_pools=self.user_pools,
            moto=self._account.application(),
            control=ControlPanel(self),
        )

    def _add_own_user_pool(self) -> UserPoolFacts:
        """Add the user pool of the profile ``passwordless``, with one user."""
        facts = self.add_user_pool(
            first_factors=("PASSWORD", "EMAIL_OTP", "SMS_OTP", "WEB_AUTHN"),
            relying_party="localhost",
            alias_attributes=("email",),
        )
        self.add_user(facts.user_pool_id, "ada", USER_PASSWORD, email="ada@example.com", phone_number="+15555550100")
        return facts

    def _gather_facts(self, port: int, user_pool: UserPoolFacts) -> WorldFacts:
        stage = self._stage
        main, guest, classic = self._pool_ids
        return WorldFacts(
            endpoint_url=f"http://127.0.0.1:{port}",
            region=self._region,
            account_id=self._account.account_id,
            pool_id=main,
            guest_pool_id=guest,
            classic_pool_id=classic,
            developer_provider=DEVELOPER_PROVIDER,
            issuer=self.provider.issuer,
            login_key=self.provider.login_key,
            client_id=self.provider.client_id,
            second_issuer=self.second_provider.issuer,
            second_login_key=self.second_provider.login_key,
            second_client_id=self.second_provider.client_id,
            authenticated_role_arn=stage.authenticated_role,
            guest_role_arn=stage.guest_role,
            other_role_arn=stage.other_role,
            chained_role_arn=stage.chained_role,
            federated_role_arn=stage.federated_role,
            bucket=stage.bucket,
            object_key=OBJECT_KEY,
            user_pool_id=user_pool.user_pool_id,
            user_pool_client_id=user_pool.client_id,
            user_pool_issuer=user_pool.issuer,
            admin_access_key_id=stage.admin.access_key_id,
            admin_secret_access_key=stage.admin.secret_access_key,
        )


def _handler(clock: WorldClock) -> type[Any]:
    """Return moto's request handler, silent, with a ``Date`` header from the world's clock."""

    class Handler(RequestHandler):  # type: ignore[valid-type, misc]  # chosen by the version of moto
        def date_time_string(self, timestamp: float | None = None) -> str:
            return str(super().date_time_string(clock.now() if timestamp is None else timestamp))

        def log(self, kind: str, message: str, *args: Any) -> None:
            """Log nothing: the journal records calls, and stderr belongs to the user of the world."""

    return Handler
