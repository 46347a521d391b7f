# One cell with the two SMs that have a kernel file of their own: quick to build, and enough to see what re-runs.
package "sage2" {
  distribution = "sageattention"
  module       = "sageattention"
  fatbin       = "sageattn.fatbin"
  version      = "2.2.0"
}

platform "linux" {
  tag           = "linux_x86_64"
  universal_tag = "manylinux_2_17_x86_64"
  triple        = "x86_64-linux-gnu"
  library       = "libsageattn.so"
  glibc         = "2.17"
}

cells {
  package  = "sage2"
  platform = "linux"
  torch    = "2.8.0"
  cuda     = "12.9.1"
  python   = ["3.12"]
}

torch "2.8" {
  cuda   = ["12.9"]
  python = ["3.12"]
  source = "PyTorch RELEASE.md, release compatibility matrix"
}

cuda "12.9" {
  targets = ["7.0", "7.5"]
  source  = "NVRTC 12.9 documentation, --gpu-architecture"
}

sm "7.0" {
  cuda   = "12.0"
  gpus   = ["V100"]
  source = "SageAttention README, base environment"
}

sm "7.5" {
  cuda   = "12.0"
  gpus   = ["T4"]
  source = "SageAttention README, base environment"
}
