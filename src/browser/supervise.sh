# SPDX-License-Identifier: MIT
# Runs as one process of a browser's sandbox: `sh -c THIS creel-browser PREFIX`. Keeps Chromium, its
# display and a VNC server running, restarts what dies, and gives up on what dies at once, again and
# again. Lines on stdin are the VNC passwords: one that may act, one that may only watch. They are in
# no argument and in no environment; the file that x11vnc reads them from is gone once it did.
set -u
umask 077
prefix=$1
home=/tmp/creel-browser
mkdir -p "$home" || exit 1
# One of us per sandbox. A later one leaves, and whoever sent it finds the first one's browser.
exec 9>"$home/lock"
flock -n 9 || exit 75
echo "$$" >"$home/pid"
export HOME="$home"
export DISPLAY=:1

opt() {
	eval "printf '%s' \"\${${prefix}BROWSER_$1-\${CLAWDBOT_BROWSER_$1-$2}}\""
}

is_on() {
	case $(opt "$1" "$2" | tr '[:upper:]' '[:lower:]') in
	1 | true | yes | on) return 0 ;;
	esac
	return 1
}

say() {
	echo "creel-browser: $*"
}

# Bounded: five quick ends in a row, and nobody asks for the sixth.
keep() {
	name=$1
	shift
	quick=0
	child=
	trap '[ -z "$child" ] || kill "$child"; exit 0' TERM
	while :; do
		begun=$(date +%s)
		"$@" </dev/null 9>&- &
		child=$!
		wait "$child"
		status=$?
		[ $(($(date +%s) - begun)) -lt 30 ] || quick=0
		quick=$((quick + 1))
		if [ "$quick" -gt 5 ]; then
			say "$name ended $quick times within seconds (status $status): given up"
			kill "$$"
			exit 1
		fi
		say "$name ended with status $status, restarted ($quick)"
		sleep "0.$quick"
	done
}

start_display() {
	rm -f /tmp/.X1-lock
	exec Xvfb :1 -screen 0 1280x800x24 -nolisten tcp
}

wait_for_display() {
	tries=0
	until [ -S /tmp/.X11-unix/X1 ] || [ "$tries" -ge 100 ]; do
		sleep 0.05
		tries=$((tries + 1))
	done
}

find_browser() {
	# Past Debian's wrapper, which wants files of /etc that a sandbox need not have.
	for program in /usr/lib/chromium/chromium chromium chromium-browser \
		google-chrome-stable google-chrome chrome; do
		if command -v "$program"; then
			return 0
		fi
	done
	return 1
}

# Chromium's own sandbox needs namespaces of a user; where the container's rules refuse them it would
# not start at all.
own_sandbox() {
	case $(opt NO_SANDBOX auto) in
	1 | true | yes | on) return 1 ;;
	0 | false | no | off) return 0 ;;
	esac
	unshare --user --pid --net --fork true 2>/dev/null
}

start_chromium() {
	rm -f "$home/.chrome/Singleton"*
	set -- --remote-debugging-address=127.0.0.1 "--remote-debugging-port=$debug_port" \
		"--user-data-dir=$home/.chrome" --no-first-run --no-default-browser-check \
		--disable-dev-shm-usage --disable-background-networking \
		--disable-features=TranslateUI --disable-breakpad --disable-crash-reporter \
		--no-zygote --metrics-recording-only --password-store=basic --use-mock-keychain \
		--disable-sync --disable-component-update --window-position=0,0 \
		--window-size=1280,800 "--host-resolver-rules=$metadata"
	! is_on HEADLESS 0 || set -- "$@" --headless=new
	! is_on DISABLE_GRAPHICS_FLAGS 1 ||
		set -- "$@" --disable-3d-apis --disable-gpu --disable-software-rasterizer
	! is_on DISABLE_EXTENSIONS 1 || set -- "$@" --disable-extensions
	limit=$(opt RENDERER_PROCESS_LIMIT 2)
	case $limit in
	'' | 0 | *[!0-9]*) ;;
	*) set -- "$@" "--renderer-process-limit=$limit" ;;
	esac
	if own_sandbox; then
		# The zygote is what sets the sandbox up.
		for flag; do
			shift
			[ "$flag" = --no-zygote ] || set -- "$@" "$flag"
		done
	else
		set -- "$@" --no-sandbox --disable-setuid-sandbox
	fi
	extra=$(opt EXTRA_ARGS '')
	if [ -n "$extra" ]; then
		old_ifs=$IFS
		IFS='
'
		set -f
		# shellcheck disable=SC2086 # one argument per line
		set -- "$@" $extra
		set +f
		IFS=$old_ifs
	fi
	exec "$program" "$@" about:blank
}

start_vnc() {
	printf '%s\n__BEGIN_VIEWONLY__\n%s\n' "$full" "$view" >"$home/vnc"
	exec x11vnc -display :1 -rfbport "$(opt VNC_PORT 5900)" -localhost -no6 -noipv6 \
		-passwdfile "rm:$home/vnc" -forever -shared -quiet -nocmds -noremote \
		-nobell -nosel
}

start_websockify() {
	exec websockify "127.0.0.1:$(opt NOVNC_PORT 6080)" "127.0.0.1:$(opt VNC_PORT 5900)"
}

# At the container's edge, for who comes from that network alone.
start_edge() {
	case $source_range in
	*:*) listen="TCP6-LISTEN:$cdp_port,bind=[::],ipv6only=1,range=[${source_range%/*}]/${source_range#*/}" ;;
	*) listen="TCP4-LISTEN:$cdp_port,bind=0.0.0.0,range=$source_range" ;;
	esac
	exec socat "$listen,fork,reuseaddr,max-children=64" "TCP4:127.0.0.1:$debug_port" 2>/dev/null
}

trap 'trap "" TERM; kill 0; exit 1' TERM INT EXIT
cdp_port=$(opt CDP_PORT 9222)
debug_port=$((cdp_port < 65535 ? cdp_port + 1 : cdp_port - 1))
# What clouds tell every program on a machine about its credentials is not for pages.
metadata='MAP 169.254.169.254 ~NOTFOUND,MAP 169.254.170.2 ~NOTFOUND,MAP 100.100.100.200 ~NOTFOUND,MAP fd00:ec2::254 ~NOTFOUND,MAP 64:ff9b::a9fe:a9fe ~NOTFOUND,MAP metadata.google.internal ~NOTFOUND'
program=$(find_browser) || {
	say "there is no chromium in this sandbox: build the browser's image (creel image build browser)"
	exit 127
}
if ! is_on HEADLESS 0; then
	command -v Xvfb >/dev/null || {
		say "there is no Xvfb in this sandbox; install it there, or set browser.headless"
		exit 127
	}
	keep Xvfb start_display &
	wait_for_display
fi
keep chromium start_chromium &
source_range=$(opt CDP_SOURCE_RANGE '')
if [ -n "$source_range" ]; then
	command -v socat >/dev/null || {
		say "there is no socat in this sandbox; install it there, or unset browser.cdpSourceRange"
		exit 127
	}
	case $source_range in */*) ;; *:*) source_range=$source_range/128 ;; *) source_range=$source_range/32 ;; esac
	keep edge start_edge &
fi
if is_on ENABLE_NOVNC 0; then
	keep websockify start_websockify &
	vnc=
	while read -r full view; do
		[ -z "$vnc" ] || kill "$vnc"
		keep vnc start_vnc &
		vnc=$!
	done
fi
wait
