# The build matrix of sagebuild: what is built, and what goes together.
#
# Versions are strings, because 3.10 as a number is 3.1. Every fact names the public document it comes from.
# After an edit run `sagebuild generate`; docs/adding.md shows how to add a torch, a CUDA and an SM.

default = "linux-sage2-pytorch28-cu129-python312"

# What pip installs, what Python imports (its source is python/MODULE), and the file of its kernels in MODULE/lib.
package "sage2" {
  distribution = "sageattention"
  module       = "sageattention"
  fatbin       = "sageattn.fatbin"
  version      = "2.2.0"
}

# SageAttention3 in FP4. Its wheels hold code for Blackwell alone; on SM 10.0 that is the INT8 kernels of sage2.
package "sage3" {
  distribution = "sageattn3"
  module       = "sageattn3"
  fatbin       = "sageattn3.fatbin"
  version      = "1.0.0"

  sms {
    only   = ["10.0", "12.0", "12.1"]
    source = "SageAttention3 setup.py, supported compute capabilities; PTX ISA 8.7, mma with .kind::mxf4nvf4: sm_120a, sm_121a"
  }

  oldest "torch" {
    version = "2.8"
    source  = "SageAttention3 README, installation: torch 2.8.0"
  }

  oldest "cuda" {
    version = "12.8"
    source  = "SageAttention3 README, installation: CUDA 12.8; PTX ISA 8.7, mma with .kind::mxf4nvf4"
  }

  oldest "python" {
    version = "3.9"
    source  = "PyTorch RELEASE.md, release compatibility matrix: the oldest Python of torch 2.8"
  }
}

# Every platform is built on linux/amd64: kernels are the same everywhere, and the host library is cross-compiled. Where
# an emulator is named, tests run in it.

platform "linux" {
  tag           = "linux_x86_64"
  universal_tag = "manylinux_2_17_x86_64"
  triple        = "x86_64-linux-gnu"
  library       = "libsageattn.so"
  glibc         = "2.17"
}

platform "linux-arm64" {
  tag           = "linux_aarch64"
  universal_tag = "manylinux_2_17_aarch64"
  triple        = "aarch64-linux-gnu"
  library       = "libsageattn.so"
  glibc         = "2.17"
  emulator      = "qemu"
}

platform "windows" {
  tag           = "win_amd64"
  universal_tag = "win_amd64"
  triple        = "x86_64-windows-gnu"
  library       = "sageattn.dll"
  emulator      = "wine"
}

# ---- Cells: one wheel for each platform, CUDA and Python of each block -------------------------------------
#
# The CUDA is that of the compilers in lock/. Every wheel of a torch has the same code, so that one Python of each is
# tested, and of the newest torch all that an interpreter can be had for. Windows: numpy for Wine 8.0 ends at 3.12.

cells {
  package  = "sage2"
  platform = "linux"
  torch    = "2.6.0"
  cuda     = "12.6.1"
  python   = ["3.9", "3.10", "3.11", "3.12"]
}

cells {
  package  = "sage2"
  platform = "linux"
  torch    = "2.7.0"
  cuda     = "12.8.1"
  python   = ["3.10", "3.11", "3.12"]
}

cells {
  package  = "sage2"
  platform = "linux"
  torch    = "2.8.0"
  cuda     = "12.9.1"
  python   = ["3.10", "3.11", "3.12"]
}

cells {
  package  = "sage2"
  platform = "linux-arm64"
  torch    = "2.6.0"
  cuda     = "12.6.1"
  python   = ["3.10", "3.11", "3.12"]
}

cells {
  package  = "sage2"
  platform = "linux-arm64"
  torch    = "2.7.0"
  cuda     = "12.8.1"
  python   = ["3.10", "3.11", "3.12"]
}

cells {
  package  = "sage2"
  platform = "linux-arm64"
  torch    = "2.8.0"
  cuda     = "12.9.1"
  python   = ["3.10", "3.11", "3.12"]
}

cells {
  package  = "sage2"
  platform = "windows"
  torch    = "2.6.0"
  cuda     = "12.6.1"
  python   = ["3.10", "3.11", "3.12"]
}

cells {
  package  = "sage2"
  platform = "windows"
  torch    = "2.7.0"
  cuda     = "12.8.1"
  python   = ["3.10", "3.11", "3.12"]
}

cells {
  package  = "sage2"
  platform = "windows"
  torch    = "2.8.0"
  cuda     = "12.9.1"
  python   = ["3.10", "3.11", "3.12"]
}

cells {
  package  = "sage2"
  platform = ["linux", "linux-arm64", "windows"]
  torch    = "2.9.1"
  cuda     = ["12.6.1", "12.8.1", "13.0.2"]
  python   = ["3.10", "3.11", "3.12", "3.13", "3.14"]
  test     = ["3.12"]
}

cells {
  package  = "sage2"
  platform = ["linux", "linux-arm64", "windows"]
  torch    = "2.10.0"
  cuda     = ["12.6.1", "12.8.1", "13.0.2"]
  python   = ["3.10", "3.11", "3.12", "3.13", "3.14"]
  test     = ["3.12"]
}

cells {
  package  = "sage2"
  platform = ["linux", "linux-arm64", "windows"]
  torch    = "2.11.0"
  cuda     = ["12.6.1", "12.8.1", "13.0.2"]
  python   = ["3.10", "3.11", "3.12", "3.13", "3.14"]
  test     = ["3.12"]
}

cells {
  package  = "sage2"
  platform = ["linux", "linux-arm64", "windows"]
  torch    = "2.12.1"
  cuda     = ["12.6.1", "13.0.2", "13.2.2"]
  python   = ["3.10", "3.11", "3.12", "3.13", "3.14"]
  test     = ["3.12"]
}

cells {
  package  = "sage2"
  platform = ["linux", "linux-arm64", "windows"]
  torch    = "2.13.0"
  cuda     = ["12.6.1", "13.0.2", "13.2.2"]
  python   = ["3.10", "3.11", "3.12", "3.13", "3.14"]
  test     = ["3.12"]
}

cells {
  package  = "sage2"
  platform = ["linux", "linux-arm64", "windows"]
  torch    = "2.14.1"
  cuda     = ["12.6.1", "13.0.2", "13.2.2"]
  python   = ["3.10", "3.11", "3.12", "3.13", "3.14"]
  test     = ["3.12"]
}

cells {
  package  = "sage2"
  platform = "linux"
  torch    = "2.15.0"
  cuda     = ["13.0.2", "13.2.2"]
  python   = ["3.11", "3.12", "3.13", "3.14", "3.15"]
  test     = ["3.11", "3.12", "3.13", "3.14"]
}

cells {
  package  = "sage2"
  platform = ["linux-arm64", "windows"]
  torch    = "2.15.0"
  cuda     = ["13.0.2", "13.2.2"]
  python   = ["3.11", "3.12", "3.13", "3.14", "3.15"]
  test     = ["3.12"]
}

# sage3: its floors are above. A CUDA 12.8 has no target 12.1a, so that those wheels leave out DGX Spark.

cells {
  package  = "sage3"
  platform = ["linux", "linux-arm64", "windows"]
  torch    = "2.8.0"
  cuda     = "12.9.1"
  python   = ["3.9", "3.10", "3.11", "3.12", "3.13"]
  test     = ["3.12"]
}

cells {
  package  = "sage3"
  platform = ["linux", "linux-arm64", "windows"]
  torch    = "2.8.0"
  cuda     = "12.8.1"
  python   = ["3.12"]
}

cells {
  package  = "sage3"
  platform = ["linux", "linux-arm64", "windows"]
  torch    = "2.9.1"
  cuda     = ["12.8.1", "13.0.2"]
  python   = ["3.10", "3.11", "3.12", "3.13", "3.14"]
  test     = ["3.12"]
}

cells {
  package  = "sage3"
  platform = ["linux", "linux-arm64", "windows"]
  torch    = "2.10.0"
  cuda     = ["12.8.1", "13.0.2"]
  python   = ["3.10", "3.11", "3.12", "3.13", "3.14"]
  test     = ["3.12"]
}

cells {
  package  = "sage3"
  platform = ["linux", "linux-arm64", "windows"]
  torch    = "2.11.0"
  cuda     = ["12.8.1", "13.0.2"]
  python   = ["3.10", "3.11", "3.12", "3.13", "3.14"]
  test     = ["3.12"]
}

cells {
  package  = "sage3"
  platform = ["linux", "linux-arm64", "windows"]
  torch    = "2.12.1"
  cuda     = ["13.0.2", "13.2.2"]
  python   = ["3.10", "3.11", "3.12", "3.13", "3.14"]
  test     = ["3.12"]
}

cells {
  package  = "sage3"
  platform = ["linux", "linux-arm64", "windows"]
  torch    = "2.13.0"
  cuda     = ["13.0.2", "13.2.2"]
  python   = ["3.10", "3.11", "3.12", "3.13", "3.14"]
  test     = ["3.12"]
}

cells {
  package  = "sage3"
  platform = ["linux", "linux-arm64", "windows"]
  torch    = "2.14.1"
  cuda     = ["13.0.2", "13.2.2"]
  python   = ["3.10", "3.11", "3.12", "3.13", "3.14"]
  test     = ["3.12"]
}

cells {
  package  = "sage3"
  platform = ["linux", "linux-arm64", "windows"]
  torch    = "2.15.0"
  cuda     = ["13.0.2", "13.2.2"]
  python   = ["3.11", "3.12", "3.13", "3.14", "3.15"]
  test     = ["3.12"]
}

# ---- Universal: one wheel for every torch and Python from these on -----------------------------------------

universal {
  package  = "sage2"
  platform = "linux"
  torch    = "2.4"
  cuda     = "12.9.1"
  python   = "3.9"

  test {
    torch  = "2.4.1"
    python = "3.9"
  }

  test {
    torch  = "2.6.0"
    python = "3.9"
  }

  test {
    torch  = "2.15.0"
    python = "3.12"
  }
}

universal {
  package  = "sage2"
  platform = "linux-arm64"
  torch    = "2.4"
  cuda     = "12.9.1"
  python   = "3.9"

  test {
    torch  = "2.8.0"
    python = "3.12"
  }
}

universal {
  package  = "sage2"
  platform = "windows"
  torch    = "2.4"
  cuda     = "12.9.1"
  python   = "3.9"

  test {
    torch  = "2.8.0"
    python = "3.12"
  }
}

universal {
  package  = "sage3"
  platform = "linux"
  torch    = "2.8"
  cuda     = "12.9.1"
  python   = "3.9"

  test {
    torch  = "2.8.0"
    python = "3.12"
  }

  test {
    torch  = "2.15.0"
    python = "3.12"
  }
}

universal {
  package  = "sage3"
  platform = "linux-arm64"
  torch    = "2.8"
  cuda     = "12.9.1"
  python   = "3.9"

  test {
    torch  = "2.8.0"
    python = "3.12"
  }
}

universal {
  package  = "sage3"
  platform = "windows"
  torch    = "2.8"
  cuda     = "12.9.1"
  python   = "3.9"

  test {
    torch  = "2.8.0"
    python = "3.12"
  }
}

# ---- Groups whose members do not change when cells join; all others follow from the cells ------------------

group "sage2-all" {
  targets = [
    "linux-sage2-pytorch26-cu126-python39",
    "linux-sage2-pytorch26-cu126-python310",
    "linux-sage2-pytorch26-cu126-python311",
    "linux-sage2-pytorch26-cu126-python312",
    "linux-sage2-pytorch27-cu128-python310",
    "linux-sage2-pytorch27-cu128-python311",
    "linux-sage2-pytorch27-cu128-python312",
    "linux-sage2-pytorch28-cu129-python310",
    "linux-sage2-pytorch28-cu129-python311",
    "linux-sage2-pytorch28-cu129-python312",
  ]
}

group "pytorch26" {
  targets = [
    "linux-sage2-pytorch26-cu126-python39",
    "linux-sage2-pytorch26-cu126-python310",
    "linux-sage2-pytorch26-cu126-python311",
    "linux-sage2-pytorch26-cu126-python312",
  ]
}

group "pytorch27" {
  targets = [
    "linux-sage2-pytorch27-cu128-python310",
    "linux-sage2-pytorch27-cu128-python311",
    "linux-sage2-pytorch27-cu128-python312",
  ]
}

group "pytorch28" {
  targets = [
    "linux-sage2-pytorch28-cu129-python310",
    "linux-sage2-pytorch28-cu129-python311",
    "linux-sage2-pytorch28-cu129-python312",
  ]
}

group "python39" {
  targets = ["linux-sage2-pytorch26-cu126-python39"]
}

group "python310" {
  targets = [
    "linux-sage2-pytorch26-cu126-python310",
    "linux-sage2-pytorch27-cu128-python310",
    "linux-sage2-pytorch28-cu129-python310",
  ]
}

group "python311" {
  targets = [
    "linux-sage2-pytorch26-cu126-python311",
    "linux-sage2-pytorch27-cu128-python311",
    "linux-sage2-pytorch28-cu129-python311",
  ]
}

group "python312" {
  targets = [
    "linux-sage2-pytorch26-cu126-python312",
    "linux-sage2-pytorch27-cu128-python312",
    "linux-sage2-pytorch28-cu129-python312",
  ]
}

group "stable" {
  targets = [
    "linux-sage2-pytorch26-cu126-python312",
    "linux-sage2-pytorch27-cu128-python312",
    "linux-sage2-pytorch28-cu129-python312",
  ]
}

group "test-all" {
  targets = [
    "test-linux-sage2-pytorch26-cu126-python39",
    "test-linux-sage2-pytorch26-cu126-python310",
    "test-linux-sage2-pytorch26-cu126-python311",
    "test-linux-sage2-pytorch26-cu126-python312",
    "test-linux-sage2-pytorch27-cu128-python310",
    "test-linux-sage2-pytorch27-cu128-python311",
    "test-linux-sage2-pytorch27-cu128-python312",
    "test-linux-sage2-pytorch28-cu129-python310",
    "test-linux-sage2-pytorch28-cu129-python311",
    "test-linux-sage2-pytorch28-cu129-python312",
  ]
}

group "universal" {
  targets = [
    "linux-sage2-universal",
    "linux-arm64-sage2-universal",
    "windows-sage2-universal",
  ]
}

group "test-universal" {
  targets = [
    "test-linux-sage2-universal-pytorch24-python39",
    "test-linux-sage2-universal-pytorch26-python39",
    "test-linux-sage2-universal-pytorch215-python312",
    "test-linux-arm64-sage2-universal-pytorch28-python312",
    "test-windows-sage2-universal-pytorch28-python312",
  ]
}

# ---- torch: the CUDA releases and Pythons that each release is built for ----------------------------------

torch "2.4" {
  cuda   = ["11.8", "12.1", "12.4"]
  python = ["3.8", "3.9", "3.10", "3.11", "3.12"]
  source = "PyTorch RELEASE.md, release compatibility matrix"
}

torch "2.6" {
  cuda   = ["11.8", "12.4", "12.6"]
  python = ["3.9", "3.10", "3.11", "3.12", "3.13"]
  source = "PyTorch RELEASE.md, release compatibility matrix"
}

torch "2.7" {
  cuda   = ["11.8", "12.6", "12.8"]
  python = ["3.9", "3.10", "3.11", "3.12", "3.13"]
  source = "PyTorch RELEASE.md, release compatibility matrix"
}

torch "2.8" {
  cuda   = ["12.6", "12.8", "12.9"]
  python = ["3.9", "3.10", "3.11", "3.12", "3.13"]
  source = "PyTorch RELEASE.md, release compatibility matrix"
}

torch "2.9" {
  cuda   = ["12.6", "12.8", "13.0"]
  python = ["3.10", "3.11", "3.12", "3.13", "3.14"]
  source = "PyTorch RELEASE.md, release compatibility matrix"
}

torch "2.10" {
  cuda   = ["12.6", "12.8", "13.0"]
  python = ["3.10", "3.11", "3.12", "3.13", "3.14"]
  source = "PyTorch RELEASE.md, release compatibility matrix"
}

torch "2.11" {
  cuda   = ["12.6", "12.8", "13.0"]
  python = ["3.10", "3.11", "3.12", "3.13", "3.14"]
  source = "PyTorch RELEASE.md, release compatibility matrix"
}

torch "2.12" {
  cuda   = ["12.6", "13.0", "13.2"]
  python = ["3.10", "3.11", "3.12", "3.13", "3.14"]
  source = "PyTorch RELEASE.md, release compatibility matrix"
}

torch "2.13" {
  cuda   = ["12.6", "13.0", "13.2"]
  python = ["3.10", "3.11", "3.12", "3.13", "3.14"]
  source = "PyTorch RELEASE.md, release compatibility matrix; Pythons: PyPI, files of torch 2.13.0"
}

torch "2.14" {
  cuda   = ["12.6", "13.0", "13.2"]
  python = ["3.10", "3.11", "3.12", "3.13", "3.14"]
  source = "PyTorch RELEASE.md, release compatibility matrix; Pythons: PyPI, files of torch 2.14.1"
}

torch "2.15" {
  cuda   = ["13.0", "13.2"]
  python = ["3.11", "3.12", "3.13", "3.14", "3.15"]
  source = "PyPI, files of torch 2.15.0 and their CUDA 13.2; CUDA 13.0: as planned in PyTorch issue 190385, CUDA support matrix for release 2.15"
}

# ---- CUDA: the SMs that each toolkit's NVRTC compiles for -------------------------------------------------

cuda "12.4" {
  targets = ["5.0", "5.2", "5.3", "6.0", "6.1", "6.2", "7.0", "7.2", "7.5", "8.0", "8.6", "8.7", "8.9", "9.0"]
  source  = "NVRTC 12.4 documentation, --gpu-architecture"
}

cuda "12.6" {
  targets = ["5.0", "5.2", "5.3", "6.0", "6.1", "6.2", "7.0", "7.2", "7.5", "8.0", "8.6", "8.7", "8.9", "9.0"]
  source  = "NVRTC 12.6 documentation, --gpu-architecture"
}

cuda "12.8" {
  targets = ["5.0", "5.2", "5.3", "6.0", "6.1", "6.2", "7.0", "7.2", "7.5", "8.0", "8.6", "8.7", "8.9", "9.0", "10.0", "10.1", "12.0"]
  source  = "CUDA Toolkit 12.8 release notes, compiler: Blackwell targets"
}

cuda "12.9" {
  targets = ["5.0", "5.2", "5.3", "6.0", "6.1", "6.2", "7.0", "7.2", "7.5", "8.0", "8.6", "8.7", "8.9", "9.0", "10.0", "10.1", "10.3", "12.0", "12.1"]
  source  = "CUDA Toolkit 12.9 release notes, compiler: 10.3, 12.1 and family targets"
}

cuda "13.0" {
  targets = ["7.5", "8.0", "8.6", "8.7", "8.8", "8.9", "9.0", "10.0", "10.3", "11.0", "12.0", "12.1"]
  source  = "NVRTC 13.0.88, nvrtcGetSupportedArchs; CUDA Toolkit 13.0 release notes: from Turing on, SM 10.1 renamed 11.0"
}

cuda "13.2" {
  targets = ["7.5", "8.0", "8.6", "8.7", "8.8", "8.9", "9.0", "10.0", "10.3", "11.0", "12.0", "12.1"]
  source  = "NVRTC 13.2.86, nvrtcGetSupportedArchs"
}

# ---- SM: the oldest CUDA whose compiler and instructions the kernels need, and the GPUs that have it ------
#
# An SM with an image has no code of its own: the driver loads that of the image, an older SM of the same major.

sm "7.0" {
  cuda   = "12.0"
  gpus   = ["V100", "Titan V"]
  source = "SageAttention README, base environment"
}

sm "7.5" {
  cuda   = "12.0"
  gpus   = ["RTX 20", "T4"]
  source = "SageAttention README, base environment"
}

sm "8.0" {
  cuda   = "12.0"
  gpus   = ["A100", "A30"]
  source = "SageAttention README, base environment"
}

sm "8.6" {
  cuda   = "12.0"
  gpus   = ["RTX 30", "A40", "A10"]
  source = "SageAttention README, base environment"
}

sm "8.7" {
  cuda   = "12.0"
  gpus   = ["Jetson Orin"]
  source = "SageAttention README, base environment"
}

sm "8.8" {
  image  = "8.7"
  gpus   = []
  source = "CUDA Programming Guide, binary compatibility; NVIDIA's list of CUDA GPUs has none of it"
}

sm "8.9" {
  cuda   = "12.4"
  gpus   = ["RTX 40", "L40", "L4"]
  source = "SageAttention README, base environment: FP8 on Ada; PTX ISA 8.4, mma with .e4m3"
}

sm "9.0" {
  cuda   = "12.3"
  gpus   = ["H100", "H200", "GH200"]
  source = "SageAttention README, base environment: FP8 on Hopper"
}

sm "10.0" {
  cuda   = "12.8"
  gpus   = ["B200", "GB200"]
  source = "CUDA Toolkit 12.8 release notes, compiler: Blackwell targets"
}

sm "10.3" {
  image  = "10.0"
  gpus   = ["B300", "GB300"]
  source = "CUDA Programming Guide, binary compatibility; GPUs: NVIDIA, CUDA GPU Compute Capability"
}

sm "11.0" {
  cuda   = "13.0"
  gpus   = ["Jetson Thor", "Jetson T5000", "Jetson T4000"]
  source = "CUDA Toolkit 13.0 release notes: SM 10.1 renamed 11.0; GPUs: NVIDIA, CUDA GPU Compute Capability"
}

sm "12.0" {
  cuda   = "12.8"
  gpus   = ["RTX 50", "RTX PRO 6000 Blackwell"]
  source = "SageAttention README, base environment: Blackwell"
}

sm "12.1" {
  cuda   = "12.9"
  gpus   = ["DGX Spark"]
  source = "CUDA Toolkit 12.9 release notes, compiler: 10.3, 12.1 and family targets"
}
