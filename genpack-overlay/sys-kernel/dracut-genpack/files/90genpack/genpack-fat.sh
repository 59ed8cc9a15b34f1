#!/bin/sh
# SPDX-License-Identifier: MIT
# What has to be done on a FAT before fsck.fat may see it. It reads and writes the file system's own structures.
#
# A rename is several writes. Cut in the middle, it leaves two names of one chain of clusters. fsck.fat would truncate
# one of them and unlink(2) would remove it, and both free clusters that the other name still has. So the name that is
# not booted from is struck out in the directory alone.

# Short names of the images as hexadecimal bytes, in the order in which they are booted.
GENPACK_FAT_NAMES='IMG:49_4d_47 CUR:43_55_52 NEW:4e_45_57 OLD:4f_4c_44'

# bytes DEVICE OFFSET LENGTH: as lines of 32 hexadecimal numbers.
genpack_bytes() { od -An -v -tx1 -w32 -j "$2" -N "$3" "$1"; }

# number DEVICE OFFSET LENGTH: a little-endian number.
genpack_number() {
	_number=
	for _byte in $(genpack_bytes "$1" "$2" "$3"); do _number=$_byte$_number; done
	echo $((0x${_number:-0}))
}

# fat_folder DEVICE: the places of the root folder, lines of OFFSET LENGTH. Fails if this is no FAT.
genpack_fat_folder() {
	[ "$(genpack_number "$1" 510 2)" = $((0xaa55)) ] || return 1
	_sector=$(genpack_number "$1" 11 2)
	_cluster=$(($(genpack_number "$1" 13 1) * _sector))
	_table=$(($(genpack_number "$1" 14 2) * _sector))
	_entries=$(genpack_number "$1" 17 2)
	_length=$(genpack_number "$1" 22 2)
	[ "$_length" != 0 ] || _length=$(genpack_number "$1" 36 4)
	_data=$((_table + $(genpack_number "$1" 16 1) * _length * _sector))
	[ "$_sector" -ge 512 ] || return 1
	[ "$_cluster" -ge 512 ] || return 1
	if [ "$_entries" != 0 ]; then # FAT12 and FAT16: a place of its own
		echo "$_data $((_entries * 32))"
		return 0
	fi
	_next=$(genpack_number "$1" 44 4)
	_steps=0
	# A damaged table may lead in a circle.
	while [ "$_next" -ge 2 ] && [ "$_next" -lt $((0x0ffffff7)) ] && [ "$_steps" -lt 256 ]; do
		echo "$((_data + (_next - 2) * _cluster)) $_cluster"
		_next=$(($(genpack_number "$1" $((_table + _next * 4)) 4) & 0x0fffffff))
		_steps=$((_steps + 1))
	done
}

# fat_images DEVICE: lines of SUFFIX FIRST-CLUSTER SIZE OFFSET SLOTS. SLOTS: entries of the long name before OFFSET.
genpack_fat_images() {
	genpack_fat_folder "$1" | while read -r _offset _length; do
		genpack_bytes "$1" "$_offset" "$_length" | {
			_slots=0
			while read -r _line; do
				# shellcheck disable=SC2086 # the bytes of the entry
				set -- $_line
				case $1 in
				00) break ;;
				e5) _slots=0 ;;
				*)
					if [ "${12}" = 0f ]; then
						_slots=$((_slots + 1))
					else
						for _name in $GENPACK_FAT_NAMES; do
							[ "$1 $2 $3 $4 $5 $6 $7 $8 ${9}_${10}_${11}" = "53 59 53 54 45 4d 20 20 ${_name#*:}" ] || continue
							echo "${_name%:*} $((0x${22}${21}${28}${27})) $((0x${32}${31}${30}${29})) $_offset $_slots"
						done
						_slots=0
					fi
					;;
				esac
				_offset=$((_offset + 32))
			done
		}
	done
}

# fat_strike DEVICE OFFSET SLOTS: mark a directory entry and its long name as deleted; no cluster is freed.
genpack_fat_strike() {
	_from=$(($2 - 32 * $3))
	_at=$2
	# The entry itself first: a cut in between leaves a long name without an entry, which fsck.fat removes.
	while [ "$_at" -ge "$_from" ]; do
		printf '\345' | dd of="$1" bs=1 seek="$_at" conv=notrunc,fsync 2> /dev/null || return 1
		_at=$((_at - 32))
	done
}

# fat_unshare DEVICE NAME: of image names with the same first cluster, keep NAME, else the first that is not empty.
genpack_fat_unshare() {
	_images=$(genpack_fat_images "$1")
	_wanted=$(echo "${2##*.}" | sed 'y/abcdefghijklmnopqrstuvwxyz/ABCDEFGHIJKLMNOPQRSTUVWXYZ/')
	_kept=' '
	for _suffix in "${_wanted:-IMG}" IMG CUR NEW OLD; do
		while read -r _name _first _size _offset _slots; do
			case "$_name $_first $_size $_kept" in
			"$_suffix 0 "* | "$_suffix $_first 0 "* | *" $_first="*) ;; # empty, or its clusters have their name
			"$_suffix "*) _kept="$_kept$_first=$_offset " ;;
			esac
		done <<- END
			$_images
		END
	done
	while read -r _name _first _size _offset _slots; do
		case $_kept in
		*" $_first=$_offset "*) continue ;;
		*" $_first="*) ;;
		*) continue ;;
		esac
		if genpack_fat_strike "$1" "$_offset" "$_slots"; then
			genpack_loud "an update was cut off: SYSTEM.$_name on $1 was another name of the same image and is dropped"
		else
			genpack_loud "SYSTEM.$_name on $1 is another name of the same image, and can't be dropped"
		fi
	done <<- END
		$_images
	END
}
