// SPDX-License-Identifier: MIT OR GPL-2.0-only
// exec-guard: only files of the read-only image are executed as ELF programs or mapped executable.
//
// The image is a SquashFS that is also the lower layer of the root, an overlay. Which file systems these are is told by
// the loader. What hooks are given:
//   execve, mmap  the file as it was opened: for the root, an inode of the overlay, whose __upperdentry is set once the
//                 file lies in the writable layer (made there, or copied up)
//   mprotect      the file of the mapping: overlayfs has put the real one there, an inode of the SquashFS or of the upper
// The structs hold the fields used here alone; libbpf finds their places in the kernel's own type information (CO-RE).
#include <linux/bpf.h>
#include <linux/errno.h>
#include <linux/magic.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#define PROT_EXEC 4

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)
struct super_block {
    __u32 s_dev;
    unsigned long s_magic;
};
struct inode {
    struct super_block *i_sb;
};
struct file {
    struct inode *f_inode;
};
struct linux_binprm {
    struct file *file;
    char buf[4]; // at least
};
struct vm_area_struct {
    struct file *vm_file;
};
struct ovl_inode {
    struct inode vfs_inode;
    void *__upperdentry;
};
#pragma clang attribute pop

// Set by the loader. Devices as the kernel has them (major << 20 | minor).
const volatile struct {
    __u32 image, root;
} trusted;

char _license[] SEC("license") = "Dual MIT/GPL";

static __always_inline int of_the_image(struct file *file)
{
    struct inode *inode = BPF_CORE_READ(file, f_inode);
    const __u32 device = BPF_CORE_READ(inode, i_sb, s_dev);
    const unsigned long magic = BPF_CORE_READ(inode, i_sb, s_magic);
    if (device == trusted.image && magic == SQUASHFS_MAGIC)
        return 1;
    if (device != trusted.root || magic != OVERLAYFS_SUPER_MAGIC)
        return 0;
    struct ovl_inode *layers = (void *)inode - bpf_core_field_offset(struct ovl_inode, vfs_inode);
    return !BPF_CORE_READ(layers, __upperdentry);
}

// A script is text for its interpreter, which comes by here in turn.
SEC("lsm/bprm_check_security")
int BPF_PROG(exec_guard_exec, struct linux_binprm *bprm, int before)
{
    char magic[4] = {};
    if (before)
        return before;
    bpf_probe_read_kernel(magic, sizeof magic, bprm->buf);
    if (magic[0] != 0x7f || magic[1] != 'E' || magic[2] != 'L' || magic[3] != 'F')
        return 0;
    return of_the_image(BPF_CORE_READ(bprm, file)) ? 0 : -EPERM;
}

// A mapping without a file is the program's own memory.
static __always_inline int mapping(struct file *file, unsigned long protection)
{
    return !file || !(protection & PROT_EXEC) || of_the_image(file) ? 0 : -EPERM;
}

SEC("lsm/mmap_file")
int BPF_PROG(exec_guard_mmap, struct file *file, unsigned long asked, unsigned long prot, unsigned long flags, int before)
{
    return before ? before : mapping(file, prot);
}

SEC("lsm/file_mprotect")
int BPF_PROG(exec_guard_mprotect, struct vm_area_struct *area, unsigned long asked, unsigned long prot, int before)
{
    return before ? before : mapping(BPF_CORE_READ(area, vm_file), prot);
}
