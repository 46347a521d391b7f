package object

import (
	"bytes"
	"debug/elf"
	"debug/pe"
	"encoding/binary"
	"path"
	"strings"

	"github.com/sagebuild/sagebuild/internal/wheel/content"
	"github.com/sagebuild/sagebuild/internal/wheel/elffile"
	"github.com/sagebuild/sagebuild/internal/wheel/finding"
)

// Foreign is a library in a format that is not read, known by its first bytes: a suffix promises nothing, because Python's
// extensions end in .so on macOS and in a browser too.
type Foreign struct {
	Member  string `json:"member"`
	Format  string `json:"format"`            // for people: "32-bit ELF"
	System  string `json:"system,omitempty"`  // as Platform names it
	Machine string `json:"machine,omitempty"` // empty where the format or this reader does not tell
}

// DebugFile is the Format of debug information that was split from a library (objcopy --only-keep-debug): it has the
// headers of the library, and not its bytes.
const DebugFile = "split debug information"

// FindForeign recognises a library of another format, or of another class or byte order of ELF and PE.
func FindForeign(name string, c content.Content) (Foreign, bool) {
	head := c.Magic()
	switch {
	case elffile.Is(head[:]):
		return foreignELF(name, head[:], c)
	case IsMZ(head[:]):
		return foreignPE(name, c)
	case bytes.HasPrefix(head[:], []byte("\x00asm")):
		return Foreign{name, "WebAssembly", "wasm", "wasm32"}, true
	case isMachO(name, binary.BigEndian.Uint32(head[:])):
		return Foreign{name, "Mach-O", "macos", ""}, true
	case bytes.HasPrefix(head[:], []byte("!<ar")): // of "!<arch>"
		return Foreign{name, "static library", "", ""}, true
	}
	return Foreign{}, false
}

// isMachO knows the magics of 32 and 64 bits in both byte orders, and of files for several machines. Java's classes have
// the last one too.
func isMachO(name string, magic uint32) bool {
	switch magic {
	case 0xfeedface, 0xfeedfacf, 0xcefaedfe, 0xcffaedfe:
		return true
	case 0xcafebabe, 0xcafebabf:
		return path.Ext(name) == ".so" || path.Ext(name) == ".dylib"
	}
	return false
}

// elfMachines are names as platform tags have them.
var elfMachines = map[elf.Machine]string{
	elf.EM_386: "i686", elf.EM_ARM: "armv7l", elf.EM_X86_64: "x86_64", elf.EM_AARCH64: "aarch64", elf.EM_S390: "s390x",
	elf.EM_PPC64: "ppc64le", elf.EM_RISCV: "riscv64", elf.EM_LOONGARCH: "loongarch64",
}

func foreignELF(name string, head []byte, c content.Content) (Foreign, bool) {
	class, data := elf.Class(head[elf.EI_CLASS]), elf.Data(head[elf.EI_DATA])
	var order binary.ByteOrder = binary.LittleEndian
	if data == elf.ELFDATA2MSB {
		order = binary.BigEndian
	}
	machine := elfMachines[elf.Machine(order.Uint16(head[18:]))]
	switch {
	case class == elf.ELFCLASS32 && (data == elf.ELFDATA2LSB || data == elf.ELFDATA2MSB):
		return Foreign{name, "32-bit ELF", "linux", machine}, true
	case class == elf.ELFCLASS64 && data == elf.ELFDATA2MSB:
		return Foreign{name, "big-endian ELF", "linux", machine}, true
	case isDebugFile(c):
		return Foreign{name, DebugFile, "linux", machine}, true
	}
	return Foreign{}, false
}

// isDebugFile judges by what a loader maps: the file has program headers for executable memory, and no byte to put there.
func isDebugFile(c content.Content) bool {
	image, err := elffile.Read(c, finding.CodeObjectFormat)
	if err != nil {
		return false
	}
	executable := 0
	for _, program := range image.Programs {
		if program.Kind == elf.PT_LOAD && program.Flags&elf.PF_X != 0 {
			executable++
			if program.Size > 0 {
				return false
			}
		}
	}
	return executable > 0
}

// foreignPE knows 32-bit DLLs, by the magic of their optional header.
func foreignPE(name string, c content.Content) (Foreign, bool) {
	const narrow = 0x10b
	head, _ := c.Slice(0, uint64(min(c.Size, content.MaxPEHeaders)))
	data, ok := head.Bytes(content.MaxPEHeaders)
	raw, err := peSignature(data)
	if !ok || err != nil || len(raw) < peFileHeaderBytes+2 || little.Uint16(raw[peFileHeaderBytes:]) != narrow || strings.HasSuffix(name, ".exe") {
		return Foreign{}, false
	}
	machine := map[uint16]string{pe.IMAGE_FILE_MACHINE_I386: "i686", pe.IMAGE_FILE_MACHINE_ARMNT: "armv7l"}[little.Uint16(raw[4:])]
	return Foreign{name, "32-bit PE", "windows", machine}, true
}
