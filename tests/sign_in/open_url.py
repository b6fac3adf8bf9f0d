"""A browser as a program: opens an address and fills in the provider's pages as a user.

``python open_url.py USER ADDRESS [HOST...]``; the hosts are those that it may visit besides loopback.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.servers.oidc_provider.browser import ScriptedBrowser

if __name__ == "__main__":
    ScriptedBrowser(sys.argv[1], hosts=tuple(sys.argv[3:])).open(sys.argv[2])
