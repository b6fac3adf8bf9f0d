"""duckdb with its httpfs and aws extensions, which are the AWS SDK for C++."""

import os
from urllib.parse import urlsplit

import duckdb
import duckdb_extensions
from line_protocol import BUCKET, ENDPOINT, PROFILE, REGION, serve

for extension in ("httpfs", "aws"):
    duckdb_extensions.import_extension(extension)
database = duckdb.connect()
database.execute("LOAD httpfs; LOAD aws")
# Without CHAIN it uses the AWS SDK's own order, which ends with the role of the machine.
chain = f"CHAIN 'process', PROFILE '{PROFILE}', " if PROFILE and "MATRIX_NO_CHAIN" not in os.environ else ""
database.execute(
    f"CREATE SECRET (TYPE s3, PROVIDER credential_chain, {chain}REFRESH auto, REGION '{REGION}', "
    f"ENDPOINT '{urlsplit(ENDPOINT).netloc}', USE_SSL false, URL_STYLE 'path')"
)


def get(key: str) -> bytes:
    return database.execute(f"SELECT content FROM read_text('s3://{BUCKET}/{key}')").fetchone()[0].encode()


def put(key: str, data: bytes) -> None:
    text = data.decode().replace("'", "''")
    database.execute(f"COPY (SELECT '{text}') TO 's3://{BUCKET}/{key}' (FORMAT csv, HEADER false)")


serve(get, put)
