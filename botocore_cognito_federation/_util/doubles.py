"""Notice that a test double answers in the place of AWS or of the identity provider: moto, VCR, responses, a mock.

What a double answers must not reach the files that real processes use. Only what can be seen without importing anything
is looked at: a program that imported none of these tools has none of them at work.
"""

from __future__ import annotations

import sys
from typing import Any


def double_of_aws() -> str | None:
    """The name of what answers botocore's calls in this process in the place of AWS; None where AWS itself does."""
    if _at(sys.modules.get("moto.core.models"), "botocore_stubber", "enabled") is True:
        return "moto"
    awsrequest, httpsession = sys.modules.get("botocore.awsrequest"), sys.modules.get("botocore.httpsession")
    for pool in ("AWSHTTPConnectionPool", "AWSHTTPSConnectionPool"):
        if _tool(_at(awsrequest, pool, "ConnectionCls")) == "vcr":
            return "vcr"
    places = (
        _at(httpsession, "URLLib3Session", "send"),
        _at(sys.modules.get("botocore.endpoint"), "Endpoint", "_send"),
        _at(sys.modules.get("botocore.endpoint"), "Endpoint", "make_request"),
        _at(sys.modules.get("botocore.client"), "BaseClient", "_make_api_call"),
    )
    return next((_tool(place) for place in places if _is_double(place)), None)


def double_of_http() -> str | None:
    """The name of what answers the requests to identity providers in this process; None where they do themselves.

    moto puts itself in the way of `requests` too, and lets everything through that is not AWS's.
    """
    pools = sys.modules.get("urllib3.connectionpool")
    for pool in ("HTTPConnectionPool", "HTTPSConnectionPool"):
        if _tool(_at(pools, pool, "ConnectionCls")) == "vcr":
            return "vcr"
    adapters, sessions = sys.modules.get("requests.adapters"), sys.modules.get("requests.sessions")
    places = (
        _at(adapters, "HTTPAdapter", "send"),
        _at(sessions, "Session", "send"),
        _at(sessions, "Session", "request"),
        _at(sessions, "Session", "get_adapter"),
    )
    found = next((_tool(place) for place in places if _is_double(place)), None)
    return None if found == "responses" and double_of_aws() == "moto" else found


#: The packages whose stand-ins are known.
_TOOLS = ("moto", "requests_mock", "responses", "unittest", "vcr")


def _tool(place: Any) -> str:
    """The package that a class or function comes from."""
    module = getattr(place, "__module__", None)
    return module.partition(".")[0] if isinstance(module, str) else type(place).__module__.partition(".")[0]


def _is_double(place: Any) -> bool:
    return place is not None and (hasattr(place, "mock_calls") or _tool(place) in _TOOLS)


def _at(place: Any, *names: str) -> Any:
    for name in names:
        place = getattr(place, name, None)
    return place
