package wheel

import (
	"debug/elf"
	"strings"
)

// Cubin is device code for one SM.
type Cubin struct {
	Member  string   `json:"member,omitempty"` // for a standalone file
	Arch    Arch     `json:"arch"`
	ABI     int      `json:"abi"` // ABI version of the ELF header
	Size    int64    `json:"size"`
	Kernels []Kernel `json:"kernels"`
}

const machineCUDA elf.Machine = 190

// isCubin wants the first 20 bytes of a file.
func isCubin(head []byte) bool {
	return isELF(head) && len(head) >= 20 && elf.Machine(little.Uint16(head[18:])) == machineCUDA
}

// readCubin reads the SM and the kernels of a cubin.
func readCubin(c content) (Cubin, error) {
	i, err := readELF(c, CodeCubinFormat)
	if err != nil {
		return Cubin{}, err
	}
	if i.machine != machineCUDA {
		return Cubin{}, refuse(CodeCubinFormat, "", "the ELF file is for %v, not for a GPU", i.machine)
	}
	cubin := Cubin{ABI: int(i.abiVersion), Size: c.size}
	cubin.Arch = cubinArch(i)
	cubin.Kernels, err = readKernels(i)
	return cubin, err
}

// cubinArch reads the SM from the flags: up to ABI version 7 it is the low byte and 0x800 means "a", from 8 on it
// is the second byte and 0x8 means "a". CUDA 13 keeps "a" in attribute 9 of .nv.compat instead.
func cubinArch(i *image) Arch {
	number, specific := i.flags&0xff, i.flags&0x800 != 0
	if i.abiVersion >= 8 {
		number, specific = i.flags>>8&0xff, i.flags&0x8 != 0
	}
	if specific {
		return archOf(number, "a")
	}
	return archOf(number, "")
}

// Kernel is one entry point of a cubin.
type Kernel struct {
	Name      string `json:"name"`
	Registers int    `json:"registers,omitempty"` // of one thread
}

// readKernels lists the functions that the symbol table marks as entry points.
func readKernels(i *image) ([]Kernel, error) {
	table := i.find(elf.SHT_SYMTAB)
	if table == nil {
		return nil, refuse(CodeCubinFormat, "", "the cubin has no symbol table")
	}
	symbols, err := i.symbols(table, CodeCubinFormat)
	if err != nil {
		return nil, err
	}
	const entryPoint = 0x10 // STO_CUDA_ENTRY
	var kernels []Kernel
	for _, symbol := range symbols {
		if symbol.kind() == elf.STT_FUNC && symbol.other&entryPoint != 0 {
			kernels = append(kernels, Kernel{Name: symbol.name, Registers: i.registers(symbol)})
		}
	}
	return kernels, nil
}

// registers reads the top byte of the info field of the kernel's code section.
func (i *image) registers(s symbol) int {
	if int(s.section) >= len(i.sections) || !strings.HasPrefix(i.sections[s.section].name, ".text.") {
		return 0
	}
	return int(i.sections[s.section].info >> 24)
}
