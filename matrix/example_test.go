package matrix_test

import (
	"fmt"

	"github.com/sagebuild/sagebuild/matrix"
)

// A pattern selects cells of the built-in definition; each cell is a wheel.
func ExampleMatrix_Select() {
	m, err := matrix.Load("")
	if err != nil {
		fmt.Println(err)
		return
	}
	selection, err := m.Select([]string{"linux-sage2-pytorch28-cu129-*"})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, selected := range selection {
		fmt.Println(selected.Cell.WheelName())
	}
	// Output:
	// sageattention-2.2.0-280.129-cp310-cp310-linux_x86_64.whl
	// sageattention-2.2.0-280.129-cp311-cp311-linux_x86_64.whl
	// sageattention-2.2.0-280.129-cp312-cp312-linux_x86_64.whl
}

// A wheel of CUDA 12.6 has no code for SMs that came later. Each exclusion says why.
func ExampleExclusion_Reason() {
	m, err := matrix.Load("")
	if err != nil {
		fmt.Println(err)
		return
	}
	selection, err := m.Select([]string{"linux-sage2-pytorch26-cu126-python310"})
	if err != nil {
		fmt.Println(err)
		return
	}
	exclusion := selection[0].Cell.Excluded[0]
	fmt.Println(exclusion.Reason())
	fmt.Println(exclusion.Rule.Name)
	// Output:
	// 10.0 needs CUDA 12.8 or newer
	// sm-minimum
}
