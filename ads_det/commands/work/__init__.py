"""What the commands do; imports torch, mmengine and mmdet."""
