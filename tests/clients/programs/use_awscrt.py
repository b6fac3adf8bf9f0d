"""The AWS Common Runtime's own credentials and S3 client, as in mountpoint-s3 and s3torchconnector."""

from urllib.parse import urlsplit

from awscrt import auth, http, io, s3
from line_protocol import BUCKET, ENDPOINT, REGION, serve

bootstrap = io.ClientBootstrap.get_or_create_static_default()
client = s3.S3Client(
    bootstrap=bootstrap,
    region=REGION,
    tls_mode=s3.S3RequestTlsMode.DISABLED,
    credential_provider=auth.AwsCredentialsProvider.new_default_chain(bootstrap),
)


def get(key: str) -> bytes:
    parts: list[bytes] = []
    _request(s3.S3RequestType.GET_OBJECT, "GET", key, on_body=lambda chunk, **_: parts.append(bytes(chunk)))
    return b"".join(parts)


def put(key: str, data: bytes) -> None:
    import io as streams

    _request(s3.S3RequestType.PUT_OBJECT, "PUT", key, data=streams.BytesIO(data), length=len(data))


def _request(kind, method, key, *, data=None, length=0, **options):
    headers = http.HttpHeaders([("Host", urlsplit(ENDPOINT).netloc), ("Content-Length", str(length))])
    request = http.HttpRequest(method, f"/{BUCKET}/{key}", headers, body_stream=data)
    client.make_request(type=kind, request=request, **options).finished_future.result(60)


serve(get, put)
