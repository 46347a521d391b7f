package wheel

import (
	"cmp"
	"maps"
	"slices"

	"github.com/sagebuild/sagebuild/internal/ui"
	"github.com/sagebuild/sagebuild/internal/wheel/device"
	"github.com/sagebuild/sagebuild/internal/wheel/finding"
	"github.com/sagebuild/sagebuild/kernels"
)

// Devices lists the device code that a driver can load, ordered by kind and SM: standalone cubins, and the entries of
// fatbins except relocatable code.
func (w *Wheel) Devices() []device.Device {
	var devices []device.Device
	for _, fatbin := range w.Fatbins {
		if fatbin.Relocatable() {
			continue
		}
		for _, entry := range fatbin.Entries {
			devices = append(devices, device.Device{Member: fatbin.Member, Kind: entry.Kind, Arch: entry.Arch, Size: entry.Stored, Cubin: entry.Cubin})
		}
	}
	for at := range w.Cubins {
		cubin := &w.Cubins[at]
		devices = append(devices, device.Device{Member: cubin.Member, Kind: device.KindCubin, Arch: cubin.Arch, Size: cubin.Size, Cubin: cubin})
	}
	slices.SortStableFunc(devices, func(a, b device.Device) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), a.Arch.Compare(b.Arch))
	})
	return devices
}

// checkDevice compares the device code with the plan, target by target.
func (w *Wheel) checkDevice(want Expectation, report *finding.List) {
	if want.Kernels == nil {
		return
	}
	cubins, ptx := map[kernels.Arch][]device.Device{}, map[kernels.Arch][]device.Device{}
	for _, one := range w.Devices() {
		switch one.Kind {
		case device.KindCubin, device.KindOldCubin:
			cubins[one.Arch] = append(cubins[one.Arch], one)
		case device.KindPTX:
			ptx[one.Arch] = append(ptx[one.Arch], one)
		}
	}
	want.checkCubins(cubins, report)
	want.checkPTX(ptx, report)
}

func (want Expectation) checkCubins(cubins map[kernels.Arch][]device.Device, report *finding.List) {
	for _, arch := range sortedArchs(want.Kernels) {
		if devices := cubins[arch]; len(devices) > 0 {
			checkKernels(arch, devices, want.Kernels[arch], report)
		} else {
			report.Fail(finding.CodeSMMissing, "", "no cubin for SM %s, which is planned", arch)
		}
	}
	for _, arch := range sortedArchs(cubins) {
		if _, planned := want.Kernels[arch]; !planned {
			report.Fail(finding.CodeSMExtra, cubins[arch][0].Member, "a cubin for SM %s, which is not planned", arch)
		}
	}
}

func (want Expectation) checkPTX(ptx map[kernels.Arch][]device.Device, report *finding.List) {
	for _, arch := range want.PTX {
		if len(ptx[arch]) == 0 {
			report.Fail(finding.CodePTXMissing, "", "no PTX for SM %s, which is planned", arch)
		}
	}
	for _, arch := range sortedArchs(ptx) {
		if !slices.Contains(want.PTX, arch) {
			report.Fail(finding.CodePTXExtra, ptx[arch][0].Member, "PTX for SM %s, which is not planned", arch)
		}
	}
}

// checkKernels compares the kernels of all cubins of one target with their planned names.
func checkKernels(arch kernels.Arch, devices []device.Device, names []string, report *finding.List) {
	count := countKernels(devices)
	member := devices[0].Member
	for _, name := range names {
		switch count[name] {
		case 0:
			report.Fail(finding.CodeKernelMissing, member, "SM %s has no kernel %s", arch, name)
		case 1:
		default:
			report.Fail(finding.CodeSMDuplicate, member, "SM %s has kernel %s %s", arch, name, ui.Count(count[name], "time"))
		}
		delete(count, name)
	}
	if extra := slices.Sorted(maps.Keys(count)); len(extra) > 0 {
		report.Warn(finding.CodeKernelExtra, member, "SM %s has unplanned kernels %s", arch, list(extra))
	}
}

// countKernels counts for each kernel the pieces of device code that hold the kernel.
func countKernels(devices []device.Device) map[string]int {
	count := map[string]int{}
	for _, device := range devices {
		if device.Cubin == nil {
			continue
		}
		for _, kernel := range device.Cubin.Kernels {
			count[kernel.Name]++
		}
	}
	return count
}

func sortedArchs[V any](set map[kernels.Arch]V) []kernels.Arch {
	return slices.SortedFunc(maps.Keys(set), kernels.Arch.Compare)
}
