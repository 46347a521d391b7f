"""Compiles and packs sageattention: device code by NVRTC, host code by zig, wheels by hand.

Standard library only (Python >= 3.9). The compilers come from wheels on the current Python's path; see
`python3 -m build_backend --help`.
"""
