package main

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/moby/sys/mountinfo"

	"github.com/sagebuild/sagebuild/internal/digest"
	"github.com/sagebuild/sagebuild/internal/provenance"
	"github.com/sagebuild/sagebuild/internal/sums"
	"github.com/sagebuild/sagebuild/internal/ui"
)

// wheelFaults is what is wrong with the published wheels: a member whose CRC is not its own, a hash in SHA256SUMS that
// is not the file's, a provenance of another wheel.
func wheelFaults(dist string) (faults []string) {
	list, err := sums.Read(dist)
	if err != nil {
		faults = append(faults, err.Error())
	}
	for name, want := range list {
		if got, err := digest.File(filepath.Join(dist, name)); err != nil || got != want {
			faults = append(faults, fmt.Sprintf("SHA256SUMS says something false of %s: %v", name, err))
		}
	}
	wheels, _ := filepath.Glob(filepath.Join(dist, "*.whl"))
	for _, wheel := range wheels {
		if err := soundWheel(wheel); err != nil {
			faults = append(faults, fmt.Sprintf("%s: %v", filepath.Base(wheel), err))
		}
	}
	return faults
}

func soundWheel(path string) error {
	archive, err := zip.OpenReader(path)
	if err != nil {
		return err
	}
	defer archive.Close()
	for _, file := range archive.File {
		r, err := file.Open()
		if err != nil {
			return err
		}
		if _, err := io.Copy(io.Discard, r); err != nil {
			return fmt.Errorf("%s: %w", file.Name, err)
		}
	}
	text, err := os.ReadFile(provenance.StatementFile(path))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	sum, hashing := digest.File(path)
	if err := errors.Join(err, hashing); err != nil {
		return err
	}
	return provenance.CheckStatement(text, filepath.Base(path), sum)
}

// forbidden are words that no user should ever read.
var forbidden = []string{"panic:", "fatal error:", "goroutine ", "SIGSEGV", "SIGBUS", "assertion failed", "%!", "<nil>"}

// sentenceFaults is what is wrong with what a command said and with its exit code.
func sentenceFaults(o outcome, codes ...int) (faults []string) {
	for _, word := range forbidden {
		if strings.Contains(o.said, word) {
			faults = append(faults, fmt.Sprintf("it says %q", word))
		}
	}
	if !slices.Contains(codes, o.code) {
		faults = append(faults, fmt.Sprintf("exit code %d, want one of %v: %s", o.code, codes, lastLines(o.said)))
	}
	if o.code > 0 && o.code != 130 {
		if o.first("error:") == "" {
			faults = append(faults, "it fails without an error: "+lastLines(o.said))
		}
		switch hint := o.first("hint:"); {
		case hint == "":
			faults = append(faults, "an error without a hint: "+o.first("error:"))
		case strings.HasPrefix(hint, "sagebuild bake") && !strings.Contains(hint, "--"):
			faults = append(faults, "the hint is the command that failed: "+hint)
		}
	}
	return faults
}

func lastLines(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-4):], " / ")
}

// leftFaults is what a run that ended in order has left: mounts and containers below the state, staging in dist/,
// temporary files.
func leftFaults(state, dist, temporary string) (faults []string) {
	mounts, err := mountinfo.GetMounts(mountinfo.PrefixFilter(state))
	if err != nil || len(mounts) > 0 {
		faults = append(faults, fmt.Sprintf("below the state is left: %s (%v)", ui.Count(len(mounts), "mount"), err))
	}
	for _, pattern := range []string{
		filepath.Join(state, "buildkit", "runc-*", "executor", "*", "config.json"),
		filepath.Join(state, "buildkit", "runc-*", "executor", "hosts.*"),
		filepath.Join(state, "bases", "*-work"),
		filepath.Join(dist, ".staging-*"),
		filepath.Join(dist, sums.Partial),
		filepath.Join(temporary, "*"),
	} {
		if left, err := filepath.Glob(pattern); err != nil || len(left) > 0 {
			faults = append(faults, fmt.Sprintf("left: %v (%v)", left, err))
		}
	}
	return faults
}

// sameBytes says how two files differ, or nothing.
func sameBytes(a, b string) error {
	one, err := os.ReadFile(a)
	if err != nil {
		return err
	}
	other, err := os.ReadFile(b)
	if err != nil {
		return err
	}
	if !bytes.Equal(one, other) {
		return fmt.Errorf("%s has other bytes than a wheel of an undamaged state", filepath.Base(a))
	}
	return nil
}

// control corrupts a published wheel and a list of hashes, and fails where the oracle finds nothing.
func (w *world) control() error {
	dist := w.path("control")
	if err := errors.Join(os.RemoveAll(dist), run("cp", "-a", w.path("dist"), dist)); err != nil {
		return err
	}
	defer os.RemoveAll(dist)
	if faults := wheelFaults(dist); len(faults) > 0 {
		return fmt.Errorf("the control finds faults before it makes one: %v", faults)
	}
	wheels, _ := filepath.Glob(filepath.Join(dist, "*.whl"))
	if len(wheels) == 0 {
		return errors.New("the control has no wheel")
	}
	if err := flipByte(wheels[0], 1<<16); err != nil {
		return err
	}
	if faults := wheelFaults(dist); len(faults) < 2 {
		return fmt.Errorf("a flipped byte in %s is not reported twice, by its CRC and its hash: %v", wheels[0], faults)
	}
	if len(sentenceFaults(outcome{2, "panic: x\n"}, 0)) < 4 {
		return errors.New("a panic without an error and a hint is not reported")
	}
	return nil
}
