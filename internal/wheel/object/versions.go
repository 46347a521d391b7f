package object

import (
	"cmp"
	"debug/elf"
	"slices"
	"strconv"
	"strings"

	"github.com/sagebuild/sagebuild/internal/wheel/content"
	"github.com/sagebuild/sagebuild/internal/wheel/elffile"
	"github.com/sagebuild/sagebuild/internal/wheel/finding"
)

// SymbolVersion is a version that a shared object needs of a library: GLIBC_2.17 of libc.so.6.
type SymbolVersion struct {
	Library string `json:"library"`
	Version string `json:"version"`
	index   uint16
}

const (
	verneedBytes = 16
	vernauxBytes = 16
)

// neededVersions walks .gnu.version_r: a list of libraries, each with a list of versions.
func (i elfObject) neededVersions() ([]SymbolVersion, error) {
	s := i.Find(elf.SHT_GNU_VERNEED)
	if s == nil {
		return nil, nil
	}
	data, err := i.Data(s, content.MaxStringBytes, finding.CodeObjectFormat)
	if err != nil {
		return nil, err
	}
	names, err := i.Linked(s, finding.CodeObjectFormat)
	if err != nil {
		return nil, err
	}
	return parseVersions(data, names, s.Info)
}

// parseVersions reads count library records. Records do not overlap, so the walk ends.
func parseVersions(data []byte, names *elffile.StringTable, count uint32) ([]SymbolVersion, error) {
	malformed := finding.Refuse(finding.CodeObjectFormat, "", "the table of needed versions is malformed")
	var versions []SymbolVersion
	for at := uint64(0); count > 0; count-- {
		if at+verneedBytes > uint64(len(data)) {
			return nil, malformed
		}
		record := data[at:]
		library, ok := names.At(little.Uint32(record[4:]))
		if !ok {
			return nil, malformed
		}
		found, ok := parseLibraryVersions(record, names, library)
		if !ok || len(versions)+len(found) > content.MaxDynamic {
			return nil, malformed
		}
		versions = append(versions, found...)
		next := uint64(little.Uint32(record[12:]))
		if next < verneedBytes {
			break
		}
		at += next
	}
	return versions, nil
}

func parseLibraryVersions(record []byte, names *elffile.StringTable, library string) ([]SymbolVersion, bool) {
	var versions []SymbolVersion
	at := uint64(little.Uint32(record[8:]))
	for count := little.Uint16(record[2:]); count > 0; count-- {
		if at+vernauxBytes > uint64(len(record)) {
			return nil, false
		}
		aux := record[at:]
		name, ok := names.At(little.Uint32(aux[8:]))
		if !ok {
			return nil, false
		}
		versions = append(versions, SymbolVersion{library, name, little.Uint16(aux[6:])})
		next := uint64(little.Uint32(aux[12:]))
		if next < vernauxBytes {
			break
		}
		at += next
	}
	return versions, true
}

// floor returns the highest version with a prefix such as "GLIBC_", or "".
func floor(versions []SymbolVersion, prefix string) string {
	highest := ""
	for _, version := range versions {
		number, ok := strings.CutPrefix(version.Version, prefix)
		if ok && prefix == "GLIBC_" {
			number = glibcFeature(number)
		}
		if ok && dotted(number) && (highest == "" || CompareDotted(number, highest) > 0) {
			highest = number
		}
	}
	return highest
}

// glibcFeature maps version names that are no numbers to the glibc that introduced them.
func glibcFeature(name string) string {
	switch name {
	case "ABI_DT_RELR":
		return "2.36"
	case "ABI_GNU_TLS", "ABI_GNU2_TLS":
		return "2.42"
	}
	return name
}

func dotted(text string) bool {
	return text != "" && strings.Trim(text, "0123456789.") == ""
}

// CompareDotted orders dotted numbers. A part that is not a number counts as zero.
func CompareDotted(a, b string) int {
	numbers := func(text string) (list []uint64) {
		for part := range strings.SplitSeq(text, ".") {
			number, _ := strconv.ParseUint(part, 10, 32)
			list = append(list, number)
		}
		return list
	}
	return slices.CompareFunc(numbers(a), numbers(b), cmp.Compare[uint64])
}
