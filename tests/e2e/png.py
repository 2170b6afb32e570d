# SPDX-License-Identifier: MIT
"""The pixels of a PNG, as browsers write them."""
import struct
import zlib


def pixels(data):
    """Rows of (red, green, blue); 8 bits a sample, RGB or RGBA, not interlaced."""
    assert data[:8] == b"\x89PNG\r\n\x1a\n", data[:16]
    at, body, header = 8, b"", None
    while at < len(data):
        length, kind = struct.unpack(">I4s", data[at:at + 8])
        part = data[at + 8:at + 8 + length]
        if kind == b"IHDR":
            header = struct.unpack(">IIBBBBB", part)
        elif kind == b"IDAT":
            body += part
        at += 12 + length
    width, height, depth, colours, _, _, interlace = header
    assert depth == 8 and colours in (2, 6) and interlace == 0, header
    step = 3 if colours == 2 else 4
    raw, stride = zlib.decompress(body), width * step
    above, rows = bytearray(stride), []
    for y in range(height):
        line = unfilter(raw[y * (stride + 1)], raw[y * (stride + 1) + 1:(y + 1) * (stride + 1)], above, step)
        rows.append([tuple(line[x:x + 3]) for x in range(0, stride, step)])
        above = line
    return rows


def unfilter(how, line, above, step):
    """W3C PNG, section 9: each byte is a difference to a guess from its left, upper and upper left ones."""
    line = bytearray(line)
    for i, value in enumerate(line):
        left = line[i - step] if i >= step else 0
        corner = above[i - step] if i >= step else 0
        guess = (0, left, above[i], (left + above[i]) // 2, paeth(left, above[i], corner))[how]
        line[i] = (value + guess) & 0xff
    return line


def paeth(left, up, corner):
    near = left + up - corner
    return min((abs(near - left), 0, left), (abs(near - up), 1, up), (abs(near - corner), 2, corner))[2]
