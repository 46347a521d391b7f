package gpu

import (
	"strings"

	"github.com/sagebuild/sagebuild/matrix"
)

// chips are NVIDIA's chips since Kepler with their SM. NVIDIA publishes the SM of products, not of chips: CUDA GPU Compute
// Capability (https://developer.nvidia.com/cuda-gpus) and Legacy CUDA GPU Compute Capability
// (https://developer.nvidia.com/cuda-legacy-gpus). pci.ids says which chip a product has, and testdata/nvidia.txt holds
// products of both lists, whose SMs must come out of this table. GB102 has no product there; Mesa's NVK takes it, as GB100,
// for 10.0 (src/nouveau/winsys/nouveau_device.c, sm_for_chipset).
var chips = map[string]matrix.SM{
	"GK104": {Major: 3, Minor: 0}, "GK106": {Major: 3, Minor: 0}, "GK107": {Major: 3, Minor: 0},
	"GK110": {Major: 3, Minor: 5}, "GK180": {Major: 3, Minor: 5}, "GK208": {Major: 3, Minor: 5}, "GK210": {Major: 3, Minor: 7},
	"GM107": {Major: 5, Minor: 0}, "GM108": {Major: 5, Minor: 0},
	"GM200": {Major: 5, Minor: 2}, "GM204": {Major: 5, Minor: 2}, "GM206": {Major: 5, Minor: 2},
	"GP100": {Major: 6, Minor: 0},
	"GP102": {Major: 6, Minor: 1}, "GP104": {Major: 6, Minor: 1}, "GP106": {Major: 6, Minor: 1}, "GP107": {Major: 6, Minor: 1}, "GP108": {Major: 6, Minor: 1},
	"GV100": {Major: 7, Minor: 0},
	"TU102": {Major: 7, Minor: 5}, "TU104": {Major: 7, Minor: 5}, "TU106": {Major: 7, Minor: 5}, "TU116": {Major: 7, Minor: 5}, "TU117": {Major: 7, Minor: 5},
	"GA100": {Major: 8, Minor: 0},
	"GA102": {Major: 8, Minor: 6}, "GA103": {Major: 8, Minor: 6}, "GA104": {Major: 8, Minor: 6}, "GA106": {Major: 8, Minor: 6}, "GA107": {Major: 8, Minor: 6},
	"AD102": {Major: 8, Minor: 9}, "AD103": {Major: 8, Minor: 9}, "AD104": {Major: 8, Minor: 9}, "AD106": {Major: 8, Minor: 9}, "AD107": {Major: 8, Minor: 9},
	"GH100": {Major: 9, Minor: 0},
	"GB100": {Major: 10, Minor: 0}, "GB102": {Major: 10, Minor: 0}, "GB110": {Major: 10, Minor: 3},
	"GB10B": {Major: 11, Minor: 0},
	"GB202": {Major: 12, Minor: 0}, "GB203": {Major: 12, Minor: 0}, "GB205": {Major: 12, Minor: 0}, "GB206": {Major: 12, Minor: 0}, "GB207": {Major: 12, Minor: 0},
	"GB20B": {Major: 12, Minor: 1},
}

// tegras are GPUs that are part of a processor and have no PCI id. What nvidia-smi prints of Orin and Thor is in NVIDIA's
// go-nvlib, pkg/nvlib/info; their SMs and those of the older modules are in NVIDIA's lists (see chips).
var tegras = map[string]matrix.SM{
	"Orin (nvgpu)": {Major: 8, Minor: 7}, "Jetson AGX Orin": {Major: 8, Minor: 7}, "Jetson Orin NX": {Major: 8, Minor: 7}, "Jetson Orin Nano": {Major: 8, Minor: 7},
	"NVIDIA Thor": {Major: 11, Minor: 0}, "Jetson T5000": {Major: 11, Minor: 0}, "Jetson T4000": {Major: 11, Minor: 0},
	"Jetson AGX Xavier": {Major: 7, Minor: 2}, "Jetson Xavier NX": {Major: 7, Minor: 2},
	"Jetson TX2": {Major: 6, Minor: 2}, "Jetson Nano": {Major: 5, Minor: 3},
}

// ChipOf finds the chip at the start of what pci.ids says about a device: "GB203GLM [RTX PRO 5000 …]" is of GB203.
func ChipOf(text string) (string, bool) {
	const letters = 5 // of a chip's name
	if len(text) < letters {
		return "", false
	}
	_, known := chips[text[:letters]]
	rest := strings.TrimLeft(text[letters:], "ABGLM") // revision, GL for professional cards, M for mobile ones
	return text[:letters], known && (rest == "" || rest[0] == ' ')
}
