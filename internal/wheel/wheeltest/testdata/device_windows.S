/* speed.fatbin and size.fatbin as nvcc lays them in a DLL: PE keeps eight characters of a section's name. */
    .section .nv_fatb,"dr"
    .p2align 3
    .incbin "speed.fatbin"
    .zero 24
    .p2align 3
    .incbin "size.fatbin"
    .section __nv_rel,"dr"
    .p2align 3
    .incbin "size.fatbin"
