/* Entries of the runtime on aarch64: program start, signal handlers, the one blocking call, guest memory. */
#if defined(__aarch64__)
#define EFAULT_RESULT -14
#define ENAMETOOLONG_RESULT -36
#define SYS_rt_sigreturn 139

    .section .text.start, "ax", @progbits
    .global _start
_start:
    mov x0, sp
    mov x29, xzr
    mov x30, xzr
    bl trap_start
    brk #1

/* void trap_enter(stack, entry): leave for the guest as the kernel would after execve; x16 alone is not zero. */
    .text
    .global trap_enter, trap_leave
trap_enter:
    mov sp, x0
    mov x16, x1
    .irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30
    mov x\n, xzr
    .endr
trap_leave:
    br x16

/* Unwinders know signal frames by these two instructions. */
    .global trap_restorer
trap_restorer:
    mov x8, #SYS_rt_sigreturn
    svc #0
    brk #1

/* SIGSYS: (signal, siginfo, ucontext), stack as at a call. */
    .global trap_sigsys_entry
trap_sigsys_entry:
    b trap_on_sigsys

/* Signals we look at first. The function names the guest's handler, which is then left on the very stack the kernel
   made (unwinders must find the signal frame), or 0 to go back at once. */
    .macro look_first name function
    .global \name
\name:
    stp x0, x1, [sp, #-32]!
    stp x2, x30, [sp, #16]
    bl \function
    mov x16, x0
    ldp x2, x30, [sp, #16]
    ldp x0, x1, [sp], #32
    cbz x16, 1f
    br x16
1:  ret
    .endm
    look_first trap_fault_entry trap_on_fault
    look_first trap_peek_entry trap_on_peek

/* long trap_final_call(nr, a, b, c, d, e, f) */
    .global trap_final_call, trap_final_instruction, trap_final_end
trap_final_call:
    mov x8, x0
    mov x0, x1
    mov x1, x2
    mov x2, x3
    mov x3, x4
    mov x4, x5
    mov x5, x6
trap_final_instruction:
    svc #0
trap_final_end:
    ret

/* Guest memory: leaf functions without a frame, so that a fault only has to move the program counter. */
    .global trap_memory_begin, trap_memory_end, trap_memory_fault
trap_memory_begin:
    .global trap_copy_in, trap_copy_out
trap_copy_in:
trap_copy_out:                   /* x0 to, x1 from, x2 size */
1:  subs x2, x2, #16
    b.lo 2f
    ldp x3, x4, [x1], #16
    stp x3, x4, [x0], #16
    b 1b
2:  tbz x2, #3, 3f
    ldr x3, [x1], #8
    str x3, [x0], #8
3:  tbz x2, #2, 4f
    ldr w3, [x1], #4
    str w3, [x0], #4
4:  tbz x2, #1, 5f
    ldrh w3, [x1], #2
    strh w3, [x0], #2
5:  tbz x2, #0, 6f
    ldrb w3, [x1]
    strb w3, [x0]
6:  mov x0, xzr
    ret

    .global trap_copy_text
trap_copy_text:                  /* x0 to, x1 guest, x2 size */
    mov x3, xzr
    mov x4, #0x0101010101010101
1:  tst x1, #7
    b.eq 2f
    cmp x3, x2
    b.hs 4f
    ldrb w5, [x1], #1
    strb w5, [x0, x3]
    cbz w5, 5f
    add x3, x3, #1
    b 1b
2:  add x6, x3, #8
    cmp x6, x2
    b.hi 3f
    ldr x5, [x1], #8
    str x5, [x0, x3]
    sub x6, x5, x4
    bic x6, x6, x5
    ands x6, x6, #0x8080808080808080
    b.ne 6f
    add x3, x3, #8
    b 2b
6:  rbit x6, x6
    clz x6, x6
    add x0, x3, x6, lsr #3
    ret
3:  cmp x3, x2
    b.hs 4f
    ldrb w5, [x1], #1
    strb w5, [x0, x3]
    cbz w5, 5f
    add x3, x3, #1
    b 3b
4:  mov x0, #ENAMETOOLONG_RESULT
    ret
5:  mov x0, x3
    ret
    .global trap_ticks           /* faults where the guest forbade it (PR_SET_TSC) */
trap_ticks:
    mrs x0, cntvct_el0
    ret
trap_memory_end:
trap_memory_fault:
    mov x0, #EFAULT_RESULT
    ret

#endif
    .section .note.GNU-stack, "", %progbits
