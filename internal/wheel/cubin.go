package wheel

import "debug/elf"

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
// is the second byte and 0x8 means "a". CUDA 13 says "a" in .nv.compat instead.
func cubinArch(i *image) Arch {
	number, specific := i.flags&0xff, i.flags&0x800 != 0
	if i.abiVersion >= 8 {
		number, specific = i.flags>>8&0xff, i.flags&0x8 != 0 || i.compatSpecific()
	}
	if specific {
		return archOf(number, "a")
	}
	return archOf(number, "")
}

// compatSpecific reports whether attribute 9 of .nv.compat is 1.
func (i *image) compatSpecific() bool {
	const attributeSpecific = 9
	compat := i.named(".nv.compat")
	if compat == nil {
		return false
	}
	data, err := i.data(compat, maxHeaderBytes, CodeCubinFormat)
	if err != nil {
		return false
	}
	specific := false
	eachAttribute(data, func(attribute byte, value []byte) {
		specific = specific || attribute == attributeSpecific && len(value) > 0 && value[0] == 1
	})
	return specific
}
