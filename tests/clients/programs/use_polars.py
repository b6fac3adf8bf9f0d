"""polars, which asks boto3 for credentials and reads with its own Rust client."""

import io

import polars
from line_protocol import BUCKET, ENDPOINT, PROFILE, REGION, install_if_native, serve

install_if_native()
options = {"aws_endpoint_url": ENDPOINT, "aws_region": REGION, "aws_allow_http": "true"}
provider = polars.CredentialProviderAWS(profile_name=PROFILE, region_name=REGION)


def get(key: str) -> bytes:
    where = f"s3://{BUCKET}/{key}"
    lines = polars.scan_csv(
        where, has_header=False, separator="\x1f", storage_options=options, credential_provider=provider
    )
    return lines.collect().item(0, 0).encode()


def put(key: str, data: bytes) -> None:
    frame = polars.read_csv(io.BytesIO(data), has_header=False, separator="\x1f")
    where = f"s3://{BUCKET}/{key}"
    frame.lazy().sink_csv(where, include_header=False, storage_options=options, credential_provider=provider)


serve(get, put)
