# SPDX-License-Identifier: MIT
EAPI=8

ACCT_GROUP_ID=22

inherit acct-group
