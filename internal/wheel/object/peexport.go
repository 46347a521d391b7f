package object

import (
	"strconv"

	"github.com/sagebuild/sagebuild/internal/wheel/content"
	"github.com/sagebuild/sagebuild/internal/wheel/finding"
)

const peExportBytes = 40

// peExportTable is the directory of a DLL's exports. Linkers write the whole table, names and forwards too, into the
// bytes that the header announces. A table that points outside of these bytes is refused, so that the reader needs
// one part of the file.
type peExportTable struct {
	*window
	name      uint32
	base      uint32 // number of the first function
	functions []byte // addresses, 0 for a number that is not used
	names     []byte // addresses of names
}

func parseExports(d peDirectory, data []byte) (*peExportTable, error) {
	w := newWindow(d.address, data)
	raw, ok := w.table(d.address, 1, peExportBytes)
	if !ok {
		return nil, finding.Refuse(finding.CodeObjectFormat, "", "the export table is cut short")
	}
	t := &peExportTable{window: w, name: little.Uint32(raw[12:]), base: little.Uint32(raw[16:])}
	functions, names := little.Uint32(raw[20:]), little.Uint32(raw[24:])
	if functions > content.MaxSymbols || names > content.MaxSymbols {
		return nil, finding.Refuse(finding.CodeObjectFormat, "", "the export table has more than %d symbols", content.MaxSymbols)
	}
	var okNames bool
	t.functions, ok = w.table(little.Uint32(raw[28:]), functions, 4)
	t.names, okNames = w.table(little.Uint32(raw[32:]), names, 4)
	if !ok || !okNames {
		return nil, finding.Refuse(finding.CodeObjectFormat, "", "the export table leaves its directory")
	}
	return t, nil
}

// each visits the names in the order of the table.
func (t *peExportTable) each(visit func(name []byte) error) error {
	for table := t.names; len(table) > 0; table = table[4:] {
		name, ok := t.text(little.Uint32(table))
		if !ok {
			return finding.Refuse(finding.CodeObjectFormat, "", "the name of an export lies outside of the export table, or does not end")
		}
		if err := visit(name); err != nil {
			return err
		}
	}
	return nil
}

// hasNumber reports whether a function has the number.
func (t *peExportTable) hasNumber(text string) bool {
	number, err := strconv.ParseUint(text, 10, 16)
	if err != nil || number < uint64(t.base) || number-uint64(t.base) >= uint64(len(t.functions)/4) {
		return false
	}
	return little.Uint32(t.functions[4*(number-uint64(t.base)):]) != 0
}

// readExports lists the names that a DLL defines, and the name of the DLL itself.
func (i *peImage) readExports(o *Object, left *content.Budget) error {
	d := i.directories[peExports]
	if d.address == 0 {
		return nil
	}
	data, err := i.directory(d, content.MaxStringBytes)
	if err != nil {
		return err
	}
	table, err := parseExports(d, data)
	if err != nil {
		return err
	}
	if name, ok := table.text(table.name); ok {
		o.SOName = string(name)
	}
	return table.each(func(name []byte) error {
		if !left.SpendSymbol(len(name)) {
			return tooManySymbols()
		}
		o.Exported = append(o.Exported, string(name))
		return nil
	})
}
