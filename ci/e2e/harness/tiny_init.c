/* SPDX-License-Identifier: MIT
 * PID 1 of the tiny image: prints what the initramfs has mounted, leaves a file, powers off. Linked statically.
 * Every line of the report begins with "tiny: ".
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <unistd.h>

static void show_lines(const char *what, const char *path)
{
	char line[4096];
	FILE *file = fopen(path, "r");
	while (file != NULL && fgets(line, sizeof line, file) != NULL) {
		line[strcspn(line, "\n")] = 0;
		printf("tiny: %s %s\n", what, line);
	}
	if (file != NULL)
		fclose(file);
}

static void show_status(const char *path)
{
	struct stat info;
	if (stat(path, &info) == 0)
		printf("tiny: stat %s %o %lld %lld\n", path, info.st_mode & 07777, (long long)info.st_size,
		       (long long)info.st_mtime);
}

static void show_folder(const char *path)
{
	char name[4096];
	DIR *folder = opendir(path);
	struct dirent *entry;
	while (folder != NULL && (entry = readdir(folder)) != NULL) {
		snprintf(name, sizeof name, "%s/%s", path, entry->d_name);
		if (strcmp(entry->d_name, "..") != 0)
			show_status(name);
	}
	if (folder != NULL)
		closedir(folder);
}

int main(void)
{
	/* The console that the kernel opened may be buffered no longer than a line. */
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (mount("proc", "/proc", "proc", 0, NULL) != 0 && errno != EBUSY)
		printf("tiny: cannot mount /proc: %s\n", strerror(errno));
	show_lines("mount", "/proc/self/mounts");
	show_lines("image", "/image");
	show_lines("kept", "/kept");
	show_folder("/run/initramfs");
	show_folder("/run/initramfs/boot");
	show_folder("/run/initramfs/rw/root");
	show_status("/usr");

	int file = open("/kept", O_WRONLY | O_CREAT | O_TRUNC, 0644);
	if (file < 0 || write(file, "by the boot before\n", 19) != 19 || close(file) != 0)
		printf("tiny: cannot write /kept: %s\n", strerror(errno));
	sync();
	printf("tiny: end\n");
	reboot(RB_POWER_OFF);
	return 1;
}
