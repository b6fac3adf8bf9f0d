"""What can be asked of a federation once somebody is signed in, whether an application did that or a profile."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .._util.concurrency import ForkSafeLock, refuse_reentry, renewing
from ..errors import CognitoFederationError, ConfigurationError, NotSignedInError
from ..events import Callback, Event, Events
from .arguments import Expiry, login_token, resolved_provider
from .linking import link, unlink

if TYPE_CHECKING:
    import boto3
    from botocore.session import Session

    from ..botocore_plugin.application import ApplicationCredentials
    from ..config.settings import Settings
    from ..credentials import FederatedCredentials
    from ..federation import Served
    from ..identity_pool.aws import Patience
    from .sign_in import CurrentSignIn

_SIGN_IN = "Call federated_sign_in (or sign_in, with a user pool) first"


class SignedIn(ABC):
    """The members of a federation that are about whoever is signed in."""

    _settings: Settings
    _patience: Patience
    _events: Events
    _turns: ForkSafeLock
    _shared: ApplicationCredentials | None

    @abstractmethod
    def _current(self) -> CurrentSignIn:
        """Whoever is signed in now; raises `NotSignedInError`."""

    @property
    def _how_to_sign_in(self) -> str:
        """The remedy where nobody is signed in."""
        return _SIGN_IN

    @abstractmethod
    def _let_go(self) -> None:
        """Hold no sign-in any more."""

    @abstractmethod
    def _guest_becomes(self, provider: str, token: str, expires_at: Expiry) -> CurrentSignIn:
        """Sign the user in whose login a guest's identity has just got."""

    def on(self, name: str, callback: Callback) -> Callable[[], None]:
        """Be told of an event; `events.NAMES` has the names.

        Returns:
            A function that ends the subscription.

        Raises:
            ValueError: there is no such event.
        """
        return self._events.on(name, callback)

    # --- who, and with what -----------------------------------------------------------------------------------------

    def current_credentials(self) -> FederatedCredentials:
        """AWS credentials of whoever is signed in, renewed where needed.

        Raises:
            NotSignedInError: nobody is. Guest credentials never take the place of a user's.
            SignInRequiredError: the login token has expired and nothing renews it.
            CognitoFederationError: they could not be renewed, and none live.
        """
        return self._serve().credentials

    def current_authenticated_user(self) -> dict[str, Any]:
        """What is known of the signed-in user, with ``id`` (the identity ID), ``provider`` and ``token``; no network.

        Raises:
            NotSignedInError: nobody is signed in, or a guest.
        """
        sign_in = self._current()
        if sign_in.is_guest:
            raise NotSignedInError("A guest is no authenticated user", remedy=self._how_to_sign_in)
        info = sign_in.info()
        return {**info["user"], "id": info["identity_id"], "provider": info["provider"], "token": info["token"]}

    def federated_info(self) -> dict[str, Any]:
        """The login token as it is kept: ``provider``, ``token``, ``expires_at`` (seconds), ``identity_id``, ``user``.

        Raises:
            NotSignedInError: nobody is signed in.
        """
        return dict(self._current().info())

    # --- further logins, and the end --------------------------------------------------------------------------------

    def link(self, provider: str, token: str, *, expires_at: Expiry = None) -> str:
        """Put another provider's login on the identity of whoever is signed in. Only `unlink` takes it off again.

        Where that login had an identity of its own, Cognito merges the two and disables the younger one. If that was
        this federation's, its credentials are renewed at once and the event ``identity-changed`` says which it was.

        Returns:
            The identity ID that both logins have from now on.

        Raises:
            NotSignedInError: nobody is signed in.
            FederationRefusedError: Cognito refused, because either identity has another login of that provider, for
                instance.
        """
        sign_in = self._current()
        resolved = resolved_provider(provider)
        checked = login_token(resolved, token, expires_at=expires_at, identity_id=None, now=self._patience.now())
        own = self.current_credentials().identity_id
        identity_id = link(sign_in, own, resolved, checked)
        if sign_in.is_guest:
            sign_in = self._guest_becomes(provider, token, expires_at)
            if identity_id != own:
                sign_in.tell(Event("identity-changed", identity_id=identity_id, previous_identity_id=own))
        elif identity_id != own:
            with self._events.held():
                sign_in.prove()
                self._forget_shared()
        return identity_id

    def unlink(self, provider: str) -> None:
        """Take a linked login off the identity of whoever is signed in (UnlinkIdentity).

        Raises:
            ConfigurationError: it is the login of this very sign-in.
            NotSignedInError: nobody is signed in.
            FederationRefusedError: Cognito refused.
        """
        unlink(self._current(), self.current_credentials().identity_id, resolved_provider(provider))

    def sign_out(self, revoke: bool = True) -> None:
        """Forget token and credentials, and revoke what can be revoked; wins over any refresh in flight.

        A revocation that fails is told in the event ``sign-out`` and stops nothing. AWS credentials that were handed
        out live until they expire; no API ends them.

        Raises:
            StorageError: something that is kept could not be removed.
        """
        try:
            sign_in = self._current()
        except NotSignedInError:
            self._let_go()
            self._forget_shared()
            return
        with self._turns:
            sign_in.withdraw()
            self._let_go()
        self._forget_shared()
        session = sign_in.forget()
        failed = sign_in.revoke(session) if revoke else None
        sign_in.tell(Event("sign-out", error=failed))

    # --- clients ----------------------------------------------------------------------------------------------------

    def session(self, **kwargs: Any) -> boto3.Session:
        """A boto3 session whose clients use and renew these credentials; ``kwargs`` as for `boto3.Session`.

        Raises:
            ConfigurationError: keys were passed as well.
        """
        import boto3

        if any(name.startswith("aws_") for name in kwargs):
            raise ConfigurationError("A session of a federation takes no keys of its own", remedy="Use boto3.Session")
        return boto3.Session(botocore_session=kwargs.pop("botocore_session", None) or self.botocore_session(), **kwargs)

    def botocore_session(self) -> Session:
        """A botocore session whose clients use and renew these credentials."""
        from ..botocore_plugin.application import session_with

        return session_with(self._credentials(), str(self._settings.region_name))

    def install(self) -> Callable[[], None]:
        """From here on every session without keys or a profile of its own uses this federation.

        Returns:
            A function that takes it out again.
        """
        from ..botocore_plugin.chain import install_application, uninstall_application

        credentials = self._credentials()
        install_application(credentials)
        return lambda: uninstall_application(credentials)

    # --- inside -----------------------------------------------------------------------------------------------------

    def _serve(self) -> Served:
        refuse_reentry(self, "The refresh handler")
        sign_in = self._current()
        try:
            with self._events.held(), renewing(self):
                served = sign_in.serve()
        except CognitoFederationError:
            if sign_in.is_current():
                raise
        else:
            if sign_in.is_current():
                return served
        raise NotSignedInError("Somebody signed out meanwhile", remedy=self._how_to_sign_in)

    def _credentials(self) -> ApplicationCredentials:
        from ..botocore_plugin.application import ApplicationCredentials

        with self._turns:
            if self._shared is None:
                self._shared = ApplicationCredentials(self._serve, self._patience.now, marker=self, events=self._events)
            return self._shared

    def _forget_shared(self) -> None:
        if self._shared is not None:
            self._shared.forget()
