/* SPDX-License-Identifier: MIT */
#pragma once

const char *toy_greeting(void);
