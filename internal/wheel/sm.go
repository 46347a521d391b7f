package wheel

import (
	"github.com/sagebuild/sagebuild/kernels"
	"github.com/sagebuild/sagebuild/matrix"
)

// SM and Arch are those of the plan: what it asks for is what a wheel is compared with.
type (
	SM   = matrix.SM
	Arch = kernels.Arch
)

// archOf splits the decimal SM number of fatbins and cubins: 90 is 9.0, 121 is 12.1.
func archOf(number uint32, suffix string) Arch {
	return Arch{SM: SM{Major: int(number / 10), Minor: int(number % 10)}, Suffix: suffix}
}
