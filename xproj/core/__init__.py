"""The pure core: decisions on numbers and text, without files, models or Arrow tables."""
