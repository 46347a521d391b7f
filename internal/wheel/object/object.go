// Package object reads shared objects of the host: ELF files of Linux and PE files of Windows.
//
//	object.go                             what an object is, whatever its format
//	elfobject.go, versions.go             ELF
//	pe.go, window.go                      PE: headers, and tables by their address
//	peimport.go, peexport.go, pedebug.go  what a DLL needs, what it gives, what the linker left in it
//	foreign.go                            libraries in formats that are not read
//	exports.go                            what a large object defines, read forward only
package object

import (
	"encoding/binary"
	"path"
	"slices"
	"strings"

	"github.com/sagebuild/sagebuild/internal/wheel/content"
	"github.com/sagebuild/sagebuild/internal/wheel/elffile"
	"github.com/sagebuild/sagebuild/internal/wheel/finding"
)

var little = binary.LittleEndian

// Object is a shared object for the host, or rarely a program, in one of the formats that a reader knows.
type Object struct {
	Linkage
	SymbolTable     bool            `json:"symbolTable"`
	DebugInfo       bool            `json:"debugInfo"`
	Timestamp       uint32          `json:"timestamp,omitempty"`  // of PE: seconds since 1970, or a hash
	Repeatable      bool            `json:"repeatable,omitempty"` // of PE: linked so that the timestamp is a hash
	Versions        []SymbolVersion `json:"versions,omitempty"`
	GlibcFloor      string          `json:"glibcFloor,omitempty"`     // highest GLIBC_ version needed
	LibstdcxxFloor  string          `json:"libstdcxxFloor,omitempty"` // highest GLIBCXX_ version needed
	CXXABIFloor     string          `json:"cxxabiFloor,omitempty"`    // highest CXXABI_ version needed
	LibgccFloor     string          `json:"libgccFloor,omitempty"`    // highest GCC_ version needed
	Undefined       []Undefined     `json:"undefined,omitempty"`
	Exported        []string        `json:"-"`                         // symbols that the object defines, for others or for itself
	DeviceCodeBytes int64           `json:"deviceCodeBytes,omitempty"` // sections of fatbins
}

// Linkage is what an object is, and what it asks of the loader.
type Linkage struct {
	Member   string   `json:"member"`
	Format   Format   `json:"format"`
	Size     int64    `json:"size"`
	Machine  string   `json:"machine"`           // "x86_64", "aarch64", or the format's name
	SOName   string   `json:"soname,omitempty"`  // the name that it gives itself
	Needed   []string `json:"needed"`            // libraries that are loaded with it
	Delayed  []string `json:"delayed,omitempty"` // DLLs that are loaded at the first call
	RPath    []string `json:"rpath,omitempty"`   // RPATH and RUNPATH entries
	PDB      string   `json:"pdb,omitempty"`     // of PE: where the linker wrote the debug information
	Stripped bool     `json:"stripped"`          // neither symbol table nor debug information
}

// Libraries lists what the loader is asked for, at once or at the first call.
func (l Linkage) Libraries() []string { return slices.Concat(l.Needed, l.Delayed) }

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
	describe(o *Object, left *content.Budget) error
	parts() []Section
}

// Section is a named part of an object. The file has no bytes of a missing section.
type Section struct {
	content.Piece
	Missing bool
}

func open(c content.Content) (objectReader, error) {
	if head := c.Magic(); IsMZ(head[:]) {
		return readPE(c)
	}
	image, err := elffile.Read(c, finding.CodeObjectFormat)
	return elfObject{image}, err
}

// Is reports whether a file is a shared object; a Windows program is not.
func Is(name string, c content.Content) bool {
	head := c.Magic()
	return elffile.Is(head[:]) || IsMZ(head[:]) && path.Ext(name) != ".exe" && isPE(c)
}

// IsDLL knows the names of Windows libraries; .pyd is a DLL that Python imports.
func IsDLL(name string) bool {
	extension := strings.ToLower(path.Ext(name))
	return extension == ".dll" || extension == ".pyd"
}

// Read reads a shared object, and lists its sections. With an error the object holds what could be read; it is nil
// where the headers are refused.
func Read(name string, c content.Content, left *content.Budget) (*Object, []Section, error) {
	reader, err := open(c)
	if err != nil {
		return nil, nil, err
	}
	object := &Object{Linkage: Linkage{Member: name, Size: c.Size}}
	err = reader.describe(object, left)
	return object, reader.parts(), err
}

// Pieces lists the header and the sections of a shared object or cubin, and nothing for a damaged file.
func Pieces(c content.Content) []content.Piece {
	reader, err := open(c)
	if err != nil {
		return nil
	}
	var list []content.Piece
	for _, s := range reader.parts() {
		if !s.Missing {
			list = append(list, s.Piece)
		}
	}
	return list
}
