package device

import (
	"encoding/binary"
	"maps"
	"slices"
	"strings"

	"github.com/sagebuild/sagebuild/internal/ui"
	"github.com/sagebuild/sagebuild/internal/wheel/content"
	"github.com/sagebuild/sagebuild/internal/wheel/finding"
	"github.com/sagebuild/sagebuild/kernels"
)

var little = binary.LittleEndian

// Fatbin is one container of device code: a file, or a part of a shared object's section.
type Fatbin struct {
	Member  string  `json:"member"`
	Section string  `json:"section,omitempty"` // ".nv_fatbin", "__nv_relfatbin", of PE ".nv_fatb" and "__nv_rel"; empty for a file
	Offset  int64   `json:"offset"`            // within the file or section
	Size    int64   `json:"size"`              // header and entries
	Entries []Entry `json:"entries"`
}

// Relocatable reports whether the fatbin is input of a device linker, which the driver does not load.
func (f Fatbin) Relocatable() bool { return strings.HasPrefix(f.Section, "__nv_rel") }

const (
	fatbinMagic       = 0xBA55ED50
	fatbinHeaderBytes = 16
)

func IsFatbin(head []byte) bool { return len(head) >= 4 && little.Uint32(head) == fatbinMagic }

// FatbinSections are the names of sections that hold fatbins. PE keeps eight characters of a section's name.
var FatbinSections = map[string]bool{".nv_fatbin": true, ".nv_fatb": true, "__nv_relfatbin": true, "__nv_rel": true}

// ReadFatbins reads every container of a file or section; zeros pad them.
func ReadFatbins(member, section string, c content.Content, left *content.Budget) (fatbins []Fatbin, problems finding.List) {
	fatbins, err := ParseFatbins(c, left)
	if err == nil && len(fatbins) == 0 && section == "" {
		err = finding.Refuse(finding.CodeFatbinFormat, "", "the file holds no fatbin")
	}
	for at := range fatbins {
		fatbins[at].Member, fatbins[at].Section = member, section
		fatbins[at].reportEntries(&problems)
	}
	if err != nil {
		problems = append(problems, finding.Of(err, finding.CodeFatbinFormat, member))
	}
	return fatbins, problems
}

// reportEntries moves what is wrong with single entries to the wheel's problems, and reports cubins of one SM that
// hide each other: of one container the driver loads one image.
func (f *Fatbin) reportEntries(problems *finding.List) {
	seen := map[kernels.Arch]bool{}
	unknown := map[Kind]int{}
	for _, entry := range f.Entries {
		if !entry.Kind.known() {
			unknown[entry.Kind]++
		}
		if entry.Kind == KindCubin && seen[entry.Arch] && !f.Relocatable() {
			problems.Fail(finding.CodeSMDuplicate, f.Member, "one fatbin has two cubins for SM %s, a driver loads one of them", entry.Arch)
		}
		seen[entry.Arch] = seen[entry.Arch] || entry.Kind == KindCubin
		for _, err := range entry.errors {
			*problems = append(*problems, finding.Of(err, finding.CodeCubinFormat, f.Member))
		}
	}
	for _, kind := range slices.Sorted(maps.Keys(unknown)) {
		problems.Warn(finding.CodeFatbinFormat, f.Member, "entries of the unknown kind %s: %d; what they hold was not read", kind, unknown[kind])
	}
}

// ParseFatbins reads every container and its entries.
func ParseFatbins(c content.Content, left *content.Budget) ([]Fatbin, error) {
	var fatbins []Fatbin
	err := eachFatbin(c, left, func(at int64, whole, entries content.Content) error {
		list, err := parseEntries(entries, left)
		fatbins = append(fatbins, Fatbin{Offset: at, Size: whole.Size, Entries: list})
		return err
	})
	return fatbins, err
}

// eachFatbin walks containers from the start: it never searches for the magic, which also occurs by chance. whole is a
// container with its header, entries what follows the header.
func eachFatbin(c content.Content, left *content.Budget, visit func(at int64, whole, entries content.Content) error) error {
	for at := int64(0); at < c.Size; {
		rest, _ := c.Slice(uint64(at), uint64(c.Size-at))
		var header [fatbinHeaderBytes]byte
		content.ReadFull(c.R, header[:min(rest.Size, fatbinHeaderBytes)], at)
		if little.Uint32(header[:]) == 0 {
			next, err := skipZeros(c, at)
			if err != nil {
				return err
			}
			at = next
			continue
		}
		if !left.TakeContainer() {
			return finding.Refuse(finding.CodeFatbinFormat, "", "there are more than %d fatbins", content.MaxContainers)
		}
		whole, entries, err := splitFatbin(rest, header[:])
		if err == nil {
			err = visit(at, whole, entries)
		}
		if err != nil {
			return err
		}
		at += whole.Size
	}
	return nil
}

// skipZeros returns the next position, in steps of 8 bytes, that is not all zeros.
func skipZeros(c content.Content, at int64) (int64, error) {
	buffer := make([]byte, 64<<10)
	for at < c.Size {
		part := buffer[:min(int64(len(buffer)), c.Size-at)]
		if err := content.ReadFull(c.R, part, at); err != nil {
			return 0, err
		}
		for n, b := range part {
			if b != 0 {
				return at + int64(n)&^7, checkPadding(n)
			}
		}
		at += int64(len(part))
	}
	return at, nil
}

// checkPadding refuses a start that is not aligned: containers begin at multiples of 8 bytes.
func checkPadding(n int) error {
	if n%8 != 0 {
		return finding.Refuse(finding.CodeFatbinFormat, "", "bytes between fatbins are neither padding nor a fatbin")
	}
	return nil
}

// splitFatbin finds the container at the start of c, and its entries.
func splitFatbin(c content.Content, header []byte) (whole, entries content.Content, err error) {
	headerSize, size := uint64(little.Uint16(header[6:])), little.Uint64(header[8:])
	if little.Uint32(header) != fatbinMagic || headerSize < fatbinHeaderBytes {
		return whole, entries, finding.Refuse(finding.CodeFatbinFormat, "", "it is no fatbin: the header is wrong")
	}
	entries, ok := c.Slice(headerSize, size)
	if !ok {
		return whole, entries, finding.Refuse(finding.CodeFatbinFormat, "", "the fatbin is cut short: it announces %s", ui.Count(size, "byte"))
	}
	whole, _ = c.Slice(0, headerSize+size)
	return whole, entries, nil
}
