"""A Flask back end with many users: each request to AWS is signed for the user who sent the request.

`POST /sign-in` takes a provider's ID token and answers with a cookie; `PUT` and `GET /notes/NAME` write and read an
object of the user; `POST /sign-out` ends the sign-in. Run it by `flask --app backend_flask run`.

    IDENTITY_POOL_ID    your identity pool
    LOGIN_PROVIDER      the provider's domain
    BUCKET              a bucket in which the identity's role may write and read uploads/IDENTITY_ID/
"""

import os

from botocore.exceptions import ClientError
from flask import Flask, Response, request

from botocore_cognito_federation import (
    CognitoFederation,
    CognitoFederationError,
    ConfigurationError,
    FederatedUsers,
    FederationRefusedError,
    NotSignedInError,
    SignInRequiredError,
    TokenRefreshError,
)

app = Flask(__name__)
# All worker processes of this machine share the cache; for many hosts pass RedisCache, PostgresCache or DynamoDBCache.
users = FederatedUsers(os.environ["IDENTITY_POOL_ID"], cache="file")
s3 = users.session().client("s3")  # one client for all users
bucket = os.environ["BUCKET"]


def signed_in_user() -> CognitoFederation:
    """Return the user whose handle is in the request's cookie."""
    handle = request.cookies.get("user")
    if not handle:
        raise NotSignedInError("There is no cookie")
    try:
        return users.resume(handle)
    except ConfigurationError:
        raise NotSignedInError("The cookie holds no handle") from None


@app.post("/sign-in")
def sign_in() -> Response:
    user = users.federation()
    user.federated_sign_in(os.environ["LOGIN_PROVIDER"], request.get_data(as_text=True))
    answer = Response("Signed in\n")
    # The handle is a secret: who has it acts for this user.
    answer.set_cookie("user", user.handle, secure=request.is_secure, httponly=True, samesite="Lax")
    return answer


@app.put("/notes/<name>")
def write(name: str) -> Response:
    user = signed_in_user()
    key = f"uploads/{user.current_credentials().identity_id}/{name}"
    with users.acting_as(user):
        s3.put_object(Bucket=bucket, Key=key, Body=request.get_data())
    return Response("Written\n")


@app.get("/notes/<name>")
def read(name: str) -> Response:
    user = signed_in_user()
    key = f"uploads/{user.current_credentials().identity_id}/{name}"
    with users.acting_as(user):
        return Response(s3.get_object(Bucket=bucket, Key=key)["Body"].read())


@app.post("/sign-out")
def sign_out() -> Response:
    signed_in_user().sign_out()
    answer = Response("Signed out\n")
    answer.delete_cookie("user")
    return answer


@app.errorhandler(CognitoFederationError)
def failed(error: CognitoFederationError) -> Response:
    """Tell the user to sign in again or to come back later; what the operator has to do is in the log."""
    app.logger.warning("%s", error.line)
    if isinstance(error, SignInRequiredError | TokenRefreshError):
        return Response("Sign in again\n", 401)
    if isinstance(error, FederationRefusedError):
        return Response("Not allowed\n", 403)
    if isinstance(error, ConfigurationError):
        return Response("Something is wrong here\n", 500)
    return Response("Try again later\n", 503, {"Retry-After": "5"})


@app.errorhandler(ClientError)
def refused(error: ClientError) -> Response:
    """Tell what AWS has refused to the user in particular."""
    statuses = {"AccessDenied": 403, "NoSuchKey": 404}
    return Response("Not possible\n", statuses.get(error.response["Error"]["Code"], 503))
