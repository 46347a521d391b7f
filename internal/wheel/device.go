package wheel

import (
	"cmp"
	"slices"
)

// Device is one piece of device code of a wheel, wherever it lies.
type Device struct {
	Member string
	Kind   Kind
	Arch   Arch
	Size   int64
	Cubin  *Cubin
}

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

// checkDevice compares the device code with the plan, SM by SM.
func (w *Wheel) checkDevice(want Expectation, report *findings) {
	if want.SMs == nil {
		return
	}
	cubins, ptx := map[Arch][]Device{}, map[Arch]string{}
	for _, device := range w.Devices() {
		switch device.Kind {
		case KindCubin, KindOldCubin:
			cubins[device.Arch] = append(cubins[device.Arch], device)
		case KindPTX:
			ptx[device.Arch] = device.Member
		}
	}
	want.checkSMs(cubins, report)
	want.checkPTX(ptx, report)
}

func (want Expectation) checkSMs(cubins map[Arch][]Device, report *findings) {
	planned := map[Arch]bool{}
	for _, sm := range want.SMs {
		arch := Arch{SM: sm, Suffix: want.Suffixes[sm]}
		found := cubins[arch]
		if planned[arch] = true; arch.Suffix != "" { // other sources of the SM may have plain code
			plain := Arch{SM: sm}
			planned[plain] = true
			found = slices.Concat(found, cubins[plain])
		}
		if len(cubins[arch]) == 0 {
			report.fail(CodeSMMissing, "", "no cubin for SM %s, which is planned", arch)
			continue
		}
		if names, ok := want.Kernels[sm]; ok {
			want.checkKernels(arch, found, names, report)
		}
	}
	for _, arch := range sortedArchs(cubins) {
		if !planned[arch] {
			report.fail(CodeSMExtra, cubins[arch][0].Member, "a cubin for SM %s, which is not planned", arch)
		}
	}
}

func (want Expectation) checkPTX(ptx map[Arch]string, report *findings) {
	planned := Arch{}
	if want.PTX != nil {
		planned = Arch{SM: *want.PTX} // that of 9.0a would run on nothing else
		if _, ok := ptx[planned]; !ok {
			report.fail(CodePTXMissing, "", "no PTX for SM %s, which is planned", planned)
		}
	}
	for _, arch := range sortedArchs(ptx) {
		if want.PTX == nil || arch != planned {
			report.fail(CodePTXExtra, ptx[arch], "PTX for SM %s, which is not planned", arch)
		}
	}
}

// checkKernels compares the kernels of all cubins of one SM with their planned names.
func (want Expectation) checkKernels(arch Arch, devices []Device, names []string, report *findings) {
	count := map[string]int{}
	for _, device := range devices {
		if device.Cubin == nil {
			continue
		}
		for _, kernel := range device.Cubin.Kernels {
			count[kernel.Name]++
		}
	}
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
	extra := make([]string, 0, len(count))
	for name := range count {
		extra = append(extra, name)
	}
	if slices.Sort(extra); len(extra) > 0 && !want.AllowUnplanned {
		report.warn(CodeKernelExtra, member, "SM %s has unplanned kernels %s", arch, list(extra))
	}
}

func sortedArchs[V any](set map[Arch]V) []Arch {
	archs := make([]Arch, 0, len(set))
	for arch := range set {
		archs = append(archs, arch)
	}
	slices.SortFunc(archs, Arch.Compare)
	return archs
}
