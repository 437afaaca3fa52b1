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
common:
    push %rdi
    push %rsi
    push %rdx
    push %r10
    push %r8
    push %r9
    push %rbp
    mov %rsp, %rbp
    mov 56(%rbp), %edi
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
    lea udocker_preload_resume(%rip), %r11
    mov (%r11,%rcx,8), %rcx
    cmp $-4096, %rax
    jmp *%rcx
    .section .note.GNU-stack, "", @progbits
#else
    .section .note.GNU-stack, "", %progbits
#endif
