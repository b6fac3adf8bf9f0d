"""Sign in to a user pool with metadata for its Lambda triggers, and federate by itself.

Answers "Lambda Triggers" of Amplify's "Advanced workflows" page. `validation_data` reaches the pre-authentication
trigger; `client_metadata` the triggers after the password was verified. What is set on the `UserPool` goes with every
operation that is not given its own.

    IDENTITY_POOL_ID, USER_POOL_ID, USER_POOL_CLIENT_ID    your pools and app client
    POOL_USERNAME, POOL_PASSWORD                           a user
    COGNITO_IDP_ENDPOINT_URL                               an emulator's, if you use one
"""

import os

from botocore_cognito_federation import CognitoFederation, FederatedCredentials, UserPool

endpoint = os.environ.get("COGNITO_IDP_ENDPOINT_URL")
pool = UserPool(
    os.environ["USER_POOL_ID"],
    os.environ["USER_POOL_CLIENT_ID"],
    client_metadata={"app": "reports"},
    endpoint_url=endpoint,
)
federation = CognitoFederation(os.environ["IDENTITY_POOL_ID"], user_pool=pool, endpoint_url=endpoint)
answer = federation.sign_in(
    os.environ["POOL_USERNAME"], os.environ["POOL_PASSWORD"], validation_data={"device": "terminal"}
)
if not isinstance(answer, FederatedCredentials):
    raise SystemExit(f"The pool asks {answer.name}: answer with federation.confirm_sign_in(answer, code)")
print(answer.identity_id)
