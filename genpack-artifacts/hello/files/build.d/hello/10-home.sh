# SPDX-License-Identifier: MIT
# Runs as the user hello while the image is made, because it lies in a folder of that name.
set -eu
echo "Made by $(id -un) for $ARTIFACT" > "$HOME/made-at-build"
