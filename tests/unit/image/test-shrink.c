/* SPDX-License-Identifier: MIT */
/* Images through decoder, scaling, turning and encoder, and files that are made to hurt. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs those four before it. */
#include <cmocka.h>

#include <errno.h>
#include <gif_lib.h>
#include <png.h>
#include <stdlib.h>
#include <string.h>
#include <turbojpeg.h>
#include <webp/encode.h>
#include <webp/mux.h>

#include "base/image_type.h"
#include "base/limits.h"
#include "base/macro.h"
#include "base/mem.h"
#include "image/exif.h"
#include "image/pixels.h"

static const struct image_bounds usual = {LIMIT_READ_IMAGE_SIDE, LIMIT_READ_IMAGE};
static const uint8_t red[] = {255, 0, 0, 255}, green[] = {0, 255, 0, 255},
		     blue[] = {0, 0, 255, 255}, clear[] = {0, 0, 0, 0};

/* Top left red, top right green, bottom left blue, bottom right transparent. */
static struct pixels quarters(uint32_t width, uint32_t height)
{
	struct pixels pixels;
	struct error err;

	assert_int_equal(pixels_alloc(width, height, &pixels, &err), 0);
	for (uint32_t y = 0; y < height; y++) {
		for (uint32_t x = 0; x < width; x++) {
			const uint8_t *top = x < width / 2 ? red : green;
			const uint8_t *bottom = x < width / 2 ? blue : clear;

			(void)memcpy(pixels.rgba + ((size_t)y * width + x) * 4,
				y < height / 2 ? top : bottom, 4);
		}
	}
	return pixels;
}

static void make_opaque(struct pixels *pixels)
{
	for (size_t i = 0; i < (size_t)pixels->width * pixels->height; i++) {
		pixels->rgba[i * 4 + 3] = 255;
	}
}

/* A point of the picture in percent of its sides, within what JPEG loses. */
static void expect_at(const struct pixels *pixels, unsigned x, unsigned y, const uint8_t *colour)
{
	const uint8_t *p =
		pixels->rgba +
		((size_t)(pixels->height * y / 100) * pixels->width + pixels->width * x / 100) * 4;

	for (int c = 0; c < 4; c++) {
		assert_true(abs(p[c] - colour[c]) <= 12 || (c < 3 && colour[3] == 0));
	}
}

static void decode_any(const struct buf *file, struct decoded *ret)
{
	const char *mime = image_type_mime((const uint8_t *)file->data, file->len);
	decode_fn decode = strcmp(mime, "image/jpeg") == 0   ? decode_jpeg
			   : strcmp(mime, "image/webp") == 0 ? decode_webp
							     : decode_png;
	struct error err;

	*ret = (struct decoded){0};
	assert_int_equal(decode((const uint8_t *)file->data, file->len, UINT16_MAX, ret, &err), 0);
}

static void shrink_ok(const struct buf *file, const struct image_bounds *bounds,
	struct image_shrunk *ret, struct decoded *ret_pixels)
{
	struct error err = {0};
	int r = image_shrink(file->data, file->len, bounds, ret, &err);

	if (r < 0) {
		fail_msg("%s", err.text);
	}
	assert_string_equal(
		image_type_mime((const uint8_t *)ret->data.data, ret->data.len), ret->mime);
	assert_true(ret->data.len <= bounds->bytes);
	decode_any(&ret->data, ret_pixels);
	assert_int_equal(ret_pixels->width, ret->width);
	assert_int_equal(ret_pixels->height, ret->height);
}

/* The file of quarters() made smaller, by its format; what comes out. */
static void expect_quarters(const struct buf *file, const char *mime, bool has_alpha)
{
	_cleanup_(image_shrunk_finish) struct image_shrunk image = {0};
	struct decoded decoded;

	shrink_ok(file, &usual, &image, &decoded);
	assert_string_equal(image.mime, mime);
	assert_int_equal(image.source_width, 2000);
	assert_int_equal(image.source_height, 1000);
	assert_int_equal(image.width, 1200);
	assert_int_equal(image.height, 600);
	expect_at(&decoded.pixels, 20, 20, red);
	expect_at(&decoded.pixels, 80, 20, green);
	expect_at(&decoded.pixels, 20, 80, blue);
	if (has_alpha) {
		expect_at(&decoded.pixels, 80, 80, clear);
	}
	pixels_finish(&decoded.pixels);
}

static void test_formats(void **state)
{
	_cleanup_pixels_ struct pixels pixels = quarters(2000, 1000);
	static const struct {
		encode_fn encode;
		const char *mime;
		bool has_alpha;
	} rows[] = {
		{encode_png, "image/png", true},
		{encode_webp, "image/webp", true},
		{encode_jpeg, "image/jpeg", false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_buf_ struct buf file = {0};
		struct error err;

		assert_int_equal(rows[i].encode(&pixels, 90, SIZE_MAX, &file, &err), 0);
		expect_quarters(&file, rows[i].mime, rows[i].has_alpha);
	}
}

static void turbo_file(
	const struct pixels *pixels, enum TJPF format, int flags, const void *data, struct buf *ret)
{
	tjhandle handle = tjInitCompress();
	unsigned char *out = NULL;
	unsigned long len = 0;

	assert_int_equal(tjCompress2(handle, data, (int)pixels->width, 0, (int)pixels->height,
				 (int)format, &out, &len, TJSAMP_444, 90, flags),
		0);
	buf_add(ret, out, len);
	tjFree(out);
	(void)tjDestroy(handle);
}

static void test_jpeg_kinds(void **state)
{
	_cleanup_pixels_ struct pixels pixels = quarters(2000, 1000);
	_cleanup_buf_ struct buf progressive = {0}, cmyk = {0};
	struct pixels inks = quarters(2000, 1000);

	(void)state;
	turbo_file(&pixels, TJPF_RGBX, TJFLAG_PROGRESSIVE, pixels.rgba, &progressive);
	expect_quarters(&progressive, "image/jpeg", false);
	/* Inverted inks with a full K are red, green and blue. */
	make_opaque(&inks);
	turbo_file(&inks, TJPF_CMYK, 0, inks.rgba, &cmyk);
	expect_quarters(&cmyk, "image/jpeg", false);
	pixels_finish(&inks);
}

static void test_png_of_16_bits(void **state)
{
	const struct pixels pixels = quarters(2000, 1000);
	png_uint_16 *wide = xcalloc((size_t)2000 * 1000 * 4, sizeof(*wide));
	png_image image = {.version = PNG_IMAGE_VERSION,
		.width = 2000,
		.height = 1000,
		.format = PNG_FORMAT_LINEAR_RGB_ALPHA};
	png_alloc_size_t len = PNG_IMAGE_PNG_SIZE_MAX(image);
	_cleanup_buf_ struct buf file = {0};

	(void)state;
	for (size_t i = 0; i < (size_t)2000 * 1000 * 4; i++) {
		wide[i] = (png_uint_16)(pixels.rgba[i] * 257);
	}
	assert_int_not_equal(
		png_image_write_to_memory(&image, buf_reserve(&file, len), &len, 0, wide, 0, NULL),
		0);
	buf_commit(&file, len);
	expect_quarters(&file, "image/png", true);
	free(wide);
	free(pixels.rgba);
}

/* --- GIF --- */

static int write_gif(GifFileType *gif, const GifByteType *data, int len)
{
	buf_add(gif->UserData, data, (size_t)len);
	return len;
}

static void gif_frame(GifFileType *gif, int width, int height, bool interlaced)
{
	static const int starts[] = {0, 4, 2, 1}, steps[] = {8, 8, 4, 2};
	static const GifByteType control[] = {1, 0, 0, 3}; /* colour 3 is transparent */
	GifByteType *row = xcalloc(1, (size_t)width);

	assert_int_equal(EGifPutExtension(gif, GRAPHICS_EXT_FUNC_CODE, 4, control), GIF_OK);
	assert_int_equal(EGifPutImageDesc(gif, 0, 0, width, height, interlaced, NULL), GIF_OK);
	for (int pass = 0; pass < (interlaced ? 4 : 1); pass++) {
		for (int y = interlaced ? starts[pass] : 0; y < height;
			y += interlaced ? steps[pass] : 1) {
			for (int x = 0; x < width; x++) {
				row[x] = (GifByteType)((y >= height / 2) * 2 + (x >= width / 2));
			}
			assert_int_equal(EGifPutLine(gif, row, width), GIF_OK);
		}
	}
	free(row);
}

static void make_gif(int width, int height, int frames, bool interlaced, struct buf *ret)
{
	static GifColorType colours[] = {{255, 0, 0}, {0, 255, 0}, {0, 0, 255}, {9, 9, 9}};
	ColorMapObject *map = GifMakeMapObject(4, colours);
	int code = 0;
	GifFileType *gif = EGifOpen(ret, write_gif, &code);

	assert_non_null(gif);
	EGifSetGifVersion(gif, true);
	assert_int_equal(EGifPutScreenDesc(gif, width, height, 2, 0, map), GIF_OK);
	for (int i = 0; i < frames; i++) {
		gif_frame(gif, width, height, interlaced);
	}
	assert_int_equal(EGifCloseFile(gif, &code), GIF_OK);
	GifFreeMapObject(map);
}

static void test_gif(void **state)
{
	_cleanup_buf_ struct buf plain = {0}, interlaced = {0};

	(void)state;
	make_gif(2000, 1000, 1, false, &plain);
	expect_quarters(&plain, "image/png", true);
	make_gif(2000, 1000, 1, true, &interlaced);
	expect_quarters(&interlaced, "image/png", true);
}

static void test_animations(void **state)
{
	_cleanup_(image_shrunk_finish) struct image_shrunk image = {0};
	_cleanup_(image_shrunk_finish) struct image_shrunk still = {0};
	_cleanup_(image_shrunk_finish) struct image_shrunk webp = {0};
	_cleanup_buf_ struct buf one = {0}, three = {0}, frames = {0};
	_cleanup_pixels_ struct pixels pixels = quarters(2000, 1000);
	WebPAnimEncoder *encoder = WebPAnimEncoderNew(2000, 1000, NULL);
	WebPData data;
	struct decoded decoded;

	(void)state;
	make_gif(1300, 10, 3, false, &three);
	shrink_ok(&three, &usual, &image, &decoded);
	assert_true(image.animated);
	pixels_finish(&decoded.pixels);
	make_gif(1300, 10, 1, false, &one);
	shrink_ok(&one, &usual, &still, &decoded);
	assert_false(still.animated);
	pixels_finish(&decoded.pixels);

	for (int i = 0; i < 2; i++) {
		WebPPicture picture;

		assert_true(WebPPictureInit(&picture));
		picture.use_argb = 1;
		picture.width = 2000;
		picture.height = 1000;
		assert_true(WebPPictureImportRGBA(&picture, pixels.rgba, 2000 * 4));
		assert_true(WebPAnimEncoderAdd(encoder, &picture, i * 100, NULL));
		WebPPictureFree(&picture);
		/* The next frame differs, or it would be left out. */
		(void)memset(pixels.rgba, 255, (size_t)1000 * 1000);
	}
	assert_true(WebPAnimEncoderAdd(encoder, NULL, 200, NULL));
	assert_true(WebPAnimEncoderAssemble(encoder, &data));
	buf_add(&frames, data.bytes, data.size);
	WebPDataClear(&data);
	WebPAnimEncoderDelete(encoder);
	expect_quarters(&frames, "image/webp", true);
	shrink_ok(&frames, &usual, &webp, &decoded);
	assert_true(webp.animated);
	pixels_finish(&decoded.pixels);
}

/* --- orientation --- */

static void put_u16(uint8_t *at, unsigned value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

/* A JPEG with an EXIF block behind its first marker. */
static void with_exif(const struct buf *jpeg, unsigned orientation, struct buf *ret)
{
	uint8_t app1[] = {0xff, 0xe1, 0, 34, 'E', 'x', 'i', 'f', 0, 0, 'M', 'M', 0, 42, 0, 0, 0, 8,
		0, 1, 0x01, 0x12, 0, 3, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0};

	put_u16(app1 + 28, orientation);
	buf_add(ret, jpeg->data, 2);
	buf_add(ret, app1, sizeof(app1));
	buf_add(ret, jpeg->data + 2, jpeg->len - 2);
}

/* Which quarter of the stored picture is where in the upright one: corners in the order top left, top
 * right, bottom left, bottom right, each named as it is stored (TIFF 6.0, Orientation). */
static void test_orientation(void **state)
{
	static const uint8_t *const corner[] = {red, green, blue};
	static const int upright[9][4] = {{0, 1, 2, 3}, {0, 1, 2, 3}, {1, 0, 3, 2}, {3, 2, 1, 0},
		{2, 3, 0, 1}, {0, 2, 1, 3}, {2, 0, 3, 1}, {3, 1, 2, 0}, {1, 3, 0, 2}};
	_cleanup_pixels_ struct pixels pixels = quarters(2000, 1000);
	_cleanup_buf_ struct buf plain = {0};
	struct error err;

	(void)state;
	assert_int_equal(encode_jpeg(&pixels, 90, SIZE_MAX, &plain, &err), 0);
	for (unsigned orientation = 0; orientation <= 8; orientation++) {
		_cleanup_(image_shrunk_finish) struct image_shrunk image = {0};
		_cleanup_buf_ struct buf file = {0};
		struct decoded decoded;

		with_exif(&plain, orientation, &file);
		shrink_ok(&file, &usual, &image, &decoded);
		assert_int_equal(image.width, orientation >= 5 ? 600 : 1200);
		assert_int_equal(image.source_height, orientation >= 5 ? 2000 : 1000);
		for (unsigned i = 0; i < 4; i++) {
			if (upright[orientation][i] < 3) {
				expect_at(&decoded.pixels, 20 + i % 2 * 60, 20 + i / 2 * 60,
					corner[upright[orientation][i]]);
			}
		}
		pixels_finish(&decoded.pixels);
	}
}

static void test_exif_of_other_formats(void **state)
{
	static const uint8_t tiff[] = "II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0";
	static const uint8_t png[] = "\x89PNG\r\n\x1a\n\0\0\0\x18"
				     "eXIfII*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0"
				     "\0\0";
	uint8_t webp[64] = "RIFF\0\0\0\0WEBPICCP\x03\0\0\0abc\0EXIF\x18\0\0\0";

	(void)state;
	assert_int_equal(exif_orientation(png, sizeof(png) - 1, "image/png"), 6);
	(void)memcpy(webp + 32, tiff, sizeof(tiff));
	assert_int_equal(exif_orientation(webp, 32 + 24, "image/webp"), 6);
	/* Cut anywhere it is no crash, and no orientation that is not in the file. */
	for (size_t len = 0; len < sizeof(png); len++) {
		unsigned got = exif_orientation(png, len, "image/png");

		assert_true(got == 1 || got == 6);
	}
	for (size_t bit = 0; bit < sizeof(webp) * 8; bit++) {
		unsigned got;

		webp[bit / 8] ^= (uint8_t)(1U << (bit % 8));
		got = exif_orientation(webp, sizeof(webp), "image/webp");
		assert_true(got >= 1 && got <= 8);
		webp[bit / 8] ^= (uint8_t)(1U << (bit % 8));
	}
}

/* --- bounds --- */

static void fill_noise(struct pixels *pixels, bool opaque)
{
	uint32_t seed = 1;

	for (size_t i = 0; i < (size_t)pixels->width * pixels->height * 4; i++) {
		seed = seed * 1664525 + 1013904223;
		pixels->rgba[i] = opaque && i % 4 == 3 ? 255 : (uint8_t)(seed >> 24);
	}
}

static void test_bytes_are_kept_down(void **state)
{
	static const struct {
		uint32_t bytes;
		bool opaque;
		const char *mime;
	} rows[] = {
		/* 400x400 of noise: 480 and 640 KB as PNG */
		{700000, false, "image/png"}, {300000, true, "image/jpeg"},
		{300000, false, "image/webp"}, {100000, true, "image/jpeg"},
		{2000, true, "image/jpeg"}, /* only by being smaller, too */
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_(image_shrunk_finish) struct image_shrunk image = {0};
		_cleanup_pixels_ struct pixels pixels = {0};
		_cleanup_buf_ struct buf file = {0};
		struct decoded decoded;
		struct error err;

		assert_int_equal(pixels_alloc(400, 400, &pixels, &err), 0);
		fill_noise(&pixels, rows[i].opaque);
		assert_int_equal(encode_png(&pixels, 0, SIZE_MAX, &file, &err), 0);
		shrink_ok(&file, &(struct image_bounds){1200, rows[i].bytes}, &image, &decoded);
		assert_string_equal(image.mime, rows[i].mime);
		assert_int_equal(image.width < 400, rows[i].bytes < 100000);
		pixels_finish(&decoded.pixels);
	}
}

static void test_shapes(void **state)
{
	static const uint32_t rows[][4] = {{1, 1, 1, 1}, {1200, 1200, 1200, 1200},
		{1201, 3, 1200, 3}, {3, 60000, 1, 1200}, {65000, 1, 1200, 1}};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_(image_shrunk_finish) struct image_shrunk image = {0};
		_cleanup_pixels_ struct pixels pixels = {0};
		_cleanup_buf_ struct buf file = {0};
		struct decoded decoded;
		struct error err;

		assert_int_equal(pixels_alloc(rows[i][0], rows[i][1], &pixels, &err), 0);
		assert_int_equal(encode_png(&pixels, 0, SIZE_MAX, &file, &err), 0);
		shrink_ok(&file, &usual, &image, &decoded);
		assert_int_equal(image.width, rows[i][2]);
		assert_int_equal(image.height, rows[i][3]);
		pixels_finish(&decoded.pixels);
	}
}

/* What is transparent has no colour to give to its neighbours. */
static void test_scaling_weighs_alpha(void **state)
{
	uint8_t two[] = {200, 100, 50, 255, 0, 0, 0, 0};
	struct pixels from = {2, 1, two};
	_cleanup_pixels_ struct pixels to = {0};
	static const uint8_t wanted[] = {200, 100, 50, 128};
	struct error err;

	(void)state;
	assert_int_equal(pixels_scale(&from, 1, 1, &to, &err), 0);
	assert_memory_equal(to.rgba, wanted, sizeof(wanted));
}

/* --- made to hurt --- */

static void expect_refused(const void *data, size_t len, int r, const char *text)
{
	_cleanup_(image_shrunk_finish) struct image_shrunk image = {0};
	struct error err = {0};

	assert_int_equal(image_shrink(data, len, &usual, &image, &err), r);
	assert_non_null(strstr(err.text, text));
}

static void test_bombs(void **state)
{
	_cleanup_buf_ struct buf png = {0}, jpeg = {0}, gif = {0};
	_cleanup_pixels_ struct pixels pixels = quarters(16, 16);
	struct error err;

	(void)state;
	assert_int_equal(encode_png(&pixels, 0, SIZE_MAX, &png, &err), 0);
	png.data[18] = png.data[22] = (char)0xff; /* 65296 on a side; the checksum is wrong now */
	expect_refused(png.data, png.len, -EBADMSG, "PNG");
	assert_int_equal(encode_jpeg(&pixels, 90, SIZE_MAX, &jpeg, &err), 0);
	for (size_t i = 0; i + 9 < jpeg.len; i++) {
		if ((uint8_t)jpeg.data[i] == 0xff && (uint8_t)jpeg.data[i + 1] == 0xc0) {
			(void)memset(jpeg.data + i + 5, 0xf0, 4);
		}
	}
	expect_refused(jpeg.data, jpeg.len, -EFBIG, "61680x61680 pixels");
	make_gif(16, 16, 1, false, &gif);
	(void)memset(gif.data + 6, 0xff, 4);
	expect_refused(gif.data, gif.len, -EFBIG, "65535x65535 pixels");
	expect_refused("GIF89a", 6, -EBADMSG, "GIF");
	expect_refused("no image", 8, -EBADMSG, "this is no");
}

/* Every file cut at each byte and with each bit turned: an image or a sentence. */
static void test_damage(void **state)
{
	static const encode_fn encoders[] = {encode_png, encode_webp, encode_jpeg};
	static const struct image_bounds small = {8, 4096};
	_cleanup_pixels_ struct pixels pixels = quarters(16, 16);

	(void)state;
	for (size_t i = 0; i <= ARRAY_SIZE(encoders); i++) {
		_cleanup_buf_ struct buf file = {0};
		struct error err;

		if (i == ARRAY_SIZE(encoders)) {
			make_gif(16, 16, 2, true, &file);
		} else {
			assert_int_equal(encoders[i](&pixels, 90, SIZE_MAX, &file, &err), 0);
		}
		for (size_t len = 0; len < file.len; len++) {
			_cleanup_(image_shrunk_finish) struct image_shrunk image = {0};
			char *cut = xmalloc(len + 1); /* its end is the sanitizer's */
			int r;

			(void)memcpy(cut, file.data, len);
			err.text[0] = '\0';
			r = image_shrink(cut, len, &small, &image, &err);
			assert_true(r == 0 || err.text[0] != '\0');
			free(cut);
		}
		for (size_t bit = 0; bit < file.len * 8; bit++) {
			_cleanup_(image_shrunk_finish) struct image_shrunk image = {0};
			uint32_t width, height;

			file.data[bit / 8] ^= (char)(1U << (bit % 8));
			image_type_size((const uint8_t *)file.data, file.len, &width, &height);
			if ((uint64_t)width * height < 1 << 20) {
				(void)image_shrink(file.data, file.len, &small, &image, &err);
			}
			file.data[bit / 8] ^= (char)(1U << (bit % 8));
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_formats),
		cmocka_unit_test(test_jpeg_kinds),
		cmocka_unit_test(test_png_of_16_bits),
		cmocka_unit_test(test_gif),
		cmocka_unit_test(test_animations),
		cmocka_unit_test(test_orientation),
		cmocka_unit_test(test_exif_of_other_formats),
		cmocka_unit_test(test_bytes_are_kept_down),
		cmocka_unit_test(test_shapes),
		cmocka_unit_test(test_scaling_weighs_alpha),
		cmocka_unit_test(test_bombs),
		cmocka_unit_test(test_damage),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
