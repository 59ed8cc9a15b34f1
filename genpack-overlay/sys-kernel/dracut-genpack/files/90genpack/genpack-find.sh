#!/bin/sh
# SPDX-License-Identifier: MIT
# Which device holds what. A function prints the device, or fails.
# shellcheck disable=SC2154 # root: set by dracut's init

GENPACK_SYS=${GENPACK_SYS:-/sys}
GENPACK_DEV=${GENPACK_DEV:-/dev}

# tag DEVICE NAME: a tag (TYPE, UUID ...) as it is on the disk now; nothing if there is none.
genpack_tag() { blkid -p -s "$2" -o value "$1" 2> /dev/null; }

# with TAG=VALUE: all devices with it, one a line, in the order of their names. blkid's own order is that of its work.
genpack_with() {
	_with=$(blkid -c /dev/null -t "$1" -o device)
	for _block in "$GENPACK_SYS"/class/block/*; do
		case "
$_with
" in
		*"
$GENPACK_DEV/${_block##*/}
"*) echo "$GENPACK_DEV/${_block##*/}" ;;
		esac
	done
}

# serial NAME: the disk with that virtio serial.
genpack_serial() {
	for _file in "$GENPACK_SYS"/block/*/serial; do
		[ "$(cat "$_file" 2> /dev/null)" = "$1" ] || continue
		_disk=${_file%/serial}
		echo "$GENPACK_DEV/${_disk##*/}"
		return 0
	done
	return 1
}

# size DEVICE: in sectors of 512 bytes.
genpack_size() { cat "$GENPACK_SYS/class/block/${1##*/}/size" 2> /dev/null || echo 0; }

# The image of a direct boot: the disk with serial "system", else the one that root= names.
genpack_system_disk() {
	if [ "$root" = /dev/vda ] && genpack_serial system; then
		return 0
	fi
	[ -b "$root" ] && echo "$root"
}

# The data disk of a direct boot: serial "data", else /dev/vdb unless its serial says that it is another.
genpack_data_disk() {
	genpack_serial data && return 0
	[ -e "$GENPACK_SYS/block/vdb" ] || return 1
	[ -z "$(cat "$GENPACK_SYS/block/vdb/serial" 2> /dev/null)" ] || return 1
	echo "$GENPACK_DEV/vdb"
}

# Is there a virtiofs device? Its tag is not in sysfs before Linux 6.9.
genpack_has_virtiofs() {
	for _file in "$GENPACK_SYS"/bus/virtio/devices/*/device; do
		[ "$(cat "$_file" 2> /dev/null)" != 0x001a ] || return 0
	done
	return 1
}

# data_partition BOOT-DEVICE UUID: by label, else the partition after the boot partition.
genpack_data_partition() {
	for _label in "data-$2" "d-$2" "wbdata-$2"; do
		_found=$(genpack_with LABEL="$_label" | sed -n 1p)
		if [ -n "$_found" ]; then
			echo "$_found"
			return 0
		fi
	done
	_number=$(cat "$GENPACK_SYS/class/block/${1##*/}/partition" 2> /dev/null) || return 1
	# Through the link of the partition in /sys/class/block its disk's folder is the parent.
	for _file in "$GENPACK_SYS/class/block/${1##*/}"/../*/partition; do
		[ "$(cat "$_file" 2> /dev/null)" = $((_number + 1)) ] || continue
		_disk=${_file%/partition}
		echo "$GENPACK_DEV/${_disk##*/}"
		return 0
	done
	return 1
}

# uuid UUID: the file system that has it.
genpack_uuid() {
	_found=$(genpack_with UUID="$1" | sed -n 1p)
	[ -n "$_found" ] && echo "$_found"
}

# boot_candidates TYPE...: devices of these file systems that hold system.img, one a line. In the middle of an update
# it may have the name system.cur.
genpack_boot_candidates() {
	for _type; do
		for _found in $(genpack_with TYPE="$_type"); do
			mount -t "$_type" -o ro "$_found" "$GENPACK_RUN/boot" 2> /dev/null || continue
			for _file in system.img system.cur; do
				[ -e "$GENPACK_RUN/boot/$_file" ] || continue
				echo "$_found"
				break
			done
			umount "$GENPACK_RUN/boot"
		done
	done
}

genpack_any_boot() { [ -n "$(genpack_boot_candidates vfat iso9660)" ]; }
