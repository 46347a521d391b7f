package object

import (
	"bytes"
	"strings"
	"time"

	"github.com/sagebuild/sagebuild/internal/wheel/content"
	"github.com/sagebuild/sagebuild/internal/wheel/finding"
)

const (
	peDebugBytes     = 28
	peDebugCodeView  = 2  // where the debug information is
	peDebugRepeat    = 16 // the linker was asked for the same bytes each time
	peCodeViewHeader = 24 // "RSDS", a GUID and an age; then the path
)

// readDebug reads what the linker says about itself: the path of the PDB file, which names directories of the machine
// that linked, and whether the timestamp is a time.
func (i *peImage) readDebug(o *Object, _ *content.Budget) error {
	d := i.directories[peDebug]
	if d.address == 0 || d.size == 0 {
		return nil
	}
	data, err := i.directory(d, content.MaxDynamic)
	if err != nil {
		return err
	}
	for ; len(data) >= peDebugBytes; data = data[peDebugBytes:] {
		switch little.Uint32(data[12:]) {
		case peDebugRepeat:
			o.Repeatable = true
		case peDebugCodeView:
			record, ok := i.Slice(uint64(little.Uint32(data[24:])), uint64(little.Uint32(data[16:])))
			if !ok {
				return finding.Refuse(finding.CodeObjectFormat, "", "an entry of the debug directory reaches beyond the end of the file")
			}
			o.readCodeView(record)
		}
	}
	return nil
}

func (o *Object) readCodeView(record content.Content) {
	data, ok := record.Bytes(content.MaxSymbolName)
	if !ok || len(data) < peCodeViewHeader || !bytes.HasPrefix(data, []byte("RSDS")) {
		return
	}
	path, _, _ := bytes.Cut(data[peCodeViewHeader:], []byte{0})
	o.PDB = strings.ToValidUTF8(string(path), "\uFFFD")
}

// HasBuildPath reports whether the object names a directory of the machine it was linked on.
func (l Linkage) HasBuildPath() bool { return strings.ContainsAny(l.PDB, `\/`) }

// LinkedAt is the time at which a DLL says that it was linked. It is zero where the DLL says no time, or a hash instead.
func (o Object) LinkedAt() time.Time {
	if o.Timestamp == 0 || o.Repeatable {
		return time.Time{}
	}
	return time.Unix(int64(o.Timestamp), 0).UTC()
}

func isDebugSection(name string) bool {
	return strings.HasPrefix(name, ".debug_") || strings.HasPrefix(name, ".zdebug_")
}
