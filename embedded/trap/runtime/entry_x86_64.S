/* Entries of the runtime on x86_64: program start, signal handlers, the one blocking call, guest memory. */
#if defined(__x86_64__)
#define EFAULT_RESULT -14
#define ENAMETOOLONG_RESULT -36
#define SYS_rt_sigreturn 15
#define SYS_sigaltstack 131

    .section .text.start, "ax", @progbits
    .global _start
_start:
    mov %rsp, %rdi
    xor %ebp, %ebp
    and $-16, %rsp
    call trap_start
    ud2

/* void trap_enter(stack, entry): leave for the guest as the kernel would after execve. */
    .text
    .global trap_enter, trap_leave
trap_enter:
    mov %rdi, %rsp
    mov %rsi, -8(%rsp)
    xor %eax, %eax
    xor %ebx, %ebx
    xor %ecx, %ecx
    xor %edx, %edx
    xor %esi, %esi
    xor %edi, %edi
    xor %ebp, %ebp
    xor %r8d, %r8d
    xor %r9d, %r9d
    xor %r10d, %r10d
    xor %r11d, %r11d
    xor %r12d, %r12d
    xor %r13d, %r13d
    xor %r14d, %r14d
    xor %r15d, %r15d
trap_leave:
    jmp *-8(%rsp)

    .global trap_restorer
trap_restorer:
    mov $SYS_rt_sigreturn, %eax
    syscall
    ud2

/* SIGSYS: (signal, siginfo, ucontext), stack as at a call. */
    .global trap_sigsys_entry
trap_sigsys_entry:
    cld
    jmp trap_on_sigsys

/* Signals we look at first. The function names the guest's handler, which is then left on the very stack the kernel
   made (unwinders must find the signal frame), or 0 to go back at once. */
    .macro look_first name function
    .global \name
\name:
    cld
    push %rdi
    push %rsi
    push %rdx
    call \function
    pop %rdx
    pop %rsi
    pop %rdi
    test %rax, %rax
    jz 1f
    jmp *%rax
1:  ret
    .endm
    look_first trap_fault_entry trap_on_fault
    look_first trap_peek_entry trap_on_peek

/* The guest's own sigaltstack call, on its own stack; rsp is at a struct StackReturn, rdi at its stack. */
    .global trap_stack_return
trap_stack_return:
    mov $SYS_sigaltstack, %eax
    syscall
    mov (%rsp), %rdi
    mov 8(%rsp), %rsi
    mov 16(%rsp), %rcx
    mov 24(%rsp), %rsp
    jmp *%rcx

/* long trap_final_call(nr, a, b, c, d, e, f) */
    .global trap_final_call, trap_final_instruction, trap_final_end
trap_final_call:
    mov %rdi, %rax
    mov %rsi, %rdi
    mov %rdx, %rsi
    mov %rcx, %rdx
    mov %r8, %r10
    mov %r9, %r8
    mov 8(%rsp), %r9
trap_final_instruction:
    syscall
trap_final_end:
    ret

/* Guest memory: leaf functions without a frame, so that a fault only has to move the program counter. */
    .global trap_memory_begin, trap_memory_end, trap_memory_fault
trap_memory_begin:
    .global trap_copy_in, trap_copy_out
trap_copy_in:
trap_copy_out:
    cmp $512, %rdx
    ja 3f
1:  sub $8, %rdx
    jb 2f
    mov (%rsi), %rax
    mov %rax, (%rdi)
    add $8, %rsi
    add $8, %rdi
    jmp 1b
2:  add $8, %rdx
3:  mov %rdx, %rcx
    jz 4f
    rep movsb
4:  xor %eax, %eax
    ret

    .global trap_copy_text
trap_copy_text:                  /* rdi to, rsi guest, rdx size */
    xor %eax, %eax
    movabs $0x0101010101010101, %r10
    movabs $0x8080808080808080, %r11
1:  test $7, %sil
    jz 2f
    cmp %rdx, %rax
    jae 4f
    movzbl (%rsi), %ecx
    mov %cl, (%rdi,%rax)
    test %ecx, %ecx
    jz 5f
    inc %rsi
    inc %rax
    jmp 1b
2:  lea 8(%rax), %rcx
    cmp %rdx, %rcx
    ja 3f
    mov (%rsi), %rcx
    mov %rcx, (%rdi,%rax)
    mov %rcx, %r8
    sub %r10, %r8
    not %rcx
    and %rcx, %r8
    and %r11, %r8
    jnz 6f
    add $8, %rsi
    add $8, %rax
    jmp 2b
6:  bsf %r8, %r8
    shr $3, %r8d
    add %r8, %rax
    ret
3:  cmp %rdx, %rax
    jae 4f
    movzbl (%rsi), %ecx
    mov %cl, (%rdi,%rax)
    test %ecx, %ecx
    jz 5f
    inc %rsi
    inc %rax
    jmp 3b
4:  mov $ENAMETOOLONG_RESULT, %rax
5:  ret
    .global trap_ticks           /* faults where the guest forbade it (PR_SET_TSC) */
trap_ticks:
    rdtsc
    shl $32, %rdx
    or %rdx, %rax
    ret
trap_memory_end:
trap_memory_fault:
    mov $EFAULT_RESULT, %rax
    ret

/* T1: a patched call site arrives here with the return address in rcx and the number in eax. The layout below
   is struct Site of arch.hpp. */
    .global trap_site_entry
trap_site_entry:
    lea -128(%rsp), %rsp         /* the red zone stays the guest's */
    push %rcx
    push %rax
    push %r9
    push %r8
    push %r10
    push %rdx
    push %rsi
    push %rdi
    push %rbp
    push %r15
    push %r14
    push %r13
    push %r12
    push %rbx
    mov %rsp, %rbp
    mov %rsp, %rdi
    and $-16, %rsp
    cld
    call trap_on_site
    lea 40(%rbp), %rsp
    pop %rbp
    pop %rdi
    pop %rsi
    pop %rdx
    pop %r10
    pop %r8
    pop %r9
    pop %rcx
    pop %rcx
    lea 128(%rsp), %rsp
    jmp *%rcx

#endif
    .section .note.GNU-stack, "", %progbits
