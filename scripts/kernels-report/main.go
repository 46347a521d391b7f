// Command kernels-report writes docs/kernels.md: what each kernel of a wheel takes, from its cubins. It fails for
// kernels that have local memory, since that is where spilled registers go.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"github.com/sagebuild/sagebuild/internal/audit"
	"github.com/sagebuild/sagebuild/internal/ui"
	"github.com/sagebuild/sagebuild/kernels"
	"github.com/sagebuild/sagebuild/matrix"
)

func main() {
	dist := flag.String("dist", "dist", "`directory` with the default wheel")
	output := flag.String("output", "docs/kernels.md", "`file` that receives the report")
	flag.Parse()
	if err := run(*dist, *output); err != nil {
		fmt.Fprintln(os.Stderr, "kernels-report: error:", err)
		os.Exit(1)
	}
}

func run(dist, output string) error {
	name, err := defaultWheel()
	if err != nil {
		return err
	}
	return write(filepath.Join(dist, name), output)
}

func defaultWheel() (string, error) {
	m, err := matrix.Load("")
	if err != nil {
		return "", err
	}
	selected, err := m.Select([]string{"default"})
	if err != nil {
		return "", err
	}
	if len(selected) != 1 {
		return "", fmt.Errorf("the default is %s, want one", ui.Count(len(selected), "wheel"))
	}
	return selected[0].Cell.WheelName(), nil
}

func write(wheel, output string) error {
	r, err := read(wheel)
	if err != nil {
		return err
	}
	if err := r.checkLocalMemory(); err != nil {
		return err
	}
	return os.WriteFile(output, []byte(r.markdown()), 0o644)
}

// read takes the kernels of a wheel of ours: one fatbin, so that a name and an SM are one kernel.
func read(path string) (*inventory, error) {
	m, err := matrix.Load("")
	if err != nil {
		return nil, err
	}
	set, err := kernels.Default()
	if err != nil {
		return nil, err
	}
	report, err := audit.Run(path, audit.Options{Matrix: m, Sources: set, Kernels: true})
	if err != nil {
		return nil, err
	}
	r := collect(report)
	if len(r.named) == 0 {
		return nil, fmt.Errorf("no kernel can be read in it: sagebuild audit %s", path)
	}
	return r, nil
}
