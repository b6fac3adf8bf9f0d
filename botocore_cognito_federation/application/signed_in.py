"""What an application does with the user who is signed in: credentials, clients, linked logins, events, sign-out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from .._util.concurrency import ForkSafeLock, refreshing
from ..credentials import FederatedCredentials
from ..errors import ClearsFrames, CognitoFederationError, ConfigurationError, NotSignedInError
from ..events import Callback, Event, Events
from ..login_token import LinkedLogin
from .arguments import Expiry, login_token, provider_key, resolved_provider

if TYPE_CHECKING:
    import boto3
    from botocore.session import Session

    from ..botocore_plugin.application import ApplicationCredentials
    from ..config.settings import Settings
    from ..credentials import FetchResult
    from ..identity_pool.aws import Clock
    from ..identity_providers import IdentityProvider
    from ..login_token import LoginToken
    from ..user_pool import Challenge, Device, UserPool, UserPoolTokens
    from .sign_in import CurrentSignIn


def link(sign_in: CurrentSignIn, identity_id: str, provider: IdentityProvider, token: LoginToken | None) -> str:
    """Put another login on an identity.

    Returns:
        The identity ID that all its logins have from now on.

    Raises:
        ConfigurationError: guests and developer identities are not linked this way, nor a login with itself.
        FederationRefusedError, TemporaryError: see `IdentityPool.exchange`.
    """
    if token is None:
        raise ConfigurationError("A guest login cannot be linked", remedy="Sign in as guest, then link a provider")
    if provider.kind == "developer":
        raise ConfigurationError(
            "Developer logins are linked by GetOpenIdTokenForDeveloperIdentity",
            remedy="Let your backend name identity_id and both logins there",
        )
    other = sign_in.login_of(provider, token)
    if sign_in.is_guest:
        return sign_in.pool.exchange(identity_id, other).credentials.identity_id
    own = sign_in.login()
    if own.key == other.key:
        raise ConfigurationError(f"{own.key} is the provider of this sign-in", remedy="Link another provider")
    together = replace(own, linked=(LinkedLogin(other.key, other.token.subject, other.token),))
    return sign_in.pool.exchange(identity_id, together).credentials.identity_id


def unlink(sign_in: CurrentSignIn, identity_id: str, provider: IdentityProvider) -> None:
    """Take a login off an identity.

    Raises:
        ConfigurationError: it is the login of this very sign-in, which would lose its own identity.
        FederationRefusedError, TemporaryError: see `IdentityPool.unlink`.
    """
    own = sign_in.login()
    key = provider_key(provider)
    if own.key == key:
        raise ConfigurationError(
            f"{key} is the provider of this sign-in, which would lose its identity",
            remedy="Sign in with a linked provider first",
        )
    sign_in.pool.unlink(identity_id, own, key)


Metadata = Mapping[str, str] | None


class UserPoolSignIn(ClearsFrames, ABC):
    """The members of a federation that has a user pool."""

    @abstractmethod
    def _federated(self, ask: Callable[[UserPool], UserPoolTokens | Challenge]) -> FederatedCredentials | Challenge:
        """Credentials for the tokens that the pool answers, or its challenge; a failure is told as one to sign in."""

    def sign_in(
        self,
        username: str,
        password: str | None = None,
        *,
        auth_flow: str = "USER_SRP_AUTH",
        validation_data: Metadata = None,
        client_metadata: Metadata = None,
        device: Device | None = None,
    ) -> FederatedCredentials | Challenge:
        """Sign in to the user pool and exchange its token; arguments as for `UserPool.sign_in`.

        Returns:
            AWS credentials, or the challenge to answer with `confirm_sign_in`, `complete_new_password`,
            `send_custom_challenge_answer` or `answer_challenge`.

        Raises:
            ConfigurationError: there is no user pool, or an argument is wrong.
            SignInFailedError: the user pool refused.
            FederationRefusedError: the identity pool refused what the user pool gave.
            TemporaryError: the same call may succeed later.
        """
        return self._federated(
            lambda pool: pool.sign_in(
                username,
                password,
                auth_flow=auth_flow,
                validation_data=validation_data,
                client_metadata=client_metadata,
                device=device,
            )
        )

    def federate(self, signed_in: UserPoolTokens | Challenge) -> FederatedCredentials | Challenge:
        """Exchange what the user pool answered elsewhere: after a sign-up that signs in by itself, for instance.

        Args:
            signed_in: `SignUp.signed_in`, the answer of `UserPool.confirm_sign_up`, or tokens the application kept.

        Returns:
            AWS credentials, renewed from here on with the refresh token; a challenge goes back as it is.

        Raises:
            ConfigurationError: there is no user pool, or these are no tokens.
            FederationRefusedError: the identity pool refused the token.
            TemporaryError: the same call may succeed later.
        """
        return self._federated(lambda _: signed_in)

    def confirm_sign_in(
        self, challenge: Challenge, answer: str, *, client_metadata: Metadata = None
    ) -> FederatedCredentials | Challenge:
        """Answer a challenge for a code, or a choice; see `UserPool.confirm_sign_in`."""
        return self._federated(lambda pool: pool.confirm_sign_in(challenge, answer, client_metadata=client_metadata))

    def complete_new_password(
        self,
        challenge: Challenge,
        new_password: str,
        attributes: Mapping[str, str] | None = None,
        *,
        client_metadata: Metadata = None,
    ) -> FederatedCredentials | Challenge:
        """Answer NEW_PASSWORD_REQUIRED; see `UserPool.complete_new_password`."""
        return self._federated(
            lambda pool: pool.complete_new_password(
                challenge, new_password, attributes, client_metadata=client_metadata
            )
        )

    def send_custom_challenge_answer(
        self, challenge: Challenge, answer: str, *, client_metadata: Metadata = None
    ) -> FederatedCredentials | Challenge:
        """Answer a CUSTOM_CHALLENGE; see `UserPool.send_custom_challenge_answer`."""
        return self._federated(
            lambda pool: pool.send_custom_challenge_answer(challenge, answer, client_metadata=client_metadata)
        )

    def answer_challenge(
        self, challenge: Challenge, responses: Mapping[str, str], *, client_metadata: Metadata = None
    ) -> FederatedCredentials | Challenge:
        """Answer any challenge; see `UserPool.answer_challenge`."""
        return self._federated(
            lambda pool: pool.answer_challenge(challenge, responses, client_metadata=client_metadata)
        )


#: Seconds after which to look again whether the user has been signed out elsewhere.
_LOOK_AGAIN = 1.0


@dataclass(frozen=True)
class _Fresh:
    """Credentials that need no look at the cache, and the times between which they do not."""

    credentials: FederatedCredentials
    since: float
    until: float


@dataclass(eq=False)
class _Question:
    """A call for credentials, and its answer while that may be given to the next callers too."""

    fresh: _Fresh | None = None


_SIGN_IN = "Call federated_sign_in (or sign_in, with a user pool) first"


class SignedIn(ClearsFrames, ABC):
    """The members of a federation that are about whoever is signed in."""

    _settings: Settings
    _clock: Clock
    _events: Events
    _turns: ForkSafeLock
    _shared: ApplicationCredentials | None
    #: The last call that will say what is fresh; None where its answer does not count any more.
    _latest: _Question | None

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

    def current_credentials(self, force: bool = False) -> FederatedCredentials:
        """AWS credentials of whoever is signed in, renewed where needed.

        What this object served is served again for as long as it is fresh, for a second at most: then it looks whether
        another process, or another object with the same cache, has signed the user out.

        Args:
            force: renew login token and credentials now, because groups or roles of the user have changed. Clients of
                this federation have the new credentials from their next request on.

        Raises:
            NotSignedInError: nobody is. Guest credentials never take the place of a user's.
            SignInRequiredError: the login token has expired and nothing renews it.
            CognitoFederationError: they could not be renewed, and none live; or they could not be renewed by force,
                and those from before stay as they are.
        """
        if force:
            return self._renew_now()
        latest = self._latest
        fresh = latest.fresh if latest is not None else None
        if fresh is not None and fresh.since <= self._clock.now() < fresh.until:
            return fresh.credentials
        return self._serve().credentials

    def current_authenticated_user(self) -> dict[str, Any]:
        """What is known of the signed-in user, with ``id`` (the identity ID), ``provider`` and ``token``; no network.

        Raises:
            NotSignedInError: nobody is signed in, or a guest.
        """
        sign_in = self._current()
        if sign_in.is_guest:
            raise NotSignedInError("A guest is not an authenticated user", remedy=self._how_to_sign_in)
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
        checked = login_token(resolved, token, expires_at=expires_at, identity_id=None, now=self._clock.now())
        own = self.current_credentials().identity_id
        identity_id = link(sign_in, own, resolved, checked)
        if sign_in.is_guest:
            sign_in = self._guest_becomes(provider, token, expires_at)
            if identity_id != own:
                sign_in.emit(Event("identity-changed", identity_id=identity_id, previous_identity_id=own))
        elif identity_id != own:
            with self._events.held():
                sign_in.verify()
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
            sign_in.clear_current()
            self._let_go()
        self._forget_shared()
        session = sign_in.forget()
        failed = sign_in.revoke(session) if revoke else None
        sign_in.emit(Event("sign-out", error=failed))

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
        from ..botocore_plugin.provider import install_application, uninstall_application

        credentials = self._credentials()
        install_application(credentials)
        return lambda: uninstall_application(credentials)

    # --- inside -----------------------------------------------------------------------------------------------------

    def _serve(self) -> FetchResult:
        since, question = self._clock.now(), _Question()
        self._latest = question
        sign_in = self._current()
        try:
            with self._events.held(), refreshing(self, "The refresh handler"):
                served = sign_in.fetch()
        except CognitoFederationError:
            if sign_in.is_current():
                raise
        else:
            if sign_in.is_current():
                self._serve_again(served, since, question)
                return served
        raise NotSignedInError("The user was signed out in the meantime", remedy=self._how_to_sign_in)

    def _renew_now(self) -> FederatedCredentials:
        sign_in = self._current()
        with self._events.held(), refreshing(self, "The refresh handler"):
            credentials = sign_in.verify(new_token=True)
        if not sign_in.is_current():
            raise NotSignedInError("The user was signed out in the meantime", remedy=self._how_to_sign_in)
        self._forget_shared()
        return credentials

    def _serve_again(self, served: FetchResult, since: float, question: _Question) -> None:
        """Serve a result again while it is fresh, unless something has changed, or somebody else asked, meanwhile."""
        question.fresh = _Fresh(served.credentials, since, min(served.refresh_at, since + _LOOK_AGAIN))

    def _credentials(self) -> ApplicationCredentials:
        from ..botocore_plugin.application import ApplicationCredentials

        with self._turns:
            if self._shared is None:
                self._shared = ApplicationCredentials(self._serve, self._clock.now, marker=self, events=self._events)
            return self._shared

    def _forget_shared(self) -> None:
        self._latest = None
        if self._shared is not None:
            self._shared.forget()
