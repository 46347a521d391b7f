# What a new torch adds to default.hcl: these two blocks.

torch "2.99" {
  cuda   = ["13.0", "13.2"]
  python = ["3.11", "3.12", "3.13", "3.14", "3.15"]
  source = "PyTorch RELEASE.md, release compatibility matrix"
}

cells {
  package  = "sage2"
  platform = ["linux", "linux-arm64", "windows"]
  torch    = "2.99.0"
  cuda     = ["13.0.2"]
  python   = ["3.11", "3.12", "3.13", "3.14", "3.15"]
  test     = ["3.13"]
}
