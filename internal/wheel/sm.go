package wheel

import "github.com/sagebuild/sagebuild/matrix"

// SM is the matrix's SM: what a plan asks for is what a wheel is compared with.
type SM = matrix.SM
