package kernels

import (
	"fmt"
	"strings"
)

// Files that follow from the kinds, as paths below the source directory.
const (
	KindsHeader = "csrc/host/kinds.h"
	KernelTable = "csrc/host/kernels.inc"
	PythonKinds = "python/sageattention/_kinds.py"
)

const generated = "Generated from csrc/kernels.toml by `sagebuild generate`: edit that file instead."

// Generate writes the files that repeat csrc/kernels.toml in C and Python.
func (k *Set) Generate() map[string][]byte {
	return map[string][]byte{
		KindsHeader: []byte(k.kindsHeader()),
		KernelTable: []byte(k.kernelTable()),
		PythonKinds: []byte(k.pythonKinds()),
	}
}

// kindsHeader is the public enum.
func (k *Set) kindsHeader() string {
	var b strings.Builder
	fmt.Fprintf(&b, "/* %s */\n#ifndef SAGEATTN_KINDS_H\n#define SAGEATTN_KINDS_H\n\n", generated)
	b.WriteString("/* Kinds of attention kernels; csrc/kernels.toml says what each takes. */\nenum sageattn_kind {\n")
	for number, kind := range k.Kinds {
		comma := ","
		if number == len(k.Kinds)-1 {
			comma = ""
		}
		fmt.Fprintf(&b, "    SAGEATTN_KIND_%s = %d%s\n", strings.ToUpper(kind.Name), number, comma)
	}
	b.WriteString("};\n\n#endif\n")
	return b.String()
}

// kernelTable is two lists of X macros for the C library: the kinds, and their kernels.
func (k *Set) kernelTable() string {
	var b strings.Builder
	fmt.Fprintf(&b, "/* %s */\n\n", generated)
	b.WriteString("/* X(kind, name, launcher, E4M3 values, float16 sums, mask, starts, first kernel, kernels) */\n#define SAGEATTN_KINDS_TABLE(X)")
	for _, kind := range k.Kinds {
		upper := strings.ToUpper(kind.Name)
		fmt.Fprintf(&b, " \\\n    X(%s, %q, %s, %d, %d, %d, %d, %s_HD%d, %d)", upper, kind.Name, strings.ToUpper(kind.Launcher),
			flag(kind.Values == "e4m3"), flag(kind.Sums == "float16"), flag(kind.Mask), flag(kind.Starts), upper, kind.HeadDims[0], len(kind.HeadDims))
	}
	b.WriteString("\n\n/* X(kernel, operation, name, head dim): the kernels of a kind together, their head dims rising */\n#define SAGEATTN_ATTENTION_KERNELS(X)")
	for _, kind := range k.Kinds {
		for _, headDim := range kind.HeadDims {
			fmt.Fprintf(&b, " \\\n    X(%s_HD%d, %q, %q, %d)", strings.ToUpper(kind.Name), headDim, kind.Operation(), kind.Kernel(headDim), headDim)
		}
	}
	b.WriteString("\n")
	return b.String()
}

func flag(set bool) int {
	if set {
		return 1
	}
	return 0
}

const pythonHead = `"""%s"""

from __future__ import annotations

from typing import NamedTuple


class Kind(NamedTuple):
    """A kind of attention kernels; csrc/kernels.toml says what the fields mean. number is its sageattn_kind."""

    number: int
    name: str
    values: str
    sums: str
    scale_max: float
    mask: bool
    starts: bool
    head_dims: tuple[int, ...]
    launcher: str

    @property
    def operation(self) -> str:
        """The name of the kind's container in a fatbin."""
        return f"attention_{self.name}"

    @property
    def e4m3(self) -> bool:
        """Whether the values are E4M3, so that the output is rough and has their scale and mean."""
        return self.values == "e4m3"

    def kernel(self, head_dim: int) -> str:
        """The kernel that serves a head dim. Raises StopIteration above the largest."""
        return f"{self.operation}_hd{next(size for size in self.head_dims if size >= head_dim)}"


KINDS = {
    kind.name: kind
    for kind in (
`

// pythonKinds is the table for Python, formatted as ruff does.
func (k *Set) pythonKinds() string {
	var b strings.Builder
	fmt.Fprintf(&b, pythonHead, generated)
	for at, kind := range k.Kinds {
		dims := strings.Trim(strings.ReplaceAll(fmt.Sprint(kind.HeadDims), " ", ", "), "[]")
		if len(kind.HeadDims) == 1 {
			dims += ","
		}
		b.WriteString("        Kind(\n")
		for _, field := range []struct{ name, value string }{
			{"number", fmt.Sprint(at)}, {"name", quoted(kind.Name)}, {"values", quoted(kind.Values)}, {"sums", quoted(kind.Sums)},
			{"scale_max", number(kind.ScaleMax)}, {"mask", pythonBool(kind.Mask)}, {"starts", pythonBool(kind.Starts)},
			{"head_dims", "(" + dims + ")"}, {"launcher", quoted(kind.Launcher)},
		} {
			fmt.Fprintf(&b, "            %s=%s,\n", field.name, field.value)
		}
		b.WriteString("        ),\n")
	}
	b.WriteString("    )\n}\n")
	return b.String()
}

func quoted(text string) string { return `"` + text + `"` }

func pythonBool(set bool) string {
	if set {
		return "True"
	}
	return "False"
}
