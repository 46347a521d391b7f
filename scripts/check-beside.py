#!/usr/bin/env python3
"""Say what happens where this package and SageAttention of others are installed, one over the other, and uninstalled.

    scripts/check-beside.py WHEEL UPSTREAM...     WHEEL of this project, wheels of others that this Python can install

A table in Markdown: docs/integrations.md has its last one. Exit status 1 if files of one are left beside the other, or
after both are gone. Needs uv on PATH, and venv. A wheel named 2.2.0 is written here, with the files that upstream's
setup.py installs (thu-ml/SageAttention 0263553c1ab901e2a5e0fa83adfacdfc71a89062, setup.py): upstream publishes none.
"""

from __future__ import annotations

import base64
import hashlib
import subprocess
import sys
import sysconfig
import tempfile
import venv
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

SUFFIX = sysconfig.get_config_var("EXT_SUFFIX")
EXTENSIONS = (f"{name}{SUFFIX}" for name in ("_qattn_sm80", "_qattn_sm89", "_qattn_sm90", "_fused"))
OF_2_2 = ("__init__.py", "core.py", "quant.py", "triton/quant_per_block.py", *EXTENSIONS)
OF_INSTALLERS = ("INSTALLER", "REQUESTED", "direct_url.json", "uv_cache.json")


class Installer(NamedTuple):
    """pip or uv, for one environment."""

    name: str
    command: list[str]
    python: list[str]
    again: str  # the option that installs over the same version

    def install(self, wheel: Path, *options: str) -> None:
        self.run("install", "--no-deps", "--no-index", *options, str(wheel))

    def uninstall(self) -> None:
        self.run("uninstall", *(["-y"] if self.name == "pip" else []), "sageattention")

    def run(self, action: str, *arguments: str) -> None:
        command = [*self.command, action, *self.python, *arguments]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode:
            sys.exit(f"{' '.join(command)}: {done.stdout}")


class Environment:
    """A virtual environment without torch: files decide here, and nothing is imported."""

    def __init__(self, folder: Path) -> None:
        venv.create(folder, with_pip=True)
        self.python = str(folder / "bin/python")
        (self.site,) = folder.glob("lib/python*/site-packages")

    def installers(self) -> list[Installer]:
        return [
            Installer("pip", [self.python, "-m", "pip", "--disable-pip-version-check"], [], "--force-reinstall"),
            Installer("uv", ["uv", "pip"], ["--python", self.python], "--reinstall"),
        ]

    def files(self) -> set[str]:
        """What is installed of any sageattention, without caches."""
        found = (path for root in self.site.glob("sageattention*") for path in root.rglob("*"))
        names = {str(path.relative_to(self.site)) for path in found if path.is_file()}
        return {name for name in names if "__pycache__" not in name and not name.endswith(OF_INSTALLERS)}


def contents(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def stand_in(folder: Path) -> Path:
    """A wheel of the name, version and files of upstream's 2.2.0."""
    info = "sageattention-2.2.0.dist-info"
    files = {f"sageattention/{name}": b"upstream\n" for name in OF_2_2}
    files[f"{info}/METADATA"] = b"Metadata-Version: 2.1\nName: sageattention\nVersion: 2.2.0\n"
    files[f"{info}/WHEEL"] = b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: false\nTag: py3-none-any\n"
    lines = [
        f"{name},sha256={base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b'=').decode()},{len(data)}"
        for name, data in files.items()
    ]
    files[f"{info}/RECORD"] = "\n".join([*lines, f"{info}/RECORD,,", ""]).encode()
    path = folder / "sageattention-2.2.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def there(environment: Environment, wheels: dict[str, Path]) -> str:
    """Whose files are installed: one of the wheels' names, "nothing", or "a mixture"."""
    files = environment.files()
    if not files:
        return "nothing"
    return next((name for name, wheel in wheels.items() if files == contents(wheel)), "a mixture")


def rows(environment: Environment, ours: Path, other: Path) -> Iterator[list[str]]:
    """What is there after each step, by both installers."""
    label = f"upstream {other.name.split('-')[1]}"
    wheels = {label: other, "this": ours}
    for installer in environment.installers():
        for first, second in ((other, ours), (ours, other)):
            names = [next(name for name, wheel in wheels.items() if wheel == one) for one in (first, second)]
            for options in ((), (installer.again,)):
                installer.install(first)
                installer.install(second, *options)
                both = there(environment, wheels)
                installer.uninstall()
                left = there(environment, wheels)
                yield [installer.name, names[0], " ".join([names[1], *options]), both, left]
                installer.uninstall()


def main() -> int:
    if len(sys.argv) < 2:
        print(__doc__, file=sys.stderr)
        return 2
    ours = Path(sys.argv[1])
    with tempfile.TemporaryDirectory() as temporary:
        environment = Environment(Path(temporary, "venv"))
        others = [*map(Path, sys.argv[2:]), stand_in(Path(temporary))]
        table = [row for other in others for row in rows(environment, ours, other)]
    print("| installer | first | then | then there is | after uninstalling |", "|---|---|---|---|---|", sep="\n")
    for row in table:
        print("|", " | ".join(row), "|")
    return int(any(row[3] in ("a mixture", "nothing") or row[4] != "nothing" for row in table))


if __name__ == "__main__":
    sys.exit(main())
