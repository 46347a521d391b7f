"""The paths through a kernel: blocks of instructions that run one after another, and what may follow each."""

from __future__ import annotations

from bisect import bisect_left
from typing import NamedTuple

from .disassembly import INSTRUCTION_BYTES, Instruction

# Jumps that end a path, that go elsewhere, and that only prepare or end a divergence of the warp's threads: the
# instruction after a BSYNC is the one that its BSSY names.
_ENDS = frozenset(("EXIT", "RET", "KILL"))
_BRANCHES = frozenset(("BRA", "JMP"))
# nvdisasm marks ACQBULK and PREEXIT as jumps too: they wait for the launch before, and let the next one begin.
_PASSES = frozenset(
    (
        "ACQBULK",
        "BMOV",
        "BREAK",
        "BSSY",
        "BSYNC",
        "CALL",
        "ELECT",
        "ENDCOLLECTIVE",
        "NANOSLEEP",
        "PREEXIT",
        "WARPSYNC",
        "YIELD",
    )
)
_TOGETHER = frozenset(("ALL", "ANY", "CONV", "DIV"))  # modifiers of branches that other threads decide as well


class Edge(NamedTuple):
    """A step to the block at target. holds: predicates such as "!P0" that are true when it is taken."""

    target: int
    holds: tuple[str, ...]


class Block(NamedTuple):
    """Instructions of which all but the last are followed by the next one."""

    instructions: list[Instruction]
    edges: tuple[Edge, ...]


class Graph(NamedTuple):
    """The control flow of a kernel. blocks and subroutines: by address. unclear: addresses of jumps that go nowhere in
    the code.
    """

    blocks: dict[int, Block]
    subroutines: frozenset[int]
    unclear: frozenset[int]


def build(instructions: list[Instruction]) -> Graph:
    """The graph of a kernel. A call is followed by the instruction after it, to which it returns.

    All but jumps are followed by the next instruction, so that little has to be known of them.
    """
    code = _Code(instructions)
    steps, unclear = {}, set()
    for instruction in code.jumps:
        found = _steps(instruction)
        targets: list[int | None] = [edge.target for edge in found] if found is not None else [None]
        if instruction.opcode.startswith("CALL"):
            targets.append(callee(instruction))
        if not all(target in code.addresses for target in targets):
            unclear.add(instruction.address)
        steps[instruction.address] = tuple(edge for edge in found or () if edge.target in code.addresses)
    subroutines = _subroutines(code, steps)
    return Graph(_blocks(code, steps, subroutines), subroutines, frozenset(unclear))


class _Code:
    """Instructions by address. jumps: those that may go elsewhere than to the next, and the last, which has no next."""

    def __init__(self, instructions: list[Instruction]) -> None:
        self._instructions = instructions
        self.jumps = [instruction for instruction in instructions if instruction.jump]
        if instructions and not instructions[-1].jump:
            self.jumps.append(instructions[-1])
        first = instructions[0].address if instructions else 0
        self.addresses = range(first, first + INSTRUCTION_BYTES * len(instructions), INSTRUCTION_BYTES)
        self._places = [jump.address for jump in self.jumps]

    def between(self, start: int, end: int) -> list[Instruction]:
        """Those from one address to before another."""
        first = self.addresses.index(start)
        return self._instructions[first : first + (end - start) // INSTRUCTION_BYTES]

    def jump(self, address: int) -> Instruction:
        """The first jump from an address on."""
        return self.jumps[bisect_left(self._places, address)]


def _subroutines(code: _Code, steps: dict[int, tuple[Edge, ...]]) -> frozenset[int]:
    """Where calls go that return. A call of code that never does is a jump, and becomes one in steps."""
    found = set()
    for instruction in code.jumps:
        target = callee(instruction)
        if target is None or target in found or target not in code.addresses:
            continue
        if _returns(target, code, steps):
            found.add(target)
        else:
            steps[instruction.address] = _branch(instruction.address, target, _deciding(instruction.guard))
    return frozenset(found)


def _returns(entry: int, code: _Code, steps: dict[int, tuple[Edge, ...]]) -> bool:
    seen, waiting = {entry}, [entry]
    while waiting:
        jump = code.jump(waiting.pop())
        if jump.opcode.startswith("RET"):
            return True
        new = {edge.target for edge in steps[jump.address]} - seen
        seen |= new
        waiting += new
    return False


def callee(instruction: Instruction) -> int | None:
    """Where a call goes; None if a register says so, or for another instruction."""
    if instruction.opcode.startswith("CALL.REL") and instruction.operands:
        return _address(instruction.operands[-1])
    return None


def _blocks(code: _Code, steps: dict[int, tuple[Edge, ...]], subroutines: frozenset[int]) -> dict[int, Block]:
    starts = {code.addresses.start, *subroutines}
    for address, edges in steps.items():
        if len(edges) != 1 or edges[0] != Edge(address + INSTRUCTION_BYTES, ()):
            starts.add(address + INSTRUCTION_BYTES)
            starts.update(edge.target for edge in edges)
    ends = [*sorted(starts.intersection(code.addresses)), code.addresses.stop]
    blocks = {}
    for start, end in zip(ends, ends[1:]):
        last = end - INSTRUCTION_BYTES
        blocks[start] = Block(code.between(start, end), steps.get(last, (Edge(end, ()),)))
    return blocks


def _steps(instruction: Instruction) -> tuple[Edge, ...] | None:
    """None where the targets cannot be read."""
    after = instruction.address + INSTRUCTION_BYTES
    if not instruction.jump:
        return (Edge(after, ()),)
    base, *modifiers = instruction.opcode.split(".")
    guard = _deciding(instruction.guard)
    if base in _PASSES:
        return (Edge(after, ()),)
    if base in _ENDS:
        conditions = guard + _deciding(*instruction.operands[:1] if base == "EXIT" else ())
        return (Edge(after, _otherwise(conditions)),) if conditions else ()
    target = _address(instruction.operands[-1]) if instruction.operands else None
    if base not in _BRANCHES or target is None:
        return None
    conditions = guard + _deciding(*instruction.operands[:-1])
    if _TOGETHER.intersection(modifiers):
        return Edge(target, ()), Edge(after, ())
    return _branch(instruction.address, target, conditions)


def _branch(address: int, target: int, conditions: tuple[str, ...]) -> tuple[Edge, ...]:
    taken = Edge(target, conditions)
    return (taken, Edge(address + INSTRUCTION_BYTES, _otherwise(conditions))) if conditions else (taken,)


def _otherwise(conditions: tuple[str, ...]) -> tuple[str, ...]:
    """What holds if not all conditions do: nothing for certain, unless there is but one."""
    return (_opposite(conditions[0]),) if len(conditions) == 1 else ()


def _deciding(*predicates: str) -> tuple[str, ...]:
    """Those that are not always true."""
    return tuple(text for text in predicates if text not in ("", "PT", "UPT"))


def _opposite(predicate: str) -> str:
    return predicate[1:] if predicate.startswith("!") else "!" + predicate


def _address(text: str) -> int | None:
    try:
        return int(text, 16) if text.startswith("0x") else None
    except ValueError:
        return None
