"""A dataset in the formats of others: 4D-Humans training tars, COCO keypoints."""
