#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the files the fuzzers start from, and the words they put in.

usage: seeds.py FOLDER

makes FOLDER/<reader>/ with small valid files and some that are wrong in one place, and
FOLDER/<reader>.dict for the readers of text.
"""
import gzip
import json
import os
import struct
import sys
import zlib


def npy(descr, shape, data, version=1):
    text = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}"
    head = 10 if version == 1 else 12
    text += " " * (63 - (head + len(text)) % 64) + "\n"
    length = struct.pack("<H" if version == 1 else "<I", len(text))
    return b"\x93NUMPY" + bytes([version, 0]) + length + text.encode() + data


def idx(code, extents, data):
    return bytes([0, 0, code, len(extents)]) + struct.pack(f">{len(extents)}I", *extents) + data


def safetensors(header, data, raw=None):
    text = raw if raw is not None else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def tensor(dtype, shape, begin, end):
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


def png(width, height, colours, data):
    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
    head = struct.pack(">IIBBBBB", width, height, 8, colours, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")


def seeds():
    rows = b"".join(b"\0" + bytes(range(12 * y, 12 * y + 12)) for y in range(3))
    four = b"".join(b"\1" + bytes(range(8)) for _ in range(2))
    pictures = [png(4, 3, 2, rows), png(2, 2, 6, four), png(60000, 60000, 2, rows), png(4, 3, 2, rows[:20])]
    with open(os.path.join(os.path.dirname(__file__), "..", "models", "small.jpg"), "rb") as f:
        pictures.append(f.read())
    yield "picture", pictures + [pictures[-1][:-9], pictures[-1][:300], pictures[0][:-20]]
    images, labels = idx(8, [2, 2, 3], bytes(range(12))), idx(8, [2], b"\x03\x09")
    yield "npy", [
        npy("<f4", "(2, 3)", bytes(24)), npy("<f8", "()", bytes(8)), npy("|b1", "(7,)", b"\1" * 7),
        npy("<f2", "(1, 1, 5)", bytes(10)), npy("<u8", "(2,)", b"\xff" * 16),
        npy("<i4", "(4, 0, 2)", b"", 2), npy("<f4", "(4294967296, 4294967296)", b""),
        npy(">i2", "(2L, 3L)", bytes(range(12))), npy("=d", "(1,)", bytes(8), 3),
        npy(">u4", "(3, 2)", bytes(range(24))).replace(b"False", b"True ")]
    arrays = [
        images, labels, idx(9, [1], b"\x80"), idx(11, [3], b"\1\2" * 3), idx(12, [1, 2], bytes(8)),
        idx(13, [2], struct.pack(">2f", 1, -2)), idx(14, [1], struct.pack(">d", 0.5)),
        idx(8, [1] * 8, b"x"), idx(8, [0, 28, 28], b""), idx(8, [0xffffffff] * 3, b"")]
    # The fuzzer of sets of images wants a byte that says where the labels begin.
    yield "idx", arrays + [bytes([len(images)]) + images + labels]
    packed = [gzip.compress(a, 9, mtime=0) for a in arrays]
    yield "gzip", packed + [
        packed[0] + gzip.compress(b"", mtime=0), packed[0][:-3], packed[0] + b"tail",
        packed[0] + bytes(512), packed[1] + bytes(3) + gzip.compress(b"", mtime=0),
        gzip.compress(bytes(1 << 17), 9, mtime=0), b"\x00\x00\x01" + images]
    two = {"__metadata__": {"format": "pt"}, "a": tensor("F32", [2, 3], 0, 24),
           "b": tensor("BF16", [3], 24, 30), "c": tensor("I8", [], 30, 31)}
    yield "safetensors", [
        safetensors({}, b""), safetensors(two, bytes(31)),
        safetensors({"h": tensor("F16", [1, 2], 0, 4), "e": tensor("I64", [0, 7], 0, 0)}, bytes(4)),
        safetensors({"a": tensor("U8", [4], 0, 4), "b": tensor("U8", [4], 2, 6)}, bytes(6)),
        safetensors({"a": tensor("U8", [1 << 40, 1 << 40], 0, 4)}, bytes(4)),
        safetensors(None, b"",
                    b'{"\\u00e9\\"": {"dtype":"BOOL","shape":[0],"data_offsets":[0,0]}}  '),
        safetensors({"__metadata__": None, "a": {**tensor("F4", [3, 2], 0, 3), "x": [{"y": -1.5}]},
                     "b": tensor("U8", [1], 3, 4)}, bytes(4)),
        safetensors(None, b"", b'{"a":' * 40)]

    ranges = {"format": "ia_nn ranges", "version": 1, "network": "6c62272e07bb0142",
              "ranges": {"conv1": [0, 6.0], "image": [-2.117904, 1e-3], "\u00e9\"": [-1, 0]}}
    yield "ranges", [json.dumps(r).encode() for r in (
        ranges, {**ranges, "ranges": {}}, {**ranges, "version": 2}, {**ranges, "format": "others"},
        {**ranges, "ranges": {"a": [1, 2]}}, {**ranges, "ranges": {"a": [-1e39, 2]}},
        {**ranges, "ranges": {"a": [0]}}, {**ranges, "more": [[]]})] + [
        b'{"format": "ia_nn ranges", "version": 1, "ranges": {"a": [0, 1], "a": [0, 1]}}',
        b'{"ranges":' * 40, b""]


WORDS = {
    "npy": ["'descr'", "'fortran_order'", "'shape'", "'<f4'", "'|u1'", "True", "False", "(", "), }",
            "9223372036854775807", "'>i2'", "2L"],
    "ranges": ['"format":"ia_nn ranges"', '"version":1', '"network":"', '"ranges":{', '":[0,', "-1]",
               "1e-45", "3.4028235e38", "3.4028236e38", "1e309", "-0", "null", "true", "\\u0000"],
    "safetensors": ['"__metadata__":{', '"dtype":"', '"shape":[', '"data_offsets":[', "F32", "BF16",
                    "F16", "BOOL", "F8_E4M3", "18446744073709551615", "9223372036854775808", "-1",
                    "1e3", "null", "]},", "\\u0000"],
}


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    folder = sys.argv[1]
    for reader, files in seeds():
        os.makedirs(os.path.join(folder, reader), exist_ok=True)
        for number, data in enumerate(files):
            with open(os.path.join(folder, reader, f"seed_{number}"), "wb") as file:
                file.write(data)
    for reader, words in WORDS.items():
        with open(os.path.join(folder, reader + ".dict"), "w", encoding="ascii") as file:
            for word in words:
                file.write('"' + word.replace("\\", "\\\\").replace('"', '\\"') + '"\n')


if __name__ == "__main__":
    main()
