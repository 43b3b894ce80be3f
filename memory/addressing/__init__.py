"""What NTM and DNC share: content addressing, erase and add."""
