/* SPDX-License-Identifier: MIT */
/* The queue of a session's large images, and the job of the first. */
#include "tools/image_turn.h"

#include <errno.h>

#include "base/limits.h"
#include "image/client.h"

bool image_turn_is_first(const struct image_turn *turn)
{
	return turn->queued && turn->call->session->image_turns == turn;
}

int image_turn_wait(
	struct image_turn *turn, struct tool_call *call, bool *ret_first, struct error *err)
{
	struct image_turn **at = &call->session->image_turns;
	size_t count = 0;

	if (call->session->images == NULL) {
		return error_plain(err, ENOSYS, "nothing here makes images smaller");
	}
	for (; *at != NULL; at = &(*at)->next) {
		count++;
	}
	if (count == LIMIT_READ_IMAGES_WAITING) {
		return error_plain(err, EBUSY,
			"%zu images wait for being made smaller already; read it later", count);
	}
	turn->call = call;
	turn->next = NULL;
	turn->queued = true;
	*at = turn;
	*ret_first = count == 0;
	return 0;
}

static void watch(const struct tool_session *session)
{
	session->images->watch(session->images->arg, image_job_fd(session->image_job),
		image_job_events(session->image_job));
}

int image_turn_shrink(struct image_turn *turn, struct buf *source, struct error *err)
{
	static const struct image_bounds bounds = {LIMIT_READ_IMAGE_SIDE, LIMIT_READ_IMAGE};
	struct tool_session *session = turn->call->session;
	int service_fd = session->images->service(session->images->arg, err);
	int r = service_fd;

	if (r >= 0) {
		r = image_job_new(service_fd, source, &bounds, &session->image_job, err);
	}
	if (r < 0) {
		return r;
	}
	watch(session);
	return 0;
}

static void drop_job(struct tool_session *session)
{
	if (session->image_job != NULL) {
		session->images->watch(session->images->arg, image_job_fd(session->image_job), 0);
		session->image_job = image_job_free(session->image_job);
	}
}

void image_turn_leave(struct image_turn *turn)
{
	struct tool_session *session;
	struct image_turn **at, *first;
	bool was_first;

	if (!turn->queued) {
		return;
	}
	session = turn->call->session;
	was_first = image_turn_is_first(turn);
	if (was_first) {
		drop_job(session);
	}
	for (at = &session->image_turns; *at != turn; at = &(*at)->next) {
	}
	*at = turn->next;
	turn->queued = false;
	first = session->image_turns;
	if (was_first && first != NULL && !session->lost && !session->closing) {
		first->ready(first->call);
	}
}

void tool_session_image_event(struct tool_session *session)
{
	_cleanup_(image_shrunk_finish) struct image_shrunk image = {0};
	struct image_turn *turn = session->image_turns;
	struct error err;
	int r;

	if (session->image_job == NULL) {
		return;
	}
	r = image_job_pump(session->image_job, &image, &err);
	if (r == 0) {
		watch(session);
	} else {
		turn->done(turn->call, r > 0 ? &image : NULL, &err);
	}
}
