package wheel

import "debug/elf"

// Kernel is one entry point of a cubin, with what one thread or block of it takes.
type Kernel struct {
	Name      string `json:"name"`
	Registers int    `json:"registers,omitempty"` // of a thread
	Shared    int64  `json:"shared,omitempty"`    // bytes of a block, without dynamic shared memory; from 9.0 on with the 1,024 reserved
	Stack     int64  `json:"stack,omitempty"`     // bytes of a thread: local arrays, calls and spilled registers
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
	usage, err := i.resourceUsage()
	if err != nil {
		return nil, err
	}
	shared := i.sharedMemory()
	const entryPoint = 0x10 // STO_CUDA_ENTRY
	var kernels []Kernel
	for at, symbol := range symbols {
		if symbol.kind() != elf.STT_FUNC || symbol.other&entryPoint == 0 {
			continue
		}
		index := uint32(at + 1) // symbols lacks the empty first entry
		kernels = append(kernels, Kernel{
			Name:      symbol.name,
			Registers: int(usage.registers[index]),
			Shared:    shared[symbol.name],
			Stack:     int64(usage.stack[index]),
		})
	}
	return kernels, nil
}

// sharedMemory returns the size of each kernel's .nv.shared section by the kernel's name.
func (i *image) sharedMemory() map[string]int64 {
	const prefix = ".nv.shared."
	sizes := map[string]int64{}
	for _, s := range i.sections {
		if s.kind == elf.SHT_NOBITS && len(s.name) > len(prefix) && s.name[:len(prefix)] == prefix {
			sizes[s.name[len(prefix):]] = int64(min(s.size, 1<<32))
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

func (i *image) resourceUsage() (resourceUsage, error) {
	usage := resourceUsage{map[uint32]uint32{}, map[uint32]uint32{}}
	info := i.named(".nv.info")
	if info == nil {
		return usage, nil
	}
	data, err := i.data(info, maxStringBytes, CodeCubinFormat)
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
				return refuse(CodeCubinFormat, "", "an attribute is cut short")
			}
			value, data = data[:length], data[length:]
		}
		visit(attribute, value)
	}
	return nil
}
