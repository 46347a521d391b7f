"""What predicates are made of: P0 = a comparison and P1."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

from .disassembly import Instruction
from .registers import PREDICATES, predicate

# That a predicate is true, or false, is a literal: one bit of an integer, bit 2 n for predicate n being false, bit
# 2 n + 1 for its being true. A set of literals is their sum.
_TRUE = int("10" * 16, 2)


class Equation(NamedTuple):
    """result is the bit of table at the number whose binary digits are the sources: a truth table. "" is anything."""

    result: str
    sources: tuple[str, ...]
    table: int


def equations(instruction: Instruction) -> tuple[Equation, ...]:
    """What an instruction makes true or false."""
    base, *modifiers = instruction.opcode.split(".")
    operands = instruction.operands
    if base.endswith("PLOP3"):
        return tuple(Equation(result, operands[2:5], int(table, 16)) for result, table in zip(operands, operands[5:]))
    if base.endswith("SETP") and {"AND", "OR"} & set(modifiers):
        source = operands[-2 if modifiers[-1] == "EX" else -1]
        table = 0b1000 if "AND" in modifiers else 0b1110
        return tuple(Equation(result, ("", source), table) for result in operands[:2])
    return ()


@cache
def literal(text: str) -> int:
    """ "!P0" → the literal; 0 for PT, and for what is no predicate."""
    found = predicate(text)
    if not found:
        return 0
    return 1 << 2 * (found[0].bit_length() - PREDICATES.bit_length() + 15) + found[1]


def opposite(literals: int) -> int:
    """The same predicates, the other way."""
    return (literals & _TRUE) >> 1 | (literals & ~_TRUE) << 1


@cache
def literals(registers: int) -> int:
    """Both of each predicate in a set of registers."""
    predicates = registers >> PREDICATES.bit_length() - 16
    return sum(3 << 2 * number for number in range(16) if predicates >> number & 1)
