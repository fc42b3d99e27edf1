"""Labels outside the loop: what an image shows, in the formats of annotation tools."""
