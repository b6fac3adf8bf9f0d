"""What a session may do at most, whatever its role allows: a guest of the enhanced flow, or one with a session policy.

Cognito restricts these sessions with its own policy to the services listed in the Developer Guide, "IAM roles",
"Services that unauthenticated identities can access". ``sts`` is not among them, so guests cannot chain roles; the
basic flow is not restricted.
"""

from __future__ import annotations

import fnmatch
import json

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
    return _refusal(f"{service}:{operation}", json_protocol)


#: Operations whose action has another name (Service Authorization Reference, S3).
_ACTIONS = {"s3:ListBuckets": "s3:ListAllMyBuckets", "s3:ListObjects": "s3:ListBucket"}


def refuse_outside(policy: str, service: str, operation: str, json_protocol: bool) -> Refusal | None:
    """Return the refusal for a call whose action a session policy does not allow; resources are not looked at.

    Args:
        policy: the session policy, JSON; empty without one.
    """
    if not policy or (service, operation) == _ALWAYS:
        return None
    action, allowed = _ACTIONS.get(f"{service}:{operation}", f"{service}:{operation}"), False
    statements = json.loads(policy)["Statement"]
    for statement in statements if isinstance(statements, list) else [statements]:
        named = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
        if any(fnmatch.fnmatchcase(action.lower(), each.lower()) for each in named):
            if statement["Effect"] != "Allow":
                return _refusal(action, json_protocol)
            allowed = True
    return None if allowed else _refusal(action, json_protocol)


def _refusal(action: str, json_protocol: bool) -> Refusal:
    message = f"User is not authorized to perform: {action} because no session policy allows the {action} action"
    return Refusal("AccessDeniedException", message) if json_protocol else Refusal("AccessDenied", message, 403)
