package audit

import (
	"cmp"
	"errors"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/sagebuild/sagebuild/internal/diag"
	"github.com/sagebuild/sagebuild/internal/ui"
	"github.com/sagebuild/sagebuild/internal/wheel"
	"github.com/sagebuild/sagebuild/internal/wheel/object"
)

// TorchResult says which of the symbols that the wheel needs a torch exports.
type TorchResult struct {
	Path      string          `json:"path"`             // empty where no torch was needed
	Libraries int             `json:"libraries"`        // shared objects of torch
	Asked     int             `json:"asked"`            // symbols that torch or c10 must give, over all objects
	Absent    []string        `json:"absent,omitempty"` // DLLs that the wheel needs of torch and torch lacks
	Missing   []MissingSymbol `json:"missing"`
	Elsewhere []MissingSymbol `json:"elsewhere"` // symbols of no known group, and not of torch
}

// MissingSymbol is an undefined symbol that torch does not export.
type MissingSymbol struct {
	Name    string   `json:"name"`              // mangled, as libraries have it
	Plain   string   `json:"plain"`             // as its source has it
	Library string   `json:"library,omitempty"` // the DLL that must give the symbol
	Members []string `json:"members"`           // the objects that need the symbol
}

// wanted is a symbol to look up. Any library may give a symbol of ELF. A symbol of PE must come from the DLL that the
// import names, here in lower case.
type wanted struct{ library, name string }

// lookUp asks the torch of the options, if the options name a torch.
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

// askTorch searches torch's libraries for every strong undefined symbol of torch, of c10 and of no known group.
func (r *Report) askTorch(path string) error {
	asked, other := r.needed(GroupTorch, GroupC10), r.needed(GroupOther)
	open := map[wanted]bool{}
	for symbol := range asked {
		open[symbol] = true
	}
	for symbol := range other {
		if symbol.library == "" {
			open[symbol] = true
		}
	}
	libraries, err := findInTorch(path, asked, open)
	if err != nil {
		return err
	}
	r.Torch = &TorchResult{Path: path, Libraries: len(libraries), Asked: len(asked), Missing: left(asked, open), Elsewhere: left(other, open)}
	r.checkTorch(libraries)
	return nil
}

// told is a symbol as its source has it, and as a linker's error has it.
func told(symbol string) string {
	if plain := demangled(symbol); plain != symbol {
		return plain + " (" + symbol + ")"
	}
	return symbol
}

// checkTorch reports what torch lacks. It reports an absent DLL once, not once for each symbol of the DLL.
func (r *Report) checkTorch(libraries map[string]bool) {
	counts := map[string]int{}
	for _, symbol := range r.Torch.Missing {
		switch {
		case symbol.Library == "":
			r.fail(CodeTorchSymbol, symbol.Members[0], "torch does not export %s", told(symbol.Name))
		case libraries[symbol.Library]:
			r.fail(CodeTorchSymbol, symbol.Members[0], "torch's %s does not export %s", symbol.Library, told(symbol.Name))
		default:
			counts[symbol.Library]++
		}
	}
	r.Torch.Absent = slices.Sorted(maps.Keys(counts))
	for _, library := range r.Torch.Absent {
		r.fail(CodeTorchSymbol, "", "torch has no %s, which must give %s", library, ui.Count(counts[library], "symbol"))
	}
}

// findInTorch removes what torch exports from open and returns the names of its libraries.
func findInTorch(path string, asked map[wanted][]string, open map[wanted]bool) (map[string]bool, error) {
	const hint = "sagebuild audit --torch site-packages/torch/lib WHEEL"
	sources, closer, err := wheel.Libraries(path)
	if err != nil {
		return nil, &diag.Error{Class: diag.Usage, Message: "reading torch", Hint: hint, Err: err}
	}
	defer closer.Close()
	names := map[string]bool{}
	for _, source := range sources {
		names[libraryName(source)] = true
	}
	if err := isTorch(path, names, asked); err != nil {
		return nil, err
	}
	if err := search(sources, open); err != nil {
		return nil, &diag.Error{Class: diag.Usage, Message: "reading torch", Hint: hint, Err: err}
	}
	return names, nil
}

// isTorch wants path to be a torch, and the torch to be for the same system as the wheel's libraries.
func isTorch(path string, names map[string]bool, asked map[wanted][]string) error {
	elf, pe := names["libc10.so"], names["c10.dll"]
	if !elf && !pe {
		return diag.Usagef("sagebuild audit --torch site-packages/torch/lib WHEEL", "%s holds no torch: it has neither libc10.so nor c10.dll", path)
	}
	for symbol, members := range asked {
		if dll := symbol.library != ""; dll && !pe || !dll && !elf {
			return diag.Usagef("sagebuild audit --torch 2.8.0 WHEEL", "%s is a torch for another system than %s is for", path, members[0])
		}
	}
	return nil
}

// libraryName is a source's file name, in lower case as Windows compares it.
func libraryName(source object.Source) string {
	return strings.ToLower(source.Name[strings.LastIndexAny(source.Name, `/\`)+1:])
}

// search reads libraries side by side, the small ones first, because the largest library takes longest and is seldom
// needed.
func search(sources []object.Source, open map[wanted]bool) error {
	slices.SortStableFunc(sources, func(a, b object.Source) int { return cmp.Compare(a.Size, b.Size) })
	var mutex sync.Mutex
	var group errgroup.Group
	group.SetLimit(min(runtime.GOMAXPROCS(0), 4))
	errs := make([]error, len(sources))
	for at, source := range sources {
		group.Go(func() error {
			mutex.Lock()
			asked := askedOf(libraryName(source), open)
			mutex.Unlock()
			if len(asked) == 0 {
				return nil
			}
			left := map[string]bool{}
			for name := range asked {
				left[name] = true
			}
			errs[at] = object.FindExports(source, left)
			mutex.Lock()
			defer mutex.Unlock()
			for name, symbol := range asked {
				if !left[name] {
					delete(open, symbol)
				}
			}
			return nil
		})
	}
	_ = group.Wait()
	return errors.Join(errs...)
}

// askedOf is what a library may give, by name.
func askedOf(library string, open map[wanted]bool) map[string]wanted {
	asked := map[string]wanted{}
	for symbol := range open {
		if symbol.library == "" || symbol.library == library {
			asked[symbol.name] = symbol
		}
	}
	return asked
}

// needed maps the strong undefined symbols of some groups to the objects that need them.
func (r *Report) needed(groups ...Group) map[wanted][]string {
	names := map[wanted][]string{}
	for _, o := range r.wheel.Objects {
		for _, symbol := range o.Undefined {
			if symbol.Weak || !slices.Contains(groups, groupOf(o.Format, symbol, r.own)) {
				continue
			}
			key := wanted{name: symbol.Name}
			if o.Format == object.FormatPE {
				key.library = strings.ToLower(symbol.Library)
			}
			names[key] = append(names[key], o.Member)
		}
	}
	return names
}

// left lists the symbols that are still open, sorted.
func left(names map[wanted][]string, open map[wanted]bool) []MissingSymbol {
	var list []MissingSymbol
	for symbol, members := range names {
		if open[symbol] {
			list = append(list, MissingSymbol{symbol.name, demangled(symbol.name), symbol.library, members})
		}
	}
	slices.SortFunc(list, func(a, b MissingSymbol) int {
		return cmp.Or(strings.Compare(a.Library, b.Library), strings.Compare(a.Name, b.Name))
	})
	return list
}
