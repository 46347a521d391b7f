"""Which registers an instruction reads and writes.

nvdisasm names the first register of each group, so the sizes have to be known. Those here agree with what nvdisasm
itself marks as read and written (--print-life-ranges), and the opcodes here are those that were compared:
tests/backend/test_sass_operands.py. An opcode that is not here is read by the general rule, and reported as unknown.
Descriptors that nvdisasm does not print before SM 9.0, as in LDG.E R0, [R2.64], are not seen.
"""

from __future__ import annotations

import re
from functools import cache
from typing import NamedTuple

from ..errors import BuildError
from .registers import EVERY, group


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


# One register is written, and predicates beside it.
_GENERAL = _names("""
    B2R CS2R ELECT F2F F2FP F2I FADD FFMA FLO FMNMX FMNMX3 FMUL FSEL HADD2 HFMA2 HMNMX2 I2F I2FP IABS IADD IADD3
    IMAD IMNMX LEA LEPC LOP3 MOV MUFU P2R POPC PRMT R2UR REDUX S2R S2UR SEL SHF SHFL UF2FP UF2I UFLO UFMUL UI2F
    UIADD3 UIMAD ULEA ULOP3 UMOV UPOPC USEL USHF UVIMNMX VHMNMX VIADD VIADDMNMX VIMNMX VIMNMX3
""")
_LOADS = _names("ATOMG ATOMS LD LDC LDCU LDG LDS LDSM ULDC")
_STORES = _names("RED REDG ST STG STS")
_COMPARISONS = _names("FSETP ISETP PLOP3 UISETP")  # two predicates are written
# Nothing is written.
_SILENT = _names("""
    ACQBULK BAR BMOV BRA BREAK BSSY BSYNC CALL CCTL CGAERRBAR DEPBAR ENDCOLLECTIVE ERRBAR EXIT FENCE LDGDEPBAR LDGSTS
    MEMBAR NOP PREEXIT RET UBLKCP UBLKPF WARPGROUP WARPSYNC YIELD
""")
_OTHERS = _names("FCHK HMMA IGMMA IMMA OMMA QGMMA QMMA R2P SYNCS USETMAXREG VOTE VOTEU")
_KNOWN = _GENERAL | _LOADS | _STORES | _COMPARISONS | _SILENT | _OTHERS

# Registers of the fragments A and B of a product, and of its float16 or wider sums, by opcode and shape.
_PRODUCTS = {
    ("HMMA", "884"): (2, 2, 2),
    ("HMMA", "1688"): (2, 1, 4),
    ("HMMA", "16816"): (4, 2, 4),
    ("IMMA", "8816"): (1, 1, 2),
    ("IMMA", "16816"): (2, 1, 4),
    ("IMMA", "16832"): (4, 2, 4),
    ("QMMA", "16832"): (4, 2, 4),
    ("OMMA", "16864"): (4, 2, 4),
}
_ASYNCHRONOUS = _names("BGMMA HGMMA IGMMA QGMMA")
_SHAPE = re.compile(r"64x(\d+)x\d+")  # of an asynchronous product: its columns
_SIZES = {"64": 2, "128": 4, "256": 8}
_GLOBAL = _names("ATOM ATOMG LD LDG RED REDG ST STG")

_REGISTER = re.compile(r"\b(UR|UP|R|P)(\d+)((?:\.\w+)*)")
_PREDICATE = re.compile(r"!?U?P[T\d]")
_MERGING = "PACK_AB_MERGE_C"
_MERGED = re.compile(r"(R\d+)(\.reuse)?\.H1$")


class Access(NamedTuple):
    """What an instruction that is executed reads and writes, its guard not counted: sets of registers."""

    reads: int
    writes: int


class _Form(NamedTuple):
    """Registers of the operands that are no predicate, by position; every: of those that sizes does not name."""

    base: str
    sizes: dict[int, int]
    every: int
    writes: int | None  # operands that are written, from the first on; None: they depend on the operands
    asynchronous: bool
    keeps: bool  # one of them may be kept
    known: bool


def known(opcode: str) -> bool:
    """Whether the sizes of an opcode's operands were compared with nvdisasm's."""
    return _form(opcode).known


@cache
def access(opcode: str, operands: tuple[str, ...]) -> Access:
    """The registers that an instruction names, each group at its full size. Raises BuildError for what is none."""
    try:
        return _access(opcode, operands)
    except (IndexError, ValueError, BuildError) as error:
        text = f"{opcode} {', '.join(operands)}"
        raise BuildError(f"cannot read the instruction {text!r}: {error}") from error


def registers_of(text: str, opcode: str) -> int:
    """The registers that one operand of one register names."""
    return _registers(text, 1, opcode)


def _access(opcode: str, operands: tuple[str, ...]) -> Access:
    form = _form(opcode)
    if form.base in ("P2R", "R2P"):
        return _packed_predicates(form.base, operands)
    written = _written(form.base, operands) if form.writes is None else form.writes
    reads = writes = position = 0
    for index, text in enumerate(operands):
        if _is_predicate(text):
            registers = _registers(text, 1, "")
        elif position > 1 and text.startswith("gdesc["):
            registers = _second_descriptor(text)
            position += 1
        else:
            size = _size(form, position, operands) if form.asynchronous else form.sizes.get(position, form.every)
            registers = _registers(text, size, opcode if "[" in text else "")
            position += 1
        if index < written:
            writes |= registers
        elif not (form.keeps and _kept(opcode, index, operands)):
            reads |= registers
    return Access(reads, writes)


@cache
def _form(opcode: str) -> _Form:
    base, *modifiers = opcode.split(".")
    sizes, every = _sizes(base, modifiers)
    wide = [text for text in modifiers if text in _SIZES or text in ("S64", "U64", "F64")]
    unread = "SP" in modifiers or (wide and not sizes and every == 1 and base not in ("SHF", "USHF"))
    keeps = opcode in ("PRMT", "LOP3.LUT") or opcode.endswith(_MERGING)
    writes = 0 if base in _STORES or base in _SILENT else 2 if base in _COMPARISONS else None
    return _Form(base, sizes, every, writes, base in _ASYNCHRONOUS, keeps, base in _KNOWN and not unread)


def _sizes(base: str, modifiers: list[str]) -> tuple[dict[int, int], int]:
    data = next((_SIZES[text] for text in modifiers if text in _SIZES), 1)
    if base in _LOADS:
        size = int(modifiers[-1]) if base == "LDSM" and modifiers[-1].isdigit() else data
        return {0: size, 2: size, 3: size}, 1
    if base in _STORES or base == "SYNCS":
        return ({1: data, 2: data} if "TRANS64" not in modifiers else {0: 1}), 1
    if base == "LDGSTS":
        return {0: 1}, 1
    if base == "CS2R":
        return {0: 1 if "32" in modifiers else 2}, 1
    if base == "LEPC":
        return {0: 2}, 1
    if base == "RET":
        return {0: 2}, 1
    if "WIDE" in modifiers:
        return {0: 2, 3: 2}, 1
    if base in _ASYNCHRONOUS:
        return _asynchronous(modifiers), 1
    if base in ("HMMA", "IMMA", "QMMA", "OMMA"):
        return _product(base, modifiers), 1
    if base in ("SHF", "USHF"):
        return {}, 1
    return {}, 2 if "64" in modifiers or "S64" in modifiers or "U64" in modifiers else 1


def _product(base: str, modifiers: list[str]) -> dict[int, int]:
    shape = next((text for text in modifiers if text.isdigit()), "")
    if (base, shape) not in _PRODUCTS:
        return {}
    a, b, sums = _PRODUCTS[base, shape]
    if sums == 4 and modifiers[modifiers.index(shape) + 1] == "F16":
        sums = 2
    return {0: sums, 1: a, 2: b, 3: sums}


def _asynchronous(modifiers: list[str]) -> dict[int, int]:
    """A is in four registers where it is in none of shared memory; sums follow the last descriptor."""
    for text, sums in zip(modifiers, modifiers[1:]):
        if match := _SHAPE.fullmatch(text):
            size = int(match[1]) // (4 if sums == "F16" else 2)
            return {0: size, -1: size}
    return {}


def _written(base: str, operands: tuple[str, ...]) -> int:
    """How many operands, from the first on, are written: where that depends on them."""
    first = operands[0] if operands else ""
    if base in ("VOTE", "VOTEU"):
        return 1 if _is_predicate(first) else 2
    if base in ("SYNCS", "USETMAXREG", "FCHK"):
        return 0 if "[" in first or first.startswith("0x") else 1
    count = _predicates(operands, 0)
    if count < len(operands) and "[" not in operands[count]:
        count = _predicates(operands, count + 1)
    return count


def _predicates(operands: tuple[str, ...], start: int) -> int:
    """The first operand from start on that is no predicate."""
    while start < len(operands) and _is_predicate(operands[start]):
        start += 1
    return start


@cache
def _is_predicate(text: str) -> bool:
    return _PREDICATE.match(text) is not None


def _size(form: _Form, position: int, operands: tuple[str, ...]) -> int:
    """The registers of an operand of an asynchronous product."""
    if position:
        first = next((index for index, text in enumerate(operands) if "desc[" in text), len(operands))
        return 4 if position < first else form.sizes.get(-1, 1) if position > first else 1
    return form.sizes.get(position, form.every)


def _second_descriptor(text: str) -> int:
    """gdesc[UR24] beside a fragment A in registers: only that of B, the upper half of UR24 to UR27, has a meaning."""
    first = _REGISTER.search(text)
    return group(first[1], int(first[2]) + 2, 2) if first else 0


@cache
def _registers(text: str, size: int, opcode: str) -> int:
    """Those that one operand names. opcode: for an address, whose size it tells."""
    found = 0
    address = "[" in text
    for file, number, modifiers in _REGISTER.findall(text):
        if address:
            size = _address_size(text, file, modifiers, opcode)
        elif ".64" in modifiers:
            size = 2
        found |= group(file, int(number), size)
    return found


def _address_size(text: str, file: str, modifiers: str, opcode: str) -> int:
    """How many registers an address in brackets takes. Turing does not mark 64 bits: LDG.E R0, [R2]."""
    base = opcode.split(".")[0]
    if text.startswith("gdesc["):
        return 4
    if ".64" in modifiers or base in ("UBLKCP", "UBLKPF") or text.startswith(f"desc[{file}"):
        return 2 if file == "UR" or ".64" in modifiers else 1
    wide = base in _GLOBAL and ".E" in opcode and ".U32" not in modifiers and "desc[" not in text
    return 2 if wide and not text.startswith("c[") else 1


def _kept(opcode: str, index: int, operands: tuple[str, ...]) -> bool:
    """Whether an operand only gives the part of the result that stays as it was, which need not have a value.

    That is the upper half in F2FP R8, R13, R8, R8.H1 and in PRMT R0, R9, 0x7610, R0, and all other bits where LOP3 R25,
    R25, 0x8, RZ, 0xfc sets one: compilers keep predicates as bits of a register that they never clear.
    """
    if opcode == "PRMT":
        return index == 3 and operands[2] == "0x7610" and operands[3] == operands[0]
    if opcode.endswith(_MERGING):
        merged = _MERGED.match(operands[index])
        return index == 3 and merged is not None and merged[1] == operands[0]
    return opcode == "LOP3.LUT" and index == 1 and len(operands) == 6 and _one_bit(operands)


def _one_bit(operands: tuple[str, ...]) -> bool:
    """Whether LOP3 sets one bit (R25, R25, 0x8, RZ, 0xfc, !PT) or clears one (0xfffffff7 and 0xc0 instead)."""
    result, source, constant, other, table, _ = operands
    if source.replace(".reuse", "") != result or not constant.startswith("0x") or other != "RZ":
        return False
    changed = {"0xfc": int(constant, 16), "0xc0": int(constant, 16) ^ 0xFFFFFFFF}.get(table, 0)
    return bin(changed).count("1") == 1


def _packed_predicates(base: str, operands: tuple[str, ...]) -> Access:
    """P2R R0, PR, RZ, 0x3 reads P0 and P1; R2P PR, R0, 0x3 writes them."""
    mask = operands[-1]
    among = EVERY if not mask.startswith("0x") else int(mask, 16) & 0x7F
    predicates = group("P", 0, 7) & among << 512
    registers = [_registers(text, 1, base) for text in operands if text != "PR"]
    if base == "R2P":
        return Access(registers[0], predicates)
    return Access(predicates | registers[1], registers[0])
