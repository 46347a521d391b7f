package audit

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/sagebuild/sagebuild/internal/ui"
	"github.com/sagebuild/sagebuild/internal/wheel"
	"github.com/sagebuild/sagebuild/kernels"
)

// Compiled sums up what the check of the compiler found in the cubins of one SM; docs/sass.md says what each number means.
type Compiled struct {
	Arch         kernels.Arch   `json:"arch"`
	Nvdisasm     string         `json:"nvdisasm"`
	ReadAs       string         `json:"readAs,omitempty"` // the SM as which nvdisasm read them, if not their own
	Cubins       int            `json:"cubins"`
	Kernels      int            `json:"kernels"`
	Instructions int            `json:"instructions"`
	Tensor       map[string]int `json:"tensor,omitempty"` // opcode → how often
	SpillLoads   int            `json:"spillLoads"`
	SpillStores  int            `json:"spillStores"`
	Doubtful     int            `json:"doubtful"` // reads of registers that some paths leave unwritten
	Unreached    int            `json:"unreached"`
	Unknown      map[string]int `json:"unknown,omitempty"` // opcodes that were read by the general rule
	Unclear      map[string]int `json:"unclear,omitempty"` // jumps that could not be followed
}

// compiledOf reads the wheel's record, SM by SM. A wheel without a record has none, which is no fault.
func compiledOf(w *wheel.Wheel) []Compiled {
	if w.Compiled == nil {
		return nil
	}
	sums := map[kernels.Arch]*Compiled{}
	for _, image := range w.Compiled.Images {
		arch, ok := archOfCubin(image.Cubin)
		if !ok {
			continue
		}
		sum := sums[arch]
		if sum == nil {
			sum = &Compiled{Arch: arch, Nvdisasm: image.Nvdisasm, ReadAs: image.ReadAs, Tensor: map[string]int{}, Unknown: map[string]int{}, Unclear: map[string]int{}}
			sums[arch] = sum
		}
		sum.Cubins++
		for _, kernel := range image.Kernels {
			sum.add(kernel)
		}
	}
	var list []Compiled
	for _, arch := range slices.SortedFunc(maps.Keys(sums), kernels.Arch.Compare) {
		list = append(list, *sums[arch])
	}
	return list
}

// archOfCubin reads 9.0a from NAME.sm_90a.cubin.
func archOfCubin(name string) (kernels.Arch, bool) {
	_, rest, _ := strings.Cut(strings.TrimSuffix(name, ".cubin"), ".")
	arch, err := kernels.ParseArch(rest)
	return arch, err == nil
}

func (c *Compiled) add(kernel wheel.CheckedKernel) {
	c.Kernels++
	c.Instructions += kernel.Instructions
	c.SpillLoads += kernel.SpillLoads
	c.SpillStores += kernel.SpillStores
	c.Doubtful += len(kernel.Doubtful)
	c.Unreached += kernel.Unreached
	for sum, part := range map[*map[string]int]map[string]int{&c.Tensor: kernel.Tensor, &c.Unknown: kernel.Unknown, &c.Unclear: kernel.Unclear} {
		for opcode, count := range part {
			(*sum)[opcode] += count
		}
	}
}

// compilerText is the line about the record: that there is none is said, because silence would look like praise.
func (r *Report) compilerText() string {
	switch {
	case r.wheel == nil || len(r.Code) == 0:
		return ""
	case r.wheel.Compiled == nil:
		return "the wheel has no record of a check (" + wheel.CompiledFile + ")"
	}
	cubins, kernels := 0, 0
	for _, c := range r.Compiled {
		cubins, kernels = cubins+c.Cubins, kernels+c.Kernels
	}
	return fmt.Sprintf("%s and %s checked, by the wheel's own record", ui.Count(kernels, "kernel"), ui.Count(cubins, "cubin"))
}

func (r *Report) compilerTable() *ui.Table {
	table := &ui.Table{Header: []string{"compiled for", "kernels", "instructions", "spill loads", "stores", "doubtful reads", "not followed", "unknown opcodes", "tensor instructions"}}
	for _, c := range r.Compiled {
		unclear := c.Unreached
		for _, count := range c.Unclear {
			unclear += count
		}
		table.Add(ui.Text(c.Arch.String()), ui.Number(fmt.Sprint(c.Kernels)), ui.Number(fmt.Sprint(c.Instructions)), ui.Number(fmt.Sprint(c.SpillLoads)),
			ui.Number(fmt.Sprint(c.SpillStores)), ui.Number(fmt.Sprint(c.Doubtful)), ui.Number(fmt.Sprint(unclear)), ui.Text(opcodes(c.Unknown)), ui.Text(families(c.Tensor)))
	}
	return table
}

// opcodes lists them with their numbers.
func opcodes(counts map[string]int) string {
	var list []string
	for _, opcode := range slices.Sorted(maps.Keys(counts)) {
		list = append(list, fmt.Sprintf("%s %d", opcode, counts[opcode]))
	}
	return dash(strings.Join(list, ", "))
}

// families sums opcodes up by their beginning: HMMA.16816.F32 is HMMA. --json has them all.
func families(counts map[string]int) string {
	sums := map[string]int{}
	for opcode, count := range counts {
		base, _, _ := strings.Cut(opcode, ".")
		sums[base] += count
	}
	return opcodes(sums)
}
