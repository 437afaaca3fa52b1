// dlopen: maps the name, then jump, so that the libc sees the program as its caller.
#if defined(__x86_64__)
.macro entry name, register, next
    .globl \name
    .type \name, @function
\name:
    push %rdi
    push %rsi
    push %rdx
    mov %\register, %rdi
    call udocker_preload_dl_name
    push %rax
    push %rax
    push %rax
    push %rax
    call \next
    mov %rax, %r11
    pop %rax
    pop %rax
    pop %rax
    pop %rax
    pop %rdx
    pop %rsi
    pop %rdi
    mov %rax, %\register
    jmp *%r11
    .size \name, .-\name
.endm
#elif defined(__aarch64__)
.macro entry name, register, next
    .globl \name
    .type \name, %function
\name:
    stp x29, x30, [sp, #-48]!
    stp x0, x1, [sp, #16]
    str x2, [sp, #32]
    mov x0, \register
    bl udocker_preload_dl_name
    str x0, [sp, #40]
    bl \next
    mov x16, x0
    ldr x17, [sp, #40]
    ldr x2, [sp, #32]
    ldp x0, x1, [sp, #16]
    ldp x29, x30, [sp], #48
    mov \register, x17
    br x16
    .size \name, .-\name
.endm
#endif
    .text
#if defined(__x86_64__)
    entry dlopen, rdi, udocker_preload_next_dlopen
    .section .note.GNU-stack, "", @progbits
#else
    entry dlopen, x0, udocker_preload_next_dlopen
    .section .note.GNU-stack, "", %progbits
#endif
