#!/bin/sh
# SPDX-License-Identifier: MIT
# What the mount hook says, tries and waits for. Variables of a function begin with _: POSIX sh knows no others.
# shellcheck disable=SC2034 # GENPACK_ERROR is for the caller

GENPACK_RUN=${GENPACK_RUN:-/run/initramfs}
GENPACK_KMSG=${GENPACK_KMSG:-/dev/kmsg}
GENPACK_ERROR=

# note TEXT: for the log. loud TEXT: for the console too, even under "quiet".
genpack_note() { echo "<6>genpack: $*" > "$GENPACK_KMSG"; }
genpack_loud() { echo "<3>genpack: $*" > "$GENPACK_KMSG"; }

# The boot has failed: say why, leave time to read it, and let dracut do what rd.emergency= says.
genpack_fail() {
	genpack_loud "$*"
	genpack_loud "the boot failed, see the line above"
	sleep "${GENPACK_DELAY:-10}"
	die "genpack: $*"
}

# try COMMAND...: run it and return its status; if it fails, GENPACK_ERROR is what was tried, what it said, and the last
# three lines that the kernel said meanwhile.
genpack_try() {
	_before=$(dmesg | sed -n '$=')
	_said=$("$@" 2>&1)
	_tried=$?
	[ "$_tried" != 0 ] || return 0
	# shellcheck disable=SC2016 # sed's last line
	_kernel=$(dmesg | sed "1,${_before:-0}d" | sed ':a; $q; N; 4,$D; ba')
	GENPACK_ERROR="tried \"$*\": $(genpack_line "${_said:-it failed with status $_tried}"); the kernel said: $(genpack_line "${_kernel:-nothing}")"
	return "$_tried"
}

# line TEXT: its lines as one.
genpack_line() { echo "$1" | sed -n 's/^ *//; H; ${ x; s/\n/ /g; s/^ //; p; }'; }

# uptime: in whole seconds.
genpack_uptime() {
	read -r _up _ < /proc/uptime
	echo "${_up%.*}"
}

# wait COMMAND...: repeat it until it succeeds, for rd.timeout= seconds at most.
genpack_wait() {
	_limit=$(getarg rd.timeout=)
	_limit=$(($(genpack_uptime) + ${_limit:-15}))
	until "$@"; do
		[ "$(genpack_uptime)" -lt "$_limit" ] || return 1
		udevadm settle --timeout=1
		sleep 0.2
	done
}
