package run

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"github.com/sagebuild/sagebuild/bake"
	"github.com/sagebuild/sagebuild/internal/digest"
	"github.com/sagebuild/sagebuild/internal/provenance"
	"github.com/sagebuild/sagebuild/internal/report"
	"github.com/sagebuild/sagebuild/internal/sums"
	"github.com/sagebuild/sagebuild/internal/wheel"
	"github.com/sagebuild/sagebuild/internal/wheel/finding"
)

// How the rebuild of a wheel ends.
const (
	Identical  = "identical"
	Different  = "different"
	Unreadable = "unreadable" // no wheel of the matrix: nothing was built
)

// Rebuilt is what came of one wheel that was built again.
type Rebuilt struct {
	Wheel      string                `json:"wheel"`
	Target     string                `json:"target"`
	Result     string                `json:"result"` // identical, different, failed or skipped
	Cached     bool                  `json:"cached"` // every step came from the build cache
	SHA256     string                `json:"sha256"`
	Rebuilt    string                `json:"rebuilt,omitempty"`  // SHA-256 of what was built
	Kept       string                `json:"kept,omitempty"`     // path of what was built
	Revision   string                `json:"revision,omitempty"` // of the source, by the wheel's provenance
	Notes      []string              `json:"notes"`              // what to know of the source and the files beside the wheel
	Problems   []string              `json:"problems"`           // of the files beside the wheel, or of a wheel that is none
	Difference *wheel.ByteDifference `json:"difference,omitempty"`
	Failure    *report.Failure       `json:"failure,omitempty"` // of the build
}

// Bad says whether the wheel is not what it should be.
func (r *Rebuilt) Bad() bool { return r.Result == Different || len(r.Problems) > 0 }

// Rebuild builds every wheel of the plan again and compares it with the file that wheels names for its cell. With
// keep, a wheel that differs is moved into dist/. The wheels come in the plan's order.
func (r *Run) Rebuild(ctx context.Context, wheels map[string]string, keep bool) ([]*Rebuilt, []Result, error) {
	all := map[string]*Rebuilt{}
	var mutex sync.Mutex // one comparison at a time: wheels are unpacked into memory
	results, err := r.each(ctx, func(s *session, ctx context.Context, target bake.Target, _ *report.Row) error {
		path, result, err := s.buildWheel(ctx, target)
		if err != nil {
			return err
		}
		mutex.Lock()
		defer mutex.Unlock()
		rebuilt := newRebuilt(wheels, target)
		rebuilt.Cached = result.Cached
		all[target.Cell] = rebuilt
		if err := rebuilt.compare(path); err != nil || rebuilt.Result != Different || !keep {
			return err
		}
		kept, _, err := s.staging.publishWheel(path)
		rebuilt.Kept = relative(kept)
		return err
	})
	return inOrder(results, all, wheels), results, err
}

func newRebuilt(wheels map[string]string, target bake.Target) *Rebuilt {
	return &Rebuilt{Wheel: wheels[target.Cell], Target: target.Cell, Notes: []string{}, Problems: []string{}}
}

// inOrder lists the wheels in the order of the results. One that was not compared has the outcome of its build.
func inOrder(results []Result, all map[string]*Rebuilt, wheels map[string]string) []*Rebuilt {
	list := make([]*Rebuilt, len(results))
	for i, result := range results {
		if list[i] = all[result.Target.Cell]; list[i] == nil {
			list[i] = newRebuilt(wheels, result.Target)
		}
		if result.Err != nil {
			list[i].Result, list[i].Failure = string(result.Row.Outcome), result.Row.Failure
		}
	}
	return list
}

// compare fills in how the wheel and the one that was built again differ.
func (r *Rebuilt) compare(path string) (err error) {
	if r.SHA256, err = digest.File(r.Wheel); err != nil {
		return err
	}
	if r.Rebuilt, err = digest.File(path); err != nil {
		return err
	}
	if err := r.lookBeside(); err != nil {
		return err
	}
	r.Result = Identical
	if r.SHA256 == r.Rebuilt {
		return nil
	}
	r.Result = Different
	r.Difference, err = wheel.CompareBytes(r.Wheel, path)
	var refusal *finding.Refusal
	if errors.As(err, &refusal) {
		r.Problems = append(r.Problems, refusal.Error())
		return nil
	}
	if err == nil {
		r.Difference.B.Path = "" // gone when the run ends
	}
	return err
}

// lookBeside compares the wheel's hash with provenance and SHA256SUMS in the wheel's directory. Both may be missing.
func (r *Rebuilt) lookBeside() error {
	name := filepath.Base(r.Wheel)
	list, err := sums.Read(filepath.Dir(r.Wheel))
	switch sum, listed := list[name]; {
	case err != nil:
		r.Problems = append(r.Problems, err.Error())
	case listed && sum != r.SHA256:
		r.Problems = append(r.Problems, fmt.Sprintf("%s says SHA-256 %s", sums.File, sum))
	case !listed:
		r.Notes = append(r.Notes, "no "+sums.File+" beside it lists it")
	}
	text, err := os.ReadFile(provenance.StatementFile(r.Wheel))
	if errors.Is(err, os.ErrNotExist) {
		r.Notes = append(r.Notes, "it has no provenance beside it")
		return nil
	}
	if err != nil {
		return err
	}
	if err := provenance.CheckStatement(text, name, r.SHA256); err != nil {
		r.Problems = append(r.Problems, provenance.StatementFile(name)+": "+err.Error())
	}
	r.Revision = provenance.Revision(text)
	return nil
}
