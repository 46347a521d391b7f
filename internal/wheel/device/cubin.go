package device

import (
	"debug/elf"

	"github.com/sagebuild/sagebuild/internal/wheel/content"
	"github.com/sagebuild/sagebuild/internal/wheel/elffile"
	"github.com/sagebuild/sagebuild/internal/wheel/finding"
	"github.com/sagebuild/sagebuild/kernels"
)

// Cubin is device code for one SM.
type Cubin struct {
	Member  string       `json:"member,omitempty"` // for a standalone file
	Arch    kernels.Arch `json:"arch"`
	ABI     int          `json:"abi"` // ABI version of the ELF header
	Size    int64        `json:"size"`
	Kernels []Kernel     `json:"kernels"`
}

const machineCUDA elf.Machine = 190

// IsCubin wants the first 20 bytes of a file.
func IsCubin(head []byte) bool {
	return elffile.Is(head) && len(head) >= 20 && elf.Machine(little.Uint16(head[18:])) == machineCUDA
}

// ReadCubin reads the SM and the kernels of a cubin.
func ReadCubin(c content.Content) (Cubin, error) {
	i, err := elffile.Read(c, finding.CodeCubinFormat)
	if err != nil {
		return Cubin{}, err
	}
	if i.Header.Machine != machineCUDA {
		return Cubin{}, finding.Refuse(finding.CodeCubinFormat, "", "the ELF file is for %v, not for a GPU", i.Header.Machine)
	}
	cubin := Cubin{ABI: int(i.Header.AbiVersion), Size: c.Size}
	cubin.Arch = cubinArch(i)
	cubin.Kernels, err = readKernels(i)
	return cubin, err
}

// cubinArch reads the SM from the flags: up to ABI version 7 it is the low byte and 0x800 means "a", from 8 on it
// is the second byte and 0x8 means "a". CUDA 13 says "a" in .nv.compat instead.
func cubinArch(i *elffile.Image) kernels.Arch {
	number, specific := i.Header.Flags&0xff, i.Header.Flags&0x800 != 0
	if i.Header.AbiVersion >= 8 {
		number, specific = i.Header.Flags>>8&0xff, i.Header.Flags&0x8 != 0 || compatSpecific(i)
	}
	if specific {
		return archOf(number, "a")
	}
	return archOf(number, "")
}

// compatSpecific reports whether attribute 9 of .nv.compat is 1.
func compatSpecific(i *elffile.Image) bool {
	const attributeSpecific = 9
	compat := i.Named(".nv.compat")
	if compat == nil {
		return false
	}
	data, err := i.Data(compat, content.MaxHeaderBytes, finding.CodeCubinFormat)
	if err != nil {
		return false
	}
	specific := false
	eachAttribute(data, func(attribute byte, value []byte) {
		specific = specific || attribute == attributeSpecific && len(value) > 0 && value[0] == 1
	})
	return specific
}
