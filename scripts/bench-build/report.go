package main

import (
	"bufio"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/sagebuild/sagebuild/internal/ui"
)

const method = `## How it is measured

CPU time is the user and system time that the kernel accounts to the process and to every descendant that was waited
for (wait4). The embedded BuildKit starts runc, and runc waits for its container, so the compilers inside are counted.
Peak memory is the largest sum of the proportional set sizes of all these processes, sampled five times a second.
"Cold" is an empty state directory: the Debian base is bootstrapped and every compiler is downloaded.
`

// markdown is the whole page.
func (b *bench) markdown() string {
	var text strings.Builder
	fmt.Fprintf(&text, "# What builds cost\n\nWritten by `make bench-build` on %s.\n\n", machine())
	fmt.Fprintf(&text, "| | seconds | CPU seconds | peak memory | goal | seconds before | CPU seconds before |\n|---|---:|---:|---:|---|---:|---:|\n")
	row := func(name string, m measurement, goal string) {
		before := b.before.rows[name]
		fmt.Fprintf(&text, "| %s | %.1f | %.1f | %.0f MB | %s | %s | %s |\n", name, m.Wall.Seconds(), m.CPU.Seconds(), float64(m.Peak)/1e6, goal, before.wall, before.cpu)
	}
	row("`bake default`, cold", b.coldDefault, "under 120 s: "+verdict(b.coldDefault.Wall < 2*time.Minute))
	row("`bake sage2-all`, cold", b.coldAll, "under 30 CPU minutes: "+verdict(b.coldAll.CPU < 30*time.Minute))
	row("`bake sage2-all`, nothing changed", b.unchanged, "under 2 s: "+verdict(b.unchanged.Wall < 2*time.Second))
	row("`bake sage2-all`, `"+touched+"` touched", b.touch, "")
	if b.before.day != "" {
		fmt.Fprintf(&text, "\n\"Before\" is what the page said that was written on %s.\n", b.before.day)
	}
	if b.singleRuns > 0 {
		b.writeSingles(&text)
	} else {
		text.WriteString("\nThe ten wheels were not built one by one this time (`make bench-build SINGLES=all` does).\n")
	}
	fmt.Fprintf(&text, "\nThe touched kernel re-ran these stages and no other: %s.\n", strings.Join(b.touchedStages, ", "))
	b.writeWheels(&text)
	text.WriteString("\n[compile-seconds.md](compile-seconds.md) says what the compiler takes of this, for each kernel source and SM.\n")
	return text.String() + "\n" + method
}

func (b *bench) writeSingles(text *strings.Builder) {
	share := b.coldAll.CPU.Seconds() / b.singleCPU.Seconds()
	fmt.Fprintf(text, "\nAll ten wheels took %.1f CPU minutes together. Built one by one with empty caches they take %.1f: together costs %.2f of that (goal: at most 0.33, %s).",
		b.coldAll.CPU.Minutes(), b.singleCPU.Minutes(), share, verdict(share <= 1.0/3))
	if b.singleRuns < len(b.wheels) {
		fmt.Fprintf(text, " Of the single builds %d were measured, one for each torch; its other Pythons are counted like it.", b.singleRuns)
	}
	text.WriteString("\n")
}

func (b *bench) writeWheels(text *strings.Builder) {
	text.WriteString("\n| wheel | MB | SMs |\n|---|---:|---|\n")
	largest := int64(0)
	for _, w := range b.wheels {
		largest = max(largest, w.Bytes)
		fmt.Fprintf(text, "| %s | %.2f | %s |\n", w.Target, float64(w.Bytes)/1e6, strings.Join(w.SMs, " "))
	}
	fmt.Fprintf(text, "\nThe largest wheel has %.2f MB (goal: under 20, %s).\n", float64(largest)/1e6, verdict(largest < 20e6))
}

func verdict(met bool) string {
	if met {
		return "met"
	}
	return "missed"
}

// machine says what ran it: processors, memory and day, and no name.
func machine() string {
	return fmt.Sprintf("%s (%s), %s of memory, on %s", ui.Count(runtime.NumCPU(), "processor"),
		procField("/proc/cpuinfo", "model name"), procField("/proc/meminfo", "MemTotal"), time.Now().UTC().Format(time.DateOnly))
}

// procField is the first value of a "name : value" file.
func procField(path, name string) string {
	file, err := os.Open(path)
	if err != nil {
		return "unknown"
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		key, value, _ := strings.Cut(lines.Text(), ":")
		if slices.Equal(strings.Fields(key), strings.Fields(name)) {
			return strings.Join(strings.Fields(value), " ")
		}
	}
	return "unknown"
}
