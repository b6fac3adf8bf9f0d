"""Be told of sign-ins, renewals and their failures.

Answers "Subscribing Events" of Amplify's "Advanced workflows" page. An event never holds a secret, and what a listener
raises is logged and stops nothing.

    IDENTITY_POOL_ID    your identity pool
    LOGIN_PROVIDER      the provider's domain
    LOGIN_TOKEN         its ID token
"""

import os
from contextlib import suppress

from botocore_cognito_federation import CognitoFederation, CognitoFederationError, Event

federation = CognitoFederation(os.environ["IDENTITY_POOL_ID"])


def report(event: Event) -> None:
    print(event.name, event.provider, event.error or event.identity_id)


for name in ("sign-in", "sign-in-failure", "token-refresh-failure", "sign-out"):
    federation.on(name, report)

with suppress(CognitoFederationError):  # reported
    federation.federated_sign_in(os.environ["LOGIN_PROVIDER"], token="not the token")
federation.federated_sign_in(os.environ["LOGIN_PROVIDER"], token=os.environ["LOGIN_TOKEN"])
federation.sign_out()
