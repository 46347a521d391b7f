//go:build !linux

package doctor

import "errors"

func tryOverlay(string) error { return errors.ErrUnsupported }
