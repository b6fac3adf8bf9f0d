"""Read the login token back after the sign-in.

Answers "Retrieve JWT Tokens" of Amplify's "Advanced workflows" page, whose `Cache.getItem('federatedInfo')` has long
answered null (aws-amplify/amplify-js#6400). With `cache="file"` a later process of the same user finds the sign-in.

    IDENTITY_POOL_ID    your identity pool
    LOGIN_PROVIDER      the provider's domain
    LOGIN_TOKEN         its ID token; leave it out to read what an earlier run kept
"""

import os

from botocore_cognito_federation import CognitoFederation, NotSignedInError

federation = CognitoFederation(os.environ["IDENTITY_POOL_ID"], cache="file")
if "LOGIN_TOKEN" in os.environ:
    federation.federated_sign_in(os.environ["LOGIN_PROVIDER"], token=os.environ["LOGIN_TOKEN"])
try:
    info = federation.federated_info()
except NotSignedInError:
    raise SystemExit("Not signed in; set LOGIN_TOKEN") from None
print(info["provider"], info["expires_at"], len(info["token"] or ""), "characters")
