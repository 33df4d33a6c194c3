"""A PNG of Chromium's again with a palette: the 256 colours that are most, each other one as the nearest of them. A page has few."""
import collections, struct, zlib


def chunks(picture):
    at = 8
    while at < len(picture):
        size, kind = struct.unpack(">I4s", picture[at:at + 8])
        yield kind, picture[at + 8:at + 8 + size]
        at += size + 12


def unfilter(data, height, stride, step):
    """PNG's five filters, undone (ISO/IEC 15948 9.2)."""
    before, at = bytearray(stride), 0
    for _ in range(height):
        how, row = data[at], bytearray(data[at + 1:at + 1 + stride])
        at += stride + 1
        if how == 1:
            for i in range(step, stride):
                row[i] = row[i] + row[i - step] & 255
        elif how == 2:
            row = bytearray(a + b & 255 for a, b in zip(row, before))
        elif how == 3:
            for i in range(stride):
                row[i] = row[i] + ((row[i - step] if i >= step else 0) + before[i] >> 1) & 255
        elif how == 4:
            for i in range(stride):
                a, b, c = (row[i - step], before[i], before[i - step]) if i >= step else (0, before[i], 0)
                p = a + b - c
                pa, pb, pc = abs(p - a), abs(p - b), abs(p - c)
                row[i] = row[i] + (a if pa <= pb and pa <= pc else b if pb <= pc else c) & 255
        yield bytes(row)
        before = row


def nearest(colour, palette):
    return min(range(len(palette)), key=lambda i: sum((x - y) ** 2 for x, y in zip(colour, palette[i])))


def pack(path):
    with open(path, "rb") as f:
        picture = f.read()
    parts = list(chunks(picture))
    width, height, depth, kind, _, _, interlaced = struct.unpack(">IIBBBBB", dict(parts)[b"IHDR"])
    assert depth == 8 and kind in (2, 6) and not interlaced, "a PNG that Chromium does not write: %s" % path
    step = 3 if kind == 2 else 4
    rows = [[row[i:i + 3] for i in range(0, len(row), step)]
            for row in unfilter(zlib.decompress(b"".join(body for name, body in parts if name == b"IDAT")), height, width * step, step)]
    counts = collections.Counter(colour for row in rows for colour in row)
    palette = [colour for colour, _ in sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:256]]
    index = {colour: i for i, colour in enumerate(palette)}
    for colour in counts:
        if colour not in index:
            index[colour] = nearest(colour, palette)
    data = b"".join(b"\0" + bytes(index[colour] for colour in row) for row in rows)
    with open(path, "wb") as f:
        f.write(picture[:8])
        for name, body in ((b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)), (b"PLTE", b"".join(palette)), (b"IDAT", zlib.compress(data, 9)), (b"IEND", b"")):
            f.write(struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body)))
