#include "embedded/ptrace/stub.hpp"

#include <cstddef>
#include <cstring>

#include <elf.h>

extern "C" const char udocker_stub_begin[], udocker_stub_end[];

// rbx/x19: next step; r12/x20: base; r13/x21: fd. Codes: -1 jump, -2 store, -3 clear, -4 add to base, -5 set base.
#if defined(__x86_64__)
__asm__(R"(
  .pushsection .rodata.udocker_stub, "a", @progbits
  .balign 16
  .globl udocker_stub_begin, udocker_stub_end
  .hidden udocker_stub_begin, udocker_stub_end
udocker_stub_begin:
  xorl %r12d, %r12d
  xorl %r13d, %r13d
1:movq (%rbx), %rax
  testq %rax, %rax
  js 5f
  movq 8(%rbx), %rdi
  movq 16(%rbx), %rsi
  movq 24(%rbx), %rdx
  movq 32(%rbx), %r10
  movq 40(%rbx), %r8
  movq 48(%rbx), %r9
  movq 56(%rbx), %r14
  testb $1, %r14b
  jz 2f
  addq %r12, %rdi
2:testb $2, %r14b
  jz 3f
  movq %r13, %r8
3:testb $4, %r14b
  jz 4f
  movq %r13, %rdi
4:syscall
  cmpq $-4095, %rax
  jae 8f
  testb $8, %r14b
  cmovnzq %rax, %r12
  testb $16, %r14b
  cmovnzq %rax, %r13
  jmp 7f
5:cmpq $-1, %rax
  je 9f
  movq 8(%rbx), %rdi
  movq 16(%rbx), %rcx
  cmpq $-2, %rax
  jne 6f
  addq %r12, %rcx
  movq %rcx, (%rdi)
  jmp 7f
6:cmpq $-3, %rax
  jne 10f
  addq %r12, %rdi
  xorl %eax, %eax
  rep stosb
  jmp 7f
10:cmpq $-4, %rax
  jne 11f
  addq %rdi, %r12
  jmp 7f
11:movq %rdi, %r12
7:addq $64, %rbx
  jmp 1b
8:testb $32, %r14b
  jnz 7b
  movl $231, %eax
  movl $127, %edi
  syscall
9:movq 8(%rbx), %rax
  addq %r12, %rax
  movq 16(%rbx), %rsp
  xorl %ebx, %ebx
  xorl %ecx, %ecx
  xorl %edx, %edx
  xorl %esi, %esi
  xorl %edi, %edi
  xorl %ebp, %ebp
  xorl %r8d, %r8d
  xorl %r9d, %r9d
  xorl %r10d, %r10d
  xorl %r11d, %r11d
  xorl %r12d, %r12d
  xorl %r13d, %r13d
  xorl %r14d, %r14d
  jmp *%rax
udocker_stub_end:
  .popsection
)");
constexpr uint16_t kMachine = EM_X86_64;

// The same for 32-bit programs: the stack pointer is the step; base and fd lie in the step, in the upper halves of its
// first two arguments.
extern "C" const char udocker_narrow_stub_begin[], udocker_narrow_stub_end[];
__asm__(R"(
  .pushsection .rodata.udocker_stub, "a", @progbits
  .balign 16
  .globl udocker_narrow_stub_begin, udocker_narrow_stub_end
  .hidden udocker_narrow_stub_begin, udocker_narrow_stub_end
  .code32
udocker_narrow_stub_begin:
  movl $0, 12(%esp)
  movl $0, 20(%esp)
1:movl (%esp), %eax
  movl 8(%esp), %ebx
  movl 16(%esp), %ecx
  testl %eax, %eax
  js 5f
  movl 24(%esp), %edx
  movl 32(%esp), %esi
  movl 40(%esp), %edi
  movl 48(%esp), %ebp
  testb $1, 56(%esp)
  jz 2f
  addl 12(%esp), %ebx
2:testb $2, 56(%esp)
  jz 3f
  movl 20(%esp), %edi
3:testb $4, 56(%esp)
  jz 4f
  movl 20(%esp), %ebx
4:int $0x80
  cmpl $-4095, %eax
  jae 8f
  testb $8, 56(%esp)
  jz 12f
  movl %eax, 12(%esp)
12:testb $16, 56(%esp)
  jz 7f
  movl %eax, 20(%esp)
  jmp 7f
5:cmpl $-1, %eax
  je 9f
  cmpl $-2, %eax
  jne 6f
  addl 12(%esp), %ecx
  movl %ecx, (%ebx)
  jmp 7f
6:cmpl $-3, %eax
  jne 10f
  movl %ebx, %edi
  addl 12(%esp), %edi
  xorl %eax, %eax
  rep stosb
  jmp 7f
10:cmpl $-4, %eax
  jne 11f
  addl %ebx, 12(%esp)
  jmp 7f
11:movl %ebx, 12(%esp)
7:movl 12(%esp), %eax
  movl 20(%esp), %ebx
  addl $64, %esp
  movl %eax, 12(%esp)
  movl %ebx, 20(%esp)
  jmp 1b
8:testb $32, 56(%esp)
  jnz 7b
  movl $252, %eax
  movl $127, %ebx
  int $0x80
9:addl 12(%esp), %ebx
  movl %ebx, %eax
  movl %ecx, %esp
  xorl %ebx, %ebx
  xorl %ecx, %ecx
  xorl %edx, %edx
  xorl %esi, %esi
  xorl %edi, %edi
  xorl %ebp, %ebp
  jmp *%eax
udocker_narrow_stub_end:
  .code64
  .popsection
)");
#else
__asm__(R"(
  .pushsection .rodata.udocker_stub, "a", @progbits
  .balign 16
  .globl udocker_stub_begin, udocker_stub_end
  .hidden udocker_stub_begin, udocker_stub_end
udocker_stub_begin:
  mov x20, #0
  mov x21, #0
1:ldr x8, [x19]
  tbnz x8, #63, 5f
  ldp x0, x1, [x19, #8]
  ldp x2, x3, [x19, #24]
  ldp x4, x5, [x19, #40]
  ldr x22, [x19, #56]
  tbz x22, #0, 2f
  add x0, x0, x20
2:tbz x22, #1, 3f
  mov x4, x21
3:tbz x22, #2, 4f
  mov x0, x21
4:svc #0
  cmn x0, #4095
  b.hs 8f
  tbz x22, #3, 12f
  mov x20, x0
12:tbz x22, #4, 7f
  mov x21, x0
  b 7f
5:cmn x8, #1
  b.eq 9f
  ldp x0, x1, [x19, #8]
  cmn x8, #2
  b.ne 6f
  add x1, x1, x20
  str x1, [x0]
  b 7f
6:cmn x8, #3
  b.ne 10f
  add x0, x0, x20
13:cbz x1, 7f
  strb wzr, [x0], #1
  sub x1, x1, #1
  b 13b
10:cmn x8, #4
  b.ne 11f
  add x20, x20, x0
  b 7f
11:mov x20, x0
7:add x19, x19, #64
  b 1b
8:tbnz x22, #5, 7b
  mov x8, #94
  mov x0, #127
  svc #0
9:ldr x16, [x19, #8]
  add x16, x16, x20
  ldr x0, [x19, #16]
  mov sp, x0
  mov x0, #0
  mov x1, #0
  mov x29, #0
  mov x30, #0
  br x16
udocker_stub_end:
  .popsection
)");
constexpr uint16_t kMachine = EM_AARCH64;
#endif

namespace udocker::ptrace {

namespace {

template <class Header, class Segment>
struct Image {
  Header header;
  Segment load, stack;
};
using WideImage = Image<Elf64_Ehdr, Elf64_Phdr>;
using NarrowImage = Image<Elf32_Ehdr, Elf32_Phdr>;

template <class Image>
std::vector<char> make_image(unsigned char elf_class, uint16_t machine, uint64_t address, const char* code, std::size_t code_size) {
  auto start = static_cast<decltype(Image::header.e_entry)>(address);
  auto size = static_cast<decltype(Image::load.p_filesz)>(sizeof(Image) + code_size);
  Image image{};
  std::memcpy(image.header.e_ident, ELFMAG, SELFMAG);
  image.header.e_ident[EI_CLASS] = elf_class;
  image.header.e_ident[EI_DATA] = ELFDATA2LSB;
  image.header.e_ident[EI_VERSION] = EV_CURRENT;
  image.header.e_type = ET_EXEC;
  image.header.e_machine = machine;
  image.header.e_version = EV_CURRENT;
  image.header.e_entry = start + sizeof(Image);
  image.header.e_phoff = offsetof(Image, load);
  image.header.e_ehsize = sizeof image.header;
  image.header.e_phentsize = sizeof image.load;
  image.header.e_phnum = 2;
  image.load.p_type = PT_LOAD;
  image.load.p_flags = PF_R | PF_X;
  image.load.p_vaddr = image.load.p_paddr = start;
  image.load.p_filesz = image.load.p_memsz = size;
  image.load.p_align = 4096;
  image.stack.p_type = PT_GNU_STACK;
  image.stack.p_flags = PF_R | PF_W;
  std::vector<char> file(size);
  std::memcpy(file.data(), &image, sizeof image);
  std::memcpy(file.data() + sizeof image, code, code_size);
  return file;
}

}  // namespace

uint64_t stub_entry(bool narrow) {
  return narrow ? kNarrowStubAddress + sizeof(NarrowImage) : kStubAddress + sizeof(WideImage);
}

std::vector<char> stub_image([[maybe_unused]] bool narrow) {
#if defined(__x86_64__)
  if (narrow)
    return make_image<NarrowImage>(ELFCLASS32, EM_386, kNarrowStubAddress, udocker_narrow_stub_begin,
                                   static_cast<std::size_t>(udocker_narrow_stub_end - udocker_narrow_stub_begin));
#endif
  return make_image<WideImage>(ELFCLASS64, kMachine, kStubAddress, udocker_stub_begin,
                               static_cast<std::size_t>(udocker_stub_end - udocker_stub_begin));
}

void Script::step(uint64_t code, uint64_t a, uint64_t b) { words_.insert(words_.end(), {code, a, b, 0, 0, 0, 0, 0}); }

void Script::call(long number, std::initializer_list<uint64_t> arguments, uint64_t flags) {
  ++calls_;
  words_.push_back(static_cast<uint64_t>(number));
  words_.insert(words_.end(), arguments);
  words_.resize((words_.size() + 7) / 8 * 8);
  words_.back() = flags;
}

void Script::store(uint64_t address, uint64_t value) { step(~uint64_t{1}, address, value); }
void Script::clear(uint64_t address, uint64_t size) { step(~uint64_t{2}, address, size); }
void Script::add_base(uint64_t value) { step(~uint64_t{3}, value, 0); }
void Script::set_base(uint64_t value) { step(~uint64_t{4}, value, 0); }
void Script::jump(uint64_t address, uint64_t stack) { step(~uint64_t{0}, address, stack); }

}  // namespace udocker::ptrace
