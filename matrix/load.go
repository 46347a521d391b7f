// Package matrix is the domain of sagebuild: which wheels there are, what they are called, and what may be combined.
// The package takes every fact from one definition file in HCL; default.hcl is built in.
package matrix

import (
	_ "embed"
	"errors"
	"io"
	"io/fs"
	"os"
	"reflect"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/gohcl"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/sagebuild/sagebuild/internal/diag"
)

// DefaultFile is where the built-in definition lies in the source tree.
const DefaultFile = "matrix/default.hcl"

//go:embed default.hcl
var defaultDefinition []byte

// Matrix is a definition file after every check: the cells that may be built, and the reasons why other cells may
// not.
type Matrix struct {
	file      string
	packages  []Package
	platforms []Platform
	torches   []torchRelease
	toolkits  []toolkit
	sms       []gpuFamily
	cells     []Cell
	groups    []Group

	selections []named        // every target, builds before tests
	places     map[string]int // index of a target in selections
}

// torchRelease is one minor release of torch, with the CUDAs and Pythons that the release is built for.
type torchRelease struct {
	version      Version // two numbers
	cuda, python []Version
	source       string
}

// toolkit is one minor release of CUDA and the SMs that its NVRTC compiles for.
type toolkit struct {
	version Version // two numbers
	targets []SM
	source  string
}

// gpuFamily is an SM of the matrix and its GPUs. The GPUs run code that is compiled for the SM itself, or the code of
// image.
type gpuFamily struct {
	sm      SM
	minimum Version // oldest CUDA that may build the SM's kernels, two numbers; zero with an image
	image   SM      // the SM whose code the GPUs run, or zero
	imageAt *diag.Range
	gpus    []string
	source  string
}

// compiled reports whether kernels are compiled for the SM itself.
func (g gpuFamily) compiled() bool { return g.image == SM{} }

// Load reads the definition at path, or the built-in definition where path is "". The error joins one *diag.Error of
// class Usage for each mistake, with the mistake's line and column.
func Load(path string) (*Matrix, error) {
	if path == "" {
		return Parse(DefaultFile, defaultDefinition)
	}
	src, err := read(path)
	if err != nil {
		hint := "sagebuild matrix"
		if errors.Is(err, fs.ErrNotExist) {
			hint = "sagebuild matrix --matrix FILE"
		}
		return nil, &diag.Error{Message: "reading the matrix definition", Hint: hint, Class: diag.Usage, Err: err}
	}
	return Parse(path, src)
}

// read returns no more of a file, which may be a pipe without an end, than shows that it is too large.
func read(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return io.ReadAll(io.LimitReader(file, maxSize+1))
}

// Parse is Load for a definition in memory; name is what errors call the file.
func Parse(name string, src []byte) (*Matrix, error) {
	if err := checkBounds(name, src); err != nil {
		return nil, err
	}
	r := &reader{}
	m := &Matrix{file: name}
	file, found := hclsyntax.ParseConfig(src, name, hcl.InitialPos)
	r.diagnostics(found)
	if r.err() != nil {
		return nil, r.err()
	}
	var schema fileSchema
	r.diagnostics(gohcl.DecodeBody(file.Body, nil, &schema))
	r.required(reflect.ValueOf(schema))
	if r.err() != nil {
		return nil, r.err()
	}
	m.readAxes(r, &schema)
	if r.err() != nil {
		return nil, r.err()
	}
	m.readCells(r, schema.Cells, file.Body.MissingItemRange())
	m.readUniversal(r, schema.Universal)
	if r.err() != nil {
		return nil, r.err()
	}
	m.nameTargets()
	m.deriveGroups(r, schema.Default)
	m.readGroups(r, schema.Groups)
	return m, r.err()
}

// File is the name of the definition, as errors show it.
func (m *Matrix) File() string { return m.file }
