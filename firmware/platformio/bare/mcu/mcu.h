/* What bare-metal programs need of the simulated machine: serial port, clock, and the way out.
   QEMU's mps2-an385, mps2-an386 and mps2-an500 stand in for Cortex-M boards, -M virt for RISC-V. */
#ifndef MCUGEN_MCU_H
#define MCUGEN_MCU_H

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The first UART. Reading and writing wait for nothing but the UART itself. */
void mcu_serial_begin(void);
bool mcu_serial_available(void);
uint8_t mcu_serial_read(void);
void mcu_serial_write(uint8_t byte);

/* Starts the clock; the time since then as instructions executed (RISC-V), or rounded down to 40 of
   them (Cortex-M). QEMU has to run with -icount shift=0. */
void mcu_clock_begin(void);
uint64_t mcu_instructions(void);

/* A semihosting call; see ARM's specification of semihosting, which RISC-V shares. */
intptr_t mcu_semihost(int operation, const void *arguments);

/* Ends the simulation; status becomes QEMU's exit status. */
void mcu_exit(int status) __attribute__((noreturn));

enum { MCU_CRASHED = 99 }; /* exit status after a fault */

#ifdef __cplusplus
}
#endif

#endif
