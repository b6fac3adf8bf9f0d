"""What credentials of guests may reach in the enhanced flow, whatever their role allows.

Cognito narrows these sessions by a policy of its own to the services listed in the Developer Guide, "IAM roles",
"Services that unauthenticated identities can access". ``sts`` is not among them, so guests cannot chain roles; the
basic flow is not narrowed.
"""

from __future__ import annotations

from .refusals import Refusal

# By signing name, as it stands in a request's credential scope.
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
    """The refusal for a guest's call outside the list; None when the call may go on to its role's policy."""
    if service in GUEST_SERVICES or (service, operation) == _ALWAYS:
        return None
    action = f"{service}:{operation}"
    message = f"User is not authorized to perform: {action} because no session policy allows the {action} action"
    return Refusal("AccessDeniedException", message) if json_protocol else Refusal("AccessDenied", message, 403)
