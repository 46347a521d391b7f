"""What is measured: shapes by name, such as hd128-s8192-causal, and the sets that --case and the axes select."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from .suggest import unknown

BATCH, HEADS = 2, 32
DTYPES = ("bfloat16", "float16")
HEAD_DIMS = (64, 128)
ROWS = (1024, 2048, 4096, 8192, 16384, 32768)
MIXED = (512, 1024, 1536, 2048, 3072, 4096, 6144, 8192)
_NAME = re.compile(
    r"hd(?P<dim>\d+)-(?:s(?P<rows>\d+)(?:-k(?P<keys>\d+))?|varlen(?P<lengths>\d+(?:\.\d+)*)?)"
    r"(?P<causal>-causal)?(?:-(?P<mask>padding|pairs|bias))?(?:-gqa(?P<group>\d+))?"
)
MASKS = {
    "padding": "bool [batch, 1, 1, keys]: the last keys of a sequence are padding",
    "pairs": "bool [batch, 1, queries, keys]: nine of ten pairs are seen",
    "bias": "the query's dtype [1, heads, queries, keys], added to the scores",
}
HOST_ROWS = 64  # so short that the host decides how long a call takes


@dataclass(frozen=True)
class Case:
    """One attention.

    lengths, if any, are those of sequences behind each other; the rows are then the longest. mask: "" or one of MASKS.
    """

    head_dim: int
    query_rows: int
    key_rows: int
    batch: int = BATCH
    heads: int = HEADS
    kv_heads: int = HEADS
    causal: bool = False
    lengths: tuple[int, ...] = ()
    dtype: str = DTYPES[0]
    mask: str = ""

    @property
    def name(self) -> str:
        if self.lengths:
            rows = "varlen" + ("" if self.lengths == MIXED else ".".join(map(str, self.lengths)))
        else:
            rows = f"s{self.query_rows}"
            rows += "" if self.key_rows == self.query_rows else f"-k{self.key_rows}"
        group = self.heads // self.kv_heads
        causal = "-causal" if self.causal else ""
        mask = f"-{self.mask}" if self.mask else ""
        return f"hd{self.head_dim}-{rows}{causal}{mask}" + (f"-gqa{group}" if group > 1 else "")

    @property
    def shape(self) -> str:
        """What the name leaves out, for a heading."""
        heads = str(self.heads) if self.heads == self.kv_heads else f"{self.heads}/{self.kv_heads}"
        return f"batch {self.batch}, heads {heads}, {self.dtype}"

    def sequences(self) -> list[tuple[int, int]]:
        """Query and key rows of each sequence of the batch."""
        if self.lengths:
            return [(rows, rows) for rows in self.lengths]
        return [(self.query_rows, self.key_rows)] * self.batch


def case(
    head_dim: int,
    rows: int,
    keys: int | None = None,
    group: int = 1,
    causal: bool = False,
    mask: str = "",
) -> Case:
    """A case with the default batch and heads."""
    return Case(head_dim, rows, keys or rows, kv_heads=HEADS // group, causal=causal, mask=mask)


def varlen(
    head_dim: int, lengths: tuple[int, ...] = MIXED, group: int = 1, causal: bool = False
) -> Case:
    """Sequences of these lengths behind each other."""
    longest = max(lengths)
    return Case(
        head_dim, longest, longest, len(lengths), HEADS, HEADS // group, causal, tuple(lengths)
    )


DEFAULT = (
    *(case(128, rows) for rows in ROWS),
    case(128, 1024, causal=True),
    case(128, 8192, causal=True),
    case(64, 1024),
    case(64, 8192),
    case(64, 8192, causal=True),
    case(64, 16384),
    case(128, 8192, group=4),
    varlen(128),
    varlen(128, causal=True),
)
SHORT = (
    case(128, 8192),
    case(128, 8192, causal=True),
    case(64, 8192),
    case(128, 4096),
    case(128, 16384),
    case(128, 8192, group=4),
    varlen(128),
    case(128, 1024),
)
# What programs call besides long self-attention: masks, text tokens, wide heads, and calls bound by the host.
OTHER = (
    *(case(128, 4096, mask=mask) for mask in MASKS),
    case(128, 4096, 512),
    case(128, 4096, 77),
    *(case(dim, 4096) for dim in (160, 192, 256)),
    case(128, HOST_ROWS),
)
ALL = tuple(
    dict.fromkeys(
        [
            *DEFAULT,
            *OTHER,
            *(
                case(dim, rows, group=group, causal=causal)
                for dim in HEAD_DIMS
                for rows in ROWS
                for causal in (False, True)
                for group in (1, 4)
            ),
            *(
                varlen(dim, group=group, causal=causal)
                for dim in HEAD_DIMS
                for causal in (False, True)
                for group in (1, 4)
            ),
        ]
    )
)
# What measured tables hand to torch: there the method sageattn is to cost what the method torch costs.
HANDED = (
    *(case(128, rows, causal=causal) for rows in (64, 256, 512, 1024) for causal in (False, True)),
    case(64, 512),
    case(128, 4096, 77),
    case(256, 1024),
    case(256, 4096),
    varlen(128, (512, 512, 512, 512)),
    case(256, 1024, mask="padding"),
)
SETS = {"default": DEFAULT, "short": SHORT, "other": OTHER, "handed": HANDED, "all": ALL}


def parse(name: str) -> Case:
    """The case of a name. Raises ValueError, with the nearest known name, for an unknown one."""
    match = _NAME.fullmatch(name)
    if match is None:
        raise ValueError(unknown("case", name, [*SETS, *(known.name for known in ALL)]))
    dim, group, causal = int(match["dim"]), int(match["group"] or 1), bool(match["causal"])
    if group < 1 or HEADS % group:
        raise ValueError(f"{name}: {HEADS} heads cannot share key heads in groups of {group}")
    if match["rows"] is None:
        lengths = (
            tuple(map(int, (match["lengths"] or "").split("."))) if match["lengths"] else MIXED
        )
        found = replace(varlen(dim, lengths, group, causal), mask=match["mask"] or "")
    else:
        keys = int(match["keys"] or 0) or None
        found = case(dim, int(match["rows"]), keys, group, causal, match["mask"] or "")
    return checked(found)


def named(names: Iterable[str]) -> list[Case]:
    """The cases of names and of sets' names, each once, in order."""
    found: list[Case] = []
    for name in names:
        found += SETS[name] if name in SETS else [parse(name)]
    return list(dict.fromkeys(found))


def product(
    dims: Iterable[int],
    rows: Iterable[int],
    keys: int | None,
    causal: bool,
    lengths: tuple[int, ...],
) -> list[Case]:
    """Cases of all combinations of head dims and sequences."""
    if lengths:
        return [checked(varlen(dim, lengths, causal=causal)) for dim in dims]
    return [checked(case(dim, row, keys, causal=causal)) for dim in dims for row in rows]


def resized(
    found: Case, batch: int | None, heads: int | None, kv_heads: int | None, dtype: str | None
) -> Case:
    """The case with another batch, other heads or another dtype; the group stays if only heads are given."""
    group = found.heads // found.kv_heads
    heads = heads or found.heads
    if kv_heads is None:
        kv_heads = max(heads // group, 1)
    if batch is not None and found.lengths:
        raise ValueError(f"{found.name}: --batch does not go with sequences of different lengths")
    return checked(
        replace(
            found,
            batch=batch or found.batch,
            heads=heads,
            kv_heads=kv_heads,
            dtype=dtype or found.dtype,
        )
    )


def checked(found: Case) -> Case:
    """The case itself. Raises ValueError if it is no attention."""
    sizes = (found.head_dim, found.batch, found.heads, found.kv_heads, *found.lengths)
    if min(sizes) < 1 or min(found.query_rows, found.key_rows) < 1:
        raise ValueError(f"{found.name}: every size must be 1 or more")
    if found.mask and (found.lengths or found.causal):
        raise ValueError(f"{found.name}: a mask goes neither with sequences of different lengths nor with causal")
    if found.heads % found.kv_heads:
        raise ValueError(
            f"{found.heads} heads cannot share {found.kv_heads} key heads evenly: see --kv-heads"
        )
    return found
