package main

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/sagebuild/sagebuild/internal/audit"
	"github.com/sagebuild/sagebuild/internal/ui"
	"github.com/sagebuild/sagebuild/internal/wheel/device"
	"github.com/sagebuild/sagebuild/kernels"
)

// inventory is what one wheel holds, by name and SM.
type inventory struct {
	wheel string
	sms   []kernels.Arch
	named map[string]map[kernels.Arch]device.Kernel
}

func collect(report *audit.Report) *inventory {
	r := &inventory{wheel: report.Name, named: map[string]map[kernels.Arch]device.Kernel{}}
	for _, group := range report.Kernels {
		r.sms = append(r.sms, group.Arch)
		for _, kernel := range group.Kernels {
			if r.named[kernel.Name] == nil {
				r.named[kernel.Name] = map[kernels.Arch]device.Kernel{}
			}
			r.named[kernel.Name][group.Arch] = kernel
		}
	}
	slices.SortFunc(r.sms, kernels.Arch.Compare)
	return r
}

func (r *inventory) count() (count int) {
	for _, variants := range r.named {
		count += len(variants)
	}
	return count
}

// checkLocalMemory names the kernels that have local memory: spilled registers, local arrays or calls.
func (r *inventory) checkLocalMemory() error {
	var found []string
	for _, name := range slices.Sorted(maps.Keys(r.named)) {
		for _, sm := range r.sms {
			if stack := r.named[name][sm].Stack; stack > 0 {
				found = append(found, fmt.Sprintf("%s for SM %s (%s)", name, sm, ui.Count(stack, "byte")))
			}
		}
	}
	if found != nil {
		return fmt.Errorf("%s: kernels with local memory: %s", r.wheel, strings.Join(found, ", "))
	}
	return nil
}

const head = `# What kernels take

From the cubins of ` + "`%s`" + `, by ` + "`make kernels-report`" + `:
%s by name, %d with each SM counted. None has local memory, so none spills registers. An empty cell: that SM has
no such kernel.
`

func (r *inventory) markdown() string {
	var text strings.Builder
	fmt.Fprintf(&text, head, r.wheel, ui.Count(len(r.named), "kernel"), r.count())
	r.table(&text, "Registers of a thread", "", func(k device.Kernel) int64 { return int64(k.Registers) })
	r.table(&text, "Static shared memory of a block, in bytes",
		"From SM 9.0 on with the 1,024 bytes that the system reserves. Attention asks for dynamic shared memory besides, at launch.\n\n",
		func(k device.Kernel) int64 { return k.Shared })
	return text.String()
}

func (r *inventory) table(text *strings.Builder, title, note string, value func(device.Kernel) int64) {
	fmt.Fprintf(text, "\n## %s\n\n%s| kernel |", title, note)
	for _, sm := range r.sms {
		fmt.Fprintf(text, " %s |", sm)
	}
	fmt.Fprintf(text, "\n|---|%s\n", strings.Repeat("---:|", len(r.sms)))
	for _, name := range slices.SortedFunc(maps.Keys(r.named), compareNames) {
		fmt.Fprintf(text, "| `%s` |", name)
		for _, sm := range r.sms {
			if kernel, ok := r.named[name][sm]; ok {
				fmt.Fprintf(text, " %d |", value(kernel))
			} else {
				text.WriteString("  |")
			}
		}
		text.WriteString("\n")
	}
}

var number = regexp.MustCompile(`[0-9]+`)

// compareNames takes numbers as numbers: attention_fp16_hd64 stands before attention_fp16_hd128.
func compareNames(a, b string) int {
	padded := func(name string) string {
		return number.ReplaceAllStringFunc(name, func(digits string) string { return fmt.Sprintf("%4s", digits) })
	}
	return strings.Compare(padded(a), padded(b))
}
