"""Use AWS services with the credentials of whoever is signed in.

Answers "Working with AWS service objects" of Amplify's "Advanced workflows" page. Clients of `session()` renew their
credentials; one made with `essential()`, as on the page, works until they expire.

    IDENTITY_POOL_ID    your identity pool
    LOGIN_PROVIDER      the provider's domain
    LOGIN_TOKEN         its ID token
    BUCKET              a bucket the identity's role may list
"""

import os

import boto3

from botocore_cognito_federation import CognitoFederation

federation = CognitoFederation(os.environ["IDENTITY_POOL_ID"])
federation.federated_sign_in(os.environ["LOGIN_PROVIDER"], token=os.environ["LOGIN_TOKEN"])
bucket = os.environ["BUCKET"]

print(federation.session().client("s3").list_objects_v2(Bucket=bucket)["KeyCount"])

credentials = federation.current_credentials()
s3 = boto3.client("s3", region_name="eu-west-1", **credentials.essential())
print(s3.list_objects_v2(Bucket=bucket)["KeyCount"])

federation.install()  # from here on plain clients use this federation
print(boto3.Session(region_name="eu-west-1").client("s3").list_objects_v2(Bucket=bucket)["KeyCount"])
