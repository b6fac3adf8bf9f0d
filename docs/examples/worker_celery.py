"""A Celery worker whose tasks act for the users of a web back end, who need not be there any more.

The back end passes the user's handle, not a token: the worker finds the sign-in in the cache that both share, and
renews it. A task that needs the user to sign in again fails; one that meets a passing failure is tried again later. Run
it by `celery --app worker_celery worker`.

    BROKER_URL          the broker of Celery; handles are secrets, so nobody else may read it
    IDENTITY_POOL_ID    your identity pool
    BUCKET              a bucket in which the identity's role may write uploads/IDENTITY_ID/
"""

import os

from celery import Celery

from botocore_cognito_federation import FederatedUsers, StorageError, TemporaryError

app = Celery(broker=os.environ["BROKER_URL"])
# For workers on other hosts than the back end pass RedisCache, PostgresCache or DynamoDBCache.
users = FederatedUsers(os.environ["IDENTITY_POOL_ID"], cache="file")
s3 = users.session().client("s3")  # one client for all users


@app.task(name="report", autoretry_for=(TemporaryError, StorageError), retry_backoff=True)
def report(handle: str, text: str) -> None:
    user = users.resume(handle)
    key = f"uploads/{user.current_credentials().identity_id}/report"
    with users.acting_as(user):
        s3.put_object(Bucket=os.environ["BUCKET"], Key=key, Body=text.encode())
