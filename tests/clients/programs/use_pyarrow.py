"""pyarrow's S3FileSystem, which is the AWS SDK for C++."""

from urllib.parse import urlsplit

from line_protocol import BUCKET, ENDPOINT, REGION, serve
from pyarrow.fs import S3FileSystem

files = S3FileSystem(endpoint_override=urlsplit(ENDPOINT).netloc, scheme="http", region=REGION)


def get(key: str) -> bytes:
    with files.open_input_stream(f"{BUCKET}/{key}") as stream:
        return stream.read()


def put(key: str, data: bytes) -> None:
    with files.open_output_stream(f"{BUCKET}/{key}") as stream:
        stream.write(data)


serve(get, put)
