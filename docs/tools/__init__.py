"""Scripts that write the documentation: pages, screenshots and the committed reference runs."""
