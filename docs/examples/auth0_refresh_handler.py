"""Sign in with Auth0, or any other OpenID Connect provider, and renew its ID tokens with a refresh handler.

Answers "Federate with Auth0", steps 2 to 4, and "JWT Token Refresh" of Amplify's "Advanced workflows" page.
`handlers.oidc(domain, client_id, refresh_token)` is such a handler, ready to use; this one shows how to write your own.

    IDENTITY_POOL_ID    your identity pool
    AUTH0_DOMAIN        your tenant's domain, as the identity pool names it
    AUTH0_ID_TOKEN      the ID token of the sign-in
    AUTH0_TOKEN_URL     where your backend gives a new one
"""

import json
import os
import urllib.error
import urllib.request

from botocore_cognito_federation import CognitoFederation, NonRetryableError, RefreshContext

domain = os.environ["AUTH0_DOMAIN"]


def refresh(context: RefreshContext) -> dict[str, str]:
    """Network errors and 5xx are tried again by the federation; this says what cannot be helped."""
    try:
        with urllib.request.urlopen(os.environ["AUTH0_TOKEN_URL"], timeout=20) as answer:
            body = json.load(answer)
    except urllib.error.HTTPError as error:
        if error.code == 403:
            raise NonRetryableError(f"{context.provider} has ended the session") from None
        raise
    return {"token": body["id_token"]}  # expires_at is read from the token, the identity stays the same


federation = CognitoFederation(os.environ["IDENTITY_POOL_ID"], refresh_handlers={domain: refresh})
federation.federated_sign_in(domain, token=os.environ["AUTH0_ID_TOKEN"], user={"name": "Ada"})

print(federation.current_authenticated_user()["name"])
print(federation.current_credentials().expiration)  # renews the token first, if it has to
