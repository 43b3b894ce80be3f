"""Many envs as tensors on one device: tensors in, tensors out, nothing crosses the bus."""
