"""A browser as a program: a headless Chromium that clicks through the provider's pages.

It writes the text of the last page into FOLDER/page.txt, and pictures of it next to that file.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.servers.chromium import chromium
from tests.servers.oidc_provider.clicking import on_last_page, sign_in_and_consent, take_pictures

if __name__ == "__main__":
    folder, user, name, title, url = Path(sys.argv[1]), *sys.argv[2:]
    with chromium(folder / "profile") as browser:
        browser.go(url)
        sign_in_and_consent(browser, user)
        text = on_last_page(browser, title)
        take_pictures(browser, folder, name)
    (folder / "page.new").write_text(text)
    (folder / "page.new").rename(folder / "page.txt")
