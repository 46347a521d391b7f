package bake_test

import (
	"fmt"

	"github.com/sagebuild/sagebuild/bake"
	"github.com/sagebuild/sagebuild/kernels"
	"github.com/sagebuild/sagebuild/matrix"
)

// The plan of a test says which wheel is built, what the wheel is tested on, and which lock files the test takes.
func ExampleNewPlan() {
	m, err := matrix.Load("")
	if err != nil {
		fmt.Println(err)
		return
	}
	k, err := kernels.Default()
	if err != nil {
		fmt.Println(err)
		return
	}
	selection, err := m.Select([]string{"test-linux-sage2-pytorch28-cu129-python312"})
	if err != nil {
		fmt.Println(err)
		return
	}
	plan, err := bake.NewPlan(m, k, selection, bake.PlanOptions{Command: "test"})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, target := range plan.Targets {
		fmt.Println(target.Wheel)
		fmt.Println("torch", target.Torch, "CUDA", target.CUDA, "Python", target.Python)
		fmt.Println(target.LockFiles())
	}
	// Output:
	// sageattention-2.2.0-280.129-cp312-cp312-linux_x86_64.whl
	// torch 2.8.0 CUDA 12.9.1 Python 3.12
	// [lock/uv.txt lock/toolchain-cu129.txt lock/nvdisasm.txt lock/ptxas-cu129.txt lock/host-toolchain.txt lock/torch28-libraries.txt lock/pytest-xdist.txt lock/torch28-python312.txt]
}
