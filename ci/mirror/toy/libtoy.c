/* SPDX-License-Identifier: MIT */
#include "toy.h"

const char *toy_greeting(void)
{
#ifdef LOUD
	return "TOY";
#else
	return "toy";
#endif
}
