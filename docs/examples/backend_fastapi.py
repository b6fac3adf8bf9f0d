"""A FastAPI back end with many users on asyncio: each request to AWS is signed for the user who sent the request.

`POST /sign-in` takes a provider's ID token and answers with a cookie; `PUT` and `GET /notes/NAME` write and read an
object of the user; `POST /sign-out` ends the sign-in. Run it by `uvicorn backend_fastapi:app`. It needs the extra
`aio`.

    IDENTITY_POOL_ID    your identity pool
    LOGIN_PROVIDER      the provider's domain
    BUCKET              a bucket in which the identity's role may write and read uploads/IDENTITY_ID/
"""

import logging
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

from botocore.exceptions import ClientError
from fastapi import Cookie, Depends, FastAPI, Request, Response

from botocore_cognito_federation import (
    AsyncCognitoFederation,
    CognitoFederationError,
    ConfigurationError,
    FederatedUsers,
    FederationRefusedError,
    NotSignedInError,
    SignInRequiredError,
    TokenRefreshError,
)

# All worker processes of this machine share the cache; for many hosts pass RedisCache, PostgresCache or DynamoDBCache.
users = FederatedUsers(os.environ["IDENTITY_POOL_ID"], cache="file")
bucket = os.environ["BUCKET"]
logger = logging.getLogger("backend")


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    async with users.aio_session().create_client("s3") as app.state.s3:  # one client for all users
        yield


app = FastAPI(lifespan=lifespan)


async def signed_in_user(user: Annotated[str | None, Cookie()] = None) -> AsyncCognitoFederation:
    """Return the user whose handle is in the request's cookie."""
    if not user:
        raise NotSignedInError("There is no cookie")
    try:
        return await AsyncCognitoFederation.resume(users, user)
    except ConfigurationError:
        raise NotSignedInError("The cookie holds no handle") from None


User = Annotated[AsyncCognitoFederation, Depends(signed_in_user)]


@app.post("/sign-in")
async def sign_in(request: Request) -> Response:
    user = AsyncCognitoFederation.of(users.federation())
    await user.federated_sign_in(os.environ["LOGIN_PROVIDER"], (await request.body()).decode("utf-8", "replace"))
    answer = Response("Signed in\n")
    # The handle is a secret: who has it acts for this user.
    answer.set_cookie("user", user.handle, secure=request.url.scheme == "https", httponly=True, samesite="lax")
    return answer


@app.put("/notes/{name}")
async def write(name: str, request: Request, user: User) -> Response:
    key = f"uploads/{(await user.current_credentials()).identity_id}/{name}"
    # The block is in the view: one in a dependency that yields does not count here.
    with users.acting_as(user):
        await s3(request).put_object(Bucket=bucket, Key=key, Body=await request.body())
    return Response("Written\n")


@app.get("/notes/{name}")
async def read(name: str, request: Request, user: User) -> Response:
    key = f"uploads/{(await user.current_credentials()).identity_id}/{name}"
    with users.acting_as(user):
        found = await s3(request).get_object(Bucket=bucket, Key=key)
        return Response(await found["Body"].read())


@app.post("/sign-out")
async def sign_out(user: User) -> Response:
    await user.sign_out()
    answer = Response("Signed out\n")
    answer.delete_cookie("user")
    return answer


@app.exception_handler(CognitoFederationError)
async def failed(request: Request, error: CognitoFederationError) -> Response:
    """Tell the user to sign in again or to come back later; what the operator has to do is in the log."""
    logger.warning("%s", error.line)
    if isinstance(error, SignInRequiredError | TokenRefreshError):
        return Response("Sign in again\n", 401)
    if isinstance(error, FederationRefusedError):
        return Response("Not allowed\n", 403)
    if isinstance(error, ConfigurationError):
        return Response("Something is wrong here\n", 500)
    return Response("Try again later\n", 503, {"Retry-After": "5"})


@app.exception_handler(ClientError)
async def refused(request: Request, error: ClientError) -> Response:
    """Tell what AWS has refused to the user in particular."""
    statuses = {"AccessDenied": 403, "NoSuchKey": 404}
    return Response("Not possible\n", statuses.get(error.response["Error"]["Code"], 503))


def s3(request: Request) -> Any:
    return request.app.state.s3
