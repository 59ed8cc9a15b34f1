// SPDX-License-Identifier: MIT
// genpack-exec-guard on: loads the eBPF LSM program of src/bpf, which lies in this program, pins it below
// /sys/fs/bpf/exec_guard, and makes /usr read-only. On a failure: one line, exit status 1, and nothing is guarded.
// genpack-exec-guard off: removes it again, and ends when the kernel no longer asks it.
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <dirent.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

asm(".section .rodata\n.balign 8\n"
    "exec_guard_object: .incbin \"" EXEC_GUARD_OBJECT "\"\n"
    "exec_guard_object_end: .byte 0\n.previous");
extern "C" const char exec_guard_object[], exec_guard_object_end[];

namespace {

constexpr const char *BPF = "/sys/fs/bpf", *PINS = "/sys/fs/bpf/exec_guard", *IMAGE = "/run/initramfs/ro";
constexpr int PATIENCE = 10000; // milliseconds until the kernel has let go of a program

[[noreturn]] void fail(const char *what, int number) {
    fprintf(stderr, "not guarded: %s: %s\n", what, strerror(number));
    exit(1);
}

// The device of the file system at `path`, as the kernel has it; it must be of the kind `magic`.
unsigned device(const char *path, long magic, const char *otherwise) {
    struct statfs kind {};
    struct stat info {};
    if (statfs(path, &kind) != 0 || stat(path, &info) != 0) fail(path, errno);
    if (kind.f_type != magic) {
        fprintf(stderr, "not guarded: %s\n", otherwise);
        exit(1);
    }
    return major(info.st_dev) << 20 | minor(info.st_dev);
}

// True if the kernel asks our program: it does only with "bpf" in its LSM list, which no attaching tells.
bool is_asked() {
    const int fd = memfd_create("exec-guard", MFD_CLOEXEC);
    if (fd < 0 || ftruncate(fd, 4096) != 0) fail("memfd", errno);
    void *mapped = mmap(nullptr, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);
    const bool denied = mapped == MAP_FAILED && errno == EPERM;
    if (mapped != MAP_FAILED) munmap(mapped, 4096);
    close(fd);
    return denied;
}

// The kernel detaches a program some time after its last pin is gone. False if that has not come.
bool unpin() {
    DIR *folder = opendir(PINS);
    if (!folder) return true;
    while (const dirent *entry = readdir(folder))
        if (entry->d_name[0] != '.') unlinkat(dirfd(folder), entry->d_name, 0);
    closedir(folder);
    rmdir(PINS);
    for (int waited = 0; is_asked(); ++waited) {
        if (waited == PATIENCE) return false;
        const timespec pause{0, 1000000};
        nanosleep(&pause, nullptr);
    }
    return true;
}

void attach(const bpf_object *object) {
    bpf_program *program;
    bpf_object__for_each_program(program, object) {
        char pin[128];
        snprintf(pin, sizeof pin, "%s/%s", PINS, bpf_program__name(program));
        bpf_link *link = bpf_program__attach_lsm(program);
        const int error = link ? bpf_link__pin(link, pin) : -errno;
        bpf_link__destroy(link); // what is pinned stays
        if (error) {
            unpin();
            fail("its program can't be attached", -error);
        }
    }
}

void load(unsigned image, unsigned root) {
    libbpf_set_print(nullptr);
    const size_t size = static_cast<size_t>(exec_guard_object_end - exec_guard_object);
    bpf_object *object = bpf_object__open_mem(exec_guard_object, size, nullptr);
    if (!object) fail("its program can't be read", errno);
    const unsigned trusted[] = {image, root};
    bpf_map *map;
    bpf_object__for_each_map(map, object)
        if (strstr(bpf_map__name(map), ".rodata"))
            if (int error = bpf_map__set_initial_value(map, trusted, sizeof trusted)) fail("its program's data", -error);
    if (int error = bpf_object__load(object)) fail("this kernel does not take its program (CONFIG_BPF_LSM, BTF)", -error);
    if (mkdir(PINS, 0700) != 0) fail(PINS, errno);
    attach(object);
    bpf_object__close(object);
}

void turn_on() {
    const unsigned image = device(IMAGE, SQUASHFS_MAGIC, "the root is no SquashFS image");
    const unsigned root = device("/", OVERLAYFS_SUPER_MAGIC, "the root is no overlay over the image");
    struct statfs kind {};
    if (statfs(BPF, &kind) != 0) fail(BPF, errno);
    if (kind.f_type != BPF_FS_MAGIC && mount("bpf", BPF, "bpf", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=700") != 0) fail(BPF, errno);
    if (access(PINS, F_OK) == 0) return;
    load(image, root);
    if (!is_asked()) {
        unpin();
        fprintf(stderr, "not guarded: \"bpf\" is not in the kernel's LSM list (lsm= of its command line)\n");
        exit(1);
    }
    if (mount("/usr", "/usr", nullptr, MS_BIND | MS_REC, nullptr) != 0 ||
        mount(nullptr, "/usr", nullptr, MS_REMOUNT | MS_BIND | MS_RDONLY, nullptr) != 0)
        fprintf(stderr, "/usr stays writable: %s\n", strerror(errno));
}

} // namespace

int main(int count, char **words) {
    const bool on = count == 2 && strcmp(words[1], "on") == 0;
    if (!on && (count != 2 || strcmp(words[1], "off") != 0)) {
        fprintf(stderr, "usage: genpack-exec-guard on|off\n");
        return 2;
    }
    if (on)
        turn_on();
    else if (!unpin()) {
        fprintf(stderr, "still guarded: the kernel keeps the program\n");
        return 1;
    }
    return 0;
}
