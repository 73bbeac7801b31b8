// A second name for a function, as one jump: whatever its arguments are, they stay where they are.
#pragma once

#if defined(__x86_64__)
#define ANEMONE_JUMP "jmp "
#define ANEMONE_JUMP_END "@PLT\n"
#elif defined(__aarch64__)
#define ANEMONE_JUMP "b "
#define ANEMONE_JUMP_END "\n"
#endif

#define ANEMONE_FORWARD(name, target)                                   \
  __asm__(".text\n.globl " #name "\n.type " #name ", %function\n" #name \
          ":\n" ANEMONE_JUMP #target ANEMONE_JUMP_END ".size " #name ", .-" #name "\n")
