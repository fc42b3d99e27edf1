"""What joins the phases to mmengine's Runner."""
