/* SPDX-License-Identifier: MIT */
#ifndef BASE_MACRO_H
#define BASE_MACRO_H

#include <stddef.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

#define _printf_(fmt, args) __attribute__((format(printf, fmt, args)))
#define _cleanup_(fn) __attribute__((cleanup(fn)))
#define _nodiscard_ __attribute__((warn_unused_result))

#endif
