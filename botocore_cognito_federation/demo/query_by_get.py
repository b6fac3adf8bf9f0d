"""Signed GET requests of the query protocol, such as `awscurl` sends to STS.

moto computes another signature for them than AWS: it counts the query as the body. A request whose signature holds is
therefore passed on as the POST that asks the same.
"""

from __future__ import annotations

import io
from typing import Any

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

_FORM = "application/x-www-form-urlencoded"


def as_post(environ: dict[str, Any], credentials: Credentials, region: str, service: str) -> None:
    """Turn a GET into a POST with the same parameters, signed with the same key.

    A request whose own signature does not hold stays as it is: moto refuses it.
    """
    auth = SigV4Auth(credentials, service, region)
    authorization = environ["HTTP_AUTHORIZATION"]
    base = f"http://{environ['HTTP_HOST']}{environ.get('PATH_INFO', '/')}"
    query = environ.get("QUERY_STRING", "")
    names = authorization.partition("SignedHeaders=")[2].partition(",")[0].split(";")
    signed = {name: environ.get(f"HTTP_{name.upper().replace('-', '_')}", "") for name in names}
    asked = AWSRequest("GET", f"{base}?{query}", headers=signed)
    asked.context["timestamp"] = environ.get("HTTP_X_AMZ_DATE", "")
    text = auth.string_to_sign(asked, auth.canonical_request(asked))
    if auth.signature(text, asked) != authorization.partition("Signature=")[2]:
        return
    posted = AWSRequest(
        "POST", base, data=query.encode(), headers={"Content-Type": _FORM, "Host": environ["HTTP_HOST"]}
    )
    auth.add_auth(posted)
    environ.update(
        {
            "REQUEST_METHOD": "POST",
            "QUERY_STRING": "",
            "CONTENT_TYPE": _FORM,
            "CONTENT_LENGTH": str(len(query.encode())),
            "wsgi.input": io.BytesIO(query.encode()),
            **{f"HTTP_{name.upper().replace('-', '_')}": value for name, value in posted.headers.items()},
        }
    )
    for key in ("REQUEST_URI", "RAW_URI"):  # werkzeug's own, with the query
        if key in environ:
            environ[key] = environ.get("PATH_INFO", "/")
