/* SPDX-License-Identifier: MIT */
/* creel-init for the weakened runs: it does not hide its memory. The linker puts this before prctl(2). */
#include <stdarg.h>
#include <sys/prctl.h>

int __real_prctl(int option, ...);
int __wrap_prctl(int option, ...);

int __wrap_prctl(int option, ...)
{
	unsigned long args[4];
	va_list list;

	if (option == PR_SET_DUMPABLE) {
		return 0;
	}
	va_start(list, option);
	for (int i = 0; i < 4; i++) {
		args[i] = va_arg(list, unsigned long);
	}
	va_end(list);
	return __real_prctl(option, args[0], args[1], args[2], args[3]);
}
