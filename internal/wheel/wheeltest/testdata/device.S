/* Where nvcc puts device code in a host object: two containers in .nv_fatbin, one relocatable. */
    .section .nv_fatbin, "aR"
    .balign 8
    .incbin "speed.fatbin"
    .balign 8
    .zero 24
    .incbin "size.fatbin"
    .section __nv_relfatbin, "aR"
    .balign 8
    .incbin "size.fatbin"
    .section .note.GNU-stack, "", @progbits
