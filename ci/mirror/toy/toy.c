/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include "toy.h"

#ifdef BROKEN
#error "this source is broken on purpose"
#endif

int main(void)
{
	puts(toy_greeting());
	return 0;
}
