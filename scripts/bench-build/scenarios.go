package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/sagebuild/sagebuild/internal/steps"
)

// touched is the kernel file of one SM alone.
const touched = "csrc/device/mma/attention_fp16_sm70.cu"

// bench holds the settings and, one after the other, the results.
type bench struct {
	sagebuild, singles, work, source string
	before                           page
	withCached                       bool
	stateSize, distSize              int64 // bytes, after measureWarm

	coldDefault, coldAll, unchanged, cached, touch measurement
	wheels                                         []wheel
	touchedStages                                  []string
	// singleCPU is the sum over all cells; singleRuns says how many were measured.
	singleCPU  time.Duration
	singleRuns int
}

// wheel is one line of sagebuild bake --json.
type wheel struct {
	Target  string   `json:"target"`
	Wheel   string   `json:"wheel"`
	Bytes   int64    `json:"size"`
	SMs     []string `json:"sms"`
	Outcome string   `json:"outcome"`
}

func (b *bench) measureAll() error {
	for _, step := range []func() error{b.measureDefault, b.measureMatrix, b.measureSingles} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// bake runs one bake with the given state directory; events receives its progress as JSON lines.
func (b *bench) bake(state string, events io.Writer, name string, flags ...string) (measurement, []wheel, error) {
	m, err := measure(events, b.sagebuild, append([]string{"bake", name, "--json", "--progress", "json", "--source", b.source,
		"--state", filepath.Join(b.work, state), "--dist", filepath.Join(b.work, "dist")}, flags...)...)
	if err != nil {
		return m, nil, err
	}
	var result struct {
		Results []wheel `json:"targets"`
	}
	if err := json.Unmarshal(m.Output, &result); err != nil {
		return m, nil, fmt.Errorf("reading the results of bake %s: %w", name, err)
	}
	for _, w := range result.Results {
		fmt.Fprintf(os.Stderr, "bench-build: %s %s in %.1f s\n", w.Target, w.Outcome, m.Wall.Seconds())
	}
	return m, result.Results, nil
}

// cold is bake with an empty state directory, which is removed afterwards.
func (b *bench) cold(name string) (measurement, error) {
	m, _, err := b.bake("cold", io.Discard, name)
	return m, errors.Join(err, os.RemoveAll(filepath.Join(b.work, "cold")))
}

func (b *bench) measureDefault() (err error) {
	b.coldDefault, err = b.cold("default")
	return err
}

// measureMatrix bakes all cells cold, again with nothing changed, and again with one kernel file touched.
func (b *bench) measureMatrix() (err error) {
	if b.coldAll, b.wheels, err = b.bake("matrix", io.Discard, "sage2-all"); err != nil {
		return err
	}
	if b.unchanged, _, err = b.bake("matrix", io.Discard, "sage2-all"); err != nil {
		return err
	}
	if err := appendComment(filepath.Join(b.source, touched)); err != nil {
		return err
	}
	var events bytes.Buffer
	if b.touch, _, err = b.bake("matrix", &events, "sage2-all"); err != nil {
		return err
	}
	ran, err := steps.Run(&events)
	if err != nil {
		return err
	}
	b.touchedStages = countStages(ran)
	return os.RemoveAll(filepath.Join(b.work, "matrix"))
}

// appendComment changes the bytes of a source and nothing of what it compiles to.
func appendComment(path string) error {
	file, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = file.WriteString("// touched by bench-build\n")
	return errors.Join(err, file.Close())
}

// measureSingles bakes the cells one by one, each with an empty state directory.
func (b *bench) measureSingles() error {
	if b.singles == "none" {
		return nil
	}
	measured := map[string]time.Duration{}
	for _, w := range b.wheels {
		key := w.Target
		if b.singles == "torch" {
			key = torchOf(w.Target)
		}
		if _, ok := measured[key]; !ok {
			m, err := b.cold(w.Target)
			if err != nil {
				return err
			}
			measured[key] = m.CPU
			b.singleRuns++
		}
		b.singleCPU += measured[key]
	}
	return nil
}
