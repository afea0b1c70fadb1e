/* What firmware/store uses of ESP-IDF's nvs.h, for store_nvs_test.c on a computer without ESP-IDF.
 */
#ifndef NVS_H
#define NVS_H

#include <stddef.h>
#include <stdint.h>

typedef int32_t esp_err_t;
typedef uint32_t nvs_handle_t;
typedef enum { NVS_READONLY, NVS_READWRITE } nvs_open_mode_t;
enum {
    ESP_OK = 0,
    ESP_FAIL = -1,
    ESP_ERR_NVS_NOT_FOUND = 0x1102,
    ESP_ERR_NVS_INVALID_LENGTH = 0x110c
};

#ifdef __cplusplus
extern "C" {
#endif

esp_err_t nvs_open(const char *name, nvs_open_mode_t mode, nvs_handle_t *handle);
esp_err_t nvs_get_blob(nvs_handle_t handle, const char *key, void *value, size_t *length);
esp_err_t nvs_set_blob(nvs_handle_t handle, const char *key, const void *value, size_t length);
esp_err_t nvs_commit(nvs_handle_t handle);

#ifdef __cplusplus
}
#endif

#endif
