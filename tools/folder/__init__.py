"""From a folder of videos to a trained and tested network: the parts of `tools/train_folder.py`."""
