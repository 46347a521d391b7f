package run

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/sagebuild/sagebuild/bake"
	"github.com/sagebuild/sagebuild/internal/digest"
	"github.com/sagebuild/sagebuild/internal/provenance"
	"github.com/sagebuild/sagebuild/internal/report"
	"github.com/sagebuild/sagebuild/internal/sums"
	"github.com/sagebuild/sagebuild/internal/system"
	"github.com/sagebuild/sagebuild/internal/wheel"
)

// recordsDir holds, below the state directory, a directory for each dist/ that wheels went to, and in it a file for each
// target.
const recordsDir = "wheels"

// inputsName stands in a record for what the wheel was made of, beside the names of the wheel and of its provenance.
const inputsName = "inputs"

// records say of which inputs the wheels in dist/ were made. A record has the form of SHA256SUMS and three lines: the
// hashes of the inputs, of the wheel, and of its provenance where it has one. It counts only while all three are what is
// there now, so that nothing needs to be known of how a record was damaged, and none has to survive a power cut.
type records struct {
	run    *Run
	dir    string            // of this dist/
	shared []string          // what decides every wheel of the run
	listed sums.List         // by SHA256SUMS of dist/
	inputs map[string]string // hashes by target, as they were when the run began; none where they cannot be known
	failed sync.Once         // to keep a record
}

// openRecords finds out what decides the wheels of the run.
func (r *Run) openRecords() (*records, error) {
	dist, err := filepath.Abs(r.Options.Dist)
	if err != nil {
		return nil, err
	}
	program, err := hashProgram()
	if err != nil {
		return nil, fmt.Errorf("reading the program itself: %w", err)
	}
	listed, _ := sums.Read(dist) // a damaged list makes no wheel up to date, and publishing one tells what is wrong
	k := &records{
		run: r, dir: filepath.Join(r.Options.State, recordsDir, shortHash(dist)), listed: listed, inputs: map[string]string{},
		// Another program may check more, and provenance names the source and who builds.
		shared: []string{program, r.inputs.commit, r.inputs.repository, r.Options.Builder},
	}
	for _, target := range r.Plan.Targets {
		if hash, err := k.inputsOf(target); err == nil { // else the build says what is wrong
			k.inputs[target.Name] = hash
		}
	}
	return k, nil
}

// hashProgram is the hash of the file that this process runs, even where another was put in its place.
var hashProgram = sync.OnceValues(func() (string, error) {
	if sum, err := digest.File("/proc/self/exe"); err == nil {
		return sum, nil
	}
	path, err := os.Executable()
	if err != nil {
		return "", err
	}
	return digest.File(path)
})

// inputsOf is a hash of everything that decides a wheel, what is checked of it, and what its provenance says.
func (k *records) inputsOf(target bake.Target) (string, error) {
	plan, err := json.Marshal(target)
	if err != nil {
		return "", err
	}
	facts := append(k.shared[:len(k.shared):len(k.shared)], string(plan), fmt.Sprintf("%+v", wheel.Expect(target.Selection.Cell, k.run.Project.Kernels)))
	for _, name := range slices.Sorted(maps.Keys(target.Contexts)) {
		fact, err := k.run.inputs.context(target.Contexts[name])
		if err != nil {
			return "", err
		}
		facts = append(facts, fact)
	}
	return k.run.inputs.of(target, facts...)
}

// find returns a result for every target of the plan whose wheel is up to date, and nil for the others.
func (k *records) find(ctx context.Context) []*Result {
	found := make([]*Result, len(k.run.Plan.Targets))
	if k.run.Options.NoCache || len(k.run.Options.CacheTo) > 0 { // who asks for these wants the steps to run, or their cache
		return found
	}
	_ = pool{k.run.Options.Jobs, true}.each(ctx, len(found), func(_ context.Context, i int) error {
		target := k.run.Plan.Targets[i]
		if size, ok := k.upToDate(target); ok {
			result := newResult(target)
			result.Row.Outcome, result.Row.Size, result.Row.Wheel = report.UpToDate, size, relative(k.wheel(target))
			found[i] = &result
		}
		return nil
	})
	return found
}

func (k *records) wheel(target bake.Target) string {
	return filepath.Join(k.run.Options.Dist, target.Wheel)
}

// upToDate says whether the wheel in dist/ is the one that this run would make, and how large it is.
func (k *records) upToDate(target bake.Target) (size int64, ok bool) {
	text, err := os.ReadFile(k.path(target))
	if err != nil {
		return 0, false
	}
	record, err := sums.Parse(text)
	if err != nil || k.inputs[target.Name] == "" || record[inputsName] != k.inputs[target.Name] {
		return 0, false
	}
	there, err := hashWheel(k.wheel(target))
	if err != nil || !k.lists(there) {
		return 0, false
	}
	there[inputsName] = k.inputs[target.Name]
	info, err := os.Stat(k.wheel(target))
	if err != nil || !maps.Equal(record, there) {
		return 0, false
	}
	return info.Size(), true
}

// lists says whether SHA256SUMS has these lines.
func (k *records) lists(files sums.List) bool {
	for name, sum := range files {
		if k.listed[name] != sum {
			return false
		}
	}
	return true
}

// hashWheel is the hash of a wheel, and that of its provenance where there is one.
func hashWheel(path string) (sums.List, error) {
	files := sums.List{}
	for _, file := range []string{path, provenance.StatementFile(path)} {
		sum, err := digest.File(file)
		if errors.Is(err, fs.ErrNotExist) && file != path {
			continue
		}
		if err != nil {
			return nil, err
		}
		files[filepath.Base(file)] = sum
	}
	return files, nil
}

// keep remembers that files, a wheel and its provenance, were checked and published. Without a record the next bake
// builds the wheel again, which is said once.
func (k *records) keep(target bake.Target, files sums.List) {
	if err := k.write(target, files); err != nil {
		k.failed.Do(func() { k.run.note("the next bake builds wheels again that are up to date: %v", err) })
	}
}

// write replaces a record in one step. While the wheel was made, nothing that it is made of may have been touched: nobody
// could say what the builder has read.
func (k *records) write(target bake.Target, files sums.List) error {
	record := maps.Clone(files)
	record[inputsName] = k.inputs[target.Name]
	if record[inputsName] == "" || !k.run.inputs.isUntouched(target) {
		return nil
	}
	if err := os.MkdirAll(k.dir, 0o755); err != nil {
		return err
	}
	file, err := os.CreateTemp(k.dir, ".new-*")
	if err != nil {
		return err
	}
	defer os.Remove(file.Name())
	_, err = file.Write(record.Text())
	if err := errors.Join(err, file.Close()); err != nil {
		return err
	}
	return os.Rename(file.Name(), k.path(target))
}

func (k *records) path(target bake.Target) string { return filepath.Join(k.dir, target.Name) }

// Forget deletes what bakes have recorded below a state directory, and returns the bytes that this frees. The next bake
// builds every wheel again, from the build cache where it can.
func Forget(state string) (freed int64, err error) {
	return system.RemoveTree(filepath.Join(state, recordsDir))
}
