"""How Sphinx builds the documentation site: `tox -e docs`."""

from __future__ import annotations

import inspect

from sphinx.application import Sphinx

import botocore_cognito_federation

project = "botocore-cognito-federation"
author = "the authors of botocore-cognito-federation"
copyright = "2026, the authors"
version = release = botocore_cognito_federation.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_click"]
exclude_patterns = ["_build"]
default_role = "literal"

myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 4

napoleon_custom_sections = [("Every operation raises", "Raises")]
autodoc_member_order = "bysource"
autodoc_typehints = "description"

html_theme = "furo"
html_title = project
html_copy_source = False


#: What newcomers type into the search, for pages whose headings do not say it. Sphinx ranks any heading with one of the
#: words alike, whichever page has the answer; a main entry of the index goes first. `tests/docs/test_site.py` searches.
INDEX = {
    "pool": ("how do I create the pool", "create an identity pool"),
    "providers/keycloak": ("does it work with Keycloak",),
    "containers": ("docker", "ECR password", "ECS task"),
    "jobs": ("GitHub Actions", "GitLab CI", "CircleCI", "Buildkite", "Kubernetes"),
    "start": ("credential_process",),
    "troubleshooting": ("refresh token expired",),
}


def _public_names() -> str:
    """The directives of all public names: a new one is on the page without being named there."""
    lines = ["```{eval-rst}"]
    for name in botocore_cognito_federation.__all__:
        value = getattr(botocore_cognito_federation, name)
        if inspect.ismodule(value):
            lines += [f".. automodule:: {value.__name__}", "   :members:", ""]
        elif inspect.isclass(value):
            inherited = "" if issubclass(value, Exception) else "   :inherited-members:"
            lines += [f".. autoclass:: botocore_cognito_federation.{name}", "   :members:", inherited, ""]
        elif callable(value):
            lines += [f".. autofunction:: botocore_cognito_federation.{name}", ""]
    return "\n".join([*lines, "```"])


def _filled(app: Sphinx, page: str, source: list[str]) -> None:
    source[0] = source[0].replace("PUBLIC-NAMES", _public_names())
    if page in INDEX:
        title, text = source[0].split("\n", 1)
        entries = ", ".join(f"! {words}" for words in INDEX[page])
        source[0] = f"{title}\n\n```{{index}} {entries}\n```\n{text}"


def setup(app: Sphinx) -> None:
    """Called by Sphinx."""
    app.connect("source-read", _filled)
