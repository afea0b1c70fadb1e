#include "mcugen_store_nvs.h"

#if defined(ESP_PLATFORM)

#include <nvs.h>
#include <stddef.h>
#include <string.h>

static const char *key_of(uint32_t slot, char key[8]) {
    key[0] = 's';
    key[1] = (char)('0' + slot / 100 % 10);
    key[2] = (char)('0' + slot / 10 % 10);
    key[3] = (char)('0' + slot % 10);
    key[4] = 0;
    return key;
}

/* Brings a slot into RAM: blank where there is none, or a longer one; a shorter one ends blank. */
static void bring(mcugen_store_nvs_state *nvs, uint32_t slot) {
    char key[8];
    size_t size = nvs->bytes;
    if (nvs->slot == slot)
        return;
    memset(nvs->blob, 0xFF, nvs->bytes);
    if (nvs_get_blob((nvs_handle_t)nvs->handle, key_of(slot, key), nvs->blob, &size) != ESP_OK)
        memset(nvs->blob, 0xFF, nvs->bytes);
    nvs->slot = slot;
}

/* A record may reach into the next slots where another firmware's slots were larger. */
static int read_nvs(void *ctx, mcugen_store_size at, void *to, uint16_t size) {
    mcugen_store_nvs_state *nvs = (mcugen_store_nvs_state *)ctx;
    uint8_t *bytes = (uint8_t *)to;
    for (; size > 0; size--, at++) {
        bring(nvs, at / nvs->bytes);
        *bytes++ = nvs->blob[at % nvs->bytes];
    }
    return 0;
}

static int write_nvs(void *ctx, mcugen_store_size at, const void *from, uint16_t size) {
    mcugen_store_nvs_state *nvs = (mcugen_store_nvs_state *)ctx;
    bring(nvs, at / nvs->bytes);
    memcpy(nvs->blob + at % nvs->bytes, from, size);
    return 0;
}

/* In RAM only: the blob in NVS is replaced as a whole when the new one is complete. */
static int erase_nvs(void *ctx, mcugen_store_size at) {
    mcugen_store_nvs_state *nvs = (mcugen_store_nvs_state *)ctx;
    memset(nvs->blob, 0xFF, nvs->bytes);
    nvs->slot = at / nvs->bytes;
    return 0;
}

static int commit_nvs(void *ctx) {
    mcugen_store_nvs_state *nvs = (mcugen_store_nvs_state *)ctx;
    const nvs_handle_t handle = (nvs_handle_t)nvs->handle;
    char key[8];
    const esp_err_t set = nvs_set_blob(handle, key_of(nvs->slot, key), nvs->blob, nvs->bytes);
    nvs->slot = UINT32_MAX; /* what is read back comes from NVS */
    return set == ESP_OK && nvs_commit(handle) == ESP_OK ? 0 : -1;
}

bool mcugen_store_nvs(mcugen_store *store, mcugen_store_nvs_state *nvs, const char *name,
                      uint8_t *blob, uint32_t bytes, uint8_t slots) {
    const mcugen_store made = {read_nvs,      write_nvs, erase_nvs, commit_nvs, nvs,
                               bytes * slots, bytes,     1,         false};
    nvs_handle_t handle = 0;
    const bool opened = nvs_open(name, NVS_READWRITE, &handle) == ESP_OK;
    nvs->handle = (uint32_t)handle;
    nvs->blob = blob;
    nvs->bytes = bytes;
    nvs->slot = UINT32_MAX;
    *store = made;
    return opened;
}

#endif
