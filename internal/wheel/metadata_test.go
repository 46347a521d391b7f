package wheel

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/sagebuild/sagebuild/internal/wheel/content"
)

func TestParseMetadata(t *testing.T) {
	text := "Metadata-Version: 2.4\r\nName: a\r\nversion: 1\r\nRequires-Dist: x>1\r\nRequires-Dist: y ;\r\n  extra == 'z'\r\n\r\nName: body\r\n"
	got, err := ParseMetadata([]byte(text))
	if err != nil || got.Name != "a" || got.Version != "1" || !slices.Equal(got.RequiresDist, []string{"x>1", "y ;\nextra == 'z'"}) {
		t.Errorf("%+v, error %v", got, err)
	}
}

func TestParseInfo(t *testing.T) {
	got, err := ParseInfo([]byte("Wheel-Version: 1.0\nRoot-Is-Purelib: True\nTag: py2-none-any\nTag: py3-none-any\nBuild: 7"))
	if err != nil || got.Build != "7" || len(got.Tags) != 2 || !got.Purelib || got.WheelVersion != "1.0" {
		t.Errorf("%+v, error %v", got, err)
	}
}

func TestParseHeadersRefuses(t *testing.T) {
	for _, text := range []string{"no colon\n", " continues\n", ": empty\n", "A b: c\n", "A: \xff\n", "A: \x00\n", "A: b\rC: d\n"} {
		if got, err := ParseHeaders([]byte(text)); err == nil {
			t.Errorf("%q was read as %v", text, got)
		}
	}
	many := strings.Repeat("A: b\n", content.MaxHeaderLines+1)
	if _, err := ParseHeaders([]byte(many)); err == nil {
		t.Error("too many lines were read")
	}
}

func TestParseRecord(t *testing.T) {
	text := "\"a,b.py\",sha256=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU,0\r\nRECORD,,\r\n"
	got, err := ParseRecord([]byte(text))
	if err != nil || len(got) != 2 || got[0].Path != "a,b.py" || got[0].Size != 0 || got[1].Size != -1 {
		t.Fatalf("%+v, error %v", got, err)
	}
	if !bytes.HasPrefix(got[0].Hash, []byte{0xe3, 0xb0, 0xc4, 0x42}) {
		t.Errorf("hash %x", got[0].Hash)
	}
}

func TestParseRecordRefuses(t *testing.T) {
	for _, text := range []string{
		"a\n", "a,b\n", "a,,,\n", "a,sha256=!!,1\n", "a,sha256=47DE=,1\n", "a,sha256,1\n", "a,,-1\n", "a,,1x\n", "a,,99999999999999999999\n", "\"a,,\n",
	} {
		if got, err := ParseRecord([]byte(text)); err == nil {
			t.Errorf("%q was read as %+v", text, got)
		}
	}
}
