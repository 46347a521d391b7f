package wheel

import (
	"cmp"
	"maps"
	"slices"
)

// Devices lists the device code that a driver can load: entries of fatbins, without relocatable ones, and
// standalone cubins; ordered by kind and SM.
func (w *Wheel) Devices() []Device {
	var devices []Device
	for _, fatbin := range w.Fatbins {
		if fatbin.Relocatable() {
			continue
		}
		for _, entry := range fatbin.Entries {
			devices = append(devices, Device{fatbin.Member, entry.Kind, entry.Arch, entry.Stored, entry.Cubin})
		}
	}
	for at := range w.Cubins {
		cubin := &w.Cubins[at]
		devices = append(devices, Device{cubin.Member, KindCubin, cubin.Arch, cubin.Size, cubin})
	}
	slices.SortStableFunc(devices, func(a, b Device) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), a.Arch.Compare(b.Arch))
	})
	return devices
}

// checkDevice compares the device code with the plan, target by target.
func (w *Wheel) checkDevice(want Expectation, report *findings) {
	if want.Kernels == nil {
		return
	}
	cubins, ptx := map[Arch][]Device{}, map[Arch][]Device{}
	for _, device := range w.Devices() {
		switch device.Kind {
		case KindCubin, KindOldCubin:
			cubins[device.Arch] = append(cubins[device.Arch], device)
		case KindPTX:
			ptx[device.Arch] = append(ptx[device.Arch], device)
		}
	}
	want.checkCubins(cubins, report)
	want.checkPTX(ptx, report)
}

func (want Expectation) checkCubins(cubins map[Arch][]Device, report *findings) {
	for _, arch := range sortedArchs(want.Kernels) {
		if devices := cubins[arch]; len(devices) > 0 {
			checkKernels(arch, devices, want.Kernels[arch], report)
		} else {
			report.fail(CodeSMMissing, "", "no cubin for SM %s, which is planned", arch)
		}
	}
	for _, arch := range sortedArchs(cubins) {
		if _, planned := want.Kernels[arch]; !planned {
			report.fail(CodeSMExtra, cubins[arch][0].Member, "a cubin for SM %s, which is not planned", arch)
		}
	}
}

func (want Expectation) checkPTX(ptx map[Arch][]Device, report *findings) {
	for _, arch := range want.PTX {
		if len(ptx[arch]) == 0 {
			report.fail(CodePTXMissing, "", "no PTX for SM %s, which is planned", arch)
		}
	}
	for _, arch := range sortedArchs(ptx) {
		if !slices.Contains(want.PTX, arch) {
			report.fail(CodePTXExtra, ptx[arch][0].Member, "PTX for SM %s, which is not planned", arch)
		}
	}
}

// checkKernels compares the kernels of all cubins of one target with their planned names.
func checkKernels(arch Arch, devices []Device, names []string, report *findings) {
	count := countKernels(devices)
	member := devices[0].Member
	for _, name := range names {
		switch count[name] {
		case 0:
			report.fail(CodeKernelMissing, member, "SM %s has no kernel %s", arch, name)
		case 1:
		default:
			report.fail(CodeSMDuplicate, member, "SM %s has kernel %s %d times", arch, name, count[name])
		}
		delete(count, name)
	}
	if extra := slices.Sorted(maps.Keys(count)); len(extra) > 0 {
		report.warn(CodeKernelExtra, member, "SM %s has unplanned kernels %s", arch, list(extra))
	}
}

// countKernels says how many of some pieces of device code hold each kernel.
func countKernels(devices []Device) map[string]int {
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

func sortedArchs[V any](set map[Arch]V) []Arch {
	return slices.SortedFunc(maps.Keys(set), Arch.Compare)
}
