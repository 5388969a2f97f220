"""The contract between the rooms of SKEP: schemas, recipes, the stage protocol."""
