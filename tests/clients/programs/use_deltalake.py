"""delta-rs, whose credentials come from the AWS SDK for Rust; the files below its tables are read as they are."""

from deltalake._internal import DeltaFileSystemHandler
from line_protocol import BUCKET, ENDPOINT, REGION, serve

options = {
    "aws_endpoint_url": ENDPOINT,
    "aws_region": REGION,
    "aws_allow_http": "true",
    # With a custom endpoint it takes keys from the options only, unless it is told otherwise.
    "aws_force_credential_load": "true",
}


def files() -> DeltaFileSystemHandler:
    return DeltaFileSystemHandler(f"s3://{BUCKET}", options)


def get(key: str) -> bytes:
    return bytes(files().open_input_file(key).read())


def put(key: str, data: bytes) -> None:
    stream = files().open_output_stream(key)
    stream.write(data)
    stream.close()


serve(get, put)
