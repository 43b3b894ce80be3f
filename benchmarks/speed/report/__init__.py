"""From what was measured to files, a page and figures."""
