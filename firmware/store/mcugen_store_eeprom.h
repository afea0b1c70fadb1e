/* The EEPROM of an AVR as a store. Tried in simavr, not on a board.
 *
 * A byte takes 3.4 ms to write and is left alone where it is the same already. Interrupts stay on.
 * Power that fades instead of ending can spoil an EEPROM anywhere: keep the brown-out detector on,
 * as the fuses of Arduino boards have it. */
#ifndef MCUGEN_STORE_EEPROM_H
#define MCUGEN_STORE_EEPROM_H

#include "mcugen_store.h"

#ifdef __cplusplus
extern "C" {
#endif

/* `bytes` of the EEPROM from address `first` on; all of it is (0, E2END + 1). */
mcugen_store mcugen_store_eeprom(uint16_t first, uint16_t bytes);

#ifdef __cplusplus
}
#endif

#endif
