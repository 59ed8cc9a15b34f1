#!/bin/sh
# SPDX-License-Identifier: MIT
# reboot, poweroff and halt of the initramfs, by the kernel's own keys: nothing else runs that could be asked.
sync
umount -a -r -t noproc,nosysfs,nodevtmpfs,notmpfs,nodevpts 2> /dev/null
case ${0##*/} in
poweroff | halt) key=o ;;
*) key=b ;;
esac
echo "$key" > /proc/sysrq-trigger
sleep 10 # power-off is asynchronous
exit 1   # and PID 1 ends, which the kernel answers as panic= says
