"""What this PC is and how busy it is: CPU, RAM, GPUs, disks, links."""
