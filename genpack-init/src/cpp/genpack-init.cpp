// SPDX-License-Identifier: MIT
// genpack-init: PID 1 of a genpack image until the real init takes over.
//
// It starts the plugin host (which embeds Python), reaps orphans while it waits, and then execs the real init,
// whatever became of the host. It is linked to libc alone, so that no broken library can stop a boot.
// Not as PID 1 it hands its arguments to the host, which is the command line.
#include <cerrno>
#include <climits>
#include <csignal>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <fcntl.h>
#include <poll.h>
#include <sys/auxv.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

namespace {

constexpr long DEFAULT_TIMEOUT = 300;  // seconds without a plugin starting or ending
constexpr long GRACE = 5;              // seconds between SIGTERM and SIGKILL, and after SIGKILL
constexpr size_t REPORTS = 256 << 10;  // bytes of reports in one boot: thousands of plugins; more is a flood
constexpr int REAPED_AT_ONCE = 1000;   // between two looks at the clock: a fork bomb's children never end
constexpr const char *INITS[] = {"/sbin/init", "/usr/bin/init", "/lib/systemd/systemd"};
constexpr unsigned LAST_RESORT = 30;   // seconds that the message of a boot without an init stays readable

// One line to the kernel log. Priority 3 is shown on the console even with "quiet". Opened anew for each line:
// /dev/kmsg limits the rate of each open file, and may not exist yet.
[[gnu::format(printf, 1, 2)]] void say(const char *format, ...) {
    char line[512];
    int used = snprintf(line, sizeof line, "<3>genpack-init: ");
    va_list arguments;
    va_start(arguments, format);
    used += vsnprintf(line + used, sizeof line - used, format, arguments);
    va_end(arguments);
    if (used > static_cast<int>(sizeof line) - 2) used = sizeof line - 2;
    line[used++] = '\n';
    const int flags = O_WRONLY | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
    int fd = open("/dev/kmsg", flags);
    if (fd >= 0 && write(fd, line, used) == used) {
        close(fd);
        return;
    }
    if (fd >= 0) close(fd);
    fd = open("/dev/console", flags);
    if (write(fd >= 0 ? fd : STDERR_FILENO, line + 3, used - 3) < 0) { /* nowhere left to say it */ }
    if (fd >= 0) close(fd);
}

// The host stands beside this program (PREFIX/bin, PREFIX/libexec), else where the build put it.
// AT_EXECFN needs no /proc.
void find_host(char (&path)[PATH_MAX]) {
    char own[PATH_MAX];
    const auto name = reinterpret_cast<const char *>(getauxval(AT_EXECFN));
    if (name && realpath(name, own)) {
        for (int up = 0; up < 2; up++)
            if (char *slash = strrchr(own, '/')) *slash = 0;
        const int size = snprintf(path, sizeof path, "%s/libexec/genpack-init-host", own);
        if (size < PATH_MAX && access(path, X_OK) == 0) return;
    }
    snprintf(path, sizeof path, "%s", GENPACK_INIT_HOST);
}

// genpack.init_timeout= of the kernel command line, in seconds.
long init_timeout() {
    const int fd = open("/proc/cmdline", O_RDONLY | O_CLOEXEC);
    if (fd < 0) return DEFAULT_TIMEOUT;
    char text[8192];
    const ssize_t size = read(fd, text, sizeof text - 1);
    close(fd);
    text[size > 0 ? size : 0] = 0;
    long seconds = DEFAULT_TIMEOUT;
    char *state = nullptr;
    const char name[] = "genpack.init_timeout=";
    for (char *word = strtok_r(text, " \t\n", &state); word; word = strtok_r(nullptr, " \t\n", &state)) {
        if (strncmp(word, name, sizeof name - 1) != 0) continue;
        char *end = nullptr;
        const char *value = word + sizeof name - 1;
        const long number = strtol(value, &end, 10);
        if (end != value && *end == 0 && number > 0 && number < INT_MAX / 1000)
            seconds = number;
        else
            say("%s%s: not a number of seconds from 1 on; %ld is used", name, value, seconds);
    }
    return seconds;
}

double now() {
    timespec time{};
    clock_gettime(CLOCK_MONOTONIC, &time);
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9;
}

void on_child(int) {}  // only there to end ppoll

class Host {
  public:
    bool start(const sigset_t &mask);
    void wait(long timeout, const sigset_t &mask);

  private:
    bool reap();
    void read_progress();
    void report() const;

    pid_t pid = -1;
    int pipe_end = -1;
    int status = 0;
    double progress = 0;    // when the host last reported a plugin's start or end
    size_t heard = 0;       // bytes of its reports
    char current[256] = {}; // plugin that runs; empty between two
    char line[256] = {};
    size_t used = 0;
};

// Starts the host in a session of its own (so that all of it can be signalled) with stdin closed off: a plugin that
// reads would wait for ever. It reports over the pipe: "start NAME\n" and "end NAME\n".
bool Host::start(const sigset_t &mask) {
    char path[PATH_MAX], number[16];
    int ends[2];
    find_host(path);
    if (pipe2(ends, O_CLOEXEC) < 0) {
        say("no pipe for the plugin host: %s", strerror(errno));
        return false;
    }
    progress = now();
    pid = fork();
    if (pid == 0) {
        setsid();
        sigprocmask(SIG_SETMASK, &mask, nullptr);
        const int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
        if (null >= 0) dup2(null, STDIN_FILENO);
        fcntl(ends[1], F_SETFD, 0);
        setenv("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", 1);
        snprintf(number, sizeof number, "%d", ends[1]);
        char boot[] = "--boot";
        char *const arguments[] = {path, boot, number, nullptr};
        execv(path, arguments);
        say("cannot run the plugin host %s: %s", path, strerror(errno));
        _exit(127);
    }
    close(ends[1]);
    pipe_end = ends[0];
    fcntl(pipe_end, F_SETFL, O_NONBLOCK);
    if (pid < 0) say("cannot fork: %s", strerror(errno));
    return pid > 0;
}

// Takes what the host reported. Only a plugin's start or end is progress, and a flood of it is heard up to a limit:
// neither can keep the clock from running out.
void Host::read_progress() {
    char text[512];
    ssize_t size = 0;
    while (heard < REPORTS && (size = read(pipe_end, text, sizeof text)) > 0) {
        heard += static_cast<size_t>(size);
        for (ssize_t i = 0; i < size; i++) {
            if (text[i] != '\n') {
                if (used < sizeof line - 1) line[used++] = text[i];
                continue;
            }
            line[used] = 0;
            used = 0;
            const bool started = strncmp(line, "start ", 6) == 0;
            if (!started && strncmp(line, "end ", 4) != 0) continue;
            progress = now();
            snprintf(current, sizeof current, "%s", started ? line + 6 : "");
        }
    }
    if (heard >= REPORTS) say("%s floods the report pipe; no longer listening", current[0] ? current : "the plugin host");
    if (heard >= REPORTS || size == 0) {  // 0: every holder of the other end is gone; poll would return at once for ever
        close(pipe_end);
        pipe_end = -1;
    }
}

// Takes the dead children, the host's orphans too. False: there may be more of them.
bool Host::reap() {
    for (int i = 0; i < REAPED_AT_ONCE; i++) {
        int state;
        const pid_t dead = waitpid(-1, &state, WNOHANG);
        if (dead <= 0) return true;
        if (dead != pid) continue;
        status = state;
        pid = -1;
    }
    return false;
}

void Host::report() const {
    const char *in = current[0] ? " in " : "";
    if (WIFSIGNALED(status))
        say("the plugin host was killed by signal %d (%s)%s%s; the boot goes on", WTERMSIG(status),
            strsignal(WTERMSIG(status)), in, current);
    else if (WEXITSTATUS(status) != 0 || current[0])
        say("the plugin host exited with status %d%s%s; the boot goes on", WEXITSTATUS(status), in, current);
}

void Host::wait(long timeout, const sigset_t &mask) {
    int asked = 0;  // 0: nothing, 1: SIGTERM sent, 2: SIGKILL sent
    const pid_t group = pid;
    for (;;) {
        const bool all = reap();
        if (pid < 0) break;
        const double left = progress + static_cast<double>(asked ? GRACE : timeout) - now();
        if (left <= 0) {
            const char *what = current[0] ? current : "the plugin host";
            if (asked == 2) {
                say("%s does not die; the boot goes on without it", what);
                return;
            }
            if (asked == 0) say("%s: no progress for %ld seconds; SIGTERM", what, timeout);
            if (asked == 1) say("%s: still there after SIGTERM; SIGKILL", what);
            kill(-group, asked ? SIGKILL : SIGTERM);
            kill(group, asked ? SIGKILL : SIGTERM);
            asked++;
            progress = now();
            if (pipe_end >= 0) close(pipe_end);  // reports no longer count
            pipe_end = -1;
            continue;
        }
        const double pause = all ? left : 0;
        const timespec time{static_cast<time_t>(pause), static_cast<long>((pause - static_cast<long>(pause)) * 1e9)};
        pollfd file{pipe_end, POLLIN, 0};
        if (ppoll(&file, pipe_end >= 0 ? 1 : 0, &time, &mask) > 0) read_progress();
    }
    if (pipe_end >= 0) read_progress();
    report();
    if (!asked && WIFEXITED(status) && WEXITSTATUS(status) == 0) return;
    for (int i = 0; i < GRACE * 50 && kill(-group, SIGKILL) == 0; i++) {  // what a broken host left
        usleep(20000);
        reap();
    }
}

// Returns only if there is no init at all.
void exec_init(char **argv) {
    struct stat own{}, other{};
    const auto name = reinterpret_cast<const char *>(getauxval(AT_EXECFN));
    const bool known = name && stat(name, &own) == 0;
    for (const char *path : INITS) {
        if (known && stat(path, &other) == 0 && own.st_dev == other.st_dev && own.st_ino == other.st_ino) {
            say("%s is genpack-init itself", path);
            continue;
        }
        argv[0] = const_cast<char *>(path);
        execv(path, argv);
        say("cannot run %s: %s", path, strerror(errno));
    }
}

int run_as_init(char **argv) {
    for (int fd = open("/dev/null", O_RDWR); fd >= 0; fd = open("/dev/null", O_RDWR))  // stdio may be closed
        if (fd > STDERR_FILENO) {
            close(fd);
            break;
        }
    sigset_t children, before;
    sigemptyset(&children);
    sigaddset(&children, SIGCHLD);
    sigprocmask(SIG_BLOCK, &children, &before);
    sigdelset(&before, SIGCHLD);
    struct sigaction action{};
    action.sa_handler = on_child;
    sigaction(SIGCHLD, &action, nullptr);
    Host host;
    if (host.start(before)) host.wait(init_timeout(), before);
    sigprocmask(SIG_SETMASK, &before, nullptr);
    exec_init(argv);
    say("no init to run; reboot in %u seconds", LAST_RESORT);
    for (unsigned left = LAST_RESORT; left; left = sleep(left)) {}
    sync();
    reboot(RB_AUTOBOOT);
    for (;;) pause();
}

} // namespace

int main(int argc, char **argv) {
    static char own_name[] = "genpack-init";
    static char *bare[] = {own_name, nullptr};
    if (argc < 1) argv = bare;  // execve with an empty argv
    if (getpid() == 1) return run_as_init(argv);
    char path[PATH_MAX];
    find_host(path);
    argv[0] = own_name;
    execv(path, argv);
    fprintf(stderr, "genpack-init: error: cannot run %s: %s\n", path, strerror(errno));
    return 1;
}
