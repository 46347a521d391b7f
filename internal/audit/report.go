package audit

import (
	"cmp"
	"errors"
	"os"
	"path/filepath"
	"slices"

	"github.com/sagebuild/sagebuild/internal/diag"
	"github.com/sagebuild/sagebuild/internal/wheel"
	"github.com/sagebuild/sagebuild/internal/wheel/finding"
	"github.com/sagebuild/sagebuild/kernels"
	"github.com/sagebuild/sagebuild/matrix"
)

// Report is what an audit says about one wheel.
type Report struct {
	Path     string         `json:"path"`
	Name     string         `json:"name"` // the file name
	Size     int64          `json:"size"` // bytes
	SHA256   string         `json:"sha256,omitempty"`
	Filename wheel.Filename `json:"filename"`
	Info     wheel.Info     `json:"wheel"`
	Metadata wheel.Metadata `json:"metadata"`
	Code     []Code         `json:"code"`
	GPUs     []Coverage     `json:"gpus"`
	Kernels  []KernelGroup  `json:"kernels"`
	Compiled []Compiled     `json:"compiled,omitempty"` // from the wheel's own record
	Objects  []Object       `json:"objects"`
	Floor    Floor          `json:"floor"` // of all objects
	Symbols  []SymbolGroup  `json:"symbols"`
	Torch    *TorchResult   `json:"torch,omitempty"`
	Findings []Finding      `json:"findings"`

	all   bool         // every finding is written as text, not some of each code
	wheel *wheel.Wheel // nil for bytes that are no wheel
	own   owned
}

// Finding is one thing wrong with a wheel, and the place of the policy's rule if the wheel broke a rule.
type Finding struct {
	finding.Finding
	Rule *diag.Range `json:"rule,omitempty"`
}

// Options say how a wheel is audited.
type Options struct {
	Matrix  *matrix.Matrix // names GPUs, and knows our own wheels
	Sources *kernels.Set   // the kernels of our own wheels
	Policy  *Policy        // may be nil
	Torch   string         // a torch wheel or a directory with torch's libraries; "" asks no torch
	Kernels bool           // keep each kernel, not only sums
	All     bool           // write every finding as text, not some of each code
	// FindTorch takes the place of Torch. The audit calls FindTorch only for a wheel that needs symbols of torch.
	FindTorch func(*wheel.Wheel) (string, error)
}

// Run audits the wheel at path. Everything wrong with the wheel, down to bytes that are no zip, is a finding; the
// error is for files that cannot be read at all.
func Run(path string, options Options) (*Report, error) {
	w, err := wheel.Open(path)
	var refusal *finding.Refusal
	if errors.As(err, &refusal) {
		return refused(path, refusal), nil
	}
	if err != nil {
		return nil, &diag.Error{Class: diag.Usage, Message: "reading the wheel", Hint: diag.Command("ls", "-l", path), Err: err}
	}
	r := New(w, options)
	if err := r.lookUp(options); err != nil {
		return nil, err
	}
	options.Policy.judge(r)
	r.sortFindings()
	return r, nil
}

// New describes a wheel that has been read; New asks no torch and no policy.
func New(w *wheel.Wheel, options Options) *Report {
	r := &Report{
		Path: w.Path, Name: w.Name, Size: w.Size, SHA256: w.SHA256,
		Filename: w.Filename, Info: w.Info, Metadata: w.Metadata, all: options.All, wheel: w, own: ownedBy(w),
	}
	r.Code = codeOf(w)
	r.GPUs = coverages(w, options.Matrix)
	r.Kernels = kernelGroups(w, options.Kernels)
	r.Compiled = compiledOf(w)
	r.Objects = objectsOf(w, r.own)
	r.Floor = floorOf(r.Objects)
	r.Symbols = symbolGroups(w, r.own)
	for _, problem := range w.Problems {
		r.Findings = append(r.Findings, Finding{Finding: problem})
	}
	r.checkHost()
	r.checkDevice()
	r.checkPlan(options)
	r.checkUnread()
	return r
}

// refused is the report on bytes that no reader should unpack.
func refused(path string, refusal *finding.Refusal) *Report {
	r := &Report{Path: path, Name: filepath.Base(path)}
	if info, err := os.Stat(path); err == nil {
		r.Size = info.Size()
	}
	r.fail(refusal.Code, refusal.Member, "%s", refusal.Message)
	return r
}

// Unreadable is the report on a file that could not be read at all, among others that could.
func Unreadable(path string, err error) *Report {
	r := &Report{Path: path, Name: filepath.Base(path)}
	r.fail(CodeUnreadable, "", "%v", err)
	return r
}

// Failed reports whether a finding is an error.
func (r *Report) Failed() bool {
	for _, f := range r.Findings {
		if f.Severity == finding.Error {
			return true
		}
	}
	return false
}

// sortFindings puts errors first, and keeps the order of each severity.
func (r *Report) sortFindings() {
	slices.SortStableFunc(r.Findings, func(a, b Finding) int { return cmp.Compare(a.Severity, b.Severity) })
}
