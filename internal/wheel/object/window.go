package object

import (
	"bytes"

	"github.com/sagebuild/sagebuild/internal/wheel/content"
	"github.com/sagebuild/sagebuild/internal/wheel/finding"
)

// window is a part of a PE file as it lies in memory: its tables name each other by address.
type window struct {
	address uint32
	data    []byte
	budget  int // bytes of names: many entries of a hostile table may share one long name
}

func newWindow(address uint32, data []byte) *window {
	return &window{address, data, 1<<20 + 16*len(data)}
}

// from returns what the window holds from an address on.
func (w *window) from(address uint32) ([]byte, bool) {
	if address < w.address || uint64(address-w.address) >= uint64(len(w.data)) {
		return nil, false
	}
	return w.data[address-w.address:], true
}

// table returns count entries of some bytes.
func (w *window) table(address, count, bytes uint32) ([]byte, bool) {
	data, ok := w.from(address)
	if length := uint64(count) * uint64(bytes); ok && length <= uint64(len(data)) {
		return data[:length], true
	}
	return nil, count == 0
}

// text returns the string at an address, as a part of the window.
func (w *window) text(address uint32) ([]byte, bool) {
	data, _ := w.from(address)
	end := bytes.IndexByte(data[:min(len(data), content.MaxSymbolName)], 0)
	if w.budget -= end; end < 0 || w.budget < 0 {
		return nil, false
	}
	return data[:end], true
}

// window returns the section in which an address lies, read once.
func (i *peImage) window(address uint32) (*window, error) {
	at, ok := i.holding(address)
	if !ok {
		return nil, finding.Refuse(finding.CodeObjectFormat, "", "a table lies outside of the sections")
	}
	if i.windows[at] != nil {
		return i.windows[at], nil
	}
	s := i.sections[at]
	part, ok := i.Slice(uint64(s.offset), uint64(s.mapped()))
	if i.room -= part.Size; !ok || i.room < 0 {
		return nil, finding.Refuse(finding.CodeObjectFormat, "", "section %q is too large, or reaches beyond the end of the file", s.name)
	}
	data, ok := part.Bytes(part.Size)
	if !ok {
		return nil, finding.Refuse(finding.CodeObjectFormat, "", "section %q cannot be read", s.name)
	}
	i.windows[at] = newWindow(s.address, data)
	return i.windows[at], nil
}

// text returns a copy of the string at an address, which keeps no window in memory.
func (i *peImage) text(address uint32) (string, error) {
	w, err := i.window(address)
	if err != nil {
		return "", err
	}
	text, ok := w.text(address)
	if !ok {
		return "", finding.Refuse(finding.CodeObjectFormat, "", "a name does not end, or there are too many")
	}
	return string(text), nil
}
