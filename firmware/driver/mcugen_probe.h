/* What a generated driver needs of the place it runs in: the table's type, and markers around each
   prediction. */
#ifndef MCUGEN_PROBE_H
#define MCUGEN_PROBE_H

#include <stdint.h>

typedef struct {
    void (*row)(const unsigned char *in, unsigned char *out);
    unsigned in_bytes; /* as many as the memory of the place has */
    unsigned out_bytes;
} mcugen_model;

extern const mcugen_model mcugen_models[];
extern const unsigned mcugen_model_count;

/* An input that comes piece by piece. Where memory holds no more (AVR), the first piece is served
   as `in` is, and the others are fetched. */
#if defined(__AVR__)
const unsigned char *mcugen_fetch(unsigned size);
#define MCUGEN_SERVED(whole, piece) (piece)
#define MCUGEN_PIECE(in, at, size) ((at) == 0 ? (in) : mcugen_fetch(size))
#else
#define MCUGEN_SERVED(whole, piece) (whole)
#define MCUGEN_PIECE(in, at, size) ((in) + (at) * (size))
#endif

#if defined(__AVR__)
#include <avr/io.h>
/* The simulator counts the cycles from a 1 to a 2 written here. */
#define MCUGEN_START() (GPIOR0 = 1)
#define MCUGEN_STOP() (GPIOR0 = 2)
#elif defined(MCUGEN_COUNT_INSIDE)
#ifdef __cplusplus
extern "C" {
#endif
void mcugen_start(void);
void mcugen_stop(void);
#ifdef __cplusplus
}
#endif
#define MCUGEN_START() mcugen_start()
#define MCUGEN_STOP() mcugen_stop()
/* firmware/simulator/qemu_count.c knows these instructions, which do nothing. Between the first two
   a word goes on the stack, to show where it is. */
#elif defined(__thumb__)
#define MCUGEN_START()                                                                             \
    __asm__ volatile("mov r9, r9\n"                                                                \
                     "push {r0}\n"                                                                 \
                     "pop {r0}\n"                                                                  \
                     "mov r10, r10" ::                                                             \
                         : "memory")
#define MCUGEN_STOP() __asm__ volatile("mov r11, r11" ::: "memory")
#elif defined(__riscv)
#define MCUGEN_START()                                                                             \
    __asm__ volatile("slti x0, x0, 1\n"                                                            \
                     "sw x0, -4(sp)\n"                                                             \
                     "slti x0, x0, 2" ::                                                           \
                         : "memory")
#define MCUGEN_STOP() __asm__ volatile("slti x0, x0, 3" ::: "memory")
#else
#define MCUGEN_START() ((void)0)
#define MCUGEN_STOP() ((void)0)
#endif

#endif
