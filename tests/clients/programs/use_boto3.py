"""boto3."""

import boto3
from line_protocol import BUCKET, REGION, install_if_native, serve

install_if_native()
client = boto3.client("s3", region_name=REGION)


def get(key: str) -> bytes:
    return client.get_object(Bucket=BUCKET, Key=key)["Body"].read()


def put(key: str, data: bytes) -> None:
    client.put_object(Bucket=BUCKET, Key=key, Body=data)


serve(get, put)
