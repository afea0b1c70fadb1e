#if defined(__unix__) || defined(__APPLE__)
#define _POSIX_C_SOURCE 200112L /* fileno, fsync */
#endif

#include "mcugen_store_file.h"

#if defined(__unix__) || defined(__APPLE__) || defined(_WIN32)

#include <stdio.h>
#include <string.h>

#if !defined(_WIN32)
#include <unistd.h>
#endif

static int seek(void *ctx, mcugen_store_size at) {
    return fseek((FILE *)ctx, (long)at, SEEK_SET); /* `long` holds every store's size */
}

/* Behind the file's end there are no records yet, which reads as blank. */
static int read_file(void *ctx, mcugen_store_size at, void *to, uint16_t size) {
    memset(to, 0xFF, size);
    if (seek(ctx, at) != 0)
        return -1;
    return fread(to, 1, size, (FILE *)ctx) != size && ferror((FILE *)ctx) ? -1 : 0;
}

static int write_file(void *ctx, mcugen_store_size at, const void *from, uint16_t size) {
    if (seek(ctx, at) != 0)
        return -1;
    return fwrite(from, 1, size, (FILE *)ctx) == size ? 0 : -1;
}

static int commit_file(void *ctx) {
    if (fflush((FILE *)ctx) != 0)
        return -1;
#if defined(_WIN32)
    return 0;
#else
    return fsync(fileno((FILE *)ctx));
#endif
}

bool mcugen_store_file(mcugen_store *store, const char *path, uint32_t bytes) {
    FILE *file = fopen(path, "r+b");
    if (file == NULL)
        file = fopen(path, "w+b");
    const mcugen_store made = {read_file, write_file, NULL, commit_file, file, bytes, 0, 1, false};
    *store = made;
    return file != NULL;
}

void mcugen_store_file_close(mcugen_store *store) {
    if (store->ctx != NULL)
        fclose((FILE *)store->ctx);
    store->ctx = NULL;
}

#endif
