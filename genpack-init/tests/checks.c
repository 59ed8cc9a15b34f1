/* SPDX-License-Identifier: MIT */
/* Linked into programs built with GENPACK_INIT_CHECKS: the sanitizers' options (Python leaks on purpose, and tests look at
 * how a program dies), and, by --wrap, gcov's counters written before the ends of a process that run no exit handler. */
void __gcov_dump(void);
void __gcov_reset(void);
int __real_execv(const char *path, char *const arguments[]);
int __real_reboot(int command);
_Noreturn void __real__exit(int status);

const char *__asan_default_options(void)
{
    return "detect_leaks=0:handle_segv=0:handle_abort=0:handle_sigbus=0:handle_sigfpe=0";
}

int __wrap_execv(const char *path, char *const arguments[])
{
    __gcov_dump();
    __gcov_reset(); /* if it fails, the process counts on from nothing */
    return __real_execv(path, arguments);
}

int __wrap_reboot(int command)
{
    __gcov_dump();
    __gcov_reset();
    return __real_reboot(command);
}

_Noreturn void __wrap__exit(int status)
{
    __gcov_dump();
    __real__exit(status);
}
