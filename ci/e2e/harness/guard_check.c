/* SPDX-License-Identifier: MIT
 * What exec-guard denies and lets run, a line each: "guard: WHAT RESULT", the result being an exit status or "errno N".
 * As PID 1 it turns the guard on first and off at the end, and powers off. Linked statically.
 * It must lie in the image, once at /opt/guard-check.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define LOADER "/usr/libexec/genpack-exec-guard"
#define OWN "/opt/guard-check"

static void say(const char *what, int number, int is_errno)
{
	printf("guard: %s %s%d\n", what, is_errno ? "errno " : "", number);
}

static void copy(const char *from, const char *to)
{
	char buffer[65536];
	ssize_t size;
	int in = open(from, O_RDONLY), out = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0755);
	while ((size = read(in, buffer, sizeof buffer)) > 0)
		if (write(out, buffer, (size_t)size) != size)
			break;
	if (in < 0 || out < 0 || size != 0 || close(in) != 0 || close(out) != 0)
		printf("guard: cannot copy %s to %s: %s\n", from, to, strerror(errno));
}

/* Starts a file, or what the descriptor `fd` is. */
static void start(const char *what, const char *path, const char *word, int fd)
{
	int report[2], number = 0, status = 0;
	char *words[] = { (char *)path, (char *)word, NULL }, *environment[] = { NULL };
	if (pipe2(report, O_CLOEXEC) != 0)
		return;
	pid_t child = fork();
	if (child == 0) {
		if (fd >= 0)
			fexecve(fd, words, environment);
		else
			execve(path, words, environment);
		number = errno;
		_exit(write(report[1], &number, sizeof number) != sizeof number);
	}
	close(report[1]);
	int failed = read(report[0], &number, sizeof number) > 0;
	close(report[0]);
	waitpid(child, &status, 0);
	say(what, failed ? number : WIFEXITED(status) ? WEXITSTATUS(status) : 256 + WTERMSIG(status), failed);
}

/* Maps the beginning of a file, executable at once or afterwards. */
static void map(const char *what, const char *path, int afterwards)
{
	int fd = path != NULL ? open(path, O_RDONLY) : -1, number = 0;
	int flags = MAP_PRIVATE | (path == NULL ? MAP_ANONYMOUS : 0);
	void *place = mmap(NULL, 4096, PROT_READ | (afterwards ? 0 : PROT_EXEC), flags, fd, 0);
	if (place == MAP_FAILED || (afterwards && mprotect(place, 4096, PROT_READ | PROT_EXEC) != 0))
		number = errno;
	if (place != MAP_FAILED)
		munmap(place, 4096);
	close(fd);
	say(what, number, 1);
}

static void check_programs(void)
{
	copy(OWN, "/guard-copy");
	copy(OWN, "/run/guard-copy");
	copy(LOADER, "/guard-dynamic");
	start("copy", "/guard-copy", "child", -1);
	start("tmpfs", "/run/guard-copy", "child", -1);
	start("ld.so", "/lib64/ld-linux-x86-64.so.2", "/guard-dynamic", -1);
	int memory = memfd_create("guard", MFD_CLOEXEC), own = open(OWN, O_RDONLY);
	struct stat info;
	fstat(own, &info);
	while (info.st_size > 0) {
		char buffer[65536];
		ssize_t size = read(own, buffer, sizeof buffer);
		if (size <= 0 || write(memory, buffer, (size_t)size) != size)
			break;
		info.st_size -= size;
	}
	start("memfd", "memfd", "child", memory);
	start("image", OWN, "child", -1);
	start("layer of the image", "/run/initramfs/ro" OWN, "child", -1);
	int script = open("/guard-script", O_WRONLY | O_CREAT | O_TRUNC, 0755);
	dprintf(script, "#!%s child\n", OWN);
	close(script);
	start("script", "/guard-script", NULL, -1);
}

static void check_mappings(void)
{
	map("mmap copy", "/guard-copy", 0);
	map("mmap image", OWN, 0);
	map("mprotect copy", "/guard-copy", 1);
	map("mprotect image", OWN, 1);
	map("mmap memory", NULL, 0);
	map("mprotect memory", NULL, 1);
}

static void check_layers(void)
{
	mkdir("/run/guard-one", 0755);
	mkdir("/run/guard-two", 0755);
	mkdir("/run/guard-all", 0755);
	copy(OWN, "/run/guard-one/copy");
	if (mount("overlay", "/run/guard-all", "overlay", 0, "lowerdir=/run/guard-one:/run/guard-two") != 0)
		printf("guard: cannot mount an overlay: %s\n", strerror(errno));
	start("other overlay", "/run/guard-all/copy", "child", -1);
	umount("/run/guard-all");
	chmod(OWN, 0700);
	start("copied up", OWN, "child", -1);
	map("mprotect copied up", OWN, 1);
	say("write to /usr", open("/usr/guard-file", O_WRONLY | O_CREAT, 0644) < 0 ? errno : 0, 1);
}

static void show_pins(void)
{
	struct dirent **entries;
	int count = scandir("/sys/fs/bpf/exec_guard", &entries, NULL, alphasort);
	for (int i = 0; i < count; i++)
		if (entries[i]->d_name[0] != '.')
			printf("guard: pin %s\n", entries[i]->d_name);
}

int main(int count, char **words)
{
	if (count > 1 && strcmp(words[1], "child") == 0)
		return 0;
	int first = getpid() == 1;
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (first) {
		mount("proc", "/proc", "proc", 0, NULL);
		mount("sysfs", "/sys", "sysfs", 0, NULL);
		start("on", LOADER, "on", -1);
		start("on again", LOADER, "on", -1);
	}
	check_programs();
	check_mappings();
	check_layers();
	show_pins();
	if (first) {
		start("off", LOADER, "off", -1);
		start("copy after off", "/guard-copy", "child", -1);
		show_pins();
		start("off again", LOADER, "off", -1);
		start("no word", LOADER, NULL, -1);
		sync();
		printf("guard: end\n");
		reboot(RB_POWER_OFF);
	}
	return 0;
}
