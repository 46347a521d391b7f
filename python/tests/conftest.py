"""Options, JUnit properties and the rule that the installed wheel is what gets tested.

    pytest tests/installed        the CPU part: needs torch, no GPU
    pytest tests/gpu              the GPU part: skips without one; --gpu-results FILE writes its report
    pytest tests/backend          the wheel writer, in a checkout

SAGEATTN_ALLOW_SOURCE=1 lets the first two run on a source tree on PYTHONPATH, for development.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import platform
from importlib import metadata
from pathlib import Path

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--gpu-results", metavar="FILE", help="write the GPU accuracy report there")


MODULE = os.environ.get("SAGEATTN_EXPECTED_MODULE", "sageattention")
if importlib.util.find_spec("sageattn3") is None:
    collect_ignore = ["sage3"]  # tests of a package that is not installed here


@pytest.fixture(scope="session")
def distribution() -> metadata.Distribution:
    """The installed wheel; skips in a source tree."""
    if os.environ.get("SAGEATTN_ALLOW_SOURCE"):
        pytest.skip("SAGEATTN_ALLOW_SOURCE is set: nothing is installed")
    return metadata.distribution(MODULE)


@pytest.fixture(scope="session")
def installed_package() -> None:
    """Fails unless importing the package gives the files of an installed wheel."""
    if os.environ.get("SAGEATTN_ALLOW_SOURCE"):
        return
    module = Path(str(importlib.import_module(MODULE).__file__)).resolve()
    try:
        located = metadata.distribution(MODULE).locate_file(f"{MODULE}/__init__.py")
    except metadata.PackageNotFoundError:
        pytest.fail(f"{module} belongs to no installed wheel: pip install WHEEL")
    installed = Path(str(located)).resolve()
    if module != installed or "site-packages" not in module.parts:
        pytest.fail(f"{module} is imported, but {installed} is installed: run pytest elsewhere")


def pytest_sessionstart(session: pytest.Session) -> None:
    """Says in the JUnit file what was tested on what.

    Not by record_testsuite_property: where pytest-xdist runs the tests, that writes nothing
    (https://github.com/pytest-dev/pytest/issues/7767). Only the process that writes the file has this plugin.
    """
    for plugin in session.config.pluginmanager.get_plugins():
        if hasattr(plugin, "add_global_property"):
            for name, value in _properties().items():
                plugin.add_global_property(name, value)


def _properties() -> dict[str, str]:
    python = f"{platform.python_implementation()} {platform.python_version()}"
    return {"python": python, **_torch_properties(), **_wheel_properties()}


def _torch_properties() -> dict[str, str]:
    try:
        import torch
    except ImportError as error:
        return {"torch": f"none: {error}"}
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else "none"
    return {"torch": str(torch.__version__), "torch.cuda": str(torch.version.cuda), "gpu": gpu}


def _wheel_properties() -> dict[str, str]:
    try:
        installed = metadata.distribution(MODULE)
    except metadata.PackageNotFoundError:
        return {"wheel": "none"}
    lines = (installed.read_text("WHEEL") or "").splitlines()
    fields = [line.split(": ", 1) for line in lines if ": " in line]
    tags = [value for name, value in fields if name == "Tag"]
    builds = [value for name, value in fields if name == "Build"]
    return {
        "wheel": f"{installed.metadata['Name']} {installed.version}",
        "wheel.build": " ".join(builds),
        "wheel.tag": " ".join(tags),
    }
