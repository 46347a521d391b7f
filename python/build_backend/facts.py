"""Reads matrix/default.hcl for what a build from source needs of it: versions, and which CUDA targets which SM."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from . import reader
from .errors import BuildError
from .tree import PACKAGE


class Platform(NamedTuple):
    """A system that wheels are for: its tag such as "linux_x86_64", what zig calls it, and the C library's name."""

    tag: str
    target: str
    library: str


class Facts(NamedTuple):
    """What the build matrix says. Versions are text such as "12.9", SMs text such as "9.0"."""

    version: str  # of the package
    fatbin: str  # file name of its kernels
    platforms: dict[str, Platform]  # tag → platform
    oldest_torch: str
    preferred_cuda: str  # of the universal wheels, which serve the most GPUs
    targets: dict[str, tuple[str, ...]]  # CUDA → SMs
    minimum: dict[str, str]  # SM → oldest CUDA, for those that kernels are compiled for

    def can_target(self, cuda: str, sm: str) -> bool:
        """Whether the compiler of a CUDA makes machine code of these kernels for an SM."""
        return sm in self.targets[cuda] and order(cuda) >= order(self.minimum.get(sm, cuda))


def order(version: str) -> tuple[int, ...]:
    """12.10 comes after 12.9."""
    return tuple(map(int, version.split(".")))


def minor(version: str) -> str:
    """ "12.9.1" → "12.9"."""
    return ".".join(version.split(".")[:2])


def read(path: Path) -> Facts:
    """Raises BuildError, naming the file, for a matrix that lacks something."""
    try:
        return _facts(reader.parse_hcl(path.read_text("utf-8"))[1])
    except (ValueError, KeyError, StopIteration) as error:
        raise BuildError(f"{path}: {error}") from error


def _facts(blocks: list[reader.Block]) -> Facts:
    def of(kind: str) -> list[reader.Block]:
        found = [block for block in blocks if block.kind == kind]
        if not found:
            raise ValueError(f"no {kind} block")
        return found

    package = next(block for block in of("package") if block.label == PACKAGE)
    return Facts(
        version=package.attributes["version"],
        fatbin=package.attributes["fatbin"],
        platforms={found.tag: found for found in map(_platform, of("platform"))},
        oldest_torch=min((block.label for block in of("torch")), key=order),
        preferred_cuda=max(
            (minor(b.attributes["cuda"]) for b in of("universal") if b.attributes["package"] == PACKAGE),
            key=order,
        ),
        targets={block.label: tuple(block.attributes["targets"]) for block in of("cuda")},
        minimum={b.label: b.attributes["cuda"] for b in of("sm") if "image" not in b.attributes},
    )


def _platform(block: reader.Block) -> Platform:
    """A target of zig names the oldest glibc that the library runs with; Windows has none."""
    parts = [block.attributes["triple"], block.attributes.get("glibc", "")]
    target = ".".join(filter(None, parts))
    return Platform(block.attributes["tag"], target, block.attributes["library"])
