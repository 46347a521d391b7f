"""What is known at a point of a kernel: which registers have a value for certain, and which under a predicate.

Compilers write and read registers under the same predicate, or under one that follows from it. So a state knows what
follows from a predicate being true or false: other predicates, and that registers have a value.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from itertools import product
from typing import NamedTuple

from .predicates import Equation, literal, opposite
from .registers import EVERY

NEVER = -1  # what follows from a literal that cannot hold: every literal


class State(NamedTuple):
    """certain: registers with a value. given and follows: for each literal, the registers with a
    value and the literals that hold if it holds.

    Both are kept for some literals only; from the others nothing follows. From a literal that cannot hold, all follows.
    """

    certain: int
    given: dict[int, int]
    follows: dict[int, int]

    def under(self, holding: int) -> int:
        """Registers with a value where a literal holds; 0: always."""
        return self.certain | self.given.get(holding, 0)

    def knowing(self, holding: tuple[int, ...]) -> State:
        """The state where some literals hold."""
        if not holding:
            return self
        certain, given, follows = self.certain, dict(self.given), dict(self.follows)
        for one in filter(None, holding):
            for fact in (one, *_each(max(self.follows.get(one, 0), 0))):
                certain |= given.get(fact, 0)
                given[opposite(fact)], follows[opposite(fact)] = EVERY, NEVER
        return State(certain, given, follows)

    def having(self, registers: int, holding: int) -> State:
        """The state after registers were given a value, where a literal holds; 0: always."""
        if not holding:
            return self if not registers & ~self.certain else State(self.certain | registers, self.given, self.follows)
        given = dict(self.given)
        given[holding] = given.get(holding, 0) | registers
        for other, follows in self.follows.items():
            if follows & holding:
                given[other] = given.get(other, 0) | registers
        certain = self.certain | given[holding] & given.get(opposite(holding), 0)
        return State(certain, given, self.follows)

    def copied(self, target: int, sources: tuple[tuple[int, int], ...], guard: int) -> State:
        """The state after a register was copied, from a source where its literal holds: it has a value if they have."""
        if not guard and not any(source & ~self.certain for source, _ in sources):
            return self.having(target, 0)
        named = {guard, *(at for _, at in sources)} - {0}
        certain, given = self.certain & ~target, {}
        for holding in {0, *self.given, *named, *map(opposite, named)}:
            there = self._has(target, holding, opposite(guard)) if guard else True
            there = there and all(self._has(source, holding, at, guard) for source, at in sources)
            if not holding:
                certain |= target if there else 0
            elif left := self.given.get(holding, 0) & ~target | (target if there else 0):
                given[holding] = left
        return State(certain, given, self.follows)

    def _has(self, register: int, *holding: int) -> bool:
        """Whether a register has a value where some literals hold; also if they cannot hold together."""
        if self.certain & register:
            return True
        known = 0
        for one in holding:
            known |= one | self.follows.get(one, 0)
        return bool(known & opposite(known)) or any(self.given.get(one, 0) & register for one in _each(known))

    def after(self, gone: int, equations: tuple[Equation, ...], guard: int) -> State:
        """The state after predicates were written: what followed from their old values no longer does."""
        given = {one: there for one, there in self.given.items() if not one & gone}
        follows = {
            one: others if others == NEVER else others & ~gone
            for one, others in self.follows.items()
            if not one & gone
        }
        for equation in equations:
            for value, there, others in self._results(equation, guard):
                given[value] = there
                follows[value] = others if others == NEVER else others & ~gone
        return State(self.certain, given, follows)

    def _results(self, equation: Equation, guard: int) -> Iterator[tuple[int, int, int]]:
        """Both literals of an equation's result, with what is given and what follows. Not executed, it is as it was."""
        if not (result := literal(equation.result)):
            return
        for value, there, others in zip((opposite(result), result), *_rows(equation, self)):
            if guard:
                skipped = opposite(guard)
                there = (there | self.under(guard)) & (self.under(value) | self.under(skipped))
                others |= guard | self.follows.get(guard, 0)
                others &= self.follows.get(value, 0) | skipped | self.follows.get(skipped, 0)
            yield value, there, others


def join(one: State, other: State) -> State:
    """What holds after either."""
    literals = one.given.keys() | other.given.keys()
    given = {literal: there for literal in literals if (there := one.under(literal) & other.under(literal))}
    both = one.follows.keys() & other.follows.keys()
    follows = {literal: left for literal in both if (left := one.follows[literal] & other.follows[literal])}
    return State(one.certain & other.certain, given, follows)


def _each(literals: int) -> Iterator[int]:
    while literals:
        yield literals & -literals
        literals &= literals - 1


def _rows(equation: Equation, state: State) -> tuple[list[int], list[int]]:
    """Registers with a value and literals that hold: each for a result that is false, and for one that is true.

    "Comparison and P1" can be true only where P1 is: all that follows from P1, follows from it.
    """
    there, others = [EVERY, EVERY], [NEVER, NEVER]
    for value, holding in _cases(equation):
        given, holds = state.certain, 0
        for held in holding:
            given |= state.given.get(held, 0)
            holds |= held | state.follows.get(held, 0)
        there[value] &= given
        others[value] &= holds
    return there, others


@cache
def _cases(equation: Equation) -> list[tuple[int, list[int]]]:
    """Result, 0 or 1, and literals that hold, of each row of the truth table that can be: PT is never false."""
    found = []
    for row, values in enumerate(product((False, True), repeat=len(equation.sources))):
        pairs = [(literal(text), text, value) for text, value in zip(equation.sources, values)]
        if not any(text and not one and text.startswith("!") == value for one, text, value in pairs):
            holding = [one if value else opposite(one) for one, _, value in pairs if one]
            found.append((equation.table >> row & 1, holding))
    return found
