#!/bin/sh
# SPDX-License-Identifier: MIT
# mount hook: boot partition, data, image, root, shutdown program. Sourced by dracut's init, which sets root and NEWROOT.
# shellcheck disable=SC2154 source-path=SCRIPTDIR

# shellcheck source=genpack-lib.sh
. "${GENPACK_LIB:-/lib/genpack}/lib.sh"
# shellcheck source=genpack-find.sh
. "${GENPACK_LIB:-/lib/genpack}/find.sh"
# shellcheck source=genpack-fat.sh
. "${GENPACK_LIB:-/lib/genpack}/fat.sh"
# shellcheck source=genpack-update.sh
. "${GENPACK_LIB:-/lib/genpack}/update.sh"

# The boot partition (root=systemimg: only) to boot/. Sets GENPACK_BOOT and GENPACK_UUID.
genpack_mount_boot() {
	_want=${root#systemimg:}
	GENPACK_BOOT=
	if [ "$_want" = auto ]; then
		genpack_wait genpack_any_boot || genpack_fail "no FAT or ISO 9660 file system holds system.img, which $root asks for"
		_all=$(genpack_boot_candidates vfat iso9660)
		GENPACK_BOOT=$(echo "$_all" | sed -n 1p)
		[ "$_all" = "$GENPACK_BOOT" ] ||
			genpack_loud "several file systems hold system.img, taking the first of: $(genpack_line "$_all")"
	elif genpack_wait genpack_uuid "$_want" > /dev/null; then
		GENPACK_BOOT=$(genpack_uuid "$_want")
	else
		_all=$(genpack_boot_candidates vfat)
		[ -n "$_all" ] || genpack_fail "no file system has UUID $_want, and no FAT file system holds system.img"
		GENPACK_BOOT=$(echo "$_all" | sed -n 1p)
		[ "$_all" = "$GENPACK_BOOT" ] ||
			genpack_fail "no file system has UUID $_want, and several hold system.img: $(genpack_line "$_all")"
		genpack_loud "no file system has UUID $_want: booting from $GENPACK_BOOT, which holds system.img"
	fi
	GENPACK_UUID=$(genpack_tag "$GENPACK_BOOT" UUID)
	if [ "$(genpack_tag "$GENPACK_BOOT" TYPE)" = vfat ]; then
		genpack_repair_fat "$GENPACK_BOOT"
		genpack_mount_fat "$GENPACK_BOOT" "$GENPACK_RUN/boot"
	else
		genpack_try mount -o ro "$GENPACK_BOOT" "$GENPACK_RUN/boot" ||
			genpack_fail "cannot mount the boot partition $GENPACK_BOOT: $GENPACK_ERROR"
	fi
}

# repair_fat DEVICE: before it is mounted. A boot partition that stays damaged is still worth a try.
genpack_repair_fat() {
	genpack_fat_unshare "$1" "$(getarg genpack.image=)"
	genpack_try fsck.fat -aw "$1"
	case $? in
	0) ;;
	1) genpack_note "repaired the boot partition: $GENPACK_ERROR" ;;
	*) genpack_loud "cannot repair the boot partition $1: $GENPACK_ERROR" ;;
	esac
}

# mount_fat DEVICE FOLDER: writable if that is possible.
genpack_mount_fat() {
	# system.ini holds passwords: nobody but root may read this partition.
	_masks=fmask=0177,dmask=0077
	if genpack_try mount -w -t vfat -o "$_masks" "$1" "$2"; then
		[ ! -e "$2/boottime.txt" ] || genpack_loud "the last shutdown was not clean"
		genpack_write_time "$2/boottime.txt" || genpack_loud "cannot write boottime.txt on $1"
	else
		genpack_loud "cannot write on the boot partition $1: $GENPACK_ERROR"
		genpack_try mount -t vfat -o "ro,$_masks" "$1" "$2" ||
			genpack_fail "cannot mount the boot partition $1: $GENPACK_ERROR"
	fi
}

# write_time FILE: in a subshell, which a failed redirection does not take the hook down with.
genpack_write_time() { (date > "$1") 2> /dev/null; }

# mount_data DEVICE FOLDER OPTION: 0 mounted, 1 a dummy that stands for no disk, 2 not usable (said on the console).
genpack_mount_data() {
	_type=$(genpack_tag "$1" TYPE)
	if [ -z "$_type" ]; then
		_size=$(genpack_size "$1")
		[ "$_size" -gt 8 ] || return 1
		genpack_loud "the data disk $1 ($((_size / 2048)) MiB) holds no file system that is known: make one, such as mkfs.btrfs $1"
		return 2
	fi
	[ "$_type" != btrfs ] || btrfs device scan > /dev/null 2>&1 # of more than one device
	genpack_try mount "$3" -t "$_type" "$1" "$2" && return 0
	genpack_loud "cannot mount the data disk $1 ($_type): $GENPACK_ERROR"
	return 2
}

# virtiofs: a device may be there for another tag than "fs".
genpack_mount_virtiofs() {
	genpack_has_virtiofs || return 1
	genpack_try mount -t virtiofs fs "$GENPACK_RUN/rw" && return 0
	genpack_note "no data on virtiofs: $GENPACK_ERROR"
	return 1
}

# What is kept, to rw/. Sets GENPACK_DATA to where it comes from; empty: nowhere, and rw/ is not mounted yet.
genpack_mount_rw() {
	GENPACK_DATA=
	_device=
	case $root in
	systemimg:*) _device=$(genpack_data_partition "$GENPACK_BOOT" "$GENPACK_UUID") ;;
	*) _device=$(genpack_data_disk) ;;
	esac
	GENPACK_DATA_DEVICE=$_device
	if getargbool 0 genpack.transient; then
		genpack_note "transient as genpack.transient says"
		return
	fi
	_status=1
	if [ -n "$_device" ]; then
		genpack_mount_data "$_device" "$GENPACK_RUN/rw" -w
		_status=$?
	fi
	if [ "$_status" = 0 ]; then
		GENPACK_DATA=$_device
	elif [ "$_status" = 2 ]; then
		genpack_loud "going on in transient mode: nothing that is changed now is kept"
	elif genpack_mount_virtiofs; then
		GENPACK_DATA='the virtiofs tag fs'
	fi
}

genpack_mount_tmpfs() {
	genpack_try mount -t tmpfs -o mode=0755 tmpfs "$GENPACK_RUN/rw" ||
		genpack_fail "cannot mount a tmpfs on $GENPACK_RUN/rw: $GENPACK_ERROR"
}

# open_image FILE: mount an image file through a loop device.
genpack_open_image() {
	genpack_try test -s "$1" && genpack_try mount -t squashfs -o ro,loop "$1" "$GENPACK_RUN/ro"
}

# The image that a boot partition goes with: the first that opens.
genpack_mount_image_file() {
	_name=$(getarg genpack.image=)
	_disk=rw
	if [ -z "$GENPACK_DATA" ] && [ -n "$GENPACK_DATA_DEVICE" ]; then
		# Transient, and the image may lie on the data partition all the same.
		_disk=data
		mkdir -p "$GENPACK_RUN/data"
		genpack_mount_data "$GENPACK_DATA_DEVICE" "$GENPACK_RUN/data" -r || _disk=none
	fi
	if _folder=$(genpack_image_folder "$_name"); then
		[ -n "$_name" ] || _name=$(genpack_image_default "$_folder")
		if [ -n "$_name" ]; then
			genpack_tidy "$_folder" "$_name"
			_name=$GENPACK_NAME
		fi
	fi
	for _file in ${_name:+"boot/$_name" "$_disk/$_name"} boot/system.img boot/system.cur boot/system.old \
		"$_disk/system" "$_disk/system.cur" "$_disk/system.old"; do
		[ -e "$GENPACK_RUN/$_file" ] || continue
		if genpack_open_image "$GENPACK_RUN/$_file"; then
			GENPACK_IMAGE=$_file
			break
		fi
		genpack_loud "cannot open the image $_file: $GENPACK_ERROR"
	done
	[ -n "$GENPACK_IMAGE" ] || genpack_fail \
		"no image: looked for ${_name:+$_name, }system.img, system.cur, system.old on $GENPACK_BOOT and on ${GENPACK_DATA_DEVICE:-no data partition}"
	if [ "$_disk" = data ]; then
		case $GENPACK_IMAGE in
		data/*) ;; # genpack-shutdown unmounts it
		*) umount "$GENPACK_RUN/data" ;;
		esac
	fi
}

# The image, read-only, to ro/.
genpack_mount_image() {
	case $root in
	systemimg:*) genpack_mount_image_file ;;
	*)
		genpack_try mount -t squashfs -o ro "$GENPACK_SYSTEM" "$GENPACK_RUN/ro" ||
			genpack_fail "cannot mount the image on the disk $GENPACK_SYSTEM: $GENPACK_ERROR"
		;;
	esac
}

# overlay: the root from ro/ and rw/. Installations of old have their layer one folder deeper.
genpack_mount_overlay() {
	_layer=$GENPACK_RUN/rw
	[ ! -d "$_layer/rw/root" ] || _layer=$_layer/rw
	genpack_try mkdir -p "$_layer/root" "$_layer/work" || return 1
	# systemd compares the time of /usr with that of its last update: a copied-up /usr must not look newer than the image.
	[ ! -d "$_layer/root/usr" ] || touch -r "$GENPACK_RUN/ro/usr" "$_layer/root/usr"
	genpack_try mount -t overlay -o "lowerdir=$GENPACK_RUN/ro,upperdir=$_layer/root,workdir=$_layer/work" root "$NEWROOT"
}

genpack_mount_root() {
	[ -n "$GENPACK_DATA" ] || genpack_mount_tmpfs
	genpack_mount_overlay && return
	[ -n "$GENPACK_DATA" ] || genpack_fail "cannot mount the root as an overlay: $GENPACK_ERROR"
	case $GENPACK_IMAGE in
	rw/*) genpack_fail "cannot mount the root as an overlay on $GENPACK_DATA, which holds the image too: $GENPACK_ERROR" ;;
	esac
	genpack_loud "$GENPACK_DATA can't be the writable layer: $GENPACK_ERROR"
	genpack_loud "going on in transient mode: nothing that is changed now is kept"
	GENPACK_DATA=
	umount "$GENPACK_RUN/rw"
	genpack_mount_tmpfs
	genpack_mount_overlay || genpack_fail "cannot mount the root as an overlay: $GENPACK_ERROR"
}

# systemd runs this at the end, when the root is to be unmounted. dracut mounts /run noexec.
genpack_prepare_shutdown() {
	if [ ! -x "$NEWROOT/usr/libexec/genpack-shutdown" ]; then
		genpack_loud "the image has no /usr/libexec/genpack-shutdown: file systems stay mounted at power-off"
		return
	fi
	genpack_try cp -p "$NEWROOT/usr/libexec/genpack-shutdown" "$GENPACK_RUN/shutdown" ||
		genpack_loud "cannot copy genpack-shutdown: $GENPACK_ERROR"
	genpack_try mount -o remount,exec /run || genpack_loud "cannot make /run executable: $GENPACK_ERROR"
}

genpack_main() {
	GENPACK_SYSTEM=
	GENPACK_IMAGE=
	for _module in loop squashfs overlay qemu_fw_cfg; do
		modprobe -q "$_module" # may be built in
	done
	mkdir -p "$GENPACK_RUN/boot" "$GENPACK_RUN/rw" "$GENPACK_RUN/ro"
	if [ "$(getarg rootfstype=)" = virtiofs ]; then
		_mode=ro
		getargbool 0 rw && _mode=rw
		genpack_try mount -t virtiofs -o "$_mode" "$root" "$NEWROOT" ||
			genpack_fail "cannot mount the virtiofs tag $root as root: $GENPACK_ERROR"
	else
		case $root in
		systemimg:*)
			genpack_mount_boot
			udevadm settle --timeout=10
			;;
		*)
			genpack_wait genpack_system_disk > /dev/null ||
				genpack_fail "the disk $root does not exist, and no disk has the serial system"
			udevadm settle --timeout=10
			GENPACK_SYSTEM=$(genpack_system_disk)
			;;
		esac
		genpack_mount_rw
		genpack_mount_image
		genpack_mount_root
		genpack_note "the root is ${GENPACK_SYSTEM:-$GENPACK_IMAGE}, its writable layer is ${GENPACK_DATA:-memory}"
	fi
	genpack_prepare_shutdown
}

genpack_main
