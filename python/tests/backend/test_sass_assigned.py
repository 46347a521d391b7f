"""Which registers a kernel reads without a value: small programs, each line an instruction as nvdisasm prints it."""

from __future__ import annotations

import random

import pytest

from build_backend.errors import BuildError
from build_backend.sass import assigned, disassembly, flow, record, registers
from build_backend.sass.disassembly import Instruction

JUMPS = ("BRA", "EXIT", "CALL", "RET", "BSSY", "BSYNC", "BRX")


def assemble(text: str) -> list[Instruction]:
    """Targets are numbers of lines: BRA 3."""
    instructions = []
    for line in filter(None, map(str.strip, text.splitlines())):
        guard, _, rest = line.partition(" ") if line.startswith("@") else ("", "", line)
        opcode, _, names = rest.partition(" ")
        split = [name.strip() for name in names.split(",")] if names else []
        jump = opcode.split(".")[0] in JUMPS
        if jump and split and split[-1].isdigit():
            split[-1] = hex(int(split[-1]) * 16)
        instructions.append(Instruction(len(instructions) * 16, guard[1:], opcode, tuple(split), jump))
    return instructions


def reads(text: str) -> list[tuple[int, list[str], list[str]]]:
    """Line, registers that may have no value, and those that never have."""
    found = assigned.analyse(flow.build(assemble(text)), 0)
    return [
        (read.instruction.address // 16, list(registers.names(read.registers)), list(registers.names(read.never)))
        for read in found.reads
    ]


CASES = {
    "written first": ("MOV R0, 0x1\n FADD R1, R0, R0\n EXIT", []),
    "never written": ("FADD R1, R0, 1\n EXIT", [(0, ["R0"], ["R0"])]),
    "half of a pair": (
        "MOV R2, 0x1\n LDG.E R0, desc[UR4][R2.64]\n EXIT",
        [(1, ["R3", "UR4", "UR5"], ["R3", "UR4", "UR5"])],
    ),
    "once on a path": ("FADD R1, R0, 1\n FADD R2, R0, 1\n EXIT", [(0, ["R0"], ["R0"])]),
    "a copy is no use": ("MOV R1, R0\n MOV R2, R1\n EXIT", []),
    "a copy that is used": ("MOV R1, R0\n FADD R2, R1, 1\n EXIT", [(1, ["R1"], [])]),
    "under the same predicate": (
        "ISETP.GE.AND P0, PT, RZ, c[0x0][0x0], PT\n @P0 MOV R0, 0x1\n @P0 FADD R1, R0, 1\n EXIT",
        [],
    ),
    "under the other": (
        "ISETP.GE.AND P0, PT, RZ, c[0x0][0x0], PT\n @P0 MOV R0, 0x1\n @!P0 FADD R1, R0, 1\n EXIT",
        [(2, ["R0"], [])],
    ),
    "under both": (
        "ISETP.GE.AND P0, PT, RZ, c[0x0][0x0], PT\n @P0 MOV R0, 0x1\n @!P0 MOV R0, 0x2\n FADD R1, R0, 1\n EXIT",
        [],
    ),
    "the predicate has changed": (
        "ISETP.GE.AND P0, PT, RZ, c[0x0][0x0], PT\n @P0 MOV R0, 0x1\n"
        "ISETP.GE.AND P0, PT, RZ, c[0x0][0x4], PT\n @P0 FADD R1, R0, 1\n EXIT",
        [(3, ["R0"], [])],
    ),
    "one that follows": (
        "ISETP.GE.AND P0, PT, RZ, c[0x0][0x0], PT\n @P0 MOV R0, 0x1\n"
        "ISETP.GE.AND P1, PT, RZ, c[0x0][0x4], P0\n @P1 FADD R1, R0, 1\n EXIT",
        [],
    ),
    "written after it followed": (
        "ISETP.GE.AND P0, PT, RZ, c[0x0][0x0], PT\n ISETP.GE.AND P1, PT, RZ, c[0x0][0x4], P0\n"
        "@P0 MOV R0, 0x1\n @P1 FADD R1, R0, 1\n EXIT",
        [],
    ),
    "it does not follow from or": (
        "ISETP.GE.AND P0, PT, RZ, c[0x0][0x0], PT\n @P0 MOV R0, 0x1\n"
        "ISETP.GE.OR P1, PT, RZ, c[0x0][0x4], P0\n @P1 FADD R1, R0, 1\n EXIT",
        [(3, ["R0"], [])],
    ),
    "a predicate set under another": (
        "ISETP.GE.AND P0, PT, RZ, c[0x0][0x0], PT\n PLOP3.LUT P6, PT, PT, PT, PT, 0x8, 0x80\n"
        "@!P0 ISETP.GE.AND P6, PT, RZ, c[0x0][0x4], PT\n @!P0 MOV R0, 0x1\n @P6 FADD R1, R0, 1\n EXIT",
        [],
    ),
    "a predicate kept in a register": (
        "ISETP.GE.AND P2, PT, RZ, c[0x0][0x0], PT\n @!P2 MOV R0, 0x1\n P2R R9, PR, RZ, 0x4\n"
        "ISETP.GE.AND P2, PT, RZ, c[0x0][0x4], PT\n ISETP.NE.AND P2, PT, R9, RZ, PT\n @!P2 FADD R1, R0, 1\n EXIT",
        [],
    ),
    "kept, and chosen by its opposite": (
        "ISETP.GE.AND P2, PT, RZ, c[0x0][0x0], PT\n @!P2 MOV R0, 0x1\n @PR P2R R9, RZ, 0x4\n"
        "MOV R3, 0x2\n ISETP.EQ.AND P4, P5, R9, RZ, PT\n @P4 MOV R3, R0\n FADD R1, R3, 1\n"
        "@P5 FADD R1, R0, 1\n EXIT",
        [(7, ["R0"], [])],
    ),
    "kept in a register that was written since": (
        "ISETP.GE.AND P2, PT, RZ, c[0x0][0x0], PT\n @!P2 MOV R0, 0x1\n P2R R9, PR, RZ, 0x4\n"
        "MOV R9, 0x1\n ISETP.NE.AND P2, PT, R9, RZ, PT\n @!P2 FADD R1, R0, 1\n EXIT",
        [(5, ["R0"], [])],
    ),
    "another kept in the same register": (
        "ISETP.GE.AND P2, PT, RZ, c[0x0][0x0], PT\n ISETP.GE.AND P3, PT, RZ, c[0x0][0x4], PT\n @!P2 MOV R0, 0x1\n"
        "P2R R9, PR, RZ, 0x4\n P2R R9, PR, RZ, 0x8\n ISETP.NE.AND P2, PT, R9, RZ, PT\n @!P2 FADD R1, R0, 1\n EXIT",
        [(6, ["R0"], [])],
    ),
    "two kept in one register": (
        "ISETP.GE.AND P2, PT, RZ, c[0x0][0x0], PT\n @!P2 MOV R0, 0x1\n P2R R9, PR, RZ, 0xc\n"
        "ISETP.NE.AND P2, PT, R9, RZ, PT\n @!P2 FADD R1, R0, 1\n EXIT",
        [(2, ["P3"], ["P3"]), (4, ["R0"], [])],
    ),
    "kept on one branch": (
        "ISETP.GE.AND P2, PT, RZ, c[0x0][0x0], PT\n MOV R9, 0x0\n @!P2 BRA 5\n MOV R0, 0x1\n P2R R9, PR, RZ, 0x4\n"
        "ISETP.NE.AND P1, PT, R9, RZ, PT\n @P1 FADD R1, R0, 1\n EXIT",
        [(6, ["R0"], [])],
    ),
    "compared where it decides": (
        "ISETP.GE.AND P0, PT, RZ, c[0x0][0x0], PT\n @!P0 MOV R0, 0x1\n ISETP.NE.AND P1, PT, R0, RZ, !P0\n EXIT",
        [],
    ),
    "compared where it decides, by or": (
        "ISETP.GE.AND P0, PT, RZ, c[0x0][0x0], PT\n @!P0 MOV R0, 0x1\n ISETP.NE.OR P1, PT, R0, RZ, P0\n EXIT",
        [],
    ),
    "compared where it does not decide": (
        "ISETP.GE.AND P0, PT, RZ, c[0x0][0x0], PT\n @!P0 MOV R0, 0x1\n ISETP.NE.OR P1, PT, R0, RZ, !P0\n EXIT",
        [(2, ["R0"], [])],
    ),
    "what was compared needs a value later": (
        "ISETP.GE.AND P0, PT, RZ, c[0x0][0x0], PT\n @!P0 MOV R0, 0x1\n ISETP.NE.AND P1, PT, R0, RZ, !P0\n"
        "FADD R1, R0, 1\n EXIT",
        [(3, ["R0"], [])],
    ),
    "chosen": (
        "ISETP.GE.AND P0, PT, RZ, c[0x0][0x0], PT\n @P0 MOV R0, 0x1\n FSEL R1, R0, RZ, P0\n FADD R2, R1, 1\n EXIT",
        [],
    ),
    "chosen wrongly": (
        "ISETP.GE.AND P0, PT, RZ, c[0x0][0x0], PT\n @P0 MOV R0, 0x1\n FSEL R1, R0, RZ, !P0\n FADD R2, R1, 1\n EXIT",
        [(3, ["R1"], [])],
    ),
    "on both branches": (
        "ISETP.GE.AND P0, PT, RZ, c[0x0][0x0], PT\n @P0 BRA 4\n MOV R0, 0x1\n BRA 5\n MOV R0, 0x2\n"
        "FADD R1, R0, 1\n EXIT",
        [],
    ),
    "on one branch": (
        "ISETP.GE.AND P0, PT, RZ, c[0x0][0x0], PT\n @P0 BRA 3\n MOV R0, 0x1\n FADD R1, R0, 1\n EXIT",
        [(3, ["R0"], [])],
    ),
    "on the branch of its predicate": (
        "ISETP.GE.AND P0, PT, RZ, c[0x0][0x0], PT\n @P0 BRA 3\n MOV R0, 0x1\n @!P0 FADD R1, R0, 1\n EXIT",
        [],
    ),
    "in the step before": (
        "ISETP.GE.AND P0, PT, RZ, c[0x0][0x0], PT\n FADD R1, R0, 1\n MOV R0, 0x1\n @P0 BRA 1\n EXIT",
        [(1, ["R0"], ["R0"])],
    ),
    "an exit with two conditions": (
        "ISETP.GE.AND P0, P1, RZ, c[0x0][0x0], PT\n @!P0 MOV R0, 0x1\n @P0 EXIT P1\n FADD R1, R0, 1\n EXIT",
        [(3, ["R0"], [])],
    ),
    "a subroutine": (
        "MOV R0, 0x1\n MOV R2, 0x30\n CALL.REL.NOINC 5\n FADD R5, R4, 1\n EXIT\n"
        "FADD R4, R0, 1\n MOV R3, 0x0\n RET.REL.NODEC R2, 0x0",
        [],
    ),
    "a subroutine without its argument": (
        "MOV R2, 0x20\n CALL.REL.NOINC 4\n FADD R5, R4, 1\n EXIT\nFADD R4, R0, 1\n MOV R3, 0x0\n RET.REL.NODEC R2, 0x0",
        [(1, ["R0"], ["R0"])],
    ),
    "a call that never returns": ("MOV R0, 0x1\n CALL.REL.NOINC 3\n FADD R1, R7, 1\n FADD R1, R0, 1\n EXIT", []),
    "a bit of a register": (
        "LOP3.LUT R0, R0, 0xfffffffe, RZ, 0xc0, !PT\n LOP3.LUT R0, R0, 0x1, RZ, 0xfc, !PT\n EXIT",
        [],
    ),
    "the other half stays": ("MOV R1, 0x1\n PRMT R0, R1, 0x7610, R0\n EXIT", []),
}


@pytest.mark.parametrize("name", CASES)
def test_reads(name: str) -> None:
    text, want = CASES[name]
    assert reads(text) == want


@pytest.mark.parametrize(
    "writer, faults",
    [
        ("F2FP.SATFINITE.E4M3.F32.PACK_AB_MERGE_C R0, RZ, RZ, RZ", 0),
        ("LDS R0, [0x40]", 0),
        ("PRMT R0, RZ, 0x5410, RZ", 0),
        ("IMAD R0, RZ, 0x10000, RZ", 0),
        ("IMAD R0, RZ, 0x28, RZ", 1),
        ("FADD R0, RZ, 1", 1),
        ("S2R R0, SR_TID.X", 1),
        ("MUFU.EX2 R0, RZ", 1),
    ],
)
def test_what_may_be_decoded(writer: str, faults: int) -> None:
    found = record.examine(assemble(f"{writer}\n F2FP.F16.E4M3.UNPACK_B R1, R0\n EXIT"), "90")
    assert len(found.faults) == faults


def test_the_stack_pointer_is_no_number() -> None:
    found = record.examine(assemble("MOV R1, c[0x0][0x28]\n F2FP.F16.E4M3.UNPACK_B R3, R1\n EXIT"), "89")
    assert [fault.register for fault in found.faults] == ["R1"]


def test_nothing_is_skipped_in_silence() -> None:
    found = record.examine(assemble("FROB R0, R0\n BRX R2, 0x0\n FADD R1, R0, 1\n EXIT"), "90")
    assert found.unknown == {"BRX": 1, "FROB": 1}
    assert found.unclear == {"BRX": 1}
    assert found.unreached == 2
    assert found.document()["unknown"] == {"BRX": 1, "FROB": 1}


def test_tensor_instructions_and_spills_are_counted() -> None:
    spills = "MOV R1, c[0x0][0x28]\n STL [R1], RZ\n LDL R4, [R1]\n"
    text = f"{spills} HMMA.16816.F32 R8, RZ, RZ, RZ\n UTCQMMA gdesc[UR4], RZ\n EXIT"
    found = record.examine(assemble(text), "100")
    assert (found.spill_stores, found.spill_loads) == (1, 1)
    assert found.tensor == {"HMMA.16816.F32": 1, "UTCQMMA": 1}


def test_87_begins_with_a_register() -> None:
    text = assemble("ISETP.NE.U32.AND P0, PT, RZ, UR2, PT\n EXIT")
    assert [fault.register for fault in record.examine(text, "86").faults] == ["UR2"]
    assert record.examine(text, "87").faults == []


OPCODES = """
    MOV SEL IMAD.WIDE LDG.E.128 STS ISETP.GE.AND PLOP3.LUT HMMA.16816.F32 IGMMA.64x64x32.S8.S8 P2R R2P SYNCS.X BRA
    CALL.REL RET EXIT FROB.1 PRMT LOP3.LUT F2FP.X.UNPACK_B
"""
NAMES = "R0 R254 UR4 P0 !P6 PT RZ 0x10 [R2.64+0x8] desc[UR4][R2.64] gdesc[UR8] c[0x0][0x0] P99 R999 R255.64"


@pytest.mark.parametrize("seed", range(200))
def test_any_text_gives_a_record_or_an_error(seed: int) -> None:
    """What no nvdisasm prints is an error that names the instruction."""
    choose = random.Random(seed)
    program = [
        Instruction(
            16 * line,
            choose.choice(("", "P0", "!P1")),
            opcode := choose.choice(OPCODES.split()),
            tuple(choose.choice((*NAMES.split(), "", hex(16 * line))) for _ in range(choose.randrange(7))),
            opcode.split(".")[0] in JUMPS,
        )
        for line in range(30)
    ]
    try:
        record.examine(program, "90")
    except BuildError as error:
        assert "cannot read the instruction" in str(error) or "no register" in str(error)


LINES = """
MOV R2, R3|SEL R3, R4, R2, P1|SEL R2, R3, R3, !P0|ISETP.GE.AND P0, PT, R2, RZ, P1|ISETP.NE.OR P1, P0, R3, R4, !P0
PLOP3.LUT P0, PT, P1, PT, P0, 0x80, 0x8|P2R R4, PR, RZ, 0x2|ISETP.NE.AND P1, PT, R4, RZ, PT|FADD R4, R3, R2
MOV R2, 0x1; MOV R3, 0x1|MOV R3, 0x1; MOV R4, 0x1; NOP|BRA 2|BRA 12|BRA 20|EXIT
"""


@pytest.mark.parametrize("seed", range(100))
def test_events_that_become_one(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a block does to a state is the same one event after another."""
    choose = random.Random(seed)
    lines = LINES.strip().replace("\n", "|").split("|")
    guards = "", "", "@P0 ", "@!P0 ", "@P1 "
    text = "; ".join(choose.choice(guards) + choose.choice(lines) for _ in range(20))
    graph = flow.build(assemble(text.replace("; ", "\n") + "\n EXIT"))
    found = assigned.analyse(graph, 0)
    monkeypatch.setattr(assigned, "_steps", iter)
    assert found == assigned.analyse(graph, 0)


def test_an_empty_disassembly() -> None:
    assert disassembly.parse('[{}, [{"sass-instructions": []}]]') == []
