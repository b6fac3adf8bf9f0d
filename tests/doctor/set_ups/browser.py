"""A browser as a program: it opens its last argument and follows where that leads; nothing is to be filled in."""

from __future__ import annotations

import html
import re
import ssl
import sys
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import unquote, urlsplit

url = sys.argv[-1]
if urlsplit(url).scheme == "file":
    page = Path(unquote(urlsplit(url).path)).read_text(encoding="utf-8")
    found = re.search(r'content="0;url=([^"]*)"', page)
    assert found, page
    url = html.unescape(found[1])
trusting = ssl.create_default_context()  # a user's browser knows the private authority
trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
opener = urllib.request.build_opener(
    urllib.request.ProxyHandler({}),
    urllib.request.HTTPCookieProcessor(),
    urllib.request.HTTPSHandler(context=trusting),
)
try:
    opener.open(url, timeout=20).read()
except urllib.error.HTTPError as page_with_an_error:
    page_with_an_error.read()
