"""SignUp, ConfirmSignUp, ResendConfirmationCode and GetUser."""

from __future__ import annotations

import re
import uuid
from typing import Any

from . import refusals
from .choices import CONFIRMED, SIGNED_UP
from .records import AppClient, User, UserPool, named
from .state import Conversation, Directory, Members, Operation, ask

CONFIRM = "ConfirmSignUp"


def sign_up(directory: Directory, request: dict[str, Any]) -> Members:
    pool, client = directory.known_client(request)
    if not pool.settings.self_sign_up:
        raise refusals.sign_up_not_permitted()
    attributes = named(request.get("UserAttributes"))
    name, password = request["Username"], request.get("Password") or ""
    user = new_user(directory, pool, name, attributes)
    if password:
        pool.check_password(password)
    elif not {"EMAIL_OTP", "SMS_OTP"} & set(pool.settings.first_factors):
        raise refusals.missing_parameter("Password")
    if password:
        pool.set_password(user, password)
    pool.users[user.username] = user
    answer: Members = {"UserConfirmed": False, "UserSub": user.sub}
    attribute = confirmable(pool, user)
    if attribute:
        answer["CodeDeliveryDetails"] = directory.send_operation_code(pool, user, attribute, CONFIRM)
    if "USER_AUTH" in client.flows:
        conversation = Conversation(pool, client, name, user, "USER_AUTH")
        answer["Session"] = ask(directory, conversation, SIGNED_UP, {})["Session"]
    return answer


def new_user(directory: Directory, pool: UserPool, name: str, attributes: dict[str, str]) -> User:
    """Return a user with this name and these attributes, not yet in the pool.

    Raises:
        Refusal: the name is taken or an alias, or an attribute is missing.
    """
    settings = pool.settings
    username = name
    if settings.username_attributes:
        attribute = (
            "phone_number" if name.startswith("+") and "phone_number" in settings.username_attributes else "email"
        )
        if attribute not in settings.username_attributes or (attribute == "email" and "@" not in name):
            raise refusals.username_form(settings.username_attributes)
        attributes = {attribute: name, **attributes}
        username = str(uuid.uuid4())
        if pool.user(name) is not None:
            raise refusals.user_exists()
    elif name in pool.users:
        raise refusals.user_exists()
    elif "email" in settings.alias_attributes and "@" in name:
        raise refusals.username_is_alias()
    for required in settings.required_attributes:
        if not attributes.get(required):
            raise refusals.missing_required_attribute(required)
    check_addresses(attributes)
    return User(username, directory.clock.now(), attributes=dict(attributes))


def check_addresses(attributes: dict[str, str]) -> None:
    """Refuse an e-mail address without a domain, and a telephone number that is not in E.164 form."""
    if not re.fullmatch(r"[^@\s]+@[^@\s]+", attributes.get("email", "a@b")):
        raise refusals.address_format("email address")
    if not re.fullmatch(r"\+[1-9][0-9]{1,14}", attributes.get("phone_number", "+15")):
        raise refusals.address_format("phone number")


def confirmable(pool: UserPool, user: User) -> str:
    """Return the attribute to which the pool sends the code of a sign-up; empty if there is none."""
    return next((name for name in pool.settings.auto_verified if user.attributes.get(name)), "")


def confirm_sign_up(directory: Directory, request: dict[str, Any]) -> Members:
    pool, client = directory.known_client(request)
    user = pool.user(request["Username"])
    if user is None:
        raise refusals.code_expired() if client.hides_users else refusals.unknown_user()
    if user.status != "UNCONFIRMED":
        raise refusals.already_confirmed(user.status)
    conversation = _signing_up(directory, client, user, request.get("Session"))
    code = directory.check_operation_code(user, CONFIRM, request["ConfirmationCode"])
    owner = pool.alias_owner(code.attribute, user.attributes[code.attribute])
    if owner is not None and owner is not user:
        if not request.get("ForceAliasCreation"):
            raise refusals.alias_exists(code.attribute)
        owner.verified.discard(code.attribute)
    user.status = "CONFIRMED"
    user.verified.add(code.attribute)
    if conversation is None:
        return {}
    directory.sessions.take(request["Session"], client)
    return {"Session": ask(directory, conversation, CONFIRMED, {})["Session"]}


def _signing_up(directory: Directory, client: AppClient, user: User, session: str | None) -> Conversation | None:
    """Return what the Session of a sign-up stands for; it stays good, for the code may still be wrong."""
    if not session:
        return None
    conversation = directory.sessions.take(session, client)
    directory.sessions.restore(session, conversation)
    if conversation.challenge != SIGNED_UP or conversation.user is not user:
        raise refusals.session_invalid()
    return conversation


def resend_confirmation_code(directory: Directory, request: dict[str, Any]) -> Members:
    pool, client = directory.known_client(request)
    user = pool.user(request["Username"])
    if user is None:
        if not client.hides_users:
            raise refusals.unknown_user()
        _, shown = directory.send_code(pool, None, request["Username"], "EMAIL", CONFIRM)
        details = {"Destination": shown, "DeliveryMedium": "EMAIL", "AttributeName": "email"}
        return {"CodeDeliveryDetails": details}
    if user.status != "UNCONFIRMED":
        raise refusals.resend_to_confirmed()
    directory.limit(user, "ResendConfirmationCode")
    return {"CodeDeliveryDetails": directory.send_operation_code(pool, user, confirmable(pool, user), CONFIRM)}


def get_user(directory: Directory, request: dict[str, Any]) -> Members:
    _, user, _ = directory.bearer(request)
    answer: Members = {"Username": user.username, "UserAttributes": user.attribute_list()}
    if user.mfa:
        answer["UserMFASettingList"] = list(user.mfa)
        if user.mfa_preferred:
            answer["PreferredMfaSetting"] = user.mfa[0]
    return answer


OPERATIONS: dict[str, Operation] = {
    "SignUp": sign_up,
    "ConfirmSignUp": confirm_sign_up,
    "ResendConfirmationCode": resend_confirmation_code,
    "GetUser": get_user,
}
