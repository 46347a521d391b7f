package wheel

import (
	"bytes"
	"fmt"
	"unicode/utf8"
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
	return newComparison().differ("", 0, content{first.reader(), first.size()}, content{second.reader(), second.size()})
}

// unpack keeps a whole member for random access.
func (a *archive) unpack(m *member) (*spool, error) {
	keep := &spool{expect: m.size, limit: memoryBytes, all: true}
	if err := a.copyTo(keep, m); err != nil {
		keep.close()
		return nil, err
	}
	return keep, nil
}

// comparison holds what is left of the bounds on one member. Sections may overlap, or hold their own file.
type comparison struct{ left *budget }

func newComparison() comparison {
	left := newBudget()
	left.setEntries(maxPieces)
	return comparison{left}
}

// maxPieces is how many parts of one member are told apart; libraries have 50, our fatbins 200.
const maxPieces = 20_000

// maxPieceDepth is that of a section of a cubin of a fatbin in a section of a shared object.
const maxPieceDepth = 4

// differ returns the smallest named parts in which two contents differ, or nothing where they are the same. Its names
// begin with a prefix.
func (c comparison) differ(prefix string, depth int, a, b content) ([]Part, error) {
	at, err := firstDifference(a, b)
	if at < 0 || err != nil {
		return nil, err
	}
	var parts []Part
	of, other := c.pieces(depth, a), c.pieces(depth, b)
	byName := map[string]piece{}
	for _, q := range other {
		byName[q.name] = q
	}
	for _, p := range of {
		q, ok := byName[p.name]
		if !ok {
			parts = append(parts, Part{prefix + p.name, p.size, -1, 0})
			continue
		}
		delete(byName, p.name)
		inside, err := c.differ(prefix+p.name+" / ", depth+1, p.content, q.content)
		if err != nil {
			return nil, err
		}
		parts = append(parts, inside...)
	}
	for _, q := range other {
		if _, alone := byName[q.name]; alone {
			parts = append(parts, Part{prefix + q.name, -1, q.size, 0})
		}
	}
	if len(parts) == 0 {
		parts = append(parts, Part{nameOf(prefix, a, b, at), a.size, b.size, at})
	}
	return parts, nil
}

// nameOf names content that has no parts, or differs outside of them: by its prefix, a text by the line.
func nameOf(prefix string, a, b content, at int64) string {
	if prefix != "" {
		return prefix[:len(prefix)-len(" / ")]
	}
	text, ok := a.bytes(maxHeaderBytes)
	other, okOther := b.bytes(maxHeaderBytes)
	if ok && okOther && utf8.Valid(text) && utf8.Valid(other) && !bytes.ContainsRune(text, 0) {
		return fmt.Sprintf("line %d", 1+bytes.Count(text[:at], []byte("\n")))
	}
	return "bytes"
}

// firstDifference is the offset of the first byte that differs, the end of the shorter one, or -1.
func firstDifference(a, b content) (int64, error) {
	common := min(a.size, b.size)
	step := min(256<<10, common)
	x, y := make([]byte, step), make([]byte, step)
	for at := int64(0); at < common; at += step {
		n := min(step, common-at)
		if err := readFull(a.r, x[:n], at); err != nil {
			return 0, err
		}
		if err := readFull(b.r, y[:n], at); err != nil {
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
	if a.size != b.size {
		return common, nil
	}
	return -1, nil
}

// pieces takes shared objects, cubins and fatbins apart. Anything else has no parts, and so has what is damaged or breaks a bound.
func (c comparison) pieces(depth int, of content) []piece {
	var list []piece
	head := of.magic()
	switch {
	case depth >= maxPieceDepth:
	case isELF(head[:]), isMZ(head[:]):
		list = objectPieces(of)
	case isFatbin(head[:]):
		list = fatbinPieces(of, c.left)
	}
	for _, p := range list {
		if !c.left.takeEntry() || !c.left.spend(p.size) {
			return nil
		}
	}
	return numbered(list)
}

// numbered makes names unique: the second part of a name becomes "name #2".
func numbered(list []piece) []piece {
	seen := map[string]int{}
	for i := range list {
		name := list[i].name
		if seen[name]++; seen[name] > 1 {
			list[i].name = fmt.Sprintf("%s #%d", name, seen[name])
		}
	}
	return list
}
