package wheel

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

	maxContainers    = 65_536  // fatbins in one wheel
	maxEntries       = 262_144 // entries in all of them
	maxFatbinNesting = 4
	maxCubinBytes    = 256 << 20 // one cubin, unpacked
	maxDeviceBytes   = 16 << 30  // all cubins of a wheel, unpacked

	maxDynamic     = 65_536 // strings in a dynamic section, versions that an object needs
	maxSymbols     = 2 << 20
	maxSymbolName  = 32 << 10
	maxStringBytes = 128 << 20

	maxWheelSymbols = 8 << 20   // dynamic symbols of all objects of a wheel
	maxWheelNames   = 512 << 20 // bytes of their names
)

// budget is what is left of the bounds on a wheel's device code: sections may overlap, so each part alone being
// small proves nothing.
type budget struct {
	containers, entries int
	bytes               int64
	symbols, names      int // dynamic symbols, and bytes of their names
}

func newBudget() *budget {
	return &budget{maxContainers, maxEntries, maxDeviceBytes, maxWheelSymbols, maxWheelNames}
}

// spendSymbol takes one symbol with a name of n bytes, and reports whether both were left.
func (b *budget) spendSymbol(n int) bool {
	b.symbols--
	b.names -= n
	return b.symbols >= 0 && b.names >= 0
}

// spend takes n bytes, and reports whether they were left.
func (b *budget) spend(n int64) bool {
	b.bytes -= min(n, b.bytes+1)
	return b.bytes >= 0
}
