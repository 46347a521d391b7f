package wheel

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	"github.com/sagebuild/sagebuild/internal/wheel/finding"
	"github.com/sagebuild/sagebuild/internal/wheel/wheeltest"
)

func TestFatbinSectionsOfObjects(t *testing.T) {
	s := goodWheel(t)
	s.set(libraryName, wheeltest.Fixture(t, "device.so"))
	w, err := Open(s.write(t))
	if err != nil || len(w.Problems) != 0 {
		t.Fatalf("problems %s, error %v", lines(w.Problems), err)
	}
	var found []string
	for _, fatbin := range w.Fatbins {
		found = append(found, fmt.Sprintf("%s %q %d", fatbin.Member, fatbin.Section, len(fatbin.Entries)))
	}
	want := []string{
		libraryName + ` ".nv_fatbin" 6`,
		libraryName + ` ".nv_fatbin" 6`,
		libraryName + ` "__nv_relfatbin" 6`,
		fatbinName + ` "" 6`,
	}
	if !slices.Equal(found, want) {
		t.Errorf("%q, want %q", found, want)
	}
	if got := len(w.Devices()); got != 18 {
		t.Errorf("%d pieces of device code, want 18: relocatable ones do not load", got)
	}
}

func TestStandaloneCubins(t *testing.T) {
	s := goodWheel(t)
	s.files = append(s.files,
		file{name: "sageattention/sm_90a.cubin", data: wheeltest.Fixture(t, "sm_90a.cubin")},
		file{name: "sageattention/cuda13.cubin", data: wheeltest.Fixture(t, "sm_90a_cuda13.cubin")})
	w, err := Open(s.write(t))
	if err != nil || len(w.Problems) != 0 || len(w.Cubins) != 2 {
		t.Fatalf("problems %s, error %v", lines(w.Problems), err)
	}
	for at, abi := range []int{7, 8} {
		if cubin := w.Cubins[at]; cubin.Arch.String() != "9.0a" || cubin.ABI != abi {
			t.Errorf("%+v", cubin)
		}
	}
}

const fatbinHeaderBytes = 16

func TestFatbinTwoCubinsOfOneSM(t *testing.T) {
	s := goodWheel(t)
	data := bytes.Clone(s.data(fatbinName))
	entries := append(bytes.Clone(data[fatbinHeaderBytes:]), data[fatbinHeaderBytes:]...)
	little.PutUint64(data[8:], uint64(len(entries)))
	s.set(fatbinName, append(data[:fatbinHeaderBytes:fatbinHeaderBytes], entries...))
	w, err := Open(s.write(t))
	if err != nil || len(w.Problems) != 5 || w.Problems[0].Code != finding.CodeSMDuplicate {
		t.Errorf("problems %s, error %v", lines(w.Problems), err)
	}
}
