# SPDX-License-Identifier: MIT
EAPI=8

ACCT_USER_ID=22
ACCT_USER_HOME=/run/sshd

inherit acct-user
