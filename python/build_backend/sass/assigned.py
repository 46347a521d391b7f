"""Definite assignment: registers that a kernel may read before it has written them, on any path from its entry.

Where paths meet, what holds on all of them is kept. To copy a register is not to use it: the copy has no value then.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import cache, reduce
from heapq import heappop, heappush
from operator import or_
from typing import NamedTuple, TypeVar

from ..errors import BuildError
from .conditions import State, join
from .disassembly import Instruction
from .flow import Edge, Graph, callee
from .operands import Access, access, registers_of
from .predicates import Equation, equations, keeping, literal, literals, needing, opposite
from .registers import EVERY, PREDICATES, predicate

_COPYING = frozenset(("MOV", "UMOV", "IMAD.MOV", "IMAD.MOV.U32", "SEL", "FSEL", "USEL"))

_T = TypeVar("_T")
_Copy = tuple[int, tuple[tuple[int, int], ...]]  # the register that is written; those it is copied from, with literals


class Read(NamedTuple):
    """An instruction that reads registers which may have no value.

    never: those of them that no path has written when it first comes here; predicates cannot excuse such a read.
    """

    instruction: Instruction
    registers: int
    never: int


class Result(NamedTuple):
    """reads: by address. written: registers with a value when a subroutine returns. reached: addresses of blocks."""

    reads: list[Read]
    written: int
    reached: frozenset[int]


class _Event(NamedTuple):
    """What instructions of the same text do to registers. guard: the literal under which it is executed, or 0.

    copies: registers that get copies, each with the registers that it may be copied from and the literals under which
    it is. gone, equations: what the instruction does to predicates. needing: the literal under which the registers that
    it compares matter, or 0.
    """

    guard: int
    needing: int
    reads: int
    writes: int
    copies: tuple[_Copy, ...]
    gone: int
    equations: tuple[Equation, ...]


def analyse(graph: Graph, entry: int, given: int = 0) -> Result:
    """The paths that begin at an address, in a kernel and the subroutines that it calls.

    given: registers that have a value when the kernel begins.
    """
    return _Analysis(graph).kernel(entry, given)


class _Analysis:
    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._keepers = reduce(or_, (keeping(one) for block in graph.blocks.values() for one in block.instructions), 0)
        self._deciding = PREDICATES | self._keepers  # what others follow from
        self._events: dict[int, list[_Event]] = {}
        self._outlines: dict[int, Access] = {}
        self._subroutines: dict[int, Result] = {}

    def kernel(self, entry: int, given: int) -> Result:
        """Registers that are doubtful without regard to predicates are followed again, with regard to them."""
        certain = _spread(
            self._graph,
            entry,
            given,
            lambda start, state: state | self._outline(start).writes,
            lambda state, _: state,
            int.__and__,
        )
        doubtful = 0
        for start, state in certain.items():
            doubtful |= self._outline(start).reads & ~state
        reads = self._doubted(entry, given, self._copied(certain, doubtful))[0] if doubtful else []
        return Result(reads, 0, self._reached(certain))

    def _subroutine(self, entry: int) -> Result:
        """A subroutine is short, and all that it writes matters."""
        if entry not in self._subroutines:
            self._subroutines[entry] = Result([], EVERY, frozenset())  # for a subroutine that calls itself
            reads, states = self._doubted(entry, 0, EVERY, copying=False)  # its caller must set what it copies
            written = EVERY
            for start, state in states.items():
                if self._graph.blocks[start].instructions[-1].opcode.startswith("RET"):
                    written &= state.certain
            self._subroutines[entry] = Result(reads, written, self._reached(states))
        return self._subroutines[entry]

    def _reached(self, blocks: Iterable[int]) -> frozenset[int]:
        """The blocks, and those of the subroutines that they call."""
        found = set(blocks)
        for start in blocks:
            for instruction in self._graph.blocks[start].instructions:
                if (target := callee(instruction)) is not None and target in self._subroutines:
                    found |= self._subroutines[target].reached
        return frozenset(found)

    def _doubted(
        self, entry: int, given: int, doubtful: int, copying: bool = True
    ) -> tuple[list[Read], dict[int, State]]:
        """Reads of doubtful registers that may have no value; the states after the blocks that were reached."""
        concerned = _Concerned(doubtful, self._deciding, copying)
        events = {
            start: concerned.among(self._graph.blocks[start].instructions, self._block(start))
            for start in _forward(self._graph, entry)
        }
        steps = {start: list(_steps(event for _, event in found)) for start, found in events.items()}

        def leave(start: int, state: State) -> State:
            for event in steps[start]:
                state = _after(event, state)
            return state

        def follow(state: State, edge: Edge) -> State:
            return state.knowing(tuple(map(literal, edge.holds)))

        states = _spread(self._graph, entry, State(given, {}, {}), leave, follow, join)
        written = self._ever_written(entry, given)
        reads = []
        for start in sorted(states):
            state, before = states[start], written[start]
            for instruction, event in events[start]:
                if missing := _missing(event, state):
                    reads.append(Read(instruction, missing, missing & ~before))
                state = _after(event, state)
                before |= event.writes
            states[start] = state
        return reads, states

    def _ever_written(self, entry: int, given: int) -> dict[int, int]:
        """What some path has written at the start of each block, loops that lead back to it not counted."""
        written, done = {entry: given}, set()
        for start in _forward(self._graph, entry):
            done.add(start)
            before = written[start]
            for event in self._block(start):
                before |= event.writes
            for edge in self._graph.blocks[start].edges:
                if edge.target not in done:
                    written[edge.target] = written.get(edge.target, 0) | before
        return written

    def _copied(self, blocks: Iterable[int], doubtful: int) -> int:
        """The doubtful registers, with those that they are copied to."""
        copies = [
            (target, sum(source for source, _ in sources))
            for start in blocks
            for event in self._block(start)
            for target, sources in event.copies
        ]
        while more := [target for target, sources in copies if sources & doubtful and not target & doubtful]:
            for target in more:
                doubtful |= target
        return doubtful

    def _outline(self, start: int) -> Access:
        """What a block reads before it has written it, and what it writes for certain."""
        if start not in self._outlines:
            reads = writes = 0
            for event in self._block(start):
                reads |= event.reads & ~writes
                if not event.guard:
                    writes |= event.writes
            self._outlines[start] = Access(reads, writes)
        return self._outlines[start]

    def _block(self, start: int) -> list[_Event]:
        if start not in self._events:
            self._events[start] = [self._event(instruction) for instruction in self._graph.blocks[start].instructions]
        return self._events[start]

    def _event(self, instruction: Instruction) -> _Event:
        try:
            if instruction.opcode.startswith("CALL"):
                return self._calling(instruction)
            event = _common_event(instruction.guard, instruction.opcode, instruction.operands)
            if decided := event.writes & self._deciding:
                made = equations(instruction, self._keepers)
                return _Event(*event[:-2], literals(decided), made)
            return event
        except (IndexError, ValueError) as error:
            text = f"{instruction.opcode} {', '.join(instruction.operands)}"
            raise BuildError(f"cannot read the instruction {text!r} at {instruction.address:#x}: {error}") from error

    def _calling(self, instruction: Instruction) -> _Event:
        """Whatever decides may be another after a call."""
        reads, writes = self._call(callee(instruction))
        return _Event(
            literal(instruction.guard), 0, reads | _bit(instruction.guard), writes, (), literals(self._deciding), ()
        )

    def _call(self, target: int | None) -> Access:
        """What a subroutine reads and leaves. One that is not known reads nothing, and writes everything."""
        if target in self._graph.blocks and target not in self._graph.subroutines:
            return Access(0, 0)  # a jump
        if target is None or target not in self._graph.subroutines:
            return Access(0, EVERY)
        found = self._subroutine(target)
        needed = 0
        for read in found.reads:
            needed |= read.registers
        return Access(needed, found.written)


def _forward(graph: Graph, entry: int) -> list[int]:
    """The blocks, each after those that lead to it, but for the ends of loops."""
    order: list[int] = []
    seen, path = {entry}, [(entry, iter(graph.blocks[entry].edges))]
    while path:
        start, edges = path[-1]
        edge = next(edges, None)
        if edge is None:
            order.append(start)
            path.pop()
        elif edge.target not in seen:
            seen.add(edge.target)
            path.append((edge.target, iter(graph.blocks[edge.target].edges)))
    return order[::-1]


def _spread(
    graph: Graph,
    entry: int,
    first: _T,
    leave: Callable[[int, _T], _T],
    follow: Callable[[_T, Edge], _T],
    meet: Callable[[_T, _T], _T],
) -> dict[int, _T]:
    """The state at the start of each block that entry leads to, when nothing changes any more.

    leave: the state at the end of a block; follow: what is left of it on an edge; meet: of two where edges meet. Blocks
    are followed in their order, so that few are followed twice.
    """
    order = _forward(graph, entry)
    place = {start: number for number, start in enumerate(order)}
    states, waiting, queued = {entry: first}, [0], {entry}
    while waiting:
        start = order[heappop(waiting)]
        queued.discard(start)
        end = leave(start, states[start])
        for edge in graph.blocks[start].edges:
            left = follow(end, edge)
            known = states.get(edge.target)
            joined = left if known is None else meet(known, left)
            if joined != known:
                states[edge.target] = joined
                if edge.target not in queued:
                    queued.add(edge.target)
                    heappush(waiting, place[edge.target])
    return states


class _Concerned:
    """The events that read or write some registers, or write one that decides; of each, what it does to those."""

    def __init__(self, registers: int, deciding: int, copying: bool) -> None:
        self._registers, self._written, self._copying = registers, registers | deciding, copying
        self._found: dict[int, _Event] = {}  # by identity: the same event stands for many instructions

    def among(self, instructions: list[Instruction], events: list[_Event]) -> list[tuple[Instruction, _Event]]:
        """Those of a block. The events are its own, and outlive this object."""
        return [
            (instruction, self._found.get(id(event)) or self._limited(event))
            for instruction, event in zip(instructions, events)
            if event.reads & self._registers or event.writes & self._written
        ]

    def _limited(self, event: _Event) -> _Event:
        copies = event.copies if self._copying else ()
        copied = _copied_from(event) if copies else 0
        reads, writes = event.reads & self._registers & ~copied, event.writes & self._written
        copies = _kept(event, self._registers) if copies else ()
        found = _Event(event.guard, event.needing, reads, writes, copies, event.gone, event.equations)
        self._found[id(event)] = found
        return found


@cache
def _common_event(guard: str, opcode: str, operands: tuple[str, ...]) -> _Event:
    """What an instruction does that is no call, but for what follows from predicates: many share their text."""
    instruction = Instruction(0, guard, opcode, operands, False)
    accessed, copies, needed = access(opcode, operands), _copies(instruction), needing(instruction)
    return _Event(literal(guard), needed, accessed.reads | _bit(guard), accessed.writes, copies, 0, ())


def _bit(guard: str) -> int:
    """The predicate of a guard."""
    found = predicate(guard)
    return found[0] if found else 0


def _copied_from(event: _Event) -> int:
    return sum(source for _, sources in event.copies for source, _ in sources)


def _kept(event: _Event, registers: int) -> tuple[_Copy, ...]:
    """The copies of and to some registers; a copy of others is a value."""
    return tuple(
        (target, kept)
        for target, sources in event.copies
        if target & registers and (kept := tuple(source for source in sources if source[0] & registers))
    )


def _missing(event: _Event, state: State) -> int:
    """The registers that an event reads and that may have no value."""
    missing = event.reads & ~state.certain
    if missing and event.guard:
        missing &= ~state.under(event.guard)
    return missing & ~(state.under(event.needing) & ~PREDICATES) if event.needing else missing


def _after(event: _Event, state: State) -> State:
    """The state after an event. What it read counts as written, so that each register is reported once on a path.

    What it reads without need does not, nor what it copies.
    """
    state = state.having(event.reads if event.copies else _gives(event), event.guard)
    for target, sources in event.copies:
        state = state.copied(target, sources, event.guard)
    return state.after(event.gone, event.equations, event.guard) if event.gone else state


def _gives(event: _Event) -> int:
    """The registers that have a value after an event that copies none."""
    return event.writes if event.needing else event.reads | event.writes


def _steps(events: Iterable[_Event]) -> Iterator[_Event]:
    """Fewer events with the same state after them: those one after another that only give values become one."""
    given = 0
    for event in events:
        if not (event.guard or event.copies or event.gone):
            given |= _gives(event)
            continue
        if given:
            yield _giving(given)
            given = 0
        yield event
    if given:
        yield _giving(given)


def _giving(registers: int) -> _Event:
    return _Event(0, 0, 0, registers, (), 0, ())


def _copies(instruction: Instruction) -> tuple[_Copy, ...]:
    """Copies of one register: MOV R1, R2 or R1 = P0 ? R2 : R3. Only what reads R1 later uses the value."""
    opcode, operands = instruction.opcode, instruction.operands
    if opcode not in _COPYING:
        return ()
    if opcode in ("MOV", "UMOV"):
        sources: tuple[tuple[str, int], ...] = ((operands[1], 0),)
    elif opcode in ("IMAD.MOV", "IMAD.MOV.U32") and operands[1] == operands[2] == "RZ":
        sources = ((operands[3], 0),)
    elif opcode in ("SEL", "FSEL", "USEL") and (chosen := literal(operands[3])):
        sources = (operands[1], chosen), (operands[2], opposite(chosen))
    else:
        return ()
    target = registers_of(operands[0], opcode)
    found = tuple((registers, at) for text, at in sources if (registers := registers_of(text, opcode)))
    return ((target, found),) if target and found else ()
