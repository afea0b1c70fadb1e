/* A file as a store, for computers: on a board with Linux, and in tests.
 *
 * A save ends when the record is with the disk (fsync, where the system is a Unix); elsewhere it
 * ends when the system has it, which can lose the last saves where power fails. */
#ifndef MCUGEN_STORE_FILE_H
#define MCUGEN_STORE_FILE_H

#include "mcugen_store.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Opens the file, which is made where there is none, and takes `bytes` of it at most. False where
 * it cannot be opened. */
bool mcugen_store_file(mcugen_store *store, const char *path, uint32_t bytes);
void mcugen_store_file_close(mcugen_store *store);

#ifdef __cplusplus
}
#endif

#endif
