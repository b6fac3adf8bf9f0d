"""The refusals of Cognito and STS: one constructor for each message, with the services' own wording.

The messages are those that users quote in public issues (for example amazon-archives/amazon-cognito-identity-js #7,
#12, #40, #91, aws/aws-cli #7652, aws/aws-sdk-js-v3 #3113). If no public text exists, the docstring says "own wording".
"""

from __future__ import annotations


class Refusal(Exception):
    """An AWS error answer: its code, its message, its HTTP status."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(code, message, status)
        self.code = code
        self.message = message
        self.status = status


def not_authorized(message: str) -> Refusal:
    return Refusal("NotAuthorizedException", message)


def invalid_parameter(message: str) -> Refusal:
    return Refusal("InvalidParameterException", message)


def validation(problems: list[str]) -> Refusal:
    """Return the error for violated constraints, counted and joined as AWS's front end does."""
    noun = "error" if len(problems) == 1 else "errors"
    return Refusal("ValidationException", f"{len(problems)} validation {noun} detected: " + "; ".join(problems))


def serialization() -> Refusal:
    return Refusal("SerializationException", "")


def token_expired(now: float, expires_at: float) -> Refusal:
    return not_authorized(f"Invalid login token. Token expired: {int(now)} >= {int(expires_at)}")


def opaque_token_expired() -> Refusal:
    return not_authorized("Invalid login token. Token is expired.")


def invalid_login_token() -> Refusal:
    """Return the short form, for causes without their own message (an unknown opaque token, one not yet valid)."""
    return not_authorized("Invalid login token.")


def issuer_mismatch() -> Refusal:
    return not_authorized("Invalid login token. Issuer doesn't match providerName")


def missing_claim(name: str) -> Refusal:
    return not_authorized(f"Invalid login token. Missing a required claim: {name}")


def not_an_identity_token() -> Refusal:
    return not_authorized("Invalid login token. Not a valid OpenId Connect identity token.")


def unverifiable_token() -> Refusal:
    return not_authorized("Invalid login token. Couldn't verify signed token.")


def not_a_cognito_token() -> Refusal:
    return not_authorized("Invalid login token. Not a Cognito token.")


def cognito_token_in_get_id() -> Refusal:
    return not_authorized("Invalid login token. Can't pass in a Cognito token.")


def unsupported_provider() -> Refusal:
    return not_authorized("Token is not from a supported provider of this identity pool.")


def logins_do_not_match() -> Refusal:
    return not_authorized(
        "Logins don't match. Please include at least one valid login for this identity or identity pool."
    )


def guests_not_supported() -> Refusal:
    return not_authorized("Unauthenticated access is not supported for this identity pool.")


def identity_forbidden(identity_id: str) -> Refusal:
    return not_authorized(f"Access to Identity '{identity_id}' is forbidden.")


def ambiguous_role(provider: str) -> Refusal:
    return not_authorized(f"The ambiguous role mapping rules for: {provider} denied this request.")


def custom_role_denied(role_arn: str) -> Refusal:
    """Own wording: AWS documents that access is denied, its text is in no public report."""
    return not_authorized(f"Role '{role_arn}' is not among the roles of this login.")


def classic_flow_off() -> Refusal:
    return invalid_parameter("Basic (classic) flow is not enabled, please use enhanced flow.")


def classic_flow_with_role_mappings() -> Refusal:
    return invalid_parameter("Basic (classic) flow is not supported with RoleMappings, please use enhanced flow.")


def not_a_public_provider() -> Refusal:
    return invalid_parameter("Please provide a valid public provider")


def unknown_developer_provider() -> Refusal:
    return invalid_parameter("This identity pool does not support the specified developer provider")


def pool_not_found(pool_id: str) -> Refusal:
    return Refusal("ResourceNotFoundException", f"IdentityPool '{pool_id}' not found.")


def identity_not_found(identity_id: str) -> Refusal:
    return Refusal("ResourceNotFoundException", f"Identity '{identity_id}' not found.")


def login_already_linked() -> Refusal:
    """Own wording after the model's description of ResourceConflictException; no report quotes the service's."""
    return Refusal("ResourceConflictException", "Login is already linked to another account.")


def developer_user_already_registered() -> Refusal:
    """Own wording after the model's description of DeveloperUserAlreadyRegisteredException."""
    return Refusal(
        "DeveloperUserAlreadyRegisteredException",
        "The provided developer user identifier is already registered with Cognito under a different identity ID.",
    )


def pool_configuration() -> Refusal:
    return Refusal(
        "InvalidIdentityPoolConfigurationException",
        "Invalid identity pool configuration. Check assigned IAM roles for this pool.",
    )


def sts_denied(action: str = "sts:AssumeRoleWithWebIdentity") -> Refusal:
    return Refusal("AccessDenied", f"Not authorized to perform {action}", 403)


def not_allowed(caller: str, action: str, resource: str) -> Refusal:
    """Return STS's refusal of AssumeRole; it says the same of a role that is not there and of a wrong external ID."""
    return Refusal(
        "AccessDenied", f"User: {caller} is not authorized to perform: {action} on resource: {resource}", 403
    )


def sts_validation(problem: str) -> Refusal:
    return Refusal("ValidationError", problem)


def presigned() -> Refusal:
    """moto's enforcement reads the Authorization header only; a clear refusal is better than its internal error."""
    return Refusal("NotImplemented", "The demo world does not check presigned URLs.", 501)


def chained_too_long() -> Refusal:
    return sts_validation(
        "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining"
    )


def sts_not_a_jwt() -> Refusal:
    return Refusal(
        "InvalidIdentityToken",
        "The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)",
    )


def sts_wrong_audience() -> Refusal:
    return Refusal("InvalidIdentityToken", "Incorrect token audience")


def sts_missing_claim(name: str) -> Refusal:
    """Own wording, after Cognito's of the same flaw."""
    return Refusal("InvalidIdentityToken", f"Missing a required claim: {name}")


def sts_rejected() -> Refusal:
    """Own wording after the model's description of IDPRejectedClaimException."""
    return Refusal("IDPRejectedClaim", "The identity provider rejected the token.", 403)


def sts_no_provider(issuer: str) -> Refusal:
    return Refusal("InvalidIdentityToken", f"No OpenIDConnect provider found in your account for {issuer}")


def sts_no_key() -> Refusal:
    # The service's own message has two spaces.
    return Refusal(
        "InvalidIdentityToken",
        "Couldn't retrieve verification key from your identity provider,  please reference "
        "AssumeRoleWithWebIdentity documentation for requirements",
    )


def sts_bad_issuer() -> Refusal:
    return Refusal("InvalidIdentityToken", "Issuer must be a valid URL")


def sts_token_expired(now: float, expires_at: float) -> Refusal:
    return Refusal(
        "ExpiredTokenException",
        f"Token expired: current date/time {int(now)} must be before the expiration date/time {int(expires_at)}",
    )
