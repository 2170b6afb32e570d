/* SPDX-License-Identifier: MIT */
/* The messages of creel-image, and the client against a worker that says what the test wants. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs those four before it. */
#include <cmocka.h>

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/limits.h"
#include "image/client.h"

static const struct image_bounds bounds = {100, 1000};
static const char png_start[] = "\x89PNG\r\n\x1a\n";

static struct image_reply good_reply(void)
{
	return (struct image_reply){.width = 10,
		.height = 20,
		.source_width = 30,
		.source_height = 60,
		.mime = "image/png",
		.len = 8};
}

static int reply_code(const struct image_reply *reply)
{
	_cleanup_buf_ struct buf out = {0};
	struct image_reply got;
	struct error err;

	image_reply_add(&out, reply);
	assert_int_equal(out.len, IMAGE_REPLY_SIZE);
	return image_reply_get((const uint8_t *)out.data, &bounds, &got, &err);
}

static void test_request(void **state)
{
	_cleanup_buf_ struct buf out = {0};
	struct image_request request = {.bounds = bounds, .len = 7}, got;
	struct error err;

	(void)state;
	image_request_add(&out, &request);
	assert_int_equal(out.len, IMAGE_REQUEST_SIZE);
	assert_int_equal(image_request_get((const uint8_t *)out.data, &got, &err), 0);
	assert_memory_equal(&got, &request, sizeof(got));
	for (size_t bit = 0; bit < 32; bit++) {
		out.data[bit / 8] ^= (char)(1U << (bit % 8));
		assert_int_equal(image_request_get((const uint8_t *)out.data, &got, &err), -EPROTO);
		out.data[bit / 8] ^= (char)(1U << (bit % 8));
	}
	buf_clear(&out);
	request.len = LIMIT_READ_IMAGE_SOURCE + 1;
	image_request_add(&out, &request);
	assert_int_equal(image_request_get((const uint8_t *)out.data, &got, &err), -EPROTO);
}

static void test_reply(void **state)
{
	struct image_reply reply = good_reply();

	(void)state;
	assert_int_equal(reply_code(&reply), 0);
	reply.len = 1001;
	assert_int_equal(reply_code(&reply), -EPROTO);
	reply = good_reply();
	reply.width = 101;
	assert_int_equal(reply_code(&reply), -EPROTO);
	reply = good_reply();
	reply.height = 0;
	assert_int_equal(reply_code(&reply), -EPROTO);
	reply = good_reply();
	reply.source_width = 9;
	assert_int_equal(reply_code(&reply), -EPROTO);
	reply = good_reply();
	reply.mime = "image/gif"; /* never made */
	assert_int_equal(reply_code(&reply), -EPROTO);
	reply = (struct image_reply){.errnum = EBADMSG, .len = IMAGE_TEXT_MAX};
	assert_int_equal(reply_code(&reply), 0);
	reply.len = IMAGE_TEXT_MAX + 1;
	assert_int_equal(reply_code(&reply), -EPROTO);
}

/* --- the client --- */

struct rig {
	int service[2]; /* the client's, ours */
	struct image_job *job;
	int worker; /* our end of the job */
};

static int take_socket(int service_fd)
{
	union {
		struct cmsghdr head;
		char space[CMSG_SPACE(sizeof(int))];
	} control;
	char byte;
	struct iovec data = {&byte, 1};
	struct msghdr message = {.msg_iov = &data,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control)};
	int fd;

	assert_int_equal(recvmsg(service_fd, &message, 0), 1);
	assert_true(message.msg_controllen >= CMSG_LEN(sizeof(int)));
	(void)memcpy(&fd, CMSG_DATA(&control.head), sizeof(fd));
	return fd;
}

static void setup(struct rig *rig, size_t source_len)
{
	struct buf source = {0};
	struct error err;

	(void)memset(buf_reserve(&source, source_len), 'x', source_len);
	buf_commit(&source, source_len);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, rig->service), 0);
	assert_int_equal(image_job_new(rig->service[0], &source, &bounds, &rig->job, &err), 0);
	assert_int_equal(source.len, 0);
	rig->worker = take_socket(rig->service[1]);
}

static void teardown(struct rig *rig)
{
	rig->job = image_job_free(rig->job);
	(void)close(rig->worker);
	(void)close(rig->service[0]);
	(void)close(rig->service[1]);
}

static void say(const struct rig *rig, const struct image_reply *reply, const char *body)
{
	_cleanup_buf_ struct buf out = {0};

	image_reply_add(&out, reply);
	buf_add(&out, body, reply->len);
	assert_int_equal(write(rig->worker, out.data, out.len), out.len);
}

static void test_job(void **state)
{
	_cleanup_(image_shrunk_finish) struct image_shrunk image = {0};
	const size_t len = 3 * 1024 * 1024; /* more than a socket takes at once */
	struct image_reply reply = good_reply();
	char chunk[65536];
	size_t got = 0;
	struct rig rig;
	struct error err;

	(void)state;
	setup(&rig, len);
	while (got < IMAGE_REQUEST_SIZE + len) {
		ssize_t n;

		assert_int_equal(image_job_pump(rig.job, &image, &err), 0);
		n = read(rig.worker, chunk, sizeof(chunk));
		assert_true(n > 0);
		got += (size_t)n;
	}
	assert_int_equal(image_job_pump(rig.job, &image, &err), 0);
	assert_int_equal(image_job_events(rig.job), POLLIN);
	say(&rig, &reply, png_start);
	assert_int_equal(image_job_pump(rig.job, &image, &err), 1);
	assert_string_equal(image.mime, "image/png");
	assert_int_equal(image.data.len, 8);
	assert_int_equal(image.source_height, 60);
	teardown(&rig);
}

static void expect_end(struct rig *rig, int r, const char *text)
{
	struct image_shrunk image;
	struct error err = {0};

	assert_int_equal(image_job_pump(rig->job, &image, &err), r);
	assert_non_null(strstr(err.text, text));
	teardown(rig);
}

/* A worker that was taken over says anything. */
static void test_bad_workers(void **state)
{
	struct image_reply reply = good_reply();
	struct rig rig;

	(void)state;
	setup(&rig, 10);
	(void)close(rig.worker);
	rig.worker = -1;
	expect_end(&rig, -EIO, "more memory or time");
	setup(&rig, 10);
	say(&rig, &reply, "no image");
	expect_end(&rig, -EPROTO, "no answer that can be used");
	setup(&rig, 10);
	reply.mime = "image/jpeg";
	say(&rig, &reply, png_start);
	expect_end(&rig, -EPROTO, "no answer that can be used");
	setup(&rig, 10);
	reply = (struct image_reply){.errnum = EBADMSG, .len = 9};
	say(&rig, &reply, "a\033[31m\nbc");
	expect_end(&rig, -EBADMSG, "a\\x1b[31m");
	setup(&rig, 10);
	assert_int_equal(write(rig.worker, "0123456789012345678901234567890123456789", 36), 36);
	expect_end(&rig, -EPROTO, "no answer that can be used");
}

/* An answer may come before the whole question was taken. */
static void test_early_answer(void **state)
{
	struct image_reply reply = {.errnum = EBADMSG, .len = 3};
	struct rig rig;
	struct image_shrunk image;
	struct error err;

	(void)state;
	setup(&rig, 3 * 1024 * 1024);
	assert_int_equal(image_job_pump(rig.job, &image, &err), 0);
	assert_int_equal(image_job_events(rig.job), POLLIN | POLLOUT);
	say(&rig, &reply, "bad");
	(void)shutdown(rig.worker, SHUT_RDWR);
	expect_end(&rig, -EBADMSG, "bad");
}

static void test_no_service(void **state)
{
	struct buf source = {0};
	struct image_job *job;
	struct error err;
	int pair[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	(void)close(pair[1]);
	buf_add_str(&source, "x");
	assert_int_equal(image_job_new(pair[0], &source, &bounds, &job, &err), -ECONNREFUSED);
	buf_finish(&source);
	(void)close(pair[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_request),
		cmocka_unit_test(test_reply),
		cmocka_unit_test(test_job),
		cmocka_unit_test(test_bad_workers),
		cmocka_unit_test(test_early_answer),
		cmocka_unit_test(test_no_service),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
