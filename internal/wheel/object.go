package wheel

import (
	"path"
	"strings"
)

// Object is a shared object for the host, or rarely a program, in one of the formats that a reader knows.
type Object struct {
	Member          string          `json:"member"`
	Format          Format          `json:"format"`
	Size            int64           `json:"size"`
	Machine         string          `json:"machine"`           // "x86_64", "aarch64", or the format's name
	SOName          string          `json:"soname,omitempty"`  // the name that it gives itself
	Needed          []string        `json:"needed,omitempty"`  // libraries that are loaded with it
	Delayed         []string        `json:"delayed,omitempty"` // DLLs that are loaded at the first call
	RPath           []string        `json:"rpath,omitempty"`   // RPATH and RUNPATH entries
	Stripped        bool            `json:"stripped"`          // neither symbol table nor debug information
	SymbolTable     bool            `json:"symbolTable"`
	DebugInfo       bool            `json:"debugInfo"`
	Timestamp       uint32          `json:"timestamp,omitempty"`  // of PE: seconds since 1970, or a hash
	Repeatable      bool            `json:"repeatable,omitempty"` // of PE: linked so that the timestamp is a hash
	PDB             string          `json:"pdb,omitempty"`        // of PE: where the linker wrote the debug information
	Versions        []SymbolVersion `json:"versions,omitempty"`
	GlibcFloor      string          `json:"glibcFloor,omitempty"`     // highest GLIBC_ version needed
	LibstdcxxFloor  string          `json:"libstdcxxFloor,omitempty"` // highest GLIBCXX_ version needed
	CXXABIFloor     string          `json:"cxxabiFloor,omitempty"`    // highest CXXABI_ version needed
	LibgccFloor     string          `json:"libgccFloor,omitempty"`    // highest GCC_ version needed
	Undefined       []Undefined     `json:"undefined,omitempty"`
	Exported        []string        `json:"-"`                         // symbols that the object defines, for others or for itself
	DeviceCodeBytes int64           `json:"deviceCodeBytes,omitempty"` // sections of fatbins
}

// Format is a file format of shared objects.
type Format string

const (
	FormatELF Format = "elf"
	FormatPE  Format = "pe" // DLLs of Windows, and Python's .pyd
)

// System is the operating system that loads files of the format, as Platform names it.
func (f Format) System() string {
	return map[Format]string{FormatELF: "linux", FormatPE: "windows"}[f]
}

// Undefined is a symbol that another library must give.
type Undefined struct {
	Name    string `json:"name"` // "#12" where a DLL is asked for a number
	Version string `json:"version,omitempty"`
	Library string `json:"library,omitempty"` // of ELF that of the version, if it has one; a DLL always
	Weak    bool   `json:"weak,omitempty"`
}

// objectReader is a file of one format whose headers have been read.
type objectReader interface {
	describe(o *Object, left *budget) error
	parts() []section
}

// section is a named part of an object; of a missing one the file has no bytes.
type section struct {
	piece
	missing bool
}

func openObject(c content) (objectReader, error) {
	if head := c.magic(); isMZ(head[:]) {
		return readPE(c)
	}
	return readELF(c, CodeObjectFormat)
}

// isObject tells a shared object: a Windows program is none.
func isObject(name string, c content) bool {
	head := c.magic()
	return isELF(head[:]) || isMZ(head[:]) && path.Ext(name) != ".exe" && isPE(c)
}

// isDLL knows the names of Windows libraries; .pyd is a DLL that Python imports.
func isDLL(name string) bool {
	extension := strings.ToLower(path.Ext(name))
	return extension == ".dll" || extension == ".pyd"
}

// readObject reads a shared object, and lists its sections. With an error the object holds what could be read; it is nil
// where the headers are refused.
func readObject(name string, c content, left *budget) (*Object, []section, error) {
	reader, err := openObject(c)
	if err != nil {
		return nil, nil, err
	}
	object := &Object{Member: name, Size: c.size}
	err = reader.describe(object, left)
	return object, reader.parts(), err
}

// objectPieces lists the header and the sections of a shared object or cubin; nothing of what is damaged.
func objectPieces(c content) []piece {
	reader, err := openObject(c)
	if err != nil {
		return nil
	}
	var list []piece
	for _, s := range reader.parts() {
		if !s.missing {
			list = append(list, s.piece)
		}
	}
	return list
}
