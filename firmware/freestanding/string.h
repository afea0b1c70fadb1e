/* For compilers without a C library: what generated C may use of it. */
#ifndef MCUGEN_STRING_H
#define MCUGEN_STRING_H

#include <stddef.h>

void *memcpy(void *to, const void *from, size_t count);
void *memset(void *to, int byte, size_t count);

#endif
