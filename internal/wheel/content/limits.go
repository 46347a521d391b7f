package content

import "sync/atomic"

// Bounds on what one wheel may make the reader do. The largest wheels in use (torch with CUDA: 0.9 GB, 13,000
// files, 1.7 GB unpacked) stay well below.
const (
	MaxMembers        = 100_000
	MaxDirectoryBytes = 64 << 20
	MaxNameBytes      = 1024
	MaxDepth          = 64
	MaxUnpackedBytes  = 32 << 30

	// Deflate reaches 1032:1 on zeros; code and text stay below 30:1. Small files may be all zeros.
	MaxRatio      = 200
	RatioFreeSize = 16 << 20

	MaxHeaderBytes = 8 << 20  // WHEEL, METADATA
	MaxRecordBytes = 64 << 20 // RECORD
	MaxHeaderLines = 100_000

	// Members up to MemoryBytes are inspected in memory, larger ones in an unlinked temporary file.
	MemoryBytes = 64 << 20
	MaxReaders  = 4 // members that are read side by side

	MaxContainers  = 65_536    // fatbins in one wheel
	MaxEntries     = 262_144   // entries in all fatbins of one wheel
	MaxCubinBytes  = 256 << 20 // one cubin, unpacked
	MaxDeviceBytes = 16 << 30  // all cubins of a wheel, unpacked

	MaxDynamic     = 65_536 // strings in a dynamic section, versions that an object needs
	MaxSymbols     = 2 << 20
	MaxPEHeaders   = 64 << 10 // the table of sections is the last part of the headers
	MaxPESections  = 1024
	MaxSymbolName  = 32 << 10
	MaxStringBytes = 128 << 20

	MaxWheelSymbols = 8 << 20   // dynamic symbols of all objects of a wheel
	MaxWheelNames   = 512 << 20 // bytes of the names of these symbols
)

// Budget is what is left of the bounds on a wheel's code. Sections may overlap, so small parts do not prove a small
// whole. Members are read side by side and share one Budget.
type Budget struct {
	containers, entries, bytes atomic.Int64
	symbols, names             atomic.Int64 // dynamic symbols, and bytes of their names
}

func NewBudget() *Budget {
	b := &Budget{}
	b.containers.Store(MaxContainers)
	b.entries.Store(MaxEntries)
	b.bytes.Store(MaxDeviceBytes)
	b.symbols.Store(MaxWheelSymbols)
	b.names.Store(MaxWheelNames)
	return b
}

// take takes n of what is left, and reports whether that much was left. A bound that is once broken stays broken.
func take(left *atomic.Int64, n int64) bool {
	// n may come from the file: left must not wrap around, however often n is taken.
	return left.Load() >= 0 && n <= 1<<40 && left.Add(-n) >= 0
}

// TakeContainer takes one fatbin.
func (b *Budget) TakeContainer() bool { return take(&b.containers, 1) }

// TakeEntry takes one entry of a fatbin, or another part of a member.
func (b *Budget) TakeEntry() bool { return take(&b.entries, 1) }

// SetEntries sets how many entries are left.
func (b *Budget) SetEntries(n int64) { b.entries.Store(n) }

// Spend takes n bytes of unpacked device code.
func (b *Budget) Spend(n int64) bool { return take(&b.bytes, n) }

// SpendSymbol takes one symbol with a name of n bytes.
func (b *Budget) SpendSymbol(n int) bool { return take(&b.symbols, 1) && take(&b.names, int64(n)) }
