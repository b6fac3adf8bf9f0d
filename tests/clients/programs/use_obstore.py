"""obstore, which is Rust's object_store; it reads variables and container endpoints, and no profile."""

from line_protocol import BUCKET, ENDPOINT, REGION, serve
from obstore import get as read
from obstore import put as write
from obstore.store import S3Store

store = S3Store(
    BUCKET, endpoint=ENDPOINT, region=REGION, virtual_hosted_style_request=False, client_options={"allow_http": True}
)


def get(key: str) -> bytes:
    return bytes(read(store, key).bytes())


def put(key: str, data: bytes) -> None:
    write(store, key, data)


serve(get, put)
