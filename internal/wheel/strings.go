package wheel

import "strings"

// stringTable holds zero-terminated strings that other tables name by offset. Names are parts of the table, not
// copies, and their total length is bounded: many symbols of a hostile file may share one long name.
type stringTable struct {
	text   string
	budget int
}

func newStrings(data []byte) *stringTable {
	return &stringTable{text: string(data), budget: 1<<20 + 16*len(data)}
}

// at returns the string at offset, or false if none ends there within bounds.
func (t *stringTable) at(offset uint32) (string, bool) {
	if uint64(offset) >= uint64(len(t.text)) {
		return "", false
	}
	text := t.text[offset:]
	end := strings.IndexByte(text[:min(len(text), maxSymbolName)], 0)
	if t.budget -= end; end < 0 || t.budget < 0 {
		return "", false
	}
	return text[:end], true
}
