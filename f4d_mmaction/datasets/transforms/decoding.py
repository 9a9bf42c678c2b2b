"""Opening and decoding videos and folders of frames, as steps of a pipeline."""

import os
from dataclasses import dataclass

import cv2
import mmcv
import numpy as np
from mmaction.registry import TRANSFORMS
from mmcv.transforms import BaseTransform
from mmengine.fileio import get

from f4d_mmaction.datasets.video_errors import BadVideoError, BadVideoKind, bad
from f4d_mmaction.datasets.video_reader import MAX_PIXELS, VideoReader, video_file


@TRANSFORMS.register_module()
@dataclass(eq=False)
class InitVideo(BaseTransform):
    """Open a video, in the place of MMAction2's ``DecordInit``.

    Required keys: ``filename``. Added keys: ``video_reader``, ``total_frames``, ``avg_fps``.
    Arguments are those of ``VideoReader``, which checks its time between packets, so that no signal
    or thread is needed.

    Raises:
        BadVideoError: the file cannot be used; its ``kind`` says why.
    """

    time_limit: float | None = 60.0
    strict: bool = True
    max_pixels: int = MAX_PIXELS

    def __post_init__(self) -> None:
        if self.time_limit is not None and not self.time_limit > 0:
            raise ValueError(f"time_limit must be positive seconds or None: {self.time_limit!r}")

    def transform(self, results: dict) -> dict:
        """Add the open reader and what the samplers need of it."""
        path = video_file(results["filename"])
        reader = VideoReader(path, self.time_limit, self.strict, self.max_pixels)
        results.update(video_reader=reader, total_frames=len(reader), avg_fps=reader.average_fps)
        return results


@dataclass(eq=False)
class _DecodeOnce(BaseTransform):
    """Decode every needed frame once.

    Units overlap on short videos, so that ``frame_inds`` repeats. Resizing, cropping and flipping
    then run on the distinct frames, and ``FormatActionUnits`` puts frame ``unit_index[i]`` at place
    ``i``. Without ``num_units`` of our sampler, or with ``share=False``, frames are repeated.
    """

    share: bool = True

    def transform(self, results: dict) -> dict:
        """Add ``imgs`` and, when frames are shared, ``unit_index`` (U*T,)."""
        indices = np.asarray(results["frame_inds"]).reshape(-1)
        distinct, unit_index = np.unique(indices, return_inverse=True)
        images = self._frames(results, distinct)
        if self.share and "num_units" in results:
            results["unit_index"] = unit_index
        else:
            images = [images[place].copy() for place in unit_index]
        shape = images[0].shape[:2]
        size = np.tile(shape[::-1], 2)  # boxes of people are relative until a picture is decoded
        boxes = [key for key in ("gt_bboxes", "proposals") if results.get(key) is not None]
        results.update({key: (results[key] * size).astype(np.float32) for key in boxes})
        results.update(frame_inds=indices, imgs=images, img_shape=shape, original_shape=shape)
        return results

    def _frames(self, results: dict, indices: np.ndarray) -> list[np.ndarray]:
        raise NotImplementedError


@TRANSFORMS.register_module()
class DecodeUnits(_DecodeOnce):
    """Decode the sampled frames of a video and release it, in the place of ``DecordDecode``.

    Required keys: ``video_reader`` (of ``InitVideo``), ``frame_inds``. Added keys: ``imgs``
    (frames (H, W, 3), distinct ones in time order with ``unit_index``), and their shapes.

    Raises:
        BadVideoError: damaged, too large, or out of time.
    """

    def _frames(self, results: dict, indices: np.ndarray) -> list[np.ndarray]:
        reader, results["video_reader"] = results["video_reader"], None
        return reader.read(indices)


@TRANSFORMS.register_module()
@dataclass(eq=False)
class DecodeRawUnits(_DecodeOnce):
    """Decode the sampled frames of a folder of pictures, in the place of ``RawFrameDecode``.

    Required keys: ``frame_dir``, ``filename_tmpl``, ``frame_inds``, ``modality``, ``offset``
    (optional). Added keys and ``share``: as ``DecodeUnits``. ``backend_args`` says where the
    pictures are, as MMEngine's ``fileio`` takes it.

    Raises:
        BadVideoError: a missing folder or frame, an empty, truncated or undecodable picture.
    """

    backend_args: dict | None = None

    def _frames(self, results: dict, indices: np.ndarray) -> list[np.ndarray]:
        if results["modality"] != "RGB":
            raise ValueError(
                f"DecodeRawUnits reads RGB frames, got modality {results['modality']!r}; "
                "use MMAction2's RawFrameDecode for others"
            )
        folder, offset = results["frame_dir"], results.get("offset", 0)
        name = results["filename_tmpl"].format
        images = [self._picture(folder, name(index + offset)) for index in indices]
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
