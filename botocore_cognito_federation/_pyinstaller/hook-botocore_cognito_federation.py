"""What PyInstaller has to collect besides what it sees: commands and token sources are imported by their names.

PyInstaller finds this file by the entry point ``pyinstaller40`` (its manual, "Providing PyInstaller Hooks with your
Package"). The demo, which stands on moto, is left out.
"""

from PyInstaller.utils.hooks import collect_submodules, copy_metadata, is_module_satisfies

_NAME = "botocore_cognito_federation"

hiddenimports = collect_submodules(_NAME, filter=lambda name: not name.startswith(f"{_NAME}.demo"))
if is_module_satisfies("keyring"):
    hiddenimports += ["keyring", *collect_submodules("keyring.backends")]
excludedimports = ["moto", "keyring.testing"]
datas = copy_metadata("botocore-cognito-federation", recursive=True)  # codespell:ignore datas
