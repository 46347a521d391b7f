package system

import (
	"errors"
	"fmt"
)

// Exchange fails: Windows cannot give two directories each other's name.
func Exchange(a, b string) error {
	return fmt.Errorf("exchanging %s and %s: %w", a, b, errors.ErrUnsupported)
}
