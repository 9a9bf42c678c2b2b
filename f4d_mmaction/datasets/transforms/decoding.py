"""Opening and decoding videos and folders of frames, as steps of a pipeline."""

from __future__ import annotations

import os

import cv2
import mmcv
import numpy as np
from mmaction.registry import TRANSFORMS
from mmcv.transforms import BaseTransform
from mmengine.fileio import get

from f4d_mmaction.datasets.video_errors import BadVideoError, BadVideoKind, bad
from f4d_mmaction.datasets.video_reader import MAX_PIXELS, VideoReader


@TRANSFORMS.register_module()
class InitVideo(BaseTransform):
    """Open a video, in the place of MMAction2's ``DecordInit``.

    Required keys: ``filename``. Added keys: ``video_reader``, ``total_frames``, ``avg_fps``.

    Args:
        time_limit: Seconds for opening a video, and again for decoding it; None for no limit. It
            is checked between packets, so that no signal or thread is needed.
        strict: Refuse videos in which the decoder meets an error on the way to a wanted frame.
        max_pixels: Largest width * height of a frame.

    Raises:
        BadVideoError: the file cannot be used; its ``kind`` says why.
    """

    def __init__(
        self, time_limit: float | None = 60.0, strict: bool = True, max_pixels: int = MAX_PIXELS
    ) -> None:
        if time_limit is not None and not time_limit > 0:
            raise ValueError(f"time_limit must be positive seconds or None, got {time_limit!r}")
        self.time_limit = time_limit
        self.strict = strict
        self.max_pixels = max_pixels

    def transform(self, results: dict) -> dict:
        """Add the open reader and what the samplers need of it."""
        path = os.fspath(results["filename"])
        if not os.path.splitext(path)[1] and not os.path.exists(path):
            path += ".mp4"  # as DecordInit does
        reader = VideoReader(path, self.time_limit, self.strict, self.max_pixels)
        results["video_reader"] = reader
        results["total_frames"] = len(reader)
        results["avg_fps"] = reader.average_fps
        return results

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(time_limit={self.time_limit}, strict={self.strict}, "
            f"max_pixels={self.max_pixels})"
        )


class _DecodeOnce(BaseTransform):
    """Decode every needed frame once.

    Units overlap on short videos, so that ``frame_inds`` repeats. Resizing, cropping and flipping
    then run on the distinct frames, and ``FormatActionUnits`` puts frame ``unit_index[i]`` at place
    ``i``. ``share=False`` repeats the frames, for pipelines that end in another transform.
    """

    def __init__(self, share: bool = True) -> None:
        self.share = share

    def transform(self, results: dict) -> dict:
        """Add ``imgs`` and, when frames are shared, ``unit_index`` (U*T,)."""
        indices = np.asarray(results["frame_inds"]).reshape(-1)
        distinct, unit_index = np.unique(indices, return_inverse=True)
        images = self._frames(results, distinct)
        if self.share:
            results["unit_index"] = unit_index
        else:
            images = [images[place].copy() for place in unit_index]
        results["frame_inds"] = indices
        results["imgs"] = images
        results["original_shape"] = results["img_shape"] = images[0].shape[:2]
        return results

    def _frames(self, results: dict, indices: np.ndarray) -> list[np.ndarray]:
        raise NotImplementedError

    def __repr__(self) -> str:
        return f"{type(self).__name__}(share={self.share})"


@TRANSFORMS.register_module()
class DecodeUnits(_DecodeOnce):
    """Decode the sampled frames of a video and release it, in the place of ``DecordDecode``.

    Required keys: ``video_reader`` (of ``InitVideo``), ``frame_inds``. Added keys: ``imgs``
    (distinct frames (H, W, 3) in time order), ``unit_index``, ``img_shape``, ``original_shape``.
    ``share=False`` repeats the frames, for ``FormatShape``.

    Raises:
        BadVideoError: damaged, too large, or out of time.
    """

    def _frames(self, results: dict, indices: np.ndarray) -> list[np.ndarray]:
        reader = results["video_reader"]
        results["video_reader"] = None
        return reader.read(indices)


@TRANSFORMS.register_module()
class DecodeRawUnits(_DecodeOnce):
    """Decode the sampled frames of a folder of pictures, in the place of ``RawFrameDecode``.

    Required keys: ``frame_dir``, ``filename_tmpl``, ``frame_inds``, ``modality``, ``offset``
    (optional). Added keys and ``share``: as ``DecodeUnits``. ``backend_args`` says where the
    pictures are, as MMEngine's ``fileio`` takes it.

    Raises:
        BadVideoError: a missing folder or frame, an empty, truncated or undecodable picture.
    """

    def __init__(self, share: bool = True, backend_args: dict | None = None) -> None:
        super().__init__(share)
        self.backend_args = backend_args

    def _frames(self, results: dict, indices: np.ndarray) -> list[np.ndarray]:
        if results["modality"] != "RGB":
            raise ValueError(
                f"DecodeRawUnits reads RGB frames, got modality {results['modality']!r}; "
                "use MMAction2's RawFrameDecode for others"
            )
        folder, offset = results["frame_dir"], results.get("offset", 0)
        images = [
            self._picture(folder, results["filename_tmpl"].format(index + offset))
            for index in indices
        ]
        if len({image.shape for image in images}) > 1:
            raise bad(BadVideoKind.DAMAGED, folder, "frames differ in size")
        return images

    def _picture(self, folder: str, name: str) -> np.ndarray:
        path = os.path.join(folder, name)
        try:
            data = get(path, self.backend_args)
        except (FileNotFoundError, NotADirectoryError):
            raise self._absent(folder, name) from None
        except OSError as error:
            raise bad(BadVideoKind.UNREADABLE, folder, f"{name}: {error}") from error
        if not data:
            raise bad(BadVideoKind.EMPTY, folder, f"{name} has zero bytes")
        # OpenCV fills the rest of a truncated JPEG with gray.
        if data.startswith(b"\xff\xd8") and b"\xff\xd9" not in data[-1024:]:
            raise bad(BadVideoKind.TRUNCATED, folder, f"{name} has no end marker")
        try:
            image = mmcv.imfrombytes(data, channel_order="rgb", backend="cv2")
        except cv2.error:
            image = None
        if image is None:
            raise bad(BadVideoKind.GARBAGE, folder, f"{name} cannot be decoded")
        return image

    @staticmethod
    def _absent(folder: str, name: str) -> BadVideoError:
        if not os.path.exists(folder):
            return bad(BadVideoKind.MISSING, folder, "no such folder")
        if not os.path.isdir(folder):
            return bad(BadVideoKind.UNREADABLE, folder, "not a folder")
        if not os.listdir(folder):
            return bad(BadVideoKind.EMPTY, folder, "the folder is empty")
        return bad(BadVideoKind.MISSING_FRAMES, folder, f"{name} is missing")
