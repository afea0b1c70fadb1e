/* For compilers without a C library: what generated C may use of it. */
#ifndef MCUGEN_MATH_H
#define MCUGEN_MATH_H

#define NAN __builtin_nanf("")
#define INFINITY __builtin_inff()

#endif
