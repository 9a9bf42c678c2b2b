"""H.264 of which each frame is two fields in packets of their own, which no free encoder writes."""

MACROBLOCKS = 8, 4  # across, and down a field
# Headers of units of the stream.
DELIMITER, SEQUENCE, PICTURE, KEY_SLICE, SLICE = 0x09, 0x67, 0x68, 0x65, 0x61


class Bits:
    """Bits of a header in the order in which they are written (ISO/IEC 14496-10, 7.2 and 9.1)."""

    def __init__(self) -> None:
        self.text = ""

    def fixed(self, width: int, *values: int) -> "Bits":
        """Write whole numbers in ``width`` bits each."""
        self.text += "".join(f"{value:0{width}b}" for value in values)
        return self

    def golomb(self, *values: int) -> "Bits":
        """Write whole numbers as Exp-Golomb codes."""
        for value in values:
            code = f"{value + 1:b}"
            self.text += "0" * (len(code) - 1) + code
        return self

    def align(self, end: str = "") -> "Bits":
        """Fill up to a whole byte."""
        self.text += end
        self.text += "0" * (-len(self.text) % 8)
        return self

    def unit(self, header: int) -> bytes:
        """Close a unit of the stream: no run of zeros in it may look like a start code."""
        self.align("1")
        data = int(self.text, 2).to_bytes(len(self.text) // 8, "big")
        written, zeros = bytearray(b"\0\0\0\1" + bytes([header])), 0
        for byte in data:
            if zeros >= 2 and byte <= 3:
                written.append(3)
                zeros = 0
            written.append(byte)
            zeros = 0 if byte else zeros + 1
        return bytes(written)


def interlaced_h264(frames: int) -> bytes:
    """A stream of frames of 128 x 128 pixels, each of a brightness of its own, uncompressed."""
    across, down = MACROBLOCKS
    sequence = (
        Bits().fixed(8, 77, 0, 40).golomb(0, 0, 2, 2).fixed(1, 0).golomb(across - 1, down - 1)
    )
    sequence.fixed(1, 0, 0, 1, 0, 0)  # of fields, or frames; neither cropped nor described
    picture = Bits().golomb(0, 0).fixed(1, 0, 0).golomb(0, 0, 0).fixed(1, 0).fixed(2, 0)
    picture.golomb(0, 0, 0).fixed(1, 1, 0, 0)
    stream = sequence.unit(SEQUENCE) + picture.unit(PICTURE)
    for frame in range(frames):
        for bottom in (0, 1):
            is_key = frame == bottom == 0
            field = Bits().golomb(0, 7, 0).fixed(4, frame % 16).fixed(1, 1, bottom)
            if is_key:
                field.golomb(0).fixed(1, 0)
            field.fixed(1, 0).golomb(0, 1)
            for place in range(across * down):
                luma = 40 + (frame * 7 + place * 5) % 180
                field.golomb(25).align().fixed(8, *[luma] * 256, *[128] * 128)
            stream += b"" if bottom else Bits().fixed(3, 0).unit(DELIMITER)
            stream += field.unit(KEY_SLICE if is_key else SLICE)
    return stream
