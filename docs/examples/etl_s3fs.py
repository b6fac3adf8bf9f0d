"""An ETL job with s3fs: its credentials are renewed while it runs, however long that takes.

It needs the extra `aio` and s3fs; pandas and Dask take the same file system.

    IDENTITY_POOL_ID    your identity pool
    LOGIN_PROVIDER      the provider's domain
    LOGIN_TOKEN         its ID token
    BUCKET              a bucket that the identity's role may read and list, and write below uploads/
"""

import os

import s3fs

from botocore_cognito_federation import CognitoFederation

job = CognitoFederation(os.environ["IDENTITY_POOL_ID"])
job.federated_sign_in(os.environ["LOGIN_PROVIDER"], os.environ["LOGIN_TOKEN"])
files = s3fs.S3FileSystem(session=job.aio_session())

bucket = os.environ["BUCKET"]
sources = [path for path in files.find(bucket) if "/uploads/" not in path]
lines = sum(len(files.cat_file(path).splitlines()) for path in sources)
files.pipe_file(f"{bucket}/uploads/report.txt", f"{lines} lines in {len(sources)} objects\n".encode())
print(f"{lines} lines in {len(sources)} objects")
