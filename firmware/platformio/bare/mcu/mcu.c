#include "mcu.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>

#ifdef __riscv

enum { UART = 0x10000000 };
#define UART_REGISTER(n) (*(volatile uint8_t *)(UART + (n)))

void mcu_serial_begin(void) { UART_REGISTER(2) = 1; /* the queue of 16 bytes */ }

bool mcu_serial_available(void) { return (UART_REGISTER(5) & 1) != 0; }

uint8_t mcu_serial_read(void) { return UART_REGISTER(0); }

void mcu_serial_write(uint8_t byte) {
    while ((UART_REGISTER(5) & 0x20) == 0) {
    }
    UART_REGISTER(0) = byte;
}

void mcu_clock_begin(void) {}

/* The compilers of these years take rv32imc without the instructions that read counters. */
#define READ_COUNTER(name, to)                                                                     \
    __asm__ volatile(".option push\n.option arch, +zicsr\ncsrr %0, " name "\n.option pop"          \
                     : "=r"(to))

uint64_t mcu_instructions(void) {
    uint32_t high, low, again;
    do {
        READ_COUNTER("minstreth", high);
        READ_COUNTER("minstret", low);
        READ_COUNTER("minstreth", again);
    } while (high != again);
    return (uint64_t)high << 32 | low;
}

intptr_t mcu_semihost(int operation, const void *arguments) {
    register intptr_t a0 __asm__("a0") = operation;
    register const void *a1 __asm__("a1") = arguments;
    /* this very sequence, uncompressed and within one page, is the call */
    __asm__ volatile(".balign 16\n"
                     ".option push\n"
                     ".option norvc\n"
                     "slli x0, x0, 0x1f\n"
                     "ebreak\n"
                     "srai x0, x0, 7\n"
                     ".option pop\n"
                     : "+r"(a0)
                     : "r"(a1)
                     : "memory");
    return a0;
}

#else

#define REGISTER(address) (*(volatile uint32_t *)(address))
enum {
    UART_DATA = 0x40004000,
    UART_STATE = 0x40004004,
    UART_CONTROL = 0x40004008,
    UART_DIVIDER = 0x40004010
};
#define SYSTICK_CONTROL REGISTER(0xE000E010)
#define SYSTICK_RELOAD REGISTER(0xE000E014)
#define SYSTICK_VALUE REGISTER(0xE000E018)
enum {
    SYSTICK_SPAN = 1 << 24,
    INSTRUCTIONS_A_TICK = 40
}; /* 25 MHz, where an instruction takes 1 ns */

void mcu_serial_begin(void) {
    REGISTER(UART_DIVIDER) = 16;
    REGISTER(UART_CONTROL) = 3;
}

bool mcu_serial_available(void) { return (REGISTER(UART_STATE) & 2) != 0; }

uint8_t mcu_serial_read(void) { return (uint8_t)REGISTER(UART_DATA); }

void mcu_serial_write(uint8_t byte) {
    while ((REGISTER(UART_STATE) & 1) != 0) {
    }
    REGISTER(UART_DATA) = byte;
}

static volatile uint32_t wraps;

void systick_handler(void); /* in the vector table of start_cortexm.c */

void systick_handler(void) { wraps++; }

void mcu_clock_begin(void) {
    SYSTICK_RELOAD = SYSTICK_SPAN - 1;
    SYSTICK_VALUE = 0;
    SYSTICK_CONTROL = 7;
}

uint64_t mcu_instructions(void) {
    uint32_t before, value;
    do {
        before = wraps;
        value = SYSTICK_VALUE;
    } while (before != wraps);
    return ((uint64_t)before * SYSTICK_SPAN + (SYSTICK_SPAN - 1 - value)) * INSTRUCTIONS_A_TICK;
}

intptr_t mcu_semihost(int operation, const void *arguments) {
    register intptr_t r0 __asm__("r0") = operation;
    register const void *r1 __asm__("r1") = arguments;
    __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
    return r0;
}

#endif

void mcu_exit(int status) {
    enum { SYS_EXIT_EXTENDED = 0x20, STOPPED_BY_PROGRAM = 0x20026 };
    const uintptr_t arguments[2] = {STOPPED_BY_PROGRAM, (uintptr_t)status};
    for (;;) {
        mcu_semihost(SYS_EXIT_EXTENDED, arguments);
    }
}

/* The C library's own would bring its files and streams along. */
void abort(void) { mcu_exit(MCU_CRASHED); }

void __assert_func(const char *file, int line, const char *function, const char *what);

void __assert_func(const char *file, int line, const char *function, const char *what) {
    (void)file;
    (void)line;
    (void)function;
    (void)what;
    abort();
}

/* The C library's strtof takes memory from the heap for its long numbers. It is linked only where
   it is used, and is counted as static RAM, so that the stack's depth can be told apart. */
#ifndef MCUGEN_HEAP
#define MCUGEN_HEAP 2048
#endif

void *_sbrk(ptrdiff_t more);

void *_sbrk(ptrdiff_t more) {
    static uint8_t heap[MCUGEN_HEAP] __attribute__((aligned(8)));
    static ptrdiff_t used;
    if (more > (ptrdiff_t)sizeof heap - used) {
        errno = ENOMEM;
        return (void *)-1;
    }
    used += more;
    return heap + used - more;
}
