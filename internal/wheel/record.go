package wheel

import (
	"bytes"
	"crypto/sha512"
	"encoding/base64"
	"encoding/csv"
	"errors"
	"hash"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/sagebuild/sagebuild/internal/ui"
	"github.com/sagebuild/sagebuild/internal/wheel/content"
	"github.com/sagebuild/sagebuild/internal/wheel/finding"
)

// RecordEntry is one line of RECORD.
type RecordEntry struct {
	Path      string
	Algorithm string // "sha256", empty without a hash
	Hash      []byte
	Size      int64 // -1 if RECORD gives none
}

// ParseRecord reads path,algorithm=hash,size lines: CSV, hashes in URL-safe base64 without padding.
func ParseRecord(data []byte) ([]RecordEntry, error) {
	reader := csv.NewReader(bytes.NewReader(data))
	reader.FieldsPerRecord = 3
	reader.ReuseRecord = true
	var entries []RecordEntry
	for {
		fields, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return entries, nil
		}
		if err != nil {
			return nil, finding.Refuse(finding.CodeRecordFormat, "", "RECORD is not CSV with three columns: %w", err)
		}
		entry, err := parseRecordEntry(fields)
		if err != nil {
			return nil, err
		}
		if len(entries) >= content.MaxMembers {
			return nil, finding.Refuse(finding.CodeRecordFormat, "", "RECORD has more than %d lines", content.MaxMembers)
		}
		entries = append(entries, entry)
	}
}

func parseRecordEntry(fields []string) (RecordEntry, error) {
	entry := RecordEntry{Path: fields[0], Size: -1}
	if fields[1] != "" {
		algorithm, encoded, ok := strings.Cut(fields[1], "=")
		hash, err := base64.RawURLEncoding.Strict().DecodeString(encoded)
		if !ok || err != nil || strings.ContainsAny(encoded, "\r\n") {
			return entry, finding.Refuse(finding.CodeRecordFormat, "", "the hash of %q is not algorithm=urlsafe-base64", fields[0])
		}
		entry.Algorithm, entry.Hash = algorithm, hash
	}
	if fields[2] != "" {
		size, err := strconv.ParseUint(fields[2], 10, 62)
		if err != nil {
			return entry, finding.Refuse(finding.CodeRecordFormat, "", "the size of %q is not a number", fields[0])
		}
		entry.Size = int64(size)
	}
	return entry, nil
}

// checkRecord compares RECORD with the members that are there. RECORD itself and its signatures have no hash. The error is
// for members that cannot be unpacked.
func (w *Wheel) checkRecord(a *archive, entries []RecordEntry, report *finding.List) error {
	listed := map[string]bool{}
	members := map[string]*Member{}
	for i := range w.Members {
		members[w.Members[i].Name] = &w.Members[i]
	}
	for _, entry := range entries {
		if listed[entry.Path] {
			report.Fail(finding.CodeRecordDuplicate, entry.Path, "RECORD lists it twice")
		}
		listed[entry.Path] = true
		if member := members[entry.Path]; member == nil {
			report.Fail(finding.CodeRecordAbsent, entry.Path, "RECORD lists it, the wheel does not hold it")
		} else if !w.unhashed(entry.Path) {
			if err := a.checkRecordEntry(entry, member, report); err != nil {
				return err
			}
		}
	}
	for _, member := range w.Members {
		if !listed[member.Name] && !w.unhashed(member.Name) {
			report.Fail(finding.CodeRecordUnlisted, member.Name, "RECORD does not list it")
		}
	}
	return nil
}

func (w *Wheel) unhashed(name string) bool {
	record := w.DistInfo + "/RECORD"
	return name == record || name == record+".jws" || name == record+".p7s"
}

// strongHashes are those besides SHA-256 that RECORD may have and that are checked: the format wants SHA-256 or better.
var strongHashes = map[string]func() hash.Hash{"sha384": sha512.New384, "sha512": sha512.New}

// weakHashes are those that the format forbids. Source: PyPA, "Recording installed projects", the RECORD file, and
// "Binary distribution format".
var weakHashes = []string{"", "md5", "sha1", "sha224"}

func (a *archive) checkRecordEntry(entry RecordEntry, member *Member, report *finding.List) error {
	sum := member.sum[:]
	if begin, ok := strongHashes[entry.Algorithm]; ok {
		hash := begin()
		if err := a.copyTo(hash, a.member(member.Name)); err != nil {
			return err
		}
		sum = hash.Sum(nil)
	}
	switch _, strong := strongHashes[entry.Algorithm]; {
	case slices.Contains(weakHashes, entry.Algorithm):
		report.Fail(finding.CodeRecordHash, entry.Path, "RECORD has no hash of it that is SHA-256 or better")
	case entry.Algorithm != "sha256" && !strong:
		report.Warn(finding.CodeRecordHash, entry.Path, "its %s in RECORD was not checked; SHA-256, SHA-384 and SHA-512 are", entry.Algorithm)
	case !bytes.Equal(entry.Hash, sum):
		report.Fail(finding.CodeRecordHash, entry.Path, "its %s differs from RECORD", strings.Replace(strings.ToUpper(entry.Algorithm), "SHA", "SHA-", 1))
	}
	if entry.Size >= 0 && entry.Size != member.Size {
		report.Fail(finding.CodeRecordSize, entry.Path, "it has %s, RECORD says %d", ui.Count(member.Size, "byte"), entry.Size)
	}
	return nil
}
