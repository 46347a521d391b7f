package kernels_test

import (
	"fmt"

	"github.com/sagebuild/sagebuild/kernels"
	"github.com/sagebuild/sagebuild/matrix"
)

// The names of kernels follow from their kind.
func ExampleKind_Kernels() {
	kind := kernels.Kind{Name: "fp16", HeadDims: []int{64, 128}}
	fmt.Println(kind.Operation())
	fmt.Println(kind.Kernels())
	// Output:
	// attention_fp16
	// [attention_fp16_hd64 attention_fp16_hd128]
}

// A GPU of SM 8.9 runs machine code for SM 8.6, and no machine code for SM 9.0.
func ExampleImage_Loads() {
	gpu := matrix.SM{Major: 8, Minor: 9}
	for _, target := range []string{"8.9", "8.6", "9.0", "9.0a"} {
		arch, err := kernels.ParseArch(target)
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Printf("%s: %s\n", target, kernels.Image{Arch: arch}.Loads(gpu))
	}
	// Output:
	// 8.9: native
	// 8.6: same major
	// 9.0: no
	// 9.0a: no
}

// Among the images of one operation, a GPU takes the image that it loads best. The driver compiles PTX only where no
// machine code fits.
func ExampleLoad() {
	older, newer := matrix.SM{Major: 8, Minor: 0}, matrix.SM{Major: 9, Minor: 0}
	images := []kernels.Image{{Arch: kernels.Arch{SM: older}}, {Arch: kernels.Arch{SM: newer}, PTX: true}}
	for _, gpu := range []matrix.SM{{Major: 8, Minor: 6}, {Major: 12, Minor: 0}} {
		image, way := kernels.Load(images, gpu)
		fmt.Printf("SM %s: %s, %s\n", gpu, image, way)
	}
	// Output:
	// SM 8.6: 8.0, same major
	// SM 12.0: PTX 9.0, JIT
}
