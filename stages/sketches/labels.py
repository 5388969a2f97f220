"""Which labels of a row the sketches stage draws from."""

# What makes the figure: arguments of stages.body.figure.make_figure.
BODY = ("pose", "betas", "bone_scales", "transl", "camera_K")
