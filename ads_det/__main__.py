"""``python -m ads_det``, which launchers such as torchrun can start, is ``ads-det``."""

from ads_det.commands import main

if __name__ == "__main__":
    main()
