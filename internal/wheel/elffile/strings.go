package elffile

import (
	"strings"

	"github.com/sagebuild/sagebuild/internal/wheel/content"
)

// StringTable holds zero-terminated strings that other tables name by offset. Names are parts of the table, not
// copies, and their total length is bounded: many symbols of a hostile file may share one long name.
type StringTable struct {
	Text   string
	budget int
}

func NewStrings(data []byte) *StringTable {
	return &StringTable{Text: string(data), budget: 1<<20 + 16*len(data)}
}

// At returns the string at offset, or false if none ends there within bounds.
func (t *StringTable) At(offset uint32) (string, bool) {
	if uint64(offset) >= uint64(len(t.Text)) {
		return "", false
	}
	text := t.Text[offset:]
	end := strings.IndexByte(text[:min(len(text), content.MaxSymbolName)], 0)
	if t.budget -= end; end < 0 || t.budget < 0 {
		return "", false
	}
	return text[:end], true
}
