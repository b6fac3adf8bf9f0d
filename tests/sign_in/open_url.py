"""A browser as a program: opens the address in its last argument and fills in the provider's pages as a user."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.servers.oidc_provider.browser import ScriptedBrowser

if __name__ == "__main__":
    ScriptedBrowser(login=sys.argv[1]).open(sys.argv[2])
