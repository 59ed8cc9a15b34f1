#!/bin/sh
# SPDX-License-Identifier: MIT
# cmdline hook: which values of root= are ours. Sourced by dracut's init, which reads rootok.
# shellcheck disable=SC2034

root=$(getarg root=)
case $root in
/dev/* | systemimg:?*) rootok=1 ;;
*) [ "$(getarg rootfstype=)" != virtiofs ] || [ -z "$root" ] || rootok=1 ;;
esac
