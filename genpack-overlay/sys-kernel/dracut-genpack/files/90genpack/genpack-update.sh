#!/bin/sh
# SPDX-License-Identifier: MIT
# Names of images after an update, finished or cut off. The rules are those of genpack-install, docs/update.md.

# env KEY: a variable of GRUB's environment block. Fails if the block is damaged or absent.
genpack_env() {
	[ "$(sed -n 1p "$GENPACK_RUN/boot/grubenv" 2> /dev/null)" = "# GRUB Environment Block" ] || return 1
	sed -n "s/^$1=//p" "$GENPACK_RUN/boot/grubenv"
}

# image_folder NAME: the folder (boot, rw) that an image lies in; without NAME, the one that has images.
genpack_image_folder() {
	for _folder in boot rw; do
		for _file in ${1:-system.img system system.cur system.new system.old}; do
			[ -s "$GENPACK_RUN/$_folder/$_file" ] || continue
			echo "$_folder"
			return 0
		done
	done
	return 1
}

# image_default FOLDER: the image of it that the boot loader would start.
genpack_image_default() {
	_current=system
	[ "$1" != boot ] || _current=system.img
	_verified=
	[ -z "$(genpack_env new)" ] || _verified=system.new
	_order="$_current system.cur $_verified system.old"
	[ "$(genpack_env tries)" != 0 ] || _order="system.cur system.old $_verified $_current"
	for _file in $_order; do
		[ -s "$GENPACK_RUN/$1/$_file" ] || continue
		echo "$_file"
		return 0
	done
	return 1
}

# rename FOLDER FROM TO: an image; GENPACK_NAME goes with it.
genpack_rename() {
	if genpack_try mv -f "$GENPACK_RUN/$1/$2" "$GENPACK_RUN/$1/$3"; then
		sync
		sync "$GENPACK_RUN/$1" # for FAT, sync alone leaves the disk's own cache as it is; fsync flushes it
		genpack_note "the image $1/$2 is called $3 from now on"
		[ "$GENPACK_NAME" != "$2" ] || GENPACK_NAME=$3
	else
		genpack_loud "cannot rename the image $1/$2: $GENPACK_ERROR"
	fi
}

# tidy FOLDER NAME: put the names in order when NAME is to be mounted. Sets GENPACK_NAME to what it is called then.
genpack_tidy() {
	GENPACK_NAME=$2
	_current=system
	[ "$1" != boot ] || _current=system.img
	_images=$GENPACK_RUN/$1
	if [ "$2" != "$_current" ] && [ "$(genpack_env tries)" = 0 ]; then
		genpack_loud "the current image was started and never found good: this is the previous one"
	fi
	if [ ! -s "$_images/$_current" ]; then
		genpack_rename "$1" "$2" "$_current"
		return
	fi
	if [ -s "$_images/system.cur" ]; then
		genpack_rename "$1" system.cur system.old
	elif [ "$2" = system.new ]; then
		genpack_rename "$1" system.new system.old
		return
	fi
	# Not the image of an update that was verified: one that was cut off while it was written.
	if [ -s "$_images/system.new" ] && [ "$2" != system.new ] && _new=$(genpack_env new) && [ -z "$_new" ]; then
		genpack_note "an update was cut off: $1/system.new is emptied"
		(: > "$_images/system.new") 2> /dev/null || genpack_loud "cannot empty $1/system.new"
	fi
}
