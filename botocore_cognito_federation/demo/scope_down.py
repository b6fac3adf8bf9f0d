"""The services that guests may use in the enhanced flow, whatever their role allows.

Cognito restricts these sessions with its own policy to the services listed in the Developer Guide, "IAM roles",
"Services that unauthenticated identities can access". ``sts`` is not among them, so guests cannot chain roles; the
basic flow is not restricted.
"""

from __future__ import annotations

from .refusals import Refusal

# By signing name, as in a request's credential scope.
GUEST_SERVICES = frozenset(
    [
        "apigateway",
        "appsync",
        "cognito-identity",
        "cognito-idp",
        "cognito-sync",
        "codewhisperer",
        "comprehend",
        "dynamodb",
        "execute-api",
        "firehose",
        "gamelift",
        "geo",
        "iot",
        "iotdata",
        "kinesisanalytics",
        "kms",
        "lambda",
        "lex",
        "logs",
        "machinelearning",
        "mobileanalytics",
        "mobiletargeting",
        "monitoring",
        "personalize",
        "polly",
        "rekognition",
        "rum",
        "s3",
        "sagemaker",
        "sdb",
        "ses",
        "sns",
        "sqs",
        "sumerian",
        "textract",
        "transcribe",
        "translate",
    ]
)
# "No permissions are required" (STS GetCallerIdentity).
_ALWAYS = ("sts", "GetCallerIdentity")


def refuse_beyond(service: str, operation: str, json_protocol: bool) -> Refusal | None:
    """Return the refusal for a guest's call outside the list; None if the role's policy decides."""
    if service in GUEST_SERVICES or (service, operation) == _ALWAYS:
        return None
    action = f"{service}:{operation}"
    message = f"User is not authorized to perform: {action} because no session policy allows the {action} action"
    return Refusal("AccessDeniedException", message) if json_protocol else Refusal("AccessDenied", message, 403)
