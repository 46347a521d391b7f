package finding

import (
	"errors"
	"io"
	"testing"
)

// A refusal keeps the error of the reader that it quotes, and the code of the outermost one counts.
func TestRefuseKeepsTheCause(t *testing.T) {
	inner := Refuse(CodeCubinFormat, "", "cut short: %w", io.ErrUnexpectedEOF)
	outer := Refuse(CodeFatbinFormat, "a.fatbin", "the cubin of SM 8.0: %w", inner)
	if !errors.Is(outer, io.ErrUnexpectedEOF) || outer.Error() != "a.fatbin: the cubin of SM 8.0: cut short: unexpected EOF" {
		t.Errorf("%v has lost its cause", outer)
	}
	if found := Of(outer, CodeZipFormat, ""); found.Code != CodeFatbinFormat || found.Member != "a.fatbin" {
		t.Errorf("found %+v", found)
	}
	if cause := errors.Unwrap(Refuse(CodeZipFormat, "", "no zip file")); cause != nil {
		t.Errorf("cause %v of nothing", cause)
	}
}
