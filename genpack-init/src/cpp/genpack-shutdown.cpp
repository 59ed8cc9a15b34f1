// SPDX-License-Identifier: MIT
// genpack-shutdown VERB: the last program of a shutdown. systemd-shutdown has made the initramfs' tmpfs the root again
// and runs this as PID 1; the old root is at /oldroot. It unmounts all of it, so that the data and boot file systems
// are clean, and then reboots, powers off, halts or kexecs.
//
// The mounts are a circle: boot holds the image's file, the image (ro) and the data (rw) are layers of the overlay
// at /oldroot, and boot, rw and ro are mounted below that overlay. They are moved out of it first.
#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dirent.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <linux/reboot.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace {

constexpr int PASSES = 20;          // rounds of unmounting before what is left is detached lazily
constexpr useconds_t PAUSE = 100000; // microseconds between two rounds without progress
constexpr int MOUNTS = 1024;
constexpr const char *LAYERS[] = {"boot", "data", "rw", "ro"};

// priority 3: shown on the console even with "quiet"; 6: only in the kernel log.
[[gnu::format(printf, 2, 3)]] void say(int priority, const char *format, ...) {
    char line[512];
    int used = snprintf(line, sizeof line, "<%d>genpack-shutdown: ", priority);
    va_list arguments;
    va_start(arguments, format);
    used += vsnprintf(line + used, sizeof line - used, format, arguments);
    va_end(arguments);
    if (used > static_cast<int>(sizeof line) - 2) used = sizeof line - 2;
    line[used++] = '\n';
    const int fd = open("/dev/kmsg", O_WRONLY | O_APPEND | O_CLOEXEC);
    if (write(fd >= 0 ? fd : STDERR_FILENO, line, used) < 0) { /* nowhere left to say it */ }
    if (fd >= 0) close(fd);
}

// mountinfo writes blank, tab, newline and backslash as \ooo.
void unescape(char *text) {
    char *out = text;
    for (; *text; out++) {
        if (text[0] == '\\' && text[1] && text[2] && text[3]) {
            *out = static_cast<char>((text[1] - '0') * 64 + (text[2] - '0') * 8 + (text[3] - '0'));
            text += 4;
        } else {
            *out = *text++;
        }
    }
    *out = 0;
}

bool below(const char *path, const char *folder) {
    const size_t size = strlen(folder);
    return strncmp(path, folder, size) == 0 && (path[size] == 0 || path[size] == '/');
}

struct Mounts {
    char *paths[MOUNTS];
    int count = 0;

    // Mount points at or below `folder`, in the order they were mounted in.
    explicit Mounts(const char *folder) {
        FILE *file = fopen("/proc/self/mountinfo", "re");
        if (!file) {
            say(3, "/proc/self/mountinfo: %s", strerror(errno));
            return;
        }
        char *line = nullptr;
        size_t size = 0;
        while (count < MOUNTS && getline(&line, &size, file) > 0) {
            char *state = nullptr, *field = strtok_r(line, " ", &state);
            for (int i = 0; field && i < 4; i++) field = strtok_r(nullptr, " ", &state);
            if (!field) continue;
            unescape(field);
            if (below(field, folder)) paths[count++] = strdup(field);
        }
        free(line);
        fclose(file);
    }
    ~Mounts() {
        for (int i = 0; i < count; i++) free(paths[i]);
    }
    Mounts(const Mounts &) = delete;
    Mounts &operator=(const Mounts &) = delete;
};

void move_out(const char *name) {
    char from[64], to[32];
    snprintf(from, sizeof from, "/oldroot/run/initramfs/%s", name);
    snprintf(to, sizeof to, "/%s", name);
    mkdir(to, 0700);
    if (mount(from, to, nullptr, MS_MOVE, nullptr) == 0)
        say(6, "moved %s to %s", from, to);
    else if (errno != EINVAL && errno != ENOENT)  // EINVAL: not a mount point, this boot has none
        say(3, "cannot move %s: %s", from, strerror(errno));
}

// Loop devices whose file system is gone let go of their file.
void detach_loops() {
    DIR *folder = opendir("/sys/block");
    if (!folder) return;
    while (const dirent *entry = readdir(folder)) {
        char path[300];
        snprintf(path, sizeof path, "/sys/block/%s/loop/backing_file", entry->d_name);
        if (strncmp(entry->d_name, "loop", 4) != 0 || access(path, F_OK) != 0) continue;
        snprintf(path, sizeof path, "/dev/%s", entry->d_name);
        const int fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0) continue;
        if (ioctl(fd, LOOP_CLR_FD, 0) == 0) say(6, "detached %s", path);
        close(fd);
    }
    closedir(folder);
}

// Unmounts `folder` and everything below it, deepest first. What stays busy is made read-only (which writes all of it
// to the disk) and detached, with a message: false.
bool unmount_tree(const char *folder) {
    for (int pass = 0; pass < PASSES; pass++) {
        const Mounts mounts(folder);
        int done = 0;
        for (int i = mounts.count - 1; i >= 0; i--)
            if (umount2(mounts.paths[i], 0) == 0) {
                done++;
                say(6, "unmounted %s", mounts.paths[i]);
            }
        if (done == mounts.count) return true;
        detach_loops();
        if (!done) usleep(PAUSE);
    }
    const Mounts mounts(folder);
    for (int i = mounts.count - 1; i >= 0; i--) {
        const char *path = mounts.paths[i];
        if (umount2(path, 0) == 0) continue;
        const char *why = strerror(errno);
        mount(nullptr, path, nullptr, MS_REMOUNT | MS_RDONLY, nullptr);
        say(3, "%s is busy (%s): detached", path, why);
        if (umount2(path, MNT_DETACH) != 0) say(3, "cannot detach %s: %s", path, strerror(errno));
    }
    return mounts.count == 0;
}

// Still there at the next boot: that shutdown was not clean. systemd-shutdown has made every file system read-only.
void remove_boottime() {
    static const char path[] = "/boot/boottime.txt";
    if (access(path, F_OK) != 0 || unlink(path) == 0) return;
    if (errno == EROFS && mount(nullptr, "/boot", nullptr, MS_REMOUNT, nullptr) == 0 && unlink(path) == 0) return;
    say(3, "cannot remove %s: %s", path, strerror(errno));
}

void end(const char *verb) {
    if (strcmp(verb, "kexec") == 0) {
        reboot(LINUX_REBOOT_CMD_KEXEC);
        say(3, "kexec: %s; rebooting instead", strerror(errno));
    } else if (strcmp(verb, "poweroff") == 0) {
        reboot(LINUX_REBOOT_CMD_POWER_OFF);
    } else if (strcmp(verb, "halt") == 0) {
        reboot(LINUX_REBOOT_CMD_HALT);
    }
    reboot(LINUX_REBOOT_CMD_RESTART);
}

} // namespace

int main(int argc, char **argv) {
    const char *verb = argc > 1 ? argv[1] : "";
    const bool known = strcmp(verb, "reboot") == 0 || strcmp(verb, "poweroff") == 0 || strcmp(verb, "halt") == 0 ||
                       strcmp(verb, "kexec") == 0;
    if (getpid() != 1 || getuid() != 0) {
        fprintf(stderr, "genpack-shutdown: error: runs only as PID 1, at the end of a shutdown\n");
        return 2;
    }
    if (!known) {
        say(3, "unknown verb '%s' (reboot, poweroff, halt, kexec): powering off", verb);
        verb = "poweroff";
    }
    sync();
    mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr);  // a shared mount can't be moved
    for (const char *name : LAYERS) move_out(name);
    bool clean = unmount_tree("/oldroot");
    clean &= unmount_tree("/ro");
    detach_loops();
    clean &= unmount_tree("/rw");
    clean &= unmount_tree("/data");
    remove_boottime();
    clean &= unmount_tree("/boot");
    sync();
    say(3, "%s: %s", clean ? "all unmounted" : "not all was unmounted", verb);
    end(verb);
    for (;;) pause();
}
