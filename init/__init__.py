"""What runs in the container `init`, before every other."""
