package audit

import (
	"encoding/binary"
	"slices"
	"testing"

	"github.com/sagebuild/sagebuild/internal/wheel/device"
	"github.com/sagebuild/sagebuild/internal/wheel/wheeltest"
)

const fixtureName = "fixture-1.0-py3-none-manylinux_2_17_x86_64.whl"

// TestCoverage reads the fixtures' cubins for 7.0, 8.0, 9.0a, 10.0f, 12.1 and PTX for 12.1.
func TestCoverage(t *testing.T) {
	r := audited(t, defaults(t), fixtureName, file{"fixture/a.fatbin", wheeltest.Fixture(t, "plain.fatbin")}, file{"fixture/b.fatbin", wheeltest.Fixture(t, "size.fatbin")})
	if len(r.GPUs) != 1 || !slices.Equal(r.GPUs[0].Members, []string{"fixture/a.fatbin", "fixture/b.fatbin"}) {
		t.Fatalf("%+v", r.GPUs)
	}
	want := map[string]string{
		"7.0": "native", "7.5": "same major (7.0)", "8.0": "native", "8.6": "same major (8.0)", "8.7": "same major (8.0)",
		"8.8": "same major (8.0)", "8.9": "same major (8.0)", "9.0": "native", "10.0": "native", "10.3": "same major (10.0f)", "11.0": "no",
		"12.0": "no", "12.1": "native",
	}
	for _, gpu := range r.GPUs[0].GPUs {
		if got := gpu.text(1); got != want[gpu.SM.String()] || !slices.Equal(gpu.Names, defaults(t).Matrix.GPUs(gpu.SM)) {
			t.Errorf("%s (%q): %q, want %q", gpu.SM, gpu.Names, got, want[gpu.SM.String()])
		}
	}
}

// TestCoverageOfSeveralFatbins puts a fatbin of one cubin beside one of five.
func TestCoverageOfSeveralFatbins(t *testing.T) {
	data := wheeltest.Fixture(t, "plain.fatbin")
	length := binary.LittleEndian.Uint32(data[16+4:]) + binary.LittleEndian.Uint32(data[16+8:])
	first := slices.Clone(data[:16+length])
	binary.LittleEndian.PutUint64(first[8:], uint64(length))
	r := audited(t, defaults(t), fixtureName, file{"fixture/two.fatbin", append(first, data...)})
	for sm, want := range map[string]string{"7.0": "native", "9.0": "native in 1, no in 1 of 2 fatbins"} {
		at := slices.IndexFunc(r.GPUs[0].GPUs, func(g GPU) bool { return g.SM.String() == sm })
		if gpu := r.GPUs[0].GPUs[at]; gpu.text(2) != want {
			t.Errorf("%s: %q, want %q", sm, gpu.text(2), want)
		}
	}
}

// TestCode wants sums by SM, and the relocatable section apart, because a driver loads none of it.
func TestCode(t *testing.T) {
	r := audited(t, defaults(t), fixtureName, file{"fixture/device.so", wheeltest.Fixture(t, "device.so")}, file{"fixture/x.cubin", wheeltest.Fixture(t, "sm_90a.cubin")})
	counts := map[string]int{}
	for _, c := range r.Code {
		counts[c.Section+" "+string(c.Kind)+" "+c.Compression] += c.Entries
		if c.Stored <= 0 || c.Bytes < c.Stored-8 || c.Loadable != (c.Section != "__nv_relfatbin") {
			t.Errorf("%+v", c)
		}
		if c.Kind == device.KindPTX && (c.Version != "8.8" || c.Arch.String() != "12.1") {
			t.Errorf("%+v", c)
		}
	}
	want := map[string]int{
		".nv_fatbin cubin lz4": 5, ".nv_fatbin cubin zstd": 5, "__nv_relfatbin cubin zstd": 5, " cubin ": 1,
		".nv_fatbin ptx lz4": 1, ".nv_fatbin ptx zstd": 1, "__nv_relfatbin ptx zstd": 1,
	}
	for key, count := range want {
		if counts[key] != count {
			t.Errorf("%q: %d, want %d", key, counts[key], count)
		}
	}
	if len(counts) != len(want) {
		t.Errorf("%v", counts)
	}
}

func TestKernelGroups(t *testing.T) {
	r := audited(t, defaults(t), fixtureName, file{"fixture/a.fatbin", wheeltest.Fixture(t, "plain.fatbin")})
	if len(r.Kernels) != 5 {
		t.Fatalf("%+v", r.Kernels)
	}
	first := r.Kernels[0] // 7.0: internal/wheel/wheeltest/testdata/README.md
	if first.Count != 3 || first.MaxRegisters != 16 || first.MaxShared != 1024 || first.MaxStack != 512 || first.WithStack != 1 {
		t.Errorf("%+v", first)
	}
	if len(first.Kernels) != 3 || first.Kernels[0].Name != "permute" {
		t.Errorf("%+v", first.Kernels)
	}
	options := defaults(t)
	options.Kernels = false
	if r = audited(t, options, fixtureName, file{"fixture/a.fatbin", wheeltest.Fixture(t, "plain.fatbin")}); r.Kernels[0].Kernels != nil {
		t.Errorf("kernels were kept: %+v", r.Kernels[0])
	}
}
