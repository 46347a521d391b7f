package audit

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/sagebuild/sagebuild/internal/diag"
	"github.com/sagebuild/sagebuild/internal/ui"
	"github.com/sagebuild/sagebuild/internal/wheel/device"
	"github.com/sagebuild/sagebuild/internal/wheel/finding"
	"github.com/sagebuild/sagebuild/kernels"
	"github.com/sagebuild/sagebuild/matrix"
)

// judge adds a finding for each rule that the wheel breaks, then changes severities as the policy says. A nil policy
// asks for nothing.
func (p *Policy) judge(r *Report) {
	if p == nil {
		return
	}
	p.judgeSMs(r)
	p.judgePTX(r)
	p.judgeSizes(r)
	p.judgeObjects(r)
	p.setSeverities(r)
}

func (r *Report) breaks(at *diag.Range, code finding.Code, member, format string, args ...any) {
	message := fmt.Sprintf(format, args...)
	r.Findings = append(r.Findings, Finding{finding.Finding{Severity: finding.Error, Code: code, Message: message, Member: member}, at})
}

// concerns reports whether SM rules are about a file.
func (p *Policy) concerns(member string) bool {
	return p.files.at == nil || matches(p.files.value, member)
}

// matches tries patterns on a whole path and on its last part.
func matches(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool {
		whole, _ := path.Match(pattern, name)
		last, _ := path.Match(pattern, path.Base(name))
		return whole || last
	})
}

// judgeSMs wants each required SM to load natively from every fatbin of every file.
func (p *Policy) judgeSMs(r *Report) {
	if len(p.sms) == 0 || r.wheel == nil {
		return
	}
	counts := map[string][2]int{} // by file: fatbins that have the SM, all fatbins
	for _, sm := range p.sms {
		clear(counts)
		for _, u := range units(r.wheel) {
			if p.concerns(u.member) {
				count := counts[u.member]
				if u.has(sm.value) {
					count[0]++
				}
				counts[u.member] = [2]int{count[0], count[1] + 1}
			}
		}
		if len(counts) == 0 {
			r.breaks(sm.at, CodePolicySM, "", "no device code where SM %s is required", sm.value)
		}
		for _, member := range slices.Sorted(maps.Keys(counts)) {
			if count := counts[member]; count[0] < count[1] {
				r.breaks(sm.at, CodePolicySM, member, "required SM %s is in %d of %s", sm.value, count[0], ui.Count(count[1], "fatbin"))
			}
		}
	}
}

// has reports whether the unit has a cubin for an SM; a cubin for "9.0a" or "9.0f" also serves "9.0".
func (u unit) has(want kernels.Arch) bool {
	return slices.ContainsFunc(u.images, func(i kernels.Image) bool {
		return !i.PTX && i.Arch.SM == want.SM && (want.Suffix == "" || i.Arch.Suffix == want.Suffix)
	})
}

// judgePTX wants each PTX somewhere in every file that has device code.
func (p *Policy) judgePTX(r *Report) {
	for _, ptx := range p.ptx {
		for _, member := range r.deviceMembers() {
			found := slices.ContainsFunc(r.Code, func(c Code) bool {
				return c.Member == member && c.Kind == device.KindPTX && c.Loadable && c.Arch == ptx.value
			})
			if !found && p.concerns(member) {
				r.breaks(ptx.at, CodePolicyPTX, member, "required PTX for SM %s is missing", ptx.value)
			}
		}
	}
}

func (r *Report) deviceMembers() []string {
	var members []string
	for _, c := range r.Code {
		if c.Loadable {
			members = append(members, c.Member)
		}
	}
	return slices.Compact(members) // Code is sorted by file
}

// judgeSizes compares the wheel, and the bytes of each SM in all its files, with their limits.
func (p *Policy) judgeSizes(r *Report) {
	if p.maxSize.at != nil && r.Size > p.maxSize.value {
		r.breaks(p.maxSize.at, CodePolicySize, "", "the wheel has %s, the limit is %s", ui.Size(r.Size), ui.Size(p.maxSize.value))
	}
	stored := map[matrix.SM]int64{}
	for _, c := range r.Code {
		stored[c.Arch.SM] += c.Stored
	}
	for _, sm := range slices.SortedFunc(maps.Keys(p.perSM), matrix.SM.Compare) {
		if limit := p.perSM[sm]; limit.at != nil && stored[sm] > limit.value {
			r.breaks(limit.at, CodePolicySize, "", "SM %s has %s, the limit is %s", sm, ui.Size(stored[sm]), ui.Size(limit.value))
		}
	}
}

func (p *Policy) judgeObjects(r *Report) {
	for _, object := range r.Objects {
		for _, library := range object.Libraries() {
			if p.dependencies.at != nil && !object.linksBy(p.dependencies.value, library) {
				r.breaks(p.dependencies.at, CodePolicyNeeded, object.Member, "it links %s; allowed are %s", library, strings.Join(p.dependencies.value, ", "))
			}
		}
		if p.glibc.at != nil && newer(object.Floor.Glibc, p.glibc.value) {
			r.breaks(p.glibc.at, CodePolicyGlibc, object.Member, "it needs glibc %s, the limit is %s", object.Floor.Glibc, p.glibc.value)
		}
		if p.stripped.value && !object.Stripped {
			r.breaks(p.stripped.at, CodePolicyStrip, object.Member, "it is not stripped")
		}
	}
}

// linksBy tries patterns on a library's name; Windows ignores case.
func (o Object) linksBy(patterns []string, library string) bool {
	if isELF(o) {
		return matches(patterns, library)
	}
	return slices.ContainsFunc(patterns, func(pattern string) bool {
		return matches([]string{strings.ToLower(pattern)}, strings.ToLower(library))
	})
}

// setSeverities changes or drops findings by their codes.
func (p *Policy) setSeverities(r *Report) {
	kept := r.Findings[:0]
	for _, f := range r.Findings {
		switch p.severities[f.Code] {
		case "ignore":
			continue
		case "error":
			f.Severity = finding.Error
		case "warning":
			f.Severity = finding.Warning
		}
		kept = append(kept, f)
	}
	r.Findings = kept
}
