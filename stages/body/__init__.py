"""The SMPL-format body: reading, posing, camera, raster and contacts."""
