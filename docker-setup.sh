#!/bin/bash
# Runs Creel's gateway in a container, and lets it make sandboxes beside itself.
#
#	CREEL_SANDBOX=1 ./docker-setup.sh
#
# Run it again after a change: the container is made anew, state and workspaces stay.
#
#   CREEL_SANDBOX          1, true, yes or on: sandboxes are wanted (mode non-main, scope agent, workspace
#                          access none, unless the configuration says otherwise). Else the gateway gets no engine.
#   CREEL_DOCKER_SOCKET    the engine's socket on this host; default /var/run/docker.sock
#   CREEL_STATE_DIR        the state directory on this host; default ~/.creel
#   CREEL_WORKSPACE_DIR    the main agent's workspace on this host; default workspace in the state directory
#   CREEL_GATEWAY_IMAGE    default creel-gateway:local, which is made when it is not there
#   CREEL_GATEWAY_PORT     on this host's loopback; default 18790
#   CREEL_GATEWAY_NAME     of the container; default creel-gateway
#   CREEL_GATEWAY_NETWORK  its network; default bridge
#
# The same names with OPENCLAW_, CLAWDBOT_, VERSO_ or EQUABOT_ are taken too; the brand whose _SANDBOX or
# _STATE_DIR is set is the one whose configuration is read.
#
# The configuration is not touched. container.json5 beside it includes it and adds what the container
# needs; when anything about the sandbox fails, the mode that it sets goes back to off.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
prefixes=(CREEL OPENCLAW CLAWDBOT VERSO EQUABOT)

fail() {
	echo "docker-setup: $*" >&2
	exit 1
}

# The value of NAME with the first prefix that has it.
setting() {
	local prefix variable
	for prefix in "${prefixes[@]}"; do
		variable=${prefix}_$1
		if [ -n "${!variable:-}" ]; then
			echo "${!variable}"
			return
		fi
	done
	echo "${2:-}"
}

brand=creel
for prefix in "${prefixes[@]}"; do
	sandbox_variable=${prefix}_SANDBOX state_variable=${prefix}_STATE_DIR
	if [ -n "${!sandbox_variable:-}${!state_variable:-}" ]; then
		brand=${prefix,,}
		break
	fi
done

wanted=$(setting SANDBOX)
case ${wanted,,} in
1 | true | yes | on) sandbox=1 ;;
*) sandbox= ;;
esac
socket=$(setting DOCKER_SOCKET /var/run/docker.sock)
socket=${socket#unix://}
state=$(setting STATE_DIR "$HOME/.$brand")
workspace=$(setting WORKSPACE_DIR "$state/workspace")
image=$(setting GATEWAY_IMAGE creel-gateway:local)
port=$(setting GATEWAY_PORT 18790)
name=$(setting GATEWAY_NAME creel-gateway)
network=$(setting GATEWAY_NETWORK bridge)
inside=/home/creel/.$brand
sandbox_image=$brand-sandbox:bookworm-slim

[[ $port =~ ^[0-9]{1,5}$ ]] || fail "'$port' is no port (CREEL_GATEWAY_PORT)"
for path in "$state" "$workspace" "$socket"; do
	[[ $path = /* && $path != *:* && $path != *,* ]] ||
		fail "'$path' has to be an absolute path without ':' and ','"
done
command -v docker >/dev/null || fail "docker's command line is missing: apt-get install docker.io"
# This script and the sandboxes use one engine. Without sandboxes it may be any.
[ -z "$sandbox" ] || export DOCKER_HOST=${DOCKER_HOST:-unix://$socket}
docker version >/dev/null 2>&1 ||
	fail "no container engine answers${DOCKER_HOST:+ at $DOCKER_HOST}: start it, or set CREEL_DOCKER_SOCKET"

# --- files on this host ---

umask 077
mkdir -p "$state/run" "$workspace" || fail "cannot make '$state' and '$workspace'"
if [ ! -s "$state/gateway.token" ]; then
	head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \n' >"$state/gateway.token.new"
	mv "$state/gateway.token.new" "$state/gateway.token"
fi

# write_config KEYS FORCED: sandbox keys that the configuration may set otherwise, and those it may not.
write_config() {
	local includes='"./container-defaults.json5"'
	[ ! -e "$state/$brand.json" ] || includes+=", \"./$brand.json\""
	{
		echo "// Written by docker-setup.sh: what holds where $brand.json says nothing."
		echo "{agents: {defaults: {sandbox: {$1}}}}"
	} >"$state/container-defaults.json5.new"
	{
		echo "// Written by docker-setup.sh; what you want to change belongs into $brand.json."
		echo "{"
		echo "  \$include: [$includes],"
		echo "  gateway: {listen: \"0.0.0.0:18790\", tokens: ["
		echo "    {name: \"docker-setup\", tokenFile: \"$inside/gateway.token\", admin: true}]},"
		[ -z "$2" ] || echo "  agents: {defaults: {sandbox: {$2}}},"
		echo "}"
	} >"$state/container.json5.new"
	mv "$state/container-defaults.json5.new" "$state/container-defaults.json5"
	mv "$state/container.json5.new" "$state/container.json5"
}

# --- the container ---

start_gateway() {
	local options=(--detach --name "$name" --restart unless-stopped --network "$network"
		--user "$(id -u):$(id -g)" --read-only --tmpfs /tmp --security-opt no-new-privileges
		--env HOME=/home/creel --env XDG_RUNTIME_DIR=/run
		--volume "$state:$inside" --volume "$state/run:/run" --volume "$workspace:$inside/workspace")
	case $network in
	host | none) ;;
	*) options+=(--publish "127.0.0.1:$port:18790") ;;
	esac
	# Root needs its power over files of others' workspaces; nobody else has any to lose.
	[ "$(id -u)" = 0 ] || options+=(--cap-drop ALL)
	if [ "${1:-}" = with-engine ]; then
		options+=(--volume "$socket:/engine.sock" --group-add "$(stat -c %g "$socket")")
	fi
	docker rm --force "$name" >/dev/null 2>&1 || true
	docker run "${options[@]}" "$image" --brand "$brand" --config "$inside/container.json5" >/dev/null
}

inside_gateway() {
	docker exec "$name" "$@"
}

# Twenty seconds for a machine that is busy.
wait_for_gateway() {
	local i
	for ((i = 0; i < 100; i++)); do
		# shellcheck disable=SC2016
		if inside_gateway bash -c 'exec 3<>/dev/tcp/127.0.0.1/18790 &&
			printf "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n" >&3 &&
			read -r line <&3 && [[ $line == *" 200 "* ]]' 2>/dev/null; then
			return 0
		fi
		sleep 0.2
	done
	docker logs --tail 20 "$name" >&2 || true
	return 1
}

# The mode goes back to off, and the engine away from the gateway. Where the configuration itself asks for
# sandboxes that holds: then commands are refused, not run without one.
roll_back() {
	local mode
	echo "docker-setup: $1" >&2
	write_config 'mode: "off"' ""
	if ! start_gateway || ! wait_for_gateway; then
		fail "the gateway does not start without sandboxes either; see docker logs $name"
	fi
	mode=$(inside_gateway creel config get agents.defaults.sandbox.mode --brand "$brand" \
		--config "$inside/container.json5") || mode=unknown
	if [ "$mode" = off ]; then
		fail "sandbox.mode is back to off: commands run in the gateway's own container until this is run again"
	fi
	fail "$brand.json itself sets sandbox.mode to $mode, which stays: commands that need a sandbox are refused"
}

# --- steps ---

docker image inspect "$image" >/dev/null 2>&1 || "$here/scripts/gateway-image" "$image" ||
	fail "there is no image '$image', and it could not be made"

if [ -z "$sandbox" ]; then
	write_config 'mode: "off"' ""
	start_gateway || fail "the gateway's container could not be started"
	wait_for_gateway || fail "the gateway does not answer"
	echo "The gateway runs as '$name', without an engine for sandboxes (set CREEL_SANDBOX=1 for one)."
	echo "Its token is in $state/gateway.token."
	exit 0
fi

[ -S "$socket" ] || roll_back "'$socket' is no socket: set CREEL_DOCKER_SOCKET to the engine's"
if ! docker image inspect "$sandbox_image" >/dev/null 2>&1; then
	"$here/scripts/sandbox-image" "$sandbox_image" sandbox.packages >&2 ||
		roll_back "the sandbox image '$sandbox_image' is not there and could not be made"
fi
write_config 'mode: "non-main", scope: "agent", workspaceAccess: "none"' \
	'backend: "docker", docker: {socket: "/engine.sock"}'
start_gateway with-engine || roll_back "the gateway's container could not be started with the engine's socket"
wait_for_gateway || roll_back "the gateway does not answer"
inside_gateway creel exec --once --brand "$brand" --config "$inside/container.json5" \
	--session agent:main:docker-setup -- true || roll_back "a sandbox could not be started, see above"
echo "The gateway runs as '$name'; its sandboxes are containers of the engine at $socket."
echo "Its token is in $state/gateway.token."
