/* SPDX-License-Identifier: MIT */
/* Attempts to talk to somebody: the host, its sockets, a neighbour, the world. A connection that does
 * come about carries the attack's name, so that whoever listens can say who called. */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "selftest/probe.h"

enum { CONNECT_TIMEOUT_MS = 500, KERNEL_SOCK_DCCP = 6 };

/* Connect and say who calls. 0, or -1 with errno. */
static int call_on(
	const struct probe_call *call, int type, const struct sockaddr *address, socklen_t len)
{
	int fd = socket(address->sa_family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct pollfd p = {.fd = fd, .events = POLLOUT};
	int num = 0;
	socklen_t size = sizeof(num);

	if (fd < 0) {
		return -1;
	}
	if (connect(fd, address, len) < 0 && errno != EINPROGRESS) {
		return -1;
	}
	if (poll(&p, 1, CONNECT_TIMEOUT_MS) != 1) {
		errno = ETIMEDOUT;
		return -1;
	}
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &num, &size) < 0 || num != 0) {
		errno = num != 0 ? num : errno;
		return -1;
	}
	return send(fd, call->id, strlen(call->id), MSG_NOSIGNAL) < 0 ? -1 : 0;
}

static int call_inet(const struct probe_call *call, int type, const char *host, int port)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};

	(void)inet_pton(AF_INET, host, &address.sin_addr);
	return call_on(call, type, (const struct sockaddr *)&address, sizeof(address));
}

static int call_inet6(const struct probe_call *call, int type, const char *host, int port)
{
	struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port)};

	(void)inet_pton(AF_INET6, host, &address.sin6_addr);
	return call_on(call, type, (const struct sockaddr *)&address, sizeof(address));
}

static int call_unix(const struct probe_call *call, const char *path, bool abstract)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	size_t len = strlen(path);

	if (len + 1 >= sizeof(address.sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(address.sun_path + (abstract ? 1 : 0), path, len);
	return call_on(call, SOCK_STREAM, (const struct sockaddr *)&address,
		(socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + len));
}

static enum outcome interfaces(const struct probe_call *call)
{
	struct if_nameindex *list = if_nameindex();

	for (const struct if_nameindex *i = list; i != NULL && i->if_index != 0; i++) {
		/* Tunnels that the kernel itself puts into every new namespace are down, and stay so. */
		if (strcmp(i->if_name, "lo") != 0 && strstr(i->if_name, "tunl") == NULL &&
			strstr(i->if_name, "sit") == NULL && strstr(i->if_name, "tnl") == NULL &&
			strstr(i->if_name, "gre") == NULL && strstr(i->if_name, "vti") == NULL &&
			strstr(i->if_name, "erspan") == NULL) {
			return probe_fell(call, "there is an interface %s", i->if_name);
		}
	}
	return probe_held(call, "loopback alone");
}

static enum outcome host_tcp(const struct probe_call *call)
{
	return probe_refused(call, call_inet(call, SOCK_STREAM, "127.0.0.1", call->host->tcp_port),
		"reaching a port of the host's loopback");
}

static enum outcome host_tcp6(const struct probe_call *call)
{
	static const char *const names[] = {"::1", "::ffff:127.0.0.1"};
	int r = -1;

	for (size_t i = 0; i < ARRAY_SIZE(names) && r < 0; i++) {
		r = call_inet6(call, SOCK_STREAM, names[i], call->host->tcp_port);
	}
	return probe_refused(call, r, "reaching the host's loopback by IPv6");
}

static enum outcome host_udp(const struct probe_call *call)
{
	/* Sending to nobody succeeds: what counts is whether the host got it. */
	(void)call_inet(call, SOCK_DGRAM, "127.0.0.1", call->host->udp_port);
	return probe_held(call, "sent to a loopback that is not the host's");
}

static enum outcome world_tcp(const struct probe_call *call)
{
	static const char *const hosts[] = {
		"1.1.1.1", "169.254.169.254", "10.0.0.1", "192.168.0.1", "172.17.0.1", "0.0.0.1"};

	for (size_t i = 0; i < ARRAY_SIZE(hosts); i++) {
		if (call_inet(call, SOCK_STREAM, hosts[i], 443) == 0) {
			return probe_fell(call, "%s answers", hosts[i]);
		}
		if (errno == ETIMEDOUT || errno == ECONNREFUSED) {
			return probe_fell(
				call, "there is a route to %s: %s", hosts[i], strerror(errno));
		}
	}
	return probe_held(call, "no route: %s", strerror(errno));
}

static enum outcome world_dns(const struct probe_call *call)
{
	static const char *const hosts[] = {"8.8.8.8", "1.1.1.1", "9.9.9.9"};

	for (size_t i = 0; i < ARRAY_SIZE(hosts); i++) {
		if (call_inet(call, SOCK_DGRAM, hosts[i], 53) == 0) {
			return probe_fell(call, "a datagram to %s:53 leaves", hosts[i]);
		}
	}
	return probe_held(call, "no route for datagrams: %s", strerror(errno));
}

static enum outcome world_ipv6(const struct probe_call *call)
{
	static const char *const hosts[] = {"2606:4700:4700::1111", "fe80::1", "ff02::1"};

	for (size_t i = 0; i < ARRAY_SIZE(hosts); i++) {
		if (call_inet6(call, SOCK_DGRAM, hosts[i], 53) == 0) {
			return probe_fell(call, "a datagram to %s leaves", hosts[i]);
		}
	}
	return probe_held(call, "no route: %s", strerror(errno));
}

static enum outcome raw_sockets(const struct probe_call *call)
{
	static const struct {
		int family, type, protocol;
		const char *name;
	} sockets[] = {
		{AF_INET, SOCK_RAW, 1, "a raw ICMP socket"},
		{AF_INET, SOCK_RAW, 255, "a raw IP socket"},
		{AF_INET6, SOCK_RAW, 58, "a raw ICMPv6 socket"},
		{AF_PACKET, SOCK_RAW, 0x0300, "a packet socket"},
		{AF_PACKET, SOCK_DGRAM, 0x0300, "a packet socket"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(sockets); i++) {
		if (socket(sockets[i].family, sockets[i].type | SOCK_CLOEXEC,
			    sockets[i].protocol) >= 0) {
			return probe_fell(call, "%s can be had", sockets[i].name);
		}
	}
	return probe_held(call, "socket: %s", strerror(errno));
}

static enum outcome transports(const struct probe_call *call)
{
	static const struct {
		int type, protocol;
		const char *name;
	} sockets[] = {
		{SOCK_STREAM, 132, "SCTP"},
		{SOCK_STREAM, 262, "MPTCP"},
		{KERNEL_SOCK_DCCP, 33, "DCCP"},
		{SOCK_STREAM, 256, "SMC"},
		{SOCK_DGRAM, 136, "UDP-Lite"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(sockets); i++) {
		if (socket(AF_INET, sockets[i].type | SOCK_CLOEXEC, sockets[i].protocol) >= 0) {
			return probe_fell(call, "a socket for %s can be had", sockets[i].name);
		}
	}
	return probe_held(call, "TCP, UDP and ICMP alone");
}

static enum outcome families(const struct probe_call *call)
{
	static const struct {
		int family, type, protocol;
		const char *name;
	} sockets[] = {
		{38, SOCK_SEQPACKET, 0, "AF_ALG"},
		{40, SOCK_STREAM, 0, "AF_VSOCK"},
		{15, SOCK_RAW, 2, "AF_KEY"},
		{44, SOCK_RAW, 0, "AF_XDP"},
		{31, SOCK_RAW, 1, "AF_BLUETOOTH"},
		{29, SOCK_RAW, 1, "AF_CAN"},
		{30, SOCK_SEQPACKET, 0, "AF_TIPC"},
		{21, SOCK_SEQPACKET, 0, "AF_RDS"},
		{33, SOCK_DGRAM, 2, "AF_RXRPC"},
		{3, SOCK_DGRAM, 0, "AF_AX25"},
		{9, SOCK_SEQPACKET, 0, "AF_X25"},
		{23, SOCK_STREAM, 0, "AF_IRDA"},
		{39, SOCK_STREAM, 0, "AF_NFC"},
		{43, SOCK_STREAM, 0, "AF_SMC"},
		{5, SOCK_DGRAM, 0, "AF_APPLETALK"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(sockets); i++) {
		if (socket(sockets[i].family, sockets[i].type | SOCK_CLOEXEC,
			    sockets[i].protocol) >= 0) {
			return probe_fell(call, "a socket of %s can be had", sockets[i].name);
		}
	}
	return probe_held(call, "none of %zu families", ARRAY_SIZE(sockets));
}

static enum outcome netlink_families(const struct probe_call *call)
{
	static const struct {
		int protocol;
		const char *name;
	} sockets[] = {{9, "audit"}, {12, "netfilter"}, {15, "uevent"}, {6, "xfrm"},
		{16, "generic"}, {7, "selinux"}, {4, "sock_diag"}};

	for (size_t i = 0; i < ARRAY_SIZE(sockets); i++) {
		if (socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, sockets[i].protocol) >= 0) {
			return probe_fell(call, "netlink %s can be had", sockets[i].name);
		}
	}
	return probe_held(call, "none of %zu protocols", ARRAY_SIZE(sockets));
}

/* Make an interface: the kernel answers with an error, or with 0. */
static enum outcome netlink_write(const struct probe_call *call)
{
	struct {
		struct nlmsghdr header;
		struct ifinfomsg info;
	} request = {
		.header = {.nlmsg_len = sizeof(request),
			.nlmsg_type = RTM_NEWLINK,
			.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK},
		.info = {.ifi_index = 1, .ifi_change = IFF_UP},
	};
	struct {
		struct nlmsghdr header;
		struct nlmsgerr error;
		char rest[256];
	} answer = {0};
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

	if (fd < 0 || send(fd, &request, sizeof(request), 0) < 0 ||
		recv(fd, &answer, sizeof(answer), 0) < 0) {
		return probe_held(call, "netlink: %s", strerror(errno));
	}
	return answer.error.error == 0
		       ? probe_fell(call, "interfaces can be changed")
		       : probe_held(call, "taking lo down: %s", strerror(-answer.error.error));
}

static enum outcome host_abstract(const struct probe_call *call)
{
	return probe_refused(call, call_unix(call, call->host->abstract, true),
		"reaching an abstract socket of the host");
}

static enum outcome host_path(const struct probe_call *call)
{
	return probe_refused(call, call_unix(call, call->host->path_socket, false),
		"reaching a socket file of the host");
}

static enum outcome known_sockets(const struct probe_call *call)
{
	static const char *const paths[] = {"/var/run/docker.sock", "/run/docker.sock",
		"/run/containerd/containerd.sock", "/run/podman/podman.sock", "/run/crio/crio.sock",
		"/run/dbus/system_bus_socket", "/run/systemd/private", "/run/systemd/notify",
		"/run/systemd/journal/socket", "/dev/log", "/tmp/.X11-unix/X0",
		"/run/user/1000/bus", "/run/user/1000/wayland-0", "/run/user/0/bus",
		"/run/snapd.socket", "/run/udev/control", "/run/acpid.socket"};

	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		struct stat st;

		if (stat(paths[i], &st) == 0 && S_ISSOCK(st.st_mode)) {
			return probe_fell(call, "%s is there", paths[i]);
		}
	}
	return probe_held(call, "none of %zu is there", ARRAY_SIZE(paths));
}

/* What creel-init came by: its socket must be gone or refuse, its token must not be there. */
static enum outcome own_gateway(const struct probe_call *call)
{
	static const char *const names[] = {"sock", "socket", "gateway", "gateway.sock"};
	DIR *dir = opendir("/run/creel");
	const struct dirent *item;
	char path[320];

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		(void)snprintf(path, sizeof(path), "/run/creel/%s", names[i]);
		if (call_unix(call, path, false) == 0) {
			return probe_fell(call, "%s takes a second connection", path);
		}
	}
	while (dir != NULL && (item = readdir(dir)) != NULL) {
		struct stat st;

		(void)snprintf(path, sizeof(path), "/run/creel/%s", item->d_name);
		if (lstat(path, &st) < 0) {
			continue;
		}
		if (S_ISSOCK(st.st_mode) && call_unix(call, path, false) == 0) {
			return probe_fell(call, "%s takes a second connection", path);
		}
		if (strstr(item->d_name, "token") != NULL &&
			open(path, O_RDONLY | O_CLOEXEC) >= 0) {
			return probe_fell(call, "%s can be read", path);
		}
	}
	return probe_held(call, "no token, and no socket that answers");
}

static enum outcome sibling_abstract(const struct probe_call *call)
{
	return probe_refused(call, call_unix(call, call->host->sibling_abstract, true),
		"reaching an abstract socket of another sandbox");
}

static enum outcome sibling_tcp(const struct probe_call *call)
{
	return probe_refused(call,
		call_inet(call, SOCK_STREAM, "127.0.0.1", call->host->sibling_port),
		"reaching a port of another sandbox");
}

/* System V objects belong to a namespace: none of another's may show. */
static enum outcome shared_ipc(const struct probe_call *call)
{
	static const char *const files[] = {
		"/proc/sysvipc/shm", "/proc/sysvipc/msg", "/proc/sysvipc/sem"};
	char text[1024];

	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		int fd = open(files[i], O_RDONLY | O_CLOEXEC);
		ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);
		const char *second;

		text[n > 0 ? n : 0] = '\0';
		second = strchr(text, '\n');
		if (second != NULL && second[1] != '\0') {
			return probe_fell(call, "%s lists somebody else's", files[i]);
		}
	}
	return probe_held(call, "no shared memory, queue or semaphore of others");
}

const struct probe probes_network[] = {
	{"net-interfaces", interfaces},
	{"net-host-tcp", host_tcp},
	{"net-host-tcp6", host_tcp6},
	{"net-host-udp", host_udp},
	{"net-world-tcp", world_tcp},
	{"net-world-dns", world_dns},
	{"net-world-ipv6", world_ipv6},
	{"net-raw", raw_sockets},
	{"net-transports", transports},
	{"net-families", families},
	{"net-netlink", netlink_families},
	{"net-netlink-write", netlink_write},
	{"net-host-abstract", host_abstract},
	{"net-host-path", host_path},
	{"net-known-sockets", known_sockets},
	{"net-own-gateway", own_gateway},
	{"net-sibling-abstract", sibling_abstract},
	{"net-sibling-tcp", sibling_tcp},
	{"net-shared-ipc", shared_ipc},
};
const size_t probes_network_count = ARRAY_SIZE(probes_network);
