"""The refusals of user pools, with the service's wording where it is public.

Sources: the cognito-idp service model, the developer guide, and messages that users quote in public issues (for
example aws-amplify/amplify-js #5834, #1120). The wording of everything about passkeys is this module's own: the
service model names the error codes and says when each is raised, but no public report quotes their messages.
"""

from __future__ import annotations

from ..refusals import Refusal, invalid_parameter, not_authorized


class Retryable(Refusal):
    """A refusal after which the session may be answered again."""


def wrong_password() -> Refusal:
    return not_authorized("Incorrect username or password.")


def locked_out() -> Refusal:
    return not_authorized("Password attempts exceeded")


def unknown_user() -> Refusal:
    return Refusal("UserNotFoundException", "User does not exist.")


def not_confirmed() -> Refusal:
    return Refusal("UserNotConfirmedException", "User is not confirmed.")


def disabled() -> Refusal:
    return not_authorized("User is disabled.")


def password_reset_required() -> Refusal:
    return Refusal("PasswordResetRequiredException", "Password reset required for the user")


def temporary_password_expired() -> Refusal:
    return not_authorized("Temporary password has expired and must be reset by an administrator.")


def unknown_client(client_id: str) -> Refusal:
    return Refusal("ResourceNotFoundException", f"User pool client {client_id} does not exist.")


def flow_not_enabled(flow: str) -> Refusal:
    return invalid_parameter(f"{flow} flow not enabled for this client")


def missing_parameter(name: str) -> Refusal:
    return Retryable("InvalidParameterException", f"Missing required parameter {name}")


def secret_hash_missing(client_id: str) -> Refusal:
    return not_authorized(f"Client {client_id} is configured with secret but SECRET_HASH was not received")


def secret_hash_wrong(client_id: str) -> Refusal:
    return not_authorized(f"SecretHash does not match for the client: {client_id}")


def secret_hash_not_expected(client_id: str) -> Refusal:
    return not_authorized(f"Client {client_id} is not configured for secret but secret was received")


def session_invalid() -> Refusal:
    return not_authorized("Invalid session for the user.")


def session_used() -> Refusal:
    return not_authorized("Invalid session for the user, session can only be used once.")


def session_expired() -> Refusal:
    return not_authorized("Invalid session for the user, session is expired.")


def other_challenge(expected: str) -> Refusal:
    """Own wording; the service model documents the code only."""
    return Retryable("InvalidParameterException", f"Invalid challenge transition: the session expects {expected}")


def choice_not_offered() -> Refusal:
    """Own wording; the service model says that ANSWER must be one of the AvailableChallenges."""
    return Retryable("InvalidParameterException", "The selected challenge is not available for the user")


def srp_a_invalid() -> Refusal:
    """Own wording. RFC 5054 section 2.5.4: the server must abort when A mod N is zero."""
    return invalid_parameter("SRP_A is invalid")


def timestamp_invalid() -> Refusal:
    return Retryable("InvalidParameterException", "TIMESTAMP format should be EEE MMM d HH:mm:ss z yyyy in english.")


def code_mismatch() -> Refusal:
    return Refusal("CodeMismatchException", "Invalid verification code provided, please try again.")


def sign_in_code_mismatch() -> Refusal:
    return Retryable("CodeMismatchException", "Invalid code or auth state for the user.")


def totp_mismatch() -> Refusal:
    return Retryable("CodeMismatchException", "Invalid code received for user")


def totp_set_up_mismatch() -> Refusal:
    return Retryable("EnableSoftwareTokenMFAException", "Code mismatch")


def totp_used() -> Refusal:
    return Retryable("ExpiredCodeException", "Your software token has already been used once.")


def code_expired() -> Refusal:
    return Refusal("ExpiredCodeException", "Invalid code provided, please request a code again.")


def attempt_limit() -> Refusal:
    return Refusal("LimitExceededException", "Attempt limit exceeded, please try after some time.")


def user_exists() -> Refusal:
    return Refusal("UsernameExistsException", "User already exists")


def alias_exists(attribute: str) -> Refusal:
    shown = {"email": "email", "phone_number": "phone number"}.get(attribute, attribute)
    return Refusal("AliasExistsException", f"An account with the {shown} already exists.")


def password_policy(problem: str) -> Refusal:
    return Retryable("InvalidPasswordException", f"Password did not conform with policy: {problem}")


def sign_up_not_permitted() -> Refusal:
    return not_authorized("SignUp is not permitted for this user pool")


def already_confirmed(status: str) -> Refusal:
    return not_authorized(f"User cannot be confirmed. Current status is {status}")


def resend_to_confirmed() -> Refusal:
    return invalid_parameter("User is already confirmed.")


def token_invalid(kind: str) -> Refusal:
    return not_authorized(f"Invalid {kind} Token")


def token_expired(kind: str) -> Refusal:
    return not_authorized(f"{kind} Token has expired")


def token_revoked(kind: str) -> Refusal:
    return not_authorized(f"{kind} Token has been revoked")


def refresh_token_reused() -> Refusal:
    return Refusal("RefreshTokenReuseException", "Refresh token has been invalidated by rotation")


def device_unknown() -> Refusal:
    return Refusal("ResourceNotFoundException", "Device does not exist.")


def tier(feature: str) -> Refusal:
    return Refusal("FeatureUnavailableInTierException", f"{feature} is not available in the feature tier of this pool")


def required_attribute_set(name: str) -> Refusal:
    return Retryable("InvalidParameterException", f"Cannot modify an already provided {name}")


def missing_attribute(name: str) -> Refusal:
    return Retryable("InvalidParameterException", f"Invalid attributes given, {name} is missing")


def no_software_token() -> Refusal:
    """Own wording after the model's description of SoftwareTokenMFANotFoundException."""
    return Retryable(
        "SoftwareTokenMFANotFoundException", "Software token TOTP multi-factor authentication is not set up."
    )


def device_confirmed() -> Refusal:
    """Own wording; the service refuses to confirm a device twice."""
    return invalid_parameter("Device is already confirmed")


def device_verifier_invalid() -> Refusal:
    """Own wording; the model documents the code only."""
    return invalid_parameter("Invalid device secret verifier config given.")


def username_form(attributes: tuple[str, ...]) -> Refusal:
    if attributes == ("email",):
        return invalid_parameter("Username should be an email.")
    if attributes == ("phone_number",):
        return invalid_parameter("Username should be a phone number.")
    return invalid_parameter("Username should be either an email or a phone number.")


def username_is_alias() -> Refusal:
    return invalid_parameter("Username cannot be of email format, since user pool is configured for email alias.")


def address_format(what: str) -> Refusal:
    return invalid_parameter(f"Invalid {what} format.")


def missing_required_attribute(name: str) -> Refusal:
    return invalid_parameter(f"Attributes did not conform to the schema: {name}: The attribute is required\n")


def client_secret_wrong(client_id: str) -> Refusal:
    """Own wording; users quote the code NotAuthorizedException only."""
    return not_authorized(f"Invalid client secret for the client: {client_id}")


def passkeys_not_enabled() -> Refusal:
    return Refusal("WebAuthnNotEnabledException", "WebAuthn is not enabled for this user pool.")


def relying_party_missing() -> Refusal:
    message = "The user pool has no relying party ID and no domain for WebAuthn."
    return Refusal("WebAuthnConfigurationMissingException", message)


def registration_expired() -> Refusal:
    return Refusal("WebAuthnChallengeNotFoundException", "The WebAuthn challenge was not found or has expired.")


def registration_of_other_client() -> Refusal:
    return Refusal("WebAuthnClientMismatchException", "The registration was started with another app client.")


def origin_not_allowed() -> Refusal:
    message = "The origin of the credential does not match the relying party of the user pool."
    return Refusal("WebAuthnOriginNotAllowedException", message)


def other_relying_party() -> Refusal:
    message = "The credential is of another relying party than that of the user pool."
    return Refusal("WebAuthnRelyingPartyMismatchException", message)


def passkey_not_supported() -> Refusal:
    return Refusal("WebAuthnCredentialNotSupportedException", "The credential is not supported.")


def credential_malformed() -> Refusal:
    return invalid_parameter("Invalid Credential")


def too_many_passkeys() -> Refusal:
    return Refusal("LimitExceededException", "The user has the greatest number of WebAuthn credentials.")


def passkey_unknown() -> Refusal:
    return Refusal("ResourceNotFoundException", "Credential does not exist.")


def page_token_invalid() -> Refusal:
    return invalid_parameter("Invalid NextToken")


def password_not_resettable() -> Refusal:
    return not_authorized("User password cannot be reset in the current state.")


def nowhere_to_send_a_reset() -> Refusal:
    return invalid_parameter(
        "Cannot reset password for the user as there is no registered/verified email or phone_number"
    )


def attribute_not_writable() -> Refusal:
    return not_authorized("A client attempted to write unauthorized attribute")


def attribute_not_deletable(name: str) -> Refusal:
    """Own wording; users quote the code InvalidParameterException only."""
    return invalid_parameter(f"Attribute {name} cannot be deleted")


def attribute_not_verifiable(name: str) -> Refusal:
    """Own wording; the model documents the code only."""
    return invalid_parameter(f"There is no {name} to verify")


def one_preferred_factor() -> Refusal:
    return invalid_parameter("Only one MFA method can be preferred")


def preferred_is_off() -> Refusal:
    """Own wording; the model says that a preferred factor must be active."""
    return invalid_parameter("A factor that is not enabled cannot be preferred")


def factor_not_enabled(kind: str) -> Refusal:
    return invalid_parameter(f"User pool does not have {kind} enabled.")


def totp_not_verified() -> Refusal:
    return invalid_parameter("User has not verified software token mfa")


def no_delivery(kind: str) -> Refusal:
    return invalid_parameter(f"User does not have delivery config set to turn on {kind}")


def device_status_fixed() -> Refusal:
    """Own wording; the developer guide says that the user has a say only where the pool asks for it."""
    return invalid_parameter("Device status can be updated only if the user pool remembers devices on user opt-in")
