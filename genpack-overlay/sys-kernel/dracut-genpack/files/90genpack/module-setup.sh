#!/bin/bash
# SPDX-License-Identifier: MIT
# dracut module: mounts a genpack image as the root file system. Called by dracut, which defines inst_* and instmods.
# shellcheck disable=SC2154 # moddir: set by dracut

check() {
	require_binaries blkid mount umount losetup || return 1
	return 255 # only when a configuration names it
}

depends() {
	echo base udev-rules
}

installkernel() {
	local module modules=(
		# the image and the layers above it
		squashfs loop overlay
		# boot and data partitions
		btrfs ext4 xfs fat vfat isofs nls_cp437 nls_ascii nls_iso8859-1 nls_utf8
		crc32c crc32c_generic crc32c-intel libcrc32c xxhash_generic blake2b_generic sha256_generic
		# virtual machines
		virtio_pci virtio_mmio virtio_blk virtio_scsi virtio_console virtio_rng fuse virtiofs 9p 9pnet_virtio qemu_fw_cfg
		# disks
		sd_mod sr_mod cdrom ahci ata_piix nvme mmc_block sdhci-pci sdhci-acpi
		# disks and keyboards on USB
		xhci-pci ehci-pci ohci-pci uhci-hcd usb-storage uas usbhid hid-generic atkbd i8042
	)
	# One by one: with a list, instmods stops at the first that is built in or that the kernel doesn't have.
	for module in "${modules[@]}"; do
		hostonly='' instmods "$module" || :
	done
}

install() {
	local name
	inst_multiple blkid cat cp date dd dmesg losetup mkdir modprobe mount mv od rm sed sleep sync touch umount
	inst_multiple -o btrfs fsck.fat
	inst_hook cmdline 90 "$moddir/genpack-cmdline.sh"
	inst_hook mount 10 "$moddir/genpack-mount.sh"
	for name in lib find fat update; do
		inst_simple "$moddir/genpack-$name.sh" "/lib/genpack/$name.sh"
	done
	inst_simple "$moddir/genpack.conf" /etc/cmdline.d/20-genpack.conf
	[[ ! -e $moddir/transient.conf ]] || inst_simple "$moddir/transient.conf" /etc/cmdline.d/21-genpack-transient.conf
	# systemd's reboot wants a systemd to talk to; this one needs the kernel alone.
	for name in reboot poweroff halt; do
		inst_script "$moddir/genpack-reboot.sh" "/usr/sbin/$name"
	done
}
