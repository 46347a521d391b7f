package object

import (
	"strconv"

	"github.com/sagebuild/sagebuild/internal/wheel/content"
	"github.com/sagebuild/sagebuild/internal/wheel/finding"
)

const (
	peImportBytes  = 20
	peDelayedBytes = 32
	peThunkBytes   = 8
)

// readImports lists the DLLs that the loader loads with this DLL, and the symbols that this DLL takes from each.
func (i *peImage) readImports(o *Object, left *content.Budget) error {
	return i.eachRecord(peImports, peImportBytes, func(raw []byte) (bool, error) {
		lookup, name, thunks := little.Uint32(raw), little.Uint32(raw[12:]), little.Uint32(raw[16:])
		if name == 0 || thunks == 0 { // as the loader ends
			return false, nil
		}
		if lookup == 0 {
			lookup = thunks
		}
		library, err := i.text(name)
		if err != nil {
			return false, err
		}
		o.Needed = append(o.Needed, library)
		return true, i.readThunks(o, library, lookup, left)
	})
}

// readDelayed lists the DLLs that are loaded when one of their functions is first called.
func (i *peImage) readDelayed(o *Object, left *content.Budget) error {
	return i.eachRecord(peDelayed, peDelayedBytes, func(raw []byte) (bool, error) {
		attributes, name, lookup := little.Uint32(raw), little.Uint32(raw[4:]), little.Uint32(raw[16:])
		if name == 0 {
			return false, nil
		}
		if attributes&1 == 0 {
			return false, finding.Refuse(finding.CodeObjectFormat, "", "the table of delayed imports holds no addresses of a 64-bit file")
		}
		library, err := i.text(name)
		if err != nil {
			return false, err
		}
		o.Delayed = append(o.Delayed, library)
		return true, i.readThunks(o, library, lookup, left)
	})
}

// eachRecord walks a directory's table, which ends with a record of zeros. Like the loader it does not use the size in
// the header.
func (i *peImage) eachRecord(directory, bytes int, visit func(raw []byte) (more bool, err error)) error {
	d := i.directories[directory]
	if d.address == 0 {
		return nil
	}
	w, err := i.window(d.address)
	if err != nil {
		return err
	}
	data, _ := w.from(d.address)
	for count := 0; len(data) >= bytes; data = data[bytes:] {
		if more, err := visit(data[:bytes]); err != nil || !more {
			return err
		}
		if count++; count > content.MaxDynamic {
			break
		}
	}
	return finding.Refuse(finding.CodeObjectFormat, "", "a table of imports does not end")
}

// readThunks lists the symbols of one DLL: 64 bits each, a number or the address of a name after its hint.
func (i *peImage) readThunks(o *Object, library string, address uint32, left *content.Budget) error {
	w, err := i.window(address)
	if err != nil {
		return err
	}
	data, _ := w.from(address)
	for ; len(data) >= peThunkBytes; data = data[peThunkBytes:] {
		thunk := little.Uint64(data)
		if thunk == 0 {
			return nil
		}
		// Each symbol of an honest file has 8 bytes of its own; tables that share their bytes could go on for ever.
		if i.thunks++; i.thunks > i.Size/peThunkBytes {
			return finding.Refuse(finding.CodeObjectFormat, "", "the tables of imports overlap")
		}
		name, err := i.symbolOf(thunk)
		if err != nil {
			return err
		}
		if !left.SpendSymbol(len(name)) {
			return tooManySymbols()
		}
		o.Undefined = append(o.Undefined, Undefined{Name: name, Library: library})
	}
	return finding.Refuse(finding.CodeObjectFormat, "", "the imports of %s do not end", library)
}

func (i *peImage) symbolOf(thunk uint64) (string, error) {
	const number, hintBytes = 1 << 63, 2
	if thunk&number != 0 {
		return ordinalName(uint32(thunk & 0xffff)), nil
	}
	if thunk > 1<<31-1 {
		return "", finding.Refuse(finding.CodeObjectFormat, "", "an import has bits that mean nothing")
	}
	return i.text(uint32(thunk) + hintBytes)
}

// ordinalName spells a symbol that has a number and no name.
func ordinalName(number uint32) string { return "#" + strconv.FormatUint(uint64(number), 10) }

func tooManySymbols() error {
	return finding.Refuse(finding.CodeObjectFormat, "", "the wheel's objects have more than %d symbols, or more than %d bytes of names", content.MaxWheelSymbols, content.MaxWheelNames)
}
