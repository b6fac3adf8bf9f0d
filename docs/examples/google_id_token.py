"""Sign in with a Google ID token.

Answers "Identity Pool Federation", the Google sample, of Amplify's "Advanced workflows" page. The page has to decode
the token for `expires_at` and the user's name; here both are read from it.

    IDENTITY_POOL_ID   your identity pool
    GOOGLE_ID_TOKEN    what Google Identity Services gave your page (`response.credential`)
    LOGIN_PROVIDER     default: google
"""

import os

from botocore_cognito_federation import CognitoFederation, CognitoFederationError

federation = CognitoFederation(os.environ["IDENTITY_POOL_ID"])
try:
    credentials = federation.federated_sign_in(
        os.environ.get("LOGIN_PROVIDER", "google"), token=os.environ["GOOGLE_ID_TOKEN"]
    )
except CognitoFederationError as error:
    raise SystemExit(f"Not signed in: {error}") from None

user = federation.current_authenticated_user()
print(f"{user.get('name')} is {credentials.identity_id} until {credentials.expiration:%H:%M} UTC")
