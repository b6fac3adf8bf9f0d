"""Passkeys: their registration and use, with a browser's answers or with a security key at this machine.

A browser answers with JSON of Web Authentication Level 3 (``credential.toJSON()``). Here the library ``fido2`` (extra
``passkey``) speaks to a security key, or on Windows to the system. It stands in the place of the browser: it names as
origin the address of the relying party, which any program on the user's machine could do. What protects the user is
that the key signs only for the relying party ID, after a touch.
"""

from __future__ import annotations

import contextlib
import json
import sys
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

from ..errors import ClearsFrames, ConfigurationError
from ..messages import printable
from .accounts import access_token
from .api import Api, member
from .auth import SignIn, expect
from .errors import PasskeyRefusedError
from .models import Challenge, UserPoolTokens, checked_credential, checked_text

if TYPE_CHECKING:
    from collections.abc import Mapping as MappingType

    Metadata = MappingType[str, str] | None

#: A registration or a sign-in waits so long for a touch, in milliseconds, if the pool names no time.
_TOUCH_MILLISECONDS = 60_000
_MOST_PAGES = 100
INSTALL = 'Run: pip install "botocore-cognito-federation[passkey]"'
#: RFC 1035, section 2.3.4: the longest name of a host.
_LONGEST_NAME = 253


@dataclass(frozen=True)
class Passkey:
    """A registered passkey.

    Attributes:
        credential_id: for `UserPool.delete_passkey`.
        name: the pool's name for it.
        relying_party: the ID of the relying party that it signs for.
        created_at: when it was registered.
        attachment: ``platform``, ``cross-platform``, or empty if unknown.
        transports: such as ``internal``, ``usb`` and ``hybrid``.
    """

    credential_id: str
    name: str
    relying_party: str
    created_at: datetime | None = None
    attachment: str = ""
    transports: tuple[str, ...] = ()


class Authenticator(Protocol):
    """Makes and uses passkeys; options and answers are the JSON of Web Authentication Level 3."""

    def create(self, options: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return a RegistrationResponseJSON for PublicKeyCredentialCreationOptionsJSON."""
        ...

    def get(self, options: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return an AuthenticationResponseJSON for PublicKeyCredentialRequestOptionsJSON."""
        ...


class SecurityKey:
    """A security key at this machine, or on Windows the system's passkeys; needs the extra ``passkey``.

    Args:
        origin: the origin that the pool is told; by default https at its relying party ID.
        tell: called with what the user must do now, such as to touch the key, and for which relying party it signs.
        ask_pin: called with a question when the key wants its PIN, and returns the PIN; without it, such a key is
            refused.
        devices: returns the keys to use, as ``fido2.ctap.CtapDevice``; by default those that are plugged in.
    """

    def __init__(
        self,
        *,
        origin: str | None = None,
        tell: Callable[[str], None] | None = None,
        ask_pin: Callable[[str], str] | None = None,
        devices: Callable[[], Iterable[Any]] | None = None,
    ) -> None:
        self._origin = origin
        self._tell = tell or (lambda text: None)
        self._ask_pin = ask_pin
        self._devices = devices

    def create(self, options: Mapping[str, Any]) -> Mapping[str, Any]:
        """Make a passkey.

        Args:
            options: PublicKeyCredentialCreationOptionsJSON.

        Returns:
            A RegistrationResponseJSON.

        Raises:
            PasskeyRefusedError: there is no key, it was not touched, or it cannot do what the pool wants.
            ConfigurationError: the extra ``passkey`` is not installed, or the options are malformed.
        """
        parsed = _parsed("PublicKeyCredentialCreationOptions", options)
        with _translated("make"):
            return _plain(self._client(parsed.rp.id).make_credential(parsed))

    def get(self, options: Mapping[str, Any]) -> Mapping[str, Any]:
        """Sign in with a passkey.

        Args:
            options: PublicKeyCredentialRequestOptionsJSON.

        Returns:
            An AuthenticationResponseJSON.

        Raises:
            PasskeyRefusedError: there is no key, it was not touched, or it has no passkey of this user.
            ConfigurationError: the extra ``passkey`` is not installed, or the options are malformed.
        """
        parsed = _parsed("PublicKeyCredentialRequestOptions", options)
        with _translated("use"):
            return _plain(self._client(parsed.rp_id).get_assertion(parsed).get_response(0))

    def _client(self, rp_id: str) -> Any:
        from fido2.client import DefaultClientDataCollector, Fido2Client

        collector = DefaultClientDataCollector(self._origin or f"https://{rp_id}")
        if self._devices is None and sys.platform == "win32":
            from fido2.client.windows import WindowsClient  # elsewhere its import fails

            if WindowsClient.is_available():
                return WindowsClient(collector)
        interaction = self._interaction(printable(rp_id, _LONGEST_NAME))
        clients = [Fido2Client(device, collector, interaction) for device in self._found()]
        if not clients:
            raise PasskeyRefusedError(
                "No security key is plugged in", remedy="Plug one in, or choose another way to sign in"
            )
        return clients[0] if len(clients) == 1 else self._touched(clients)

    def _found(self) -> list[Any]:
        if self._devices is not None:
            return list(self._devices())
        from fido2.hid import CtapHidDevice

        return list(CtapHidDevice.list_devices())

    def _touched(self, clients: list[Any]) -> Any:
        """Return the client of the key that the user touches."""
        chosen: list[Any] = []
        stop = threading.Event()

        def wait(client: Any) -> None:
            with contextlib.suppress(Exception):  # a key that cannot be selected is not the one
                client.selection(stop)
                chosen.append(client)
                stop.set()

        self._tell("Touch the security key that you want to use")
        threads = [threading.Thread(target=wait, args=(client,), daemon=True) for client in clients]
        for thread in threads:
            thread.start()
        stop.wait(_TOUCH_MILLISECONDS / 1000)
        stop.set()
        for thread in threads:
            thread.join(1)
        if not chosen:
            raise PasskeyRefusedError("No security key was touched", remedy="Try again, and touch one")
        return chosen[0]

    def _interaction(self, relying_party: str) -> Any:
        from fido2.client import UserInteraction

        tell, ask = self._tell, self._ask_pin

        class Interaction(UserInteraction):
            def prompt_up(self) -> None:
                # As browsers do: the pool says for whom the key signs, and only the user sees that it is another.
                tell(f"Touch your security key to sign for {relying_party}")

            def request_pin(self, permissions: Any, rp_id: str | None) -> str | None:
                return ask("PIN of the security key") if ask is not None else None

        return Interaction()


def _plain(response: Any) -> dict[str, Any]:
    """Return a response of fido2 as JSON has it."""
    return {key: dict(value) if isinstance(value, Mapping) else value for key, value in dict(response).items()}


def _parsed(kind: str, options: Mapping[str, Any]) -> Any:
    """Return options as fido2's object of this kind, with a time limit.

    Raises:
        ConfigurationError: fido2 is not installed, or the options are malformed.
    """
    try:
        from fido2 import webauthn
    except ImportError:
        raise ConfigurationError("A security key needs the library fido2", remedy=INSTALL) from None
    try:
        timed = {**options, "timeout": options.get("timeout") or _TOUCH_MILLISECONDS}
        parsed = getattr(webauthn, kind).from_dict(timed)
        party = parsed.rp.id if kind == "PublicKeyCredentialCreationOptions" else parsed.rp_id
    except (ValueError, KeyError, TypeError, AttributeError):
        party = None
    if not isinstance(party, str):
        raise ConfigurationError("The options of the passkey are malformed", remedy="Pass those of the user pool")
    return parsed


@contextlib.contextmanager
def _translated(verb: str) -> Iterator[None]:
    """Raise this package's errors for those of fido2; none of theirs is shown, for a frame may hold the PIN."""
    from fido2.client import ClientError

    try:
        yield
    except OSError as error:
        what = f"the security key cannot be reached ({type(error).__name__})"
        remedy = "On Linux, allow your user to open it (udev rules of libfido2)"
        raise PasskeyRefusedError(what, remedy=remedy) from None
    except ClientError as error:
        raise _refusal(verb, error) from None
    except ValueError:  # fido2's for what a key announces or answers
        raise _failed(verb) from None


def _refusal(verb: str, error: Any) -> PasskeyRefusedError:
    from fido2.client import ClientError, PinRequiredError
    from fido2.ctap import CtapError

    code = getattr(error.cause, "code", None)
    if isinstance(error, PinRequiredError):
        return PasskeyRefusedError("The security key wants its PIN", remedy="Enter it; in Python, pass ask_pin")
    if code in (CtapError.ERR.PIN_INVALID, CtapError.ERR.PIN_AUTH_INVALID):
        return PasskeyRefusedError("The PIN of the security key is wrong", remedy="Try again")
    if code in (CtapError.ERR.PIN_BLOCKED, CtapError.ERR.PIN_AUTH_BLOCKED):
        return PasskeyRefusedError("The PIN of the security key is blocked", remedy="Unplug the key and plug it in")
    if code == CtapError.ERR.CREDENTIAL_EXCLUDED:
        return PasskeyRefusedError("The security key has a passkey of this user already", remedy="Use that one")
    if error.code == ClientError.ERR.DEVICE_INELIGIBLE:
        return PasskeyRefusedError(
            "The security key has no passkey of this user", remedy="Use another key, or choose another way to sign in"
        )
    if error.code == ClientError.ERR.TIMEOUT:
        return PasskeyRefusedError("The security key was not touched in time", remedy="Try again, and touch it")
    if error.code == ClientError.ERR.CONFIGURATION_UNSUPPORTED:
        return PasskeyRefusedError(
            "The security key cannot do what the user pool wants", remedy="Set a PIN for it, or use another key"
        )
    return _failed(verb)


def _failed(verb: str) -> PasskeyRefusedError:
    return PasskeyRefusedError(f"The security key could not {verb} a passkey", remedy="Try again, or use another key")


class PasskeyOperations(ClearsFrames, ABC):
    """The operations of `UserPool` with passkeys."""

    _api: Api
    _sign_in: SignIn

    @abstractmethod
    def _metadata(self, client_metadata: Metadata) -> dict[str, str]:
        """Return the metadata that an operation sends: its own, or else the pool-wide one."""

    def use_passkey(
        self,
        challenge: Challenge,
        authenticator: Authenticator | None = None,
        *,
        client_metadata: Metadata = None,
    ) -> UserPoolTokens | Challenge:
        """Answer WEB_AUTHN with a passkey at this machine. For a browser's answer use `confirm_sign_in`.

        Args:
            challenge: the challenge from `sign_in` or from the previous answer.
            authenticator: by default a `SecurityKey`.
            client_metadata: reaches RespondToAuthChallenge.ClientMetadata.

        Returns:
            The tokens, or the next challenge.

        Raises:
            PasskeyRefusedError: no authenticator could use a passkey of the user, or the pool did not accept it.
            CognitoFederationError: the operation failed in another way; `UserPool` lists the classes.
        """
        expect(challenge, "WEB_AUTHN")
        credential = (authenticator or SecurityKey()).get(challenge.credential_request_options)
        responses = {"CREDENTIAL": checked_credential(credential)}
        return self._sign_in.answer(challenge, responses, self._metadata(client_metadata))

    def register_passkey(self, tokens: UserPoolTokens | str, authenticator: Authenticator | None = None) -> None:
        """Register a passkey at this machine for the signed-in user.

        Args:
            tokens: the tokens of the sign-in, or their access token.
            authenticator: by default a `SecurityKey`.

        Raises:
            PasskeyRefusedError: no authenticator could make a passkey, or the pool does not support it.
            CognitoFederationError: the operation failed in another way; `UserPool` lists the classes.
        """
        options = self.start_passkey_registration(tokens)
        self.complete_passkey_registration(tokens, (authenticator or SecurityKey()).create(options))

    def start_passkey_registration(self, tokens: UserPoolTokens | str) -> dict[str, Any]:
        """Begin to register a passkey for the signed-in user (StartWebAuthnRegistration).

        Args:
            tokens: the tokens of the sign-in, or their access token.

        Returns:
            The options for ``PublicKeyCredential.parseCreationOptionsFromJSON`` in a browser.

        Raises:
            CognitoFederationError: the operation failed; `UserPool` lists the classes.
        """
        answer = self._api.call("StartWebAuthnRegistration", {"AccessToken": access_token(tokens)})
        return dict(member(answer, "CredentialCreationOptions", "StartWebAuthnRegistration"))

    def complete_passkey_registration(self, tokens: UserPoolTokens | str, credential: Mapping[str, Any] | str) -> None:
        """Complete the registration of a passkey (CompleteWebAuthnRegistration).

        Args:
            tokens: of the same sign-in as at `start_passkey_registration`, or their access token.
            credential: what the browser made of the options (``credential.toJSON()``), as an object or as its text.

        Raises:
            PasskeyRefusedError: the pool does not support this passkey.
            ChallengeOverError: the registration was completed before, or too late.
            CognitoFederationError: the operation failed in another way; `UserPool` lists the classes.
        """
        document = json.loads(checked_credential(credential))
        self._api.call("CompleteWebAuthnRegistration", {"AccessToken": access_token(tokens), "Credential": document})

    def list_passkeys(self, tokens: UserPoolTokens | str) -> list[Passkey]:
        """Return the passkeys of the signed-in user (ListWebAuthnCredentials).

        Args:
            tokens: the tokens of the sign-in, or their access token.

        Raises:
            CognitoFederationError: the operation failed; `UserPool` lists the classes.
        """
        request = {"AccessToken": access_token(tokens)}
        found: list[Passkey] = []
        for _ in range(_MOST_PAGES):
            answer = self._api.call("ListWebAuthnCredentials", request)
            found += [_passkey(entry) for entry in answer.get("Credentials") or ()]
            if not answer.get("NextToken"):
                break
            request["NextToken"] = str(answer["NextToken"])
        return found

    def delete_passkey(self, tokens: UserPoolTokens | str, passkey: Passkey | str) -> None:
        """Delete a passkey of the signed-in user (DeleteWebAuthnCredential).

        Args:
            tokens: the tokens of the sign-in, or their access token.
            passkey: one of `list_passkeys`, or its `credential_id`.

        Raises:
            SignInFailedError: the user has no such passkey.
            CognitoFederationError: the operation failed in another way; `UserPool` lists the classes.
        """
        name = passkey.credential_id if isinstance(passkey, Passkey) else passkey
        request = {"AccessToken": access_token(tokens), "CredentialId": checked_text("passkey", name, 2048)}
        self._api.call("DeleteWebAuthnCredential", request)


def _passkey(entry: Mapping[str, Any]) -> Passkey:
    created = entry.get("CreatedAt")
    return Passkey(
        credential_id=str(entry.get("CredentialId", "")),
        name=str(entry.get("FriendlyCredentialName", "")),
        relying_party=str(entry.get("RelyingPartyId", "")),
        created_at=created if isinstance(created, datetime) else None,
        attachment=str(entry.get("AuthenticatorAttachment") or ""),
        transports=tuple(str(each) for each in entry.get("AuthenticatorTransports") or ()),
    )
