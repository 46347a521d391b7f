package index

import (
	"strings"
	"testing"
)

func TestPlatformsByTheNamesOfUV(t *testing.T) {
	for tag, want := range map[string]string{
		"any": "x86_64-unknown-linux-gnu", "linux_x86_64": "x86_64-unknown-linux-gnu", "manylinux_2_17_aarch64": "aarch64-unknown-linux-gnu",
		"manylinux_2_28_x86_64": "x86_64-unknown-linux-gnu", "manylinux_2_29_x86_64": "x86_64-manylinux_2_31",
		"manylinux_2_34_x86_64": "x86_64-manylinux_2_34", "manylinux_2_39_aarch64": "aarch64-manylinux_2_39",
		"musllinux_1_2_x86_64": "x86_64-unknown-linux-musl", "musllinux_1_1_aarch64": "aarch64-unknown-linux-musl",
		"macosx_12_0_arm64": "aarch64-apple-darwin MACOSX_DEPLOYMENT_TARGET=12.0", "macosx_10_9_x86_64": "x86_64-apple-darwin MACOSX_DEPLOYMENT_TARGET=10.9",
		"macosx_11_0_universal2": "aarch64-apple-darwin MACOSX_DEPLOYMENT_TARGET=11.0",
		"win_amd64":              "x86_64-pc-windows-msvc", "win_arm64": "aarch64-pc-windows-msvc",
		"linux_riscv64": "", "win_x86_64": "", "musllinux_x86_64_2": "", "manylinux_2_17_arm64": "", "linux_any": "", "x86_64": "",
		"manylinux_2_41_x86_64": "", "manylinux_2_35_arm64": "",
	} {
		name, settings, err := uvPlatform(tag)
		if got := strings.Join(append([]string{name}, settings...), " "); got != want || (err == nil) != (want != "") {
			t.Errorf("%s: %q, %v, want %q", tag, got, err, want)
		}
	}
}

// Tags that an installer takes for such a machine alone, if it is told which.
func TestCheckOfNewerPlatforms(t *testing.T) {
	found := installers(t, "pip", "uv")
	for _, tag := range []string{"manylinux_2_34_x86_64", "macosx_14_0_arm64"} {
		p := newPlace(t, sample{version: "2.2.0", tag: "py3-none-" + tag, requires: "torch>=2.4", python: ">=3.9"})
		p.build()
		proofs, err := Check(t.Context(), p.site, found)
		must(t, err)
		for _, proof := range proofs {
			if proof.Problem != "" {
				t.Errorf("%s with %s, %s: %s", proof.Wheel, proof.Installer.Name, proof.Page, proof.Problem)
			}
		}
		if len(proofs) == 0 {
			t.Errorf("nothing was proven of %s", tag)
		}
	}
}
