"""Sign in with a Facebook access token, and let it be renewed.

Answers "Facebook sign-in" and "Token Refresh" of Amplify's "Advanced workflows" page. An access token says nothing of
its own expiry or user, so the application passes both. `expiresIn` of Facebook's answer is in seconds.

    IDENTITY_POOL_ID                    your identity pool
    FACEBOOK_ACCESS_TOKEN               of `authResponse`
    FACEBOOK_EXPIRES_IN                 of `authResponse`; default 3600
    FACEBOOK_APP_ID, FACEBOOK_APP_SECRET    your application; with both, tokens are renewed
"""

import os
import time

from botocore_cognito_federation import CognitoFederation, handlers

token = os.environ["FACEBOOK_ACCESS_TOKEN"]
refresh_handlers = {}
if "FACEBOOK_APP_SECRET" in os.environ:
    refresh_handlers["facebook"] = handlers.facebook(
        os.environ["FACEBOOK_APP_ID"], token, os.environ["FACEBOOK_APP_SECRET"]
    )

federation = CognitoFederation(os.environ["IDENTITY_POOL_ID"], refresh_handlers=refresh_handlers)
federation.federated_sign_in(
    "facebook",
    token=token,
    expires_at=time.time() + int(os.environ.get("FACEBOOK_EXPIRES_IN", "3600")),
    user={"name": "Ada", "email": "ada@example.com"},
)
print(federation.current_authenticated_user()["name"], "has", federation.current_credentials().identity_id)
