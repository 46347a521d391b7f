package wheel

import (
	"bytes"
	"fmt"
	"unicode/utf8"

	"github.com/sagebuild/sagebuild/internal/wheel/content"
	"github.com/sagebuild/sagebuild/internal/wheel/device"
	"github.com/sagebuild/sagebuild/internal/wheel/elffile"
	"github.com/sagebuild/sagebuild/internal/wheel/object"
)

// compareContents unpacks a member on both sides and returns the parts that differ.
func compareContents(x, y *opened, a, b *member) ([]Part, error) {
	first, err := x.archive.unpack(a)
	if err != nil {
		return nil, err
	}
	defer first.close()
	second, err := y.archive.unpack(b)
	if err != nil {
		return nil, err
	}
	defer second.close()
	return newComparison().differ("", 0, content.Content{R: first.reader(), Size: first.size()}, content.Content{R: second.reader(), Size: second.size()})
}

// unpack keeps a whole member for random access.
func (a *archive) unpack(m *member) (*spool, error) {
	keep := &spool{expect: m.size, limit: content.MemoryBytes, all: true}
	if err := a.copyTo(keep, m); err != nil {
		keep.close()
		return nil, err
	}
	return keep, nil
}

// comparison holds what is left of the bounds on one member, because sections may overlap, or hold the file that they
// are in.
type comparison struct{ left *content.Budget }

func newComparison() comparison {
	left := content.NewBudget()
	left.SetEntries(maxPieces)
	return comparison{left}
}

// maxPieces is how many parts of one member are told apart; libraries have 50, our fatbins 200.
const maxPieces = 20_000

// maxPieceDepth is the depth of the deepest piece: the section of a cubin, in a fatbin, in the section of a shared
// object.
const maxPieceDepth = 4

// differ returns the smallest named parts in which two contents differ, or nothing where the contents are the same. The
// names begin with a prefix.
func (c comparison) differ(prefix string, depth int, a, b content.Content) ([]Part, error) {
	at, err := firstDifference(a, b)
	if at < 0 || err != nil {
		return nil, err
	}
	var parts []Part
	of, other := c.pieces(depth, a), c.pieces(depth, b)
	byName := map[string]content.Piece{}
	for _, q := range other {
		byName[q.Name] = q
	}
	for _, p := range of {
		q, ok := byName[p.Name]
		if !ok {
			parts = append(parts, Part{prefix + p.Name, p.Size, -1, 0})
			continue
		}
		delete(byName, p.Name)
		inside, err := c.differ(prefix+p.Name+" / ", depth+1, p.Content, q.Content)
		if err != nil {
			return nil, err
		}
		parts = append(parts, inside...)
	}
	for _, q := range other {
		if _, alone := byName[q.Name]; alone {
			parts = append(parts, Part{prefix + q.Name, -1, q.Size, 0})
		}
	}
	if len(parts) == 0 {
		parts = append(parts, Part{nameOf(prefix, a, b, at), a.Size, b.Size, at})
	}
	return parts, nil
}

// nameOf names a difference in content without parts, or outside of the parts: by the prefix, in a text by the line.
func nameOf(prefix string, a, b content.Content, at int64) string {
	if prefix != "" {
		return prefix[:len(prefix)-len(" / ")]
	}
	text, ok := a.Bytes(content.MaxHeaderBytes)
	other, okOther := b.Bytes(content.MaxHeaderBytes)
	if ok && okOther && utf8.Valid(text) && utf8.Valid(other) && !bytes.ContainsRune(text, 0) {
		return fmt.Sprintf("line %d", 1+bytes.Count(text[:at], []byte("\n")))
	}
	return "bytes"
}

// firstDifference is the offset of the first byte that differs, the end of the shorter content, or -1.
func firstDifference(a, b content.Content) (int64, error) {
	common := min(a.Size, b.Size)
	step := min(256<<10, common)
	x, y := make([]byte, step), make([]byte, step)
	for at := int64(0); at < common; at += step {
		n := min(step, common-at)
		if err := content.ReadFull(a.R, x[:n], at); err != nil {
			return 0, err
		}
		if err := content.ReadFull(b.R, y[:n], at); err != nil {
			return 0, err
		}
		if bytes.Equal(x[:n], y[:n]) {
			continue
		}
		for i := range n {
			if x[i] != y[i] {
				return at + i, nil
			}
		}
	}
	if a.Size != b.Size {
		return common, nil
	}
	return -1, nil
}

// pieces takes shared objects, cubins and fatbins apart. All other content has no parts; neither has a damaged file, nor
// one that breaks a bound.
func (c comparison) pieces(depth int, of content.Content) []content.Piece {
	var list []content.Piece
	head := of.Magic()
	switch {
	case depth >= maxPieceDepth:
	case elffile.Is(head[:]), object.IsMZ(head[:]):
		list = object.Pieces(of)
	case device.IsFatbin(head[:]):
		list = device.Pieces(of, c.left)
	}
	for _, p := range list {
		if !c.left.TakeEntry() || !c.left.Spend(p.Size) {
			return nil
		}
	}
	return numbered(list)
}

// numbered makes names unique: the second part of a name becomes "name #2".
func numbered(list []content.Piece) []content.Piece {
	seen := map[string]int{}
	for i := range list {
		name := list[i].Name
		if seen[name]++; seen[name] > 1 {
			list[i].Name = fmt.Sprintf("%s #%d", name, seen[name])
		}
	}
	return list
}
