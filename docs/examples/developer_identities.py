"""Developer-authenticated identities: your backend vouches for the user.

Answers "Token Refresh" with the provider `developer` of Amplify's "Advanced workflows" page. The backend calls
GetOpenIdTokenForDeveloperIdentity with AWS credentials of its own; here that is the profile BACKEND_PROFILE.

    IDENTITY_POOL_ID      your identity pool
    DEVELOPER_PROVIDER    the developer provider name of the pool
    DEVELOPER_USER        your own name for the user
    BACKEND_PROFILE       a profile in ~/.aws/config that may make the call
"""

import os

import boto3

from botocore_cognito_federation import CognitoFederation

pool = os.environ["IDENTITY_POOL_ID"]


def ask_backend() -> dict[str, str]:
    backend = boto3.Session(profile_name=os.environ["BACKEND_PROFILE"], region_name=pool.partition(":")[0])
    answer = backend.client("cognito-identity").get_open_id_token_for_developer_identity(
        IdentityPoolId=pool, Logins={os.environ["DEVELOPER_PROVIDER"]: os.environ["DEVELOPER_USER"]}
    )
    return {"token": answer["Token"], "identity_id": answer["IdentityId"]}


federation = CognitoFederation(pool, refresh_handlers={"developer": ask_backend})
first = ask_backend()
federation.federated_sign_in("developer", first["token"], identity_id=first["identity_id"])
print(federation.current_credentials().identity_id)
