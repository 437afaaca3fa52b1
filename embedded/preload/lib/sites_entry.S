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
    cmp $-4096, %rax
    jmp *%rcx
    .cfi_endproc
    .section .note.GNU-stack, "", @progbits
#else
    .section .note.GNU-stack, "", %progbits
#endif
