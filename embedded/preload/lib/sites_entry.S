// Where patched call sites of the libc arrive: saves what a system call would keep, asks udocker_preload_hooked, and goes
// on behind the site with the comparison that most sites make next.
#if defined(__x86_64__)
    .text
    .globl udocker_preload_stubs
    .hidden udocker_preload_stubs
    .balign 16
udocker_preload_stubs:
    .set index, 0
    .rept 128
    .balign 16
    lea -128(%rsp), %rsp  // the red zone
    push $index
    jmp common
    .set index, index + 1
    .endr
    .balign 16
    // As if the site had called us: the place behind it lies where unwinding finds it (a thread may be cancelled here).
    .cfi_startproc
common:
    push %rdi
    push %rsi
    push %rdx
    push %r10
    push %r8
    push %r9
    push %rbp
    mov %rsp, %rbp
    .cfi_def_cfa %rbp, 192
    .cfi_offset %rip, -136
    .cfi_offset %rbp, -192
    mov 56(%rbp), %edi
    lea udocker_preload_resume(%rip), %r11
    mov (%r11,%rdi,8), %rcx
    mov %rcx, 56(%rbp)
    mov %eax, %esi
    mov %rbp, %rdx
    and $-16, %rsp
    cld
    call udocker_preload_hooked
    mov %rbp, %rsp
    pop %rbp
    pop %r9
    pop %r8
    pop %r10
    pop %rdx
    pop %rsi
    pop %rdi
    pop %rcx
    lea 128(%rsp), %rsp
    btr $63, %rcx
    jnc 1f
    mov %rax, %rdi
1:  cmp $-4096, %rax
    jmp *%rcx
    .cfi_endproc

    // Functions that the libc calls in place of its own. A libc optimised as a whole may count on registers that the own
    // one leaves alone.
    .macro instead name, function
    .globl \name
    .hidden \name
    .type \name, @function
\name:
    .cfi_startproc
    push %rbp
    .cfi_def_cfa_offset 16
    .cfi_offset %rbp, -16
    mov %rsp, %rbp
    .cfi_def_cfa_register %rbp
    push %rdi
    push %rsi
    push %rdx
    push %rcx
    push %r8
    push %r9
    push %r10
    push %r11
    sub $512, %rsp
    fxsave64 (%rsp)
    call \function
    fxrstor64 (%rsp)
    add $512, %rsp
    pop %r11
    pop %r10
    pop %r9
    pop %r8
    pop %rcx
    pop %rdx
    pop %rsi
    pop %rdi
    pop %rbp
    .cfi_def_cfa %rsp, 8
    ret
    .cfi_endproc
    .size \name, .-\name
    .endm
    instead udocker_preload_open, udocker_preload_opens
    instead udocker_preload_fopen, udocker_preload_fopens
    instead udocker_preload_fopen_in_place, udocker_preload_fopens_in_place
    .section .note.GNU-stack, "", @progbits
#else
    .section .note.GNU-stack, "", %progbits
#endif
