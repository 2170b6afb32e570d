/* SPDX-License-Identifier: MIT */
/* WebP by libwebp, which scales while it decodes. */
#include <errno.h>
#include <webp/decode.h>
#include <webp/demux.h>

#include "base/limits.h"
#include "image/pixels.h"

/* Of an animation its first frame: a file of its own inside the file, which the iterator owns. */
static int first_frame(WebPDemuxer *demuxer, WebPIterator *ret, struct error *err)
{
	if (demuxer == NULL || !WebPDemuxGetFrame(demuxer, 1, ret)) {
		return error_plain(err, EBADMSG, "the WebP animation has no whole frame");
	}
	return 0;
}

static int decode_frame(
	const uint8_t *data, size_t len, uint32_t side, struct decoded *ret, struct error *err)
{
	WebPDecoderConfig config;
	uint32_t width, height;
	VP8StatusCode status;
	int r;

	if (!WebPInitDecoderConfig(&config) ||
		WebPGetFeatures(data, len, &config.input) != VP8_STATUS_OK ||
		config.input.width <= 0 || config.input.height <= 0) {
		return error_plain(err, EBADMSG, "the WebP image cannot be decoded: bad header");
	}
	ret->width = width = (uint32_t)config.input.width;
	ret->height = height = (uint32_t)config.input.height;
	/* Lossless files are decoded as a whole before they are scaled. */
	if ((uint64_t)width * height > LIMIT_IMAGE_PIXELS) {
		return error_plain(err, EFBIG,
			"the image has %ux%u pixels, and %d million can be decoded", width, height,
			LIMIT_IMAGE_PIXELS / (1024 * 1024));
	}
	pixels_fit(side, &width, &height);
	r = pixels_alloc(width, height, &ret->pixels, err);
	if (r < 0) {
		return r;
	}
	config.options.use_scaling = 1;
	config.options.scaled_width = (int)width;
	config.options.scaled_height = (int)height;
	config.output.colorspace = MODE_RGBA;
	config.output.is_external_memory = 1;
	config.output.u.RGBA.rgba = ret->pixels.rgba;
	config.output.u.RGBA.stride = (int)(width * 4);
	config.output.u.RGBA.size = (size_t)width * height * 4;
	status = WebPDecode(data, len, &config);
	WebPFreeDecBuffer(&config.output);
	if (status != VP8_STATUS_OK) {
		return error_plain(err, EBADMSG,
			"the WebP image cannot be decoded: it is damaged (%d)", (int)status);
	}
	return 0;
}

int decode_webp(
	const uint8_t *data, size_t len, uint32_t side, struct decoded *ret, struct error *err)
{
	WebPData file = {.bytes = data, .size = len};
	WebPBitstreamFeatures features;
	WebPDemuxer *demuxer;
	WebPIterator frame = {0};
	int r;

	if (WebPGetFeatures(data, len, &features) != VP8_STATUS_OK) {
		return error_plain(err, EBADMSG, "the WebP image cannot be decoded: bad header");
	}
	if (!features.has_animation) {
		return decode_frame(data, len, side, ret, err);
	}
	demuxer = WebPDemux(&file);
	r = first_frame(demuxer, &frame, err);
	if (r == 0) {
		ret->animated = frame.num_frames > 1;
		r = decode_frame(frame.fragment.bytes, frame.fragment.size, side, ret, err);
	}
	WebPDemuxReleaseIterator(&frame);
	WebPDemuxDelete(demuxer);
	return r;
}
