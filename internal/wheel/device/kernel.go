package device

import (
	"debug/elf"

	"github.com/sagebuild/sagebuild/internal/wheel/content"
	"github.com/sagebuild/sagebuild/internal/wheel/elffile"
	"github.com/sagebuild/sagebuild/internal/wheel/finding"
)

// Kernel is one entry point of a cubin, with the resources that one thread or one block takes.
type Kernel struct {
	Name      string `json:"name"`
	Registers int    `json:"registers,omitempty"` // of a thread
	Shared    int64  `json:"shared,omitempty"`    // bytes of a block, without dynamic shared memory; from 9.0 on with the 1,024 reserved
	Stack     int64  `json:"stack,omitempty"`     // bytes of a thread: local arrays, calls and spilled registers
}

// readKernels lists the functions that the symbol table marks as entry points.
func readKernels(i *elffile.Image) ([]Kernel, error) {
	table := i.Find(elf.SHT_SYMTAB)
	if table == nil {
		return nil, finding.Refuse(finding.CodeCubinFormat, "", "the cubin has no symbol table")
	}
	symbols, err := i.Symbols(table, finding.CodeCubinFormat)
	if err != nil {
		return nil, err
	}
	usage, err := readUsage(i)
	if err != nil {
		return nil, err
	}
	shared := sharedMemory(i)
	const entryPoint = 0x10 // STO_CUDA_ENTRY
	var kernels []Kernel
	for at, symbol := range symbols {
		if symbol.Kind() != elf.STT_FUNC || symbol.Other&entryPoint == 0 {
			continue
		}
		index := uint32(at + 1) // symbols lacks the empty first entry
		kernels = append(kernels, Kernel{
			Name:      symbol.Name,
			Registers: int(usage.registers[index]),
			Shared:    shared[symbol.Name],
			Stack:     int64(usage.stack[index]),
		})
	}
	return kernels, nil
}

// sharedMemory returns the size of each kernel's .nv.shared section by the kernel's name.
func sharedMemory(i *elffile.Image) map[string]int64 {
	const prefix = ".nv.shared."
	sizes := map[string]int64{}
	for _, s := range i.Sections {
		if s.Kind == elf.SHT_NOBITS && len(s.Name) > len(prefix) && s.Name[:len(prefix)] == prefix {
			sizes[s.Name[len(prefix):]] = int64(min(s.Size, 1<<32))
		}
	}
	return sizes
}

// resourceUsage is what .nv.info says, by symbol index.
type resourceUsage struct {
	registers, stack map[uint32]uint32
}

// Attributes of .nv.info, and the formats of their values.
const (
	attributeRegisters = 0x2f
	attributeStack     = 0x12 // the deepest stack, calls included
	formatSized        = 4    // u16 length, then that many bytes; the others hold 16 bits in place of the length
	attributeBytes     = 4
)

func readUsage(i *elffile.Image) (resourceUsage, error) {
	usage := resourceUsage{map[uint32]uint32{}, map[uint32]uint32{}}
	info := i.Named(".nv.info")
	if info == nil {
		return usage, nil
	}
	data, err := i.Data(info, content.MaxStringBytes, finding.CodeCubinFormat)
	if err != nil {
		return usage, err
	}
	return usage, eachAttribute(data, func(attribute byte, value []byte) {
		if len(value) != 8 {
			return
		}
		switch symbol, number := little.Uint32(value), little.Uint32(value[4:]); attribute {
		case attributeRegisters:
			usage.registers[symbol] = number
		case attributeStack:
			usage.stack[symbol] = number
		}
	})
}

// eachAttribute walks format, attribute, 16 bits: the length of a value, or a small value itself.
func eachAttribute(data []byte, visit func(attribute byte, value []byte)) error {
	for len(data) >= attributeBytes {
		format, attribute := data[0], data[1]
		value := data[2:attributeBytes]
		data = data[attributeBytes:]
		if format == formatSized {
			length := int(little.Uint16(value))
			if length > len(data) {
				return finding.Refuse(finding.CodeCubinFormat, "", "an attribute is cut short")
			}
			value, data = data[:length], data[length:]
		}
		visit(attribute, value)
	}
	return nil
}
