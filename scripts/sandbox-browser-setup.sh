#!/bin/sh
# Makes the image of the sandbox browser: Chromium, a virtual screen, VNC, fonts.
set -eu
exec "$(dirname "$0")/sandbox-image" "${1:-creel-sandbox-browser:bookworm-slim}" \
	sandbox-browser.packages
