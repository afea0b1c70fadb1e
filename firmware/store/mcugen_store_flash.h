/* Pages of the MCU's own flash as a store: nRF52, STM32F1, STM32F4, SAMD21, by their registers. The
 * sequence for nRF52 was tried in QEMU on an nRF51, which has the same controller; the others are
 * compiled only. None was tried on a board.
 *
 * - The linker must leave the pages free: the board file's [storage] says which it takes.
 * - The core stands still while flash is written or erased (a page of nRF52 85 ms, a sector of
 *   128 KiB of an STM32F4 1 to 2 s): interrupts come late.
 * - With a SoftDevice or another Bluetooth stack running the controller is not yours: switch it off
 *   for the save, or write callbacks of your own by its functions.
 * - An STM32F1 needs its internal oscillator (HSI) running, as it is after a reset.
 * - STM32 with ECC in flash (L4, G4, H7) are left out: a word whose writing was cut may end the
 *   program when it is read. */
#ifndef MCUGEN_STORE_FLASH_H
#define MCUGEN_STORE_FLASH_H

#include "mcugen_store.h"

/* The chips that are known; elsewhere there is no mcugen_store_flash. */
#if defined(NRF52) || defined(NRF52_SERIES) || defined(NRF52832_XXAA) || defined(NRF52840_XXAA) || \
    defined(ARDUINO_ARCH_NRF52840) || defined(NRF51)
#define MCUGEN_STORE_NRF
#elif defined(STM32F1xx)
#define MCUGEN_STORE_STM32F1
#elif defined(STM32F4xx)
#define MCUGEN_STORE_STM32F4
#elif defined(__SAMD21G18A__) || defined(__SAMD21E18A__) || defined(__SAMD21J18A__)
#define MCUGEN_STORE_SAMD21
#endif
#if defined(MCUGEN_STORE_NRF) || defined(MCUGEN_STORE_STM32F1) || defined(MCUGEN_STORE_STM32F4) || \
    defined(MCUGEN_STORE_SAMD21)
#define MCUGEN_STORE_HAS_FLASH
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* `bytes` of flash from address `first` on, both of whole pages. On an STM32F4 all of its sectors
 * must have the size of the first. */
mcugen_store mcugen_store_flash(uint32_t first, uint32_t bytes);

#ifdef __cplusplus
}
#endif

#endif
