"""Libraries that load models, without their bars."""

import diffusers
import transformers


def hush() -> None:
    """No progress bars and no advice from diffusers and transformers, only errors."""
    for library in (diffusers, transformers):
        library.utils.logging.disable_progress_bar()
        library.utils.logging.set_verbosity_error()
