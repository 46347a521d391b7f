package wheel

import "sync/atomic"

// Bounds on what one wheel may make the reader do. The largest wheels in use (torch with CUDA: 0.9 GB, 13,000
// files, 1.7 GB unpacked) stay well below.
const (
	maxMembers        = 100_000
	maxDirectoryBytes = 64 << 20
	maxNameBytes      = 1024
	maxDepth          = 64
	maxUnpackedBytes  = 32 << 30

	// Deflate reaches 1032:1 on zeros; code and text stay below 30:1. Small files may be all zeros.
	maxRatio      = 200
	ratioFreeSize = 16 << 20

	maxHeaderBytes = 8 << 20  // WHEEL, METADATA
	maxRecordBytes = 64 << 20 // RECORD
	maxHeaderLines = 100_000

	// Members up to memoryBytes are inspected in memory, larger ones in an unlinked temporary file.
	memoryBytes = 64 << 20
	maxReaders  = 4 // members that are read side by side

	maxContainers    = 65_536  // fatbins in one wheel
	maxEntries       = 262_144 // entries in all of them
	maxFatbinNesting = 4
	maxCubinBytes    = 256 << 20 // one cubin, unpacked
	maxDeviceBytes   = 16 << 30  // all cubins of a wheel, unpacked

	maxDynamic     = 65_536 // strings in a dynamic section, versions that an object needs
	maxSymbols     = 2 << 20
	maxPEHeaders   = 64 << 10 // of which the table of sections is the last part
	maxPESections  = 1024
	maxSymbolName  = 32 << 10
	maxStringBytes = 128 << 20

	maxWheelSymbols = 8 << 20   // dynamic symbols of all objects of a wheel
	maxWheelNames   = 512 << 20 // bytes of their names
)

// budget is what is left of the bounds on a wheel's code: sections may overlap, so each part alone being small
// proves nothing. Members are read side by side and share it.
type budget struct {
	containers, entries, bytes atomic.Int64
	symbols, names             atomic.Int64 // dynamic symbols, and bytes of their names
}

func newBudget() *budget {
	b := &budget{}
	b.containers.Store(maxContainers)
	b.entries.Store(maxEntries)
	b.bytes.Store(maxDeviceBytes)
	b.symbols.Store(maxWheelSymbols)
	b.names.Store(maxWheelNames)
	return b
}

// take takes n of what is left, and reports whether it was there. A bound stays broken once it is.
func take(left *atomic.Int64, n int64) bool {
	// n may come from the file: it must not wrap around, however often it is taken.
	return left.Load() >= 0 && n <= 1<<40 && left.Add(-n) >= 0
}

// takeContainer takes one fatbin.
func (b *budget) takeContainer() bool { return take(&b.containers, 1) }

// takeEntry takes one entry of a fatbin, or another part of a member.
func (b *budget) takeEntry() bool { return take(&b.entries, 1) }

// setEntries sets how many entries are left.
func (b *budget) setEntries(n int64) { b.entries.Store(n) }

// spend takes n bytes of unpacked device code.
func (b *budget) spend(n int64) bool { return take(&b.bytes, n) }

// spendSymbol takes one symbol with a name of n bytes.
func (b *budget) spendSymbol(n int) bool { return take(&b.symbols, 1) && take(&b.names, int64(n)) }
