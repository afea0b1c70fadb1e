/* The store on NVS, whose functions are played here: blobs in RAM that are replaced whole or not at
 * all, as ESP-IDF describes it. Exit status 0 when all pass. */
#include "../store/mcugen_store_nvs.h"

#include <nvs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                        \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)

enum { BLOBS = 8, LARGEST = 200, SLOTS = 3, PAYLOAD = 100, SCHEMA = 77, HANDLE = 5, SAVES = 40000 };

static struct {
    char key[16];
    uint8_t bytes[LARGEST];
    size_t size;
} blobs[BLOBS];
static bool power = true, opens = true;

esp_err_t nvs_open(const char *name, nvs_open_mode_t mode, nvs_handle_t *handle) {
    CHECK(strlen(name) <= 15 && mode == NVS_READWRITE);
    *handle = HANDLE;
    return opens ? ESP_OK : ESP_FAIL;
}

static int blob_of(const char *key) {
    for (int i = 0; i < BLOBS; i++) {
        if (blobs[i].size > 0 && strcmp(blobs[i].key, key) == 0)
            return i;
    }
    return -1;
}

esp_err_t nvs_get_blob(nvs_handle_t handle, const char *key, void *value, size_t *length) {
    const int i = blob_of(key);
    CHECK(handle == HANDLE);
    if (i < 0)
        return ESP_ERR_NVS_NOT_FOUND;
    const bool fits = blobs[i].size <= *length;
    *length = blobs[i].size;
    if (!fits)
        return ESP_ERR_NVS_INVALID_LENGTH;
    memcpy(value, blobs[i].bytes, blobs[i].size);
    return ESP_OK;
}

esp_err_t nvs_set_blob(nvs_handle_t handle, const char *key, const void *value, size_t length) {
    int i = blob_of(key);
    CHECK(handle == HANDLE && strlen(key) <= 15 && length <= LARGEST);
    for (int j = 0; i < 0 && j < BLOBS; j++)
        i = blobs[j].size == 0 ? j : i;
    CHECK(i >= 0);
    if (!power)
        return ESP_FAIL;
    memcpy(blobs[i].key, key, strlen(key) + 1);
    memcpy(blobs[i].bytes, value, length);
    blobs[i].size = length;
    return ESP_OK;
}

esp_err_t nvs_commit(nvs_handle_t handle) {
    CHECK(handle == HANDLE);
    return power ? ESP_OK : ESP_FAIL;
}

static mcugen_store store;
static mcugen_store_nvs_state nvs;
static uint8_t blob[LARGEST], payload[LARGEST], loaded[LARGEST];

static void open_store(uint32_t bytes) {
    CHECK(mcugen_store_nvs(&store, &nvs, "trainer", blob, bytes, SLOTS));
}

static int save(uint32_t number) {
    for (uint32_t i = 0; i < PAYLOAD; i++)
        payload[i] = (uint8_t)(i < 4 ? number >> 8 * i : number + i);
    return mcugen_store_save(&store, SCHEMA, payload, PAYLOAD);
}

static bool loads(uint32_t number) {
    uint32_t found;
    const int said = mcugen_store_load(&store, SCHEMA, loaded, PAYLOAD);
    memcpy(&found, loaded, sizeof found);
    return said == 0 && found == number && loaded[PAYLOAD - 1] == (uint8_t)(number + PAYLOAD - 1);
}

int main(void) {
    open_store(PAYLOAD + MCUGEN_STORE_OVERHEAD);
    CHECK(mcugen_store_slots(&store, PAYLOAD) == SLOTS);
    CHECK(mcugen_store_load(&store, SCHEMA, loaded, PAYLOAD) == MCUGEN_STORE_E_EMPTY);
    uint32_t last = 0;
    CHECK(save(0) == 0 && loads(0));
    for (uint32_t i = 1; i <= SAVES; i++) {
        power = i * 2654435761u >> 30 != 0; /* a quarter of the saves is cut */
        const int said = save(i);
        CHECK(said == (power ? 0 : MCUGEN_STORE_E_WORN));
        last = power ? i : last;
        open_store(PAYLOAD + MCUGEN_STORE_OVERHEAD); /* as after a reset */
        CHECK(loads(last));
    }
    power = true;
    blobs[0].bytes[30] ^= 1, blobs[1].bytes[30] ^= 1, blobs[2].bytes[30] ^= 1;
    open_store(PAYLOAD + MCUGEN_STORE_OVERHEAD); /* which forgets what is in RAM */
    CHECK(mcugen_store_load(&store, SCHEMA, loaded, PAYLOAD) == MCUGEN_STORE_E_EMPTY);
    CHECK(save(1) == 0 && loads(1) && save(2) == 0 && save(3) == 0);
    /* a firmware with a longer state */
    open_store(LARGEST);
    CHECK(mcugen_store_load(&store, SCHEMA, loaded, LARGEST - MCUGEN_STORE_OVERHEAD) ==
          MCUGEN_STORE_E_SCHEMA);
    /* two records to a blob: the first one stays where the second is written */
    memset(blobs, 0, sizeof blobs);
    for (uint32_t i = 0; i < 20; i++) {
        CHECK(mcugen_store_save(&store, SCHEMA, &i, sizeof i) == 0);
        CHECK(mcugen_store_load(&store, SCHEMA, loaded, sizeof i) == 0 && loaded[0] == i);
    }
    CHECK(mcugen_store_slots(&store, sizeof(uint32_t)) == SLOTS * 8);
    opens = false;
    CHECK(!mcugen_store_nvs(&store, &nvs, "trainer", blob, LARGEST, SLOTS));
    return 0;
}
