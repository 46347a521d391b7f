"""Decides what a build from source compiles: which SMs, PTX or not, with which CUDA.

SAGEATTN_SMS and SAGEATTN_CUDA decide where they are set, then torch's TORCH_CUDA_ARCH_LIST; otherwise the GPUs of this
machine and their driver do.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Callable, NamedTuple

from . import arch_list, gpu, load
from .errors import BuildError
from .facts import Facts, minor, order
from .tree import Source, Tree

SMS, CUDA = "SAGEATTN_SMS", "SAGEATTN_CUDA"
HOST_LOCK = "host-toolchain.txt"

_SM = re.compile(r"[1-9][0-9]?\.[0-9]")


class Choice(NamedTuple):
    """sms such as ("8.9",); ptx is the SM that PTX is written for, or ""; notes are for the user to read."""

    sms: tuple[str, ...]
    ptx: str
    cuda: str
    notes: tuple[str, ...]

    def sources(self, sources: list[Source]) -> list[tuple[str, Source]]:
        """Every compilation as (SM, source), those for one SM together."""
        return [(sm, source) for sm in self.sms for source in sources if sm in source.sms]

    def requirements(self, tree: Tree) -> list[str]:
        """What the build needs installed, pinned by lock/."""
        return tree.pins(lock_name(self.cuda)) + tree.pins(HOST_LOCK)


def lock_name(cuda: str) -> str:
    """The lock file of a CUDA's compiler: toolchain-cu129.txt."""
    return f"toolchain-cu{cuda.replace('.', '')}.txt"


def choose(
    tree: Tree,
    facts: Facts,
    sources: list[Source],
    environment: Mapping[str, str] = os.environ,
    detect: Callable[[], gpu.Found] = gpu.detect,
) -> Choice:
    """What to build. Raises BuildError, with a hint, if that is unclear or impossible."""
    wanted = list(filter(None, re.split(r"[;,\s]+", environment.get(SMS, ""))))
    listed = [] if wanted else arch_list.read(environment.get(arch_list.VARIABLE, ""))
    driver = ""
    if wanted:
        kernels = _for_sms(wanted, sources)
    elif listed:
        kernels = _for_list(listed, sources)
    else:
        found = detect()
        kernels, driver = _for_devices(found, sources), found.cuda
    limit = _Limit(driver, kernels.ptx)
    cuda = _cuda(tree, facts, sorted(kernels.sms, key=order), environment.get(CUDA, ""), limit)
    return Choice(tuple(sorted(kernels.sms, key=order)), kernels.ptx, cuda, tuple(kernels.notes))


def known_sms(sources: list[Source]) -> list[str]:
    """Every SM that a source is compiled for, from old to new."""
    return sorted({sm for source in sources for sm in source.sms}, key=order)


class _Kernels:
    """Collects the kernels that serve the wanted SMs, of those that csrc/kernels.toml has sources for."""

    def __init__(self, sources: list[Source]):
        self.known = known_sms(sources)
        self.sms: set[str] = set()
        self.ptx = ""
        self.notes: list[str] = []
        plain = known_sms([source for source in sources if not source.suffix])
        self._images = [load.image(sm + source.suffix) for source in sources for sm in source.sms]
        self._images += [load.image("PTX" + sm) for sm in plain[-1:]]

    def add(self, sm: str, who: str) -> None:
        """Takes what a GPU of this SM would load if all kernels were built, and PTX of the newest."""
        image, way = load.best(self._images, load.image(sm).sm)
        if image is None:
            raise _unknown(sm, who, self.known)
        built = "{}.{}".format(*image.sm)
        self.sms.add(built)
        if way == load.JIT:
            self.ptx = built
            self.note(
                f"{who}: SM {sm} is newer than all kernels; the driver will compile PTX of {built}"
            )
        elif way == load.SAME_MAJOR:
            self.note(f"{who}: SM {sm} has no kernels of its own; it runs those of {built}")

    def add_ptx(self, sm: str) -> None:
        """PTX of the SM whose kernels one of this SM runs; nothing for an SM without."""
        image, _ = load.best(self._images, load.image(sm).sm)
        if image is not None:
            self.ptx = "{}.{}".format(*image.sm)

    def note(self, text: str) -> None:
        """For the user to read, once."""
        if text not in self.notes:
            self.notes.append(text)


def _for_sms(wanted: list[str], sources: list[Source]) -> _Kernels:
    """Kernels for SAGEATTN_SMS, all of them or an error."""
    kernels = _Kernels(sources)
    for sm in wanted:
        kernels.add(_checked(sm, kernels.known), sm)
    return kernels


def _for_list(listed: list[arch_list.Entry], sources: list[Source]) -> _Kernels:
    """Kernels for TORCH_CUDA_ARCH_LIST, and PTX of the newest SM that has +PTX there.

    Such a list is often that of a whole image, so SMs without kernels are noted, and an error if it has no others.
    """
    kernels = _add_each(
        sources, [(entry.sm, f"{arch_list.VARIABLE} {entry.sm}") for entry in listed]
    )
    with_ptx = [entry.sm for entry in listed if entry.ptx]
    for sm in sorted(with_ptx, key=order):
        kernels.add_ptx(sm)
    kernels.notes.insert(0, f"the SMs are those of {arch_list.VARIABLE}; {SMS} would override it")
    return kernels


def _add_each(sources: list[Source], wanted: list[tuple[str, str]]) -> _Kernels:
    """Kernels for SMs and whose they are. Those without are noted; raises BuildError if there are only such."""
    kernels, refused = _Kernels(sources), []
    for sm, who in wanted:
        try:
            kernels.add(sm, who)
        except BuildError as error:
            refused.append(error)
    if not kernels.sms:
        raise refused[0]
    for refusal in refused:
        kernels.note(str(refusal))
    return kernels


def _checked(sm: str, known: list[str]) -> str:
    if not _SM.fullmatch(sm):
        example = ";".join(known[-2:])
        raise BuildError(f"{SMS}: {sm!r} is not an SM such as 8.9", f'export {SMS}="{example}"')
    return sm


def _unknown(sm: str, who: str, known: list[str]) -> BuildError:
    subject = f"SM {sm}" if who == sm else f"{who}, SM {sm}"
    return BuildError(
        f"{subject}: there are no kernels for it; there are for {', '.join(known)}",
        f'export {SMS}="{known[-1]}"',
    )


def _for_devices(found: gpu.Found, sources: list[Source]) -> _Kernels:
    """Kernels for the GPUs that have some; the others are noted, and an error if there are only such."""
    if not found.devices:
        raise BuildError(
            f"which GPUs to build for? {found.reason}; set {SMS} to their compute capabilities,"
            f" of {', '.join(known_sms(sources))}",
            f'{SMS}="8.9;9.0" pip install …',
        )
    return _add_each(sources, [(device.sm, device.name) for device in found.devices])


class _Limit(NamedTuple):
    """What this machine's driver runs: machine code of its CUDA's major, and PTX no newer than its CUDA."""

    driver: str
    ptx: str

    def allows(self, cuda: str) -> bool:
        if not self.driver:
            return True
        length = 2 if self.ptx else 1
        return order(cuda)[:length] <= order(self.driver)[:length]


def _cuda(tree: Tree, facts: Facts, sms: list[str], asked: str, limit: _Limit) -> str:
    """The CUDA asked for; else that of the universal wheels; else the newest that can."""
    locked = [c for c in facts.targets if (tree.root / "lock" / lock_name(c)).is_file()]
    able = [c for c in locked if all(facts.can_target(c, sm) for sm in sms)]
    able.sort(key=lambda cuda: (cuda == facts.preferred_cuda, order(cuda)), reverse=True)
    if asked:
        return _asked_cuda(minor(asked), locked, able, sms)
    if not able:
        raise BuildError(
            f"no CUDA compiles for all of {', '.join(sms)}: build fewer SMs at a time",
            f'export {SMS}="{sms[-1]}"',
        )
    allowed = [cuda for cuda in able if limit.allows(cuda)]
    if not allowed:
        raise BuildError(
            f"this machine's driver is for CUDA {limit.driver}; kernels for {', '.join(sms)} need one for"
            f" CUDA {min(able, key=order)} or newer: update it, or build for it all the same",
            f'export {SMS}="{";".join(sms)}"',
        )
    return allowed[0]


def _asked_cuda(cuda: str, locked: list[str], able: list[str], sms: list[str]) -> str:
    if cuda not in locked:
        known = ", ".join(sorted(locked, key=order))
        raise BuildError(f"{CUDA}: {cuda!r} is not one of {known}", f"unset {CUDA}")
    if cuda not in able:
        raise BuildError(
            f"{CUDA}: {cuda} does not compile for all of {', '.join(sms)};"
            f" {', '.join(able) or 'no CUDA'} does",
            f"unset {CUDA}",
        )
    return cuda
