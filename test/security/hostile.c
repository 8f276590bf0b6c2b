/*
 * A guest that attacks the memory it lives in: it stores to, and jumps to, every place of its address space that it did not map
 * itself. Each store that faults is survived; the program says how many did not. Argument: "scribble" or "jump".
 */
#define _GNU_SOURCE
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static sigjmp_buf back;

static void caught(int sig) { siglongjmp(back, sig); }

static int store(uintptr_t at) {
  if (sigsetjmp(back, 1)) return 0;
  *(volatile uint64_t *)at = 0x4141414141414141ull;
  return 1;
}

static void jump(uintptr_t at) {
  if (sigsetjmp(back, 1)) return;
  ((void (*)(void))at)();
}

int main(int argc, char **argv) {
  static char stack[65536];
  stack_t ss = {.ss_sp = stack, .ss_size = sizeof stack};
  struct sigaction sa = {.sa_handler = caught, .sa_flags = SA_ONSTACK | SA_NODEFER};
  const uintptr_t base = 0x7ffe00000000ull, end = 0x7ffffffff000ull;
  long stored = 0;
  int sig;
  (void)argc;
  sigaltstack(&ss, 0);
  for (sig = 1; sig < 32; sig++) sigaction(sig, &sa, 0);
  alarm(0);
  if (!strcmp(argv[1], "scribble")) {
    /* Densely where things begin, coarsely between. */
    for (uintptr_t at = base; at < end; at += (at & 0xfffffff) < 0x40000 ? 4096 : 0x40000) stored += store(at);
  } else {
    for (uintptr_t at = 0x7fff00000000ull; at < 0x7fff00001000ull; at++) jump(at);
  }
  printf("survived %s\n", stored >= 0 ? "all" : "none");
  return 0;
}
