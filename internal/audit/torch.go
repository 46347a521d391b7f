package audit

import (
	"cmp"
	"errors"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync"

	"github.com/sagebuild/sagebuild/internal/diag"
	"github.com/sagebuild/sagebuild/internal/wheel"
)

// TorchResult is what a torch exports of what the wheel needs.
type TorchResult struct {
	Path      string          `json:"path"`      // empty where no torch was needed
	Libraries int             `json:"libraries"` // shared objects of torch
	Asked     int             `json:"asked"`     // symbols that torch or c10 must give, over all objects
	Missing   []MissingSymbol `json:"missing"`
	Elsewhere []MissingSymbol `json:"elsewhere"` // symbols of no known group that torch does not export either
}

// MissingSymbol is an undefined symbol that torch does not export.
type MissingSymbol struct {
	Name    string   `json:"name"`
	Members []string `json:"members"` // who needs it
}

// lookUp asks the torch of the options, if there is one.
func (r *Report) lookUp(options Options) error {
	if options.FindTorch == nil {
		if options.Torch == "" {
			return nil
		}
		return r.askTorch(options.Torch)
	}
	if len(r.needed(GroupTorch, GroupC10)) == 0 {
		r.Torch = &TorchResult{}
		return nil
	}
	path, err := options.FindTorch(r.wheel)
	if err != nil {
		return err
	}
	return r.askTorch(path)
}

// askTorch looks every strong undefined symbol of torch, c10 and of nobody known up in torch's libraries.
func (r *Report) askTorch(path string) error {
	asked, other := r.needed(GroupTorch, GroupC10), r.needed(GroupOther)
	wanted := map[string]bool{}
	for _, set := range []map[string][]string{asked, other} {
		for name := range set {
			wanted[name] = true
		}
	}
	libraries, err := findInTorch(path, wanted)
	if err != nil {
		return err
	}
	r.Torch = &TorchResult{
		Path: path, Libraries: libraries, Asked: len(asked),
		Missing: left(asked, wanted), Elsewhere: left(other, wanted),
	}
	for _, symbol := range r.Torch.Missing {
		r.fail(CodeTorchSymbol, symbol.Members[0], "torch does not export %s", symbol.Name)
	}
	return nil
}

// findInTorch removes what torch exports from wanted and returns how many libraries it read.
func findInTorch(path string, wanted map[string]bool) (int, error) {
	const hint = "sagebuild audit --torch site-packages/torch/lib WHEEL"
	sources, closer, err := wheel.Libraries(path)
	if err != nil {
		return 0, &diag.Error{Class: diag.Usage, Message: "reading torch", Hint: hint, Err: err}
	}
	defer closer.Close()
	if !slices.ContainsFunc(sources, func(s wheel.Source) bool { return strings.Contains(s.Name, "libc10") }) {
		return 0, diag.Usagef(hint, "%s holds no torch: it has no libc10", path)
	}
	if err := search(sources, wanted); err != nil {
		return 0, &diag.Error{Class: diag.Usage, Message: "reading torch", Hint: hint, Err: err}
	}
	return len(sources), nil
}

// search reads libraries side by side, the small ones first: the largest is seldom needed, and takes longest.
func search(sources []wheel.Source, wanted map[string]bool) error {
	slices.SortStableFunc(sources, func(a, b wheel.Source) int { return cmp.Compare(a.Size, b.Size) })
	var mutex sync.Mutex
	var group sync.WaitGroup
	errs := make([]error, len(sources))
	slots := make(chan bool, min(runtime.GOMAXPROCS(0), 4))
	for at, source := range sources {
		slots <- true
		mutex.Lock()
		left := maps.Clone(wanted)
		mutex.Unlock()
		if len(left) == 0 {
			break
		}
		group.Go(func() {
			defer func() { <-slots }()
			errs[at] = wheel.FindExports(source, left)
			mutex.Lock()
			defer mutex.Unlock()
			maps.DeleteFunc(wanted, func(name string, _ bool) bool { return !left[name] })
		})
	}
	group.Wait()
	return errors.Join(errs...)
}

// needed maps the strong undefined symbols of some groups to the objects that need them.
func (r *Report) needed(groups ...Group) map[string][]string {
	own := exportsOf(r.wheel)
	names := map[string][]string{}
	for _, object := range r.wheel.Objects {
		for _, symbol := range object.Undefined {
			if !symbol.Weak && slices.Contains(groups, groupOf(symbol, own)) {
				names[symbol.Name] = append(names[symbol.Name], object.Member)
			}
		}
	}
	return names
}

// left lists, sorted, the names that are still wanted.
func left(names map[string][]string, wanted map[string]bool) []MissingSymbol {
	var list []MissingSymbol
	for name, members := range names {
		if wanted[name] {
			list = append(list, MissingSymbol{name, members})
		}
	}
	slices.SortFunc(list, func(a, b MissingSymbol) int { return strings.Compare(a.Name, b.Name) })
	return list
}
