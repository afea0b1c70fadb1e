/* The NVS of an ESP32 as a store: one blob for a slot. Compiled and tried with a stand-in for NVS;
 * neither ESP-IDF nor a board was at hand.
 *
 * NVS has to be initialised (nvs_flash_init; Arduino's core does it). It writes a blob anew
 * elsewhere and levels the wear of its pages by itself, so two slots are enough. */
#ifndef MCUGEN_STORE_NVS_H
#define MCUGEN_STORE_NVS_H

#include "mcugen_store.h"

#if defined(ESP_PLATFORM)
#define MCUGEN_STORE_HAS_NVS /* elsewhere there is no mcugen_store_nvs */
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* What the store keeps in RAM; it must live as long as the store. */
typedef struct {
    uint32_t handle; /* NVS's */
    uint8_t *blob;   /* one slot */
    uint32_t bytes;  /* of it */
    uint32_t slot;   /* that is in `blob`; UINT32_MAX: none */
} mcugen_store_nvs_state;

/* `slots` blobs in the name space `name` (15 characters at most). `blob` has room for one slot: the
 * payload's bytes + MCUGEN_STORE_OVERHEAD. False where NVS does not open. */
bool mcugen_store_nvs(mcugen_store *store, mcugen_store_nvs_state *nvs, const char *name,
                      uint8_t *blob, uint32_t bytes, uint8_t slots);

#ifdef __cplusplus
}
#endif

#endif
