"""The hooks of PEP 517 and PEP 660: what pip, uv and build call for `pip install ./python` and for the sdist.

A wheel from here is for the GPUs of this machine, or for SAGEATTN_SMS. Its native code needs neither torch nor this
Python, so it is tagged py3-none. Compilers come as requirements of the build; see docs/sdist.md.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, Optional

from . import choice, facts, native, project, sdist, tree, wheel
from .errors import BuildError
from .native import report

Settings = Optional[dict[str, Any]]


class _Build(NamedTuple):
    """Everything that is read before anything is built."""

    tree: tree.Tree
    facts: facts.Facts
    sources: list[tree.Source]

    def choice(self) -> choice.Choice:
        return choice.choose(self.tree, self.facts, self.sources)


def get_requires_for_build_wheel(config_settings: Settings = None) -> list[str]:
    """The compilers for what will be built, at the versions that lock/ pins."""
    with _told():
        build = _read()
        native.platform(build.facts)
        decided = build.choice()
        requirements = decided.requirements(build.tree)
        _announce(decided, requirements)
        return requirements


get_requires_for_build_editable = get_requires_for_build_wheel


def get_requires_for_build_sdist(config_settings: Settings = None) -> list[str]:
    """Nothing: an sdist is packed, not built."""
    return []


def build_sdist(sdist_directory: str, config_settings: Settings = None) -> str:
    """Writes sageattention-VERSION.tar.gz and returns its name."""
    with _told():
        build = _read()
        base = f"{_project(build)['name']}-{build.facts.version}"
        return sdist.write(Path(sdist_directory), base, build.tree, _metadata(build))


def prepare_metadata_for_build_wheel(
    metadata_directory: str, config_settings: Settings = None
) -> str:
    """Writes the wheel's dist-info without building, and returns its name."""
    with _told():
        build = _read()
        arguments = _wheel_arguments(build, [])
        entries = wheel.dist_info(_project(build), arguments, _tags(build))
        for entry in entries:
            path = Path(metadata_directory, entry.name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(entry.data)
        return entries[0].name.split("/")[0]


prepare_metadata_for_build_editable = prepare_metadata_for_build_wheel


def build_wheel(
    wheel_directory: str, config_settings: Settings = None, metadata_directory: str | None = None
) -> str:
    """Compiles for the chosen SMs, writes the wheel, whole or not at all, and returns its name."""
    with _told(), native.scratch() as scratch:
        build = _read()
        library, fatbin = _compile(build, Path(scratch))
        options = [f"--library={library}", f"--fatbin={fatbin}", f"--output={wheel_directory}"]
        wheel.run(_wheel_arguments(build, options))
        return wheel.file_name(_project(build)["name"], build.facts.version, None, _tags(build))


def build_editable(
    wheel_directory: str, config_settings: Settings = None, metadata_directory: str | None = None
) -> str:
    """Like build_wheel, but the wheel holds a path to the package, and the native files go into the package's lib/."""
    with _told(), native.scratch() as scratch:
        build = _read()
        described = _project(build)
        for path in _compile(build, Path(scratch)):
            native.place(path, build.tree.package / "lib")
        entries = wheel.dist_info(described, _wheel_arguments(build, []), _tags(build))
        entries.append(wheel.Entry("sageattention.pth", f"{build.tree.project}\n".encode()))
        name = wheel.file_name(described["name"], build.facts.version, None, _tags(build))
        record = wheel.record_name(described["name"], build.facts.version)
        wheel.write(Path(wheel_directory, name), entries, record, wheel.epoch())
        return name


def _read() -> _Build:
    wheel.epoch()  # a bad one is found now, and not when everything is compiled
    found = tree.locate()
    matrix = facts.read(found.root / "matrix" / "default.hcl")
    return _Build(found, matrix, tree.kernel_sources(found))


def _project(build: _Build) -> dict[str, Any]:
    return project.read(build.tree.project / "pyproject.toml")


def _compile(build: _Build, scratch: Path) -> tuple[Path, Path]:
    decided = build.choice()
    _announce(decided, [])
    return native.build(build.tree, build.facts, decided, build.sources, scratch)


def _announce(decided: choice.Choice, requirements: list[str]) -> None:
    for note in decided.notes:
        report(f"note: {note}")
    ptx = f" and PTX of {decided.ptx}" if decided.ptx else ""
    report(f"kernels for SM {', '.join(decided.sms)}{ptx}, compiled by CUDA {decided.cuda}")
    for requirement in requirements:
        report(f"needs {requirement}")


def _tags(build: _Build) -> wheel.Tags:
    return wheel.Tags("py3", "none", native.platform(build.facts).tag)


def _metadata(build: _Build) -> str:
    described = _project(build)
    readme = (build.tree.project / described["readme"]).read_text("utf-8")
    version, python = build.facts.version, described["requires-python"]
    return wheel.metadata(described, version, [_torch(build)], python, readme)


def _torch(build: _Build) -> str:
    return f"torch>={build.facts.oldest_torch}"


def _wheel_arguments(build: _Build, options: list[str]) -> argparse.Namespace:
    """The options of the `wheel` command, with its defaults."""
    parser = argparse.ArgumentParser()
    wheel.add_arguments(parser)
    tags = [f"--{name}-tag={tag}" for name, tag in _tags(build)._asdict().items()]
    unused = [] if options else ["--library=", "--fatbin=", "--output="]
    common = [f"--package={build.tree.package}", f"--version={build.facts.version}"]
    return parser.parse_args([*common, *tags, f"--requires={_torch(build)}", *options, *unused])


@contextlib.contextmanager
def _told() -> Iterator[None]:
    """Ends the process without a traceback where the user can mend what is wrong."""
    try:
        yield
    except (BuildError, OSError) as error:
        sys.stdout.flush()
        print(f"error: {error}", file=sys.stderr)
        if hint := getattr(error, "hint", None):
            print(f"hint: {hint}", file=sys.stderr)
        raise SystemExit(1) from None
