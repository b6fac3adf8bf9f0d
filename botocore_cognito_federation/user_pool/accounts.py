"""The account operations: sign-up, passwords, attributes. Amplify's names, in Python's habit.

Which request field `client_metadata` and `validation_data` reach is the API's: operations without a ClientMetadata
field refuse the argument instead of dropping it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import ClearsFrames, ConfigurationError
from . import checks
from .api import Api, delivery, member
from .models import AutoSignIn, Challenge, CodeDelivery, SignUp, UserPoolTokens

Metadata = Mapping[str, str] | None
Attributes = Mapping[str, str] | Sequence[Mapping[str, str]] | None


def _no_metadata(client_metadata: Metadata, operation: str) -> None:
    if client_metadata is not None:
        raise ConfigurationError(
            f"{operation} has no ClientMetadata: no Lambda trigger would see it", remedy="Leave client_metadata out"
        )


def access_token(tokens: UserPoolTokens | str) -> str:
    """The access token of a sign-in, or the one given."""
    value = tokens.access_token if isinstance(tokens, UserPoolTokens) else tokens
    if not isinstance(value, str):
        raise ConfigurationError(
            f"a {type(value).__name__} is not a sign-in", remedy="Pass the tokens of a sign-in, or their access token"
        )
    return checks.token(value, "access_token")


class AccountOperations(ClearsFrames, ABC):
    """What a person does with an account, beside signing in. Base of `UserPool`, which brings the rest."""

    _api: Api

    @abstractmethod
    def sign_in(
        self,
        username: str,
        password: str | None = None,
        *,
        validation_data: Metadata = None,
        client_metadata: Metadata = None,
    ) -> UserPoolTokens | Challenge:
        """Sign in."""

    @abstractmethod
    def _metadata(self, client_metadata: Metadata) -> dict[str, str]:
        """What an operation sends: its own metadata, else the pool-wide one."""

    def _of_user(self, username: str, client_metadata: Metadata) -> dict[str, Any]:
        """The members that the operations without a token have in common."""
        name = checks.username(username)
        metadata = self._metadata(client_metadata)
        request: dict[str, Any] = {
            "ClientId": self._api.app.client_id,
            "Username": name,
            **self._api.app.hashed(name, "SecretHash"),
        }
        return {**request, "ClientMetadata": metadata} if metadata else request

    def sign_up(
        self,
        username: str,
        password: str,
        attributes: Attributes = None,
        *,
        validation_data: Attributes = None,
        client_metadata: Metadata = None,
        auto_sign_in: bool | AutoSignIn = False,
    ) -> SignUp:
        """SignUp.

        Args:
            attributes: user attributes, such as ``{"email": "ada@example.com"}``.
            validation_data: for the pre sign-up trigger only; reaches SignUp.ValidationData as Name and Value.
            client_metadata: reaches SignUp.ClientMetadata.
            auto_sign_in: sign in as soon as the account is confirmed, here or in `confirm_sign_up`, to which the
                answer of this call is then given.

        Returns:
            What happened; it holds the password, unseen in its repr, only where `auto_sign_in` still waits.
        """
        request = {**self._of_user(username, client_metadata), "Password": checks.password(password)}
        for key, value in (("UserAttributes", attributes), ("ValidationData", validation_data)):
            listed = checks.attributes(value, "validation_data" if key == "ValidationData" else "attributes")
            if listed:
                request[key] = listed
        automatic = AutoSignIn() if auto_sign_in is True else auto_sign_in or None
        if automatic:  # looked at before there is an account
            checks.metadata(automatic.validation_data, "auto_sign_in.validation_data")
            checks.metadata(automatic.client_metadata, "auto_sign_in.client_metadata")
        answer = self._api.call("SignUp", request)
        sub = str(member(answer, "UserSub", "SignUp"))
        sent = delivery(answer.get("CodeDeliveryDetails"))
        if automatic is None:
            return SignUp(username, sub, bool(answer.get("UserConfirmed")), sent)
        if answer.get("UserConfirmed"):
            return SignUp(username, sub, True, sent, self._automatic(username, password, automatic))
        return SignUp(username, sub, False, sent, None, automatic, password)

    def _automatic(self, username: str, password: str, automatic: AutoSignIn) -> UserPoolTokens | Challenge:
        return self.sign_in(
            username,
            password,
            validation_data=automatic.validation_data,
            client_metadata=automatic.client_metadata,
        )

    def confirm_sign_up(
        self,
        user: str | SignUp,
        code: str,
        *,
        client_metadata: Metadata = None,
        force_alias_creation: bool = False,
    ) -> UserPoolTokens | Challenge | None:
        """ConfirmSignUp, and the sign-in that `sign_up` was asked for.

        Args:
            user: the answer of `sign_up`, or a user name.

        Returns:
            The result of the automatic sign-in, or None where there is none to make.
        """
        name = user.username if isinstance(user, SignUp) else user
        request = {**self._of_user(name, client_metadata), "ConfirmationCode": checks.code(code)}
        if force_alias_creation:
            request["ForceAliasCreation"] = True
        self._api.call("ConfirmSignUp", request)
        if isinstance(user, SignUp) and user.auto_sign_in:
            return self._automatic(name, user.password, user.auto_sign_in)
        return None

    def resend_sign_up(self, username: str, *, client_metadata: Metadata = None) -> CodeDelivery | None:
        """ResendConfirmationCode; says where the code went."""
        answer = self._api.call("ResendConfirmationCode", self._of_user(username, client_metadata))
        return delivery(answer.get("CodeDeliveryDetails"))

    def forgot_password(self, username: str, *, client_metadata: Metadata = None) -> CodeDelivery | None:
        """ForgotPassword: has a code sent; says where it went."""
        answer = self._api.call("ForgotPassword", self._of_user(username, client_metadata))
        return delivery(answer.get("CodeDeliveryDetails"))

    def forgot_password_submit(
        self, username: str, code: str, new_password: str, *, client_metadata: Metadata = None
    ) -> None:
        """ConfirmForgotPassword: the code and the new password."""
        request = self._of_user(username, client_metadata)
        request["ConfirmationCode"] = checks.code(code)
        request["Password"] = checks.password(new_password, "new_password")
        self._api.call("ConfirmForgotPassword", request)

    def change_password(
        self,
        tokens: UserPoolTokens | str,
        old_password: str,
        new_password: str,
        *,
        client_metadata: Metadata = None,
    ) -> None:
        """ChangePassword.

        Args:
            tokens: the sign-in, or its access token.
            client_metadata: not taken by this operation; the pool-wide default is not sent.

        Raises:
            ConfigurationError: `client_metadata` was given.
        """
        _no_metadata(client_metadata, "ChangePassword")
        request = {
            "AccessToken": access_token(tokens),
            "PreviousPassword": checks.password(old_password, "old_password"),
            "ProposedPassword": checks.password(new_password, "new_password"),
        }
        self._api.call("ChangePassword", request)

    def update_user_attributes(
        self, tokens: UserPoolTokens | str, attributes: Attributes, *, client_metadata: Metadata = None
    ) -> tuple[CodeDelivery, ...]:
        """UpdateUserAttributes; says where codes for attributes that need verification went."""
        listed = checks.attributes(attributes)
        if not listed:
            raise ConfigurationError("there is no attribute to update")
        request: dict[str, Any] = {"AccessToken": access_token(tokens), "UserAttributes": listed}
        answer = self._api.call("UpdateUserAttributes", self._with(request, client_metadata))
        sent = (delivery(details) for details in answer.get("CodeDeliveryDetailsList") or [])
        return tuple(details for details in sent if details)

    def verify_user_attribute(
        self, tokens: UserPoolTokens | str, attribute: str, *, client_metadata: Metadata = None
    ) -> CodeDelivery | None:
        """GetUserAttributeVerificationCode: has a code for an attribute sent; says where it went."""
        request = {"AccessToken": access_token(tokens), "AttributeName": checks.attribute_name(attribute)}
        answer = self._api.call("GetUserAttributeVerificationCode", self._with(request, client_metadata))
        return delivery(answer.get("CodeDeliveryDetails"))

    def verify_user_attribute_submit(
        self, tokens: UserPoolTokens | str, attribute: str, code: str, *, client_metadata: Metadata = None
    ) -> None:
        """VerifyUserAttribute: the code for an attribute.

        Raises:
            ConfigurationError: `client_metadata` was given; this operation has no field for it.
        """
        _no_metadata(client_metadata, "VerifyUserAttribute")
        request = {
            "AccessToken": access_token(tokens),
            "AttributeName": checks.attribute_name(attribute),
            "Code": checks.code(code),
        }
        self._api.call("VerifyUserAttribute", request)

    def _with(self, request: dict[str, Any], client_metadata: Metadata) -> dict[str, Any]:
        metadata = self._metadata(client_metadata)
        return {**request, "ClientMetadata": metadata} if metadata else request
