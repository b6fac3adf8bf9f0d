"""s3fs (fsspec), as pandas, dask and xarray use it."""

import s3fs
from line_protocol import BUCKET, PROFILE, REGION, install_if_native, serve

install_if_native()
files = s3fs.S3FileSystem(profile=PROFILE, client_kwargs={"region_name": REGION})


def get(key: str) -> bytes:
    return files.cat_file(f"{BUCKET}/{key}")


def put(key: str, data: bytes) -> None:
    files.pipe_file(f"{BUCKET}/{key}", data)


serve(get, put)
